"""Opening corpora: :func:`load_corpus`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, overload

from biot.corpus.corpora import Corpora
from biot.corpus.corpus import Corpus, WindowRows
from biot.corpus.integrity import ListedShard, listed_shards, require_as_written
from biot.corpus.schema import INFO_FILE, REPAIR, STATE_FILE, shard_path, staging_folder
from biot.corpus.seal import DESCRIPTION, require_unchanged
from biot.corpus.shards import OpenedShard, Signals, open_shard
from biot.errors import ContractError, CorpusError, require
from biot.io import read_json, require_text_name
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
    require_text_name(folder, CorpusError)
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
        closed = isinstance(error.__cause__, OSError)
        raise CorpusError(str(error) if closed else f"Not a corpus. {error}") from error
    pa = require("pyarrow", extra="corpus")
    listed = listed_shards(folder, state)
    require_unchanged(folder, state, DESCRIPTION)
    require_as_written(folder, listed)
    shards = [_read_shard(folder, shard) for shard in listed]
    return Corpus(
        folder,
        preprocessing,
        pa.concat_tables([shard.table for shard in shards]),
        Signals(shards),
        fingerprint=str(state["_fingerprint"]),
    )


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
        raise CorpusError(f"{error} {REPAIR}") from error


def _read_shard(folder: Path, listed: ListedShard) -> OpenedShard:
    pa = require("pyarrow", extra="corpus")
    path = shard_path(folder, listed.name)
    try:
        shard = open_shard(path)
    except FileNotFoundError:
        raise CorpusError(
            f"{folder}: the shard {listed.name} is missing, which {STATE_FILE} lists. {REPAIR}"
        ) from None
    except PermissionError as error:
        raise CorpusError(f"{path}: may not be read by this user (permission denied).") from error
    except (OSError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise CorpusError(f"{path}: damaged ({reason}). {REPAIR}") from error
    if shard.table.num_rows != listed.n_windows:
        raise CorpusError(
            f"{path}: damaged (it holds {shard.table.num_rows} of {listed.n_windows} windows), or "
            f"{STATE_FILE} is. {REPAIR}"
        )
    return shard
