"""`manifest.json`: from which files a corpus was made, and how."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from biot.corpus.schema import MANIFEST_FILE, PARTS, REPAIR, STATE_FILE, Label, shard_path
from biot.corpus.seal import has_changed
from biot.errors import CorpusError, listed
from biot.installation import package_version
from biot.io import read_json, write_json
from biot.preprocessing import Task
from biot.signals.flat import FlatChannels

__all__ = [
    "MANIFEST_FILE",
    "LabelCounts",
    "Manifest",
    "Record",
    "Spread",
    "left_out_of",
    "several_lines",
    "tally_of",
    "versions",
]


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
class LabelCounts:
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

    def merge(self, other: LabelCounts) -> None:
        """Take the windows of another tally in."""
        self.counts.update(other.counts)
        self._merge_spreads(other.spreads)

    def _merge_spreads(self, others: list[Spread]) -> None:
        self.spreads += [Spread() for _ in others[len(self.spreads) :]]
        for mine, theirs in zip(self.spreads, others, strict=False):
            mine.merge(theirs)


_VERSION = 1


_PACKAGES = ("numpy", "pyarrow")


@dataclass(frozen=True, kw_only=True)
class Record:
    """What became of one recording; holds no place of a machine and nothing of its header."""

    size: int
    """Bytes of its files together."""
    sha256: str | None
    """Of its files, one after the other in the order of their names; None if they are closed."""
    subject: str
    subject_from: str | None = None
    """What named the subject, in words; None in corpora that were prepared before it was kept."""
    split: str | None = None
    """Its official part, ``"train"``, ``"valid"`` or ``"test"``; None where nothing says it."""
    shard: str | None = None
    """Its file in the corpus; None if it gave no window."""
    shard_sha256: str | None = None
    n_windows: int = 0
    ch_names: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    """As the recording has them; those of the rows may be in the order of the corpus."""
    unused: tuple[str, ...] = ()
    """Its channels that were not chosen."""
    unmatched: tuple[str, ...] = ()
    """Words of the choice of channels, and old names of channels, that fit none of its own."""
    sfreq: float | None = None
    """Samples a second of the recording itself, in Hz; None where it was not read."""
    labels: Mapping[str, int] = field(default_factory=dict)
    """Windows of each class of the first label column, or of each tag."""
    spreads: tuple[Spread, ...] = ()
    """Of each target of a regression."""
    labelled: bool = False
    """Whether it has any label at all, also outside the windows."""
    label_column: str | None = None
    """Of WFDB annotations: the column that its labels are of."""
    met: Mapping[str, int] = field(default_factory=dict)
    """Where labels got other names: how many stretches had each of the labels before."""
    several: int = 0
    """Windows on the grid that hold labels besides the one they got; of windows at events, those
    at the place of another with another label."""
    label_over: tuple[tuple[str, str, int], ...] = ()
    """Of these: the label that was given, another, and how many windows hold both."""
    rows: str | None = None
    """Checksum of its rows in the table of labels, or of the file of labels beside it."""
    told: tuple[str, ...] = ()
    """What was assumed of its labels."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    units_said: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What was made of units that were given, in words, each with the channels."""
    reference: str | None = None
    """What its EEG was measured against, where it says so."""
    flat: FlatChannels = field(default_factory=FlatChannels)
    """Its flat channels and stretches, where they became missing."""
    quarantine: str | None = None
    """Why it was not used; None if it was."""
    clash: bool = False
    """Whether that is because of the other recordings, so that it may be used without them."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Record:
        """The inverse of ``dataclasses.asdict``, by way of JSON."""
        known = {each.name: values[each.name] for each in fields(cls) if each.name in values}
        for name in ("ch_names", "units", "unused", "unmatched", "told"):
            known[name] = tuple(known.get(name, ()))
        if "flat" in known:
            known["flat"] = FlatChannels.from_dict(known["flat"])
        said = dict(known.get("units_said", {}))
        known["units_said"] = {str(what): tuple(map(str, names)) for what, names in said.items()}
        if not all(isinstance(count, int) for count in dict(known.get("labels", {})).values()):
            raise TypeError("labels are no counts")
        if not all(isinstance(count, int) for count in dict(known.get("met", {})).values()):
            raise TypeError("met are no counts")
        known["label_over"] = tuple(
            (str(label), str(other), int(count))
            for label, other, count in known.get("label_over", ())
        )
        for name, kind in (
            ("sfreq", int | float), ("reference", str), ("several", int), ("label_column", str),
        ):  # fmt: skip
            if not isinstance(known.get(name), kind | None):
                raise TypeError(f"{name} is {known[name]!r}")
        if known.get("split") not in (None, *PARTS):
            raise TypeError(f"split is {known['split']!r}")
        known["spreads"] = tuple(Spread(**spread) for spread in known.get("spreads", ()))
        return cls(**known)


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The file as a whole."""

    parameters: Mapping[str, Any]
    recordings: Mapping[str, Record]
    """By name: the path relative to the folder that was given."""
    versions: Mapping[str, str] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    """Hashes of the subjects that were removed for good, see :meth:`is_dropped`."""

    def hash_of(self, subject: str) -> str:
        """What a removed subject is known by: not its name, and another in each corpus."""
        salt = json.dumps(dict(self.parameters), sort_keys=True)
        return hashlib.sha256(f"{salt}\0{subject}".encode()).hexdigest()

    def is_dropped(self, subject: str) -> bool:
        """Whether a subject was removed for good."""
        return self.hash_of(subject) in self.dropped

    def save(self, folder: Path) -> None:
        """Write the file, in one step."""
        ordered = {name: asdict(self.recordings[name]) for name in sorted(self.recordings)}
        content = {
            "version": _VERSION,
            "parameters": dict(self.parameters),
            "versions": dict(self.versions),
            "dropped": sorted(self.dropped),
            "recordings": ordered,
        }
        write_json(folder / MANIFEST_FILE, content)

    @classmethod
    def load(cls, folder: Path) -> Manifest | None:
        """Read the file from a folder; None if there is none.

        Raises
        ------
        CorpusError
            If it is damaged, or of another release.
        """
        path = folder / MANIFEST_FILE
        if not path.is_file():
            return None
        content = read_json(path, CorpusError)
        try:
            if content["version"] != _VERSION:
                raise CorpusError(f"{path}: version is {content['version']!r}, not {_VERSION}.")
            records = {
                name: Record.from_dict(values) for name, values in content["recordings"].items()
            }
            for record in records.values():
                if record.shard is not None:
                    shard_path(folder, record.shard)
            return cls(
                parameters=content["parameters"],
                versions=content["versions"],
                dropped=tuple(content["dropped"]),
                recordings=records,
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, CorpusError):
                raise
            raise CorpusError(f"{path}: damaged ({error!r}). {REPAIR}") from error

    @classmethod
    def recover(cls, folder: Path) -> tuple[Manifest | None, str | None]:
        """The manifest; or, where it is lost or damaged, what ``state.json`` keeps of it.

        Returns
        -------
        Manifest or None
            Without recordings where it had to be recovered; None where nothing is known.
        str or None
            What was wrong with the file.

        Raises
        ------
        CorpusError
            If the file is of another release, or damaged and nothing else is known.
        """
        kept, found, wrong = cls._kept(folder), None, "was missing"
        try:
            found = cls.load(folder)
        except CorpusError as error:
            if kept is None or _is_of_another_release(folder):
                raise
            wrong = f"was damaged ({str(error).removesuffix(REPAIR).strip()})"
        if kept is None:
            return found, None
        if found is not None:
            dropped = tuple(sorted({*found.dropped, *kept.dropped}))
            if _is_changed(folder):
                return kept, "was damaged (its content is not what was written)"
            if found.parameters == kept.parameters:
                return replace(found, dropped=dropped), None
            kept, wrong = replace(kept, dropped=dropped), f"disagreed with {STATE_FILE}"
        return kept, wrong

    @classmethod
    def _kept(cls, folder: Path) -> Manifest | None:
        """What ``state.json`` keeps: all but the recordings."""
        try:
            state = read_json(folder / STATE_FILE, CorpusError)
            if has_changed(folder, state, STATE_FILE):
                return None
            kept = state["_biot"]
            dropped = tuple(map(str, kept["dropped"]))
            parameters = dict(kept["parameters"])
        except (CorpusError, KeyError, TypeError, ValueError):
            return None
        return cls(parameters=parameters, versions=versions(), dropped=dropped, recordings={})


def _is_changed(folder: Path) -> bool:
    state = read_json(folder / STATE_FILE, CorpusError)
    return has_changed(folder, state, MANIFEST_FILE)


def _is_of_another_release(folder: Path) -> bool:
    try:
        number = read_json(folder / MANIFEST_FILE, CorpusError).get("version")
    except CorpusError:
        return False
    return type(number) is int and number > _VERSION


def tally_of(records: Mapping[str, Record]) -> LabelCounts:
    """What the windows of all recordings together are labelled."""
    tally = LabelCounts()
    for _, record in sorted(records.items()):
        tally.merge(LabelCounts(Counter(record.labels), [replace(each) for each in record.spreads]))
    return tally


_RULES: Mapping[str, str] = {
    "overlap": "the one shared most",
    "centre": "of those that hold the middle sample the one shared most",
    "any": "the one shared most",
}


def several_lines(manifest: Manifest) -> list[str]:
    """In how many windows of a corpus several labels met, and what became of them."""
    records, rule = manifest.recordings, manifest.parameters.get("rule", "overlap")
    windows = sum(record.several for record in records.values())
    if not windows:
        return []
    over: Counter[tuple[str, str]] = Counter()
    for record in records.values():
        for label, other, count in record.label_over:
            over[label, other] += count
    ordered = sorted(over.items(), key=lambda item: (-item[1], item[0]))
    if manifest.parameters.get("align") == "events":
        both = [(one, two, n + over[two, one]) for (one, two), n in ordered if one < two]
        pairs = [f"{one} and {two} in {n}" for one, two, n in both]
        return [
            f"windows that hold the same samples as another, with another label: {windows}, as "
            "several events are at one time; each event keeps its own",
            *([listed(pairs, 10)] if pairs else []),
        ]
    pairs = [f"{label} over {other} in {count}" for (label, other), count in ordered]
    return [
        f"windows that hold several labels: {windows}; {_RULES[rule]} (label_rule={rule}) labels "
        "them, of instants alone the most frequent",
        *([listed(pairs, 10)] if pairs else []),
    ]


def left_out_of(records: Mapping[str, Record]) -> Counter[str]:
    """What was left out of recordings, by reason."""
    counts: Counter[str] = Counter()
    for _, record in sorted(records.items()):
        counts.update(record.left_out)
    return counts


def versions() -> dict[str, str]:
    """Versions of the packages that decide over the bytes of a corpus."""
    ours = package_version()
    found = {} if ours is None else {"biot": ours}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
