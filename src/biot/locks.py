"""One process at a time on a folder: locks of the operating system, which end with the process."""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

from biot.errors import BiotError

__all__ = ["alone_on", "try_lock"]

_HELD = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
"""What systems answer where another process has the lock."""
_MOST_BYTES = 300
"""Of what a lock file says about its holder."""


@contextlib.contextmanager
def alone_on(
    out: Path, what: str, error: type[BiotError], *, required: bool = False
) -> Iterator[None]:
    """Keep other processes away from a folder that is to be written, whether it exists or not.

    The lock is on the file ``.NAME.lock`` beside the folder, which says who has it, and on the
    folder itself where nothing can be written beside it. It ends with the process, however that
    ends; the file goes at the end, and one that a killed process left is no hindrance.

    Parameters
    ----------
    out
        The folder; a link is followed.
    what
        What is written there, for messages: ``"this corpus"``.
    error
        Kind of the errors that this raises.
    required
        Whether a file system without locks is refused; otherwise that is told in a warning.

    Raises
    ------
    BiotError
        If another process has the lock, with its number, machine and since when; or if there is
        no place for the lock.
    """
    final = out.resolve()
    path = final.with_name(f".{final.name}.lock")
    beside = not (final.is_dir() and not os.access(final.parent, os.W_OK)) or required
    made = [folder for folder in path.parents if not folder.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = _acquired(path) if beside else _of_folder(final)
    except OSError as problem:
        _remove_empty(made)
        if not required and problem.errno in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
            warnings.warn(
                f"{out}: this file system has no locks. Let no other process write there.",
                stacklevel=3,
            )
            yield
            return
        raise error(
            f"{out}: cannot be written or locked ({problem.strerror or problem})."
        ) from problem
    if descriptor is None:
        raise error(
            f"{out}: another run is writing {what} now ({_holder(path)}). Wait until it ends, or "
            "choose another folder."
        )
    try:
        try:
            yield
        finally:
            if beside:
                with contextlib.suppress(OSError):  # Windows keeps a file that is open
                    path.unlink()
    finally:
        os.close(descriptor)
        _remove_empty(made)


def _holder(path: Path) -> str:
    try:
        with path.open("rb") as file:
            said = file.read(_MOST_BYTES).decode("utf-8", "replace").split("\n")[0]
    except OSError:
        said = ""
    return said or "which does not say who it is"


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


def _of_folder(folder: Path) -> int | None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if try_lock(descriptor):
            return descriptor
    except OSError:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _acquired(path: Path) -> int | None:
    """A descriptor that holds the lock of a file; None if another process holds it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if not try_lock(descriptor):
                os.close(descriptor)
                return None
        except OSError:
            os.close(descriptor)
            raise  # a file system without locks, say
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                _sign(descriptor)
                return descriptor
        os.close(descriptor)  # its last holder has removed the file: lock the new one


def _sign(descriptor: int) -> None:
    """Say in the lock file who holds it; what cannot be written is not needed."""
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    text = f"process {os.getpid()} on {platform.node() or 'this machine'}, since {since}\n"
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.write(descriptor, text.encode())


def try_lock(descriptor: int) -> bool:
    """Lock an open file or folder for this process; False if another process has the lock.

    Raises
    ------
    OSError
        If the file system has no locks.
    """
    try:
        if os.name == "nt":
            import msvcrt

            # The checker looks at one system's modules, and on another there is no such attribute.
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            return False
        raise
    return True
