"""The folder of a corpus while it is made: locked, kept after a fault, shown when it is whole."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from biot.corpus.builder.worker import BEGUN
from biot.corpus.builder.writer import shard_name
from biot.corpus.manifest import MANIFEST_FILE, Manifest, Record
from biot.corpus.schema import (
    INFO_FILE,
    LABELS_FILE,
    QUARANTINE_FILE,
    SHARDS,
    STATE_FILE,
    staging_folder,
)
from biot.errors import CorpusError
from biot.io import PARTIAL, atomic_file, flush_to_disk, read_json, require_text_name, write_json
from biot.locks import alone_on
from biot.preprocessing import FILE_NAME

__all__ = [
    "Staging",
    "locked",
]

_RECORDS = "records"


_PARAMETERS = "parameters.json"

_OF_A_CORPUS = (
    *(FILE_NAME, INFO_FILE, LABELS_FILE, MANIFEST_FILE, QUARANTINE_FILE, SHARDS, STATE_FILE),
)


class Staging:
    """Where a corpus is made: a hidden folder beside the one that it is to be.

    It holds the shards that are finished, and a record of each in ``records``. The corpus is whole
    when ``state.json`` is there; then the folder is renamed. While a corpus is brought up to date,
    the old one stays as it is until the new one takes its place. Files and folders that do not
    belong to a corpus, such as notes or figures, move to the new one. Links in `out` are followed:
    the work is done beside what they lead to.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self._final = out.resolve()
        self.folder = staging_folder(out)
        self._old = self._final.with_name(f".{self._final.name}.old")

    @property
    def is_whole(self) -> bool:
        """Whether the corpus is finished, though it may not have its name yet."""
        return (self.folder / STATE_FILE).is_file()

    def recover(self) -> None:
        """End what a run that was killed had begun to rename or to write."""
        if self.is_whole:
            self.publish()
        if self._final.exists():
            self._clear_old()
        elif self._old.exists():
            self._old.rename(self._final)
        self.tidy()

    def tidy(self) -> None:
        """Remove files under temporary names; nobody else may be writing."""
        for path in self.folder.rglob(f".*{PARTIAL}"):
            path.unlink(missing_ok=True)

    def parameters(self) -> Mapping[str, Any] | None:
        """Those of the unfinished corpus; None if there is none."""
        path = self.folder / _PARAMETERS
        return read_json(path, CorpusError) if path.is_file() else None

    def records(self) -> dict[str, tuple[Record, Any]]:
        """The finished recordings of the unfinished corpus, each with the stamp of its files."""
        found = {}
        for path in sorted((self.folder / _RECORDS).glob("*.json")):
            content = read_json(path, CorpusError)
            record = Record.from_dict(content["record"])
            if record.shard is None or (self.folder / record.shard).is_file():
                found[content["recording"]] = (record, content["stamp"])
        return found

    def begin(self, parameters: Mapping[str, Any], old: Manifest | None) -> None:
        """Make the folder, with all that the finished corpus has, if there is one."""
        known = self.records()
        (self.folder / SHARDS).mkdir(parents=True, exist_ok=True)
        (self.folder / _RECORDS).mkdir(exist_ok=True)
        write_json(self.folder / _PARAMETERS, parameters)
        for name, record in (old.recordings if old is not None else {}).items():
            if name in known:
                continue
            if record.shard is not None:
                _link(self._final / record.shard, self.folder / record.shard)
            self.keep(name, record, None)

    def keep(self, name: str, record: Record, stamp: Any) -> None:
        """Note that a recording is finished."""
        content = {"recording": name, "record": asdict(record), "stamp": stamp}
        write_json(self._record(name), content)

    def forget(self, name: str) -> None:
        """Note that a recording is no longer to be there; its shard goes at the end."""
        self._record(name).unlink(missing_ok=True)

    def begun(self, names: Iterable[str]) -> set[str]:
        """Those of the recordings that a process had begun when it died."""
        notes = {path.name for path in (self.folder / BEGUN).glob("*")}
        return {name for name in names if notes and shard_name(name) in notes}

    def suspect(self, name: str) -> None:
        """Note that a recording has ended a process, so that it gets one of its own."""
        (self.folder / BEGUN).mkdir(exist_ok=True)
        (self.folder / BEGUN / shard_name(name)).touch()

    def _record(self, name: str) -> Path:
        return self.folder / _RECORDS / f"{Path(shard_name(name)).stem}.json"

    def publish(self) -> None:
        """Give the whole corpus its name."""
        for folder in (_RECORDS, BEGUN):
            shutil.rmtree(self.folder / folder, ignore_errors=True)
        (self.folder / _PARAMETERS).unlink(missing_ok=True)
        self.tidy()
        if self._final.is_dir() and not any(self._final.iterdir()):
            self._final.rmdir()
        if self._final.exists():
            self._clear_old()
            self._final.rename(self._old)
        self.folder.rename(self._final)
        flush_to_disk(self._final.parent)
        self._clear_old()

    def _clear_old(self) -> None:
        """Remove the corpus that was replaced; what others put into its folder moves to the new."""
        for path in self._old.iterdir() if self._old.is_dir() else ():
            is_ours = path.name in _OF_A_CORPUS or path.name.endswith(PARTIAL)
            target = self._final / path.name
            if not is_ours and not os.path.lexists(target):
                path.rename(target)
        shutil.rmtree(self._old, ignore_errors=True)

    def discard(self) -> None:
        """Remove the unfinished corpus."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _link(source: Path, target: Path) -> None:
    """The same file under a second name, or a copy where the file system has no such thing."""
    if target.exists():
        return
    try:
        os.link(source, target)
    except OSError:
        with atomic_file(target) as partial:
            shutil.copyfile(source, partial)


@contextlib.contextmanager
def locked(out: Path) -> Iterator[None]:
    """Keep other runs away from a corpus; the lock ends with the process, however that ends.

    Raises
    ------
    CorpusError
        If another run has the lock, or the folder above cannot be written or locked, or `out` is
        where a disk is mounted, which no folder can be renamed to.
    """
    final = out.resolve()
    require_text_name(final, CorpusError)
    if os.path.ismount(final):
        raise CorpusError(
            f"{out}: is where a disk is mounted, and a corpus is made beside its name and renamed. "
            f"Name a folder in it, such as {out / 'corpus'}."
        )
    with alone_on(out, "this corpus", CorpusError, required=True):
        yield
