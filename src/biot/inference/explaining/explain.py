"""`explained`: one window of a recording, and what each of its parts speaks for."""

# B windows of a batch, C channels, T samples, F bands, S stretches, K classes

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.errors import ConfigError, RecordingError, counted, listed, near_word
from biot.inference.explaining.bands import Band, reach, without_band
from biot.inference.explaining.choosing import Place
from biot.inference.explaining.explanation import Explanation
from biot.inference.explaining.occlusion import (
    Floats,
    Outputs,
    outputs_without,
    parts_of,
    scores_of,
)
from biot.inference.explaining.parts import Bools, stretches_of, tokens_in, valid_tokens
from biot.inference.windows import ModelWindows
from biot.preprocessing import Preprocessing
from biot.signals.scale import divided, q95_scale

__all__ = ["Explainer", "explained", "require_target"]

Signal = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Explainer:
    """A model's outputs and the tokens that it sees."""

    contract: Preprocessing
    """What windows of the model went through."""
    outputs: Outputs
    """(B, C, T) scaled windows to (B, K) outputs."""
    n_fft: int
    """Samples of a token."""
    hop: int
    """Samples between the starts of tokens."""
    progress: bool = False
    """Whether a bar on stderr shows how many parts are done."""


def require_target(target: str | None, contract: Preprocessing) -> None:
    """Raise :class:`ConfigError` unless something can be said of a target.

    None stands for what the model decides, which of several numbers is none.
    """
    names = contract.label_names or ()
    if target is None and contract.task == "regression" and len(names) > 1:
        raise ConfigError(
            f"target must be one of the model's numbers, {listed(names, 20)}; none is given."
        )
    if target is not None and target not in names:
        near = near_word(target, names)
        raise ConfigError(f"target must be one of {listed(names, 20)}, got {target!r}.{near}")
    if contract.task == "classes" and len(names) < 2:
        raise ConfigError("The model knows one class only, so there is nothing to explain.")


def explained(
    explainer: Explainer,
    windows: ModelWindows,
    place: Place,
    *,
    target: str | None,
    step: float | None,
    bands: Sequence[Band],
) -> Explanation:
    """Explain one window of a recording.

    The scale of each channel is that of the window as it is, and stays when parts are left out, so
    that nothing changes but what is missing.

    Parameters
    ----------
    explainer
        The model.
    windows
        The recording as the model's contract wants it.
    place
        The window.
    target
        Class, tag or number; None: the class that is decided, the tag furthest above its
        threshold (or least below it), the only number.
    step
        Seconds of a stretch, see :func:`~biot.inference.explaining.parts.stretches_of`.
    bands
        See :func:`~biot.inference.explaining.bands.bands_of`.

    Raises
    ------
    RecordingError
        If the window holds nothing that the model could use.
    ConfigError
        If `target` or `step` is wrong.
    """
    contract, n_fft, hop = explainer.contract, explainer.n_fft, explainer.hop
    require_target(target, contract)
    spans_S2 = stretches_of(contract.n_times, n_fft, hop, step=step, sfreq=contract.sfreq)
    window_CT = _padded(windows.physical(*place), contract)
    scale_C1 = _scale(window_CT, contract)
    scaled_CT = divided(window_CT, contract.scale, scale_C1).astype(np.float32)
    valid_CN = valid_tokens(scaled_CT, n_fft, hop)
    if not valid_CN.any():
        raise RecordingError(_nothing_usable(windows, place, explainer))
    valid_CS = valid_CN @ tokens_in(spans_S2, valid_CN.shape[1], n_fft, hop).T
    parts = parts_of(spans_S2, valid_CS, len(bands))
    stopped_FCT = _stopped(windows, place, bands, contract) / scale_C1
    outputs_PK = outputs_without(
        scaled_CT, stopped_FCT, parts, explainer.outputs, progress=explainer.progress
    )
    column = _column(target, outputs_PK[:1], contract)
    values_P = contract.decision.log_odds(outputs_PK)[:, column]
    scores = scores_of(parts, values_P, valid_CS, len(bands))
    absent = windows.montage.absent
    return Explanation(
        **_said(windows, place, outputs_PK[:1], column, contract),
        **vars(scores),
        ch_names=contract.ch_names,
        absent=absent,
        stretches=(place[0] + spans_S2) / contract.sfreq,
        bands=tuple(bands),
        signal=window_CT,
        sfreq=contract.sfreq,
        units=contract.units,
        notes=_notes(contract.ch_names, absent, valid_CS),
    )


def _said(
    windows: ModelWindows, place: Place, outputs_1K: Floats, column: int, contract: Preprocessing
) -> dict[str, Any]:
    """Which window it is, and what the model says of it as it is."""
    probabilities_1K = contract.decision.probabilities(outputs_1K)
    names = contract.label_names or ()
    return {
        "name": windows.recording.name,
        "start": place[0] / contract.sfreq,
        "stop": min(place[1] / contract.sfreq, windows.recording.duration),
        "target": names[column],
        "task": contract.task,
        "label": _label(probabilities_1K, contract),
        "label_names": names,
        "probabilities": probabilities_1K[0],
    }


def _column(target: str | None, outputs_1K: Floats, contract: Preprocessing) -> int:
    """Which of the K outputs is explained."""
    if target is not None:
        return (contract.label_names or ()).index(target)
    if contract.task == "regression":
        return 0
    decision = contract.decision
    if contract.task == "classes":
        return int(decision.decide(decision.probabilities(outputs_1K))[0])
    limits = np.clip(decision.limits(outputs_1K.shape[1]) or (), 1e-12, 1 - 1e-12)
    return int((decision.log_odds(outputs_1K)[0] - np.log(limits / (1 - limits))).argmax())


def _label(probabilities_1K: Floats, contract: Preprocessing) -> str:
    """What is said of the window, in the words of `Predictions.labels`."""
    if contract.task == "regression":
        return ""
    decision = contract.decision
    return decision.words(decision.decide(probabilities_1K), contract.label_names or ())[0]


def _scale(window_CT: Signal, contract: Preprocessing) -> Signal:
    """What the channels of the window are divided by, (C, 1)."""
    if contract.scale == "none":
        return np.ones((len(window_CT), 1), np.float32)
    return np.asarray(q95_scale(window_CT)[:, np.newaxis], dtype=np.float32)


def _stopped(
    windows: ModelWindows, place: Place, bands: Sequence[Band], contract: Preprocessing
) -> Signal:
    """(F, C, T) the window without each band.

    As many samples before and after it are filtered too as a filter reaches, so that the window's
    are those of the whole segment; beyond its ends the signal goes on as it ended.
    """
    start, stop = place
    first, last = next(s for s in windows.segments() if s[0] <= start < s[1])
    stopped_FCT = np.empty((len(bands), contract.n_chans, contract.n_times), np.float32)
    around = max((reach(band, contract.sfreq) for band in bands), default=0)
    low, high = max(first, start - around), min(last, stop + around)
    longer = windows.physical(low, high)
    for f, band in enumerate(bands):
        filtered = without_band(longer, band, contract.sfreq)
        stopped_FCT[f] = _padded(filtered[:, start - low : stop - low], contract)
    return stopped_FCT


def _nothing_usable(windows: ModelWindows, place: Place, explainer: Explainer) -> str:
    sfreq = explainer.contract.sfreq
    return (
        f"{windows.recording.name}: in the window of {place[0] / sfreq:g} to {place[1] / sfreq:g} "
        f"s no channel of the model holds a whole token ({explainer.n_fft / sfreq:g} s) that was "
        "recorded, so nothing is predicted there and there is nothing to explain. Choose another "
        "time."
    )


def _notes(ch_names: Sequence[str], absent: Sequence[str], valid_CS: Bools) -> tuple[str, ...]:
    """What is missing, and which scores are therefore NaN."""
    there_C = np.asarray(valid_CS.any(axis=1))
    there = [name for name, is_there in zip(ch_names, there_C, strict=True) if is_there]
    silent = [name for name in ch_names if name not in there and name not in absent]
    notes = []
    if absent:
        notes.append(
            f"Absent from the recording: {listed(absent)}; {len(absent)} of the model's "
            f"{counted(len(ch_names), 'channel')}."
        )
    if silent:
        notes.append(f"Nothing usable was recorded in this window: {listed(silent)}.")
    if len(there) == 1:
        notes.append(f"Without {there[0]} nothing is left to predict from: it has no score.")
    if valid_CS.any(axis=0).sum() == 1:
        notes.append("Without the only stretch nothing is left to predict from: it has no score.")
    return tuple(notes)


def _padded(samples: Signal, contract: Preprocessing) -> Signal:
    """(C, T), NaN beyond the recording's end."""
    window = np.full((contract.n_chans, contract.n_times), np.nan, np.float32)
    window[:, : samples.shape[1]] = samples
    return window
