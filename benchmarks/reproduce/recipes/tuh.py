"""TUAB and TUEV of Temple University Hospital, as Yang et al. (NeurIPS 2023) use them.

The official parts; of the patients of the training part 20 % validate. 16 bipolar channels at 200
Hz. The published figures are those of BIOT after pretraining on six sets; ours begin from scratch.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.reproduce.recipes.bipolar import bipolar
from benchmarks.reproduce.recipes.steps import BIPOLAR, Steps

__all__ = ["tuab", "tuev"]

_TOKENS = ("--n-fft", "200", "--hop-length", "100")
_PARTS = ("--split", "column", "--valid-share", "0.2")


def tuab(data: Path, out: Path, quick: bool) -> None:
    """Normal or abnormal, windows of 10 s; `data` holds ``edf/train`` and ``edf/eval``."""
    steps = Steps(out=out, quick=quick)
    folder = bipolar(data, out / "bipolar")
    corpus = steps.prepared("corpus", folder, "--layout", "tuab", "--channels", BIPOLAR)
    metric = () if quick else ("--metric", "auroc")
    metrics = steps.trained("run", corpus, *_PARTS, *_TOKENS, *metric)
    steps.tell(
        "TUAB: windows of 10 s, official evaluation part", [one["test"] for one in metrics],
        {"balanced_accuracy": ".796 ± .006", "auprc": ".879 ± .002", "auroc": ".882 ± .004"},
    )  # fmt: skip


def tuev(data: Path, out: Path, quick: bool) -> None:
    """Six kinds of events, 5 s around each; `data` holds ``edf/train`` and ``edf/eval``.

    An event on several channels at the same time is one window here; the authors take one for each
    channel, so that their counts differ.
    """
    steps = Steps(out=out, quick=quick)
    folder = bipolar(data, out / "bipolar")
    corpus = steps.prepared("corpus", folder, "--layout", "tuev", "--channels", BIPOLAR)
    metric = () if quick else ("--metric", "cohen_kappa")
    metrics = steps.trained("run", corpus, *_PARTS, *_TOKENS, *metric)
    steps.tell(
        "TUEV: 5 s around each event, official evaluation part", [one["test"] for one in metrics],
        {
            "balanced_accuracy": ".528 ± .023", "cohen_kappa": ".527 ± .025",
            "weighted_f1": ".749 ± .008",
        },
    )  # fmt: skip
