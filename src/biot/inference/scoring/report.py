"""`EventReport`: event scores, sleep scores and the curve of one evaluation, with what to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from biot.errors import ConfigError, listed
from biot.evaluation.events.curve import OperatingCurve
from biot.evaluation.events.nights import SleepEvaluation
from biot.evaluation.events.scores import EventEvaluation

__all__ = ["EventReport"]


@dataclass(frozen=True, kw_only=True)
class EventReport:
    """What was found; ``str()`` gives tables, `to_dict` plain values."""

    events: EventEvaluation
    rules: str
    """How probabilities became events, in plain words."""
    curve: OperatingCurve | None = None
    """Sensitivity against false positives a day; None where it was not asked for."""
    sleep: SleepEvaluation | None = None
    """Where the labels are stages of sleep."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Recordings that are not scored, and why."""
    notes: tuple[str, ...] = ()
    """What a reader of the scores must know, a sentence each."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON holds them: what is undefined is None."""
        return {
            **self.events.to_dict(),
            "notes": [*self.notes, *self.events.notes],
            "event_rules": self.rules,
            "left_out": dict(self.left_out),
            "curve": None if self.curve is None else self.curve.to_dict(),
            "sleep": None if self.sleep is None else self.sleep.to_dict(),
        }

    def __str__(self) -> str:
        parts = [*self.notes, self._absent, str(self.events)]
        parts.append(f"Events: {self.rules}.")
        parts += [] if self.sleep is None else [str(self.sleep)]
        return "\n\n".join(part for part in parts if part)

    @property
    def _absent(self) -> str:
        """Which recordings are left out, by reason."""
        reasons: dict[str, list[str]] = {}
        for name, reason in self.left_out.items():
            reasons.setdefault(reason, []).append(name)
        lines = [
            f"{len(names)} of the recordings left out ({reason}): {listed(names, 3)}"
            for reason, names in reasons.items()
        ]
        return "\n".join(lines)

    def to_png(self, path: str | Path) -> Path:
        """Draw sensitivity against false positives a day.

        Raises
        ------
        ConfigError
            If the curve was not asked for.
        """
        if self.curve is None:
            raise ConfigError(f"{path}: there is no curve. Evaluate with curve=True.")
        return self.curve.to_png(path)
