"""Files that are whole or not there: atomic files and folders, strict JSON, checksums."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import math
import os
import re
import shutil
import uuid
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn

from biot.errors import BiotError, ConfigError, visible
from biot.locks import try_lock

__all__ = [
    "PARTIAL",
    "atomic_file",
    "atomic_folder",
    "flush_to_disk",
    "json_object",
    "once_each",
    "read_json",
    "remove_leftovers",
    "replace_folder",
    "require_text_name",
    "safe_cell",
    "sha256_of",
    "shown_cell",
    "true_cell",
    "write_json",
]

PARTIAL = ".partial"
"""How the name of an unfinished file or folder ends; it begins with a dot and the final name."""
MOST_DIGITS = 40
"""Of an integer in JSON; 128 bits have 39."""
_OLD = ".old"
"""The same of a folder that is being replaced."""
_LEFTOVER = re.compile(r"\..+\.[0-9a-f]{12}\.(partial|old)", re.DOTALL)
_HALF_A_PAIR = re.compile(r"\\u[dD][89a-fA-F]")
# Calls that swap two names in one step, and how each writes "relative to the current folder".
_SWAPS = {"renameat2": -100, "renameatx_np": -2}  # of Linux and of macOS
_SWAP_FLAG = 2


def require_text_name(path: str | Path, error: type[BiotError]) -> None:
    """Refuse a name that is no text: some libraries open only what UTF-8 can hold.

    Parameters
    ----------
    path
        A folder or file that is written, or that these libraries are to read.
    error
        Kind of the error to raise.

    Raises
    ------
    BiotError
        Of the kind `error`, if the path holds bytes that are not UTF-8.
    """
    shown = str(path).encode("utf-8", "backslashreplace").decode()
    if shown != str(path):
        raise error(
            f"{shown}: the name holds bytes that are no UTF-8 text, which not every library can "
            "open. Rename it, or give a link to it with another name."
        )


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`, which takes its place when the block ends without an error.

    The content is on the disk before the name appears, so that not even a power failure leaves
    half a file. After an error the file of before, if any, is untouched, and nothing else remains.
    A link is followed; a device or a pipe is written to at once.

    Raises
    ------
    OSError
        If the file cannot be written; it names `path`.
    """
    final = path.resolve()
    if path.exists() and not path.is_file() and not path.is_dir():
        with _naming(path):
            yield path
        return
    _sweep(final, _found_at_first(final.parent))
    partial = _partial(final)
    with _naming(path, partial):
        try:
            with _marked_alive(partial):
                yield partial
                flush_to_disk(partial)
                os.replace(partial, final)
        finally:
            partial.unlink(missing_ok=True)
        flush_to_disk(final.parent)


@contextlib.contextmanager
def atomic_folder(
    path: Path, *, ours: Sequence[str] | None = None, error: type[BiotError] | None = None
) -> Iterator[Path]:
    """A temporary folder beside `path`, which takes its place when the block ends without an error.

    Whoever looks sees the old folder or the new one. After an error or an interruption the old one
    is untouched and nothing else remains. A link is followed.

    Parameters
    ----------
    path
        The folder to make, and its parents with it.
    ours
        None: `path` must not exist, or be empty. Otherwise names of the files that a folder of
        this kind can have, first the one without which it is none: the old folder is replaced, and
        what else it holds is kept.
    error
        Kind of the errors that this raises.

    Raises
    ------
    BiotError
        Of the kind `error` (:class:`ConfigError` without it), if `path` is a file or, without
        `ours`, a folder that is not empty; or, with `error`, if it cannot be written.
    OSError
        Without `error`, if it cannot be written.
    """
    final = path.resolve()
    require_text_name(path, error or ConfigError)
    if final.exists() and not (final.is_dir() and (ours is not None or not any(final.iterdir()))):
        raise (error or ConfigError)(
            f"{path} exists already. Choose another folder, or delete it first."
        )
    created = [folder for folder in final.parents if not folder.exists()]
    remove_leftovers(final)
    partial = _partial(final)
    done = False
    try:
        if final.is_dir() and not _can_move(final):
            partial = _partial(final / final.name)
            remove_leftovers(final / final.name)
        with _naming(path, partial):
            partial.mkdir(parents=True)
            with _marked_alive(partial):
                yield partial
                if ours is None and final.is_dir():
                    final.rmdir()  # fails, and rightly, if another run has filled it meanwhile
                replace_folder(partial, final, ours=ours or ())
        done = True
    except OSError as problem:
        if error is None or not _is_of(problem.filename, partial, final, path):
            raise
        where = problem.filename or path
        raise error(f"{where}: cannot be written ({problem.strerror or problem}).") from problem
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        for folder in created if not done else ():
            with contextlib.suppress(OSError):
                folder.rmdir()


def replace_folder(new: Path, path: Path, *, ours: Sequence[str] = ()) -> None:
    """Put the folder `new` in the place of `path`, in one step where the system can.

    Parameters
    ----------
    new
        A finished folder, beside `path` or in it; it is gone afterwards.
    path
        The place; a folder that is there is removed, but for what it holds under names that
        neither `ours` nor `new` has.
    ours
        Names of the files that such a folder can have, the one without which it is none first.

    Raises
    ------
    OSError
        If that is not possible; the old folder is as it was then.
    """
    for file in sorted(new.rglob("*")):
        if file.is_file() and not file.is_symlink():
            flush_to_disk(file)
    if new.parent == path:
        _replace_files(new, path, ours)
        return
    if path.is_dir():
        for kept in path.iterdir():
            if kept.name not in ours and not (new / kept.name).exists():
                _copy(kept, new / kept.name)
    old = _partial(path, _OLD)
    if not path.exists():
        new.rename(path)
    elif _exchange(new, path):
        old = new
    else:
        path.rename(old)
        try:
            new.rename(path)
        except BaseException:
            old.rename(path)
            raise
    shutil.rmtree(old, ignore_errors=True)
    flush_to_disk(path.parent)


def _replace_files(new: Path, path: Path, ours: Sequence[str]) -> None:
    """Replace the files of a folder that must stay where it is: old, then none, then new.

    The file without which it is none goes first and comes last.
    """
    old = _partial(path / path.name, _OLD)
    old.mkdir()
    names = [file.name for file in new.iterdir()]
    first = [name for name in ours[:1] if name in names]
    incoming = [*(name for name in sorted(names) if name not in first), *first]
    gone = [name for name in dict.fromkeys((*ours, *names)) if (path / name).exists()]
    try:
        for name in gone:
            (path / name).rename(old / name)
        for name in incoming:
            (new / name).rename(path / name)
    except BaseException:
        for name in incoming:
            if not (new / name).exists() and (path / name).exists():
                (path / name).rename(new / name)
        for name in reversed(gone):
            if (old / name).exists():
                (old / name).rename(path / name)
        old.rmdir()
        raise
    shutil.rmtree(old, ignore_errors=True)
    shutil.rmtree(new, ignore_errors=True)
    flush_to_disk(path)


def _is_of(name: Any, *folders: Path) -> bool:
    """Whether an ``OSError`` is of writing these folders; one of a full disk has no name."""
    if not isinstance(name, str):
        return True
    return any(Path(name).is_relative_to(f) or f.is_relative_to(name) for f in folders)


def _can_move(folder: Path) -> bool:
    """Whether a folder can be renamed: no mount, not where this process stands, not its parent."""
    here = Path.cwd()
    movable = not folder.is_mount() and folder != here and folder not in here.parents
    return movable and os.access(folder.parent, os.W_OK)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step, or do nothing where the system has no such call."""
    if os.name != "posix":
        return False
    library = ctypes.CDLL(None)
    for name, here in _SWAPS.items():
        swap = getattr(library, name, None)
        if swap is not None:
            flag = ctypes.c_uint(_SWAP_FLAG)
            return bool(swap(here, os.fsencode(one), here, os.fsencode(other), flag) == 0)
    return False


def _partial(path: Path, suffix: str = PARTIAL) -> Path:
    return path.with_name(f".{path.name[:50]}.{uuid.uuid4().hex[:12]}{suffix}")


@contextlib.contextmanager
def _naming(path: Path, partial: Path | None = None) -> Iterator[None]:
    """Let an error of the system name the file that was asked for; one of a full disk names none.

    A file within an unfinished folder is named by its place in the finished one.
    """
    try:
        yield
    except OSError as error:
        known = error.filename
        if known is None and error.errno is not None:
            error.filename = str(path)
            error.strerror = os.strerror(error.errno)  # Arrow's own words name no file either
        elif partial is not None and isinstance(known, str) and known.startswith(str(partial)):
            error.filename, error.filename2 = str(path) + known[len(str(partial)) :], None
        raise


@contextlib.contextmanager
def _marked_alive(partial: Path) -> Iterator[None]:
    """Hold a lock on a temporary file or folder, by which others see that it is in use."""
    if os.name == "nt":  # where an open file can be neither renamed nor deleted
        yield
        return
    if partial.is_dir():
        descriptor = os.open(partial, os.O_RDONLY)
    else:
        descriptor = os.open(partial, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            try_lock(descriptor)
        yield
    finally:
        os.close(descriptor)


def remove_leftovers(path: Path) -> None:
    """Remove what killed processes left of earlier attempts to write `path`, and say so.

    What a living process is writing stays, and so does all where nothing can be locked. An old
    folder whose process was killed between two renamings gets its name back.
    """
    _sweep(path, _leftovers(path.parent))


def _leftovers(folder: Path) -> tuple[str, ...]:
    with contextlib.suppress(OSError), os.scandir(folder) as found:
        return tuple(entry.name for entry in found if _LEFTOVER.fullmatch(entry.name))
    return ()


@lru_cache(maxsize=64)
def _found_at_first(folder: Path) -> tuple[str, ...]:
    """Those that were there when this process wrote there first: it leaves none itself."""
    return _leftovers(folder)


def _sweep(path: Path, names: Iterable[str]) -> None:
    for name in names:
        own = name[: -len(f"{'0' * 12}{_OLD if name.endswith(_OLD) else PARTIAL}")]
        if os.name == "nt" or own != f".{path.name[:50]}.":
            continue
        leftover = path.with_name(name)
        try:
            descriptor = os.open(leftover, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            if not try_lock(descriptor):
                continue
            if name.endswith(_OLD) and not path.exists():
                leftover.rename(path)
                told = f"{path}: has its name again; a run that was killed had renamed it."
            else:
                if leftover.is_dir():
                    shutil.rmtree(leftover)
                else:
                    leftover.unlink()
                told = f"{leftover}: removed; a run that was killed had left it."
        except OSError:
            continue
        finally:
            os.close(descriptor)
        warnings.warn(told, stacklevel=4)


def _copy(source: Path, target: Path) -> None:
    """The same file under a second name, or a copy where the file system has no such thing."""
    if source.is_dir() and not source.is_symlink():
        shutil.copytree(source, target, symlinks=True, copy_function=_link)
    else:
        _link(source, target)


def _link(source: str | Path, target: str | Path) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)


def flush_to_disk(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk.

    Raises
    ------
    OSError
        If a file cannot be written; of a folder that is no error, as some systems cannot do it.
    """
    if path.is_dir():
        with contextlib.suppress(OSError):
            _sync_descriptor(path, os.O_RDONLY)
    else:
        _sync_descriptor(path, os.O_RDWR)


def _sync_descriptor(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_json(
    path: Path,
    error: type[BiotError],
    *,
    allow_nan: bool = False,
    most_bytes: int | None = None,
) -> dict[str, Any]:
    """The object in a JSON file, read strictly.

    Parameters
    ----------
    path
        The file, in UTF-8.
    error
        Kind of the error to raise.
    allow_nan
        Whether ``NaN``, ``Infinity`` and ``-Infinity``, which only Python's JSON knows, may stand.
    most_bytes
        Size of the largest file that is read; None: any.

    Raises
    ------
    BiotError
        Of the kind `error`: if there is no such file, or it is too large, not UTF-8, not JSON, not
        an object, or holds a key twice, numbers that nothing can hold, or half a character.
    """
    try:
        with path.open("rb") as file:
            content = file.read() if most_bytes is None else file.read(most_bytes + 1)
    except FileNotFoundError as problem:
        raise error(f"{path}: no such file.") from problem
    except PermissionError as problem:
        raise error(f"{path}: may not be read by this user (permission denied).") from problem
    except OSError as problem:
        raise error(f"{path}: cannot be read ({problem.strerror or problem}).") from problem
    if most_bytes is not None and len(content) > most_bytes:
        raise error(f"{path}: has more than {most_bytes} bytes, which is too large to be right.")
    return json_object(content, str(path), error, allow_nan=allow_nan)


def json_object(
    content: bytes, where: str, error: type[BiotError], *, allow_nan: bool = False
) -> dict[str, Any]:
    """The object in a JSON text, as strictly as :func:`read_json`; `where` opens the message.

    Raises
    ------
    BiotError
        Of the kind `error`.
    """
    try:
        values = _parsed(content, allow_nan=allow_nan)
    except (RecursionError, ValueError) as problem:
        why = str(problem)
        if isinstance(problem, UnicodeError):
            is_half = isinstance(problem, UnicodeEncodeError)
            why = "it holds half of a surrogate pair" if is_half else "it is not UTF-8"
        elif isinstance(problem, RecursionError):
            why = "it is nested too deeply"
        raise error(f"{where}: not valid JSON ({why}).") from problem
    if not isinstance(values, dict):
        raise error(f"{where}: expected an object, found {type(values).__name__}.")
    return values


def _parsed(content: bytes, *, allow_nan: bool) -> Any:
    text = content.decode("utf-8-sig")
    values = json.loads(
        text,
        object_pairs_hook=once_each,
        parse_int=_integer,
        parse_float=_number,
        parse_constant=float if allow_nan else _refuse_constant,
    )
    if _HALF_A_PAIR.search(text):
        json.dumps(values, ensure_ascii=False).encode()
    return values


def once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object with these pairs, as ``object_pairs_hook`` of JSON; a key twice is refused.

    Raises
    ------
    ConfigError
        Naming the key.
    """
    values = dict(pairs)
    if len(values) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise ConfigError(f"the key {name[:60]!r} is there twice")
            seen.add(name)
    return values


def _integer(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise ConfigError(f"an integer of {len(digits)} digits, {digits[:20]}…")
    return int(digits)


def _number(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ConfigError(f"a number too large, {digits[:20]}")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ConfigError(f"{name} is no JSON number")


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write strict JSON that people can read; the file appears whole.

    Raises
    ------
    ValueError
        If `value` holds NaN or infinity.
    OSError
        If the file cannot be written.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    content = f"{text}\n".encode()
    with atomic_file(path) as partial:
        partial.write_bytes(content)


def sha256_of(*paths: Path) -> str:
    """Checksum of files, one after the other, in hexadecimal digits."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(2**20):
                digest.update(block)
    return digest.hexdigest()


_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
"""How a text begins that a spreadsheet would take for a formula, or that we have marked."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def safe_cell(value: Any) -> Any:
    """A cell of a CSV or TSV file that a spreadsheet shows, and does not run.

    A text that begins with ``=``, ``+``, ``-``, ``@``, a tab or a line end gets an apostrophe
    before it; so does one that begins with apostrophes and then one of these, so that
    :func:`true_cell` gives every text back. Numbers stay as they are.
    """
    is_formula = isinstance(value, str) and _FORMULA.match(value) and not _NUMBER.fullmatch(value)
    return f"'{value}" if is_formula else value


def shown_cell(value: Any) -> Any:
    """A cell as :func:`safe_cell` makes it, with all seen that would act on a terminal.

    See :func:`biot.errors.visible`.
    """
    return safe_cell(visible(value) if isinstance(value, str) else value)


def true_cell(text: str) -> str:
    """The inverse of :func:`safe_cell`."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text
