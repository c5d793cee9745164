"""
Missing channels
================

Recordings lack channels: an electrode comes off, another clinic uses fewer. What is missing is
masked exactly: it gives no tokens, and the others are as they would have been. No channel is filled
with zeros or guessed from its neighbours.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

import biot

# %%
# A model sees no difference between a channel that is NaN and one that was never there.

torch.manual_seed(0)
names = ("Fp1", "Fp2", "C3", "C4", "O1", "O2")
model = biot.BIOT(n_outputs=3, channels=names, n_times=800, embed_dim=32, num_layers=1).eval()
x = torch.randn(1, 6, 800)
lost = x.clone()
lost[0, 3] = torch.nan
few = [0, 1, 2, 4, 5]
with torch.no_grad():
    masked = model(lost)
    shorter = model(x[:, few], channel_ids=torch.tensor([few]))
print(torch.allclose(masked, shorter, atol=1e-5))

# %%
# A trained model, and a recording that loses its channels one after the other.

temporary = tempfile.TemporaryDirectory()
work = Path(temporary.name)
*known, new = biot.simulate.write_study(work / "eeg", subjects=range(9), duration=120)
settings = {"sfreq": 200, "window": 4, "stride": 1, "align": "events", "labels": "annotations"}
biot.prepare(known, work / "corpus", **settings)
size = {"embed_dim": 32, "num_layers": 1}
biot.finetune(work / "corpus", work / "run", **size, epochs=20, batch_size=32, learning_rate=3e-3)
predictor = biot.Predictor.from_pretrained(work / "run" / "model")

recording = biot.read_recording(new)
print(predictor.montage(recording.pick([0, 2, 4])))

# %%
# Of each window: is its label what the recording is annotated with at its middle?


def share_right(part):
    """Share of the windows that are labelled as the annotations say."""
    predictions = predictor.predict(part, stride=1)
    right = []
    for middle, label in zip(predictions.start + 2, predictions.labels, strict=True):
        truth = [n.label for n in recording.annotations if n.onset <= middle < n.onset + n.duration]
        right += [label == truth[0]] if truth else []
    return np.mean(right)


draw = np.random.default_rng(0)
n_chans = len(recording.ch_names)
kept = range(n_chans, 0, -1)
shares = [
    [share_right(recording.pick(sorted(draw.permutation(n_chans)[:n]))) for _ in range(3)]
    for n in kept
]
figure, axes = plt.subplots(figsize=(7, 3), layout="constrained")
axes.plot(kept, shares, "o", color="tab:blue", alpha=0.4)
axes.plot(kept, np.mean(shares, axis=1), color="tab:blue", label="mean of three draws")
axes.set(xlabel=f"channels left of {n_chans}", ylabel="windows labelled right", ylim=(0, 1.02))
axes.invert_xaxis()
axes.legend(frameon=False)
plt.show()
