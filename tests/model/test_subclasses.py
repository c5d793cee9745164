"""Subclasses with settings of their own, which survive saving and opening."""

from __future__ import annotations

import copy
import inspect
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from biot import BIOT
from biot.errors import CheckpointError, ConfigError

SMALL: dict[str, Any] = {
    "n_outputs": 3, "n_chans": 4, "n_times": 400, "sfreq": 100, "hop_length": 50,
    "embed_dim": 16, "num_heads": 2, "num_layers": 1,
}  # fmt: skip


class Scaled(BIOT):
    """One setting of each kind that JSON holds."""

    def __init__(self, *args: Any, gain: float = 1.0, groups: Any = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.gain, self.groups = gain, groups

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Any:
        return super().forward(self.gain * x, *args, **kwargs)


class Named(Scaled):
    """A subclass of a subclass."""

    def __init__(self, site: str = "here", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.site = site


class Fixed(BIOT):
    """Takes only what it does not fix."""

    def __init__(self, depth: int = 1, n_outputs: int = 3) -> None:
        super().__init__(**{**SMALL, "num_layers": depth, "n_outputs": n_outputs})
        self.depth = depth


def test_own_settings_survive_saving_and_opening(tmp_path: Path, x: Tensor) -> None:
    model = Scaled(gain=3.0, groups={"left": ["F3", "C3"], "n": 2}, **SMALL).eval()
    again = Scaled.from_pretrained(model.save_pretrained(tmp_path / "m"))
    assert type(again) is Scaled
    assert (again.gain, again.groups) == (3.0, {"left": ["F3", "C3"], "n": 2})
    assert again.get_config() == model.get_config()
    torch.testing.assert_close(again(x), model(x), atol=0, rtol=0)


def test_settings_of_every_class_between_are_kept(tmp_path: Path) -> None:
    model = Named("there", gain=2.0, **SMALL)
    config = model.get_config()
    assert (config["site"], config["gain"]) == ("there", 2.0)
    again = Named.from_pretrained(model.save_pretrained(tmp_path / "m"))
    assert (again.site, again.gain) == ("there", 2.0)


def test_a_caller_may_give_another_value_on_opening(tmp_path: Path) -> None:
    folder = Scaled(gain=3.0, **SMALL).save_pretrained(tmp_path / "m")
    assert Scaled.from_pretrained(folder, gain=5.0).gain == 5.0
    with pytest.raises(ConfigError, match=r"knows no loudness\. .*gain"):
        Scaled.from_pretrained(folder, loudness=5.0)


def test_a_subclass_that_fixes_settings_opens_again(tmp_path: Path, x: Tensor) -> None:
    model = Fixed(depth=2).eval()
    folder = model.save_pretrained(tmp_path / "m")
    again = Fixed.from_pretrained(folder)
    assert again.depth == again.num_layers == 2
    torch.testing.assert_close(again(x), model(x), atol=0, rtol=0)
    assert Fixed.from_pretrained(folder, n_outputs=5).n_outputs == 5
    with pytest.raises(ConfigError, match=r"Fixed is made with num_heads=2, the config.* says 4"):
        Fixed.from_config({**model.get_config(), "num_heads": 4})


def test_the_base_class_refuses_a_subclasss_folder_by_the_setting(tmp_path: Path) -> None:
    folder = Scaled(gain=3.0, **SMALL).save_pretrained(tmp_path / "m")
    with pytest.raises(CheckpointError, match=r"does not fit BIOT: .*'(gain|groups)'"):
        BIOT.from_pretrained(folder)


def test_a_setting_that_json_cannot_hold_is_refused_by_name(tmp_path: Path) -> None:
    for value in (object(), float("nan"), torch.nn.GELU):
        model = Scaled(groups=value, **SMALL)
        with pytest.raises(ConfigError, match=r"The setting groups=.* cannot be saved: JSON holds"):
            model.save_pretrained(tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_copies_and_pickles_keep_the_settings() -> None:
    model = Scaled(gain=3.0, **SMALL)
    for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert again.get_config() == model.get_config()
        assert again.get_config()["gain"] == 3.0


def test_signatures_can_be_read() -> None:
    names = list(inspect.signature(BIOT).parameters)
    assert names[:4] == ["embed_dim", "num_heads", "num_layers", "sfreq"]
    assert list(inspect.signature(Scaled).parameters) == ["args", "gain", "groups", "kwargs"]
    assert "gain" not in BIOT(**SMALL).get_config()
