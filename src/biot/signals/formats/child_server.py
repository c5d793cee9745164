"""What a child process does: functions called one after the other, within limits."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from biot.errors import BiotError
from biot.signals.formats.child import Limits

__all__ = ["serve"]

try:
    import resource
except ImportError:  # Windows: the clock is the only limit
    resource = None  # type: ignore[assignment]


def serve() -> None:
    """Answer requests on stdin until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent's affair
    answers = _private_stdout()
    if resource is not None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while True:
        try:
            request = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        pickle.dump(_answer(*request), answers, protocol=5)
        answers.flush()
        del request


def _private_stdout() -> BinaryIO:
    """The pipe to the parent; whatever a parser prints goes nowhere."""
    pipe = os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)
    return pipe


def _answer(function: Any, args: tuple[Any, ...], limits: Limits | None) -> Any:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            with _limited(limits):
                value = function(*args)
        except BiotError as error:
            error.__cause__ = error.__context__ = None
            return "error", error, []
        except MemoryError:
            return "memory", "", []
        except Exception as error:  # whatever a parser meets in a damaged file
            return "fault", f"{type(error).__name__}: {error}", []
    said = [str(w.message) for w in caught if issubclass(w.category, UserWarning)]
    return "value", value, said


@contextlib.contextmanager
def _limited(limits: Limits | None) -> Iterator[None]:
    if limits is None:
        yield
        return
    for package in limits.packages:
        with contextlib.suppress(ImportError):
            __import__(package)
    if resource is None:
        yield
        return
    wanted = {resource.RLIMIT_CPU: max(1, round(time.process_time() + limits.seconds))}
    there = _data_bytes()
    if there is not None:
        wanted[resource.RLIMIT_DATA] = there + limits.memory
    before = {kind: resource.getrlimit(kind) for kind in wanted}
    for kind, value in wanted.items():
        hard = before[kind][1]
        resource.setrlimit(kind, (value if hard == -1 else min(value, hard), hard))
    try:
        yield
    finally:
        for kind, both in before.items():
            resource.setrlimit(kind, both)


def _data_bytes() -> int | None:
    """What the limit counts of this process now; None where the system does not say."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return None
    lines = [line.split() for line in status.splitlines() if line.startswith("VmData:")]
    return int(lines[0][1]) * 1024 if lines else None
