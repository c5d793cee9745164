"""Weights in what training scripts save: under a key, with a wrapper's prefix, averaged."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from foreign_files import authors_classifier, authors_encoder, published_state
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from biot import BIOT
from biot.errors import CheckpointError

State = dict[str, Tensor]
SETTINGS: dict[str, Any] = {
    "sfreq": 100, "n_times": 400, "hop_length": 50, "num_heads": 2,
}  # fmt: skip


def prefixed(state: State, prefix: str) -> State:
    """The same weights as a wrapper names them."""
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


def small() -> BIOT:
    """A model for the settings above."""
    torch.manual_seed(0)
    return BIOT(n_outputs=3, n_chans=4, embed_dim=16, num_layers=2, **SETTINGS).eval()


def opened(path: Path, content: Any, **settings: Any) -> BIOT:
    """What a file with this content opens as."""
    torch.save(content, path)
    return BIOT.from_pretrained(path, **SETTINGS, **settings)


@pytest.mark.parametrize(
    "wrap",
    [
        pytest.param(lambda s: {"model_state_dict": s, "epoch": 3, "loss": 0.1}, id="script"),
        pytest.param(lambda s: {"model": s, "optimizer": {"state": {}, "lr": 1.0}}, id="model"),
        pytest.param(lambda s: {"net": s, "loss": torch.tensor(0.5)}, id="another key"),
        pytest.param(lambda s: {"checkpoint": {"weights": s}, "epoch": 1}, id="two keys deep"),
        pytest.param(
            lambda s: {"state_dict": prefixed(s, "model."), "callbacks": {"a": {}}}, id="Lightning"
        ),
        pytest.param(lambda s: prefixed(s, "module."), id="DDP"),
        pytest.param(lambda s: prefixed(s, "_orig_mod."), id="compiled"),
        pytest.param(lambda s: prefixed(s, "module._orig_mod."), id="DDP of compiled"),
        pytest.param(lambda s: prefixed(s, "backbone.net."), id="a script's own names"),
        pytest.param(
            lambda s: {**prefixed(s, "module."), "n_averaged": torch.tensor(7)}, id="averaged"
        ),
        pytest.param(
            lambda s: {
                "state_dict": {**prefixed(s, "ema.module."), "ema.n_averaged": torch.tensor(7)}
            },
            id="averaged in Lightning",
        ),
        pytest.param(lambda s: prefixed(authors_classifier(s), "module."), id="authors', DDP"),
    ],
)  # fmt: skip
def test_a_wrapped_file_opens_with_equal_scores(
    tmp_path: Path, x: Tensor, wrap: Callable[[State], Any]
) -> None:
    state = published_state()
    expected = opened(tmp_path / "plain.pt", state)(x)
    model = opened(tmp_path / "wrapped.pt", wrap(state))
    torch.testing.assert_close(model(x), expected, atol=0, rtol=0)
    assert model.load_report is not None
    assert model.load_report.complete


def test_the_report_says_which_prefix_was_taken_off(tmp_path: Path) -> None:
    model = opened(tmp_path / "m.pt", prefixed(published_state(), "module._orig_mod."))
    assert model.load_report is not None
    assert model.load_report.assumed["prefix"].startswith("module._orig_mod. before")
    plain = opened(tmp_path / "p.pt", published_state())
    assert plain.load_report is not None
    assert "prefix" not in plain.load_report.assumed


def test_what_torch_itself_averages_and_compiles_opens(tmp_path: Path, x: Tensor) -> None:
    model = small()
    averaged = AveragedModel(model)
    averaged.update_parameters(model)
    again = opened(tmp_path / "a.pt", averaged.state_dict())
    torch.testing.assert_close(again(x), model(x), atol=0, rtol=0)
    assert again.load_report is not None
    assert list(again.load_report.unused) == ["n_averaged"]
    parallel = nn.DataParallel(model)
    torch.testing.assert_close(opened(tmp_path / "d.pt", parallel.state_dict())(x), model(x))


def test_an_encoder_alone_in_a_wrapper_opens_with_a_fresh_head(tmp_path: Path) -> None:
    state = prefixed(authors_encoder(published_state()), "module.")
    model = opened(tmp_path / "m.pt", state, n_outputs=5)
    table = published_state()["encoder.channel_tokens.weight"]
    torch.testing.assert_close(model.encoder.channel_tokens.weight.detach(), table)
    assert model.load_report is not None
    assert set(model.load_report.adapted) == {
        "final_layer.classification_head.weight",
        "final_layer.classification_head.bias",
    }


@pytest.mark.parametrize(
    ("wrap", "message"),
    [
        (
            lambda s: {"state_dict": s, "state_dict_ema": dict(s)},
            "several models, under 'state_dict' and 'state_dict_ema'. Save the one that you want "
            "by itself: torch.save(torch.load(path, weights_only=True)['state_dict'], new_path)",
        ),
        (
            lambda s: {**prefixed(s, "student."), **prefixed(s, "teacher.")},
            "names beginning with 'student.' and 'teacher.'. Save one by itself: the entries with "
            "its prefix, and without the prefix in their names",
        ),
        (
            lambda s: {**prefixed(s, "model."), **s},
            "names beginning with 'model.' and ''",
        ),
    ],
)
def test_two_models_in_one_file_are_refused_by_their_names(
    tmp_path: Path, wrap: Callable[[State], Any], message: str
) -> None:
    with pytest.raises(CheckpointError, match=re.escape(message)):
        opened(tmp_path / "m.pt", wrap(published_state()))


def test_what_lies_beside_a_wrapped_model_is_left_over_and_said(tmp_path: Path, x: Tensor) -> None:
    state = published_state()
    content = {"state_dict": {**prefixed(state, "model."), "criterion.weight": torch.ones(3)}}
    with pytest.raises(CheckpointError, match=r"unexpected +criterion\.weight"):
        opened(tmp_path / "m.pt", content)
    with pytest.warns(UserWarning, match="1 entry has no place"):
        model = opened(tmp_path / "m.pt", content, strict=False)
    torch.testing.assert_close(model(x), opened(tmp_path / "p.pt", state)(x))


def test_a_whole_model_in_a_pickle_says_what_to_save(tmp_path: Path) -> None:
    torch.save({"model": small()}, tmp_path / "m.pt")
    with pytest.raises(CheckpointError, match=r"asks for .*torch\.save\(model\.state_dict\(\)"):
        BIOT.from_pretrained(tmp_path / "m.pt")
