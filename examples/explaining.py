"""
Explaining a prediction
=======================

Which channels, which moments and which bands speak for what a model says? Each part of a window is
made missing in turn, as if it had not been recorded, and the change of the log-odds is its score.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import biot

temporary = tempfile.TemporaryDirectory()
work = Path(temporary.name)
*known, new = biot.simulate.write_study(work / "eeg", subjects=range(7), duration=90)
settings = {"sfreq": 200, "window": 4, "stride": 1, "align": "events", "labels": "annotations"}
biot.prepare(known, work / "corpus", **settings)
model = {"embed_dim": 32, "num_layers": 1}
biot.finetune(work / "corpus", work / "run", **model, epochs=20, batch_size=32, learning_rate=3e-3)
predictor = biot.Predictor.from_pretrained(work / "run" / "model")

# %%
# The window in which spindles are most probable.

predictions = predictor.predict(new, stride=1)
probable = predictions.probabilities[:, predictions.label_names.index("spindles")]
start = float(predictions.start[np.nanargmax(probable)])
explanation = predictor.explain(new, start=start, target="spindles")
print(explanation.title)

# %%
# Spindles are simulated over the middle of the head (C3 and C4), at 12 to 15 Hz: between what are
# called the alpha and beta bands.

figure, (channels, cells, bands) = plt.subplots(
    1, 3, figsize=(11, 3.4), width_ratios=[1, 2, 1], layout="constrained"
)
channels.barh(explanation.ch_names, explanation.channel_scores, color="tab:blue")
channels.invert_yaxis()
channels.set_title("channels")
largest = np.nanmax(np.abs(explanation.cell_scores))
image = cells.imshow(
    explanation.cell_scores, aspect="auto", cmap="RdBu_r", vmin=-largest, vmax=largest,
    extent=(*explanation.stretches[[0, -1], [0, 1]], len(explanation.ch_names), 0),
)  # fmt: skip
cells.set(title="channels in time", xlabel="seconds", yticks=[])
figure.colorbar(image, ax=cells, label="log-odds of spindles")
bands.barh([band.name for band in explanation.bands], explanation.band_scores, color="tab:blue")
bands.set_title("bands")
plt.show()

# %%
# The same as a table.

table = explanation.to_dataframe()
print(table.sort_values("score", ascending=False).head(5).to_string(index=False))
