"""What was learnt from is not tested on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from biot.corpus import Corpus
from biot.corpus.leakage import SeenData, note_of_leakage, require_disjoint
from biot.errors import CorpusError


@pytest.fixture
def make(make_corpus: Callable[..., Corpus]) -> Callable[..., Corpus]:
    def build(name: str, subjects: list[str], checksum: str | None) -> Corpus:
        corpus = make_corpus(None, subjects, name)
        path = corpus.path / "manifest.json"
        path.unlink(missing_ok=True)
        if checksum is not None:
            names = sorted(set(corpus.recordings.tolist()))
            entries = {n: {"sha256": f"{checksum}{i}"} for i, n in enumerate(names)}
            path.write_text(json.dumps({"recordings": entries}), encoding="utf-8")
        return corpus

    return build


def test_a_shared_subject_is_refused_unless_overruled(make: Callable[..., Corpus]) -> None:
    train, test = (SeenData.of(make(n, s, n)) for n, s in (("x", ["s", "t"]), ("y", ["t", "u"])))
    with pytest.raises(CorpusError, match=r"x and y share 1 subject \(t\).*--allow-leakage"):
        require_disjoint(train, test, where="x and y")
    record = require_disjoint(train, test, where="x and y", allow_leakage=True)
    assert (record["subjects"], record["recordings"]) == (["t"], [])
    assert record["checked"] == "subjects and checksums"


def test_a_renamed_recording_is_known_by_its_checksum(make: Callable[..., Corpus]) -> None:
    train, test = SeenData.of(make("x", ["s"], "same")), SeenData.of(make("y", ["u"], "same"))
    with pytest.raises(CorpusError, match=r"share 1 recording"):
        require_disjoint(train, test, where="x and y")


def test_only_the_windows_asked_for_count(make: Callable[..., Corpus]) -> None:
    corpus = make("x", ["s", "t"], "x")
    train, test = (SeenData.of(corpus, corpus.select(subject=name)) for name in "st")
    assert require_disjoint(train, test, where="")["subjects"] == []


def test_what_nobody_wrote_down_is_said(make: Callable[..., Corpus], tmp_path: Path) -> None:
    train, test = SeenData.of(make("x", ["s"], None)), SeenData.of(make("y", ["u"], "y"))
    assert require_disjoint(train, test, where="")["checked"] == "subjects only"
    assert SeenData.load(tmp_path) is None
    assert require_disjoint(None, test, where="")["checked"] == "unknown"


def test_training_data_are_kept_with_a_model(make: Callable[..., Corpus], tmp_path: Path) -> None:
    first, second = SeenData.of(make("x", ["s"], "x")), SeenData.of(make("y", ["u"], "y"))
    first.joined(second).save(tmp_path)
    loaded = SeenData.load(tmp_path)
    assert loaded is not None
    assert loaded.subjects == ("s",), "an earlier training is known by its recordings"
    assert set(loaded.recordings) == {*first.recordings, *second.recordings}
    (tmp_path / "training_data.json").write_text("[]")
    with pytest.raises(CorpusError, match="expected an object"):
        SeenData.load(tmp_path)


def test_names_of_subjects_are_no_evidence_across_pretraining(make: Callable[..., Corpus]) -> None:
    before, test = SeenData.of(make("x", ["s"], "x")), SeenData.of(make("y", ["s"], "y"))
    record = require_disjoint(before.by_checksum(), test, where="pretraining and test")
    assert (record["subjects"], record["checked"]) == ([], "checksums")
    same = SeenData.of(make("z", ["other"], "x"))
    with pytest.raises(CorpusError, match="share 1 recording"):
        require_disjoint(before.by_checksum(), same, where="pretraining and test")
    unlisted = SeenData.of(make("w", ["s"], None)).by_checksum()
    assert require_disjoint(unlisted, test, where="")["checked"] == "some checksums"


def test_a_tested_subject_of_the_training_is_refused_after_pretraining_too(
    make: Callable[..., Corpus],
) -> None:
    before, train = SeenData.of(make("x", ["a"], "x")), SeenData.of(make("y", ["s"], "y"))
    test = SeenData.of(make("z", ["a", "s"], "z"))
    with pytest.raises(CorpusError, match=r"share 1 subject \(s\)"):
        require_disjoint(train.joined(before), test, where="training and test")


def test_a_note_tells_of_what_is_shared_and_of_nothing_else() -> None:
    nothing: dict[str, Any] = {"subjects": [], "recordings": []}
    assert note_of_leakage({"checked": "subjects and checksums", **nothing}) is None
    shared = {"checked": "subjects only", "subjects": ["t"], "recordings": ["a", "b"]}
    assert note_of_leakage(shared) == (
        "The model learnt from 1 subject (t) and 2 recordings (a, b) of these: the scores flatter "
        "it."
    )
    assert "is not written down" in str(note_of_leakage({"checked": "unknown", **nothing}))
