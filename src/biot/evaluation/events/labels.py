"""Which labels of a reference are which labels of a model, and the events of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from biot.errors import ConfigError, listed
from biot.evaluation.events.counts import Span
from biot.evaluation.events.sleep import stage_of, stages_among
from biot.events.event import Events
from biot.events.files.szcore import is_seizure
from biot.events.rules import background_of, plain_name

__all__ = ["CommonLabels", "common_labels"]


@dataclass(frozen=True, kw_only=True)
class CommonLabels:
    """Labels that make events."""

    names: tuple[str, ...]
    of: Mapping[str, str]
    """The label that each spelling means; what makes no events, or is not predicted, is absent."""
    notes: tuple[str, ...]

    def spans(self, events: Events) -> dict[str, list[Span]]:
        """Onset and end of the events of each label."""
        found: dict[str, list[Span]] = {name: [] for name in self.names}
        for event in events:
            if event.label in self.of:
                found[self.of[event.label]].append((event.onset, event.stop))
        return found


def common_labels(reference: Sequence[Events], predicted: Sequence[Events]) -> CommonLabels:
    """How the labels of references meet those predicted: by name, whatever the case.

    Where the model has one label of seizures, all names of seizures mean it; where its labels are
    stages of sleep, so do all published names of these.

    Raises
    ------
    ConfigError
        If references have events, and none of them has a label that is predicted.
    """
    names = _predicted(predicted)
    by_name = {plain_name(name): name for name in names}
    rest = {plain_name(one.background) for one in (*reference, *predicted) if one.background}
    others = _by_meaning(names)
    of, unknown, renamed = {name: name for name in names}, Counter[str](), Counter[str]()
    for event in (event for events in reference for event in events):
        plain = plain_name(event.label)
        meant = by_name.get(plain)
        if meant is None and (plain in rest or _is_background(event.label)):
            continue
        meant = meant or others(event.label)
        if meant is None:
            unknown[event.label] += 1
            continue
        of[event.label] = meant
        renamed[event.label] += event.label != meant
    has_met = any(event.label in of for events in reference for event in events)
    if unknown and not has_met:
        raise ConfigError(
            f"No event of the reference has a label that the model predicts: it has "
            f"{_counted(unknown)}; the model predicts {listed(names, 20)}. Say with label_map "
            f"which are which, such as {next(iter(unknown))}={names[0]}."
        )
    notes = []
    if any(renamed.values()):
        pairs = [f"{old} as {of[old]}" for old in renamed if renamed[old]]
        notes.append(f"Reference labels were taken by name: {listed(pairs, 10)}.")
    if unknown:
        notes.append(
            f"{sum(unknown.values())} reference events do not count, as the model does not predict "
            f"their labels: {_counted(unknown)}."
        )
    return CommonLabels(names=names, of=of, notes=tuple(notes))


def _by_meaning(names: Sequence[str]) -> Callable[[str], str | None]:
    """From a label of a reference to the label of the model that means the same, if one does."""
    seizures = [name for name in names if is_seizure(name)]
    stages = {stage: name for name, stage in (stages_among(names) or {}).items() if stage}

    def meaning(label: str) -> str | None:
        if len(seizures) == 1 and is_seizure(label):
            return seizures[0]
        return stages.get(stage_of(label) or "")

    return meaning


def _is_background(label: str) -> bool:
    """Whether a label says that nothing happens: ``bckg``, as SzCORE has it, and the like."""
    return background_of((label, f"other than {label}")) is not None


def _predicted(predicted: Sequence[Events]) -> tuple[str, ...]:
    """Labels that the model makes events of."""
    names: dict[str, None] = {}
    for one in predicted:
        said = one.label_names or tuple(event.label for event in one)
        names |= dict.fromkeys(name for name in said if name != one.background)
    if not names:
        raise ConfigError(
            "The predictions name no label that makes events. Give label_names, or a background "
            "that is not their only label."
        )
    return tuple(names)


def _counted(labels: Mapping[str, int]) -> str:
    return listed([f"{name} ({n})" for name, n in labels.items()], 10)
