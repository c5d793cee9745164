"""
mne.Raw in, annotations out
===========================

A trained model takes what MNE-Python holds in memory, and gives back annotations that MNE shows,
saves and cuts epochs by.
"""

import tempfile
from pathlib import Path

import mne

import biot
from biot.events.files.mne import annotations_of

mne.set_log_level("warning")
temporary = tempfile.TemporaryDirectory()
work = Path(temporary.name)
*known, new = biot.simulate.write_study(work / "eeg", subjects=range(7), duration=90)
settings = {"sfreq": 200, "window": 4, "stride": 1, "align": "events", "labels": "annotations"}
biot.prepare(known, work / "corpus", **settings)
model = {"embed_dim": 32, "num_layers": 1}
training = {"epochs": 10, "batch_size": 32, "learning_rate": 3e-3}
metrics = biot.finetune(work / "corpus", work / "run", **model, **training)
print(f"balanced accuracy on unseen subjects: {metrics['test']['balanced_accuracy']:.2f}")

# %%
# A ``Raw``, read and filtered as you like. Its channels are found by name, its volts become the
# model's unit, and another sampling rate is resampled.

raw = mne.io.read_raw_edf(new, preload=True)
raw.filter(0.5, 45)
predictor = biot.Predictor.from_pretrained(work / "run" / "model")
print(predictor.montage(raw))

# %%
# Predictions, events, annotations.

predictions = predictor.predict(raw, stride=0.5)
events = predictions.to_events(background="rest", min_duration=1)
found = annotations_of(events)
print(found)

# %%
# Set beside what the file was annotated with, one colour a label.

truth = raw.annotations.copy()
raw.set_annotations(found)
figure = raw.plot(duration=60, scalings={"eeg": 60e-6}, show_scrollbars=False)
for label in sorted(set(truth.description) - {"rest"}):
    annotated = sum(truth.duration[truth.description == label])
    seconds = sum(event.duration for event in events.of_label(label))
    print(f"{label}: {annotated:.0f} s annotated, {seconds:.0f} s found")
