"""Reading many recordings piece by piece, in this process or in others, in the order given."""

# C channels of the contract, T samples of a window, R windows of a recording
from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from collections import OrderedDict, deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.errors import BiotError, require
from biot.inference.windows import ModelWindows
from biot.preprocessing import Preprocessing
from biot.signals.flat import FlatFinder
from biot.signals.formats.child import Child, ChildError
from biot.signals.formats.contained import ParserLimitError
from biot.signals.formats.mne import is_epochs
from biot.signals.readers import read_recording, recording_of
from biot.signals.recording import Recording

__all__ = ["BATCH", "Feed", "Head", "Item", "Piece", "PredictionFailure", "item_of"]

BATCH = 64
"""Windows that go through the model at once, and that are read at once."""
_VALUES_HELD = 2**22
"""Numbers of a recording up to which all of it is read at once."""
_LOOK_EVERY = 0.5
"""Seconds after which a process that reads looks whether the one that started it is there."""
_KEPT = 2
"""Recordings that a process holds open, so that the next piece of one is at hand."""


@dataclass(frozen=True, kw_only=True)
class PredictionFailure:
    """A recording that could not be predicted, and why."""

    name: str
    """Of the recording."""
    reason: str
    """What is wrong, what is allowed, and the way out; it opens with the name."""
    path: Path | None = None
    """File of the recording."""
    is_final: bool = True
    """Whether the same file would fail again; not so where memory or permissions lacked."""

    def __bool__(self) -> bool:
        return False


@dataclass(frozen=True, kw_only=True)
class Item:
    """A recording to predict."""

    opened: Callable[[], Recording]
    """Opens it; what it warns of becomes notes of the recording."""
    name: str | None = None
    """What the result is called; None: as the recording."""
    path: Path | None = None
    """Its file, which another process may open; None for what is in memory."""
    of_epochs: bool = False
    """Whether it is MNE's epochs, see :class:`ModelWindows`."""


def item_of(recording: Any, contract: Preprocessing) -> Item:
    """A recording in any form that :meth:`biot.Predictor.predict` takes."""
    if isinstance(recording, str | Path):
        return Item(opened=_File(Path(recording), contract.ch_names), path=Path(recording))
    held = _Held(recording, contract.ch_names)
    return Item(opened=held, of_epochs=is_epochs(recording))


@dataclass(frozen=True)
class _File:
    path: Path
    columns: tuple[str, ...]

    def __call__(self) -> Recording:
        return read_recording(self.path, columns=self.columns)


@dataclass(frozen=True)
class _Held:
    recording: Any
    columns: tuple[str, ...]

    def __call__(self) -> Recording:
        return recording_of(self.recording, columns=self.columns)


@dataclass(frozen=True, kw_only=True)
class Head:
    """What is known of a recording when its first piece is read."""

    name: str
    places: npt.NDArray[np.int64]
    """(R, 2) first sample of each window, and the one after its last, at the contract's rate."""
    inside: npt.NDArray[np.int64]
    """Windows that are read; the others lie in gaps."""
    facts: dict[str, Any]
    """See :meth:`ModelWindows.facts`."""
    notes: tuple[str, ...]

    @property
    def n_pieces(self) -> int:
        """Pieces that are to be read; the first is there even if it is empty."""
        return max(1, -(-len(self.inside) // BATCH))


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Some windows of a recording."""

    windows: npt.NDArray[np.float32]
    """(B, C, T) scaled; see :meth:`ModelWindows.read`."""
    head: Head | None = None
    """With the first piece."""


@dataclass(frozen=True, kw_only=True)
class _Task:
    """A piece to read; a function of this alone, so that it may be read in any process."""

    key: tuple[int, int]
    """Of the feed and of the recording."""
    item: Item
    contract: Preprocessing
    step: float
    number: int
    """Of the piece."""


class Feed:
    """Pieces of recordings in the order given; with several workers they are read ahead.

    Parameters
    ----------
    contract
        Of the model.
    step
        Samples between the starts of windows.
    workers
        With 1 a piece is read here when it is asked for, else so many processes read files.
    """

    def __init__(self, contract: Preprocessing, step: float, workers: int) -> None:
        self._contract, self._step, self._workers = contract, step, workers
        self._pool: Any = None
        self._ahead = 1 if workers == 1 else workers + 2

    def __enter__(self) -> Feed:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
        for key in [key for key in _opened if key[0] == id(self)]:
            del _opened[key]

    def pieces(
        self, items: Iterable[Item]
    ) -> Generator[tuple[int, Piece | PredictionFailure], None, None]:
        """Each piece with the position of its recording; of one that fails, the failure."""
        coming, queue = enumerate(items), deque[_Reading]()
        while self._filled(queue, coming):
            head = queue[0]
            outcome = head.asked.popleft()()
            if isinstance(outcome, PredictionFailure):
                queue.popleft()
            else:
                if outcome.head is not None:
                    head.n_pieces = outcome.head.n_pieces
                if not head.asked and not head.has_more:
                    queue.popleft()
            yield head.number, outcome

    def _filled(self, queue: deque[_Reading], coming: Iterator[tuple[int, Item]]) -> bool:
        """Ask for as many pieces as may be read ahead; whether any is left."""
        while sum(len(one.asked) for one in queue) < self._ahead or not queue[0].asked:
            one = next((one for one in queue if one.has_more), None)
            if one is None:
                following = next(coming, None)
                if following is None:
                    break
                one = _Reading(*following)
                queue.append(one)
            one.asked.append(self._asked(one))
            one.n_asked += 1
        return bool(queue)

    def _asked(self, one: _Reading) -> Callable[[], Piece | PredictionFailure]:
        """A function that waits for the next piece of a recording."""
        task = _Task(
            key=(id(self), one.number), item=one.item, contract=self._contract,
            step=self._step, number=one.n_asked,
        )  # fmt: skip
        if self._workers == 1 or one.item.path is None:
            return lambda: _read(task)
        pool = self._opened_pool()
        try:
            future = pool.submit(_read, task)
        except BrokenExecutor:
            self._close()
            future = self._opened_pool().submit(_read, task)
        return lambda: self._waited(future, task)

    def _waited(self, future: Any, task: _Task) -> Piece | PredictionFailure:
        try:
            found: Piece | PredictionFailure = future.result()
        except BrokenExecutor:  # a process has died: perhaps of this recording, perhaps of another
            return _read_apart(task)
        return found

    def _opened_pool(self) -> Any:
        if self._pool is None:
            loky = require("joblib.externals.loky", extra="corpus")
            self._pool = loky.ProcessPoolExecutor(
                max_workers=self._workers, env={"OMP_NUM_THREADS": "1"},
                initializer=_end_with, initargs=(os.getpid(),),
            )  # fmt: skip
        return self._pool

    def _close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, kill_workers=True)
            self._pool = None


@dataclass
class _Reading:
    """A recording whose pieces are being read."""

    number: int
    item: Item
    asked: deque[Callable[[], Piece | PredictionFailure]] = field(default_factory=deque)
    n_asked: int = 0
    n_pieces: int = 1

    @property
    def has_more(self) -> bool:
        return self.n_asked < self.n_pieces


# what follows happens where the piece is read -----------------------------------------------


def _end_with(parent: int) -> None:
    """Let this process end soon after the one that started it: if that is killed, nobody else
    ends it."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK_EVERY)
        os.kill(os.getpid(), signal.SIGKILL)  # nothing is left to put away

    if os.name == "posix":
        threading.Thread(target=watch, daemon=True).start()


_opened: OrderedDict[tuple[int, int], tuple[ModelWindows, npt.NDArray[np.int64]]] = OrderedDict()


def _read(task: _Task) -> Piece | PredictionFailure:
    """A piece of a recording, or why there is none."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            if task.number == 0 or task.key not in _opened:
                head = _open(task)
            source, inside = _opened[task.key]
            first = task.number * BATCH
            windows = source.read(inside[first : first + BATCH].tolist())
            if task.number > 0:
                return Piece(windows=windows)
            own_notes = source.notes()
        except (BiotError, MemoryError, OSError) as error:
            _opened.pop(task.key, None)
            return _failure(task.item, error)
    said = [str(warning.message) for warning in caught]
    return Piece(
        windows=windows, head=replace(head, notes=tuple(dict.fromkeys((*said, *own_notes))))
    )


def _open(task: _Task) -> Head:
    item = task.item
    recording = _held_if_small(item.opened())
    source = ModelWindows(recording, task.contract, without_last_instant=item.of_epochs)
    places = np.array(source.places(task.step), dtype=np.int64).reshape(-1, 2)
    recorded = [not source.is_gap(start, stop) for start, stop in places.tolist()]
    inside = np.flatnonzero(recorded)
    _opened[task.key] = source, places[inside]
    while len(_opened) > _KEPT:
        _opened.popitem(last=False)
    return Head(
        name=item.name or recording.name, places=places, inside=inside, facts=source.facts(),
        notes=(),
    )  # fmt: skip


def _held_if_small(recording: Recording) -> Recording:
    """The same recording, read at once where that is little: it is looked at more than once.

    So is where it is flat.
    """
    if recording.n_times * len(recording.ch_names) > _VALUES_HELD:
        return recording
    data, flat = FlatFinder(recording)(0, recording.n_times)
    return replace(
        recording,
        read_samples=lambda start, stop: data[:, start:stop].copy(),
        read_flat=lambda start, stop: flat[:, start:stop],
    )


def _read_apart(task: _Task) -> Piece | PredictionFailure:
    """The same in a process of its own, whose death is the recording's fault."""
    child = Child()
    try:
        found: Piece | PredictionFailure = child.call(_read, task)[0]
    except ChildError as error:
        why = f"the process that read it has died, and so has one of its own: {error.text}"
        return _failure(task.item, BiotError(f"{why}."))
    finally:
        child.close()
    return found


def _failure(item: Item, error: Exception) -> PredictionFailure:
    name = item.name or (item.path.name if item.path is not None else "<recording in memory>")
    reason = " ".join(str(error).split())
    if isinstance(error, MemoryError):
        reason = "to read it, there is not enough memory."
    elif isinstance(error, OSError):
        reason = f"cannot be read: {error.strerror or error}."
    own = item.path.name if item.path is not None else name
    reason = reason.removeprefix(f"{own}: ").removeprefix(f"{name}: ")
    passing = isinstance(error, MemoryError | OSError | ParserLimitError)
    return PredictionFailure(
        name=name, path=item.path, reason=f"{name}: {reason}", is_final=not passing
    )
