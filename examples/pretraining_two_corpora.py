"""
Pretraining on two corpora
==========================

An encoder learns without labels from corpora of different channels, lengths and rates, and a
fine-tuned model starts from it. This run is far too short to be of use, and the data are simulated:
it shows how, not how well. What pretraining was worth on real sets is in :doc:`/benchmarks`.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

import biot
from biot.simulate import simulate_eeg, write_edf

temporary = tempfile.TemporaryDirectory()
work = Path(temporary.name)

# %%
# Two corpora. The first has eight channels and windows of 4 s, the second four channels of another
# clinic, at another rate, and windows of 3 s.

first = biot.simulate.write_study(work / "first", subjects=range(4), duration=60)
(work / "second").mkdir()
second = [
    write_edf(
        simulate_eeg(subject, seed=1, duration=60, sfreq=250).pick([0, 1, 4, 5]),
        work / "second" / f"sub-{subject}_eeg.edf",
    )
    for subject in range(4)
]
biot.prepare(first, work / "corpus_1", sfreq=200, window=4)
print(biot.prepare(second, work / "corpus_2", sfreq=200, window=3))

# %%
# The model's vocabulary is the union of the channels. Killed and started again, the same call goes
# on from the last checkpoint.

size = {"embed_dim": 32, "num_layers": 1}
finished = biot.pretrain(
    [work / "corpus_1", work / "corpus_2"], work / "pretrained", steps=40, batch_size=32, **size
)
print("finished:", finished)
encoder = biot.BIOT.from_pretrained(work / "pretrained" / "model")
print(encoder.channels)
history = pd.read_csv(work / "pretrained" / "history.csv")
figure, axes = plt.subplots(figsize=(6, 2.5), layout="constrained")
axes.plot(history["step"], history["loss"], "o-", color="tab:blue")
axes.set(xlabel="step", ylabel="contrastive loss")
plt.show()

# %%
# Fine-tuning begins with these weights, on other subjects: a test on recordings that the encoder
# has seen would be refused.

settings = {"sfreq": 200, "window": 4, "stride": 2, "align": "events", "labels": "annotations"}
others = biot.simulate.write_study(work / "others", subjects=range(4, 9), duration=60)
biot.prepare(others, work / "labelled", **settings)
metrics = biot.finetune(
    work / "labelled", work / "run", from_model=work / "pretrained" / "model", epochs=3
)
print(f"balanced accuracy on unseen subjects: {metrics['test']['balanced_accuracy']:.2f}")
