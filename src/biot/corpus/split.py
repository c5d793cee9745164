"""Dividing a corpus into train, validation and test windows without leaks."""

# G groups (subjects or recordings), K classes, P = 3 parts

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from biot.choices import SplitBy
from biot.corpus.corpus import Corpus
from biot.corpus.schema import PARTS
from biot.errors import ConfigError, CorpusError, counted, listed

__all__ = ["PARTS", "Split", "SplitBy", "split"]

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Split:
    """Positions in a corpus of the windows of each part, in ascending order."""

    train: Indices
    valid: Indices
    test: Indices
    """Empty where its share is 0; validation likewise."""
    by: SplitBy
    shares: tuple[float, float, float]
    seed: int
    groups: tuple[tuple[str, ...], ...]
    """Names of the subjects or recordings of each part, sorted; of subjects for a split by column,
    empty for one by time."""
    n_overlapping: int
    """Windows left out because they overlap one of an earlier part; 0 unless split by time."""
    n_in_no_part: int = 0
    """Windows left out because the column of parts does not say theirs, or is not used."""
    notes: tuple[str, ...] = ()
    """What is to be told of a split by column."""

    def to_dict(self) -> dict[str, Any]:
        """All that is worth keeping with a run, as JSON can hold it."""
        parts = {}
        for part, groups in zip(PARTS, self.groups, strict=True):
            of = "subject" if self.by == "column" else self.by
            named = {} if self.by == "time" else {f"{of}s": list(groups)}
            parts[part] = {"n_windows": len(getattr(self, part)), **named}
        return {
            "by": self.by,
            "shares": list(self.shares),
            "seed": self.seed,
            "n_overlapping": self.n_overlapping,
            "n_in_no_part": self.n_in_no_part,
            **parts,
        }


def split(
    corpus: Corpus,
    by: SplitBy = "subject",
    shares: Sequence[float] = (0.6, 0.2, 0.2),
    seed: int = 0,
) -> Split:
    """Divide a corpus into train, validation and test windows.

    Parameters
    ----------
    by
        ``"subject"`` or ``"recording"``: each is wholly in one part. The names are sorted, then
        shuffled with `seed`, and dealt out so that every part gets its share of them and, where
        possible, windows of every class. ``"time"``: within each recording and class the
        earliest windows are for training and the latest for testing; a window that overlaps one
        of an earlier part is left out. ``"column"``: the official parts that the corpus keeps,
        from ``--split-column`` of `biot prepare`; without an official validation part, subjects of
        the training part are taken for it.
    shares
        Of train, validation and test. That of the test may be 0, for a corpus with a test corpus
        beside, and that of validation, where nothing shall validate. By column, that of validation
        is a share of the training part's subjects, where it is needed at all; 0 gives the windows
        of the validation part to training. A test share of 0 leaves those of the test part out.
    seed
        Of the shuffle; a split by time does not depend on it.

    Raises
    ------
    ConfigError
        If the shares are not three numbers that add up to 1, or `by` is unknown.
    CorpusError
        If there are too few subjects or recordings, a part stays empty, or the training part
        lacks a class. The message says what else to try.
    """
    wanted, n_overlapping = _checked(shares), 0
    notes: tuple[str, ...] = ()
    if by == "time":
        part_of, n_overlapping = _by_time(corpus, wanted)
        groups: tuple[tuple[str, ...], ...] = ((), (), ())
    elif by == "column":
        part_of, groups, notes = _by_column(corpus, wanted, seed)
    elif by in ("subject", "recording"):
        names = corpus.subjects if by == "subject" else corpus.recordings
        part_of, groups = _by_group(names, corpus.label_ids, wanted, by, seed)
    else:
        raise ConfigError(f"split must be by subject, recording, time or column, got {by!r}.")
    _require_usable(corpus, part_of, wanted, by)
    train, valid, test = (np.flatnonzero(part_of == part) for part in range(len(PARTS)))
    return Split(
        train=train,
        valid=valid,
        test=test,
        by=by,
        shares=wanted,
        seed=seed,
        groups=groups,
        n_overlapping=n_overlapping,
        n_in_no_part=int((part_of < 0).sum()) - n_overlapping,
        notes=notes,
    )


def _checked(shares: Sequence[float]) -> tuple[float, float, float]:
    values = tuple(float(share) for share in shares)
    usable = len(values) == len(PARTS) and values[0] > 0 and min(values) >= 0
    if not usable or abs(sum(values) - 1) > 1e-6:
        raise ConfigError(
            "shares must be three numbers that add up to 1, 0 or more, that of train above 0; "
            f"got {', '.join(f'{value:g}' for value in values)}."
        )
    return cast("tuple[float, float, float]", values)


def _sizes(n: int, shares: Sequence[float]) -> list[int]:
    """Whole parts of `n` near `shares`; each share above 0 gets one while there are enough."""
    asked = [part for part, share in enumerate(shares) if share > 0]
    sizes = [0] * len(shares)
    for part in asked[:n]:
        sizes[part] = 1
    while sum(sizes) < n:
        # The part that lacks most; an exact tie (to rounding) goes to the earlier one.
        lacking = [round(shares[part] * n - sizes[part], 9) for part in asked]
        sizes[asked[lacking.index(max(lacking))]] += 1
    return sizes


def _by_group(
    names: npt.NDArray[np.str_], label_ids: Indices, shares: Sequence[float], by: str, seed: int
) -> tuple[Indices, tuple[tuple[str, ...], ...]]:
    """Part of every window, and the names in each part."""
    groups, group_of = np.unique(names, return_inverse=True)
    n_parts = sum(share > 0 for share in shares)
    if len(groups) < n_parts:
        others = "recording|time" if by == "subject" else "time"
        raise CorpusError(
            f"The corpus has {counted(len(groups), by)}; a split by {by} into {n_parts} parts "
            f"needs at least {n_parts}. Use --split {others}."
        )
    counts = _class_counts(label_ids, group_of, len(groups))
    order = np.random.default_rng(seed).permutation(len(groups))
    part_of_group = np.empty(len(groups), dtype=np.int64)
    part_of_group[order] = _deal(counts[order], shares)
    members = (groups[part_of_group == part].tolist() for part in range(len(PARTS)))
    return part_of_group[group_of], tuple(tuple(part) for part in members)


def _class_counts(label_ids: Indices, group_of: Indices, n_groups: int) -> npt.NDArray[np.float64]:
    """(G, K) windows of each class in each group; without labels all windows are one class."""
    classes = np.unique(label_ids[label_ids >= 0])
    if len(classes) == 0:
        return np.bincount(group_of, minlength=n_groups)[:, None].astype(np.float64)
    columns = [np.bincount(group_of[label_ids == k], minlength=n_groups) for k in classes]
    return np.stack(columns, axis=1).astype(np.float64)


def _deal(counts: npt.NDArray[np.float64], shares: Sequence[float]) -> Indices:
    """Part of each group, in the order of the (G, K) rows of `counts`."""
    n_groups, n_classes = counts.shape
    # Rounded up, so that a small part has room for one group of each class more often.
    room = [ceil(share * n_groups - 1e-9) for share in shares]
    part_of = np.full(n_groups, -1)
    share_of_class = counts / counts.sum(axis=0)
    held = np.zeros((len(shares), n_classes))

    def give(group: int, part: int) -> None:
        part_of[group] = part
        room[part] -= 1
        held[part] += share_of_class[group]

    # First a group of every class for every part, the rarest classes first: they have least choice.
    for k in np.argsort((counts > 0).sum(axis=0), kind="stable"):
        for part in range(len(shares)):
            free = np.flatnonzero((part_of < 0) & (counts[:, k] > 0))
            if room[part] > 0 and held[part, k] == 0 and len(free) > 0:
                give(int(free[0]), part)
    # Then each group goes where its classes are lacking most.
    for group in np.flatnonzero(part_of < 0):
        open_parts = [part for part in range(len(shares)) if room[part] > 0]
        lack = [share_of_class[group] @ (1 - held[part] / shares[part]) for part in open_parts]
        give(int(group), open_parts[int(np.argmax(np.round(lack, 9)))])
    return part_of


def _by_time(corpus: Corpus, shares: Sequence[float]) -> tuple[Indices, int]:
    """Part of every window (−1: left out), and how many were left out as overlapping."""
    part_of = np.full(len(corpus), -1)
    first_sample = np.rint(corpus.starts * corpus.preprocessing.sfreq).astype(np.int64)
    n_overlapping = 0
    _, recording_of = np.unique(corpus.recordings, return_inverse=True)
    for recording in range(recording_of.max(initial=-1) + 1):
        rows = np.flatnonzero(recording_of == recording)
        rows = rows[np.argsort(first_sample[rows], kind="stable")]
        for label in np.unique(corpus.label_ids[rows]):
            of_label = rows[corpus.label_ids[rows] == label]
            part_of[of_label] = np.repeat(range(len(PARTS)), _sizes(len(of_label), shares))
        for part in range(1, len(PARTS)):
            earlier = first_sample[rows[(part_of[rows] >= 0) & (part_of[rows] < part)]]
            mine = rows[part_of[rows] == part]
            overlapping = mine[_near(first_sample[mine], earlier, corpus.preprocessing.n_times)]
            part_of[overlapping] = -1
            n_overlapping += len(overlapping)
    return part_of, n_overlapping


def _by_column(
    corpus: Corpus, shares: Sequence[float], seed: int
) -> tuple[Indices, tuple[tuple[str, ...], ...], tuple[str, ...]]:
    """Part of every window (−1: none), the subjects of each, and what is to be told."""
    official = corpus.splits
    part_of = np.full(len(corpus), -1)
    for part, name in enumerate(PARTS):
        part_of[official == name] = part
    _require_official(corpus, part_of, needs_test=shares[2] > 0)
    notes: list[str] = []
    if (part_of < 0).any():
        none = "no official part and"
        n_left = int((part_of < 0).sum())
        left = counted(n_left, f"window has {none} is", f"windows have {none} are")
        notes.append(f"{left} not used.")
    if shares[1] == 0:
        notes += _without_validation(part_of)
    elif not (part_of == 1).any():
        notes.append(_with_validation(corpus, part_of, shares[1], seed))
    subjects = [np.unique(corpus.subjects[part_of == part]).tolist() for part in range(len(PARTS))]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        both = sorted(set(subjects[one]) & set(subjects[other]))
        if both:
            notes.append(
                f"The official parts {PARTS[one]} and {PARTS[other]} share "
                f"{counted(len(both), 'subject')} "
                f"({listed(both)}): the scores flatter the model."
            )
    if shares[2] == 0 and (part_of == 2).any():
        count = int((part_of == 2).sum())
        notes.append(
            f"{counted(count, 'window')} of the official test part "
            f"{'is' if count == 1 else 'are'} "
            "not used."
        )
        part_of[part_of == 2] = -1
        subjects[2] = []
    return part_of, tuple(tuple(names) for names in subjects), tuple(notes)


def _require_official(corpus: Corpus, part_of: Indices, *, needs_test: bool) -> None:
    found = [name for part, name in enumerate(PARTS) if (part_of == part).any()]
    if not found:
        raise CorpusError(
            f"{corpus.path} knows no official parts of its recordings. Prepare it again with "
            "--split-column NAME, a column of the table of labels, or use --split subject."
        )
    if "train" not in found or (needs_test and "test" not in found):
        lacking = "train" if "train" not in found else "test"
        beside = "" if lacking == "train" else "give another corpus with --test, "
        raise CorpusError(
            f"{corpus.path} has windows of the official parts {' and '.join(found)}, but none of "
            f"{lacking}. Prepare more recordings, {beside}or use --split subject."
        )


def _with_validation(corpus: Corpus, part_of: Indices, share: float, seed: int) -> str:
    """Give a share of the training part's subjects to validation, in `part_of`; says so."""
    rows = np.flatnonzero(part_of == 0)
    division, groups = _by_group(
        corpus.subjects[rows], corpus.label_ids[rows], (1 - share, share, 0.0), "subject", seed
    )
    part_of[rows[division == 1]] = 1
    return (
        f"There is no official validation part: {len(groups[1])} of "
        f"{len(groups[0]) + len(groups[1])} subjects of the training part are taken for it."
    )


def _without_validation(part_of: Indices) -> list[str]:
    """Give the windows of the official validation part to training, in `part_of`; says so."""
    moved = part_of == 1
    part_of[moved] = 0
    n_moved = int(moved.sum())
    if not n_moved:
        return []
    verb = "trains" if n_moved == 1 else "train"
    return [f"{counted(n_moved, 'window')} of the official validation part {verb} too."]


def _near(starts: Indices, others: Indices, length: int) -> npt.NDArray[np.bool_]:
    """Which of the sorted `starts` are less than `length` from one of the sorted `others`."""
    before = np.searchsorted(others, starts, side="right")
    after = np.searchsorted(others, starts + length, side="left")
    reach_back = np.searchsorted(others, starts - length, side="right")
    return (before > reach_back) | (after > before)


def _require_usable(corpus: Corpus, part_of: Indices, shares: Sequence[float], by: str) -> None:
    others = {
        "subject": "recording|time", "recording": "time", "time": "subject|recording",
        "column": "subject|recording|time",
    }[by]  # fmt: skip
    share_of_valid = "another --valid-share, " if by == "column" else ""
    way_out = f"Use {share_of_valid}--split {others}, or a corpus with more recordings."
    present = np.unique(corpus.label_ids)
    lacking = np.setdiff1d(present, corpus.label_ids[part_of == 0])
    if len(lacking) > 0:
        names = corpus.preprocessing.label_names or ()
        missing = ", ".join(names[k] if k >= 0 else "windows without a label" for k in lacking)
        raise CorpusError(
            f"A split by {by} leaves the training part without {missing}: too few "
            f"{'of its subjects' if by == 'column' else f'{by}s'} hold it. {way_out}"
        )
    for part, share in enumerate(shares):
        if share > 0 and not (part_of == part).any():
            raise CorpusError(
                f"A split by {by} leaves no window for the {PARTS[part]} part. {way_out}"
            )
