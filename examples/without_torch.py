"""
Exporting a model and running it without torch
==============================================

An exported model is one ONNX file: the network, and in its metadata the channels, the preprocessing
and the labels. `biot.runtime` predicts with it where PyTorch is not installed.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import biot
from biot.inference import export_onnx
from biot.runtime import OnnxPredictor

temporary = tempfile.TemporaryDirectory()
work = Path(temporary.name)
*known, new = biot.simulate.write_study(work / "eeg", subjects=range(7), duration=90)
settings = {"sfreq": 200, "window": 4, "stride": 1, "align": "events", "labels": "annotations"}
biot.prepare(known, work / "corpus", **settings)
model = {"embed_dim": 32, "num_layers": 1}
training = {"epochs": 20, "batch_size": 32, "learning_rate": 3e-3}
metrics = biot.finetune(work / "corpus", work / "run", **model, **training)
print(f"balanced accuracy on unseen subjects: {metrics['test']['balanced_accuracy']:.2f}")

# %%
# Export. ONNX Runtime repeats the model's scores before the file gets its name.

predictor = biot.Predictor.from_pretrained(work / "run" / "model")
trained = biot.BIOT.from_pretrained(work / "run" / "model")
path = export_onnx(trained, work / "model.onnx", preprocessing=predictor.preprocessing)
print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB")

# %%
# From here on, no line needs torch. The file says what it expects: channels, rate, units, labels.

onnx = OnnxPredictor.from_file(path)
print(onnx)

# %%
# It takes recordings as the model's folder does, prepares them by the same code, and gives the same
# predictions.

found = onnx.predict(new, stride=1)
print(found.to_events(background="rest"))
known_to_torch = predictor.predict(new, stride=1)
print(f"largest difference: {np.abs(found.probabilities - known_to_torch.probabilities).max():.1e}")

figure, axes = plt.subplots(figsize=(7, 2.5), layout="constrained")
for column, label in enumerate(found.label_names):
    line = axes.plot(known_to_torch.start + 2, known_to_torch.probabilities[:, column], linewidth=4)
    axes.plot(found.start + 2, found.probabilities[:, column], "k--", linewidth=1)
    line[0].set(alpha=0.4, label=f"{label}, PyTorch")
axes.plot([], [], "k--", linewidth=1, label="ONNX Runtime")
axes.set(xlabel="seconds", ylabel="probability", ylim=(0, 1.02))
figure.legend(loc="outside right center", frameon=False)
plt.show()
