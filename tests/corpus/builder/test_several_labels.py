"""Windows on the grid that hold several labels: which they get, and what is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biot.corpus import load_corpus, prepare
from biot.corpus.builder.windows.events import LabelSpan, to_events
from biot.corpus.builder.windows.rules import grid_labels
from biot.corpus.builder.windows.several import other_labels
from biot.corpus.manifest import Manifest
from biot.signals.recording import Annotation

WriteEdf = Callable[..., Path]


def prepared(path: Path, **settings: Any) -> Any:
    given = {"sfreq": 100, "window": 4, "labels": "annotations", **settings}
    return prepare(path, path.parent / "corpus", **given)


@given(
    st.lists(st.tuples(st.integers(95, 115), st.sampled_from("abc")), max_size=9),
    st.sampled_from(["overlap", "any"]),
)
def test_of_instants_alone_the_most_frequent_label_counts(
    beats: list[tuple[int, str]], rule: Any
) -> None:
    inside = [label for at, label in sorted(beats) if 100 <= at < 110]
    expected = max(dict.fromkeys(inside), key=inside.count, default=None)  # the first of equals
    events = sorted(LabelSpan(at, at, label) for at, label in beats)
    assert grid_labels([(100, 110)], events, rule) == [expected]


def test_a_stretch_goes_before_instants() -> None:
    events = [
        LabelSpan(100, 103, "stretch"),
        *(LabelSpan(at, at, "beat") for at in (104, 105, 106)),
    ]
    assert grid_labels([(100, 110)], events, "any") == ["stretch"]


def test_the_middle_sample_is_labelled_by_the_instant_there() -> None:
    events = [LabelSpan(101, 101, "a"), LabelSpan(102, 102, "a"), LabelSpan(105, 105, "b")]
    assert grid_labels([(100, 110)], events, "centre") == ["b"]


def test_labels_that_meet_are_counted_by_pair(write_edf: WriteEdf) -> None:
    # windows of 4 s: a 3 s and b 1 s; b 4 s; b 1 s, c 1 s and a 2 s; nothing; a's instants and c
    notes = [
        (0, 3, "a"), (3, 6, "b"), (9, 1, "c"), (10, 2, "a"),
        (16.5, 0, "c"), (17, 0, "a"), (18, 0, "a"),
    ]  # fmt: skip
    report = prepared(write_edf("a.edf", annotations=notes).parent)
    corpus = load_corpus(report.out)
    names = corpus.preprocessing.label_names
    assert names is not None
    assert [names[i] for i in corpus.label_ids] == ["a", "b", "a", "a"]
    assert report.several == (
        "windows that hold several labels: 3; the one shared most (label_rule=overlap) labels "
        "them, of instants alone the most frequent",
        "a over b in 2, a over c in 2",
    )
    assert "\nseveral     windows that hold several labels: 3; " in str(report)


def test_one_sample_is_enough_but_not_one_of_rounding() -> None:
    # at 7 Hz the first ends at sample 21.0 before rounding, and at 22 after it
    notes = [Annotation(1.5, 1.5, "a"), Annotation(3.0, 2.0, "b")]
    events = to_events(notes, 7.0)
    assert [(event.start, event.stop) for event in events] == [(11, 22), (21, 35)]
    spans = [(21, 28), (20, 27)]
    assert grid_labels(spans, events) == ["b", "b"]
    assert other_labels(spans, events, ["b", "b"]) == [(), ("a",)]


def test_windows_without_a_label_of_their_own_or_without_samples_are_not_counted(
    write_edf: WriteEdf,
) -> None:
    notes = [(1.5, 30, "a"), (3, 30, "b"), (8, 4, "BAD")]
    path = write_edf("a.edf", annotations=notes)
    report = prepared(path.parent, label_rule="centre", background="rest")
    # 0–4 s: a; 4–8, 12–16, 16–20 s: equal, so a, the earlier; 8–12 s is missing
    assert report.labels == {"a": 4}
    assert report.several[0].startswith("windows that hold several labels: 4; of those that hold")
    assert report.several[1] == "a over b in 4"


def test_what_a_recording_adds_is_kept_and_goes_with_it(write_edf: WriteEdf) -> None:
    one = write_edf("a.edf", annotations=[(0, 3, "a"), (3, 5, "b")])
    write_edf("b.edf", annotations=[(0, 1, "a"), (1, 7, "b")])
    report = prepared(one.parent)
    assert report.several[1] == "a over b in 1, b over a in 1"
    manifest = Manifest.load(report.out)
    assert manifest is not None
    assert manifest.recordings["a.edf"].label_over == (("a", "b", 1),)
    assert manifest.recordings["a.edf"].several == 1
    one.unlink()
    assert prepared(one.parent).several[1] == "b over a in 1"
    assert prepared(one.parent).several[1] == "b over a in 1"  # nothing to do


def test_tags_do_not_compete_and_numbers_are_no_pairs(write_edf: WriteEdf) -> None:
    path = write_edf("a.edf", annotations=[(0, 3, "1"), (3, 5, "2")])
    assert prepared(path.parent, task="multilabel").several == ()
    report = prepare(
        path, path.parents[1] / "numbers", sfreq=100, window=4, labels="annotations",
        task="regression",
    )  # fmt: skip
    assert len(report.several) == 1
    assert report.several[0].startswith("windows that hold several labels: 1; ")


def test_at_most_ten_pairs_are_listed(write_edf: WriteEdf) -> None:
    notes = [(4.0 * i, 3.0, f"x{i}") for i in range(12)] + [
        (4.0 * i + 3, 1.0, f"y{i}") for i in range(12)
    ]
    report = prepared(write_edf("a.edf", seconds=48, annotations=notes).parent)
    assert report.several[1].count(" over ") == 10
    assert report.several[1].endswith("and 2 more")


def test_motor_imagery_counted_from_the_raw_annotations(shared_data: Path, tmp_path: Path) -> None:
    mne = pytest.importorskip("mne")
    path = shared_data / "eegmmidb_s001" / "S001R04.edf"
    report = prepare(path, tmp_path / "corpus", sfreq=160, window=4, labels="annotations")
    raw = mne.io.read_raw_edf(path, verbose="error")
    over: Counter[tuple[str, str]] = Counter()
    several = 0
    for start in range(0, len(raw.times) - 640 + 1, 640):
        seconds = Counter({
            (i, note["description"]): min(start / 160 + 4, note["onset"] + note["duration"])
            - max(start / 160, note["onset"])
            for i, note in enumerate(raw.annotations)
        })  # fmt: skip
        touched = {key: share for key, share in seconds.items() if share > 0.5 / 160}
        if not touched:
            continue
        best = max(touched, key=lambda key: touched[key])[1]
        others = {label for _, label in touched} - {best}
        several += bool(others)
        over.update((best, other) for other in others)
    ordered = sorted(over.items(), key=lambda item: (-item[1], item[0]))
    assert f"several labels: {several};" in report.several[0]
    assert report.several[1] == ", ".join(f"{a} over {b} in {n}" for (a, b), n in ordered)


def test_windows_of_events_at_one_time_are_counted_where_labels_differ(
    write_edf: WriteEdf,
) -> None:
    notes = [(1, 0, "a"), (1, 0, "b"), (2, 0, "a"), (5, 0, "c"), (5, 0, "c"), (8, 0, "a")]
    path = write_edf("a.edf", annotations=notes)
    report = prepared(path.parent, window=None, epoch=(0, 1))
    assert report.labels == {"a": 3, "b": 1, "c": 2}
    assert report.several == (
        "windows that hold the same samples as another, with another label: 2, as several events "
        "are at one time; each event keeps its own",
        "a and b in 2",
    )


def test_a_window_inside_an_event_may_be_that_of_another(write_edf: WriteEdf) -> None:
    path = write_edf("a.edf", annotations=[(0, 8, "a"), (4, 1, "b"), (12, 4, "b")])
    report = prepared(path.parent, align="events")  # windows of 4 s: a at 0 and 4, b at 4 and 12
    assert report.labels == {"a": 2, "b": 2}
    assert report.several[-1] == "a and b in 2"


def test_tags_of_events_at_one_time_do_not_compete(write_edf: WriteEdf) -> None:
    path = write_edf("a.edf", annotations=[(1, 0, "a"), (1, 0, "b")])
    report = prepared(path.parent, window=None, epoch=(0, 1), task="multilabel")
    assert (report.n_windows, report.several) == (1, ())
