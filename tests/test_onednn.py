"""Linear layers by oneDNN give what the others give, and only where they are faster."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.autograd import forward_ad

from biot import BIOT, onednn
from biot.model.layers import FeedForward, LinearAttentionTransformer
from biot.model.pieces import mean_in_pieces

pytestmark = pytest.mark.skipif(
    not (torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")),
    reason="this torch has no oneDNN",
)
patient = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if every processor were one that oneDNN serves better."""
    monkeypatch.setattr(onednn, "_serves_this_processor", lambda: True)


@pytest.mark.parametrize("gelu", [None, "none", "tanh"])
@pytest.mark.parametrize("bias", [True, False])
def test_a_linear_layer_is_the_product_in_float64(gelu: str | None, bias: bool) -> None:
    torch.manual_seed(0)
    layer = torch.nn.Linear(128, 200, bias=bias)
    tokens = torch.randn(3, 50, 128)
    with torch.no_grad():
        found = onednn.linear(tokens, layer.weight, layer.bias, gelu=gelu)
        expected = layer.double()(tokens.double())
    if gelu is not None:
        expected = torch.nn.functional.gelu(expected, approximate=gelu)
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=2e-6)


@given(
    n_samples=st.integers(0, 5),
    n_tokens=st.integers(1, 300),
    layers=st.integers(1, 2),
    masked=st.booleans(),
)
@patient
def test_in_pieces_it_is_the_mean_in_float64(
    everywhere: None, n_samples: int, n_tokens: int, layers: int, masked: bool
) -> None:
    torch.manual_seed(n_tokens)
    transformer = LinearAttentionTransformer(128, 4, layers, 0.0)
    tokens = torch.randn(n_samples, n_tokens, 128)
    mask = torch.rand(n_samples, n_tokens) < 0.5
    mask[:, 0] = True
    before = tokens.clone()
    with torch.no_grad():
        found = mean_in_pieces(transformer, tokens, mask if masked else None)
        assert torch.equal(tokens, before)
        expected = transformer.double().mean(tokens.double(), mask if masked else None)
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-5)


def test_a_model_gives_the_same_scores_with_it_and_without(
    everywhere: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    model = BIOT(n_outputs=3, n_chans=5, n_times=1000, num_layers=2).eval()
    x = torch.randn(6, 5, 1000)
    x[1, 2], x[3, :, 600:] = torch.nan, torch.nan
    asked: list[tuple[int, ...]] = []
    real = onednn.linear

    def counted(tokens: torch.Tensor, *rest: object, **more: object) -> torch.Tensor:
        asked.append(tuple(tokens.shape))
        return real(tokens, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(onednn, "linear", counted)
    with torch.no_grad():
        found = model(x)
        assert asked
        monkeypatch.setattr(onednn, "_serves_this_processor", lambda: False)
        asked.clear()
        torch.testing.assert_close(found, model(x), rtol=0, atol=1e-5)
    assert not asked


@pytest.mark.parametrize(
    ("tokens", "faster"),
    [
        (torch.empty(2, 9, 128), True),
        (torch.empty(2, 9, 64), False),
        (torch.empty(2, 9, 128, dtype=torch.float64), False),
        (torch.empty(2, 9, 128, dtype=torch.bfloat16), False),
        (torch.empty(0, 9, 128), False),
    ],
)
def test_it_is_for_wide_tokens_in_float32(
    everywhere: None, monkeypatch: pytest.MonkeyPatch, tokens: torch.Tensor, faster: bool
) -> None:
    assert onednn.is_faster(tokens) is faster
    monkeypatch.setattr(torch.backends.mkldnn, "enabled", False)  # as a user switches it off
    assert not onednn.is_faster(tokens)


@pytest.mark.parametrize(
    ("capability", "maker", "serves"),
    [
        ("AVX512", "AuthenticAMD", True),
        ("AVX2", "AuthenticAMD", False),
        ("AVX512", "GenuineIntel", False),
        ("AVX512", None, False),
    ],
)
def test_it_serves_processors_of_amd_with_avx_512(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capability: str,
    maker: str | None,
    serves: bool,
) -> None:
    described = tmp_path / "cpuinfo"
    if maker is not None:
        described.write_text(f"processor\t: 0\nvendor_id\t: {maker}\nmodel name\t: any\n")
    monkeypatch.setattr(onednn, "_PROCESSOR", described)
    monkeypatch.setattr("platform.processor", lambda: "Intel64 Family 6")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert onednn._serves_this_processor.__wrapped__() is serves


def gradients(layer: torch.nn.Linear, tokens: torch.Tensor, *, by_onednn: bool) -> list[Tensor]:
    """Of what comes in, the weight, the bias; then those of the sum of squares of these."""
    tokens = tokens.detach().requires_grad_()
    if by_onednn:
        made = onednn.linear_with_gradient(tokens, layer.weight, layer.bias)
    else:
        made = layer(tokens)
    into = [tokens, *layer.parameters()]
    first = torch.autograd.grad(made.sin().sum(), into, create_graph=True)
    second = torch.autograd.grad(sum(one.square().sum() for one in first), into)
    return [*first, *second]


@given(shape=st.lists(st.integers(1, 7), max_size=3), bias=st.booleans())
@patient
def test_gradients_and_their_gradients_are_those_in_float64(shape: list[int], bias: bool) -> None:
    torch.manual_seed(0)
    layer, tokens = torch.nn.Linear(9, 5, bias=bias), torch.randn(*shape, 9)
    found = gradients(layer, tokens, by_onednn=True)
    expected = gradients(layer.double(), tokens.double(), by_onednn=False)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == theirs.shape
        # where many terms nearly cancel, float32 has the digits of the largest, not of their sum
        largest = theirs.detach().abs().max().item()
        torch.testing.assert_close(ours.double(), theirs, rtol=0, atol=1e-5 * (1 + largest))


def test_of_no_tokens_the_gradients_of_weights_are_zero(everywhere: None) -> None:
    transformer = LinearAttentionTransformer(128, 4, 1, 0.0)
    tokens = torch.empty(0, 9, 128, requires_grad=True)
    transformer(tokens).sum().backward()
    for weights in transformer.parameters():
        assert weights.grad is not None
        assert not weights.grad.any()


def test_what_wants_no_gradient_gets_none() -> None:
    layer, tokens = torch.nn.Linear(9, 5), torch.randn(4, 9)
    layer.weight.requires_grad_(False)
    onednn.linear_with_gradient(tokens, layer.weight, layer.bias).sum().backward()
    assert layer.weight.grad is None
    assert layer.bias.grad is not None
    torch.testing.assert_close(layer.bias.grad, torch.full((5,), 4.0))


def test_a_model_has_the_same_gradients_with_it_and_without(
    everywhere: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    model = BIOT(n_outputs=3, n_chans=5, n_times=1000, num_layers=2).eval()  # no dropout
    x = torch.randn(6, 5, 1000)
    x[1, 2], x[3, :, 600:] = torch.nan, torch.nan
    with_it = torch.autograd.grad(model(x).square().sum(), list(model.parameters()))
    monkeypatch.setattr(onednn, "linear_with_gradient", refused)
    with pytest.raises(AssertionError, match="was asked"):
        model(x)
    monkeypatch.setattr(onednn, "_serves_this_processor", lambda: False)
    without = torch.autograd.grad(model(x).square().sum(), list(model.parameters()))
    for ours, theirs in zip(with_it, without, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def refused(*_: object) -> Tensor:
    raise AssertionError("oneDNN was asked")


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")  # torch
@pytest.mark.parametrize("what", ["a hook", "autocast", "forward mode", "vmap", "another weight"])
def test_where_somebody_could_notice_the_layer_itself_is_called(
    everywhere: None, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(onednn, "linear_with_gradient", refused)
    block, tokens, seen = FeedForward(128), torch.randn(2, 9, 128), []
    if what == "a hook":
        for layer in (block.w1, block.w2):
            layer.register_forward_hook(lambda *_: seen.append(True))
        block(tokens)
        assert len(seen) == 2
    elif what == "autocast":
        with torch.autocast("cpu", torch.bfloat16):
            assert block(tokens).dtype == torch.bfloat16
    elif what == "forward mode":
        with forward_ad.dual_level():
            made = block(forward_ad.make_dual(tokens, torch.ones_like(tokens)))
            assert forward_ad.unpack_dual(made).tangent is not None
    elif what == "vmap":
        assert torch.func.vmap(block)(tokens).shape == tokens.shape
    else:
        torch.nn.utils.parametrizations.weight_norm(block.w1)
        torch.nn.utils.parametrizations.weight_norm(block.w2)
        block(tokens)
