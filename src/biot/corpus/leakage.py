"""Leakage guard: no subject and no recording both in what was learnt from and in what tests it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.corpus.corpora import Corpora
from biot.corpus.corpus import Corpus
from biot.errors import CorpusError, listed
from biot.io import read_json, write_json

__all__ = ["MANIFEST", "TRAINING_DATA", "SeenData", "note_of_leakage", "require_disjoint"]

MANIFEST = "manifest.json"
TRAINING_DATA = "training_data.json"


@dataclass(frozen=True, kw_only=True)
class SeenData:
    """Subjects and recordings by checksum, of a part of a corpus or of a model's training."""

    recordings: dict[str, str]
    """SHA-256 of a recording's source, and its name."""
    subjects: tuple[str, ...]
    """Sorted. Empty of pretraining: names such as S01 are no evidence across unrelated corpora."""
    unknown: tuple[str, ...] = ()
    """Recordings whose checksum nobody wrote down: these are compared by subject at most."""

    @classmethod
    def of(cls, corpus: Corpus | Corpora, rows: npt.ArrayLike | None = None) -> SeenData:
        """What the windows at `rows` (None: all) are from, by the manifests of the corpora.

        Raises
        ------
        CorpusError
            If a manifest is damaged.
        """
        index = np.arange(len(corpus)) if rows is None else np.asarray(rows)
        parts = corpus.parts if isinstance(corpus, Corpora) else (corpus,)
        recordings: dict[str, str] = {}
        unknown: list[str] = []
        subjects: set[str] = set()
        first = 0
        for part in parts:
            own = index[(index >= first) & (index < first + len(part))] - first
            checksums = _checksums(part.path)
            for name in np.unique(part.recordings[own]).tolist():
                if name in checksums:
                    recordings[checksums[name]] = name
                else:
                    unknown.append(name)
            subjects.update(part.subjects[own].tolist())
            first += len(part)
        return cls(recordings=recordings, subjects=tuple(sorted(subjects)), unknown=tuple(unknown))

    @classmethod
    def load(cls, model: Path) -> SeenData | None:
        """What a model was trained on, from the ``training_data.json`` in its folder.

        None where there is no such file: nobody wrote it down.

        Raises
        ------
        CorpusError
            If the file is damaged.
        """
        path = model / TRAINING_DATA
        if not path.is_file():
            return None
        values = read_json(path, CorpusError)
        try:
            recordings = {str(k): str(v) for k, v in values["recordings"].items()}
            unknown = tuple(str(name) for name in values.get("unknown", ()))
            subjects = tuple(sorted(str(name) for name in values["subjects"]))
        except (KeyError, TypeError, AttributeError):
            raise CorpusError(
                f"{path}: expected the keys recordings (checksum: name) and subjects. "
                "Save the model again."
            ) from None
        return cls(recordings=recordings, subjects=subjects, unknown=unknown)

    def save(self, model: Path) -> Path:
        """Write ``training_data.json`` into a model's folder."""
        path = model / TRAINING_DATA
        values = {
            "recordings": self.recordings,
            "subjects": list(self.subjects),
            "unknown": list(self.unknown),
        }
        write_json(path, values)
        return path

    def by_checksum(self) -> SeenData:
        """The recordings alone: what pretraining saw is not known by the names of its subjects."""
        return replace(self, subjects=())

    def joined(self, before: SeenData | None) -> SeenData:
        """This, and the recordings of what an earlier training saw."""
        if before is None:
            return self
        return SeenData(
            recordings=before.recordings | self.recordings,
            subjects=self.subjects,
            unknown=tuple(dict.fromkeys((*before.unknown, *self.unknown))),
        )


def require_disjoint(
    train: SeenData | None, test: SeenData, *, where: str, allow_leakage: bool = False
) -> dict[str, Any]:
    """Refuse a test on subjects or recordings that were learnt from.

    Parameters
    ----------
    train
        What was learnt from; None: nobody wrote it down. Without subjects (see
        :meth:`SeenData.by_checksum`) recordings alone are compared.
    test
        What is to be tested on.
    where
        Names of the two for the message, such as ``"corpus and test corpus"``.
    allow_leakage
        Go on all the same; the record says so.

    Returns
    -------
    dict
        What was found, for ``run.json``: ``checked`` is ``"subjects and checksums"``, or
        ``"checksums"`` without subjects; ``"subjects only"`` or ``"some checksums"`` where a
        checksum is unknown; or ``"unknown"``.

    Raises
    ------
    CorpusError
        If a subject or a recording is in both, unless overruled.
    """
    if train is None:
        return {"between": where, "checked": "unknown", "subjects": [], "recordings": []}
    subjects = sorted(set(train.subjects) & set(test.subjects))
    shared = sorted(test.recordings[key] for key in set(train.recordings) & set(test.recordings))
    if (subjects or shared) and not allow_leakage:
        found = [_counted("subject", subjects)] if subjects else []
        found += [_counted("recording", shared)] if shared else []
        raise CorpusError(
            f"{where} share {' and '.join(found)}: the test would flatter the model. Test on "
            "others. Where they only happen to be named alike, --allow-leakage (allow_leakage) "
            "scores them all the same, and the scores say so."
        )
    partly = bool(train.unknown or test.unknown)
    how = ("subjects and checksums", "subjects only") if train.subjects else (
        "checksums", "some checksums"
    )  # fmt: skip
    return {
        "between": where,
        "checked": how[partly],
        "subjects": subjects,
        "recordings": shared,
    }


def note_of_leakage(record: Mapping[str, Any]) -> str | None:
    """What a reader of the scores must know of a record of :func:`require_disjoint`; None: nothing.

    That is which subjects and recordings were learnt from too, or that nobody knows.
    """
    shared = [(what, record[f"{what}s"]) for what in ("subject", "recording")]
    found = " and ".join(_counted(what, names) for what, names in shared if names)
    if found:
        return f"The model learnt from {found} of these: the scores flatter it."
    if record["checked"] == "unknown":
        return "What the model learnt from is not written down: it may be some of these recordings."
    return None


def _counted(what: str, names: Sequence[str]) -> str:
    return f"{len(names)} {what}{'s' if len(names) > 1 else ''} ({listed(names)})"


def _checksums(folder: Path) -> dict[str, str]:
    path = folder / MANIFEST
    if not path.is_file():
        return {}
    try:
        entries = read_json(path, CorpusError)["recordings"].items()
        return {str(name): str(entry["sha256"]) for name, entry in entries if entry["sha256"]}
    except (KeyError, TypeError, AttributeError):
        raise CorpusError(f"{path}: it lists no recordings with their sha256.") from None
