"""`JsonLines`: a file with one JSON object a line, which grows while it is read by others."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from biot.errors import ConfigError

__all__ = ["JsonLines"]

_LONGEST = 2**20


class JsonLines:
    """Appends lines to a file, each of them whole, and there as soon as it is written.

    Parameters
    ----------
    path
        A file that is there is gone on with; nothing of it is lost.

    Raises
    ------
    ConfigError
        If the file holds something else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.n_before = 0
        """Lines that were there already."""
        if path.exists():
            self.n_before = _count(path)
        self._file = path.open("ab", buffering=0)
        if self.n_before and not _ends_with_a_line(path):
            self._put(b"\n")  # the last line of a process that was killed

    def write(self, values: Mapping[str, Any]) -> None:
        """Add a line; if it cannot be written whole, none of it stays."""
        text = json.dumps(values, ensure_ascii=False, allow_nan=False)
        self._put(text.encode("utf-8", "backslashreplace") + b"\n")

    def _put(self, line: bytes) -> None:
        size = os.fstat(self._file.fileno()).st_size
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError:
            self._file.truncate(size)
            raise

    def __enter__(self) -> JsonLines:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()


def _count(path: Path) -> int:
    """Lines of a file, of which the first must be an object."""
    with path.open("rb") as file:
        first = file.readline(_LONGEST)
        try:
            is_ours = not first.strip() or isinstance(json.loads(first), dict)
        except ValueError:  # UnicodeDecodeError too
            is_ours = False
        if not is_ours:
            raise ConfigError(
                f"{path}: holds something else than JSON lines, to which rows would be added. Give "
                "another name."
            )
        return bool(first) + sum(1 for _ in file)


def _ends_with_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() == b"\n"
