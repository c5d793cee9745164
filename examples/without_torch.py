"""
Exporting a model and running it without torch
==============================================

An exported model is one ONNX file: the network, and in its metadata the channels, the preprocessing
and the labels. ONNX Runtime computes it where PyTorch is not installed.
"""

import json
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime

import biot
from biot.inference import export_onnx

temporary = tempfile.TemporaryDirectory()
work = Path(temporary.name)
*known, new = biot.simulate.write_study(work / "eeg", subjects=range(6), duration=60)
settings = {"sfreq": 200, "window": 4, "stride": 1, "align": "events", "labels": "annotations"}
biot.prepare(known, work / "corpus", **settings)
model = {"embed_dim": 32, "num_layers": 1}
biot.finetune(work / "corpus", work / "run", **model, epochs=6, batch_size=32, learning_rate=3e-3)

# %%
# Export. ONNX Runtime repeats the model's scores before the file gets its name.

predictor = biot.Predictor.from_pretrained(work / "run" / "model")
trained = biot.BIOT.from_pretrained(work / "run" / "model")
path = export_onnx(trained, work / "model.onnx", preprocessing=predictor.preprocessing)
print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB")

# %%
# From here on, no line needs torch. What the file expects stands in it.

session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
for one in session.get_inputs():
    print(one.name, one.type, one.shape)
metadata = session.get_modelmeta().custom_metadata_map
preprocessing = json.loads(metadata["preprocessing"])
print(preprocessing["ch_names"], preprocessing["sfreq"], preprocessing["label_names"])
print(metadata["probabilities"])

# %%
# One window of 4 s, prepared as the file says: the rate, and each channel divided by its 95th
# percentile.

recording = biot.signals.resampled(biot.read_recording(new), preprocessing["sfreq"])
window = recording.read(0, 800).astype(np.float32)
scale = biot.signals.q95_scale(window)
x = (window / scale)[None]
channels = json.loads(metadata["channels"])
rows = [channels.index(name) for name in recording.ch_names]
scores = session.run(
    ["scores"],
    {"x": x, "channel_ids": np.array([rows]), "valid": np.isfinite(x)},
)[0]
print(scores)
