"""Signal parameters of a model: inferred from each other, complete, free of contradictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import shorten
from typing import Any, cast

from torch import nn

from biot.errors import ChannelError, ConfigError
from biot.model.config import ChsInfo, integer, require_positive
from biot.model.encoder import BIOTEncoder
from biot.model.spectra import spectrum_in_words
from biot.signals.channels import canonical

__all__ = ["Signal", "SignalParameters", "distinct_names", "resolve_signal"]


@dataclass(frozen=True, kw_only=True)
class Signal:
    """The signal parameters of a model, complete and free of contradictions."""

    n_chans: int
    n_times: int
    sfreq: float
    input_window_seconds: float
    channels: tuple[str, ...] | None


def resolve_signal(
    *,
    n_chans: int | None,
    chs_info: ChsInfo | None,
    channels: Sequence[str] | None,
    n_times: int | None,
    input_window_seconds: float | None,
    sfreq: float | None,
) -> Signal:
    """Infer what was not given from what was.

    Raises
    ------
    ConfigError
        If something is missing or two parameters contradict each other.
    """
    names = _vocabulary(channels, chs_info)
    counts = {
        "n_chans": n_chans,
        "chs_info": None if chs_info is None else len(chs_info),
        "channels": None if channels is None else len(channels),
    }
    given = {key: count for key, count in counts.items() if count is not None}
    if not given:
        raise ConfigError("n_chans is missing: give n_chans, chs_info or channels.")
    if len(set(given.values())) > 1:
        listed = ", ".join(f"{key} says {count}" for key, count in given.items())
        raise ConfigError(f"The number of channels is contradictory: {listed}.")
    resolved_n_chans = integer("n_chans", next(iter(given.values())), at_least=1)
    times, seconds, rate = _resolve_time(n_times, input_window_seconds, sfreq)
    return Signal(
        n_chans=resolved_n_chans,
        n_times=times,
        sfreq=rate,
        input_window_seconds=seconds,
        channels=names,
    )


def _resolve_time(
    n_times: int | None, seconds: float | None, sfreq: float | None
) -> tuple[int, float, float]:
    for name, value in (("input_window_seconds", seconds), ("sfreq", sfreq)):
        if value is not None:
            require_positive(name, value)
    if n_times is not None:
        n_times = integer("n_times", n_times, at_least=1)
    if n_times is None and (seconds is None or sfreq is None):
        raise ConfigError(
            "n_times is missing: give n_times, or input_window_seconds together with sfreq."
        )
    if sfreq is None:
        if seconds is None or n_times is None:
            raise ConfigError(
                "sfreq is missing: give sfreq, or n_times together with input_window_seconds."
            )
        sfreq = n_times / seconds
    if seconds is None:
        assert n_times is not None
        seconds = n_times / sfreq
    if n_times is None:
        n_times = integer("n_times", round(seconds * sfreq), at_least=1)
    if n_times != round(seconds * sfreq):
        raise ConfigError(
            f"n_times={n_times} contradicts input_window_seconds={seconds:g} × sfreq={sfreq:g} "
            f"= {round(seconds * sfreq)}. Leave one of the three out."
        )
    return n_times, float(seconds), sfreq


def _vocabulary(channels: Sequence[str] | None, chs_info: ChsInfo | None) -> tuple[str, ...] | None:
    described = None
    if chs_info is not None and all(info.get("ch_name") for info in chs_info):
        described = tuple(str(info["ch_name"]) for info in chs_info)
    names = described if channels is None else channels
    if names is None:
        return None
    names = distinct_names(names)
    for name, other in zip(names, described or names, strict=False):
        if canonical(name) != canonical(other):
            raise ConfigError(
                f"channels says {name!r} where chs_info says {other!r}; they must agree. "
                "Leave one of the two out."
            )
    return names


def distinct_names(names: Sequence[str]) -> tuple[str, ...]:
    """The names as a tuple.

    Raises
    ------
    ConfigError
        If they are one string, whose letters would pass for names.
    ChannelError
        If two of them mean the same channel, such as T3 and T7.
    """
    if isinstance(names, str):
        raise ConfigError(f"channels must be a list of names, got the string {names!r}.")
    seen: dict[str, str] = {}
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise ChannelError(f"A channel name must be a non-empty string, got {name!r}.")
        key = canonical(name)
        if key in seen:
            raise ChannelError(
                f"channels holds {seen[key]!r} and {name!r}, which are one channel; "
                "a vocabulary needs distinct names."
            )
        seen[key] = str(name)
    return tuple(seen.values())


class SignalParameters:
    """The signal parameters as attributes of a model, under braindecode's names."""

    _signal: Signal
    _chs_info: list[dict[str, Any]] | None
    _n_outputs: int
    embed_dim: int
    num_layers: int
    encoder: BIOTEncoder

    def __str__(self) -> str:
        """What a person asks first, in a few lines; ``repr()`` is PyTorch's tree of layers."""
        encoder = self.encoder
        names = ", ".join(self.channels or ("without names",))
        seconds = f"{self.input_window_seconds:g} s"
        parameters = cast("nn.Module", self).parameters()
        told = spectrum_in_words(encoder.patch_embedding)
        facts = {
            "channels": f"{self.n_chans}: {shorten(names, 72, placeholder=' …')}",
            "window": f"{seconds}, {self.n_times} samples at {self.sfreq:g} Hz",
            "tokens": f"{encoder.n_tokens(self.n_times)} a channel: {encoder.n_fft} samples each, "
            f"one every {encoder.hop_length}" + f"; {told}" * bool(told),
            "encoder": f"{self.num_layers} layers of width {self.embed_dim}",
            "outputs": f"{self.n_outputs}",
            "parameters": f"{sum(p.numel() for p in parameters):,}",
        }
        lines = [f"  {name:<10}  {text}" for name, text in facts.items()]
        return "\n".join([type(self).__name__, *lines])

    def __dir__(self) -> list[str]:
        # torch.jit.trace asks for whatever is listed, and this property may raise.
        return [n for n in super().__dir__() if n != "chs_info" or self._chs_info is not None]

    @property
    def n_outputs(self) -> int:
        """Classes, or outputs of a regression."""
        return self._n_outputs

    @property
    def n_chans(self) -> int:
        """Channels that the model knows: the length of its vocabulary."""
        return self._signal.n_chans

    @property
    def channels(self) -> tuple[str, ...] | None:
        """Names of the channels, in the order of their rows; None if nobody said."""
        return self._signal.channels

    @property
    def chs_info(self) -> list[dict[str, Any]]:
        """MNE's description of each channel, as given; ``ValueError`` if it was not."""
        if self._chs_info is None:
            raise ConfigError("chs_info was not given to this model.")
        return self._chs_info

    @property
    def n_times(self) -> int:
        """Samples of a window."""
        return self._signal.n_times

    @property
    def sfreq(self) -> float:
        """Samples a second, in Hz."""
        return self._signal.sfreq

    @property
    def input_window_seconds(self) -> float:
        """Length of a window in seconds."""
        return self._signal.input_window_seconds

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Shape of one sample: (1, n_chans, n_times)."""
        return (1, self.n_chans, self.n_times)
