"""
From a folder of EDF files to a report
======================================

Recordings with annotated events become a corpus of windows, a model learns from them, and a
recording of a subject that it has not seen becomes probabilities, events and a page to look at.

The EEG is simulated, so that the script needs no data: rest, spindles and spike-and-wave
discharges. Put your own folder in its place.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt

import biot
from biot.report.recording import recording_report

temporary = tempfile.TemporaryDirectory()
work = Path(temporary.name)
*known, new = biot.simulate.write_study(work / "eeg", subjects=range(9), duration=120)
print([path.name for path in known])

# %%
# Prepare
# -------
# Windows of 4 s at 200 Hz, labelled by the annotations of the files. What the files are and what
# became of them is in the report that is printed.

settings = {"sfreq": 200, "window": 4, "stride": 1, "align": "events", "labels": "annotations"}
print(biot.prepare(known, work / "corpus", **settings))

# %%
# Learn
# -----
# A small model, which takes seconds. Subjects are split, so that no one is both trained on and
# tested on. Beside the score of the model stands what needs no network at all: a ridge regression
# on log band powers.

model = {"embed_dim": 32, "num_layers": 1}
training = {"epochs": 20, "batch_size": 32, "learning_rate": 3e-3}
metrics = biot.finetune(work / "corpus", work / "run", **model, **training)
print(f"balanced accuracy on unseen subjects: {metrics['test']['balanced_accuracy']:.2f}")

# %%
# Predict
# -------
# A window every second, and the stretches of time that their probabilities amount to.

predictor = biot.Predictor.from_pretrained(work / "run" / "model")
predictions = predictor.predict(new, stride=0.5)
events = predictions.to_events(background="rest", min_duration=2)
print(events)
print(events.to_dataframe().head())

# %%
# Above the model's probabilities lies the signal; the bars below show which events were found, and
# which the recording was annotated with.

recording = biot.read_recording(new)
shown = [name for name in ("F3", "C3", "C4", "O1") if name in recording.ch_names]
seconds = [sample / recording.sfreq for sample in range(recording.n_times)]
colours = {"rest": "0.6", "spike-wave": "tab:red", "spindles": "tab:blue"}

figure, (signal, chance, found) = plt.subplots(
    3, sharex=True, figsize=(10, 5.5), height_ratios=[4, 2.5, 1], layout="constrained"
)
for row, name in enumerate(shown):
    values = recording.data[recording.ch_names.index(name)]
    signal.plot(seconds, values - 150 * row, color="black", linewidth=0.3)
signal.set(yticks=[-150 * row for row in range(len(shown))], yticklabels=shown)
signal.set_title(f"{recording.name}: a subject that the model has not seen", loc="left")
middle = (predictions.start + predictions.stop) / 2
for column, label in enumerate(predictions.label_names):
    chance.plot(middle, predictions.probabilities[:, column], color=colours[label], label=label)
chance.set(ylabel="probability", ylim=(0, 1.02))
chance.legend(loc="upper left", ncols=3, fontsize="small", frameon=False, bbox_to_anchor=(0, 1.25))
for event in events:
    found.broken_barh([(event.onset, event.duration)], (1.1, 0.8), color=colours[event.label])
for note in recording.annotations:
    found.broken_barh([(note.onset, note.duration)], (0.1, 0.8), color=colours[note.label])
found.set(yticks=[1.5, 0.5], yticklabels=["found", "annotated"], xlim=(0, recording.duration))
found.set_xlabel("seconds")
plt.show()

# %%
# Show
# ----
# The training has written its own page. A recording's page has a timeline with the signals, the
# probabilities and the events; both open in a browser, without a network.

page = recording_report(
    work / "night.html", predictions, recording, events=events,
    preprocessing=predictor.preprocessing,
)  # fmt: skip
for file in (work / "run" / "report.html", page):
    print(file.name, f"{file.stat().st_size / 1e6:.1f} MB")
