"""Events as a hypnogram: one stage of sleep a line, one line an epoch, as YASA reads it.

https://github.com/raphaelvallat/yasa, ``yasa.hypno_str_to_int`` or, of stages in numbers,
``numpy.loadtxt``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from pathlib import Path

from biot.errors import ConfigError, listed
from biot.events.files.contents import FoundEvents, in_order, require_apart
from biot.events.stages import named_stage
from biot.io import atomic_file

__all__ = ["EPOCH", "require_stages", "write_hypnogram", "written_stage"]

EPOCH = 30.0
"""Seconds of a line, as the AASM scores."""

_UNSCORED, _UNSCORED_NUMBER = "UNS", "-2"


def written_stage(label: str) -> str | None:
    """How a label is written as a stage of sleep; None if it is none. A number stays one."""
    if re.fullmatch(r"[0-9]", label.strip()):
        return label.strip()
    return named_stage(label)


def require_stages(names: Iterable[str]) -> None:
    """Raise ``ConfigError`` where a label is no stage of sleep.

    Parameters
    ----------
    names
        Labels that events may have.
    """
    strangers = [name for name in names if written_stage(name) is None]
    if strangers:
        raise ConfigError(
            f"a hypnogram holds stages of sleep, which {listed(strangers)} is not. It takes W, "
            "N1, N2, N3, R and their other names, such as Sleep stage W, or 0 to 9. Write another "
            "format, such as bids or edf (--event-format)."
        )


def write_hypnogram(events: FoundEvents, path: Path, *, epoch: float = EPOCH) -> list[Path]:
    """Write the stage that takes most of each epoch; ``UNS`` where most of it has none.

    Epochs go from the recording's first sample to its end; the last may be shorter. A stage that is
    the background of the events is the one between them. Of stages in numbers, ``-2`` is unscored.

    Raises
    ------
    ConfigError
        If a label is no stage of sleep, or two events overlap.
    """
    names = {*events.label_names, *(event.label for event in events.events)}
    require_stages(sorted(names))
    require_apart(events, "a hypnogram", within=1e-6)
    n_epochs = math.ceil(round(events.duration / epoch, 6))
    shares: list[dict[str, float]] = [{} for _ in range(n_epochs)]
    for event in in_order(events):
        stop = min(event.onset + event.duration, events.duration)
        first = max(0, math.floor(event.onset / epoch))
        for place in range(first, min(n_epochs, math.ceil(stop / epoch))):
            covered = min(stop, (place + 1) * epoch) - max(event.onset, place * epoch)
            stage = written_stage(event.label) or ""
            shares[place][stage] = shares[place].get(stage, 0.0) + covered
    in_numbers = any(name.strip().isdigit() for name in names)
    rest = _UNSCORED_NUMBER if in_numbers else _UNSCORED
    if events.background is not None:
        rest = written_stage(events.background) or rest
    lines = []
    for place, share in enumerate(shares):
        length = min((place + 1) * epoch, events.duration) - place * epoch
        uncovered = length - sum(share.values())
        stage = max(share, key=lambda name: share[name], default=rest)
        lines.append(rest if uncovered > share.get(stage, 0.0) else stage)
    with atomic_file(path) as partial:
        partial.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return [path]
