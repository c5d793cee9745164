"""A process of our own in which a function may fail in any way, and this process goes on."""

from __future__ import annotations

import atexit
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Child", "ChildError", "Limits"]

WALL = 15
"""How many times the limit of processor time may pass on the clock: a slow disk needs none."""

_SERVE = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from biot.signals.formats.child_server import serve
serve()
"""

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Limits:
    """What one call may cost; the child's imports are not counted."""

    seconds: float
    """Of processor time; on the clock `WALL` times as many."""
    memory: int
    """Bytes beyond what the child has already; kept on Linux only."""
    packages: tuple[str, ...] = ()
    """Modules that are imported before the counting begins, where they are installed."""


class ChildError(Exception):
    """The child has died, was ended, or its function failed; the text says how."""

    def __init__(self, kind: Literal["time", "memory", "death", "fault"], text: str) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text


class Child:
    """A Python process that calls functions of this package for us, one after the other.

    It is started by the first call, and again by the first call after it has died. It ends with
    this process.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = os.getpid()
        atexit.register(self.close)

    def call(
        self, function: Callable[..., Any], *args: Any, limits: Limits | None = None
    ) -> tuple[Any, list[str]]:
        """What a function of a module gives, and the warnings for the user that it gave.

        Raises
        ------
        ChildError
            If the function exceeds the limits, ends the process, or fails with an error that is
            not ours.
        BiotError
            Whatever the function raises of that kind.
        """
        with self._lock:
            try:
                kind, content, said = self._asked((function, args, limits), limits)
            except BaseException:  # an interruption too: nothing may be left running
                self._end()
                raise
        if kind == "value":
            return content, said
        if kind == "error":
            raise content
        if kind == "memory":
            self.close()
        raise ChildError(kind, content)

    def close(self) -> None:
        """End the child, if there is one."""
        with self._lock:
            self._end()

    def _asked(self, request: Any, limits: Limits | None) -> Any:
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        late = threading.Event()

        def end() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(limits.seconds * WALL, end) if limits is not None else None
        if timer is not None:
            timer.daemon = True
            timer.start()
        try:
            pickle.dump(request, process.stdin, protocol=5)
            process.stdin.flush()
            return pickle.load(process.stdout)
        except (OSError, EOFError, pickle.UnpicklingError, ValueError):
            process.kill()
            code = process.wait()
            raise _death(code, late.is_set()) from None
        finally:
            if timer is not None:
                timer.cancel()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._end()
            # isolated: what the user's folder or environment holds is not imported by chance
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-W", "ignore", "-c", _SERVE, json.dumps(sys.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **_ONE_THREAD, "ARROW_DEFAULT_MEMORY_POOL": "system"},
            )
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None or os.getpid() != self._owner:  # a fork does not end its parent's
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:  # what was to be sent finds no reader
                    continue


def _death(code: int, late: bool) -> ChildError:
    if late:
        return ChildError("time", "on the clock")
    if code == -getattr(signal, "SIGXCPU", 0):
        return ChildError("time", "of processor time")
    if code == -getattr(signal, "SIGKILL", 9):
        return ChildError("death", "its process was killed, perhaps for want of memory")
    if code < 0:
        return ChildError("death", f"it ended its process ({signal.Signals(-code).name})")
    return ChildError("death", f"it ended its process (exit code {code})")
