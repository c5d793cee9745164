"""The folder appears whole, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from biot.errors import CorpusError
from biot.io import atomic_folder


def test_the_folder_appears_when_the_block_ends(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "corpus"
    with atomic_folder(out, error=CorpusError) as folder:
        (folder / "a.txt").write_text("a")
        assert not out.exists()
    assert [file.name for file in out.iterdir()] == ["a.txt"]
    assert [file.name for file in out.parent.iterdir()] == ["corpus"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_after_an_interruption_nothing_remains(tmp_path: Path, error: type[BaseException]) -> None:
    def interrupted() -> None:
        with atomic_folder(tmp_path / "deep" / "corpus", error=CorpusError) as folder:
            (folder / "a.txt").write_text("a")
            raise error

    with pytest.raises(error):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "corpus").write_text("")
    with (
        pytest.raises(CorpusError, match="exists already"),
        atomic_folder(tmp_path / "corpus", error=CorpusError),
    ):
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(CorpusError, match=r"file/corpus: cannot be written \(.+\)"),
        atomic_folder(tmp_path / "file" / "corpus", error=CorpusError),
    ):
        pass


def test_another_run_that_was_faster_is_not_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "corpus"

    def overtaken() -> None:
        with atomic_folder(out, error=CorpusError):
            out.mkdir()
            (out / "theirs").write_text("")

    with pytest.raises(CorpusError, match="cannot be written"):
        overtaken()
    assert [file.name for file in tmp_path.rglob("*")] == ["corpus", "theirs"]


def test_a_full_disk_is_a_clear_error(tmp_path: Path) -> None:
    with (
        pytest.raises(CorpusError, match=r"corpus: cannot be written \(No space left on device\)"),
        atomic_folder(tmp_path / "corpus", error=CorpusError),
    ):
        raise OSError(28, "No space left on device")
    assert list(tmp_path.iterdir()) == []
