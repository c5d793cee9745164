"""`PrepareReport`: what became of the recordings given to `prepare`."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from biot.corpus.manifest import Spread
from biot.corpus.schema import LABELS_FILE, QUARANTINE_FILE
from biot.errors import counted, counted_kind, listed
from biot.io import atomic_file, safe_cell, true_cell
from biot.preprocessing import Preprocessing
from biot.signals.flat import FlatChannels, way_out

__all__ = [
    "PrepareReport",
    "flat_lines",
    "labels_without",
    "reference_lines",
    "slower_lines",
    "write_labels",
    "write_quarantine",
]


@dataclass(frozen=True, kw_only=True)
class PrepareReport:
    """What became of the recordings; ``str()`` gives an aligned text."""

    out: Path
    """The corpus folder."""
    preprocessing: Preprocessing
    n_recordings: int
    """Recordings that gave at least one window."""
    n_subjects: int
    subjects_from: tuple[str, ...] = ()
    """What named the subjects, each with their number."""
    parts: tuple[str, ...] = ()
    """Recordings, subjects and windows of each official part; empty where there is none."""
    n_windows: int
    labels: Mapping[str, int]
    """Windows of each class, or of each tag, sorted by name; empty without labels."""
    targets: Mapping[str, Spread] = field(default_factory=dict)
    """Mean and range of each target of a regression."""
    dropped: Mapping[str, int]
    """What was left out, such as ``"windows without a label"``: how many."""
    references: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Recordings by what their EEG was measured against, as far as they say it."""
    slower: Mapping[str, float] = field(default_factory=dict)
    """Rate in Hz of each recording that lacks frequencies which the windows may hold."""
    channels: tuple[str, ...] = ()
    """Which channels were not chosen, what of the choice some recordings do not have, and which
    recordings have other channels than most, or a rate far from that of most."""
    label_map: tuple[str, ...] = ()
    """What the map made of labels, with the stretches of each before, and what it left alone."""
    several: tuple[str, ...] = ()
    """In how many windows several labels met, which rule decided, and how."""
    flat: Mapping[str, FlatChannels] = field(default_factory=dict)
    """Flat channels and stretches that became missing, by recording; only of those that have any
    (see :mod:`biot.signals.flat`)."""
    quarantined: tuple[tuple[str, str], ...]
    """Recordings that could not be read, each with the reason; also in ``quarantine.tsv``."""
    changes: tuple[str, ...] = ()
    """What this run found other than it was, where the folder was begun or made before."""
    notes: tuple[str, ...] = ()
    """What else is worth knowing of tables, subjects and labels."""

    def __str__(self) -> str:
        contract = self.preprocessing
        lines = [
            ("corpus", str(self.out)),
            ("recordings", f"{self.n_recordings}"),
            ("subjects", f"{self.n_subjects}"),
            *(("", text) for text in self.subjects_from),
            (
                "windows",
                f"{self.n_windows} of {contract.window:g} s, "
                f"{counted(contract.n_chans, 'channel')} at {contract.sfreq:g} Hz",
            ),
            *_block("filter", [contract.filter] if contract.filter else []),
            *_block("official parts", list(self.parts)),
            *_block("labels", [f"{name}: {count}" for name, count in self.labels.items()]),
            *_block("label map", list(self.label_map)),
            *_block("several", list(self.several)),
            *_block("targets", [f"{name}: {spread}" for name, spread in self.targets.items()]),
            *_block(
                "left out", [counted_kind(count, what) for what, count in self.dropped.items()]
            ),
            *_block("channels", list(self.channels)),
            *_block("reference", reference_lines(contract, self.references)),
            *_block("slower", slower_lines(self.slower, self.n_recordings)),
            *_block("flat", flat_lines(self.flat)),
            *_block("told", list(self.notes)),
            *_block("changes", list(self.changes)),
            *_block("quarantined", [_named(*entry) for entry in self.quarantined]),
        ]
        width = max(len(name) for name, _ in lines) + 2
        return "\n".join(f"{name:<{width}}{text}" for name, text in lines)


def reference_lines(
    contract: Preprocessing, references: Mapping[str, tuple[str, ...]]
) -> list[str]:
    """What EEG is measured against in a corpus; nothing where all is as it was recorded."""
    if contract.reference == "none":
        if len(references) < 2:
            return []
        lines = [f"{name}: {len(files)}: {listed(files)}" for name, files in references.items()]
        return ["recordings have different ones, which reference=average makes alike", *lines]
    if contract.reference == "average" or "," in contract.reference:
        return [contract.reference]
    return [f"{contract.reference}, which is 0 against itself, so missing in every window"]


def slower_lines(slower: Mapping[str, float], n_recordings: int) -> list[str]:
    """Which recordings are slower than the corpus, and what they lack."""
    lines = []
    for rate in sorted(set(slower.values())):
        names = [name for name, own in sorted(slower.items()) if own == rate]
        lines.append(
            f"{len(names)} of {_recordings(n_recordings)} at {rate:g} Hz, with nothing above "
            f"{rate / 2:g} Hz: {listed(names)}"
        )
    return lines


def flat_lines(flat: Mapping[str, FlatChannels]) -> list[str]:
    """What was flat in recordings, given by name; the most frequent channels are named."""
    lines = []
    whole = Counter(name for each in flat.values() for name in each.whole)
    if whole:
        n = sum(bool(each.whole) for each in flat.values())
        names = [f"{name} in {count}" for name, count in whole.most_common()]
        lines.append(f"channels that are flat throughout, in {_recordings(n)}: {listed(names, 10)}")
    seconds: Counter[str] = Counter()  # of any numbers
    for each in flat.values():
        seconds.update(each.seconds)
    if seconds:
        n = sum(bool(each.seconds) for each in flat.values())
        names = [f"{name} {total:.1f} s" for name, total in seconds.most_common()]
        total = sum(seconds.values())
        lines.append(f"{total:.1f} s of stretches, in {_recordings(n)}: {listed(names, 10)}")
    mostly = Counter(name for each in flat.values() for name in each.mostly)
    if mostly:
        names = [name for name, _ in mostly.most_common()]
        lines.append(f"of several values, each held for long: {listed(names, 10)}")
    if lines:
        lines.append(f"these are missing data; {way_out([*whole, *seconds], mostly)}")
    return lines


def _recordings(n: int) -> str:
    return f"{n} recording{'s' * (n != 1)}"


def write_quarantine(folder: Path, quarantined: tuple[tuple[str, str], ...]) -> None:
    """Write the unreadable recordings of a corpus into its folder, if there are any."""
    (folder / QUARANTINE_FILE).unlink(missing_ok=True)
    if quarantined:
        with (
            atomic_file(folder / QUARANTINE_FILE) as partial,
            partial.open("w", encoding="utf-8", newline="") as file,
        ):
            table = csv.writer(file, delimiter="\t", lineterminator="\n")  # quotes tabs in names
            table.writerow(("file", "reason"))
            table.writerows([map(safe_cell, row) for row in quarantined])


def labels_without(text: str, names: Collection[str]) -> str:
    """The content of a table of labels without the rows of some recordings."""
    header, *rows = csv.reader(io.StringIO(text), delimiter="\t")
    out = io.StringIO()
    kept = [row for row in rows if true_cell(row[0]) not in names]
    csv.writer(out, delimiter="\t", lineterminator="\n").writerows([header, *kept])
    return out.getvalue()


def write_labels(folder: Path, labels: str | None) -> None:
    """Write the table of labels that a layout gave into a corpus, if it gave any."""
    if labels is None:
        (folder / LABELS_FILE).unlink(missing_ok=True)
    else:
        with atomic_file(folder / LABELS_FILE) as partial:
            partial.write_text(labels, encoding="utf-8", newline="")


def _named(file: str, reason: str) -> str:
    """Most reasons open with the file's name."""
    return reason if reason.startswith(f"{file}: ") else f"{file}: {reason}"


def _block(name: str, texts: list[str]) -> list[tuple[str, str]]:
    return [(name if place == 0 else "", text) for place, text in enumerate(texts)]
