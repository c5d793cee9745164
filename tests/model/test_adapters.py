"""Folding weights must not bypass what a user hangs on a layer: adapters, hooks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from biot import BIOT
from biot.errors import CheckpointError
from biot.model.layers import SelfAttention

TARGETS = ("to_q", "to_k", "to_v", "to_out")


def small() -> BIOT:
    torch.manual_seed(0)
    size: dict[str, Any] = {"embed_dim": 16, "num_heads": 2, "num_layers": 2}
    return BIOT(n_outputs=3, n_chans=3, n_times=400, **size).eval()


def signals() -> Tensor:
    x = torch.randn(2, 3, 400, generator=torch.Generator().manual_seed(0))
    x[1, 2, 50] = torch.nan
    return x


def attentions(model: nn.Module) -> list[SelfAttention]:
    found = [module for module in model.modules() if isinstance(module, SelfAttention)]
    assert found
    return found


@pytest.mark.parametrize("targets", [[name] for name in TARGETS] + [list(TARGETS)])
@pytest.mark.parametrize("gradients", [True, False])
def test_lora_changes_the_scores(targets: list[str], gradients: bool) -> None:
    peft = pytest.importorskip("peft", reason="peft is not installed: no adapters to test")
    model, x = small(), signals()
    before = model(x).detach()
    adapted = peft.get_peft_model(model, peft.LoraConfig(r=2, target_modules=targets))
    torch.testing.assert_close(adapted(x).detach(), before)  # LoRA begins as the identity
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=10)
    with torch.set_grad_enabled(gradients):
        after = adapted(x)
    assert after.isfinite().all()
    assert (after - before).abs().min() > 1e-4
    merged = adapted.merge_and_unload()
    assert all(type(a.to_q) is nn.Linear for a in attentions(merged))
    torch.testing.assert_close(merged(x), after, atol=1e-4, rtol=1e-4)


def test_lora_gets_gradients_and_nothing_else_does() -> None:
    peft = pytest.importorskip("peft", reason="peft is not installed: no adapters to test")
    adapted = peft.get_peft_model(small(), peft.LoraConfig(r=2, target_modules=list(TARGETS)))
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
    adapted(signals()).square().sum().backward()
    trained = {name: p.grad for name, p in adapted.named_parameters() if p.requires_grad}
    assert len(trained) == 2 * len(TARGETS) * 2  # two matrices, four targets, two layers
    assert all(grad is not None and grad.abs().sum() > 0 for grad in trained.values())
    frozen = [p for p in adapted.parameters() if not p.requires_grad]
    assert frozen
    assert all(p.grad is None for p in frozen)


def test_lora_trains_with_the_head_that_modules_to_save_names() -> None:
    peft = pytest.importorskip("peft", reason="peft is not installed: no adapters to test")
    config = peft.LoraConfig(r=2, target_modules=["to_q", "to_v"], modules_to_save=["final_layer"])
    adapted = peft.get_peft_model(small(), config)
    optimizer = torch.optim.SGD([p for p in adapted.parameters() if p.requires_grad], lr=0.1)
    y, losses = torch.tensor([0, 2]), []
    for _ in range(5):
        loss = nn.functional.cross_entropy(adapted(signals()), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("target", TARGETS)
def test_a_hook_on_a_projection_is_called(target: str) -> None:
    model, x, called = small(), signals(), []
    for attention in attentions(model):
        layer = getattr(attention, target)
        layer.register_forward_pre_hook(lambda *_: called.append("before"))
        layer.register_forward_hook(lambda *_: called.append("after"))
    model(x)
    assert called == ["before", "after"] * 2


@pytest.mark.parametrize("target", TARGETS)
def test_a_backward_hook_on_a_projection_is_called(target: str) -> None:
    model, x, called = small(), signals(), []
    expected = model(x).detach()
    for attention in attentions(model):
        layer = getattr(attention, target)
        layer.register_full_backward_pre_hook(lambda *_: called.append("before"))
        layer.register_full_backward_hook(lambda *_: called.append("after"))
    scores = model(x)
    torch.testing.assert_close(scores, expected)
    scores.sum().backward()
    assert called == ["before", "after"] * 2


@pytest.mark.parametrize("target", TARGETS)
def test_a_replaced_forward_of_a_projection_is_used(target: str) -> None:
    model, x = small(), signals()
    before = model(x).detach()
    for attention in attentions(model):
        layer = getattr(attention, target)
        original = layer.forward
        layer.forward = lambda values, original=original: 2 * original(values)
    assert (model(x).detach() - before).abs().min() > 1e-6


@pytest.mark.parametrize("target", TARGETS)
def test_a_parametrised_projection_is_used(target: str) -> None:
    class Double(nn.Module):
        def forward(self, weight: Tensor) -> Tensor:
            return 2 * weight

    model, doubled, x = small(), small(), signals()
    for plain, other in zip(attentions(model), attentions(doubled), strict=True):
        nn.utils.parametrize.register_parametrization(getattr(plain, target), "weight", Double())
        getattr(other, target).weight.data.mul_(2)
    torch.testing.assert_close(model(x), doubled(x))


def test_adapters_are_merged_before_saving_or_refused(tmp_path: Path) -> None:
    peft = pytest.importorskip("peft", reason="peft is not installed: no adapters to test")
    adapted = peft.get_peft_model(small(), peft.LoraConfig(r=2, target_modules=["to_q"]))
    with pytest.raises(
        CheckpointError, match=r"to_q\..* more\. Nothing was saved\. Merge adapters"
    ):
        adapted.get_base_model().save_pretrained(tmp_path / "m")
    assert not (tmp_path / "m").exists()
    merged = adapted.merge_and_unload()
    again = BIOT.from_pretrained(merged.save_pretrained(tmp_path / "m"))
    torch.testing.assert_close(again(signals()), merged(signals()))
