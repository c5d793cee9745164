"""`BIOT` as its callers use it: parameters, outputs, precisions, compiled and exported graphs."""

from __future__ import annotations

import copy
import inspect
import json
import pickle
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from biot import BIOT
from biot.errors import ChannelError, ConfigError

SMALL: dict[str, Any] = {"embed_dim": 32, "num_heads": 4, "num_layers": 2}


def small(**arguments: Any) -> BIOT:
    given = {"n_outputs": 3, "n_chans": 4, "n_times": 600, **SMALL, **arguments}
    return BIOT(**given).eval()


def test_the_signature_is_braindecodes_and_then_keyword_only() -> None:
    parameters = list(inspect.signature(BIOT).parameters.values())
    positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert {p.name: p.default for p in positional} == {
        "embed_dim": 256,
        "num_heads": 8,
        "num_layers": 4,
        "sfreq": 200,
        "hop_length": 100,
        "return_feature": False,
        "n_outputs": None,
        "n_chans": None,
        "chs_info": None,
        "n_times": None,
        "input_window_seconds": None,
        "activation": nn.ELU,
        "drop_prob": 0.5,
        "max_seq_len": 1024,
        "att_drop_prob": 0.2,
        "att_layer_drop_prob": 0.2,
    }
    assert [p.name for p in positional][:4] == ["embed_dim", "num_heads", "num_layers", "sfreq"]


def test_the_default_model_has_the_published_number_of_parameters() -> None:
    model = BIOT(n_outputs=6, n_chans=16, n_times=2000)
    assert sum(p.numel() for p in model.parameters()) == 3_187_718


def test_signal_parameters_are_inferred_from_each_other() -> None:
    assert small(n_times=None, input_window_seconds=4.0, sfreq=125).n_times == 500
    assert small(n_times=500, sfreq=125).input_window_seconds == 4.0
    assert small(n_times=500, input_window_seconds=4.0, sfreq=None).sfreq == 125.0
    named = [{"ch_name": "C3"}, {"ch_name": "C4"}]
    model = small(n_chans=None, chs_info=named)
    assert model.n_chans == 2
    assert model.channels == ("C3", "C4")
    assert model.input_shape == (1, 2, 600)
    assert model.get_output_shape() == (1, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_chans": None}, "n_chans is missing"),
        ({"n_outputs": None}, "n_outputs is missing"),
        ({"n_times": None}, "n_times is missing"),
        ({"sfreq": None}, "sfreq is missing"),
        ({"input_window_seconds": 4.0}, r"n_times=600 contradicts input_window_seconds=4 × sfreq"),
        ({"chs_info": [{"ch_name": "C3"}]}, "n_chans says 4, chs_info says 1"),
        ({"channels": ["A", "B"]}, "n_chans says 4, channels says 2"),
        ({"channels": ["T3", "T7", "C3", "C4"]}, "'T3' and 'T7', which are one channel"),
        ({"num_heads": 5}, "embed_dim=32 is not a multiple of num_heads=5"),
        ({"n_times": 0}, "n_times must be an integer of at least 1, got 0"),
        ({"hop_length": 0}, "hop_length must be an integer of at least 1"),
        ({"n_fft": 601}, "n_fft=601 is longer than the window of n_times=600"),
        ({"drop_prob": 1.5}, r"drop_prob must lie in \[0, 1\)"),
        ({"sfreq": -1}, "sfreq must be a number above 0"),
    ],
)
def test_contradictory_and_missing_parameters_say_which(
    arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as error:
        small(**arguments)
    assert isinstance(error.value, (ConfigError, ChannelError))


def test_a_window_below_a_second_is_one_token() -> None:
    model = small(n_times=128, hop_length=16)
    assert model.n_fft == 128
    assert model(torch.randn(2, 4, 128)).shape == (2, 3)


def test_a_hop_above_a_second_becomes_half_a_second_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="hop_length=300 is longer than a second"):
        model = small(hop_length=300)
    assert model.hop_length == 100
    assert model.get_config()["hop_length"] == 100
    assert model.encoder.hop_length == 100


def test_parameters_without_effect_warn_when_they_are_set() -> None:
    with pytest.warns(UserWarning, match="max_seq_len=2048 has no effect"):
        small(max_seq_len=2048)
    with pytest.warns(UserWarning, match=r"att_drop_prob=0.1 has no effect"):
        small(att_drop_prob=0.1)


def test_earlier_keyword_names_work_with_a_warning() -> None:
    with pytest.warns(FutureWarning, match="emb_size is the earlier name of embed_dim"):
        model = BIOT(emb_size=32, num_heads=4, n_outputs=3, n_chans=2, n_times=400)
    assert model.embed_dim == 32
    with pytest.warns(FutureWarning, match="add_log_softmax is deprecated"):
        model = small(add_log_softmax=True)
    total = model(torch.randn(2, 4, 600)).exp().sum(dim=1)
    torch.testing.assert_close(total, torch.ones(2))
    with pytest.raises(TypeError, match="unexpected keyword argument 'embed_size'"):
        small(embed_size=32)


def test_outputs_are_scores_or_features_or_both() -> None:
    x = torch.randn(2, 4, 600)
    model = small()
    out = model(x, return_features=True)
    assert set(out) == {"features", "cls_token"}
    assert out["features"].shape == (2, 32)
    assert out["cls_token"] is None
    both = small(return_feature=True)
    scores, features = both(x)
    assert scores.shape == (2, 3)
    assert features.shape == (2, 32)
    assert both(x, return_features=True)["features"].shape == (2, 32)


@pytest.mark.parametrize(
    ("shape", "error", "message"),
    [
        ((4, 600), ConfigError, r"x must be \(batch, n_chans, n_times\), got shape \(4, 600\)"),
        ((1, 5, 600), ChannelError, "x has 5 channels, the model knows 4"),
        ((1, 4, 199), ConfigError, "x has 199 samples; a token needs n_fft = 200"),
    ],
)
def test_wrong_input_says_what_is_wrong(
    shape: tuple[int, ...], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        small()(torch.randn(shape))


def test_more_than_a_thousand_tokens_a_channel_are_encoded() -> None:
    model = small(n_chans=1, n_fft=20, hop_length=2)
    with torch.no_grad():
        assert model(torch.randn(1, 1, 4000)).isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions_agree_with_float32(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    model, x = small(), torch.randn(3, 4, 600)
    expected = model(x)
    found = copy.deepcopy(model).to(dtype)(x.to(dtype))
    assert found.dtype is dtype
    tolerance = 1e-5 if dtype is torch.float64 else 2e-2
    scale = expected.abs().max().item()
    torch.testing.assert_close(found.float(), expected, atol=tolerance * scale, rtol=0)
    found.float().square().sum().backward()


def test_autocast_to_bfloat16_agrees_with_float32_and_trains() -> None:
    torch.manual_seed(0)
    model, x = small(), torch.randn(3, 4, 600)
    expected = model(x)
    with torch.autocast("cpu", torch.bfloat16):
        found = model(x)
    scale = expected.abs().max().item()
    torch.testing.assert_close(found.float(), expected, atol=2e-2 * scale, rtol=0)
    found.float().square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_flat_and_constant_channels_have_finite_gradients() -> None:
    x = torch.randn(2, 4, 600)
    x[0, 1] = 0.0
    x[1, 2] = 5.0
    x.requires_grad_()
    small()(x).square().sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert (x.grad[0, 1] == 0).all()


@pytest.mark.slow
def test_the_graph_compiles_whole() -> None:
    model, x = small(), torch.randn(2, 4, 600)
    expected = model(x)
    torch._dynamo.reset()
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x), expected, atol=1e-5, rtol=1e-5)


def test_the_exported_graph_takes_other_batch_sizes_and_lengths() -> None:
    model = small()
    batch, times = torch.export.Dim("batch"), torch.export.Dim("n_times", min=300)
    exported = torch.export.export(
        model, (torch.randn(2, 4, 600),), dynamic_shapes={"x": {0: batch, 2: times}}
    )
    for shape in ((1, 4, 300), (5, 4, 600), (3, 4, 1234)):
        x = torch.randn(shape)
        torch.testing.assert_close(exported.module()(x), model(x), atol=1e-5, rtol=1e-5)


def test_the_config_round_trips_through_json() -> None:
    loc = np.full(12, np.nan)
    model = small(
        n_chans=None,
        chs_info=[{"ch_name": "C3", "kind": 2, "loc": loc}, {"ch_name": "C4", "loc": loc}],
        activation=nn.Tanh,
        n_fft=150,
    )
    config = json.loads(json.dumps(model.get_config(), allow_nan=False))
    again = BIOT.from_config(config)
    assert again.get_config() == model.get_config()
    assert again.n_fft == 150
    assert again.activation is nn.Tanh
    assert np.isnan(again.chs_info[0]["loc"]).all()


@pytest.mark.parametrize(
    "activation", ["os.system", "torch.nn.Linear", "torch.nn.functional.elu", "builtins.eval", 3]
)
def test_a_config_that_names_other_code_is_refused(activation: Any) -> None:
    config = {**small().get_config(), "activation": activation}
    with pytest.raises(ConfigError, match=r"is not an activation of torch\.nn"):
        BIOT.from_config(config)


def test_a_config_with_an_unknown_key_is_refused() -> None:
    with pytest.raises(ConfigError, match="unexpected keyword argument 'colour'"):
        BIOT.from_config({**small().get_config(), "colour": 1})


def test_a_config_without_effect_on_the_model_is_kept_without_a_warning() -> None:
    config = {**small().get_config(), "max_seq_len": 2048}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert BIOT.from_config(config).get_config()["max_seq_len"] == 2048


def test_the_model_pickles_and_copies() -> None:
    model, x = small(channels=["a", "b", "c", "d"]), torch.randn(2, 4, 600)
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        torch.testing.assert_close(other(x), model(x))
        assert other.get_config() == model.get_config()


def test_reset_head_changes_outputs_and_config_together() -> None:
    model = small().double()
    model.reset_head(7)
    assert model(torch.randn(1, 4, 600).double()).shape == (1, 7)
    assert model.n_outputs == model.get_config()["n_outputs"] == 7
