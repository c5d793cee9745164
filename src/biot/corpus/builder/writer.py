"""Writing a corpus folder: all of it, or nothing."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from biot.corpus.manifest import LabelCounts, Manifest, Record, Spread, versions
from biot.corpus.schema import (
    INFO_FILE,
    SHARDS,
    STATE_FILE,
    Label,
    WindowBlock,
    arrow_schema,
    encode,
    features,
    record_batch,
)
from biot.corpus.seal import sealed
from biot.errors import require
from biot.io import atomic_file, sha256_of, write_json
from biot.preprocessing import Preprocessing
from biot.signals.scale import q95_scale

__all__ = [
    "CorpusWriter",
    "Shard",
    "shard_name",
    "write_description",
    "write_shard",
    "write_state",
]


class CorpusWriter:
    """Writes the shards of a corpus, one a recording, and then the files that describe them.

    Parameters
    ----------
    folder
        An empty folder, such as :func:`biot.io.atomic_folder` gives.
    parameters
        How the windows were made, for the manifest.
    """

    def __init__(self, folder: Path, parameters: Mapping[str, Any]) -> None:
        self._folder = folder
        self._parameters = parameters
        self._records: dict[str, Record] = {}
        (folder / SHARDS).mkdir()

    def add(
        self, parts: Iterable[WindowBlock], contract: Preprocessing, *, subject: str, recording: str
    ) -> None:
        """Write the windows of one recording, whose name is new, as its shard."""
        digest = hashlib.sha256()
        size = 0

        def counted() -> Iterator[WindowBlock]:
            nonlocal size
            for part in parts:
                content = np.ascontiguousarray(part.signal).tobytes()
                digest.update(content)
                size += len(content)
                yield part

        written = write_shard(self._folder, counted(), contract, subject, recording)
        self._records[recording] = Record(
            size=size,
            sha256=digest.hexdigest(),
            subject=subject,
            ch_names=contract.ch_names,
            units=contract.units,
            **asdict(written),
        )

    def finish(self, contract: Preprocessing) -> Manifest:
        """Write the contract, the manifest and what `datasets` needs to open the folder."""
        manifest = Manifest(
            parameters=self._parameters, recordings=self._records, versions=versions()
        )
        write_description(self._folder, contract, manifest)
        return manifest


@dataclass(frozen=True, kw_only=True)
class Shard:
    """What was written of one recording."""

    shard: str | None = None
    """Its file, relative to the corpus; None if there was no window."""
    shard_sha256: str | None = None
    n_windows: int = 0
    labels: Mapping[str, int] = field(default_factory=dict)
    """Windows of each class of the first label column, or of each tag."""
    spreads: tuple[Spread, ...] = ()
    """Of each target of a regression."""


def write_shard(
    folder: Path,
    parts: Iterable[WindowBlock],
    contract: Preprocessing,
    subject: str,
    recording: str,
) -> Shard:
    """Write the windows of one recording into a corpus: the whole shard, or nothing.

    Without any window there is no shard. An error that comes out of `parts` passes through, and
    leaves no file either.
    """
    pa = require("pyarrow", extra="corpus")
    shard = f"{SHARDS}/{shard_name(recording)}"
    parts = iter(parts)
    first = next(parts, None)
    if first is None:
        return Shard()
    labels: list[Label | None] = []
    with atomic_file(folder / shard) as partial:
        with (
            pa.OSFile(str(partial), "wb") as sink,
            pa.ipc.new_stream(sink, arrow_schema()) as to,
        ):
            for part in chain([first], parts):
                to.write_batch(_encoded(part, contract, subject, recording))
                labels += part.labels
        digest = sha256_of(partial)
    tally = LabelCounts()
    tally.update(labels, contract.task)
    return Shard(
        shard=shard,
        shard_sha256=digest,
        n_windows=len(labels),
        labels=dict(sorted(tally.counts.items())),
        spreads=tuple(tally.spreads),
    )


def write_description(folder: Path, contract: Preprocessing, manifest: Manifest) -> None:
    """Write all that a corpus holds besides its shards; ``state.json`` last, which makes it one."""
    contract.save(folder)
    manifest.save(folder)
    info = {"citation": "", "description": "", "features": features()}
    write_json(folder / INFO_FILE, {**info, "homepage": "", "license": ""})
    write_state(folder, contract, manifest)


def write_state(
    folder: Path,
    contract: Preprocessing,
    manifest: Manifest,
    described: Iterable[str] | None = None,
) -> None:
    """Write the list of shards, in the order of the manifest, with a fingerprint of all content.

    What nothing but the manifest would know, should it be lost, is kept under ``_biot``, with
    checksums of the files that describe the corpus.
    """
    used = [record for record in manifest.recordings.values() if record.shard is not None]
    digest = hashlib.sha256()
    for record in used:
        official = "" if record.split is None else record.split
        digest.update(f"{record.shard}{record.shard_sha256}{official}".encode())
    digest.update(json.dumps(contract.to_dict()).encode())
    state: dict[str, Any] = {
        "_biot": {"parameters": dict(manifest.parameters), "dropped": sorted(manifest.dropped)},
        "_data_files": [_listed(folder, record) for record in used],
        "_fingerprint": digest.hexdigest()[:16],
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": None,
    }
    write_json(folder / STATE_FILE, sealed(folder, state, described))


def _listed(folder: Path, record: Record) -> dict[str, Any]:
    return {
        "filename": record.shard,
        "n_windows": record.n_windows,
        "size": (folder / str(record.shard)).stat().st_size,
        "sha256": record.shard_sha256,
    }


def _encoded(part: WindowBlock, contract: Preprocessing, subject: str, recording: str) -> Any:
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


def shard_name(recording: str) -> str:
    """A file name that is legal everywhere and differs between recordings."""
    readable = re.sub(r"[^A-Za-z0-9._-]+", "_", recording).lstrip(".")[:80]
    return f"{readable}-{hashlib.sha256(recording.encode()).hexdigest()[:12]}.arrow"
