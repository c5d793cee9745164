"""A model's channels by name: named, picked, extended; weights, config and files follow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from biot import BIOT
from biot.errors import ChannelError, ConfigError
from biot.model.vocabulary import extended, picked

NAMES = ("Fp1", "T3", "Cz", "O2")


def small(**arguments: Any) -> BIOT:
    size = {"embed_dim": 16, "num_heads": 2, "num_layers": 1, "sfreq": 100, "hop_length": 50}
    return BIOT(**{"n_outputs": 3, "n_times": 400, **size, **arguments}).eval()


def table_of(model: BIOT) -> Tensor:
    return model.encoder.channel_tokens.weight.detach().clone()


def test_the_vocabulary_is_channels_else_the_descriptions_else_nobodys() -> None:
    described = [{"ch_name": name} for name in NAMES]
    assert small(channels=NAMES).channels == NAMES
    assert small(chs_info=described).channels == NAMES
    assert small(chs_info=described, channels=["FP1", "T7", "CZ", "O2"]).channels == (
        *("FP1", "T7", "CZ", "O2"),
    )
    assert small(n_chans=4).channels is None
    assert small(chs_info=[{"kind": 2}] * 4).channels is None


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"channels": "Fp1"}, ConfigError, "channels must be a list of names, got the string"),
        ({"channels": ["T3", "T7"]}, ChannelError, "'T3' and 'T7', which are one channel"),
        ({"channels": ["A", ""]}, ChannelError, "must be a non-empty string, got ''"),
        ({"channels": []}, ConfigError, "n_chans must be an integer of at least 1, got 0"),
        (
            {"channels": ["Cz", "Pz"], "chs_info": [{"ch_name": "Cz"}, {"ch_name": "Oz"}]},
            ConfigError,
            "channels says 'Pz' where chs_info says 'Oz'; they must agree",
        ),
    ],
)
def test_contradictory_names_say_which(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        small(**arguments)


def test_extending_keeps_the_old_rows_and_everything_true(tmp_path: Path, x: Tensor) -> None:
    model = small(chs_info=[{"ch_name": name, "loc": np.zeros(12)} for name in NAMES])
    before, table = model(x).detach(), table_of(model)
    model.extend_channels(["EMG", "Pz"])
    assert model.n_chans == len(model.chs_info) == model.input_shape[1] == 6
    assert model.channels == (*NAMES, "EMG", "Pz")
    assert [info["ch_name"] for info in model.chs_info] == list(model.channels)
    config = model.get_config()
    assert (config["n_chans"], config["channels"]) == (6, list(model.channels))
    torch.testing.assert_close(table_of(model)[:4], table, atol=0, rtol=0)
    torch.testing.assert_close(model(x), before, atol=0, rtol=0)
    again = BIOT.from_pretrained(model.save_pretrained(tmp_path / "m"))
    assert again.get_config() == config
    wide = torch.randn(2, 6, 400)
    torch.testing.assert_close(again(wide), model(wide), atol=0, rtol=0)


def test_a_name_that_is_there_cannot_be_added() -> None:
    model = small(channels=NAMES)
    with pytest.raises(ChannelError, match="'T3' and 'T7', which are one channel"):
        model.extend_channels(["T7"])
    assert model.channels == NAMES
    with pytest.raises(ChannelError, match=r"4 channels have no names\. Name them first: name_ch"):
        small(n_chans=4).extend_channels(["Pz"])


def test_naming_is_for_models_without_names() -> None:
    model = small(n_chans=4)
    with pytest.raises(ChannelError, match=r"3 names for 4 channels\."):
        model.name_channels(NAMES[:3])
    model.name_channels(NAMES)
    assert model.channels == NAMES
    assert model.get_config()["channels"] == list(NAMES)
    with pytest.raises(ChannelError, match="4 names for 4 channels, which have names already"):
        model.name_channels(NAMES)


def test_a_frozen_table_stays_frozen_and_a_trained_one_trains() -> None:
    model = small(channels=NAMES)
    model.extend_channels(["Pz"])
    assert model.encoder.channel_tokens.weight.requires_grad
    model.encoder.requires_grad_(False)
    model.extend_channels(["EMG"])
    assert not model.encoder.channel_tokens.weight.requires_grad


def test_picking_returns_the_names_with_fresh_rows() -> None:
    model = small(channels=NAMES).double()
    table = table_of(model)
    assert model.pick_channels(["o2", "EMG"], new_channels="init") == ("EMG",)
    assert table_of(model).dtype is torch.float64
    torch.testing.assert_close(table_of(model)[0], table[3], atol=0, rtol=0)
    with pytest.raises(ChannelError, match="no channel Cz; it knows o2, EMG"):
        model.pick_channels(["Cz"])


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(6)), st.integers(1, 6))
def test_rows_follow_their_names(order: list[int], n_wanted: int) -> None:
    names = [f"X{i}" for i in range(6)]
    table = torch.arange(12.0).reshape(6, 2)
    rows, fresh = picked(table, names, [names[i] for i in order[:n_wanted]], new_channels="error")
    assert fresh == ()
    assert torch.equal(rows, table[order[:n_wanted]])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 5))
def test_extension_adds_rows_at_the_end(n_new: int) -> None:
    table = torch.arange(6.0).reshape(3, 2)
    names, rows = extended(table, ["a", "b", "c"], [f"X{i}" for i in range(n_new)])
    assert len(names) == len(rows) == 3 + n_new
    assert torch.equal(rows[:3], table)
    assert rows.isfinite().all()


def test_a_string_is_not_taken_for_a_list_of_letters(tmp_path: Path) -> None:
    named, nameless = small(channels=list("abc")), small(n_chans=3)
    folder = nameless.save_pretrained(tmp_path / "m")
    for give in (
        lambda: named.extend_channels("EMG"),
        lambda: named.pick_channels("ab"),
        lambda: nameless.name_channels("abc"),
        lambda: BIOT.from_pretrained(folder, channels="abc"),
    ):
        with pytest.raises(ConfigError, match="must be a list of names, got the string '"):
            give()
    assert named.channels == ("a", "b", "c")
    assert nameless.channels is None
