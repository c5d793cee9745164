"""What is trained of ours on each set: settings of `biot`, chosen by folds of the developers' data.

A recipe is one model, or several whose probabilities are averaged. Members are settings of
:class:`biot.sklearn.BIOTClassifier` and of :class:`biot.training.FinetuneConfig`, by their names.
"""

# W windows, C channels, T samples, K classes or tags

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.reproduce.sets import Problem
from biot.corpus import from_arrays
from biot.errors import require
from biot.sklearn import BIOTClassifier
from biot.training import FinetuneConfig, finetune

__all__ = ["OURS", "SMALL", "Member", "Recipe", "our_outputs", "quick"]

Array = npt.NDArray[Any]

SMALL: Mapping[str, Any] = {
    "spectrum": "log", "embed_dim": 64, "num_layers": 2, "drop_prob": 0.0,
    "att_layer_drop_prob": 0.2, "label_smoothing": 0.1, "ema": 0.98, "batch_size": 32,
    "learning_rate": 3e-3, "valid_share": 0.0, "epochs": 10,
}  # fmt: skip
"""The small encoder, trained on all training subjects for a fixed number of passes, its weights
averaged over the last steps; what a recipe gives besides is added to it, or replaces it."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """One model."""

    settings: Mapping[str, Any] = field(default_factory=lambda: dict(SMALL))
    """Of the classifier and of fine-tuning."""
    scale: str = "none"
    """``"none"`` keeps physical units: the logarithm needs no other."""
    reference: str = "none"
    """What EEG channels are re-referenced to."""
    crop: float | None = None
    """Seconds of the windows that the model sees; None: all."""
    views: int = 1
    """Crops of a window, evenly spread: each trains, and their probabilities are averaged."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What is trained on a set."""

    members: tuple[Member, ...] = (Member(),)

    @property
    def epochs(self) -> int:
        """Passes over the training windows of the member that is trained longest."""
        return max(int(one.settings.get("epochs", FinetuneConfig.epochs)) for one in self.members)

    def changed(self, settings: Mapping[str, Any]) -> Recipe:
        """With other settings of every model; ``scale`` and ``reference`` are settings too."""
        about = {name: settings[name] for name in ("scale", "reference") if name in settings}
        others = {name: value for name, value in settings.items() if name not in about}
        return Recipe(
            members=tuple(
                replace(one, settings={**one.settings, **others}, **about) for one in self.members
            )
        )

    def described(self) -> list[dict[str, Any]]:
        """For the file of results."""
        return [asdict(one) for one in self.members]


def small(**settings: Any) -> dict[str, Any]:
    """The small encoder with other settings."""
    return {**SMALL, **settings}


def one(n_fft: int, epochs: int, *, hop: int | None = None, **settings: Any) -> Member:
    """One model: samples of a token, which do not overlap unless `hop` says so, and passes.

    A hop is a second at most.
    """
    about = {name: settings.pop(name) for name in ("scale", "reference") if name in settings}
    chosen = small(n_fft=n_fft, hop_length=hop or n_fft, epochs=epochs, **settings)
    return Member(settings=chosen, **about)


SCALP: Mapping[str, Any] = {"reference": "average", "scale": "q95", "num_layers": 1}
"""Of electrodes all over the head: without what all have in common, and without amplitude."""

OURS: dict[str, Recipe] = {
    "uci_har": Recipe(
        members=tuple(
            one(50, 8, hop=13, spectrum=spectrum) for spectrum in ("log", "magnitude", "log+wave")
        )
    ),
    "ptbxl": Recipe(members=(one(100, 15, hop=50),)),
    "cinc2017": Recipe(members=(one(100, 8, hop=50),)),
    "eegmat": Recipe(
        members=(one(125, 20, **SCALP), one(125, 20, num_layers=1), one(250, 20, hop=125, **SCALP))
    ),
    "ssvep": Recipe(members=(one(128, 10, hop=64, **SCALP), one(256, 10, hop=64, **SCALP))),
    "alcohol": Recipe(members=(one(128, 10, reference="average", num_layers=1),)),
    "epilepsy_guinea": Recipe(members=(one(128, 10, num_layers=1),)),
    "myo_emg": Recipe(members=(one(50, 6),)),
    "stress_predict": Recipe(members=(one(128, 4, hop=32, learning_rate=1e-3),)),
    "dreams_spindles": Recipe(members=(one(200, 10, hop=100),)),
    "muse_p300": Recipe(members=(one(50, 6, hop=25, spectrum="log+wave"),)),
    "chbmit_onsets": Recipe(members=(one(256, 15, hop=128, num_layers=1),)),
    "eegmmidb_s001": Recipe(members=(one(160, 20, spectrum="log+wave", **SCALP),)),
}
"""By the names of :data:`benchmarks.reproduce.sets.SETS`."""


def quick(recipe: Recipe) -> Recipe:
    """A recipe that only shows that all works: one small model, one epoch."""
    first = recipe.members[0]
    tiny = {"embed_dim": 16, "num_heads": 2, "num_layers": 1, "epochs": 1}
    return Recipe(members=(replace(first, settings={**first.settings, **tiny}),))


def our_outputs(recipe: Recipe, train: Problem, test: Problem, *, seed: int) -> Array:
    """Mean probabilities of the members for the test windows, (W, K).

    Member i of seed s has the seed ``100 s + i``.
    """
    outputs = []
    for i, member in enumerate(recipe.members):
        learn = _tags if train.task == "multilabel" else _classes
        cut = (_cropped(part, member) for part in (train, test))
        views_WVK = learn(member, *cut, 100 * seed + i).reshape(len(test.x), member.views, -1)
        outputs.append(views_WVK.mean(axis=1))
    return np.asarray(np.mean(outputs, axis=0))


def _cropped(part: Problem, member: Member) -> Problem:
    """The views of each window, one after the other."""
    n_times = part.x.shape[2]
    length = n_times if member.crop is None else round(member.crop * part.sfreq)
    starts = np.linspace(0, n_times - length, member.views).round().astype(int)
    x = np.stack([part.x[:, :, start : start + length] for start in starts], axis=1)
    repeated = part.chosen(np.repeat(np.arange(len(part.x)), member.views))
    return replace(repeated, x=x.reshape(-1, part.x.shape[1], length))


def _classes(member: Member, train: Problem, test: Problem, seed: int) -> Array:
    own = set(inspect.signature(BIOTClassifier).parameters)
    given = {"class_weight": "balanced", "calibration": False, **member.settings}
    classifier = BIOTClassifier(
        sfreq=train.sfreq, ch_names=train.ch_names, units=train.units, scale=member.scale,
        reference=member.reference, random_state=seed, device="cpu",
        **{name: value for name, value in given.items() if name in own},
        settings={name: value for name, value in given.items() if name not in own},
    )  # fmt: skip
    # Of one person, records are what validation is kept apart by.
    several = len(np.unique(train.subject)) > 1
    groups = train.subject if several else train.record
    classifier.fit(train.x, train.y, groups=groups if len(np.unique(groups)) > 1 else None)
    outputs = np.zeros((len(test.x), len(train.label_names)))
    outputs[:, classifier.classes_] = classifier.predict_proba(test.x)
    return outputs


def _tags(member: Member, train: Problem, test: Problem, seed: int) -> Array:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        # A corpus groups its rows by subject: of the test one each, so that they stay in order.
        for name, part, subject in (
            ("train", train, train.subject),
            ("test", test, [f"test {i}" for i in range(len(test.x))]),
        ):
            from_arrays(
                part.x, part.y, subject=subject,
                sfreq=part.sfreq, ch_names=part.ch_names, units=part.units,
                label_names=part.label_names, task="multilabel", scale=member.scale,
                reference=member.reference, out=folder / name,
            )  # fmt: skip
        config = FinetuneConfig(
            seed=seed, device="cpu", calibration=False, baseline=False, **dict(member.settings)
        )
        finetune(folder / "train", folder / "run", test=folder / "test", config=config)
        table = require("pyarrow.parquet", extra="corpus").read_table(
            folder / "run" / "test_predictions.parquet"
        )
        columns = [f"p_{name}" for name in train.label_names]
        return np.stack([table[name].to_numpy() for name in columns], axis=1)
