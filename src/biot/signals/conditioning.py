"""`conditioned`: what every recording goes through before it is cut into windows."""

from __future__ import annotations

from biot.signals.filters import filtered
from biot.signals.missing import without_bad_spans
from biot.signals.preprocess import ResampleMethod, resampled
from biot.signals.recording import Recording

__all__ = ["conditioned"]


def conditioned(
    recording: Recording,
    sfreq: float,
    *,
    resample: ResampleMethod = "polyphase",
    l_freq: float | None = None,
    h_freq: float | None = None,
    notch: float | None = None,
) -> Recording:
    """Bad stretches made missing, then filtered, then resampled; still read lazily.

    Preparation and prediction both come through here, so they cannot differ.

    Parameters
    ----------
    recording
        As it was read.
    sfreq
        Rate wanted, in Hz.
    resample
        See :func:`biot.signals.resample`.
    l_freq, h_freq, notch
        See :func:`biot.signals.filtered`.

    Raises
    ------
    ConfigError
        If a frequency does not lie below half the recording's rate, or the rate cannot be reached.
    """
    clean = without_bad_spans(recording)
    smooth = filtered(clean, l_freq=l_freq, h_freq=h_freq, notch=notch)
    return resampled(smooth, sfreq, method=resample)
