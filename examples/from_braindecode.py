"""
A braindecode script with the import changed
============================================

`biot.BIOT` takes the place of ``braindecode.models.BIOT``: the same signature, files, numbers and
module names. So a script that was written for braindecode needs one line changed, and its models
then allow for missing data.
"""

import matplotlib.pyplot as plt
import numpy as np
import skorch
import torch
from skorch.callbacks import EpochScoring
from skorch.helper import predefined_split

# from braindecode.models import BIOT
from biot import BIOT
from biot.simulate import simulate_eeg

# %%
# Windows as braindecode's data sets give them, (channels, samples), here of simulated EEG: is it
# rest or not?


def windows(subjects):
    """Windows of 4 s at 200 Hz, and whether something happens in them."""
    X, y = [], []
    for subject in subjects:
        recording = simulate_eeg(subject, duration=120, sfreq=200)
        for note in recording.annotations:
            if note.duration >= 4:
                start = round(note.onset * 200)
                X.append(recording.data[:, start : start + 800] / 30)
                y.append(int(note.label != "rest"))
    return np.stack(X).astype(np.float32), np.array(y)


X, y = windows(range(5))
held_out = skorch.dataset.Dataset(*windows(range(5, 7)))

# %%
# From here on, nothing is changed.

torch.manual_seed(0)
model = BIOT(
    n_outputs=2, n_chans=X.shape[1], n_times=X.shape[2], sfreq=200,
    embed_dim=32, num_heads=4, num_layers=1,
)  # fmt: skip
classifier = skorch.NeuralNetClassifier(
    model, criterion=torch.nn.CrossEntropyLoss, optimizer=torch.optim.AdamW, lr=3e-3,
    batch_size=16, max_epochs=8, iterator_train__shuffle=True,
    train_split=predefined_split(held_out),
    callbacks=[EpochScoring("balanced_accuracy", lower_is_better=False)],
)  # fmt: skip
classifier.fit(X, y)

figure, axes = plt.subplots(figsize=(6, 2.5), layout="constrained")
axes.plot(classifier.history[:, "train_loss"], label="training")
axes.plot(classifier.history[:, "valid_loss"], label="held-out subjects")
axes.set(xlabel="epoch", ylabel="loss", ylim=(0, None))
axes.legend(frameon=False)
plt.show()

# %%
# The parts have the names that they have there, so hooks, replaced heads and adapters fit.

print([name for name, _ in model.named_children()])
features = model(torch.from_numpy(X[:2]), return_features=True)["features"]
print(tuple(features.shape))

# %%
# What is new: a NaN is a missing sample. It costs the tokens that hold it, and nothing else.

x = torch.from_numpy(X[:1].copy())
x[0, 2, 300:500] = torch.nan
print(model.eval()(x))
