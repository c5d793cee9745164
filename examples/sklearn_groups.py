"""
A scikit-learn pipeline with groups
===================================

`BIOTClassifier` and `BIOTTransformer` are estimators of scikit-learn: they take arrays of windows
(n, channels, samples) or ``mne.Epochs``, and work with its pipelines and cross-validation. Subjects
are groups, so that nobody is in both training and test.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import RidgeClassifierCV
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from biot.simulate import simulate_eeg
from biot.sklearn import BIOTClassifier, BIOTTransformer

# %%
# Windows of 4 s of six subjects: one from every annotated stretch of simulated EEG.

X, y, subjects = [], [], []
for subject in range(6):
    recording = simulate_eeg(subject, duration=120, sfreq=200)
    for note in recording.annotations:
        if note.duration >= 4:
            start = round(note.onset * recording.sfreq)
            X.append(recording.data[:, start : start + 800])
            y.append(note.label)
            subjects.append(subject)
X, y, subjects = np.stack(X), np.array(y), np.array(subjects)
print(X.shape, dict(zip(*np.unique(y, return_counts=True), strict=True)))

# %%
# Features of an encoder and a classifier of scikit-learn. The encoder is a random one here; a
# pretrained one is named by ``from_model``.

signal = {"sfreq": 200, "ch_names": recording.ch_names, "units": "µV"}
size = {"embed_dim": 32, "num_layers": 1, "hop_length": 100}
pipeline = make_pipeline(
    BIOTTransformer(**signal, **size), StandardScaler(), RidgeClassifierCV(np.logspace(-2, 4, 7))
)
folds = GroupKFold(3)
random_scores = cross_val_score(
    pipeline, X, y, groups=subjects, cv=folds, scoring="balanced_accuracy"
)
print(f"random encoder and ridge: {random_scores.mean():.2f} {random_scores.round(2)}")

# %%
# The whole network, fine-tuned in each fold. Its own validation windows are of whole subjects too,
# when ``fit`` is given the groups.

scores = []
for train, test in folds.split(X, y, subjects):
    classifier = BIOTClassifier(**signal, **size, epochs=20, batch_size=16, learning_rate=3e-3)
    classifier.fit(X[train], y[train], groups=subjects[train])
    scores.append(balanced_accuracy_score(y[test], classifier.predict(X[test])))
print(f"fine-tuned: {np.mean(scores):.2f} {np.round(scores, 2)}")

# %%
# With six subjects neither is better for certain: each dot is a fold of two subjects.

figure, axes = plt.subplots(figsize=(6, 2), layout="constrained")
axes.plot(random_scores, [1] * 3, "o", color="tab:grey")
axes.plot(scores, [0] * 3, "o", color="tab:blue")
axes.axvline(1 / 3, color="black", linestyle=":", label="chance")
axes.set(yticks=[1, 0], yticklabels=["random encoder, ridge", "fine-tuned"], ylim=(-0.5, 1.5))
axes.set(xlim=(0.2, 1.02), xlabel="balanced accuracy on subjects that were left out")
axes.legend(frameon=False, loc="center left")
plt.show()
