"""Windows that hold several labels: which of them they got, and in how many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction

from biot.corpus.builder.windows.events import LabelSpan
from biot.corpus.builder.windows.rules import Span, nearby, samples_shared
from biot.corpus.schema import Label

__all__ = [
    "SeveralLabels",
    "other_labels",
]

_LEAST_SHARE = Fraction(1, 2)
"""Of a sample: less is shared by rounding only."""


class SeveralLabels:
    """Counts windows that hold labels other than the one they got."""

    def __init__(self) -> None:
        self.windows = 0
        self._over: Counter[tuple[str, str]] = Counter()

    def add(self, label: Label | None, others: Iterable[Label]) -> None:
        """Take a window in; numbers of a regression are no pairs that could repeat."""
        pairs = [(label, other) for other in others if label is not None]
        self.windows += bool(pairs)
        self._over.update(
            (_words(label), _words(other))
            for label, other in pairs
            if not any(isinstance(part, float) for part in label)
        )

    @property
    def over(self) -> tuple[tuple[str, str, int], ...]:
        """Label that was given, another that the window holds, and in how many windows."""
        return tuple((*pair, count) for pair, count in sorted(self._over.items()))


def other_labels(
    spans: Sequence[Span], events: Sequence[LabelSpan], labels: Sequence[Label | None]
) -> list[tuple[Label, ...]]:
    """Labels of the events that touch each window, besides its own; none without an own.

    An event touches a window if they share half a sample or more before rounding, or if it is an
    instant inside the window.
    """
    found: list[tuple[Label, ...]] = []
    for (start, stop), near, own in zip(spans, nearby(spans, events), labels, strict=True):
        others: dict[Label, None] = {}
        if own is not None:
            others = {e.label: None for e in near if e.label != own and _touches(start, stop, e)}
        found.append(tuple(others))
    return found


def _touches(start: int, stop: int, event: LabelSpan) -> bool:
    shared = samples_shared(start, stop, event)
    if shared <= 0 or event.exact is None:
        return shared >= 0
    onset, end = event.exact
    return min(Fraction(stop), end) - max(Fraction(start), onset) >= _LEAST_SHARE


def _words(label: Label) -> str:
    return label if isinstance(label, str) else "/".join(map(str, label))
