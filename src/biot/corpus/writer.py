"""Writing a corpus folder: all of it, or nothing."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.contract import Preprocessing
from biot.corpus.labels import Label
from biot.corpus.schema import arrow_schema, encode, features, record_batch
from biot.corpus.tally import Tally
from biot.errors import CorpusError, require
from biot.signals.preprocess import q95_scale

__all__ = [
    "CHUNK_VALUES",
    "INFO_FILE",
    "SHARDS",
    "STATE_FILE",
    "CorpusWriter",
    "Windows",
    "new_folder",
]

STATE_FILE = "state.json"
INFO_FILE = "dataset_info.json"
SHARDS = "shards"
CHUNK_VALUES = 2**21
"""Samples, of all channels together, to encode at a time: 8 MB of float32."""


@contextlib.contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder under a temporary name that becomes `out` when the block ends without an error.

    After an error, or an interruption, nothing of it remains.

    Raises
    ------
    CorpusError
        If `out` exists and is not an empty folder, or cannot be written.
    """
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise CorpusError(f"{out} exists already. Choose another folder, or delete it first.")
    final = out.absolute()
    created = [folder for folder in final.parents if not folder.exists()]
    partial = final.parent / f".{final.name}.{uuid.uuid4().hex}.partial"
    done = False
    try:
        partial.mkdir(parents=True)
        yield partial
        if final.exists():
            final.rmdir()
        partial.rename(final)
        done = True
    except OSError as error:
        raise CorpusError(f"{out}: cannot be written ({error.strerror or error}).") from error
    finally:
        if not done:
            shutil.rmtree(partial, ignore_errors=True)
            for folder in created:
                with contextlib.suppress(OSError):
                    folder.rmdir()


@dataclass(frozen=True)
class Windows:
    """Some windows of one recording."""

    signal: npt.NDArray[np.floating[Any]]
    """(n_windows, n_chans, n_times) in physical units, NaN where missing."""
    starts: list[float]
    """Seconds from the recording's first sample to each window's."""
    labels: Sequence[Label | None]


class CorpusWriter:
    """Writes the shards of a corpus, one a recording, and then the files that describe them.

    Parameters
    ----------
    folder
        An empty folder, such as :func:`new_folder` gives.
    """

    def __init__(self, folder: Path) -> None:
        self.tally = Tally()
        """What the windows are labelled so far."""
        self.subjects: set[str] = set()
        """Those that have a window so far."""
        self.n_windows = 0
        self._folder = folder
        self._shards: list[dict[str, Any]] = []
        self._digest = hashlib.sha256()
        (folder / SHARDS).mkdir()

    @property
    def n_recordings(self) -> int:
        """Recordings that gave a window so far."""
        return len(self._shards)

    def add(
        self, parts: Iterable[Windows], contract: Preprocessing, *, subject: str, recording: str
    ) -> None:
        """Write the windows of one recording, whose name is new, as its shard.

        Without any window there is no shard. An error that comes out of `parts` passes through,
        and leaves no shard either.
        """
        pa = require("pyarrow", extra="corpus")
        shard = f"{SHARDS}/{_shard_name(recording)}"
        path = self._folder / shard
        labels: list[Label | None] = []
        try:
            with (
                pa.OSFile(str(path), "wb") as sink,
                pa.ipc.new_stream(sink, arrow_schema()) as stream,
            ):
                for part in parts:
                    stream.write_batch(_encoded(part, contract, subject, recording))
                    labels += part.labels
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        if not labels:
            path.unlink()
            return
        self._digest.update(shard.encode())
        with path.open("rb") as file:
            self._digest.update(hashlib.file_digest(file, "sha256").digest())
        self._shards.append({"filename": shard, "n_windows": len(labels)})
        self.n_windows += len(labels)
        self.tally.update(labels, contract.task)
        self.subjects.add(subject)

    def finish(self, contract: Preprocessing) -> None:
        """Write ``preprocessing.json`` and what `datasets` needs to open the folder."""
        contract.save(self._folder)
        self._digest.update(json.dumps(contract.to_dict()).encode())
        state: dict[str, Any] = {
            "_data_files": self._shards,
            "_fingerprint": self._digest.hexdigest()[:16],
            "_format_columns": None,
            "_format_kwargs": {},
            "_format_type": None,
            "_output_all_columns": False,
            "_split": None,
        }
        info = {"citation": "", "description": "", "features": features()}
        _write_json(self._folder / STATE_FILE, state)
        _write_json(self._folder / INFO_FILE, {**info, "homepage": "", "license": ""})


def _encoded(part: Windows, contract: Preprocessing, subject: str, recording: str) -> Any:
    return record_batch(
        encode(part.signal),
        q95=q95_scale(part.signal),
        ch_names=contract.ch_names,
        units=contract.units,
        sfreq=contract.sfreq,
        subject=subject,
        recording=recording,
        starts=part.starts,
        labels=part.labels,
        task=contract.task,
    )


def _shard_name(recording: str) -> str:
    """A file name that is legal everywhere and differs between recordings."""
    readable = re.sub(r"[^A-Za-z0-9._-]+", "_", recording).lstrip(".")[:80]
    return f"{readable}-{hashlib.sha256(recording.encode()).hexdigest()[:12]}.arrow"


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
