"""Whose the recordings of a corpus are: what named the subjects, and what is doubtful about it."""

from __future__ import annotations

import re
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from itertools import combinations
from pathlib import Path, PurePosixPath

from biot.corpus.manifest import Manifest, Record, tally_of
from biot.corpus.schema import PARTS
from biot.errors import counted, listed
from biot.preprocessing import Task

__all__ = [
    "OWN",
    "doubts",
    "of_one_class",
    "official_parts",
    "origins",
    "own_subjects",
    "warn_of_own_subjects",
]

OWN = "the recording's own name"
"""Origin of a subject where nothing says whose a recording is."""
_NUMBER = "0"


def origins(records: Mapping[str, Record]) -> tuple[str, ...]:
    """What named the subjects, each with their number; empty where that was not written down.

    A subject that two things name counts with both.
    """
    used = [record for record in records.values() if record.shard is not None]
    named = {(record.subject_from, record.subject) for record in used if record.subject_from}
    counts = Counter(origin for origin, _ in sorted(named))
    n_own = counts.pop(OWN, 0)
    lines = [f"subjects from {origin}: {count}" for origin, count in counts.items()]
    own = [
        name
        for name, record in sorted(records.items())
        if record.subject_from == OWN and record.shard
    ]
    if n_own < len(own):
        return (*lines, f"subjects from the names of recordings, as they are: {n_own}")
    if n_own and not counts:
        return (f"every recording is its own subject: {n_own}",)
    return (
        *lines,
        *([f"recordings that are their own subject: {n_own} ({listed(own)})"] if n_own else []),
    )


def own_subjects(manifest: Manifest) -> str | None:
    """The doubt that recordings which count as subjects of their own may be of the same person.

    There is one where their names begin alike, or where a folder holds several of them, other than
    one that names their label; and where recordings of one name lie in several folders, which count
    as one subject. None where there is no such doubt.
    """
    own = [
        name
        for name, record in sorted(manifest.recordings.items())
        if record.shard is not None and record.subject_from == OWN
    ]
    labelled_by_folder = manifest.parameters.get("labels") == "folder"
    same = _several(own, lambda path: path.stem)
    stems = {PurePosixPath(name).stem: name for name in own}
    begun = _several(stems.values(), lambda path: _beginning(path.stem))
    inside = _several(own, lambda path: "" if labelled_by_folder else str(path.parent))
    inside = {folder: names for folder, names in inside.items() if folder not in ("", ".")}
    each = f"Each of {counted(len(own), 'recording')} counts as a subject of its own, but"
    if same and not labelled_by_folder:
        stem, names = next(iter(same.items()))
        what = "Recordings of one name count as one subject, whatever folder they lie in: "
        what += f"{stem} ({listed(names, 3)})"
    elif begun:
        first, names = max(begun.items(), key=lambda item: len(item[1]))
        how = "begin with numbers" if first == _NUMBER else "begin alike"
        what = f"{each} names {how} ({listed(names, 3)})"
    elif inside:
        names = next(iter(inside.values()))
        what = f"{each} a folder holds several ({listed(names, 3)})"
    else:
        return None
    return (
        f"{what}. If one person has several, training and test may share people, and the scores "
        "are too good. Say whose they are: `biot prepare` with --subject REGEX, or with a "
        "--subject-column in the table of labels."
    )


def warn_of_own_subjects(corpus: Path) -> None:
    """Warn of :func:`own_subjects` before a corpus is divided by subject, or its subjects counted.

    Raises
    ------
    CorpusError
        If its manifest is damaged.
    """
    manifest = Manifest.load(corpus)
    doubt = own_subjects(manifest) if manifest is not None else None
    if doubt is not None:
        warnings.warn(f"{corpus}: {doubt}", stacklevel=3)


def of_one_class(records: Mapping[str, Record]) -> str | None:
    """What to say of subjects whose windows are all of one class; None without any.

    A corpus with one class only has none of them.
    """
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for record in records.values():
        if record.shard is not None:
            counts[record.subject].update(record.labels)
    held = {subject: sorted(+classes) for subject, classes in sorted(counts.items()) if +classes}
    if len({label for classes in held.values() for label in classes}) < 2:
        return None
    single = {subject: classes[0] for subject, classes in held.items() if len(classes) == 1}
    if not single:
        return None
    if len(single) < len(held):
        named = listed([f"{subject} ({label})" for subject, label in single.items()])
        return f"{len(single)} of {len(held)} subjects hold one class only: {named}"
    classes = Counter(single.values())
    numbers = ", ".join(f"{label}: {count}" for label, count in sorted(classes.items()))
    few = [label for label, count in sorted(classes.items()) if count < 3]
    text = (
        f"every subject holds one class only ({numbers}): scores rest on the number of subjects, "
        "not on that of windows"
    )
    return text + (
        f"; fewer than 3 have {listed(few)}, too few for training, validation and test" * bool(few)
    )


def official_parts(records: Mapping[str, Record]) -> tuple[str, ...]:
    """Subjects and windows of each official part; empty where no recording has one.

    Also which subjects are in two of them.
    """
    used = [record for record in records.values() if record.shard is not None]
    if all(record.split is None for record in used):
        return ()
    lines, subjects = [], {}
    for part in (*PARTS, None):
        own = [record for record in used if record.split == part]
        subjects[part] = {record.subject for record in own}
        if own:
            n_windows = sum(record.n_windows for record in own)
            lines.append(
                f"{part or 'no part'}: {counted(len(own), 'recording')} of "
                f"{counted(len(subjects[part]), 'subject')}, "
                f"{counted(n_windows, 'window')}"
            )
    for one, other in combinations(PARTS, 2):
        both = sorted(subjects[one] & subjects[other])
        if both:
            lines.append(
                f"{counted(len(both), 'subject is', 'subjects are')} both in {one} and {other}: "
                f"{listed(both)}"
            )
    return tuple(lines)


def doubts(manifest: Manifest, task: Task) -> list[str]:
    """What to warn of: :func:`own_subjects`, and names of subjects or labels that may mean one."""
    used = [record for record in manifest.recordings.values() if record.shard is not None]
    n_recordings = Counter(record.subject for record in used)
    n_windows = tally_of(manifest.recordings).counts if task != "regression" else Counter[str]()
    doubt = own_subjects(manifest)
    return [
        *([doubt] if doubt is not None else []),
        *_alike("subjects", n_recordings, "recording", _place_of_subjects(manifest)),
        *_alike("labels", n_windows, "window", _place_of_labels(manifest)),
    ]


def _alike(what: str, counts: Mapping[str, int], unit: str, where: str) -> list[str]:
    """A sentence for each group of names that differ by case or white space only."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for name in sorted(counts):
        groups[" ".join(name.split()).casefold()].append(name)
    named = [
        (len(group), " and ".join(f"{name!r} ({counted(counts[name], unit)})" for name in group))
        for group in groups.values()
        if len(group) > 1
    ]
    return [
        f"The {what} {names} differ by case or white space only, and count as {number}. If they "
        f"mean the same, spell them alike in {where}."
        for number, names in named
    ]


def _place_of_labels(manifest: Manifest) -> str:
    source = manifest.parameters.get("labels")
    known = {
        None: "y",
        "annotations": "the annotations, or give --label-map OLD=NEW",
        "folder": "the names of the folders, or give --labels TABLE.tsv",
        "sidecars": "the files of labels beside the recordings, or give --label-map OLD=NEW",
        "samples": "the column of labels in the recordings, or give --label-map OLD=NEW",
        "triggers": "--label-map CODE=NAME",
    }
    return known.get(source) or f"{source}, and prepare again"


def _place_of_subjects(manifest: Manifest) -> str:
    source = manifest.parameters.get("labels")
    if source is None:
        return "subject"
    by_table = any("column" in (r.subject_from or "") for r in manifest.recordings.values())
    if by_table:
        return f"{source}, and prepare again"
    return "the names of files and folders, or give --subject REGEX or --subject-column NAME"


def _several(
    recordings: Iterable[str], key: Callable[[PurePosixPath], str]
) -> dict[str, list[str]]:
    """Recordings by a key, where two or more have the same; those without a key are left out."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for name in recordings:
        groups[key(PurePosixPath(name))].append(name)
    return {of: names for of, names in groups.items() if of and len(names) > 1}


def _beginning(stem: str) -> str:
    """The first word of a name: ``night`` of night_2; of all that begin with a number the same."""
    found = re.match(r"[^\W\d_]+|\d", stem)
    return "" if found is None else _NUMBER if found[0].isdigit() else found[0].casefold()
