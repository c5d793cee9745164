"""A probe while pretraining runs: ridge on frozen features, scored on subjects held out."""

# W windows, E embedding width, S subjects
from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from biot.corpus.batch import Batch
from biot.corpus.corpora import Corpora
from biot.errors import ConfigError
from biot.evaluation.baselines.ridge import RidgeBaseline
from biot.evaluation.metrics import Floats, Ints
from biot.evaluation.tasks import Classes, MultiLabel, Task, Truth
from biot.model.encoder import BIOTEncoder
from biot.training.datasets import is_labelled
from biot.training.trainer import Validation

__all__ = ["PROBE_COLUMNS", "FeatureProbe", "ProbedCorpus", "probed_corpora"]

PROBE_COLUMNS = ("probe_score", "probe_random", "probe_gain")

_MOST = 2000
"""Windows of a corpus that ridge learns from, and that it is scored on."""


@dataclass(frozen=True, kw_only=True)
class ProbedCorpus:
    """The labelled windows of one corpus that the probe looks at."""

    name: str
    task: Task
    metric: str
    fitted: Ints
    """Rows of training subjects, which ridge learns from."""
    scored: Ints
    """Rows of held-out subjects."""
    truth: Truth
    """(W,) classes or (W, K) tags of all windows of the corpora; those of others mean nothing."""


def probed_corpora(data: Corpora, held_out: Ints, seed: int) -> tuple[ProbedCorpus, ...]:
    """Those of the corpora whose labels can say whether features serve.

    Classes and tags can; a corpus is left out where its held-out subjects, or the others, do not
    have two classes.

    Raises
    ------
    ConfigError
        If none is left.
    """
    is_held = np.zeros(len(data), dtype=bool)
    is_held[held_out] = True
    found, first = [], 0
    for name, part in zip(data.names, data.parts, strict=True):
        last = first + len(part)
        own = part.label_ids if part.task == "classes" else part.targets
        rows = first + np.flatnonzero(is_labelled(own)) if part.label_names else np.empty(0, int)
        truth = np.zeros((len(data), *own.shape[1:]), dtype=own.dtype)
        truth[first:last] = own
        rows_of = [_drawn(rows[is_held[rows] == held], seed) for held in (False, True)]
        first = last
        if part.task == "regression" or any(_is_constant(truth[one]) for one in rows_of):
            continue
        names = tuple(part.label_names)
        task = Classes(names=names) if part.task == "classes" else MultiLabel(names=names)
        found.append(
            ProbedCorpus(
                name=name, task=task, metric=task.require_metric(None), fitted=rows_of[0],
                scored=rows_of[1], truth=truth,
            )
        )  # fmt: skip
    if not found:
        raise ConfigError(
            "valid_share (--valid-share) holds subjects out for a probe of the features, which "
            "needs labels: classes or tags, of two kinds or more among the held-out subjects and "
            f"among the others. None of the corpora has them: {', '.join(data.names)}. Prepare one "
            "with --labels, choose another share or seed, or leave valid_share out."
        )
    return tuple(found)


def _drawn(rows: Ints, seed: int) -> Ints:
    if len(rows) <= _MOST:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, _MOST, replace=False))


def _is_constant(truth: Truth) -> bool:
    """Whether there is nothing to tell apart: no window, or all alike."""
    return len(truth) == 0 or bool((truth == truth[0]).all())


class FeatureProbe:
    """Scores an encoder, beside what it was before its first step.

    Parameters
    ----------
    data, corpora
        All windows, and what is looked at.
    encoder
        Before its first step; a copy is kept.
    batches
        Gives windows by their rows, in that order.
    seed
        Of the folds by which ridge chooses its penalty.
    """

    def __init__(
        self,
        data: Corpora,
        corpora: tuple[ProbedCorpus, ...],
        encoder: BIOTEncoder,
        batches: Callable[[Ints], Iterator[Batch]],
        seed: int,
    ) -> None:
        self.corpora = corpora
        self._subjects = data.subjects
        self._batches = batches
        self._seed = seed
        self._initial = copy.deepcopy(encoder).eval()
        self._random: list[tuple[float, Floats]] | None = None

    def __call__(self, encoder: BIOTEncoder, device: torch.device) -> Validation:
        """Mean score over the corpora, that before the first step, and the gain.

        The gain is the share of a subject's windows (tags) that is right, minus that before the
        first step, averaged over the held-out subjects of all corpora.
        """
        if self._random is None:
            self._random = self._scored(self._initial.to(device), device)
        own = self._scored(encoder, device)
        score, before = (float(np.mean([one for one, _ in each])) for each in (own, self._random))
        pairs = zip(own, self._random, strict=True)
        gain = float(np.mean(np.concatenate([now - then for (_, now), (_, then) in pairs])))
        return Validation(
            loss=-gain, score=score, rank=score,
            more=dict(zip(PROBE_COLUMNS, (score, before, gain), strict=True)),
        )  # fmt: skip

    def _scored(self, encoder: BIOTEncoder, device: torch.device) -> list[tuple[float, Floats]]:
        """Of each corpus the score, and each held-out subject's share that is right, (S,)."""
        return [self._of_corpus(encoder, corpus, device) for corpus in self.corpora]

    def _of_corpus(
        self, encoder: BIOTEncoder, corpus: ProbedCorpus, device: torch.device
    ) -> tuple[float, Floats]:
        ridge = RidgeBaseline.fit(
            self._features(encoder, corpus.fitted, device), corpus.truth[corpus.fitted],
            corpus.task, groups=self._subjects[corpus.fitted], seed=self._seed,
        )  # fmt: skip
        features, truth = (
            self._features(encoder, corpus.scored, device),
            corpus.truth[corpus.scored],
        )
        decided = ridge.predict(features)
        score = corpus.task.scores(truth, ridge.predict_proba(features), decided)[corpus.metric]
        right = np.asarray(decided == truth, dtype=float).reshape(len(truth), -1).mean(axis=1)
        subjects = self._subjects[corpus.scored]
        return score, np.array([right[subjects == name].mean() for name in np.unique(subjects)])

    def _features(self, encoder: BIOTEncoder, rows: Ints, device: torch.device) -> Floats:
        """(W, E); NaN for a window without data."""
        found = []
        with torch.no_grad():
            for batch in self._batches(rows):
                batch = batch.scaled(device)
                features = encoder(
                    batch.signal.to(next(encoder.parameters()).dtype), valid=batch.valid,
                    channel_ids=batch.channel_ids, lengths=batch.lengths,
                )  # fmt: skip
                found.append(features.double().cpu())
        return np.asarray(torch.cat(found).numpy())
