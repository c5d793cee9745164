"""The history of a run: a line every few steps, in a table without gap or double."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from biot.errors import CheckpointError, require
from biot.training.checkpoint import write_whole

__all__ = ["History", "StepRecord"]


@dataclass(frozen=True, kw_only=True)
class StepRecord:
    """One line: what a step's batch told."""

    step: int
    """Counted from 1."""
    loss: float
    top1: float
    """Contrastive: share of the windows that find their other view first. Supervised: share of
    the labelled windows (multilabel: tags) that are right; NaN without any."""
    embedding_std: float
    """Spread of the directions of the features; 0 is collapsed, 1 everywhere."""
    effective_rank: float
    """Directions that the features use."""
    gradient_norm: float
    """Before clipping."""
    learning_rate: float
    windows_per_second: float
    """Since the line before; the only column that differs when a run is repeated."""


class History:
    """Writes ``history.csv``, and files for TensorBoard if asked.

    Parameters
    ----------
    path
        The table.
    tensorboard
        Folder of TensorBoard's files; None for none.
    """

    def __init__(self, path: Path, *, tensorboard: Path | None = None) -> None:
        self.records: list[StepRecord] = []
        self._path = path
        self._tensorboard = tensorboard
        self._board: Any = None
        if tensorboard is not None:
            require("tensorboard", extra="tensorboard")

    def restore(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Begin with the lines that a checkpoint holds; what the table has beyond them goes.

        Raises
        ------
        CheckpointError
            If the table cannot be written.
        """
        self.records = [StepRecord(**row) for row in rows]
        lines = [[field.name for field in fields(StepRecord)]]
        lines += [list(asdict(record).values()) for record in self.records]
        with self._told():
            write_whole(self._path, b"".join(map(self._text, lines)))
        if self._tensorboard is not None:
            from torch.utils.tensorboard import SummaryWriter

            last = self.records[-1].step if self.records else 0
            self._board = SummaryWriter(str(self._tensorboard), purge_step=last + 1)

    def add(self, record: StepRecord) -> None:
        """Append a line; raises as :meth:`restore`."""
        self.records.append(record)
        with self._told(), self._path.open("ab") as file:
            file.write(self._text(asdict(record).values()))
        if self._board is not None:
            for name, value in asdict(record).items():
                if name != "step":
                    self._board.add_scalar(name, value, record.step)

    def state(self) -> list[dict[str, Any]]:
        """The lines, as :meth:`restore` takes them."""
        return [asdict(record) for record in self.records]

    def close(self) -> None:
        """Finish TensorBoard's files."""
        if self._board is not None:
            self._board.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """A disk that is full ends the run with its name."""
        try:
            yield
        except OSError as error:
            raise CheckpointError(
                f"{self._path}: cannot be written ({error.strerror or error}). The checkpoints "
                "stand; make room, and give the same command again."
            ) from error

    @staticmethod
    def _text(values: Any) -> bytes:
        line = io.StringIO(newline="")
        csv.writer(line, lineterminator="\n").writerow(list(values))
        return line.getvalue().encode()
