"""Shards that are sound Arrow files, and of which a column is not that of a corpus."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from biot.corpus import load_corpus
from biot.corpus.summary import overview
from biot.errors import CorpusError


def rewritten(folder: Path, column: str, values: Any) -> Path:
    """A corpus whose shard has another column, and whose checksums agree."""
    shard = next((folder / "shards").iterdir())
    with pa.ipc.open_stream(shard.read_bytes()) as stream:
        table = stream.read_all()
    place = table.schema.names.index(column)
    changed = table.set_column(place, column, values(table) if callable(values) else values)
    with pa.OSFile(str(shard), "wb") as file, pa.ipc.new_stream(file, changed.schema) as stream:
        stream.write_table(changed)
    state = json.loads((folder / "state.json").read_text())
    state.pop("_biot", None)  # with the checksum of the rest
    for entry in state["_data_files"]:
        entry["n_windows"] = changed.num_rows
        if "sha256" in entry:
            entry["sha256"] = hashlib.sha256(shard.read_bytes()).hexdigest()
            entry["size"] = shard.stat().st_size
    (folder / "state.json").write_text(json.dumps(state))
    return shard


def lists(rows: Any, kind: Any = None) -> Any:
    return pa.array(rows, pa.list_(kind or pa.float32()))


HOSTILE = {
    "signal of floats": ("signal", lists([[0.5] * 40] * 2), "signal is of list"),
    "signal too short": ("signal", pa.array([b"\0" * 80, b"\0" * 78], pa.large_binary()),
                         "signal has 78 bytes in window 1, where 2 channels of 20 samples have 80"),
    "signal of an odd length": ("signal", pa.array([b"\0" * 80, b"\0" * 79], pa.large_binary()),
                                "signal has 79 bytes"),
    "signal absent": ("signal", pa.array([b"\0" * 80, None], pa.large_binary()),
                      "signal lacks the entry of a window"),
    "length absent": ("n_times", pa.array([20, None], pa.int32()), "n_times lacks the entry"),
    "length below zero": ("n_times", pa.array([20, -20], pa.int32()), "n_times says that a window"),
    "length as text": ("n_times", pa.array(["20", "20"]), "n_times is of string, not of int32"),
    "scale of one channel": ("scale", lists([[1, 1], [1]]), "scale has not one entry a channel"),
    "scale with a gap": ("scale", lists([[1, None], [1, 1]]), "scale holds a list that lacks"),
    "scale infinite": ("scale", lists([[1, np.inf], [1, 1]]), "scale holds a number that is not f"),
    "offset of doubles": ("offset", lists([[0, 0]] * 2, pa.float64()), "offset is of list"),
    "percentile of zero": ("q95", lists([[1, 0], [1, 1]]), "q95 holds a number that is not above"),
    "channels of another name": ("ch_names", lists([["C3", "X"]] * 2, pa.string()),
                                 "windows have the channels X, which preprocessing.json does not"),
    "no channels": ("ch_names", lists([[], []], pa.string()), "has not one entry a channel"),
    "subject absent": ("subject", pa.array(["a", None]), "subject lacks the entry"),
    "subject as number": ("subject", pa.array([1, 2]), "subject is of int64, not of string"),
    "start not finite": ("start", pa.array([0.0, np.nan]), "start holds a number that is not fin"),
    "label unknown": ("label", pa.array(["x", "nobody"]), "windows are labelled nobody"),
    "label not UTF-8": (
        "label",
        lambda _: pa.Array.from_buffers(
            pa.string(), 2,
            [None, pa.py_buffer(np.array([0, 1, 2], np.int32)), pa.py_buffer(b"x\xff")],
        ),
        "damaged .*[Ii]nvalid UTF-?8",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_a_shard_of_another_shape_is_refused_by_column(make_corpus: Any, case: str) -> None:
    column, values, message = HOSTILE[case]
    corpus = make_corpus(["x", "y"], ["a", "a"])
    shard = rewritten(corpus.path, column, values)
    with pytest.raises(CorpusError, match=message) as caught:
        overview(load_corpus(corpus.path))
    told = str(caught.value)
    assert shard.name in told or str(corpus.path) in told
    assert "\n" not in told


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ([[1.0, 2.0], [1.0]], "window 0 has 2 target numbers, where preprocessing.json names 1"),
        ([[1.0], [np.inf]], "targets holds a number that is not finite"),
    ],
)
def test_targets_of_another_shape_are_refused(make_corpus: Any, numbers: Any, message: str) -> None:
    corpus = make_corpus([1.5, 2.5], ["a", "a"], task="regression", label_names=["age"])
    rewritten(corpus.path, "targets", lists(numbers, pa.float64()))
    with pytest.raises(CorpusError, match=message):
        _ = load_corpus(corpus.path).targets


def test_a_column_more_or_less_is_refused(make_corpus: Any) -> None:
    corpus = make_corpus(["x", "y"], ["a", "a"])
    shard = next((corpus.path / "shards").iterdir())
    rewritten(corpus.path, "label", lambda table: table.column("label"))
    with pa.ipc.open_stream(shard.read_bytes()) as stream:
        table = stream.read_all().drop_columns(["q95"])
    with pa.OSFile(str(shard), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table)
    state = json.loads((corpus.path / "state.json").read_text())
    state.pop("_biot", None)
    for entry in state["_data_files"]:
        entry |= {"size": shard.stat().st_size,
                  "sha256": hashlib.sha256(shard.read_bytes()).hexdigest()}  # fmt: skip
    (corpus.path / "state.json").write_text(json.dumps(state))
    with pytest.raises(
        CorpusError, match=r"has the columns signal, n_times, scale, offset, ch_nam"
    ):
        load_corpus(corpus.path)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"file\treason\nonly one\n", b"a\tb\n"])
def test_a_damaged_list_of_quarantined_files_is_named(make_corpus: Any, content: bytes) -> None:
    corpus = make_corpus(["x", "y"], ["a", "a"])
    (corpus.path / "quarantine.tsv").write_bytes(content)
    with pytest.raises(CorpusError, match=r"quarantine\.tsv: damaged"):
        overview(corpus.path)
