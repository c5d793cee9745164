"""Explanations of a model that has learnt, and of models that have not."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from biot import Explanation
from biot.inference import Predictor
from biot.preprocessing import Preprocessing
from biot.signals import Recording
from biot.simulate import simulate_eeg

from .conftest import new_model

EVENTS = {
    # label: channels at which the simulation lets it take over most power, and its band
    "spindles": ({"C3", "C4", "F3", "F4"}, "11-16 Hz"),
    "spike-wave": ({"Fp1", "Fp2", "F3", "F4"}, "0.5-4 Hz"),
}
BANDS = "0.5-4,4-8,8-11,11-16,16-30"
SUBJECTS = range(40, 45)


@cache
def simulated(subject: int) -> Recording:
    return simulate_eeg(subject, duration=40, sfreq=200)


def explained(predictor: Predictor, label: str, subject: int) -> tuple[Explanation, float]:
    """A window of an unknown subject in which the event begins after two of four seconds."""
    recording = simulated(subject)
    onset = next(
        a.onset
        for a in recording.annotations
        if a.label == label and 3 < a.onset < 34 and a.duration > 3
    )
    found = predictor.explain(recording, start=onset - 2, target=label, bands=BANDS)
    return found, onset


def hits(predictor: Predictor) -> np.ndarray:
    """(10, 3) whether channel, stretch and band that carry the event score highest."""
    rows = []
    for label, (channels, band) in EVENTS.items():
        for subject in SUBJECTS:
            found, onset = explained(predictor, label, subject)
            stretch = found.stretches[found.stretch_scores.argmax()]
            rows.append(
                (
                    found.ch_names[found.channel_scores.argmax()] in channels,
                    stretch[0] >= onset - 0.26,
                    found.bands[found.band_scores.argmax()].name == band,
                )
            )
    return np.array(rows)


def test_channels_times_and_bands_of_events_are_found_in_nine_of_ten_recordings(
    trained: Predictor,
) -> None:
    assert (hits(trained).sum(axis=0) >= 9).all()


def test_random_models_show_no_event(study_contract: Preprocessing, trained: Predictor) -> None:
    """A random model favours the same channels and bands whatever the window holds: that may fit
    one of the two kinds of event, never both. And little depends on any stretch: about a tenth of
    what does in the trained model, whose scores are others on another processor."""
    learnt, _ = explained(trained, "spindles", 41)
    for seed in range(2):
        predictor = Predictor(new_model(study_contract, seed), study_contract, device="cpu")
        assert hits(predictor).all(axis=1).sum() <= 5
        found, _ = explained(predictor, "spindles", 41)
        assert np.ptp(found.stretch_scores) < 0.2 * np.ptp(learnt.stretch_scores)


@pytest.mark.parametrize("label", EVENTS)
def test_what_carries_an_event_speaks_for_it_and_the_time_before_against(
    trained: Predictor, label: str
) -> None:
    found, onset = explained(trained, label, 43)
    inside = found.stretches[:, 0] >= onset
    assert found.stretch_scores[inside].mean() > 0 > found.stretch_scores[~inside].mean()
