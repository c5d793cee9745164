"""Parts of a window that can be made missing: channels, stretches of time, and both."""

# C channels, T samples, N tokens a channel, S stretches

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from biot.errors import ConfigError

__all__ = ["Bools", "Ints", "stretches_of", "tokens_in", "valid_tokens"]

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

_AIM = 10
"""Stretches of a window, about, where nobody says how long they are."""


def stretches_of(n_times: int, n_fft: int, hop: int, *, step: float | None, sfreq: float) -> Ints:
    """Where the stretches of a window lie, so that they fit its tokens.

    They lie end to end, a whole number of hops each but for the last, and cover every sample that
    a token sees, once. Shorter ones would tell no more: within one hop, whichever sample is
    missing, the same tokens are.

    Parameters
    ----------
    n_times
        Samples of the window.
    n_fft, hop
        Samples of a token, and between the starts of tokens.
    step
        Seconds of a stretch, rounded to whole hops; None: about ten stretches a window.
    sfreq
        Samples a second.

    Returns
    -------
    numpy.ndarray
        (S, 2) first sample of each stretch, and the one after its last.

    Raises
    ------
    ConfigError
        If `step` is not above 0 s and at most the window.
    """
    covered = (n_times - n_fft) // hop * hop + n_fft
    if step is None:
        n_hops = -(-covered // (hop * _AIM))
    elif 0 < step <= n_times / sfreq:
        n_hops = max(1, round(step * sfreq / hop))
    else:
        raise ConfigError(
            f"step must be above 0 s and at most the window of {n_times / sfreq:g} s, got "
            f"{step:g} s."
        )
    starts = np.arange(0, covered, n_hops * hop, dtype=np.int64)
    return np.stack([starts, np.append(starts[1:], covered)], axis=1)


def valid_tokens(window_CT: npt.NDArray[np.float32], n_fft: int, hop: int) -> Bools:
    """Which tokens of a window see recorded samples only: (C, N)."""
    patches = np.lib.stride_tricks.sliding_window_view(np.isfinite(window_CT), n_fft, axis=-1)
    return np.asarray(patches[:, ::hop].all(axis=-1))


def tokens_in(stretches_S2: Ints, n_tokens: int, n_fft: int, hop: int) -> Bools:
    """Which tokens go where a stretch is missing: (S, N), all that share a sample with it."""
    first_N = np.arange(n_tokens) * hop
    start_S1, stop_S1 = stretches_S2[:, :1], stretches_S2[:, 1:]
    return np.asarray((first_N < stop_S1) & (first_N + n_fft > start_S1))
