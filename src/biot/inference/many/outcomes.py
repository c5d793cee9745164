"""`Outcome`: what became of one recording; and many of them in one Parquet table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from biot.errors import ConfigError, require
from biot.inference.predictions import Predictions
from biot.inference.reading import BATCH
from biot.inference.tables import (
    BESIDE,
    RECORDINGS,
    arrow_of,
    fields_of_facts,
    plain_facts,
    value_columns,
)
from biot.io import atomic_file

__all__ = ["Outcome", "read_outcomes", "write_outcomes"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one recording."""

    name: str
    subject: str
    subject_from: str
    predictions: Predictions | None
    """None of one that cannot be predicted."""
    reason: str | None = None
    """Why it cannot."""
    is_final: bool = True
    """Whether the same files would give the same again."""
    size: int
    """Bytes of its files."""
    sha256: str | None
    """Of its files; None where they could not be read."""
    run: str
    """Which recordings it shared batches with; see :class:`biot.inference.stream.Stream`."""
    stamp: Any = None
    """What changes whenever its files do, on one machine; None in a finished folder."""

    @property
    def shares_batches(self) -> bool:
        """Whether its windows went through the model with those of others."""
        return self.predictions is not None and len(self.predictions) <= BATCH


def write_outcomes(path: Path, outcomes: Sequence[Outcome], *, finished: bool) -> None:
    """Write the windows of all, and in the metadata what is known of each."""
    parquet = require("pyarrow.parquet", extra="corpus")
    predicted = [one for one in outcomes if one.predictions is not None]
    columns: dict[str, Any] = {}
    texts: tuple[str, ...] = BESIDE
    facts = {}
    if predicted:
        whole = joined([one.predictions for one in predicted if one.predictions is not None])
        counts = [len(one.predictions or ()) for one in predicted]
        for name, own in zip(BESIDE, ("name", "subject"), strict=True):
            texts_of = np.array([getattr(one, own) for one in predicted], dtype=object)
            columns[name] = np.repeat(texts_of, counts).tolist()
        columns |= whole.columns(also=BESIDE)
        learnt = [_learnt(one.predictions) for one in predicted]
        if any(learnt):
            columns["in_training"] = np.repeat(np.array(learnt, dtype=object), counts).tolist()
        texts = (*BESIDE, *whole.text_columns)
        facts["decision"] = whole.decision.described(whole.label_names)
    plain = [_plain(one, finished=finished) for one in outcomes]
    facts[RECORDINGS.decode()] = json.dumps(plain, ensure_ascii=False)
    with atomic_file(path) as partial:
        parquet.write_table(arrow_of(columns, texts, facts), partial)


def joined(parts: Sequence[Predictions]) -> Predictions:
    """The windows of several recordings of one model, one after the other."""
    return replace(
        parts[0],
        start=np.concatenate([one.start for one in parts]),
        stop=np.concatenate([one.stop for one in parts]),
        probabilities=np.concatenate([one.probabilities for one in parts]),
        in_training=None,
    )


def _learnt(predictions: Predictions | None) -> str | None:
    known = None if predictions is None else predictions.in_training
    return None if known is None else ("yes" if known else "no")


def _plain(one: Outcome, *, finished: bool) -> dict[str, Any]:
    found = one.predictions
    return {
        "name": one.name, "subject": one.subject, "subject_from": one.subject_from,
        "reason": one.reason, "is_final": one.is_final, "size": one.size, "sha256": one.sha256,
        "run": one.run, "stamp": None if finished else one.stamp,
        "n_windows": None if found is None else len(found),
        "facts": None if found is None else plain_facts(found),
    }  # fmt: skip


def read_outcomes(path: Path) -> list[Outcome]:
    """The inverse of :func:`write_outcomes`.

    Raises
    ------
    ConfigError
        If the file is not one of these, or damaged.
    """
    parquet = require("pyarrow.parquet", extra="corpus")
    try:
        table = parquet.read_table(path)
        plain = json.loads((table.schema.metadata or {})[RECORDINGS])
        first, found = 0, []
        arrays: dict[str, Any] = {}
        for one in plain:
            n_windows, facts = one.pop("n_windows"), one.pop("facts")
            predictions = None
            if facts is not None:
                known = fields_of_facts(facts)
                names = value_columns(known["label_names"], known["task"], BESIDE)
                for name in ("start", "stop", *names):
                    if name not in arrays:
                        arrays[name] = table[name].to_numpy().astype(np.float64)
                rows = slice(first, first + n_windows)
                values = [arrays[name][rows] for name in names]
                predictions = Predictions(
                    **known, start=arrays["start"][rows], stop=arrays["stop"][rows],
                    probabilities=np.stack(values, axis=1),
                )  # fmt: skip
                first += n_windows
            found.append(Outcome(**one, predictions=predictions))
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise ConfigError(f"{path}: is no table of predictions, or damaged ({error}).") from error
    return found
