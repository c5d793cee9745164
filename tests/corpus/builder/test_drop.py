"""A subject leaves a corpus for good."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from biot.cli import main
from biot.corpus import drop, load_corpus, prepare
from biot.errors import CorpusError

HOW: dict[str, Any] = {"sfreq": 100, "window": 2.0, "labels": "annotations"}


@pytest.fixture
def folder(write_edf: Callable[..., Path]) -> Path:
    for name, label in (("ANNA", "rest"), ("BERTA", "rest"), ("CLARA", "only")):
        for number in (1, 2):
            data = np.random.default_rng([number, len(name), ord(name[0])]).integers(
                -200, 200, (2, 1000)
            )
            path = write_edf(f"sub-{name}_{number}.edf", data, annotations=[(0, 10, label)])
    (path.parent / "sub-CLARA_3.edf").write_bytes(b"0       ")
    return path.parent


@pytest.fixture
def corpus(folder: Path, tmp_path: Path) -> Path:
    prepare(folder, tmp_path / "corpus", **HOW)
    return tmp_path / "corpus"


def everything(corpus: Path) -> bytes:
    """Names and content of all files."""
    files = [path for path in sorted(corpus.rglob("*")) if path.is_file()]
    return b"".join(path.name.encode() + path.read_bytes() for path in files)


def signals(corpus: Path, subject: str) -> list[bytes]:
    loaded = load_corpus(corpus)
    rows = loaded.rows(loaded.subjects == subject)
    return [window.tobytes() for window in rows.digital]


def test_nothing_of_the_subject_remains(corpus: Path) -> None:
    windows = signals(corpus, "CLARA")
    kept = signals(corpus, "ANNA") + signals(corpus, "BERTA")
    assert len(windows) == 10
    assert all(window in everything(corpus) for window in windows)
    before = load_corpus(corpus).fingerprint
    assert drop(corpus, "CLARA") == 10
    content = everything(corpus)
    assert b"CLARA" not in content
    assert not any(window in content for window in windows)
    loaded = load_corpus(corpus)
    assert set(loaded.subjects.tolist()) == {"ANNA", "BERTA"}
    assert signals(corpus, "ANNA") + signals(corpus, "BERTA") == kept
    assert loaded.preprocessing.label_names == ("only", "rest")
    assert loaded.fingerprint != before
    assert not (corpus / "quarantine.tsv").exists()
    assert [path.name for path in corpus.parent.iterdir() if path.name.startswith(".")] == []


def test_preparing_again_does_not_bring_the_subject_back(
    corpus: Path, folder: Path, write_edf: Callable[..., Path]
) -> None:
    drop(corpus, "CLARA")
    report = prepare(folder, corpus, **HOW)
    assert report.dropped == {"recordings of subjects that were removed for good": 3}
    write_edf("sub-DORA_1.edf", seconds=4, annotations=[(0, 4, "rest")])
    report = prepare(folder, corpus, **HOW)
    assert report.changes == ("sub-DORA_1.edf was added",)
    assert b"CLARA" not in everything(corpus)
    assert load_corpus(corpus).preprocessing.label_names == ("only", "rest")


def test_a_removed_subject_is_known_by_a_hash_only(corpus: Path) -> None:
    drop(corpus, "CLARA")
    (known,) = json.loads((corpus / "manifest.json").read_text())["dropped"]
    assert len(known) == 64
    with pytest.raises(CorpusError, match=r"no subject 'CLARA'\. It was removed before"):
        drop(corpus, "CLARA")


@pytest.mark.parametrize("step", range(6))
def test_stopped_at_any_step_the_corpus_is_as_before_or_after(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    count = 0

    class Killed(BaseException):
        pass

    def counting(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            if count > step:
                raise Killed
            return real(*args, **options)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", counting(os.replace))
        patch.setattr(Path, "unlink", counting(Path.unlink))
        with pytest.raises(Killed):
            drop(corpus, "CLARA")
    assert set(load_corpus(corpus).subjects.tolist()) >= {"ANNA", "BERTA"}
    if b"CLARA" in (corpus / "manifest.json").read_bytes():  # repeated to the end
        drop(corpus, "CLARA")
    else:
        with pytest.raises(CorpusError, match="It was removed before"):
            drop(corpus, "CLARA")
    assert b"CLARA" not in everything(corpus)
    assert len(load_corpus(corpus)) == 20


def test_what_cannot_be_removed_is_said(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(
        CorpusError,
        match=(r"has no subject 'clara'\. Did you mean 'CLARA'\? Subjects: ANNA, BERTA, CLARA\.$"),
    ):
        drop(corpus, "clara")
    drop(corpus, "CLARA")
    drop(corpus, "ANNA")
    with pytest.raises(CorpusError, match=r"nothing remains without 'BERTA'\. Delete the folder"):
        drop(corpus, "BERTA")
    with pytest.raises(CorpusError, match="is not a folder"):
        drop(tmp_path / "nowhere", "A")
    with pytest.raises(CorpusError, match="no corpus with a manifest"):
        drop(tmp_path / "recordings", "A")


def test_the_command_removes_a_subject(
    corpus: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # as if a subject that remains were called almost so
    monkeypatch.setattr("biot.corpus.builder.drop.near_word", lambda *_: " Did you mean 'ANNA'?")
    assert main(["corpus", "drop", str(corpus), "--subject", "CLARA"]) == 0
    assert "10 windows are removed" in capsys.readouterr().out
    assert main(["corpus", "drop", str(corpus), "--subject", "CLARA"]) == 1
    said = capsys.readouterr().err
    assert "no subject 'CLARA'. It was removed before. Subjects: ANNA, BERTA.\n" in said
    assert b"CLARA" not in everything(corpus)


@pytest.mark.parametrize("name", ["../../victim.txt", "shards/../../victim.txt", "/victim.txt"])
def test_a_manifest_that_names_files_outside_the_corpus_deletes_nothing(
    corpus: Path, tmp_path: Path, name: str
) -> None:
    victim = tmp_path.parent / "victim.txt"
    victim.write_text("mine")
    path = corpus / "manifest.json"
    content = json.loads(path.read_text())
    for record in content["recordings"].values():
        if record["subject"] == "ANNA":
            record["shard"] = name
    path.write_text(json.dumps(content))
    with pytest.raises(CorpusError, match="shards of a corpus are files in its folder shards"):
        drop(corpus, "ANNA")
    assert victim.read_text() == "mine"


def test_a_corpus_that_lists_a_shard_outside_itself_is_not_opened(corpus: Path) -> None:
    path = corpus / "state.json"
    content = json.loads(path.read_text())
    content["_data_files"][0]["filename"] = "../other.arrow"
    path.write_text(json.dumps(content))
    with pytest.raises(CorpusError, match=r"names the shard '../other\.arrow'"):
        load_corpus(corpus)


def test_a_shard_that_is_a_link_is_refused(corpus: Path, tmp_path: Path) -> None:
    shard = sorted((corpus / "shards").iterdir())[0]
    shard.rename(tmp_path / "elsewhere.arrow")
    shard.symlink_to(tmp_path / "elsewhere.arrow")
    with pytest.raises(CorpusError, match="is a link to a place outside the corpus"):
        load_corpus(corpus)


def test_the_same_prepare_repairs_damaged_missing_and_undescribed_shards(
    corpus: Path, folder: Path
) -> None:
    before = everything(corpus)
    flipped, missing, cut = sorted((corpus / "shards").iterdir())[:3]
    content = bytearray(flipped.read_bytes())
    content[len(content) // 2] ^= 1
    flipped.write_bytes(content)
    missing.unlink()
    cut.write_bytes(cut.read_bytes()[:100])
    (corpus / "state.json").unlink()
    report = prepare(folder, corpus, **HOW)
    said = "\n".join(report.changes)
    assert f"shards/{flipped.name} was damaged and is made anew" in said
    assert f"shards/{missing.name} was missing and is made anew" in said
    assert f"shards/{cut.name} was damaged and is made anew" in said
    assert "state.json: no such file" in said
    assert everything(corpus) == before
