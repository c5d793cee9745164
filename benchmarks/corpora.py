"""Every data set of the shared data: prepared, described, and four of them in one batch.

Claim: all are prepared by the public calls, and one batch that mixes EEG of two montages, ECG and
movement goes through one model, where each sample gives what it gives alone.

    python benchmarks/corpora.py [--data ../shared/data] [--only eegmat hapt]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from tabulate import tabulate

from biot import BIOT
from biot.corpus import load_corpus
from biot.corpus.batch import collate
from biot.corpus.summary import overview
from real_data import DATA, MAKERS, make

MIXED = ("eegmat", "ssvep", "ptbxl500", "cinc2017")  # all at 200 Hz


def mixed_batch(folders: dict[str, Path]) -> list[list[object]]:
    """One batch with windows of four corpora through a model, beside each window alone."""
    corpora = load_corpus(*(folders[name] for name in MIXED))
    picked = [int(np.flatnonzero(corpora.corpus_ids == i)[0]) for i in range(len(MIXED))]
    torch.manual_seed(0)
    model = BIOT(
        n_outputs=4, channels=corpora.ch_names, n_chans=len(corpora.ch_names), n_times=2000
    ).eval()
    rows = []
    with torch.no_grad():
        batch = collate(corpora, picked, vocabulary=corpora.ch_names)
        together = _scores(model, batch)
        for place, (name, index) in enumerate(zip(MIXED, picked, strict=True)):
            alone = _scores(model, collate(corpora, [index], vocabulary=corpora.ch_names))
            difference = (together[place] - alone[0]).abs().max() / alone.abs().max()
            present = int((batch.channel_ids[place] >= 0).sum())
            rows.append([name, present, int(batch.lengths[place]), difference.item()])
    return rows


def _scores(model: BIOT, batch: object) -> torch.Tensor:
    return model(
        batch.signal, valid=batch.valid, channel_ids=batch.channel_ids, lengths=batch.lengths
    )


def main() -> int:
    """Prepare, describe, mix."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA, help="the shared data")
    parser.add_argument("--only", nargs="+", choices=MAKERS, default=list(MAKERS))
    arguments = parser.parse_args()
    warnings.simplefilter("always")
    with tempfile.TemporaryDirectory() as scratch:
        folders = {}
        for name in arguments.only:
            started = time.monotonic()
            folders |= make([name], arguments.data, Path(scratch))
            seconds = time.monotonic() - started
            sys.stdout.write(f"\n== {name} ({seconds:.1f} s)\n{overview(folders[name])}\n")
        if set(MIXED) <= set(folders):
            headers = ["corpus", "channels", "samples", "differs from alone by"]
            sys.stdout.write(
                f"\n== one batch of four corpora\n{tabulate(mixed_batch(folders), headers)}\n"
            )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
