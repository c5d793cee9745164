"""`recording_report`: one page about one recording, with an interactive timeline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from biot.errors import ChannelError, ConfigError, MissingDependencyError, listed, near_word
from biot.events.event import Events
from biot.inference.explaining.explanation import Explanation
from biot.inference.predictions import Predictions
from biot.installation import install_command
from biot.preprocessing import Preprocessing
from biot.report.page import asset, write_page
from biot.report.parts import Pairs, Table
from biot.report.timeline.data import curve_points, strip_of, timeline_data, to_json
from biot.report.timeline.downsample import Scan, details, scan
from biot.report.timeline.overview import Overview, overview
from biot.report.timeline.quality import channel_qualities, share
from biot.report.timeline.reasons import reasons
from biot.report.timeline.reference import reference_event_rows
from biot.signals.channels import canonical
from biot.signals.montage import MontagePlan, plan
from biot.signals.naming import named, renames_of
from biot.signals.recording import Recording

__all__ = ["MOST_CHANNELS", "MOST_EVENTS", "recording_report", "require_timeline"]

MOST_CHANNELS = 32
"""Channels that are drawn unless others are asked for."""
MOST_EVENTS = 500
"""Rows of the table of events; the timeline holds all."""
_AROUND = 5.0
"""Seconds before and after an event that are kept sample by sample."""
_LONGEST_DETAIL = 30.0


def require_timeline() -> tuple[str, str]:
    """The drawing library's script and style, found without importing its package.

    Raises
    ------
    MissingDependencyError
        If uPlot is not installed.
    """
    found = find_spec("uplot")
    for place in (found.submodule_search_locations or []) if found else []:
        folder = Path(place) / "static"
        script, style = folder / "uPlot.iife.js", folder / "uPlot.min.css"
        if script.is_file() and style.is_file():
            return script.read_text(encoding="utf-8"), style.read_text(encoding="utf-8")
    raise MissingDependencyError(f"uplot-python is not installed. {install_command('report')}")


def recording_report(
    path: str | Path,
    predictions: Predictions,
    recording: Recording | None,
    *,
    events: Events | None = None,
    reference: Events | None = None,
    explanations: Sequence[Explanation] = (),
    channels: Sequence[str] | None = None,
    preprocessing: Preprocessing | None = None,
    model: str | None = None,
) -> Path:
    """Write a page about a recording: its timeline, events, channels, and how it was decided.

    Parameters
    ----------
    path
        The file to write; its folder must exist.
    predictions
        Of the recording.
    recording
        The recording itself, read once, piece by piece; None: the page has no signals, and says so.
    events
        What was decided; None: what the probabilities amount to, see ``Predictions.to_events``.
    reference
        What others say of the recording; None: nothing.
    explanations
        Why some events were found, from ``Predictor.explain``.
    channels
        Names of the channels to draw; None: those that the model uses, at most 32.
    preprocessing
        The model's contract: which channels it uses, and what it does with them.
    model
        What the model is called.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    MissingDependencyError
        If Jinja2 or uPlot is not installed.
    ChannelError
        If a channel to draw is not there.
    ConfigError
        If the predictions are not of this recording: they reach beyond its end.
    """
    script, style = require_timeline()
    if events is None and predictions.task != "regression":
        events = predictions.to_events()
    duration = _duration(predictions, recording)
    meas_date = predictions.meas_date or (recording.meas_date if recording else None)
    strips = [strip_of(events or _none(predictions), "Decided", predictions.label_names)]
    if reference is not None:
        strips.append(strip_of(reference, "Reference (hatched)", predictions.label_names))
    signals = _signals(recording, events, reference, channels, preprocessing)
    data = timeline_data(
        predictions, duration=duration, meas_date=meas_date, strips=strips,
        channels=signals.drawn if signals else None,
        stretches=signals.stretches if signals else (),
    )  # fmt: skip
    clock = _Clock(meas_date)
    return write_page(
        Path(path),
        "recording.html",
        title=f"Predictions: {predictions.name}",
        scripts=[script, asset("timeline_data.js"), asset("timeline.js")],
        styles=[style, asset("timeline.css")],
        data=to_json(data),
        has_signals=signals is not None,
        picture=_picture(predictions, signals, strips, data, clock),
        classes=_classes(predictions),
        summary=_summary(predictions, recording, duration, clock),
        notes=_notes(predictions, recording, signals),
        events=_event_rows(events, clock),
        n_events=len(events or ()),
        most_events=MOST_EVENTS,
        labels=_label_rows(predictions),
        references=reference_event_rows(
            reference, events, predictions.label_names, clock, MOST_EVENTS
        ),
        n_references=len(reference or ()),
        reference_rows=_reference_rows(events, reference, predictions.label_names),
        qualities=channel_qualities(signals.recording, signals.found, signals.plan)
        if signals
        else [],
        absent=_absent(signals),
        explanations=[part for one in explanations for part in reasons(one)],
        facts=_facts(predictions, events, preprocessing, model),
    )


@dataclass(frozen=True, kw_only=True)
class _Signals:
    """The recording of a page, and what was read of it."""

    recording: Recording
    drawn: Recording
    """Its drawn channels."""
    plan: MontagePlan | None
    found: Scan
    stretches: Sequence[Any]
    n_left: int
    """Channels that could be drawn, and are not."""


def _signals(
    recording: Recording | None,
    events: Events | None,
    reference: Events | None,
    channels: Sequence[str] | None,
    contract: Preprocessing | None,
) -> _Signals | None:
    if recording is None:
        return None
    recording = named(recording, renames_of(contract.rename_channels if contract else "")).recording
    montage = _planned(recording, contract)
    wanted = _wanted(recording, channels, montage)
    rows = wanted if channels is not None else wanted[:MOST_CHANNELS]
    found = scan(recording, rows)
    stretches = [found.whole]
    if found.whole.pairs:
        stretches += details(recording, rows, _spans(events, reference))
    return _Signals(
        recording=recording, drawn=recording.pick(rows), plan=montage, found=found,
        stretches=stretches, n_left=len(wanted) - len(rows),
    )  # fmt: skip


def _planned(recording: Recording, contract: Preprocessing | None) -> MontagePlan | None:
    try:
        return None if contract is None else plan(recording.ch_names, contract.ch_names)
    except ChannelError:
        return None  # predicted under other names: the page then tells no roles


def _wanted(
    recording: Recording, channels: Sequence[str] | None, montage: MontagePlan | None
) -> list[int]:
    """Rows of the channels to draw."""
    if channels is None:
        return list(range(len(recording.ch_names)) if montage is None else montage.used)
    place = {canonical(name): i for i, name in reversed(list(enumerate(recording.ch_names)))}
    exact = {name: i for i, name in enumerate(recording.ch_names)}
    rows = []
    for name in channels:
        row = exact.get(name, place.get(canonical(name)))
        if row is None:
            raise ChannelError(
                f"{recording.name} has no channel that channels={name!r} names. It has "
                f"{listed(recording.ch_names, 40)}.{near_word(name, recording.ch_names)}"
            )
        rows.append(row)
    if not rows:
        raise ChannelError("channels='' names no channel; leave it out for those of the model.")
    return list(dict.fromkeys(rows))


def _spans(events: Events | None, reference: Events | None) -> list[tuple[float, float]]:
    """Stretches around events, the surest first, decided and reference events by turns."""
    lists = [
        sorted(found or (), key=lambda event: -(event.confidence or 0.0))
        for found in (events, reference)
    ]
    ordered = [
        found[i]
        for i in range(min(2000, max(map(len, lists))))
        for found in lists
        if i < len(found)
    ]
    return [
        (event.onset - _AROUND, event.onset + min(event.duration, _LONGEST_DETAIL) + _AROUND)
        for event in ordered
    ]


def _none(predictions: Predictions) -> Events:
    return Events(name=predictions.name, events=(), duration=_end(predictions))


def _end(predictions: Predictions) -> float:
    return float(predictions.stop.max()) if len(predictions) else 0.0


def _duration(predictions: Predictions, recording: Recording | None) -> float:
    end = _end(predictions)
    if recording is None:
        return max(end, predictions.duration or 0.0) or 1.0
    if end > recording.duration + 1 / recording.sfreq + 1e-3:
        raise ConfigError(
            f"{recording.name} lasts {recording.duration:.3f} s, but the predictions of "
            f"{predictions.name} reach to {end:.3f} s: they are of another recording. Give the "
            "one that was predicted, or none."
        )
    return recording.duration


class _Clock:
    """Words for a moment: the recorder's clock where it is known."""

    def __init__(self, meas_date: datetime | None) -> None:
        self.begin = meas_date

    def __call__(self, seconds: float, digits: int = 0) -> str:
        """Hours, minutes, seconds."""
        ticks = round(seconds * 10**digits)
        if self.begin is not None:
            moment = self.begin + timedelta(seconds=ticks / 10**digits)
            fraction = f".{moment.microsecond // 10 ** (6 - digits):0{digits}d}" if digits else ""
            days = (moment.date() - self.begin.date()).days
            later = f" (+{days} day{'s' * (days > 1)})" if days else ""
            return f"{moment:%H:%M:%S}{fraction}{later}"
        whole, part = divmod(ticks, 10**digits)
        fraction = f".{part:0{digits}d}" if digits else ""
        return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}{fraction}"


def _summary(
    predictions: Predictions, recording: Recording | None, duration: float, clock: _Clock
) -> Pairs:
    rows = [("File", predictions.name), ("Length", f"{_Clock(None)(duration)} ({duration:.6g} s)")]
    if clock.begin is not None:
        rows.append(("First sample", f"{clock.begin:%Y-%m-%d %H:%M:%S} by the recorder's clock"))
    if recording is not None:
        rows.append(("Channels", str(len(recording.ch_names))))
        rows.append(("Rate", f"{recording.sfreq:g} Hz"))
    n_unusable = int((~predictions.usable).sum())
    empty = f", {n_unusable} without usable data" if n_unusable else ""
    rows.append(("Windows", f"{len(predictions)}{empty}"))
    return Pairs(rows)


def _notes(
    predictions: Predictions, recording: Recording | None, signals: _Signals | None
) -> list[str]:
    notes = []
    if predictions.in_training:
        notes.append(
            f"The model learnt from this recording ({predictions.name}): these predictions do not "
            "show how it does on others."
        )
    if not predictions.usable.any():
        notes.append("No window has usable data: nothing was predicted of this recording.")
    if recording is None:
        notes.append("The recording itself was not given: there are no signals on this page.")
    if signals is not None and signals.n_left:
        notes.append(
            f"{MOST_CHANNELS} of {MOST_CHANNELS + signals.n_left} channels are drawn; `biot "
            "report PREDICTIONS --channels NAMES` draws others."
        )
    return notes + list(predictions.notes)


def _event_rows(events: Events | None, clock: _Clock) -> list[dict[str, str]]:
    return [
        {
            "onset": clock(event.onset, 1),
            "seconds": f"{event.onset:.3f}".rstrip("0").rstrip("."),
            "duration": f"{event.duration:.3f}".rstrip("0").rstrip("."),
            "label": event.label,
            "confidence": "" if event.confidence is None else f"{event.confidence:.2f}",
            "channels": ", ".join(event.channels),
        }
        for event in list(events or ())[:MOST_EVENTS]
    ]


def _label_rows(predictions: Predictions) -> Table:
    """Windows of each label, or the mean of each number."""
    usable = predictions.usable
    if predictions.task == "regression":
        values = predictions.probabilities[usable]
        rows = [
            (name, f"{column.mean():.4g}", f"{column.min():.4g} to {column.max():.4g}")
            for name, column in zip(predictions.label_names, values.T, strict=True)
            if len(column)
        ]
        headers = ("Number", "Mean", "Smallest to largest")
        return Table(caption="Predicted numbers of all windows", headers=headers, rows=rows)
    said = [tag for label in predictions.labels for tag in _tags(predictions, label)]
    found = Counter(said)
    n = int(usable.sum())
    rows = [(name, str(found[name]), share(found[name], n)) for name in predictions.label_names]
    headers = ("Label", "Windows", "Of those with usable data")
    return Table(caption="Windows of each label", headers=headers, rows=rows)


def _tags(predictions: Predictions, label: str) -> list[str]:
    return label.split(";") if predictions.task == "multilabel" else [label]


def _reference_rows(
    events: Events | None, reference: Events | None, label_names: Sequence[str]
) -> Table | None:
    """For each label: decided and reference events."""
    if reference is None:
        return None
    own, theirs = (Counter(event.label for event in found or ()) for found in (events, reference))
    known = {name: i for i, name in enumerate(label_names)}

    def place(label: str) -> tuple[int, str]:
        return known.get(label, len(known)), label

    rows = [
        (label, str(own[label]), str(theirs[label]))
        for label in sorted({**own, **theirs}, key=place)
    ]
    headers = ("Label", "Decided", "Reference")
    return Table(caption="Events of each label", headers=headers, rows=rows)


def _absent(signals: _Signals | None) -> list[str]:
    if signals is None or signals.plan is None:
        return []
    return [
        f"{entry.name} ({entry.reason})"
        for entry in signals.plan.entries
        if entry.status == "absent"
    ]


def _facts(
    predictions: Predictions,
    events: Events | None,
    contract: Preprocessing | None,
    model: str | None,
) -> Pairs:
    """What the model is, and how it was decided."""
    rows = [] if model is None else [("Model", model)]
    kind = {"classes": "Classes", "multilabel": "Tags", "regression": "Numbers"}[predictions.task]
    rows.append((kind, ", ".join(predictions.label_names)))
    if contract is not None:
        rows.append(("Window", f"{contract.window:g} s at {contract.sfreq:g} Hz"))
        rows.append(("Channels of the model", ", ".join(contract.ch_names)))
        rows.append(("Filters", contract.filter or "none"))
        rows.append(("Reference", contract.reference_in_words))
    if predictions.task != "regression":
        rows.append(("Decision", predictions.decision.described(predictions.label_names)))
    if events is not None and events.rules:
        rows.append(("Rules of events", events.rules))
    return Pairs(rows)


def _classes(predictions: Predictions) -> list[tuple[int, str]]:
    return list(enumerate(predictions.label_names))[:8]


def _picture(
    predictions: Predictions,
    signals: _Signals | None,
    strips: Sequence[dict[str, Any]],
    data: dict[str, Any],
    clock: _Clock,
) -> Overview:
    times, values = curve_points(predictions)
    shown = [k for k, label in enumerate(data["probability"]["labels"]) if label["shown"]]
    kept = values.copy()
    kept[:, [k for k in range(kept.shape[1]) if k not in shown]] = float("nan")
    return overview(
        duration=data["duration"], times=times, values=kept,
        limits=tuple(data["probability"]["range"]), strips=strips,
        ch_names=signals.drawn.ch_names if signals else (),
        whole=signals.found.whole if signals else None,
        ends=(clock(0), clock(data["duration"])),
    )  # fmt: skip
