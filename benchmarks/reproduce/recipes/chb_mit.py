"""CHB-MIT: seizures, as Yang et al. (NeurIPS 2023) label windows, and as they should be.

The authors call a window of 10 s a seizure only if a seizure begins or ends inside it. A window in
the middle of a long seizure counts as background. To these they add, in every part, windows every
5 s from one second before a seizure to one second after it, all called seizure. So the same seconds
may be there twice, once as background. Both ways are prepared here; their scores must not be
compared with each other.

Both use 16 bipolar channels at 200 Hz. The authors train on the folders chb01 to chb20, validate on
chb21 and chb22 and test on chb23 and chb24, although chb21 is the same person as chb01. The
corrected way validates on chb20 and chb22, and trains on chb21.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.reproduce.recipes.steps import Row, Steps, read_table, write_table
from biot.corpus import load_corpus

__all__ = ["as_published", "chb_mit"]

WINDOW, STEP, MARGIN = 10.0, 5.0, 1.0
_PUBLISHED_PARTS = {"chb21": "valid", "chb22": "valid", "chb23": "test", "chb24": "test"}
_CORRECTED_PARTS = {"chb20": "valid", "chb22": "valid", "chb23": "test", "chb24": "test"}
_LABELS = ("--layout", "chb-mit", "--split-column", "split")
_TRAINING = ("--split", "column", "--n-fft", "200", "--hop-length", "100")


def chb_mit(data: Path, out: Path, quick: bool) -> None:
    """`data` holds ``chb01`` to ``chb24`` with their summaries."""
    steps = Steps(out=out, quick=quick)
    seizures = out / "seizures.tsv"
    out.mkdir(parents=True, exist_ok=True)
    steps.run("labels", data, "--layout", "chb-mit", "--out", seizures)
    rows = read_table(seizures)
    parts = write_table(out / "corrected.tsv", [_in_part(row, _CORRECTED_PARTS) for row in rows])
    corrected = steps.prepared(
        "corpus", data, *_LABELS, "--labels", parts, "--background", "background"
    )
    table = write_table(out / "published.tsv", list(_windows(corrected, rows)))
    published = steps.prepared("corpus-as-published", data, *_LABELS, "--labels", table,
                               "--epoch", "0", f"{WINDOW:g}")  # fmt: skip
    metric = () if quick else ("--metric", "auroc")
    for name, corpus, figures in (
        ("CHB-MIT as published", published,
         {"balanced_accuracy": ".707 ± .046", "auprc": ".328 ± .046", "auroc": ".876 ± .028"}),
        ("CHB-MIT corrected", corrected, {}),
    ):  # fmt: skip
        run = name.removeprefix("CHB-MIT ").replace(" ", "-")
        metrics = steps.trained(run, corpus, *_TRAINING, *metric)
        steps.tell(
            f"{name}: windows of 10 s, chb23 and chb24", [one["test"] for one in metrics], figures
        )


def _in_part(row: Row, parts: dict[str, str]) -> Row:
    """A row with the part of its folder."""
    folder = Path(row["file"]).name[:5]
    return {**row, "split": parts.get(folder, "train")}


def _windows(corpus: Path, seizures: list[Row]) -> Iterator[Row]:
    """A row for every window of the authors."""
    windows = load_corpus(corpus)
    ends: dict[str, float] = {}
    starts: dict[str, list[float]] = {}
    for name, start in zip(windows.recordings.tolist(), windows.starts.tolist(), strict=True):
        starts.setdefault(name, []).append(start)
        ends[name] = max(ends.get(name, 0.0), start + WINDOW)
    rows = {row["file"]: row for row in seizures}
    for name, at in starts.items():
        found = [
            (float(row["onset"]), float(row["onset"]) + float(row["duration"]))
            for row in seizures
            if row["file"] == name and row["onset"]
        ]
        for start, label in as_published(at, found, ends[name]):
            row = {**rows[name], "onset": f"{start:g}", "duration": f"{WINDOW:g}", "label": label}
            yield _in_part(row, _PUBLISHED_PARTS)


def as_published(
    starts: list[float], seizures: list[tuple[float, float]], end: float
) -> list[tuple[float, str]]:
    """Start and label of each window of a recording, as the authors take them.

    Parameters
    ----------
    starts
        Of the windows of 10 s without overlap, in seconds.
    seizures
        Onset and offset of each.
    end
        Of the last of these windows; added windows that would end later are left out.
    """
    found = []
    for start in starts:
        inside = any(start < time < start + WINDOW for seizure in seizures for time in seizure)
        found.append((start, "seizure" if inside else "background"))
    for onset, offset in seizures:
        start = max(0.0, onset - MARGIN)
        while start < offset + MARGIN and start + WINDOW <= end:
            found.append((start, "seizure"))
            start += STEP
    return found
