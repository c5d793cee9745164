"""`LslStream`: a stream of LabStreamingLayer, found by its name, and found again when it is lost.

C. Kothe et al., https://labstreaminglayer.readthedocs.io; metadata of signals:
https://github.com/sccn/xdf/wiki/EEG-Meta-Data
"""

# C channels, T samples
from __future__ import annotations

import contextlib
import logging
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

from biot.errors import ConfigError, RecordingError, counted, require
from biot.signals.channels import kind
from biot.signals.recording import Recording
from biot.signals.units import conversion

__all__ = ["LslStream", "StreamLostError", "open_lsl"]

_RESOLVE = 1.0
"""Seconds in which streams answer."""
_OPEN = 5.0
_PULL = 0.1
_SILENT = 5.0
"""Seconds without a sample after which it is asked whether the stream is still there."""
_AT_ONCE = 1024
_VOLTAGES = ("eeg", "eog", "ecg", "emg", "seeg", "ecog", "dbs", "bio", "ref_eeg")
_CONFIGURATIONS = ("lsl_api.cfg", "~/lsl_api/lsl_api.cfg", "/etc/lsl_api/lsl_api.cfg")


class StreamLostError(RecordingError):
    """The sender of a stream has gone."""


def open_lsl() -> Any:
    """``mne_lsl.lsl``, which keeps its reports to itself unless the user has configured it.

    Raises
    ------
    MissingDependencyError
        If mne-lsl is not installed.
    """
    lsl = require("mne_lsl.lsl", extra="live")
    logging.getLogger("mne_lsl").setLevel(logging.ERROR)
    theirs = ("LSLAPICFG" in os.environ) or any(
        Path(name).expanduser().is_file() for name in _CONFIGURATIONS
    )
    configure = getattr(require("mne_lsl.lsl.functions", extra="live"), "set_config_content", None)
    if configure is not None and not theirs:
        with contextlib.suppress(NotImplementedError):  # an older liblsl
            # nothing of a stream that breaks off, which we tell ourselves
            configure("[log]\nlevel = -3\n")
    return lsl


class LslStream:
    """One stream of signals.

    Parameters
    ----------
    name
        Of the stream.
    source_id
        Which one, where several have the name.
    dejitter
        Whether LSL smooths the time stamps.
    """

    def __init__(self, name: str, *, source_id: str | None = None, dejitter: bool = False) -> None:
        self.name, self._source_id = name, source_id
        self._lsl = open_lsl()
        self._flags = ["clocksync", *(["dejitter"] if dejitter else [])]
        self._inlet: Any = None
        self.trouble = ""
        """Why a stream that was found could not be opened, the last time."""
        self._own: tuple[Any, ...] | None = None  # what was found, to tell it from others
        self._uid, self._heard, self._unanswered = "", 0.0, 0  # when a sample came, by monotonic
        self._facts: tuple[Any, ...] | None = None
        self._factors_C = np.ones(0)
        self.clock: Callable[[], float] = self._lsl.local_clock
        """The clock that time stamps belong to, once they are corrected."""

    def find(self, keep_waiting: Callable[[], bool]) -> Recording | None:
        """Wait for the stream and open it.

        Parameters
        ----------
        keep_waiting
            Asked every second or so, until the stream is there.

        Returns
        -------
        Recording or None
            Its channels, rate and units, see :func:`described`; None if the waiting ended.

        Raises
        ------
        ConfigError
            If several streams have the name.
        RecordingError
            If it holds no signals: text, or no regular rate.
        """
        while keep_waiting():
            found = self._named()
            if self._own is not None:  # that was lost
                found = [one for one in found if _identity(one) == self._own] or found
            if len(found) > 1:
                raise ConfigError(_ambiguous(self.name, found, self._source_id))
            if found:
                try:
                    return self._open(found[0])
                except (TimeoutError, RuntimeError) as error:  # it may have gone meanwhile
                    self.trouble = str(error)
        return None

    def _named(self) -> list[Any]:
        """All streams that there are now with the name, and the source if one is given."""
        if re.search(r"""['"]""", self.name):  # not possible in a query
            found = self._lsl.resolve_streams(_RESOLVE)
        else:
            found = self._lsl.resolve_streams(_RESOLVE, name=self.name, minimum=64)
        own = {one.uid: one for one in found if one.name == self.name}
        ids = {one.source_id for one in own.values()}
        if self._source_id is not None and own and self._source_id not in ids and not self._own:
            raise ConfigError(
                f"source_id={self._source_id}: no stream {self.name!r} has it; there is "
                f"{'; '.join(map(_told, own.values()))}."
            )
        return [one for one in own.values() if self._source_id in (None, one.source_id)]

    def _open(self, found: Any) -> Recording:
        if found.dtype == "string":
            raise RecordingError(
                f"{self.name}: is a stream of text ({_told(found)}); give the name of a stream of "
                "signals."
            )
        if not found.sfreq > 0:
            raise RecordingError(
                f"{self.name}: has no regular rate ({_told(found)}), so nothing says when its "
                "samples were taken; give the name of a stream with a rate."
            )
        inlet = self._lsl.StreamInlet(found, recover=False, processing_flags=self._flags)
        inlet.open_stream(_OPEN)
        recording, factors_C = described(inlet.get_sinfo(_OPEN).as_xml)
        facts = (recording.ch_names, recording.units, recording.sfreq, tuple(factors_C.tolist()))
        if self._facts not in (None, facts):
            raise RecordingError(
                f"{self.name}: came back with other channels, units or another rate "
                f"({_told(found)}). Stop, and begin again."
            )
        self._inlet, self._facts, self._factors_C = inlet, facts, factors_C
        self._own = _identity(found)
        self._uid, self._heard, self._unanswered = found.uid, time.monotonic(), 0
        return recording

    def pull(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]:
        """All samples that are there; if none is, the first that comes within a tenth of a second.

        Returns
        -------
        data
            (C, T) in the units of the recording.
        stamps
            (T,) seconds at which they were taken, by :attr:`clock`.

        Raises
        ------
        StreamLostError
            If the sender has gone; :meth:`find` waits for it. A sender whose program goes on does
            not always close the connection: after some seconds without a sample it is asked
            whether the stream is still there, and lost when twice it is not.
        """
        try:
            sample, stamp = self._inlet.pull_sample(timeout=_PULL)
            parts = [] if stamp is None else [(np.array(sample)[None], np.array([stamp]))]
            while parts:
                samples, stamps = self._inlet.pull_chunk(timeout=0.0, max_samples=_AT_ONCE)
                parts.append((np.array(samples), np.array(stamps)))
                if len(stamps) < _AT_ONCE:
                    break
        except (RuntimeError, TimeoutError) as error:
            self.close()
            raise StreamLostError(f"{self.name}: the stream was lost ({error}).") from error
        self._require_announced(bool(parts))
        n_chans = len(self._factors_C)
        data = np.concatenate([np.zeros((0, n_chans)), *(part for part, _ in parts)])
        times = np.concatenate([np.zeros(0), *(times for _, times in parts)])
        return (data * self._factors_C).T.astype(np.float32), times

    def _require_announced(self, heard: bool) -> None:
        """Raise :class:`StreamLostError` if the stream is silent and twice was not announced."""
        if heard:
            self._heard, self._unanswered = time.monotonic(), 0
        if time.monotonic() - self._heard < _SILENT:
            return
        there = any(one.uid == self._uid for one in self._named())
        self._unanswered = 0 if there else self._unanswered + 1
        if there:
            self._heard = time.monotonic()
        elif self._unanswered == 2:
            self.close()
            raise StreamLostError(
                f"{self.name}: the stream was lost (nothing came for {_SILENT:g} s, and it is not "
                "announced any longer)."
            )

    def close(self) -> None:
        """Take leave of the sender."""
        self._inlet = None


def described(xml: str) -> tuple[Recording, npt.NDArray[np.float64]]:
    """What a stream says of itself, as a recording of two samples that only tell channels apart.

    Its first sample is the number of each channel, from 1; its second is 1: what is done to the
    channels later, such as leaving out and converting, can be read from them.

    Parameters
    ----------
    xml
        The stream's description.

    Returns
    -------
    recording
        Its path is the name of the stream.
    factors_C
        By which its numbers are multiplied to be in the units of the recording.
    """
    info = ElementTree.fromstring(xml)
    n_chans = int(_text(info, "channel_count") or 0)
    rows = info.findall("desc/channels/channel")
    rows = rows if len(rows) == n_chans else []
    kind_of = _text(info, "type") or "signal"
    names = [_text(row, "label") or _text(row, "name") for row in rows] or [""] * n_chans
    names = [name or f"{kind_of} {i + 1}" for i, name in enumerate(names)]
    declared = [_unit(row) for row in rows] or [""] * n_chans
    made = [conversion(unit, kind(name)) for unit, name in zip(declared, names, strict=True)]
    recording = Recording.from_array(
        np.stack([np.arange(n_chans) + 1.0, np.ones(n_chans)], axis=1),
        ch_names=names,
        sfreq=float(_text(info, "nominal_srate")),
        units=[unit for _, unit in made],
        path=Path(_text(info, "name").replace("/", "_") or "stream"),
    )
    return recording, np.array([factor for factor, _ in made])


def _unit(row: ElementTree.Element) -> str:
    """The unit of a channel; a number is the power of ten of volts, as MNE-LSL writes it."""
    text = _text(row, "unit")
    if not re.fullmatch(r"[+-]?\d{1,2}", text):
        return text
    is_voltage = _text(row, "type").lower() in _VOLTAGES
    return ("V" if int(text) == 0 else f"1e{int(text)}V") if is_voltage else ""


def _text(element: ElementTree.Element, key: str) -> str:
    return (element.findtext(key) or "").strip()


def _identity(found: Any) -> tuple[Any, ...]:
    return (found.source_id, found.n_channels, found.sfreq)


def _told(found: Any) -> str:
    rate = f"{found.sfreq:g} Hz" if found.sfreq else "no regular rate"
    return (
        f"source_id {found.source_id!r} on {found.hostname or 'this machine'} (type "
        f"{found.stype or 'none'}, {counted(found.n_channels, 'channel')}, {rate})"
    )


def _ambiguous(name: str, found: list[Any], source_id: str | None) -> str:
    streams = "; ".join(sorted(map(_told, found)))
    way = "Say which one with source_id=."
    if source_id is not None or len({one.source_id for one in found}) < len(found):
        way = "Stop one of them, or give each a source_id of its own, and say it with source_id=."
    return (
        f"{name}: {counted(len(found), 'stream has', 'streams have')} this name: {streams}. {way}"
    )
