"""Recordings that another package parses: read in a child process, within limits.

A damaged file may make a parser run for ever, take all memory, crash, or raise anything. Here that
is an error of the one file.
"""

from __future__ import annotations

import itertools
import math
import os
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from biot.errors import BiotError, ConfigError, MissingDependencyError, RecordingError
from biot.signals.formats.child import WALL, Child, ChildError, Limits
from biot.signals.recording import Array, Recording

__all__ = [
    "MEGABYTES",
    "ParserLimitError",
    "contained",
    "contained_recording",
    "memory_for",
    "size_in_words",
]

SECONDS = "BIOT_PARSER_SECONDS"
"""Environment variable: seconds of processor time for a small file; 0 uses no child process."""
MEGABYTES = "BIOT_PARSER_MB"
"""Environment variable: megabytes of memory for a small file."""
_DEFAULTS = {SECONDS: 3.0, MEGABYTES: 200.0}
_SECONDS_PER_MEGABYTE = 0.1
_SLOW = {"XDF recording": 30}
"""How many times as long a format takes whose parser goes from sample to sample."""
_MEMORY_PER_BYTE = 16
_MEGABYTE = 2**20
_VALUES_AT_ONCE = 2**22
"""Numbers that are fetched from the child in one call."""

_MNE = (
    "mne", "mne.io.brainvision", "mne.io.edf", "mne.io.eeglab", "mne.io.fiff", "mne.epochs",
    "scipy.io.matlab", "pymatreader", "h5py",
)  # fmt: skip
_PACKAGES = {
    "WFDB record": ("wfdb",),
    "Parquet table": ("pyarrow.parquet",),
    "XDF recording": ("pyxdf",),
}
"""What reads a format, imported before the counting begins; else it is MNE."""


class ParserLimitError(RecordingError):
    """A recording that was too much for the limits; they can be raised."""


_children: dict[int, Child] = {}
"""The child of each process by its id: one that was forked does not speak with its parent's."""


def _setting(name: str) -> float:
    text = os.environ.get(name, "")
    if not text:
        return _DEFAULTS[name]
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not (math.isfinite(value) and value >= 0):
        raise ConfigError(
            f"{name}: must be a number of 0 or more, got {text!r}. The default is "
            f"{_DEFAULTS[name]:g}."
        )
    return value


def memory_for(size: int) -> int:
    """Bytes that it may take to read a recording whose files have `size` bytes.

    This is 200 MB and 16 times the files' size; the environment variable ``BIOT_PARSER_MB``
    stands in place of the 200.
    """
    return int(_setting(MEGABYTES) * _MEGABYTE) + _MEMORY_PER_BYTE * size


def size_in_words(n_bytes: int) -> str:
    """Such as ``"53 kB"``."""
    for unit, factor in (("GB", 2**30), ("MB", _MEGABYTE), ("kB", 1024)):
        if n_bytes >= 10 * factor or (unit == "kB" and n_bytes >= factor):
            return f"{n_bytes / factor:,.0f} {unit}"
    return f"{n_bytes} bytes"


def contained(
    function: Callable[..., Any], path: Path, *args: Any, format_name: str, size: int | None = None
) -> Any:
    """What ``function(path, *args)`` gives, called in the child; its warnings are repeated here.

    Parameters
    ----------
    function
        Of a module, as the child imports it.
    format_name
        What the file should be, for messages.
    size
        Bytes of the recording's files together; those of the file itself if None.

    Raises
    ------
    ParserLimitError
        If it takes more time or memory than `memory_for` and the variables say.
    RecordingError
        If the parser crashes; and whatever the function raises.
    """
    seconds = _setting(SECONDS)
    if seconds == 0:
        return _in_this_process(function, path, *args)
    size = path.stat().st_size if size is None else size
    limits = Limits(
        seconds=seconds + _SECONDS_PER_MEGABYTE * _SLOW.get(format_name, 1) * size / _MEGABYTE,
        memory=memory_for(size),
        packages=_PACKAGES.get(format_name, _MNE),
    )
    try:
        value, said = _called(function, Path(os.path.abspath(path)), *args, limits=limits)
    except ChildError as error:
        raise _told(path, format_name, size, limits, error) from None
    except OSError as error:
        raise RecordingError(
            f"{path.name}: no process can be started to read it in ({error.strerror or error}). "
            f"Set {SECONDS}=0 to read it in this process, where a damaged file may crash it."
        ) from error
    for text in said:
        warnings.warn(text, stacklevel=5)
    return value


def _in_this_process(function: Callable[..., Any], path: Path, *args: Any) -> Any:
    try:
        return function(path, *args)
    except MemoryError:
        raise RecordingError(f"{path.name}: to read it, there is not enough memory.") from None


def _called(function: Callable[..., Any], *args: Any, limits: Limits) -> tuple[Any, list[str]]:
    if os.getpid() not in _children:
        _children[os.getpid()] = Child()
    child = _children[os.getpid()]
    try:
        return child.call(function, *args, limits=limits)
    except ChildError as error:
        if error.kind != "death" or "killed" not in error.text:
            raise
        # another process may have taken the memory: once more
        return child.call(function, *args, limits=limits)


def _told(
    path: Path, format_name: str, size: int, limits: Limits, error: ChildError
) -> RecordingError:
    article = "an" if format_name[0] in "AEIOU" else "a"
    opening = f"{path.name}: cannot be read as {article} {format_name}: "
    way_out = "Check that it is complete; if it is sound, set the environment variable "
    if error.kind == "time":
        seconds = limits.seconds * (WALL if error.text == "on the clock" else 1)
        return ParserLimitError(
            f"{opening}its parser was ended after {seconds:.0f} s {error.text}, the limit for "
            f"{size_in_words(size)}. {way_out}{SECONDS} to more than {_setting(SECONDS):g}."
        )
    if error.kind == "memory":
        return ParserLimitError(
            f"{opening}its parser asked for more than {size_in_words(limits.memory)} of memory, "
            f"the limit for {size_in_words(size)}. {way_out}{MEGABYTES} to more than "
            f"{_setting(MEGABYTES):g}."
        )
    if error.kind == "fault":
        return RecordingError(f"{opening}{error.text}. Check that it is complete.")
    return RecordingError(
        f"{opening}its parser crashed: {error.text}. The file is damaged: copy it again from its "
        "source, or save it in another format."
    )


_numbers = itertools.count()
_closed: list[int] = []
"""Recordings of which nothing is left in this process; the child is told with the next call."""


class _Remote:
    """The samples of a recording that the child holds, and can open again."""

    def __init__(self, reader: Callable[[Path], Recording], path: Path, format_name: str) -> None:
        self._reader, self._path, self._format_name = reader, path, format_name
        self._number = next(_numbers)
        weakref.finalize(self, _closed.append, self._number).atexit = False

    def opened(self, size: int) -> dict[str, Any]:
        """Open it; what is known of it, save how samples are read."""
        self._size = size
        found: dict[str, Any] = self._call(_opened)
        self._n_chans = len(found["ch_names"])
        return found

    def __call__(self, start: int, stop: int) -> Array:
        out = np.empty((self._n_chans, stop - start), dtype=np.float32)
        step = max(1, _VALUES_AT_ONCE // self._n_chans)
        for first in range(start, stop, step):
            last = min(first + step, stop)
            out[:, first - start : last - start] = self._call(_samples, first, last)
        return out

    def _call(self, function: Callable[..., Any], *args: Any) -> Any:
        closed = [_closed.pop() for _ in range(len(_closed))]
        return contained(
            function, self._path, self._reader, self._number, closed, *args,
            format_name=self._format_name, size=self._size,
        )  # fmt: skip


def contained_recording(
    reader: Callable[[Path], Recording], path: Path, *, format_name: str, size: int
) -> Recording:
    """The recording that ``reader(path)`` gives, which the child holds and reads from.

    Raises
    ------
    RecordingError
        As :func:`contained`, also when samples are read.
    """
    if _setting(SECONDS) == 0:
        recording: Recording = _in_this_process(reader, path)
        return recording
    remote = _Remote(reader, path, format_name)
    return Recording(**{**remote.opened(size), "path": path}, read_samples=remote)


# What follows is called in the child.

_held: dict[int, Recording] = {}
_KEPT = [f.name for f in fields(Recording) if not f.name.startswith("read_")]


def _opened(
    path: Path, reader: Callable[[Path], Recording], number: int, closed: list[int]
) -> dict[str, Any]:
    for other in closed:
        _held.pop(other, None)
    recording = _held[number] = reader(path)
    return {name: getattr(recording, name) for name in _KEPT}


def _samples(
    path: Path,
    reader: Callable[[Path], Recording],
    number: int,
    closed: list[int],
    start: int,
    stop: int,
) -> Array:
    if number not in _held:  # another child opened it, which has died since
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _opened(path, reader, number, closed)
    return _held[number].read(start, stop)


_DAMAGE = ("possibly corrupted", "Invalid tag")
"""In a parser's warnings where data are lost: an error here."""
_UNREMARKABLE = (DeprecationWarning, PendingDeprecationWarning, FutureWarning)
"""About the parser, not about the data."""
_NO_NEWS = ("does not conform to MNE naming conventions", "The data contains 'boundary' events")
"""About the file's name, or joins, at which a segment begins here."""


@contextmanager
def in_the_name_of(path: Path, format_name: str) -> Iterator[None]:
    """Pass on what another package's parser reports while it reads a file.

    Any exception becomes a `RecordingError`, any warning about the data is repeated, both opening
    with the file's name and without the folder's. A warning that means damage is an error.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield
            failure = None
        except (BiotError, MemoryError):
            raise
        except ModuleNotFoundError as error:
            raise MissingDependencyError(
                f"{path.name}: to read this {format_name}, the package {error.name} is needed. "
                f"Install it with: pip install {error.name}"
            ) from error
        except Exception as error:  # whatever a parser meets in a damaged file
            failure = error
    if isinstance(failure, FileNotFoundError) and failure.filename:
        raise RecordingError(
            f"{path.name}: its file {Path(failure.filename).name} is missing. Put it beside "
            f"{path.name}, or correct the name there."
        ) from failure
    told = [_tidy(path, w.message) for w in caught if not issubclass(w.category, _UNREMARKABLE)]
    damage = [message for message in told if any(sign in message for sign in _DAMAGE)]
    if failure is not None or damage:
        reason = damage[0] if damage else _tidy(path, failure) or type(failure).__name__
        article = "an" if format_name[0] in "AEIOU" else "a"
        raise RecordingError(
            f"{path.name}: cannot be read as {article} {format_name}: {reason}. "
            "Check that it is complete, and that the files it names lie beside it."
        ) from failure
    for message in told:
        if not any(text in message for text in _NO_NEWS):
            warnings.warn(f"{path.name}: {message}.", stacklevel=4)


def _tidy(path: Path, message: object) -> str:
    """A message on one line, without the folder's name."""
    text = str(message)
    if isinstance(message, OSError) and message.strerror:  # without its number
        text = f"{Path(str(message.filename or path)).name}: {message.strerror}"
    for folder in (path.resolve().parent, path.parent):
        text = text.replace(f"{folder}/", "")
    return " ".join(text.split()).rstrip(".")
