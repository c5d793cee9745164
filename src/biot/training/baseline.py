"""The ridge beside a model: fitted to a corpus' windows, kept with the model, applied to others."""

# W windows, C channels, T samples, F features
from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.corpus.corpus import Corpus
from biot.corpus.schema import decode
from biot.decision import Decision
from biot.errors import ContractError, CorpusError, counted
from biot.evaluation.baselines.comparison import RIDGE, BaselineAnswers
from biot.evaluation.baselines.features import band_edges, band_powers, signal_kinds
from biot.evaluation.baselines.ridge import RidgeBaseline, window_limit
from biot.evaluation.metrics import Ints
from biot.evaluation.tasks import plain_task
from biot.io import atomic_file
from biot.preprocessing import Preprocessing
from biot.training.datasets import Subset

__all__ = [
    "BASELINE_FILE",
    "WHAT",
    "KeptBaseline",
    "features_of",
    "fit_baseline",
    "tell_of_time",
    "told_without_baseline",
]

_LOGGER = logging.getLogger(__name__)

BASELINE_FILE = "baseline.npz"
"""Beside the weights of a model."""
WHAT = "ridge regression on log band powers"
"""What it is called in ``metrics.json``."""

_VERSION = 1
_ABOUT = "about"
_ARRAYS = ("weight", "bias", "fill")
_PIECE = 8_000_000
"""Samples, of all channels together, that are read at a time."""
_WAY_OUT = (
    "Delete the file, or score the model without it: `biot evaluate --no-baseline` "
    "(baseline=False)."
)
_LONG = 5.0
"""Seconds from which on the time is told."""


@dataclass(frozen=True, kw_only=True)
class KeptBaseline:
    """A ridge with the contract of the windows that it was fitted to."""

    ridge: RidgeBaseline
    contract: Preprocessing

    def answers(self, part: Subset) -> BaselineAnswers:
        """What the ridge says of windows that were prepared alike."""
        most = window_limit(self.ridge.weight.shape[1])  # of whose features there is room
        pieces = [part.rows[first : first + most] for first in range(0, len(part.rows), most)]
        predicted = np.concatenate(
            [self.ridge.predict_proba(features_of(part.corpus, rows)) for rows in pieces]
        )
        return BaselineAnswers(
            predicted=predicted,
            decided=self.ridge.task.decided(predicted, self.ridge.decision),
            about=self.about,
        )

    @property
    def about(self) -> dict[str, Any]:
        """What is told of it beside its scores."""
        names = self.contract.label_names or ()
        return {
            "what": WHAT,
            "penalty": self.ridge.penalty,
            "n_training_windows": self.ridge.n_windows,
            "decision": self.ridge.decision.described(names),
        }

    def save(self, folder: Path) -> Path:
        """Write ``baseline.npz`` into the folder of a model."""
        about = {
            "version": _VERSION, "contract": self.contract.deciding(None).to_dict(),
            "decision": asdict(self.ridge.decision), "penalty": self.ridge.penalty,
            "n_windows": self.ridge.n_windows,
        }  # fmt: skip
        content: dict[str, Any] = {name: getattr(self.ridge, name) for name in _ARRAYS}
        content[_ABOUT] = np.frombuffer(json.dumps(about).encode(), np.uint8)
        path = folder / BASELINE_FILE
        with atomic_file(path) as partial, partial.open("wb") as file:
            np.savez_compressed(file, **content)
        return path

    @classmethod
    def load(cls, folder: Path) -> KeptBaseline | None:
        """The ridge that lies beside a model; None where there is no such file.

        Raises
        ------
        ContractError
            If the file is damaged, of another release, or of other windows or outputs than the
            model.
        """
        path = folder / BASELINE_FILE
        if not path.is_file():
            return None
        try:
            # Opened here: np.load leaves a file open that is no archive.
            with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            about = json.loads(arrays[_ABOUT].tobytes())
            if about["version"] != _VERSION:
                raise ContractError(f"version {about['version']}, this release reads {_VERSION}")
            found = _rebuilt(arrays, about, path)
        except Exception as error:  # what a damaged archive raises is of many kinds
            raise ContractError(f"{path}: cannot be read ({error}). {_WAY_OUT}") from error
        found.require_same(Preprocessing.load(folder), path)
        return found

    def require_same(self, model: Preprocessing, path: Path) -> None:
        """Raise :class:`ContractError` unless it is of the same windows and outputs as a model."""
        self.contract.require_same(model, where=str(path))
        if self.contract.label_names != model.label_names or self.contract.task != model.task:
            own, beside = (
                f"{', '.join(one.label_names or ())} ({one.task})" for one in (self.contract, model)
            )
            raise ContractError(f"{path}: predicts {own}, the model beside it {beside}. {_WAY_OUT}")


def _rebuilt(arrays: dict[str, npt.NDArray[Any]], about: Any, path: Path) -> KeptBaseline:
    contract = Preprocessing.from_dict(about["contract"], where=str(path))
    rule: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in about["decision"].items()
    }
    n_outputs, n_features = len(contract.label_names or ()), _n_features(contract)
    shapes = {"weight": (n_outputs, n_features), "bias": (n_outputs,), "fill": (n_features,)}
    for name, shape in shapes.items():
        found = arrays[name]
        if found.dtype.kind != "f" or found.shape != shape or not np.isfinite(found).all():
            raise ContractError(
                f"{name} must be {shape} finite numbers, got {found.dtype} {found.shape}"
            )
    decision = Decision(**rule)
    decision.require_fit(n_outputs)
    if decision.task != contract.task:
        raise ContractError(f"its decision is for {decision.task}, its windows for {contract.task}")
    ridge = RidgeBaseline(
        task=plain_task(contract), decision=decision, penalty=float(about["penalty"]),
        n_windows=int(about["n_windows"]), **{name: arrays[name] for name in _ARRAYS},
    )  # fmt: skip
    return KeptBaseline(ridge=ridge, contract=contract)


def told_without_baseline(folder: Path) -> str:
    """What is said of a model that no ridge lies beside."""
    return (
        f"{RIDGE[:1].upper()}{RIDGE[1:]} cannot be compared: {folder} holds no {BASELINE_FILE}. "
        "`biot finetune` of this release keeps one beside its models."
    )


def _n_features(contract: Preprocessing) -> int:
    n_levels = sum(kind == "level" for kind in signal_kinds(contract.units))
    return contract.n_chans * len(band_edges(contract.sfreq, contract.n_times)) + n_levels


def features_of(corpus: Corpus, rows: Ints) -> npt.NDArray[np.float32]:
    """Log band powers of windows in physical units, (W, F); read and computed in pieces."""
    contract = corpus.preprocessing
    kinds = signal_kinds(contract.units)
    step = max(1, _PIECE // (contract.n_chans * contract.n_times))
    found = np.empty((len(rows), _n_features(contract)), np.float32)
    for first in range(0, len(rows), step):
        windows = _physical(corpus, rows[first : first + step])
        found[first : first + step] = band_powers(windows, contract.sfreq, kinds=kinds)
    return found


def _physical(corpus: Corpus, rows: Ints) -> npt.NDArray[np.float32]:
    """(W, C, T) by the contract's channels; NaN where a window has no such channel or sample."""
    contract, read = corpus.preprocessing, corpus.rows(rows)
    values = decode(read.digital, read.scale, read.offset)[:, :, : contract.n_times]
    shape = (len(rows), contract.n_chans, contract.n_times)
    windows = np.full(shape, np.nan, np.float32)
    window, place = np.nonzero(read.channel >= 0)
    windows[window, read.channel[window, place], : values.shape[2]] = values[window, place]
    return windows


def fit_baseline(contract: Preprocessing, parts: Sequence[Subset], seed: int) -> KeptBaseline:
    """Fit a ridge to the windows that a model was trained and chosen by.

    Where these are very many, it is fitted to a draw of them, which is told.

    Parameters
    ----------
    contract
        Of the windows and the outputs.
    parts
        Training and validation windows of one corpus.
    seed
        Of the draw, and of the folds that choose the penalty.

    Raises
    ------
    CorpusError
        If the windows are too short for a band, or none has a feature.
    """
    began = time.monotonic()
    corpus, n_features = parts[0].corpus, _n_features(contract)
    if not n_features:
        raise CorpusError(f"a window of {contract.window:g} s holds no band of frequencies.")
    rows = np.concatenate([part.rows for part in parts])
    truth = np.concatenate([part.labels for part in parts])
    if len(rows) > window_limit(n_features):
        drawn = np.random.default_rng(seed).permutation(len(rows))[: window_limit(n_features)]
        _LOGGER.info("%s: fitted to %d of %d windows", RIDGE, len(drawn), len(rows))
        rows, truth = rows[np.sort(drawn)], truth[np.sort(drawn)]
    ridge = RidgeBaseline.fit(
        features_of(corpus, rows), truth, plain_task(contract), groups=corpus.subjects[rows],
        seed=seed,
    )  # fmt: skip
    tell_of_time(began, f"fitted to {counted(ridge.n_windows, 'window')}")
    return KeptBaseline(ridge=ridge, contract=contract.deciding(None))


def tell_of_time(began: float, done: str) -> None:
    """Log what was done since a moment of the monotonic clock, where that took long."""
    seconds = time.monotonic() - began
    if seconds > _LONG:
        _LOGGER.info("%s: %s in %.0f s", RIDGE, done, seconds)
