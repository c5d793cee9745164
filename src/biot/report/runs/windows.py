"""What is drawn from single windows: subjects, thresholds, numbers, and the surest examples."""

# W windows, K classes, tags or numbers, N thresholds
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.corpus.corpus import Corpus
from biot.errors import counted
from biot.report.drawing import drawn
from biot.report.parts import More, Part, Table, Text
from biot.report.runs.figures import by_subject, predicted_numbers, threshold_curves, traces
from biot.report.runs.signals import physical
from biot.report.runs.values import number
from biot.report.runs.window_table import WindowTable

__all__ = ["example_parts", "number_parts", "subject_parts", "threshold_parts"]

Floats = npt.NDArray[np.float64]
_MOST_CHANNELS = 16
"""That an example shows."""
_MOST_TAGS = 8
"""Whose threshold is drawn."""


def subject_parts(table: WindowTable) -> list[Part]:
    """How each subject of the test fared."""
    names = np.unique(table.subject).tolist()
    groups = [table.subject == name for name in names]
    if table.task == "regression":
        error = np.abs(table.truth - table.predicted).mean(axis=1)
        values, axis, guess = error, "mean absolute error of the subject's windows", None
    else:
        values, guess = table.right, None
        axis = "share of the subject's windows that are right"
        if table.task == "classes":
            guess = float(np.bincount(table.truth).max() / len(table))
        else:
            axis = "share of the tags of the subject's windows that are right"
    means = [float(values[held].mean()) for held in groups]
    counts = [int(held.sum()) for held in groups]
    figure = drawn(
        lambda: by_subject(names, [[m] for m in means], counts, axis=axis, guess=guess),
        caption=f"Each dot is a subject of the test; larger dots have more windows. Shown: {axis}.",
        alt=f"{axis[:1].upper()}{axis[1:]}, of {counted(len(names), 'subject')}: from "
        f"{min(means):.3f} to {max(means):.3f}, mean {np.mean(means):.3f}.",
    )
    cells = [
        (name, number(count), number(mean))
        for name, count, mean in zip(names, counts, means, strict=True)
    ]
    listed = Table(caption=axis, headers=("subject", "windows", "value"), rows=cells)
    return [figure, More("The same as numbers", [listed])]


def number_parts(table: WindowTable) -> list[Part]:
    """Predicted against true numbers, one figure a number."""
    return [
        drawn(
            lambda i=index, n=name: predicted_numbers(  # type: ignore[misc]
                table.truth[:, i], table.predicted[:, i], name=n
            ),
            caption=f"{name}: what was predicted of each test window, against what is true.",
            alt=f"Scatter of predicted against true {name} of {len(table)} windows.",
        )
        for index, name in enumerate(table.label_names[:_MOST_TAGS])
    ]


def threshold_parts(
    tables: Mapping[str, WindowTable], chosen: Any, decision: str
) -> list[Part]:  # fmt: skip
    """A score against the threshold on validation and test windows, with the one that is used."""
    some = next(iter(tables.values()))
    limits = [float(x) for x in chosen] if isinstance(chosen, list) else []
    if some.task == "regression" or not limits:
        return [Text(f"There is no threshold to choose: what holds is {decision}.")]
    parts: list[Part] = []
    is_binary = some.task == "classes"
    names = some.label_names[1:2] if is_binary else some.label_names
    axis = "balanced accuracy" if is_binary else "F1"
    for part, title in (("valid", "validation"), ("test", "test")):
        if part not in tables:
            continue
        curves, used = {}, dict(zip(names, limits, strict=False))
        for index, name in enumerate(names[:_MOST_TAGS]):
            held, p = _asked(tables[part], index, is_binary)
            curve = _scores_by_threshold(held, p, balanced=is_binary)
            if curve is not None:
                curves[name] = curve
        if curves:
            parts.append(_threshold_figure(curves, used, axis, title, len(tables[part])))
    if not parts:
        return [Text("The windows hold too few labels for a score at any threshold.")]
    if len(names) > _MOST_TAGS:
        parts.append(Text(f"Drawn are the first {_MOST_TAGS} of {len(names)} tags."))
    return [Text(f"Decided is: {decision}. It was chosen on the validation windows."), *parts]


def _threshold_figure(
    curves: Mapping[str, tuple[Floats, Floats]], used: Mapping[str, float], axis: str, title: str,
    n_windows: int,
) -> Part:  # fmt: skip
    told = ", ".join(f"{name} from {used[name]:.3f} on" for name in curves if name in used)
    return drawn(
        lambda: threshold_curves(curves, used, axis=f"{axis}, {title} windows"),
        caption=f"{title[:1].upper()}{title[1:]}, {number(n_windows)} windows: {axis} at each "
        "threshold; the ring marks the threshold that is used.",
        alt=f"Curve of {axis} against the threshold on {title} windows; used: {told}.",
    )


def _asked(table: WindowTable, index: int, is_binary: bool) -> tuple[npt.NDArray[np.bool_], Floats]:
    if is_binary:
        return table.truth == 1, table.predicted[:, 1]
    return table.truth[:, index] > 0.5, table.predicted[:, index]


def _scores_by_threshold(
    held: npt.NDArray[np.bool_], p: Floats, *, balanced: bool
) -> tuple[Floats, Floats] | None:
    """Balanced accuracy or F1 where it holds from each of (N,) thresholds on; None if undefined."""
    if held.all() or not held.any():
        return None
    thresholds = np.unique(np.concatenate((np.linspace(0, 1, 201), np.quantile(p, _SHARES))))
    yes, no = np.sort(p[held]), np.sort(p[~held])
    true_positive = len(yes) - np.searchsorted(yes, thresholds, side="left")
    false_positive = len(no) - np.searchsorted(no, thresholds, side="left")
    if balanced:
        scores = (true_positive / len(yes) + 1 - false_positive / len(no)) / 2
    else:
        scores = 2 * true_positive / (true_positive + false_positive + len(yes))
    return thresholds, np.asarray(scores, dtype=np.float64)


_SHARES = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class _Example:
    """A window of a table, and what is told of it."""

    index: int
    said: str
    true: str


def example_parts(table: WindowTable, corpus: Corpus, *, wrong: bool, n: int = 4) -> list[Part]:
    """The surest right or wrong windows, with their signal."""
    parts: list[Part] = []
    for example in _examples(table, wrong=wrong, n=n):
        signal, names, units = physical(corpus, int(table.row[example.index]))
        there = np.flatnonzero(np.isfinite(signal).any(axis=1))[:_MOST_CHANNELS]
        place = f"{table.recording[example.index]} at {table.start[example.index]:g} s"
        who = table.subject[example.index]
        told = f"Said: {example.said}. True: {example.true}. Subject {who}, {place}."
        if not len(there):
            continue
        if len(there) < len(names):
            told += f" Shown: {len(there)} of {len(names)} channels."
        parts.append(
            drawn(
                lambda s=signal[there], c=there, n=names, u=units: traces(  # type: ignore[misc]
                    s, corpus.preprocessing.sfreq, [n[i] for i in c], [u[i] for i in c]
                ),
                caption=told,
                alt=f"Signal of {counted(len(there), 'channel')}. {told}",
            )
        )
    return parts


def _examples(table: WindowTable, *, wrong: bool, n: int) -> Iterator[_Example]:
    if table.task == "classes":
        return _of_classes(table, wrong, n)
    return _of_tags(table, wrong, n) if table.task == "multilabel" else _of_numbers(table, wrong, n)


def _of_classes(table: WindowTable, wrong: bool, n: int) -> Iterator[_Example]:
    """The surest of each class that is said, in turn; of different subjects first."""
    names, decided = table.label_names, table.decided
    chosen = np.flatnonzero((decided == table.truth) != wrong)
    sure = table.predicted[np.arange(len(table)), decided]
    for index in _varied(chosen[np.argsort(-sure[chosen], kind="stable")], decided, table, n):
        said = f"{names[decided[index]]} (p = {sure[index]:.3f})"
        yield _Example(index, said, names[table.truth[index]])


def _varied(ordered: npt.NDArray[np.int64], kinds: Any, table: WindowTable, n: int) -> list[int]:
    """The first of an order, such that kinds take turns and subjects differ while they can."""
    queues: dict[int, list[int]] = {}
    for index in ordered.tolist():
        queues.setdefault(int(kinds[index]), []).append(index)
    chosen: list[int] = []
    subjects: set[str] = set()
    while len(chosen) < n and any(queues.values()):
        for queue in queues.values():
            if queue and len(chosen) < n:
                fresh = (i for i in queue if table.subject[i] not in subjects)
                index = next(fresh, queue[0])
                queue.remove(index)
                subjects.add(str(table.subject[index]))
                chosen.append(index)
    return chosen


def _of_tags(table: WindowTable, wrong: bool, n: int) -> Iterator[_Example]:
    """Tags that are said, rightly or wrongly, with the highest probability, in turn."""
    names, said = table.label_names, table.decided > 0.5
    hits = np.argwhere(said & ((table.truth < 0.5) if wrong else (table.truth > 0.5)))
    p = table.predicted[hits[:, 0], hits[:, 1]]
    hits = hits[np.argsort(-p, kind="stable")]
    kind = np.full(len(table), -1)
    for window, tag in hits[::-1]:  # the surest tag of each window stays
        kind[window] = tag
    ordered = np.array(list(dict.fromkeys(hits[:, 0].tolist())), dtype=np.int64)
    for index in _varied(ordered, kind, table, n):
        tags = [names[k] for k in np.flatnonzero(table.truth[index] > 0.5)]
        sure = f"{names[kind[index]]} (p = {table.predicted[index, kind[index]]:.3f})"
        others = [names[k] for k in np.flatnonzero(said[index]) if k != kind[index]]
        also = f", also {', '.join(others)}" if others else ""
        yield _Example(index, f"{sure}{also}", ", ".join(tags) or "no tag")


def _of_numbers(table: WindowTable, wrong: bool, n: int) -> Iterator[_Example]:
    """Windows whose numbers are nearest to the truth, or farthest from it."""
    spread = table.truth.std(axis=0)
    error = (np.abs(table.truth - table.predicted) / np.where(spread > 0, spread, 1)).mean(axis=1)
    ordered = np.argsort(-error if wrong else error, kind="stable")
    for index in _varied(ordered, np.zeros(len(table)), table, n):
        yield _Example(
            index, *(
                ", ".join(f"{name} {value:.4g}" for name, value in
                          zip(table.label_names, values[index], strict=True))
                for values in (table.predicted, table.truth)
            ),
        )  # fmt: skip
