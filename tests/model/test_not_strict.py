"""``strict=False``: what fits is loaded, and the rest is said."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from foreign_files import SETTINGS, published_state, write_published
from torch import Tensor

from biot import BIOT
from biot.errors import CheckpointError

PROJECTION = "encoder.patch_embedding.projection.weight"
BIAS = "encoder.patch_embedding.projection.bias"


def loosely(folder: Path, match: str, **settings: object) -> BIOT:
    """Open, and be told how much was left."""
    with pytest.warns(UserWarning, match=match):
        return BIOT.from_pretrained(folder, strict=False, **settings)


def test_a_complete_file_opens_without_a_warning(published: Path, x: Tensor) -> None:
    model = BIOT.from_pretrained(published, strict=False)
    torch.testing.assert_close(model(x), BIOT.from_pretrained(published)(x), atol=0, rtol=0)
    assert model.load_report is not None
    assert model.load_report.complete


@pytest.mark.parametrize("name", [PROJECTION, BIAS, "encoder.channel_tokens.weight"])
def test_a_missing_weight_is_drawn_and_listed(tmp_path: Path, x: Tensor, name: str) -> None:
    state = published_state()
    del state[name]
    folder = write_published(tmp_path / "m", state=state)
    with pytest.raises(CheckpointError):
        BIOT.from_pretrained(folder)
    model = loosely(folder, "1 weight is missing and drawn at random, 0 entries have no place")
    assert model.load_report is not None
    assert list(model.load_report.missing) == [name]
    assert model(x).isfinite().all()
    for other, tensor in state.items():
        if other != "encoder.positional_encoding.pe":
            torch.testing.assert_close(model.state_dict()[other], tensor)


def test_more_layers_than_the_file_has_are_drawn(published: Path, x: Tensor) -> None:
    model = loosely(published, "weights are missing and drawn at random", num_layers=3)
    assert model.load_report is not None
    start = "encoder.transformer.layers.layers.2."
    assert model.load_report.missing
    assert all(name.startswith(start) for name in model.load_report.missing)
    assert model(x).isfinite().all()


def test_weights_of_other_shapes_and_names_have_no_place(tmp_path: Path, x: Tensor) -> None:
    state = {**published_state(), BIAS: torch.zeros(7), "extra.weight": torch.zeros(2)}
    model = loosely(write_published(tmp_path / "m", state=state), "2 entries have no place")
    assert model.load_report is not None
    assert set(model.load_report.unexpected) == {BIAS, "extra.weight"}
    assert "the model has (16,)" in model.load_report.unexpected[BIAS]
    assert list(model.load_report.missing) == [BIAS]
    assert model(x).isfinite().all()


def test_a_file_without_a_head_gets_the_configurations(tmp_path: Path) -> None:
    state = {n: t for n, t in published_state().items() if not n.startswith("final_layer.")}
    model = BIOT.from_pretrained(write_published(tmp_path / "m", state=state), strict=False)
    assert model.n_outputs == SETTINGS["n_outputs"]
    assert model.load_report is not None
    assert all(text.endswith("fresh") for text in model.load_report.adapted.values())


def test_a_file_of_which_nothing_fits_is_refused(tmp_path: Path) -> None:
    state = {f"other.{number}": torch.zeros(3) for number in range(3)}
    folder = write_published(tmp_path / "m", state=state)
    with pytest.raises(CheckpointError, match=r"^Nothing in the file fits the model\."):
        BIOT.from_pretrained(folder, strict=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_layers": 10**6}, "num_layers=1000000 is more than 1000"),
        ({"embed_dim": 2**20}, "Nothing in the file fits|are of another model"),
    ],
)
def test_a_hostile_configuration_gets_no_memory(
    tmp_path: Path, changes: dict[str, int], message: str
) -> None:
    folder = write_published(tmp_path / "m", config={**SETTINGS, **changes})
    with pytest.raises(CheckpointError, match=message):
        BIOT.from_pretrained(folder, strict=False)
