"""`biot info` of a corpus: counts and spreads against a plain loop."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from biot.cli import main
from biot.corpus import Corpus, load_corpus, prepare
from biot.corpus.summary import overview
from biot.errors import CorpusError


@pytest.fixture
def labelled(tmp_path: Path, write_edf: Callable[..., Path]) -> Callable[..., Corpus]:
    """Three recordings of two subjects, one of them with other channels, and a broken one."""

    def make(values: list[str], **options: Any) -> Corpus:
        names = ["a.edf", "b.edf", "c.edf"]
        for name, chans in zip(names, (("C3", "C4"), ("C3",), ("C4", "C3")), strict=True):
            write_edf(name, seconds=10, ch_names=chans)
        broken = tmp_path / "recordings" / "broken.edf"
        broken.write_text("x")
        table = tmp_path / "t.tsv"
        rows = [f"{n}\t{s}\t{v}" for n, s, v in zip(names, "SST", values, strict=True)]
        table.write_text("\n".join(["file\tsubject\tlabel", *rows, f"broken.edf\tU\t{values[0]}"]))
        prepare(
            tmp_path / "recordings", tmp_path / "corpus", sfreq=50, window=2, labels=table,
            **options,
        )  # fmt: skip
        return load_corpus(tmp_path / "corpus")

    return make


def test_targets_are_told_by_subject(labelled: Callable[..., Corpus], tmp_path: Path) -> None:
    corpus = labelled(["1", "4", "10"], task="regression")
    found = overview(corpus)
    text = str(found)
    lines = {line.split("  ")[0]: line.split() for line in text.splitlines()}
    own = corpus.targets[corpus.subjects == "S", 0]
    assert lines["S"][1:] == ["10", f"{own.mean():.4g}", "±", f"{own.std():.4g}", "1", "4"]
    assert lines["T"][1:] == ["5", "10", "±", "0", "10", "10"]
    assert lines["all subjects"][2:4] == ["15", f"{corpus.targets.mean():.4g}"]
    assert "all windows" not in text
    assert found.windows_of_label.tolist() == [[10], [5]]
    assert found.to_png(tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


def test_windows_without_a_tag_have_a_column(labelled: Callable[..., Corpus]) -> None:
    corpus = labelled(["x;y", "x", ""], task="multilabel")
    found = overview(corpus)
    assert found.label_names == ("x", "y", "(no tag)")
    assert found.windows_of_label.tolist() == [[10, 5, 0], [0, 0, 5]]


def test_channels_come_by_frequency_and_a_reason_names_its_file_once(
    labelled: Callable[..., Corpus],
) -> None:
    text = str(overview(labelled(["x", "y", "x"])))
    assert text.index("\nC3 ") < text.index("\nC4 ")
    (line,) = (line for line in text.splitlines() if line.startswith("broken.edf"))
    assert line.count("broken.edf") == 1
    assert re.search(r"1 file$", text, flags=re.MULTILINE)


def test_a_picture_is_bounded(make_corpus: Callable[..., Corpus], tmp_path: Path) -> None:
    import struct

    corpus = make_corpus(None, [f"s{i:03}" for i in range(60)])
    png = overview(corpus).to_png(tmp_path / "plot.png").read_bytes()
    assert struct.unpack(">II", png[16:24])[1] < 2500
    assert "… and 21 more subjects" in str(overview(corpus))


def test_an_unfinished_corpus_says_how_to_go_on(tmp_path: Path) -> None:
    (tmp_path / ".corpus.partial").mkdir()
    with pytest.raises(CorpusError, match=r"not finished.*Start the same `biot prepare` again"):
        overview(tmp_path / "corpus")
    assert np.all([not path.is_file() for path in tmp_path.iterdir()])


def test_the_rates_of_the_recordings_are_told(
    write_edf: Callable[..., Path], tmp_path: Path
) -> None:
    for name, sfreq in (("a.edf", 100.0), ("bb.edf", 200.0), ("ccc.edf", 200.0)):
        path = write_edf(name, seconds=10, sfreq=sfreq)
    prepare(path.parent, tmp_path / "corpus", sfreq=50, window=2)
    found = overview(tmp_path / "corpus")
    assert found.recorded_at == ((200.0, 2), (100.0, 1))
    assert "200 Hz: 2, 100 Hz: 1" in str(found)


def test_what_was_left_out_and_labels_that_met_are_told(
    write_edf: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_edf("a.edf", annotations=[(0, 3, "x"), (3, 1, "y")])  # of 20 s
    prepare(path, tmp_path / "corpus", sfreq=100, window=4, labels="annotations")
    assert main(["info", str(tmp_path / "corpus")]) == 0
    out = capsys.readouterr().out
    assert "windows that hold several labels: 1; the one shared most (--label-rule overlap" in out
    assert "x over y in 1" in out
    assert "left out       4 windows without a label" in out
