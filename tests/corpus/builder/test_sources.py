"""Finding recordings, and whose they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from biot.corpus.builder.sources import find_sources, subject_of, subject_pattern
from biot.errors import ConfigError, CorpusError


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("b/x.edf", "a/x.EDF", "a/notes.txt", ".hidden/y.edf", "a/._x.edf", "z.bdf"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path


def test_a_folder_is_searched_for_recordings_sorted_by_path(tree: Path) -> None:
    assert [source.recording for source in find_sources(tree)] == ["a/x.EDF", "b/x.edf", "z.bdf"]


def test_a_file_goes_by_its_name(tree: Path) -> None:
    found = find_sources([tree / "z.bdf", str(tree / "b/x.edf"), tree / "a/notes.txt"])
    assert [source.recording for source in found] == ["notes.txt", "x.edf", "z.bdf"]


def test_a_file_given_twice_is_taken_once(tree: Path) -> None:
    assert len(find_sources([tree, tree / "z.bdf", tree / "a/x.EDF"])) == 3


def test_two_recordings_of_one_name_are_refused(tree: Path) -> None:
    (tree / "c").mkdir()
    (tree / "c/x.edf").touch()
    with pytest.raises(CorpusError, match=r"Two recordings would be called x\.edf.*holds both"):
        find_sources([tree / "b", tree / "c"])


def test_what_is_not_there_is_named(tree: Path) -> None:
    with pytest.raises(CorpusError, match=r"gone\.edf does not exist"):
        find_sources(tree / "gone.edf")
    (tree / "empty").mkdir()
    with pytest.raises(CorpusError, match=r"empty holds no recording: no file there ends in \.edf"):
        find_sources(tree / "empty")
    with pytest.raises(CorpusError, match="No recording is given"):
        find_sources([])


@pytest.mark.parametrize(
    ("recording", "pattern", "subject"),
    [
        ("night.edf", None, "night"),
        ("a/night.one.edf", None, "night.one"),
        ("sub-07/eeg/sub-07_task-rest_eeg.vhdr", None, "07"),
        ("sub-ab/rest.edf", None, "ab"),
        ("mysub-3.edf", None, "mysub-3"),
        ("S001/S001R04.edf", r"(S\d+)R", "S001"),
        ("sub-07_ses-1.edf", r"(sub-\d+_ses-\d)", "sub-07_ses-1"),
    ],
)
def test_a_subject_comes_from_the_path(recording: str, pattern: str | None, subject: str) -> None:
    compiled = None if pattern is None else subject_pattern(pattern)
    assert subject_of(recording, compiled).name == subject


def test_a_pattern_must_match_every_file() -> None:
    with pytest.raises(CorpusError, match=r"match every file, .* finds no subject in night\.e"):
        subject_of("night.edf", subject_pattern(r"S(\d+)"))
    with pytest.raises(CorpusError, match="finds no subject"):
        subject_of("Snight.edf", subject_pattern(r"S(\d*)"))


@pytest.mark.parametrize(
    ("text", "message"), [("S(", "be a regular expression"), ("S", "no group")]
)
def test_a_pattern_that_cannot_work_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        subject_pattern(text)


def test_recordings_of_formats_that_are_not_supported_are_told_of(tmp_path: Path) -> None:
    for name in ("a.edf", "b.nwb", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    with pytest.warns(UserWarning, match=r"b\.nwb passed over, of formats that are not supported"):
        sources = find_sources(tmp_path)
    assert [source.recording for source in sources] == ["a.edf"]


@pytest.mark.parametrize(
    ("one", "other", "subject"),
    [
        ("P00_rest.edf", "P00_arithmetic.edf", "P00"),
        ("S001/S001R04.edf", "S001/S001R08.edf", "S001"),
        ("chb01_03.edf", "chb01_04.edf", "chb01"),
        ("SC4001E0-PSG.edf", "SC4002E0-PSG.edf", "SC400"),
        ("aaaaaaac_s001_t000.edf", "aaaaaaac_s002_t001.edf", "aaaaaaac"),
        ("sub-01/eeg/sub-01_task-x_eeg.edf", "sub-01_task-y_eeg.edf", "01"),
    ],
)
def test_two_recordings_of_a_known_collection_have_one_subject(
    one: str, other: str, subject: str
) -> None:
    assert subject_of(one).name == subject_of(other).name == subject
