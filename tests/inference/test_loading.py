"""`Predictions.load`, `to_dataframe`, and what a notebook shows."""

from __future__ import annotations

import tempfile
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biot.errors import ConfigError
from biot.inference import Predictions

_NAMES = st.lists(
    st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=6),
    min_size=2, max_size=4, unique=True,
)  # fmt: skip

_DATES = (None, datetime(2001, 2, 3, 4, 5, 6, 7), datetime(2020, 1, 1, tzinfo=UTC))


@st.composite
def predictions(draw: st.DrawFn) -> Predictions:
    task: Any = draw(st.sampled_from(["classes", "multilabel", "regression"]))
    reserved = st.sampled_from(["start", "stop", "in_training", "label"])
    names = draw(_NAMES)
    if task == "regression":
        names = list(dict.fromkeys([*names, draw(reserved)]))
    rows = draw(st.integers(0, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = rng.random((rows, len(names)))
    values[rng.random(rows) < 0.3] = np.nan
    few = {"classes": 1 if len(names) == 2 else 0, "multilabel": len(names), "regression": 0}[task]
    limits = tuple(rng.random(few)) if few and draw(st.booleans()) else None
    weights = None if task == "regression" or limits else tuple(rng.random(len(names)) + 0.1)
    return Predictions(
        name=draw(st.sampled_from(["night.edf", "sub-01/a b.edf", "ä'\"<.edf"])),
        start=np.arange(rows) * 2.5,
        stop=np.arange(rows) * 2.5 + 10,
        probabilities=values,
        label_names=tuple(names),
        task=task,
        thresholds=limits,
        class_weights=weights,
        in_training=draw(st.sampled_from([None, True, False])),
        duration=draw(st.none() | st.floats(1, 1e5)),
        sfreq=draw(st.none() | st.floats(1, 1e4)),
        meas_date=draw(st.sampled_from(_DATES)),
        path=draw(st.sampled_from([None, Path("data/night.edf")])),
        breaks=tuple(draw(st.lists(st.floats(0, 1e4), max_size=2))),
        notes=tuple(draw(st.lists(st.text(st.characters(codec="utf-8"), max_size=9), max_size=2))),
    )  # fmt: skip


def saved_and_loaded(one: Predictions, suffix: str) -> Predictions:
    with tempfile.TemporaryDirectory() as folder:
        return Predictions.load(one.save(Path(folder) / f"night{suffix}"))


@settings(max_examples=40, deadline=None)
@given(predictions())
def test_parquet_gives_everything_back(one: Predictions) -> None:
    again = saved_and_loaded(one, ".parquet")
    for field in fields(Predictions):
        mine, other = getattr(one, field.name), getattr(again, field.name)
        if isinstance(mine, np.ndarray):
            np.testing.assert_array_equal(mine, other)
        else:
            assert mine == other, field.name
    assert again.labels == one.labels


@settings(max_examples=40, deadline=None)
@given(predictions())
def test_a_csv_gives_the_windows_and_labels_back(one: Predictions) -> None:
    if one.task == "regression" and not len(one):
        return
    again = saved_and_loaded(one, ".csv")
    assert (again.name, again.task) == ("night", one.task)
    np.testing.assert_allclose(again.start, one.start)
    np.testing.assert_allclose(again.probabilities, one.probabilities, rtol=1e-5, atol=1e-6)
    assert again.label_names == one.label_names
    if len(one):
        assert again.in_training == one.in_training


def simple(**changes: Any) -> Predictions:
    one = Predictions(
        name="night.edf",
        start=np.array([0.0, 2.0, 4.0]),
        stop=np.array([2.0, 4.0, 5.0]),
        probabilities=np.array([[0.9, 0.1], [0.2, 0.8], [np.nan, np.nan]]),
        label_names=("rest", "<b>event</b>"),
    )
    return replace(one, **changes)


def test_a_dataframe_has_the_columns_of_the_table() -> None:
    frame = simple(in_training=True).to_dataframe()
    assert list(frame.columns) == list(simple(in_training=True).columns())
    assert frame["label"].tolist()[:2] == ["rest", "<b>event</b>"]
    assert frame["label"].isna().tolist() == [False, False, True]
    assert frame["p_rest"].dtype == np.float64
    assert frame["p_rest"].isna().tolist() == [False, False, True]
    assert frame["in_training"].tolist() == ["yes"] * 3


def test_a_notebook_shows_what_was_found_and_no_markup_of_names() -> None:
    said = "Predictions(night.edf: 3 windows in 5 s, 1 without usable data; rest 1, <b>event</b> 1)"
    assert repr(simple()) == said
    shown = simple()._repr_html_()
    assert "&lt;b&gt;event" in shown
    assert "<b>" not in shown
    assert repr(simple(task="regression")).endswith(
        "rest 0.55 on average, <b>event</b> 0.45 on average)"
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "x,y\n1,2\n", r"a\.csv: is no table that Predictions\.save wrote"),
        ("a.csv", "start,stop,label,p_a\n0,1,a,high\n", r"a\.csv: a cell is no number"),
        ("a.csv", "", r"its columns are none"),
        ("a.parquet", "text", r"a\.parquet: is no Parquet table that Predictions\.save wrote"),
        ("a.txt", "", r"a\.txt: a table ends in \.csv or \.parquet"),
        ("absent.csv", None, r"absent\.csv: there is no such file"),
    ],
)  # fmt: skip
def test_what_is_no_such_table_is_refused(
    name: str, content: str | None, message: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(ConfigError, match=message):
        Predictions.load(tmp_path / name)


def test_a_table_with_damaged_bytes_is_refused_by_name(tmp_path: Path) -> None:
    n = 50
    made = Predictions(
        name="a", start=np.arange(n, dtype=float), stop=np.arange(1.0, n + 1),
        probabilities=np.random.default_rng(0).dirichlet([1, 1], n), label_names=("x", "y"),
    )  # fmt: skip
    path = made.to_parquet(tmp_path / "a.parquet")
    content = bytearray(path.read_bytes())
    content[40:48] = b"\xff" * 8  # Arrow raises OSError, which is no ValueError
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"a\.parquet: is no Parquet table .* Predict the"):
        Predictions.load(path)
