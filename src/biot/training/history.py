"""The history of a run: lines in a table without gap or double, and for TensorBoard."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from biot.errors import CheckpointError, require
from biot.io import atomic_file

__all__ = ["History"]


class History:
    """Writes ``history.csv``, and files for TensorBoard if asked.

    Parameters
    ----------
    path
        The table; None keeps the lines in memory only.
    columns
        Names of its columns.
    at_times
        Further columns, which not every line has a value for, such as those of validations.
    tensorboard
        Folder of TensorBoard's files; None for none.
    """

    def __init__(
        self,
        path: Path | None,
        columns: Sequence[str],
        *,
        at_times: Sequence[str] = (),
        tensorboard: Path | None = None,
    ) -> None:
        self.rows: list[dict[str, float]] = []
        """The lines so far: values by column."""
        self._path = path
        self._needed = frozenset(columns)
        self._columns = (*columns, *at_times)
        self._tensorboard = tensorboard
        self._board: Any = None
        if tensorboard is not None:
            require("tensorboard", extra="tensorboard")

    def restore(self, rows: Sequence[Mapping[str, float]], step: int) -> None:
        """Begin with the lines that the checkpoint of a step holds; what is beyond them goes.

        Raises
        ------
        CheckpointError
            If the table cannot be written.
        """
        self.rows = [dict(row) for row in rows]
        if self._path is not None:
            lines = [self._columns, *(self._values(row) for row in self.rows)]
            with self._disk_errors(self._path), atomic_file(self._path) as partial:
                partial.write_bytes(b"".join(map(_text, lines)))
        if self._tensorboard is not None:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(self._tensorboard), purge_step=step + 1)

    def require_lines(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Raise ``CheckpointError`` unless lines from a file have a number for every column."""
        for row in rows:
            if not self._needed <= set(row) or not all(
                isinstance(value, int | float) for value in row.values()
            ):
                raise CheckpointError("its history lacks a number of a column")

    def add(self, step: int, row: Mapping[str, float]) -> None:
        """Append a line; raises as :meth:`restore`."""
        self.rows.append(dict(row))
        if self._path is not None:
            with self._disk_errors(self._path), self._path.open("ab") as file:
                file.write(_text(self._values(row)))
        if self._board is not None:
            for name, value in row.items():
                if name != "step" and value == value:  # not NaN
                    self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Finish TensorBoard's files."""
        if self._board is not None:
            self._board.close()

    def _values(self, row: Mapping[str, float]) -> list[Any]:
        return [row.get(name, "") for name in self._columns]

    @contextmanager
    def _disk_errors(self, path: Path) -> Iterator[None]:
        """A full disk ends the run with the name of the table."""
        try:
            yield
        except OSError as error:
            raise CheckpointError(
                f"{path}: cannot be written ({error.strerror or error}). The checkpoints "
                "stand; make room, and give the same command again."
            ) from error


def _text(values: Sequence[Any]) -> bytes:
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator="\n").writerow(values)
    return line.getvalue().encode()
