"""The table of a run: written whole, appended to, and a full disk told of by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from biot.errors import CheckpointError
from biot.training.history import History

COLUMNS = ("step", "loss", "score")


def record(step: int) -> dict[str, float]:
    return {"step": step, "loss": 1.5}


def test_what_lies_beyond_the_checkpoint_goes_and_lines_are_appended(tmp_path: Path):
    table = History(tmp_path / "history.csv", COLUMNS)
    table.restore([], 0)
    for step in (3, 6):
        table.add(step, record(step))
    again = History(tmp_path / "history.csv", COLUMNS)
    again.restore(table.rows[:1], 3)
    again.add(9, record(9))
    lines = (tmp_path / "history.csv").read_text().splitlines()
    assert lines[0].startswith("step,loss,score")
    assert [line.split(",")[0] for line in lines[1:]] == ["3", "9"]
    assert [path.name for path in tmp_path.iterdir()] == ["history.csv"]


def test_a_table_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "history.csv").mkdir()  # as no file can be opened there
    message = r"history\.csv: cannot be written \(Is a directory\)\. The checkpoints stand"
    for write in (lambda table: table.restore([], 0), lambda table: table.add(3, record(3))):
        with pytest.raises(CheckpointError, match=message):
            write(History(tmp_path / "history.csv", COLUMNS))
