"""Opening corpora: :func:`load_corpus`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, overload

from biot.corpus.corpora import Corpora
from biot.corpus.corpus import Corpus, WindowRows
from biot.corpus.schema import COLUMNS, INFO_FILE, STATE_FILE, shard_path, staging_folder
from biot.errors import ContractError, CorpusError, require
from biot.io import read_json
from biot.preprocessing import Preprocessing

__all__ = ["Corpora", "Corpus", "WindowRows", "load_corpus"]


@overload
def load_corpus(path: str | Path) -> Corpus:
    """Open one folder."""


@overload
def load_corpus(
    path: str | Path,
    second: str | Path,
    /,
    *more: str | Path,
    resample: bool = ...,
    sfreq: float | None = ...,
) -> Corpora:
    """Open several folders as one."""


def load_corpus(
    path: str | Path, *more: str | Path, resample: bool = False, sfreq: float | None = None
) -> Corpus | Corpora:
    """Open a corpus folder, or several as one; the windows stay on disk.

    Parameters
    ----------
    path, *more
        Folders. Several give :class:`~biot.corpus.corpora.Corpora`: channels and lengths may
        differ, labels are merged by name.
    resample
        Bring corpora of several rates to one when windows are fetched; False refuses them.
    sfreq
        That rate, in Hz; None: the rate of the first corpus.

    Raises
    ------
    CorpusError
        If a folder is not a corpus or is damaged; the message names what is missing.
    ContractError
        If several corpora differ in rate (without `resample`), scale or filters.
    """
    if not more:
        return _open(path)
    return Corpora.of([_open(folder) for folder in (path, *more)], resample=resample, sfreq=sfreq)


def _open(path: str | Path) -> Corpus:
    """Open one corpus folder.

    Raises
    ------
    CorpusError
        If the folder is not a corpus or is damaged; the message names what is missing.
    """
    folder = Path(path)
    if not folder.is_dir():
        if staging_folder(folder).is_dir():
            raise CorpusError(
                f"{folder} is not finished: its preparation was stopped. Start the same "
                "`biot prepare` again, which goes on where it was."
            )
        raise CorpusError(f"{folder} is not a folder. A corpus is made by `biot prepare`.")
    state = _read_json(folder, STATE_FILE)
    _read_json(folder, INFO_FILE)
    try:
        preprocessing = Preprocessing.load(folder)
    except ContractError as error:
        raise CorpusError(f"Not a corpus. {error}") from error
    pa = require("pyarrow", extra="corpus")
    try:
        fingerprint = str(state["_fingerprint"])
        shards = [(entry["filename"], entry["n_windows"]) for entry in state["_data_files"]]
    except (KeyError, TypeError):
        raise CorpusError(
            f"{folder / STATE_FILE} does not list the shards of a corpus with their windows. "
            f"Make the corpus with `biot prepare`."
        ) from None
    tables = [_read_shard(folder, name, n_windows) for name, n_windows in shards]
    if not tables:
        raise CorpusError(f"{folder}: the corpus lists no shards. Prepare it again.")
    table = pa.concat_tables(tables)
    return Corpus(folder, preprocessing, table, fingerprint=fingerprint)


def _read_json(folder: Path, name: str) -> dict[str, Any]:
    if not (folder / name).is_file():
        raise CorpusError(
            f"{folder} is not a corpus: it has no {name}. A corpus is made by `biot prepare`."
        )
    try:
        return read_json(folder / name, CorpusError)
    except CorpusError as error:
        if isinstance(error.__cause__, PermissionError):  # it may be whole
            raise
        raise CorpusError(f"{error} Prepare the corpus again.") from error


def _read_shard(folder: Path, name: str, n_windows: int) -> Any:
    pa = require("pyarrow", extra="corpus")
    path = shard_path(folder, name)
    try:
        with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as stream:
            table = stream.read_all()
    except FileNotFoundError:
        raise CorpusError(
            f"{folder}: the shard {name} is missing. Prepare the corpus again."
        ) from None
    except PermissionError as error:
        raise CorpusError(f"{path}: may not be read by this user (permission denied).") from error
    except (OSError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise CorpusError(f"{path}: damaged ({reason}). Prepare the corpus again.") from error
    if table.schema.names != list(COLUMNS):
        raise CorpusError(
            f"{path} has the columns {', '.join(table.schema.names)}; "
            f"a corpus has {', '.join(COLUMNS)}. Prepare it again."
        )
    if table.num_rows != n_windows:
        raise CorpusError(
            f"{path}: damaged (it holds {table.num_rows} of {n_windows} windows). "
            "Prepare the corpus again."
        )
    return table
