"""The table of predictions and its files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from biot.errors import ConfigError
from biot.inference import Predictions
from biot.io import atomic_file
from biot.signals import Annotation


@pytest.fixture
def predictions() -> Predictions:
    return Predictions(
        name="night.edf",
        start=np.array([0.0, 2.0, 4.0]),
        stop=np.array([2.0, 4.0, 5.5]),
        probabilities=np.array([[0.75, 0.25], [np.nan, np.nan], [1 / 3, 2 / 3]]),
        label_names=("rest", "spike, wave"),
    )


def test_the_label_is_the_most_probable_class_and_empty_without_usable_data(
    predictions: Predictions,
) -> None:
    assert predictions.labels == ("rest", "", "spike, wave")
    assert predictions.usable.tolist() == [True, False, True]
    assert len(predictions) == 3


def test_csv_bytes(predictions: Predictions, tmp_path: Path) -> None:
    path = predictions.save(tmp_path / "a.csv")
    assert path.read_bytes() == (
        b'start,stop,label,p_rest,"p_spike, wave",threshold\n'
        b"0.0,2.0,rest,0.75,0.25,0.5\n"
        b"2.0,4.0,,,,0.5\n"
        b'4.0,5.5,"spike, wave",0.333333,0.666667,0.5\n'
    )


def test_a_spreadsheet_runs_no_label(predictions: Predictions, tmp_path: Path) -> None:
    named = replace(predictions, label_names=("=1+1", "@SUM(A1)"))
    lines = named.save(tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "start,stop,label,p_=1+1,p_@SUM(A1),threshold"
    assert [line.split(",")[2] for line in lines[1:]] == ["'=1+1", "", "'@SUM(A1)"]
    numbers = replace(
        predictions, label_names=("-x", "+y"), task="regression",
        probabilities=np.array([[-1.5, 2.0], [np.nan, np.nan], [-0.25, 1.0]]),
    )  # fmt: skip
    lines = numbers.save(tmp_path / "b.csv").read_text(encoding="utf-8").splitlines()
    assert lines[:2] == ["start,stop,'-x,'+y", "0.0,2.0,-1.5,2.0"]


def test_parquet_holds_the_same_with_nulls(predictions: Predictions, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    table = pq.read_table(predictions.save(tmp_path / "a.parquet"))
    assert table.to_pydict() == {
        "start": [0.0, 2.0, 4.0],
        "stop": [2.0, 4.0, 5.5],
        "label": ["rest", None, "spike, wave"],
        "p_rest": [0.75, None, 1 / 3],
        "p_spike, wave": [0.25, None, 2 / 3],
        "threshold": [0.5, 0.5, 0.5],
    }
    assert [str(field.type) for field in table.schema] == ["double", "double", "string"] + [
        "double"
    ] * 3


def test_the_table_keeps_its_types_when_no_window_is_usable(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    empty = Predictions(
        name="a",
        start=np.zeros(1),
        stop=np.ones(1),
        probabilities=np.full((1, 2), np.nan),
        label_names=("x", "y"),
    )
    schema = pq.read_schema(empty.save(tmp_path / "a.parquet"))
    assert str(schema.field("label").type) == "string"
    assert str(schema.field("p_x").type) == "double"


def test_a_class_may_be_named_like_a_column(tmp_path: Path) -> None:
    table = Predictions(
        name="a",
        start=np.zeros(1),
        stop=np.ones(1),
        probabilities=np.array([[0.25, 0.75]]),
        label_names=("start", "label"),
    )
    assert list(table.columns()) == [
        "start",
        "stop",
        "label",
        "p_start",
        "p_label",
        "threshold",
    ]


def test_another_ending_is_refused(predictions: Predictions, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a\.xlsx: a table ends in \.csv or \.parquet"):
        predictions.save(tmp_path / "a.xlsx")
    assert list(tmp_path.iterdir()) == []


def test_the_timeline_is_a_png(predictions: Predictions, tmp_path: Path) -> None:
    path = predictions.to_png(tmp_path / "a.png", truth=[Annotation(1.0, 2.0, "rest")])
    assert path.read_bytes().startswith(b"\x89PNG")


def test_overlapping_windows_share_the_overlap_in_the_timeline(
    predictions: Predictions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[tuple[list[float], list[float]]] = []

    def timeline(start: Any, stop: Any, *_: Any, **__: Any) -> None:
        drawn.append((start.tolist(), stop.tolist()))

    monkeypatch.setattr("biot.plots.timeline", timeline)
    monkeypatch.setattr("biot.plots.save_png", lambda figure, path: path)
    overlapping = replace(predictions, start=np.array([0.0, 1, 2]), stop=np.array([4.0, 5, 6]))
    apart = replace(predictions, start=np.array([0.0, 3, 6]), stop=np.array([2.0, 5, 8]))
    for table in (predictions, overlapping, apart):
        table.to_png(tmp_path / "a.png")
    assert drawn == [
        ([0, 2, 4], [2, 4, 5.5]),
        ([0, 2.5, 3.5], [2.5, 3.5, 6]),
        ([0, 3, 6], [2, 5, 8]),
    ]


def test_a_file_that_is_not_finished_leaves_the_earlier_one(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("earlier")

    def write_and_fail() -> None:
        with atomic_file(path) as partial:
            partial.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_and_fail()
    assert path.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_a_threshold_decides_between_two_classes_and_tags_are_listed():
    given = {"name": "night", "start": np.arange(3.0), "stop": np.arange(1.0, 4.0)}
    p = np.array([[0.8, 0.2], [0.6, 0.4], [np.nan, np.nan]])
    two = Predictions(probabilities=p, label_names=("a", "b"), thresholds=(0.3,), **given)
    assert two.labels == ("a", "b", "")
    tags = Predictions(
        probabilities=p, label_names=("a", "b"), task="multilabel", thresholds=(0.5, 0.3), **given
    )
    assert tags.labels == ("a", "a;b", "")
    assert tags.columns()["label"] == ["a", "a;b", None]


def test_numbers_have_columns_of_their_own_and_no_timeline(tmp_path):
    numbers = Predictions(
        name="night", start=np.arange(2.0), stop=np.arange(1.0, 3.0), task="regression",
        probabilities=np.array([[51.5], [np.nan]]), label_names=("age",),
    )  # fmt: skip
    assert numbers.columns() == {"start": [0.0, 1.0], "stop": [1.0, 2.0], "age": [51.5, None]}
    with pytest.raises(ConfigError, match=r"a timeline shows classes; this model predicts numbers"):
        numbers.to_png(tmp_path / "x.png")


def test_a_number_may_be_named_like_a_column(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    numbers = Predictions(
        name="night", start=np.zeros(1), stop=np.ones(1), task="regression",
        probabilities=np.array([[51.5]]), label_names=("label",),
    )  # fmt: skip
    table = pq.read_table(numbers.save(tmp_path / "a.parquet"))
    assert table.to_pydict() == {"start": [0.0], "stop": [1.0], "label": [51.5]}


def test_a_number_called_start_leaves_the_times_in_their_columns() -> None:
    table = Predictions(
        name="night", start=np.arange(2.0), stop=np.arange(1.0, 3.0), task="regression",
        probabilities=np.array([[7.0, 40.0], [8.0, 41.0]]), label_names=("start", "age"),
    ).columns()  # fmt: skip
    assert table == {
        "start": [0.0, 1.0],
        "stop": [1.0, 2.0],
        "predicted_start": [7.0, 8.0],
        "age": [40.0, 41.0],
    }


def test_no_two_numbers_share_a_column_whatever_they_are_called() -> None:
    names = ("predicted_start", "start", "in_training", "threshold")
    table = Predictions(
        name="night", start=np.zeros(1), stop=np.ones(1), task="regression", in_training=True,
        probabilities=np.array([[5.5, 0.5, 1.5, 2.5]]), label_names=names,
    ).columns()  # fmt: skip
    assert table == {
        "start": [0.0], "stop": [1.0], "predicted_start": [5.5],
        "predicted_predicted_start": [0.5], "predicted_in_training": [1.5], "threshold": [2.5],
        "in_training": ["yes"],
    }  # fmt: skip


def test_small_and_large_numbers_of_a_regression_keep_their_digits_in_a_csv(tmp_path) -> None:
    Predictions(
        name="night", start=np.zeros(1), stop=np.ones(1), task="regression",
        probabilities=np.array([[1.25e-9, 12345678.9]]), label_names=("charge", "count"),
    ).to_csv(tmp_path / "a.csv")  # fmt: skip
    assert (tmp_path / "a.csv").read_text().splitlines()[1] == "0.0,1.0,1.25e-09,12345678.9"


def test_a_name_that_would_act_on_a_terminal_is_seen_in_a_csv(tmp_path: Path) -> None:
    made = Predictions(
        name="a", start=np.zeros(1), stop=np.ones(1), probabilities=np.array([[0.2, 0.8]]),
        label_names=("rest", "\x1b[31mred"),
    )  # fmt: skip
    header, row = made.to_csv(tmp_path / "p.csv").read_text().splitlines()
    assert header == r"start,stop,label,p_rest,p_\x1b[31mred,threshold"
    assert row.split(",")[2] == r"\x1b[31mred"
