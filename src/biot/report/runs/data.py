"""What a run's page says of the data: subjects, hours, labels, what is missing and left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.corpus.corpus import Corpus
from biot.corpus.manifest import Manifest, left_out_of
from biot.corpus.summary import quarantine_of
from biot.errors import CorpusError, counted_kind, listed
from biot.report.parts import More, Pairs, Part, Section, Table, Text
from biot.report.runs.folder import ReadRun
from biot.report.runs.signals import classes_of, missing_share
from biot.report.runs.values import counted, hours, inner, items, number

__all__ = ["corpus_pairs", "data_section", "leakage_text", "left_out_rows", "rows_of_part"]

PARTS = {"train": "training", "valid": "validation", "test": "test"}
_MOST_ROWS = 40
"""That a list of names shows."""


def rows_of_part(about: Mapping[str, Any], part: str) -> npt.NDArray[np.int64]:
    """Positions in the corpus of the windows of a part."""
    ranges = items(inner(inner(about, "split"), part), "rows")
    return np.concatenate([np.empty(0, np.int64), *(np.arange(a, b) for a, b in ranges)])


def data_section(run: ReadRun) -> Section:
    """The data of a run of fine-tuning or of folds."""
    parts: list[Part] = []
    rows = [("corpus", str(inner(run.about, "corpus").get("path", "not said")))]
    if run.corpus is not None:
        rows += corpus_pairs(run.corpus)
    other = inner(run.about, "test_corpus")
    if other:
        rows.append(("tested on", f"{other.get('path')}: {number(other.get('n_windows'))} windows"))
    rows.append(("shared with the test", leakage_text(run.about)))
    parts.append(Pairs(rows))
    if run.kind == "fine-tuning":
        parts.append(_parts_table(run))
    for name, corpus in (("", run.corpus), ("of the test corpus", run.test_corpus)):
        if corpus is not None and (not name or corpus is not run.corpus):
            parts += _quality(corpus, name)
    return Section("Data", parts)


def corpus_pairs(corpus: Corpus) -> list[tuple[str, str]]:
    """What a corpus is, in a few lines."""
    contract = corpus.preprocessing
    names = list(contract.ch_names)
    units = ", ".join(dict.fromkeys(unit or "no unit" for unit in contract.units))
    seconds = float(corpus.lengths.sum()) / contract.sfreq
    n_subjects, n_recordings = (len(np.unique(c)) for c in (corpus.subjects, corpus.recordings))
    return [
        ("subjects", number(n_subjects)),
        ("recordings", number(n_recordings)),
        ("windows", f"{number(len(corpus))} of {contract.window:g} s: {hours(seconds)} together"),
        ("channels", f"{len(names)} ({units}): {listed(names, 24)}"),
        ("rate", f"{contract.sfreq:g} Hz"),
        ("filter", contract.filter or "none"),
        ("reference", contract.reference_in_words),
    ]


def _parts_table(run: ReadRun) -> Table:
    """Subjects, hours, labels and missing samples of each part."""
    names = _label_names(run)
    rows = []
    for part, title in PARTS.items():
        about = inner(inner(run.about, "split"), part)
        if not about:  # nothing validated
            continue
        corpus = run.test_corpus if part == "test" else run.corpus
        chosen = rows_of_part(run.about, part)
        cells = [title, number(len(items(about, "subjects"))), number(about.get("n_windows"))]
        if corpus is None or not len(chosen) or chosen.max() >= len(corpus):
            rows.append([*cells, "–", "–", *("–" for _ in names)])
            continue
        seconds = float(corpus.lengths[chosen].sum()) / corpus.preprocessing.sfreq
        share, _ = missing_share(corpus, chosen)
        held = classes_of(corpus) if names else {}
        counts = [number(int(held[n][chosen].sum())) if n in held else "0" for n in names]
        rows.append([*cells, hours(seconds), f"{share:.1%}", *counts])
    return Table(
        caption="Windows of each part; of those with a label. Missing: share of the samples that "
        "were not recorded, of up to 1 000 windows.",
        headers=("part", "subjects", "windows", "time", "missing", *names),
        rows=rows,
    )


def _label_names(run: ReadRun) -> Sequence[str]:
    """Classes or tags, which can be counted."""
    if run.corpus is None or run.corpus.task == "regression":
        return ()
    return run.corpus.label_names


def _quality(corpus: Corpus, name: str) -> Iterator[Part]:
    """What of the recordings is flat, was quarantined or left out."""
    try:
        manifest, quarantined = Manifest.load(corpus.path), quarantine_of(corpus.path)
    except CorpusError as error:
        yield Text(f"What was left out when the corpus was made is not known: {error}", True)
        return
    records = {} if manifest is None else manifest.recordings
    whole = Counter(channel for one in records.values() for channel in one.flat.whole)
    stretches = sum(sum(one.flat.seconds.values()) for one in records.values())
    n_flat = sum(bool(one.flat) for one in records.values())
    flat = "none"
    if n_flat:
        names = [f"{channel} in {n}" for channel, n in whole.most_common()]
        parts = [f"channels throughout: {listed(names, 12)}"] if whole else []
        parts += [f"stretches: {hours(stretches)} over all channels"] if stretches else []
        flat = f"in {counted(n_flat, 'recording')}; {'; '.join(parts)}"
    left_out = left_out_of(records)
    rows = [
        (f"flat {name}".strip(), f"{flat}{_flat_is(corpus)}" if n_flat else flat),
        (f"quarantined {name}".strip(), counted(len(quarantined), "file")),
        *((f"left out {name}".strip(), counted_kind(n, what)) for what, n in left_out.items()),
    ]
    yield Pairs(rows)
    if quarantined:
        table = Table(
            caption="Files that could not be used", headers=("file", "reason"),
            rows=quarantined[:_MOST_ROWS],
        )  # fmt: skip
        more = len(quarantined) - _MOST_ROWS
        rest = [Text(f"And {more} more: quarantine.tsv of the corpus lists all.")] * (more > 0)
        yield More("Quarantined files and why", [table, *rest])


def _flat_is(corpus: Corpus) -> str:
    return " (kept)" if corpus.preprocessing.keep_flat else " (counts as missing)"


def left_out_rows(run: ReadRun) -> list[tuple[str, str]]:
    """Windows that the run did not use, by reason."""
    found = inner(run.about, "left_out") or inner(inner(run.about, "split"), "left_out")
    rows = [(str(what), number(n)) for what, n in found.items() if n]
    for part, table in run.tables.items():
        if table.n_left_out:
            what = f"{PARTS[part]} windows without usable data"
            rows.append((what, number(table.n_left_out)))
    return rows


def leakage_text(about: Mapping[str, Any]) -> str:
    """Whether the test holds what was learnt from."""
    found = about.get("leakage")
    records = [one for one in (found if isinstance(found, list) else [found])
               if isinstance(one, Mapping)]  # fmt: skip
    shared = [
        f"{what} of the test that were learnt from: {len(names)}"
        for what in ("subjects", "recordings")
        if (names := {str(name) for one in records for name in items(one, what)})
    ]
    if shared:
        return f"{', '.join(shared)} (run.json names them)"
    if any(one.get("checked") == "unknown" for one in records):
        return "not known: what the model of --from learnt from is not written down"
    return "none"
