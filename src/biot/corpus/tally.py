"""`Tally`: what the windows of a corpus are labelled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from biot.contract import Task
from biot.corpus.labels import Label

__all__ = ["Spread", "Tally"]


@dataclass
class Spread:
    """Numbers of one target: how many, their sum, the least and the greatest."""

    n: int = 0
    total: float = 0.0
    least: float = float("inf")
    most: float = float("-inf")

    def __str__(self) -> str:
        return f"mean {self.total / self.n:.4g}, {self.least:.4g} to {self.most:.4g}"

    def merge(self, other: Spread) -> None:
        """Take the numbers of another in."""
        self.n += other.n
        self.total += other.total
        self.least = min(self.least, other.least)
        self.most = max(self.most, other.most)


@dataclass
class Tally:
    """Counts of windows by label, and the spread of target numbers; may be merged."""

    counts: Counter[str] = field(default_factory=Counter)
    """Windows of each class of the first label column, or of each tag."""
    spreads: list[Spread] = field(default_factory=list)
    """One for each target of a regression."""

    def update(self, labels: Iterable[Label | None], task: Task) -> None:
        """Take more windows in."""
        for label in labels:
            if label is None:
                continue
            if task == "regression":
                self._merge_spreads([Spread(1, x, x, x) for x in map(float, label)])
            elif task == "multilabel":
                self.counts.update(label)
            else:
                self.counts[label if isinstance(label, str) else label[0]] += 1

    def merge(self, other: Tally) -> None:
        """Take the windows of another tally in."""
        self.counts.update(other.counts)
        self._merge_spreads(other.spreads)

    def _merge_spreads(self, others: list[Spread]) -> None:
        self.spreads += [Spread() for _ in others[len(self.spreads) :]]
        for mine, theirs in zip(self.spreads, others, strict=False):
            mine.merge(theirs)
