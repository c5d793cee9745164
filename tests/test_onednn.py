"""Linear layers by oneDNN give what the others give, and only where they are faster."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from biot import BIOT, onednn
from biot.model.layers import LinearAttentionTransformer
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
