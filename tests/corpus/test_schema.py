"""The 16-bit code of a window, and the columns of a row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from biot.corpus import Corpus
from biot.corpus.schema import COLUMNS, MISSING, arrow_schema, decode, encode, features

windows = arrays(
    np.float32,
    array_shapes(min_dims=3, max_dims=3, max_side=6),
    elements=st.one_of(
        st.floats(-1e6, 1e6, width=32), st.just(np.float32(np.nan)), st.floats(-1, 1, width=32)
    ),
)


@given(windows)
def test_a_decoded_sample_is_within_half_a_step_of_the_original(physical: Any) -> None:
    code = encode(physical)
    decoded = decode(code.digital, code.scale, code.offset).astype(np.float64)
    magnitude = np.abs(np.nan_to_num(physical)).max(axis=-1, keepdims=True).astype(np.float64)
    half_step = code.scale[..., None].astype(np.float64) / 2
    float32_rounding = 4 * np.finfo(np.float32).eps * magnitude + np.finfo(np.float32).tiny
    present = ~np.isnan(physical)
    error = np.abs(decoded - physical)
    assert (error <= half_step + float32_rounding)[present].all()


@given(windows)
def test_exactly_the_missing_samples_are_missing_afterwards(physical: Any) -> None:
    code = encode(physical)
    np.testing.assert_array_equal(code.digital == MISSING, np.isnan(physical))
    decoded = decode(code.digital, code.scale, code.offset)
    np.testing.assert_array_equal(np.isnan(decoded), np.isnan(physical))


@given(windows)
def test_the_step_is_the_peak_to_peak_value_over_the_integers(physical: Any) -> None:
    code = encode(physical)
    low, high = np.fmin.reduce(physical, axis=-1), np.fmax.reduce(physical, axis=-1)
    with np.errstate(invalid="ignore", over="ignore"):
        peak_to_peak = np.nan_to_num(high.astype(np.float64) - low)
    limit = np.maximum(np.abs(np.nan_to_num(high)), np.abs(np.nan_to_num(low)))
    allowed = peak_to_peak / 65534 * (1 + 1e-6) + limit * np.finfo(np.float32).eps / 32767
    varying = peak_to_peak > 0
    assert (code.scale <= allowed + np.finfo(np.float32).tiny)[varying].all()


def test_precision_does_not_suffer_from_an_offset_a_thousand_times_the_signal() -> None:
    signal = 200_000 + 50 * np.sin(np.arange(400) / 7)
    code = encode(signal[None, None])
    exact = code.digital.astype(np.float64) * np.float64(code.scale[..., None]) + np.float64(
        code.offset[..., None]
    )
    assert np.abs(exact - signal).max() < 100 / 65534


@pytest.mark.parametrize("value", [0.0, 7.0, -3e-39, 1e30, 0.1])
def test_a_flat_channel_keeps_its_value(value: float) -> None:
    code = encode(np.full((1, 1, 5), value))
    decoded = decode(code.digital, code.scale, code.offset)
    np.testing.assert_allclose(decoded, value, rtol=1e-6, atol=1e-38)


@given(windows)
def test_the_code_is_that_of_the_formula_in_float64(physical: Any) -> None:
    code = encode(physical)
    for window, channel in np.ndindex(physical.shape[:2]):
        values = physical[window, channel].astype(np.float64)
        present = ~np.isnan(values)
        steps = (values - code.offset[window, channel].astype(np.float64)) / code.scale[
            window, channel
        ].astype(np.float64)
        expected = np.where(present, np.rint(steps), MISSING)
        np.testing.assert_array_equal(code.digital[window, channel], expected)


def test_a_channel_without_a_sample_has_neutral_factors() -> None:
    code = encode(np.full((1, 1, 4), np.nan))
    assert (code.scale.item(), code.offset.item()) == (1.0, 0.0)


def test_a_row_holds_little_endian_integers_channel_after_channel(
    make_corpus: Callable[..., Corpus],
) -> None:
    corpus = make_corpus(None, ["s"])
    row = corpus.dataset[0]
    code = corpus.rows([0])
    assert len(row["signal"]) == 2 * 20 * 2
    assert row["signal"][:2] == int(code.digital[0, 0, 0]).to_bytes(2, "little", signed=True)
    assert row["signal"][40:42] == int(code.digital[0, 1, 0]).to_bytes(2, "little", signed=True)


def test_the_columns_are_these() -> None:
    names = "signal n_times scale offset q95 ch_names units sfreq subject recording start"
    assert list(COLUMNS) == [*names.split(), "label", "labels", "targets"]


def test_the_features_are_those_that_datasets_derives_from_the_arrow_schema() -> None:
    datasets = pytest.importorskip("datasets")
    described = datasets.Features.from_dict(features())
    assert described == datasets.Features.from_arrow_schema(arrow_schema().remove_metadata())
    assert described == datasets.Features.from_arrow_schema(arrow_schema())
