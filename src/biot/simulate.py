"""Simulated EEG with known events: the demo's recordings, and material for tests.

The simulation is honest: an event takes over a share of a channel's power instead of adding to
it, so total power a channel says nothing about the class. Only the shape of the spectrum and
where on the head it changes do, and both differ between subjects.
"""

# C channels (electrodes), T samples

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.errors import ConfigError, require
from biot.signals.recording import Annotation, Recording

__all__ = ["CLASSES", "ELECTRODES", "simulate_eeg", "write_edf", "write_study"]

Floats = npt.NDArray[np.floating[Any]]

CLASSES = ("rest", "spike-wave", "spindles")
"""Labels of the annotations, in alphabetical order as a corpus sorts them."""

ELECTRODES = {
    "Fp1": (-0.31, 0.95),
    "Fp2": (0.31, 0.95),
    "F3": (-0.42, 0.48),
    "F4": (0.42, 0.48),
    "C3": (-0.50, 0.0),
    "C4": (0.50, 0.0),
    "O1": (-0.31, -0.95),
    "O2": (0.31, -0.95),
}
"""Channels of a simulated recording: place on a head of radius 1, nose up."""

_PLACES = np.array(list(ELECTRODES.values()))
_FRONTAL, _CENTRAL, _OCCIPITAL = (0.0, 0.6), (0.0, 0.0), (0.0, -1.0)
_RAMP = 0.1  # seconds: how gently an event sets in and fades
_SHORTEST = 40.0  # seconds: every class occurs


@dataclass(frozen=True, kw_only=True)
class _Subject:
    """What stays the same in one person: drawn once from the seed."""

    amplitude: float  # µV, root mean square of brain activity
    gains: Floats  # (C,) impedance and montage: a channel's own factor
    slope: float  # power of the background falls as 1 / frequency ** slope
    alpha: float  # Hz
    alpha_share: float  # of a channel's power where alpha is strongest
    spindle: float  # Hz
    complexes: float  # spike-and-wave complexes a second
    line: Floats  # (C,) µV, 50-Hz interference
    blinks: float  # a minute

    @classmethod
    def draw(cls, rng: np.random.Generator) -> _Subject:
        n_chans = len(ELECTRODES)
        return cls(
            amplitude=20.0 * rng.lognormal(0.0, 0.25),
            gains=rng.lognormal(0.0, 0.15, size=n_chans),
            slope=rng.uniform(0.9, 1.5),
            alpha=rng.uniform(8.5, 10.8),
            alpha_share=rng.uniform(0.2, 0.6),
            spindle=rng.uniform(12.3, 14.8),
            complexes=rng.uniform(2.6, 3.6),
            line=rng.lognormal(0.3, 0.5, size=n_chans),
            blinks=rng.uniform(4.0, 14.0),
        )


def simulate_eeg(
    subject: int, *, seed: int = 0, duration: float = 300.0, sfreq: float = 256.0
) -> Recording:
    """One subject's EEG: rest, spindles and spike-and-wave discharges, all annotated.

    Parameters
    ----------
    subject
        Number of the subject, 0 or more: fixes frequencies, amplitudes and where they show.
    seed
        The study; the same subject and seed give the same samples.
    duration
        Length in seconds, at least 40.
    sfreq
        Samples a second, in Hz, at least 128.

    Returns
    -------
    Recording
        The channels of :data:`ELECTRODES` in µV; one annotation for every stretch of a class.

    Raises
    ------
    ConfigError
        If a parameter is out of its range.
    """
    if subject < 0 or seed < 0:
        raise ConfigError(f"subject and seed must be 0 or more, got {subject} and {seed}.")
    if not duration >= _SHORTEST or not sfreq >= 128:
        raise ConfigError(
            f"a simulation needs at least {_SHORTEST:g} s at 128 Hz or more, "
            f"got {duration:g} s at {sfreq:g} Hz."
        )
    rng = np.random.default_rng([seed, subject])
    person = _Subject.draw(rng)
    n_times = round(duration * sfreq)
    annotations = _lay_out(n_times / sfreq, rng)
    brain = _background(person, n_times, sfreq, rng)
    waves = {
        "spike-wave": (_spike_waves(person, n_times, sfreq, rng), _FRONTAL, 0.9),
        "spindles": (_spindles(person, n_times, sfreq, rng), _CENTRAL, 0.7),
    }
    for label, (wave, centre, width) in waves.items():
        share = rng.uniform(0.45, 0.7) * _topography(centre, width)[:, None]
        active = _activity(annotations, label, n_times, sfreq)
        brain = _take_over(brain, wave, share * active)
    brain = _equal_power(brain, sfreq) * _wandering_level(n_times, sfreq, rng)
    brain *= person.amplitude * person.gains[:, None]
    data = brain + _artefacts(person, n_times, sfreq, rng)
    return Recording.from_array(
        data,
        ch_names=tuple(ELECTRODES),
        sfreq=sfreq,
        units=("µV",) * len(ELECTRODES),
        annotations=annotations,
    )


def write_edf(recording: Recording, path: str | Path) -> Path:
    """Write a recording as EDF+ with its annotations; a file that is there is replaced."""
    path = Path(path)
    edfio = require("edfio", extra="signals")
    signals = [
        edfio.EdfSignal(row, recording.sfreq, label=name, physical_dimension=unit.replace("µ", "u"))
        for row, name, unit in zip(
            recording.data.astype(np.float64), recording.ch_names, recording.units, strict=True
        )
    ]
    notes = [edfio.EdfAnnotation(a.onset, a.duration, a.label) for a in recording.annotations]
    edfio.Edf(signals, annotations=notes).write(path)
    return path


def write_study(
    folder: str | Path,
    *,
    subjects: Iterable[int] = range(8),
    seed: int = 0,
    duration: float = 300.0,
) -> list[Path]:
    """Simulate subjects and write an EDF+ file each: ``sub-01_eeg.edf`` for subject 0, and so on.

    `seed` and `duration` are those of :func:`simulate_eeg`; the folder is made if it is absent.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return [
        write_edf(
            simulate_eeg(subject, seed=seed, duration=duration),
            folder / f"sub-{subject + 1:02d}_eeg.edf",
        )
        for subject in subjects
    ]


def _lay_out(duration: float, rng: np.random.Generator) -> list[Annotation]:
    """Rest and events in turn, end to end, the two kinds of event equally often."""
    annotations: list[Annotation] = []
    onset = 0.0
    while True:
        for event in rng.permutation(["spike-wave", "spindles"]):
            for label, longest in (("rest", 12.0), (str(event), 10.0)):
                stop = min(round(onset + rng.uniform(6.0, longest), 2), duration)
                annotations.append(Annotation(onset, round(stop - onset, 6), label))
                if stop == duration:
                    return annotations
                onset = stop


def _background(person: _Subject, n_times: int, sfreq: float, rng: np.random.Generator) -> Floats:
    """1/f activity with occipital alpha, correlated between neighbours: (C, T), unit power."""
    white = rng.standard_normal((len(ELECTRODES), n_times))
    noise = _shape(white, sfreq, lambda f: np.maximum(f, 0.8) ** (-person.slope / 2) * (f > 0.3))
    source = rng.standard_normal((1, n_times))
    alpha = _shape(source, sfreq, lambda f: np.exp(-0.5 * ((f - person.alpha) / 0.5) ** 2))
    return _take_over(
        _unit_power(_neighbours(0.5) @ noise),
        _unit_power(alpha),
        person.alpha_share * _topography(_OCCIPITAL, 0.7)[:, None],
    )


def _spindles(person: _Subject, n_times: int, sfreq: float, rng: np.random.Generator) -> Floats:
    """Waxing and waning trains of a second or so, one soon after the other: (1, T)."""
    wave = np.zeros(n_times)
    onset = 0.0
    while onset < n_times / sfreq:
        length = rng.uniform(0.7, 1.5)
        t = np.arange(int(length * sfreq)) / sfreq
        frequency = person.spindle + rng.normal(0.0, 0.2)
        train = np.hanning(len(t)) * np.sin(2 * np.pi * (frequency * t + rng.random()))
        start = int(onset * sfreq)
        wave[start : start + len(t)] += train[: n_times - start]
        onset += length + rng.uniform(0.0, 0.4)
    return _unit_power(wave[None])


def _spike_waves(person: _Subject, n_times: int, sfreq: float, rng: np.random.Generator) -> Floats:
    """A sharp spike and a slow wave, about three times a second: (1, T)."""
    wander = _shape(rng.standard_normal((1, n_times)), sfreq, lambda f: f < 0.3)
    pace = person.complexes * (1 + 0.05 * _unit_power(wander)[0])
    phase = np.cumsum(pace) / sfreq % 1.0
    spike = np.exp(-0.5 * ((phase - 0.2) / 0.035) ** 2)
    slow = -(np.sin(np.pi * np.clip((phase - 0.3) / 0.7, 0.0, 1.0)) ** 2)
    wave = 1.3 * spike + slow
    return _unit_power((wave - wave.mean())[None])


def _artefacts(person: _Subject, n_times: int, sfreq: float, rng: np.random.Generator) -> Floats:
    """What is no brain activity: blinks, mains, electrode drift, amplifier noise; (C, T) in µV."""
    n_chans = len(ELECTRODES)
    t = np.arange(n_times) / sfreq
    blinks = np.zeros(n_times)
    for onset in rng.uniform(0.0, t[-1], size=rng.poisson(person.blinks * t[-1] / 60)):
        blinks += rng.uniform(50.0, 100.0) * np.exp(-0.5 * ((t - onset) / 0.09) ** 2)
    mains = np.sin(2 * np.pi * 50.0 * t + rng.uniform(0.0, 2 * np.pi, size=(n_chans, 1)))
    noise = rng.standard_normal((2, n_chans, n_times))
    drift = _shape(noise[0], sfreq, lambda f: 1 / np.maximum(f, 0.02))
    eyes = _topography((0.0, 1.1), 0.45)[:, None] * blinks
    return np.asarray(eyes + person.line[:, None] * mains + 10.0 * _unit_power(drift) + noise[1])


def _take_over(brain: Floats, wave: Floats, share: Floats) -> Floats:
    """Give `wave` a share (0 to 1) of each channel's power, at the expense of the rest."""
    return np.asarray(np.sqrt(1 - share) * brain + np.sqrt(share) * wave)


def _equal_power(brain: Floats, sfreq: float) -> Floats:
    """Divide by the running root mean square (about 2 s), so that power carries no class."""
    power = _smooth(brain**2, sfreq, seconds=1.0)
    return np.asarray(brain / np.sqrt(power))


def _wandering_level(n_times: int, sfreq: float, rng: np.random.Generator) -> Floats:
    """A factor around 1 that wanders within tens of seconds, all channels alike: (1, T)."""
    walk = _smooth(rng.standard_normal((1, n_times)), sfreq, seconds=5.0)
    return np.asarray(np.exp(0.2 * _unit_power(walk)))


def _activity(annotations: list[Annotation], label: str, n_times: int, sfreq: float) -> Floats:
    """1 inside the events of one label, 0 outside, with ramps between: (T,)."""
    active = np.zeros(n_times)
    for event in annotations:
        if event.label == label:
            start = round(event.onset * sfreq)
            active[start : start + round(event.duration * sfreq)] = 1.0
    return np.asarray(np.clip(_smooth(active[None], sfreq, seconds=_RAMP)[0], 0.0, 1.0))


def _topography(centre: tuple[float, float], width: float) -> Floats:
    """Weight of each channel, 1 at `centre` and less with distance: (C,)."""
    distance = np.linalg.norm(_PLACES - np.array(centre), axis=1)
    return np.asarray(np.exp(-0.5 * (distance / width) ** 2))


def _neighbours(reach: float) -> Floats:
    """How strongly each channel sees the source below every other: (C, C)."""
    distance = np.linalg.norm(_PLACES[:, None] - _PLACES, axis=-1)
    return np.asarray(np.exp(-distance / reach))


def _shape(noise: Floats, sfreq: float, gain: Callable[[Floats], npt.NDArray[Any]]) -> Floats:
    """Multiply the spectrum of noise by `gain` of the frequency in Hz."""
    n_times = noise.shape[-1]
    frequency = np.fft.rfftfreq(n_times, 1 / sfreq)
    return np.fft.irfft(np.fft.rfft(noise) * gain(frequency), n_times)


def _smooth(signal: Floats, sfreq: float, *, seconds: float) -> Floats:
    """Gaussian smoothing along time (the ends meet); `seconds` is its standard deviation."""
    return _shape(signal, sfreq, lambda f: np.exp(-2 * (np.pi * f * seconds) ** 2))


def _unit_power(signal: Floats) -> Floats:
    """Scale each row to a root mean square of 1."""
    return np.asarray(signal / np.sqrt(np.mean(signal**2, axis=-1, keepdims=True)))
