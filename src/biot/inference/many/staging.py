"""The folder of many recordings: kept while it is made, shown when it is whole."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from biot.errors import ConfigError
from biot.inference.many.outcomes import Outcome, read_outcomes, write_outcomes
from biot.io import atomic_folder, read_json, sha256_of, write_json

__all__ = ["OURS", "QUARANTINE", "RECORDINGS", "STATE", "SUBJECTS", "WINDOWS", "ManyFolder"]

STATE = "predict.json"
WINDOWS = "predictions.parquet"
RECORDINGS = "recordings.tsv"
SUBJECTS = "subjects.tsv"
QUARANTINE = "quarantine.tsv"
OURS = (STATE, WINDOWS, RECORDINGS, SUBJECTS, QUARANTINE, "events", "reports")
"""Files and folders that such a folder can have, first the one without which it is none."""
_PARAMETERS = "parameters.json"
_KNOWN = "known.parquet"
"""What earlier runs found; other parts are newer."""
_VERSION = 1


class ManyFolder:
    """Where predictions of many recordings are kept.

    While it is made, a hidden folder beside it holds a Parquet file for each run of recordings that
    is finished (see :func:`biot.inference.many.sources.runs_of`), and one for each long recording.
    The folder itself appears, or is replaced, in one step.

    Parameters
    ----------
    out
        The folder; a link is followed.

    Raises
    ------
    ConfigError
        If it is a file, or a folder that holds something else.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        final = out.resolve()
        self.partial = final.with_name(f".{final.name}.partial")
        self._parts = self.partial / "parts"
        if final.is_dir() and (final / STATE).is_file():
            return
        if final.exists() and not (final.is_dir() and not any(final.iterdir())):
            what = "holds files that are no predictions" if final.is_dir() else "is a file"
            raise ConfigError(
                f"--out {out} exists already and {what}. Give another folder, or delete it first."
            )

    def finished(self) -> tuple[Mapping[str, Any] | None, dict[str, Outcome], list[str]]:
        """Parameters and outcomes of the finished folder, and in words what is wrong with it."""
        state = self.out / STATE
        if not state.is_file():
            return None, {}, []
        content = read_json(state, ConfigError)
        if content.get("version") != _VERSION or not isinstance(content.get("parameters"), dict):
            raise ConfigError(
                f"{state}: is not what this release writes. Give another folder, or delete "
                f"{self.out} first."
            )
        table = self.out / WINDOWS
        if not table.is_file() or sha256_of(table) != content.get("windows_sha256"):
            how = "was changed" if table.is_file() else "was missing"
            return content["parameters"], {}, [f"{WINDOWS} {how}: all is predicted anew"]
        try:
            known = {one.name: one for one in read_outcomes(table)}
        except ConfigError as error:
            return content["parameters"], {}, [f"all is predicted anew ({error})"]
        lost = [f for f in content.get("files", ()) if not (self.out / f).is_file()]
        return content["parameters"], known, [f"{name} was missing" for name in lost]

    def begun(self) -> tuple[Mapping[str, Any] | None, dict[str, Outcome]]:
        """The same of what an earlier run left unfinished; a damaged part counts as not there."""
        path = self.partial / _PARAMETERS
        if not path.is_file():
            return None, {}
        known: dict[str, Outcome] = {}
        parts = sorted(self._parts.glob("*.parquet"), key=lambda part: part.name != _KNOWN)
        for part in parts:
            try:
                known |= {one.name: one for one in read_outcomes(part)}
            except ConfigError:
                part.unlink()
        return read_json(path, ConfigError), known

    def begin(self, parameters: Mapping[str, Any], known: Sequence[Outcome]) -> None:
        """Make the hidden folder, with what is known already and stays."""
        self._parts.mkdir(parents=True, exist_ok=True)
        write_json(self.partial / _PARAMETERS, parameters)
        if known:
            write_outcomes(self._parts / _KNOWN, known, finished=False)
        for part in self._parts.iterdir():
            if not (known and part.name == _KNOWN):
                part.unlink()

    def keep(self, outcomes: Sequence[Outcome]) -> None:
        """Note that these recordings are finished, all at once."""
        if outcomes:
            names = "\n".join(one.name for one in outcomes)
            digest = hashlib.sha256(names.encode()).hexdigest()[:24]
            write_outcomes(self._parts / f"{digest}.parquet", outcomes, finished=False)

    def publish(
        self,
        outcomes: Sequence[Outcome],
        parameters: Mapping[str, Any],
        write_more: Callable[[Path], None],
    ) -> None:
        """Write the whole folder; `write_more` writes what is there besides the windows."""
        with atomic_folder(self.out, ours=OURS, error=ConfigError) as folder:
            write_outcomes(folder / WINDOWS, outcomes, finished=True)
            write_more(folder)
            files = [f.relative_to(folder).as_posix() for f in folder.rglob("*") if f.is_file()]
            state = {
                "version": _VERSION,
                "parameters": dict(parameters),
                "windows_sha256": sha256_of(folder / WINDOWS),
                "files": sorted(files),
            }
            write_json(folder / STATE, state)
        self.discard()

    def discard(self) -> None:
        """Remove what is unfinished."""
        shutil.rmtree(self.partial, ignore_errors=True)
