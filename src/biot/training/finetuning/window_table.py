"""What was said of every window of a part, as a table beside the scores that follow from it."""

# W windows, K classes, tags or numbers
from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from biot.corpus.corpus import Corpus
from biot.errors import require
from biot.evaluation.metrics import Floats, Ints
from biot.evaluation.tasks import Truth, plain_task
from biot.io import atomic_file
from biot.preprocessing import Preprocessing
from biot.training.datasets import Subset

__all__ = [
    "FoldOfWindows",
    "TestedWindows",
    "window_columns",
    "write_fold_windows",
    "write_table",
    "write_window_table",
]


class FoldOfWindows(Protocol):
    """Which fold it is."""

    @property
    def number(self) -> int:
        """Of the fold."""


class TestedWindows(Protocol):
    """What the model of a fold says of its test windows, as cross-validation has it."""

    @property
    def seed(self) -> int:
        """Of the training."""

    @property
    def fold(self) -> FoldOfWindows:
        """That was tested."""

    @property
    def rows(self) -> Ints:
        """(W,) positions in the corpus."""

    @property
    def truth(self) -> Truth:
        """(W,) or (W, K)."""

    @property
    def predicted(self) -> Floats:
        """(W, K) probabilities or numbers."""

    @property
    def decided(self) -> Truth:
        """As the truth."""


def write_window_table(
    path: Path, part: Subset, predicted_WK: Floats, contract: Preprocessing
) -> Path:
    """Write what a model said of windows as Parquet; see :func:`window_columns`."""
    decision, names = contract.decision, contract.label_names or ()
    decided = plain_task(contract).decided(np.nan_to_num(predicted_WK), decision)
    columns = window_columns(part.corpus, part.rows, part.labels, predicted_WK, decided, contract)
    about = {"decision": decision.described(names), "task": contract.task, "label_names": names}
    return write_table(path, columns, about)


def write_fold_windows(path: Path, corpus: Corpus, tested: Sequence[TestedWindows]) -> Path:
    """Write what was said of every window, with the seed and the fold whose model said it."""
    contract, table = corpus.preprocessing, dict[str, list[Any]]()
    for one in tested:
        place = {"seed": [one.seed] * len(one.rows), "fold": [one.fold.number] * len(one.rows)}
        said = window_columns(corpus, one.rows, one.truth, one.predicted, one.decided, contract)
        for name, values in (place | said).items():
            table.setdefault(name, []).extend(values)
    told = "of each seed and fold its own, see run.json"
    about = {"decision": told, "task": contract.task, "label_names": contract.label_names or ()}
    return write_table(path, table, about)


def window_columns(
    corpus: Corpus, rows: Ints, truth: Truth, predicted_WK: Floats, decided: Truth,
    contract: Preprocessing,
) -> dict[str, list[Any]]:  # fmt: skip
    """One row a window, by the names of the columns.

    ``row`` in the corpus, ``recording``, ``subject``, ``start`` and ``stop`` in seconds from the
    recording's first sample. Then, of classes: ``truth``, ``label`` (what is said) and
    ``p_<class>``. Of tags the same, several tags joined by ``;``, with ``truth_<tag>`` (0 or 1) and
    ``label_<tag>`` before ``p_<tag>``. Of numbers ``truth_<name>`` and ``predicted_<name>``. What
    is said of a window without usable data is None.
    """
    starts, lengths = corpus.starts[rows], corpus.lengths[rows]
    table: dict[str, list[Any]] = {
        "row": rows.tolist(),
        "recording": corpus.recordings[rows].tolist(),
        "subject": corpus.subjects[rows].tolist(),
        "start": starts.tolist(),
        "stop": (starts + lengths / corpus.preprocessing.sfreq).tolist(),
    }
    usable = np.isfinite(predicted_WK).all(axis=1)
    task, names = contract.task, contract.label_names or ()
    if task == "classes":
        table["truth"] = [names[index] for index in truth]
        table["label"] = _known([names[index] for index in decided], usable)
    elif task == "multilabel":
        table["truth"] = [_joined(names, held) for held in truth]
        table["label"] = _known([_joined(names, held) for held in decided], usable)
        for name, true, said in zip(names, truth.T, decided.T, strict=True):
            table[f"truth_{name}"] = [int(held > 0.5) for held in true]
            table[f"label_{name}"] = _known([int(held > 0.5) for held in said], usable)
    else:
        table |= {f"truth_{n}": v.tolist() for n, v in zip(names, truth.T, strict=True)}
    word = "predicted" if task == "regression" else "p"
    for name, values in zip(names, predicted_WK.T, strict=True):
        table[f"{word}_{name}"] = _known(values.tolist(), usable)
    return table


def _known(values: Sequence[Any], usable: Sequence[bool] | Any) -> list[Any]:
    return [value if there else None for value, there in zip(values, usable, strict=True)]


def _joined(names: Sequence[str], held: Any) -> str:
    return ";".join(name for name, holds in zip(names, held, strict=True) if holds > 0.5)


def write_table(path: Path, columns: Mapping[str, list[Any]], about: Mapping[str, Any]) -> Path:
    """Write columns as Parquet, with facts as JSON in the metadata of its schema."""
    pyarrow = require("pyarrow", extra="corpus")
    parquet = require("pyarrow.parquet", extra="corpus")
    kinds = {
        **dict.fromkeys(("recording", "subject", "truth", "label"), pyarrow.string()),
        **dict.fromkeys(("row", "seed", "fold"), pyarrow.int64()),
    }
    arrays = {}
    for name, values in columns.items():
        whole = name.startswith(("label_", "truth_")) and about["task"] == "multilabel"
        kind = kinds.get(name, pyarrow.int8() if whole else pyarrow.float64())
        arrays[name] = pyarrow.array(values, type=kind)
    facts = {name: json.dumps(value) for name, value in about.items()}
    table = pyarrow.table(arrays).replace_schema_metadata(facts)
    with atomic_file(path) as partial:
        parquet.write_table(table, partial)
    return path
