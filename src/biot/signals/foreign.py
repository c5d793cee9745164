"""Other packages' parsers, made to speak in the name of the file that they read."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from biot.errors import BiotError, MissingDependencyError, RecordingError

__all__ = ["in_the_name_of"]

# What a parser warns of when data are lost: an error here.
_DAMAGE = ("possibly corrupted", "Invalid tag")
# About the parser or the file's name, not about the data.
_UNREMARKABLE = (DeprecationWarning, PendingDeprecationWarning, FutureWarning)
_CONVENTION = "does not conform to MNE naming conventions"


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
        except BiotError:
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
        if _CONVENTION not in message:
            warnings.warn(f"{path.name}: {message}.", stacklevel=4)


def _tidy(path: Path, message: object) -> str:
    """A message on one line, without the folder's name."""
    text = str(message)
    for folder in (path.resolve().parent, path.parent):
        text = text.replace(f"{folder}/", "")
    return " ".join(text.split()).rstrip(".")
