"""Nights of sleep from the windows of a corpus."""

# W windows
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from biot.corpus.corpus import Corpus
from biot.evaluation.events.nights import Night, epoch_of
from biot.evaluation.events.sleep import stages_among
from biot.evaluation.metrics import Ints

__all__ = ["nights_of"]


def nights_of(
    corpus: Corpus, rows: Ints, true_W: Ints, decided_W: Ints, label_names: Sequence[str]
) -> list[Night]:
    """Each recording epoch by epoch; none where classes are no stages of sleep.

    Epochs are as long as most windows lie apart. A night begins with its first labelled window;
    epochs without one are not scored.

    Parameters
    ----------
    corpus
        What the windows are of.
    rows
        (W,) their positions in it.
    true_W, decided_W
        (W,) classes; −1 in the second where nothing is said.
    label_names
        Names of the classes.
    """
    stages = stages_among(label_names)
    if stages is None:
        return []
    names = np.array([*(stages[name] for name in label_names), ""], dtype=object)
    recordings, starts = corpus.recordings[rows], corpus.starts[rows]
    nights = []
    for name in dict.fromkeys(recordings.tolist()):
        own = np.flatnonzero(recordings == name)
        own = own[np.argsort(starts[own], kind="stable")]
        start = starts[own]
        nights.append(
            Night.of_windows(
                name, str(corpus.subjects[rows[own[0]]]), start,
                epoch_of(start, corpus.preprocessing.window),
                names[true_W[own]].tolist(), names[decided_W[own]].tolist(),
            )
        )  # fmt: skip
    return nights
