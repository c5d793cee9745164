"""`overview`: what a recording holds, as tables for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from biot.errors import ChannelError
from biot.signals.channels import canonical, kind
from biot.signals.montage import MontagePlan, plan
from biot.signals.naming import called
from biot.signals.recording import Recording

__all__ = [
    "RecordingOverview",
    "overview",
]

MOST_LABELS = 20
"""Labels of annotations that the table lists; the rest is counted."""


@dataclass(frozen=True)
class RecordingOverview:
    """A recording's header, channels, annotations and montage plan; ``str()`` gives the tables."""

    recording: Recording
    plan: MontagePlan | None
    """How it meets the vocabulary asked about; None if none was, or nothing matches."""
    plan_error: str | None = None
    """Why there is no plan, where one was asked for."""

    @property
    def channels(self) -> list[tuple[str, str, str, str]]:
        """Name, canonical name, kind and unit of each channel."""
        rows = zip(self.recording.ch_names, self.recording.units, strict=True)
        return [(name, canonical(name), kind(name), unit) for name, unit in rows]

    @property
    def labels(self) -> list[tuple[str, int, float]]:
        """Each label of the annotations: how often, and seconds in all; the most frequent first.

        Where they are not all of the column ``label``, each has its column before it:
        ``rhythm: AFIB``.
        """
        found: dict[tuple[str, str], list[float]] = {}
        for annotation in self.recording.annotations:
            key = (annotation.column, annotation.label)
            found.setdefault(key, []).append(annotation.duration)
        plain = all(column == "label" for column, _ in found)
        rows = [
            (label if plain else f"{column}: {label}", len(durations), sum(durations))
            for (column, label), durations in found.items()
        ]
        return sorted(rows, key=lambda row: (-row[1], row[0]))

    def __str__(self) -> str:
        rows = [(*row[:3], row[3] or "no unit") for row in self.channels]
        parts = [self._header(), _table(rows, ("channel", "canonical", "kind", "unit"))]
        if self.labels:
            shown = self.labels[:MOST_LABELS]
            parts.append(_table(shown, ("annotation", "times", "seconds in all")))
            if len(self.labels) > len(shown):
                parts[-1] += f"\n… and {len(self.labels) - len(shown)} more labels"
        if self.plan is not None:
            parts.append(str(self.plan))
        elif self.plan_error is not None:
            parts.append(self.plan_error)
        return "\n\n".join(parts)

    def _header(self) -> str:
        recording = self.recording
        rows: list[tuple[str, str]] = [
            ("file", recording.name),
            ("duration", f"{recording.duration:.3f} s ({recording.duration / 3600:.2f} h)"),
            ("rate", f"{recording.sfreq:g} Hz"),
            ("samples", str(recording.n_times)),
            ("channels", str(len(recording.ch_names))),
            ("segments", str(len(recording.segments))),
            ("annotations", str(len(recording.annotations))),
        ]
        return _table(rows, ())


def overview(
    recording: Recording,
    vocabulary: Sequence[str] | None = None,
    renames: Mapping[str, str] | None = None,
) -> RecordingOverview:
    """Describe a recording, and how it would meet a vocabulary; no sample is read.

    Parameters
    ----------
    recording
        From :func:`biot.signals.read_recording`.
    vocabulary
        Channel names of a model, such as :data:`biot.signals.PREST_18`; None leaves the plan out.
    renames
        New names of channels by the old ones, under which they meet the vocabulary.
    """
    if vocabulary is None:
        return RecordingOverview(recording, None)
    try:
        names = called(recording.ch_names, renames or {})
        return RecordingOverview(recording, plan(names, vocabulary))
    except ChannelError as error:  # that nothing matches is what the user wants to know
        return RecordingOverview(recording, None, str(error))


def _table(rows: Sequence[Sequence[object]], headers: Sequence[str]) -> str:
    from tabulate import tabulate

    kind_of_table = "simple" if headers else "plain"
    return tabulate(rows, headers, tablefmt=kind_of_table, floatfmt=".1f", disable_numparse=[0])
