"""BIDS, the Brain Imaging Data Structure: events from ``events.tsv`` beside the recordings.

Source: https://bids-specification.readthedocs.io. Licence: each data set has its own, in
``dataset_description.json``. What a data set is about nothing says: 200 Hz and 1 s from each event
on are a beginning, ``--window``, ``--align`` and ``--label-map`` fit it to the task.
"""

from __future__ import annotations

from biot.corpus.builder.layouts.dataset import DatasetLayout, annotated

__all__ = ["LAYOUT"]

LAYOUT = DatasetLayout(
    name="bids",
    title="BIDS (EEG, iEEG, MEG, …)",
    expects="dataset_description.json, sub-01/[ses-01/]eeg/sub-01_…_eeg.* + …_events.tsv",
    licence="see the data set",
    recordings=r"sub-(?P<subject>[A-Za-z0-9]+)_(?:ses-(?P<session>[A-Za-z0-9]+)_)?[^/]*_"
    r"(?:eeg|ieeg|meg|emg)\.[a-z]+",
    needs=("dataset_description.json",),
    labels=annotated,
    label_names=(),
    settings={"sfreq": 200, "window": 1, "align": "events"},
)
