"""What callers of braindecode's BIOT see, compared with recorded facts of it.

The facts are numbers and names; ``benchmarks/reference_facts.py`` records them and compares live.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from biot import BIOT
from biot.errors import ConfigError
from biot.model.layers import LinearAttentionTransformer, is_plain

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "benchmarks"))
from reference_facts import CASES, FACTS, differences, facts, hook_calls  # noqa: E402

RECORDED: dict[str, Any] = json.loads(FACTS.read_text(encoding="utf-8"))


def small(**changes: Any) -> BIOT:
    torch.manual_seed(0)
    return BIOT(**{**CASES["small"], **changes}).eval()


def signals(n_samples: int = 5) -> Tensor:
    return torch.randn(n_samples, 4, 800, generator=torch.Generator().manual_seed(0))


@pytest.mark.filterwarnings("ignore:.*")
@pytest.mark.parametrize("case", CASES)
def test_every_recorded_fact_of_the_reference_holds(case: str) -> None:
    assert differences(facts(BIOT, CASES[case]), RECORDED[case]) == []


def test_a_changed_fact_is_seen() -> None:
    expected = json.loads(json.dumps(RECORDED["small"]))
    ours = facts(BIOT, CASES["small"])
    expected["modules"].insert(3, "encoder.another")
    expected["scores"][0][0][0] += 0.1
    expected["state_dict"] = dict(reversed(expected["state_dict"].items()))
    assert differences(ours, expected) == ["modules", "state_dict", "scores"]


@pytest.mark.parametrize("n_samples", [2, 100])
def test_each_hook_fires_once_a_call_with_the_whole_batch(n_samples: int) -> None:
    model = small()
    assert 2 < model.encoder.cached_batch_size(4, 800) < 100
    x = signals(n_samples)
    assert set(hook_calls(model, x).values()) == {1}
    sizes = []
    model.encoder.patch_embedding.register_forward_hook(lambda _m, i, o: sizes.append(len(o)))
    model.encoder.transformer.register_forward_hook(lambda _m, i, o: sizes.append(len(o)))
    model(x)
    assert sizes == [n_samples] * 2


def test_global_hooks_fire_for_every_module_that_is_called() -> None:
    model, seen = small(), []
    handle = nn.modules.module.register_module_forward_hook(lambda m, *_: seen.append(m))
    with torch.no_grad():
        model(signals(100))
    handle.remove()
    names = {module: name for name, module in model.named_modules()}
    assert sorted(names[m] for m in seen) == sorted(RECORDED["small"]["called"])


def plain(model: BIOT) -> bool:
    return is_plain(model.encoder.transformer)


def test_the_predicate_sees_whatever_hangs_on_the_transformer() -> None:
    assert plain(small())
    for change in (
        lambda t: t.register_forward_hook(lambda *_: None),
        lambda t: t.layers.register_forward_pre_hook(lambda *_: None),
        lambda t: t.layers.layers[1][1].fn.fn.act.register_full_backward_hook(lambda *_: None),
        lambda t: setattr(t.layers.layers[0][0].fn, "to_q", nn.Sequential(nn.Linear(32, 32))),
        lambda t: setattr(t.layers.layers[0][1].fn.fn, "act", nn.ReLU()),
        lambda t: setattr(t.layers.layers[0][1].fn.fn.dropout, "p", 0.1),
        lambda t: setattr(t, "forward", t.forward),
        lambda t: nn.utils.parametrizations.weight_norm(t.layers.layers[0][0].fn.to_out),
    ):
        model = small()
        change(model.encoder.transformer)
        assert not plain(model)


@pytest.mark.parametrize("gradients", [True, False])
def test_the_fast_way_and_the_way_with_hooks_give_the_same_numbers(gradients: bool) -> None:
    model, x = small().double(), signals(100).double()
    x[3, 1, 100:300] = torch.nan
    x[7] = torch.nan
    hooked = small().double()
    hooked.load_state_dict(model.state_dict())
    for module in hooked.modules():
        module.register_forward_hook(lambda *_: None)
    with torch.set_grad_enabled(gradients):
        torch.testing.assert_close(model(x), hooked(x), atol=1e-6, rtol=0, equal_nan=True)


@pytest.mark.parametrize("gradients", [True, False])
def test_complete_windows_give_the_same_without_a_mask_as_with_one(gradients: bool) -> None:
    model, x = small(), signals(100)
    with_mask = small()
    with_mask.encoder.register_forward_hook(lambda *_: None)
    with_mask.encoder.transformer.register_forward_hook(lambda *_: None)
    with torch.set_grad_enabled(gradients):
        torch.testing.assert_close(model(x), with_mask(x), atol=1e-6, rtol=1e-6)


def test_the_mean_changes_no_token_of_its_caller() -> None:
    transformer = small().encoder.transformer
    tokens = torch.randn(3, 20, 32)
    before = tokens.clone()
    with torch.no_grad():
        fast = transformer.mean(tokens)
        torch.testing.assert_close(fast, transformer(tokens).mean(dim=1), atol=1e-6, rtol=1e-5)
        strided = transformer.mean(tokens.mT.contiguous().mT)
        torch.testing.assert_close(strided, fast)
        with torch.autocast("cpu", torch.bfloat16):
            half = transformer.mean(tokens).float()
        torch.testing.assert_close(half, fast, atol=0.05, rtol=0.05)
    assert torch.equal(tokens, before)


def test_vmap_sees_no_value_and_gets_the_same_scores() -> None:
    model, x = small(), signals(4)
    with torch.no_grad():
        each = torch.func.vmap(lambda one: model(one.unsqueeze(0))[0])(x)
        torch.testing.assert_close(each, model(x), atol=1e-6, rtol=1e-5)


def test_what_takes_the_place_of_a_module_is_used() -> None:
    x = signals()
    model = small()
    model.encoder.transformer = nn.Identity()  # type: ignore[assignment]
    tokens, _ = model.encoder.tokens(x, torch.ones_like(x, dtype=torch.bool))
    expected = model.encoder.positional_encoding(tokens).flatten(1, 2).mean(dim=1)
    torch.testing.assert_close(model.encoder(x), expected)

    model = small()
    layer = nn.TransformerEncoderLayer(32, 4, dropout=0.0, batch_first=True)
    model.encoder.transformer = nn.TransformerEncoder(layer, 1)  # type: ignore[assignment]
    whole = model(x)
    cut = torch.cat([x, torch.full((5, 4, 200), torch.nan)], dim=2)  # its mask is for padding
    torch.testing.assert_close(model(cut), whole, atol=1e-5, rtol=1e-5)

    model = small()
    model.encoder.stft = lambda sample: sample.new_zeros(len(sample), 101, 7)  # type: ignore[method-assign]
    assert torch.equal(model(x)[0], model(x)[1])
    model.encoder.stft = lambda sample: sample.new_zeros(len(sample), 101, 3)  # type: ignore[method-assign]
    assert model(x).isfinite().all()
    x[0, 0, 0] = torch.nan
    with pytest.raises(ConfigError, match=r"stft gives 3 tokens a channel, n_fft .* tell of 7"):
        model(x)


def test_a_transformer_that_takes_no_mask_is_refused_where_samples_are_missing() -> None:
    model, x = small(), signals()
    model.encoder.transformer = nn.Sequential(nn.Linear(32, 32))  # type: ignore[assignment]
    assert model(x).isfinite().all()
    x[0, 0, 0] = torch.nan
    with pytest.raises(ConfigError, match="cannot be kept from Sequential, which takes no"):
        model(x)


def test_checkpointing_around_a_forward_is_used_and_changes_no_gradient() -> None:
    model, other, x = small(), small(), signals()
    inner, calls = model.encoder.transformer.forward, []

    def forward(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        return checkpoint(inner, *args, use_reentrant=False, **kwargs)

    model.encoder.transformer.forward = forward  # type: ignore[method-assign]
    model(x).sum().backward()
    other(x).sum().backward()
    assert calls == [1]
    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(one.grad, two.grad, atol=1e-5, rtol=1e-4)


class TwoTasks(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.age = nn.Linear(32, 1)

    def forward(self, features: Tensor) -> dict[str, Any]:
        age = self.age(features)
        return {"age": age.squeeze(1), "both": (age.view(-1, 1, 1), [features.argmax(dim=1)])}


def test_a_head_of_any_kind_keeps_its_shapes_and_nan_stays_in_its_row() -> None:
    model, x = small(), signals()
    x[2] = torch.nan
    model.final_layer = TwoTasks()  # type: ignore[assignment]
    found = model(x)
    column, (number,) = found["both"]
    assert (found["age"].shape, column.shape, number.shape) == ((5,), (5, 1, 1), (5,))
    assert number.dtype == torch.int64
    for output in (found["age"], column):
        assert output.isnan().flatten().tolist() == [False, False, True, False, False]
    model.final_layer = nn.Unflatten(1, (1, 32))  # type: ignore[assignment]
    assert model(x).shape == (5, 1, 32)


def test_the_last_layer_of_the_head_can_be_replaced_by_its_position() -> None:
    model = small()
    model.final_layer[-1] = nn.Linear(32, 9)
    assert model(signals()).shape == (5, 9)
    assert model.final_layer.classification_head.out_features == 9


def test_an_optimizer_of_the_reference_goes_on_with_our_parameters() -> None:
    """Its state goes by the position of a parameter, so order and shapes decide."""
    model = small()
    shapes = [RECORDED["small"]["state_dict"][name] for name in RECORDED["small"]["parameters"]]
    saved = torch.optim.SGD([torch.zeros(s, requires_grad=True) for s in shapes], momentum=0.9)
    for parameter in saved.param_groups[0]["params"]:
        saved.state[parameter]["momentum_buffer"] = torch.ones_like(parameter)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.9)
    before = [p.detach().clone() for p in model.parameters()]
    optimizer.load_state_dict(saved.state_dict())
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for old, new in zip(before, model.parameters(), strict=True):
        torch.testing.assert_close(old - new, torch.full_like(old, 0.9 * 1e-3))


def test_encoders_load_alone_and_the_authors_index_is_no_obstacle() -> None:
    one, other = small(), BIOT(**CASES["small"]).eval()
    state = {**one.encoder.state_dict(), "index": torch.arange(18)}
    assert str(other.encoder.load_state_dict(state)) == "<All keys matched successfully>"
    torch.testing.assert_close(other.encoder(signals()), one.encoder(signals()))


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_tracing_with_one_batch_size_serves_another() -> None:
    model = small()
    with torch.no_grad():
        traced = torch.jit.trace(model, signals(2), check_trace=False)
        torch.testing.assert_close(traced(signals(7)), model(signals(7)), atol=1e-5, rtol=1e-5)


@pytest.mark.filterwarnings("ignore:.*quant.*")
def test_linear_layers_can_be_quantised() -> None:
    model, x = small(), signals()
    quantised = torch.ao.quantization.quantize_dynamic(model, {nn.Linear})
    spread = model(x).std()
    assert (quantised(x) - model(x)).abs().max() < 0.5 * spread


def test_rows_beyond_the_table_are_refused_with_the_range() -> None:
    with pytest.raises(ValueError, match="n_channel_offset=2 with 4 channels: the model"):
        small().encoder(signals(), n_channel_offset=2)
    with pytest.raises(ConfigError, match="both name rows"):
        small().encoder(signals(), 1, channel_ids=torch.arange(4).expand(5, 4))


def test_a_transformer_without_layers_is_the_mean_of_its_tokens() -> None:
    tokens = torch.randn(2, 5, 8)
    torch.testing.assert_close(LinearAttentionTransformer(8, 2, 0).mean(tokens), tokens.mean(dim=1))


class Halved(nn.Module):
    """A block of a caller's, which knows of no mask."""

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens * 0.5


class Handing(nn.Module):
    """A wrapper that hands on whatever it gets, as those of checkpointing do."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, *args: Any, **keywords: Any) -> Any:
        return self.inner(*args, **keywords)


def test_a_block_within_a_layer_that_takes_no_mask_is_used_where_nothing_is_missing() -> None:
    model, x = small(), signals()
    norm = model.encoder.transformer.layers.layers[0][0]
    norm.fn = Halved()
    tokens = torch.randn(2, 5, 32)
    torch.testing.assert_close(norm(tokens), norm.norm(tokens) * 0.5)
    assert model(x).isfinite().all()
    x[0, 0, 0] = torch.nan
    with pytest.raises(ConfigError, match="cannot be kept from Halved, which takes no"):
        model(x)


@pytest.mark.parametrize("part", ["encoder.transformer", "encoder.transformer.layers.layers.0.0"])
def test_a_forward_that_takes_the_tokens_alone_is_called_with_them(part: str) -> None:
    model, x = small(), signals()
    expected = model(x)
    module = model.get_submodule(part)
    inner = module.forward
    module.forward = lambda tokens: inner(tokens)  # type: ignore[method-assign]
    torch.testing.assert_close(model(x), expected, atol=1e-6, rtol=0)
    x[0, 0, 0] = torch.nan
    with pytest.raises(ConfigError, match="Tokens of missing samples cannot be kept from"):
        model(x)


def test_a_wrapper_of_any_keyword_hands_the_mask_on_where_samples_are_missing() -> None:
    model, x = small(), signals()
    inner = model.encoder.transformer
    cut = x.clone()
    cut[0, 0, 0] = torch.nan
    expected = model(x), model(cut)
    model.encoder.transformer = Handing(inner)  # type: ignore[assignment]
    for given, one in zip((x, cut), expected, strict=True):
        torch.testing.assert_close(model(given), one, atol=1e-6, rtol=0)
    model.encoder.transformer = Handing(nn.Sequential(nn.Linear(32, 32)))  # type: ignore[assignment]
    assert model(x).isfinite().all()


class PositionsOfOneChannel(nn.Module):
    """As braindecode's: (batch, tokens, width), whatever the number of channels."""

    def forward(self, tokens: Tensor) -> Tensor:
        codes = torch.arange(tokens.shape[1]).float().view(1, -1, 1)
        return tokens + codes


@pytest.mark.parametrize("n_times", [800, 500])  # 7 tokens a channel, and 4 as there are channels
def test_own_positions_see_one_channel_at_a_time_as_in_the_reference(n_times: int) -> None:
    model, x = small(), signals()[..., :n_times]
    tokens, _ = model.encoder.tokens(x, torch.ones_like(x, dtype=torch.bool))
    model.encoder.positional_encoding = PositionsOfOneChannel()  # type: ignore[assignment]
    model.encoder.transformer = nn.Identity()  # type: ignore[assignment]
    expected = (tokens + torch.arange(tokens.shape[2]).float().view(-1, 1)).mean(dim=(1, 2))
    torch.testing.assert_close(model.encoder(x), expected)


def test_an_encoder_of_the_callers_own_is_called_with_the_signals_alone() -> None:
    model, x = small(), signals()
    model.encoder = nn.Sequential(nn.Flatten(), nn.Linear(3200, 32))  # type: ignore[assignment]
    torch.testing.assert_close(model(x), model.final_layer(model.encoder(x)))
    model.reset_head(7)
    assert model.get_output_shape() == (1, 7)


def test_perturbed_tokens_never_reach_the_transformer() -> None:
    model, seen = small(), []
    model.encoder.transformer = nn.Sequential(nn.Linear(32, 32))  # type: ignore[assignment]
    model.encoder.transformer.register_forward_hook(lambda _m, i, _o: seen.append(i[0].shape[1]))
    for _ in range(5):
        assert model.encoder(signals(), perturb=True).isfinite().all()
    assert all(4 * (7 // 2) <= n < 4 * 7 for n in seen)


def test_own_channel_tokens_need_no_weight() -> None:
    model = small()
    table = nn.Sequential(nn.Embedding(4, 8), nn.Linear(8, 32))
    model.encoder.channel_tokens = table  # type: ignore[assignment]
    model.reset_head(7)
    assert model.get_output_shape() == (1, 7)


def test_a_compiled_transformer_is_run_and_own_spectra_see_the_whole_batch() -> None:
    model, graphs = small(), []

    def backend(graph: Any, _inputs: Any) -> Any:
        graphs.append(graph)
        return graph

    expected = model(signals())
    model.encoder.transformer.compile(backend=backend)
    with torch.no_grad():
        torch.testing.assert_close(model(signals()), expected, atol=1e-6, rtol=0)
    assert len(graphs) == 1

    model, sizes = small(), []
    inner = model.encoder.stft

    def stft(sample: Tensor) -> Tensor:
        sizes.append(len(sample))
        return inner(sample)

    model.encoder.stft = stft  # type: ignore[method-assign]
    with torch.no_grad():
        model(signals(100))
    assert sizes == [100 * 4]
