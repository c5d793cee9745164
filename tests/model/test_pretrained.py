"""Opening models: every generation of file, what is assumed, refused, and may be adapted."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from foreign_files import (
    SETTINGS,
    SIX_KEYS,
    authors_classifier,
    authors_encoder,
    authors_lightning,
    published_state,
    write_published,
)
from torch import Tensor

from biot import BIOT
from biot.errors import ChannelError, CheckpointError, ConfigError

SMALL: dict[str, Any] = {"num_heads": 2, "hop_length": 50, "sfreq": 100, "n_times": 400}
"""What a bare file of the small model cannot say."""


@pytest.fixture
def expected(published: Path, x: Tensor) -> Tensor:
    """Logits of the small model, opened from its full config and safetensors."""
    return BIOT.from_pretrained(published)(x).detach()


def same(model: BIOT, x: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(model(x), expected, atol=0, rtol=0)


# what opens -----------------------------------------------------------------------------------


def test_every_weight_of_a_published_file_is_where_it_belongs(published: Path) -> None:
    model = BIOT.from_pretrained(published)
    state = published_state()
    found = model.state_dict()
    assert set(found) == set(state)
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, state[name], atol=0, rtol=0)
    assert not model.training
    report = model.load_report
    assert report is not None
    assert report.complete
    assert set(report.matched) == set(found)
    assert report.unused == {}
    assert not report.assumed
    assert not report.adapted


@pytest.mark.parametrize("weights", ["model.safetensors", "pytorch_model.bin"])
@pytest.mark.parametrize("with_index", [True, False])
@pytest.mark.parametrize("keys", [tuple(SETTINGS), SIX_KEYS], ids=["full", "six keys"])
def test_folders_of_every_version_give_the_same_logits(
    tmp_path: Path,
    x: Tensor,
    expected: Tensor,
    weights: str,
    with_index: bool,
    keys: tuple[str, ...],
) -> None:
    state = published_state()
    if with_index:
        state["encoder.index"] = torch.arange(4)
    config = {key: SETTINGS[key] for key in keys}
    folder = write_published(tmp_path / "folder", state=state, config=config, weights=weights)
    arguments = {} if "hop_length" in keys else {"num_heads": 2, "hop_length": 50}
    model = BIOT.from_pretrained(folder, **arguments)
    same(model, x, expected)
    assert model.load_report is not None
    assert ("encoder.index" in model.load_report.unused) == with_index


def test_six_keys_alone_list_what_is_assumed(tmp_path: Path) -> None:
    config = {key: SETTINGS[key] for key in SIX_KEYS}
    folder = write_published(tmp_path / "six", config={**config, "sfreq": 200}, state=wide_state())
    model = BIOT.from_pretrained(folder)
    assert model.load_report is not None
    assert model.load_report.assumed == {
        "num_heads": "8",
        "hop_length": "100",
        "activation": "torch.nn.ELU",
        "drop_prob": "0.5",
        "att_layer_drop_prob": "0.2",
    }
    assert (model.num_heads, model.hop_length, model.sfreq) == (8, 100, 200)


def wide_state() -> dict[str, Tensor]:
    return published_state(n_fft=200)


def test_a_null_rate_is_inferred_where_that_is_possible_else_assumed(tmp_path: Path) -> None:
    config = {**SETTINGS, "sfreq": None, "input_window_seconds": 4.0}
    model = BIOT.from_pretrained(write_published(tmp_path / "a", config=config))
    assert model.sfreq == 100
    assert model.load_report is not None
    assert "sfreq" not in model.load_report.assumed
    folder = write_published(tmp_path / "b", config={**SETTINGS, "sfreq": None}, state=wide_state())
    model = BIOT.from_pretrained(folder)
    assert model.load_report is not None
    assert model.load_report.assumed == {"sfreq": "200"}


@pytest.mark.parametrize("suffix", ["ckpt", "pt", "bin", "safetensors"])
def test_a_bare_state_dict_of_any_name_opens_by_its_path(
    tmp_path: Path, x: Tensor, expected: Tensor, suffix: str
) -> None:
    write_published(tmp_path, weights=f"weights.{suffix}")
    model = BIOT.from_pretrained(str(tmp_path / f"weights.{suffix}"), **SMALL)
    same(model, x, expected)


def test_a_weights_file_beside_its_config_opens_by_its_path(
    published: Path, x: Tensor, expected: Tensor
) -> None:
    same(BIOT.from_pretrained(published / "model.safetensors"), x, expected)


def test_the_authors_classifier_opens_with_its_head(
    tmp_path: Path, x: Tensor, expected: Tensor
) -> None:
    path = tmp_path / "classifier.ckpt"
    torch.save(authors_classifier(published_state()), path)
    model = BIOT.from_pretrained(path, **SMALL)
    same(model, x, expected)
    assert model.load_report is not None
    assert set(model.load_report.unused) == {"encoder.index"}


@pytest.mark.parametrize("kind", ["encoder", "lightning"])
def test_the_authors_encoders_give_the_same_features_and_need_n_outputs(
    tmp_path: Path, published: Path, x: Tensor, kind: str
) -> None:
    path = tmp_path / f"{kind}.ckpt"
    content = {"encoder": authors_encoder, "lightning": authors_lightning}[kind](published_state())
    torch.save(content, path)
    with pytest.raises(
        CheckpointError, match=rf"{kind}\.ckpt: holds no head; give n_outputs= for a new one"
    ):
        BIOT.from_pretrained(path, **SMALL)
    model = BIOT.from_pretrained(path, n_outputs=5, **SMALL)
    features = BIOT.from_pretrained(published)(x, return_features=True)["features"]
    torch.testing.assert_close(model(x, return_features=True)["features"], features)
    assert model(x).isfinite().all()
    report = model.load_report
    assert report is not None
    assert report.adapted == {
        "final_layer.classification_head.weight": "(5, 16), fresh",
        "final_layer.classification_head.bias": "(5,), fresh",
    }
    assert ("prediction.0.weight" in report.unused) == (kind == "lightning")


@pytest.mark.parametrize(("width", "depth"), [(8, 1), (24, 3), (16, 0)])
def test_any_width_depth_and_hop(tmp_path: Path, width: int, depth: int) -> None:
    state = published_state(embed_dim=width, num_layers=depth, n_fft=150, n_chans=2)
    path = tmp_path / "bare.ckpt"
    torch.save(state, path)
    model = BIOT.from_pretrained(path, num_heads=4, hop_length=7, sfreq=150, n_times=600)
    assert (model.embed_dim, model.num_layers, model.hop_length) == (width, depth, 7)
    assert model.encoder.n_tokens(600) == 65
    assert model(torch.randn(1, 2, 600)).shape == (1, 3)


def test_weights_keep_their_precision(tmp_path: Path, x: Tensor) -> None:
    state = {name: tensor.double() for name, tensor in published_state().items()}
    model = BIOT.from_pretrained(write_published(tmp_path / "double", state=state))
    assert {p.dtype for p in model.parameters()} == {torch.float64}
    assert model(x.double()).dtype is torch.float64


def test_loading_draws_no_random_numbers_and_leaves_the_file_free(
    published: Path, x: Tensor, expected: Tensor
) -> None:
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    model = BIOT.from_pretrained(published)
    assert torch.equal(torch.random.get_rng_state(), before)
    (published / "model.safetensors").write_bytes(b"overwritten")
    same(model, x, expected)


# what is refused ------------------------------------------------------------------------------


def test_missing_and_unexpected_entries_raise_with_the_table(tmp_path: Path) -> None:
    state = published_state()
    state["encoder.transformer.layers.layers.1.0.fn.to_w.weight"] = state.pop(
        "encoder.transformer.layers.layers.1.0.fn.to_q.weight"
    )
    with pytest.raises(CheckpointError) as error:
        BIOT.from_pretrained(write_published(tmp_path / "m", state=state))
    lines = str(error.value).splitlines()
    assert lines[0] == "The weights do not fit the model."
    assert lines[1].startswith(f"{tmp_path / 'm'}: 31 matched, 0 unused, 0 assumed, 0 adapted, ")
    assert lines[1].endswith("1 unexpected, 1 missing")
    rows = [line.split() for line in lines]
    assert [
        "missing",
        "encoder.transformer.layers.layers.1.0.fn.to_q.weight",
        "(16,",
        "16)",
    ] in rows
    wrong = "encoder.transformer.layers.layers.1.0.fn.to_w.weight"
    assert ["unexpected", wrong, "(16,", "16)"] in rows
    assert "Give n_outputs= for another head" in lines[-1]


def test_every_key_by_another_name_is_no_biot_model(tmp_path: Path) -> None:
    state = {f"net-{name}": tensor for name, tensor in published_state().items()}
    with pytest.raises(CheckpointError, match=r"not a BIOT model\. It holds net-encoder"):
        BIOT.from_pretrained(write_published(tmp_path / "m", state=state))


def test_a_patch_of_another_length_says_what_to_give(tmp_path: Path) -> None:
    folder = write_published(tmp_path / "m", state=published_state(n_fft=250))
    with pytest.raises(
        CheckpointError, match=r"\(16, 126\), the model has \(16, 51\) for n_fft=100: give sfreq="
    ):
        BIOT.from_pretrained(folder)
    assert BIOT.from_pretrained(folder, n_fft=250).n_fft == 250


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"embed_dim": 32}, "the weights say embed_dim=16, the settings say 32"),
        ({"num_layers": 9}, "the weights say num_layers=2, the settings say 9"),
        ({"n_chans": 5}, r"the weights say n_chans=4, the settings say 5\. channels= takes"),
        ({"colour": 1}, r"config\.json: .*unexpected keyword argument 'colour'"),
        ({"channels": ["A", "B"]}, "n_chans says 4, channels says 2"),
    ],
)
def test_a_config_that_contradicts_its_weights_is_refused(
    tmp_path: Path, config: dict[str, Any], message: str
) -> None:
    folder = write_published(tmp_path / "m", config={**SETTINGS, **config})
    with pytest.raises(CheckpointError, match=message):
        BIOT.from_pretrained(folder)


def test_unknown_keywords_are_the_callers_mistake(published: Path) -> None:
    with pytest.raises(ConfigError, match=r"knows no colour\. The settings of a model are .*n_fft"):
        BIOT.from_pretrained(published, colour=1)
    with pytest.raises(ConfigError, match="new_channels must be 'error' or 'init', got 'all'"):
        BIOT.from_pretrained(published, new_channels="all")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="n_outputs must be an integer of at least 1, got 0"):
        BIOT.from_pretrained(published, n_outputs=0)


def test_places_without_a_model_say_what_is_not_there(tmp_path: Path, published: Path) -> None:
    with pytest.raises(CheckpointError, match="nowhere: no such folder or file"):
        BIOT.from_pretrained(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        CheckpointError, match=r"empty: holds neither model\.safetensors nor pytorch_model\.bin"
    ):
        BIOT.from_pretrained(tmp_path / "empty")
    (tmp_path / "empty" / "state.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"It is a corpus; a model is the folder RUN/model"):
        BIOT.from_pretrained(tmp_path / "empty")
    (published / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"published: holds no config\.json; restore it"):
        BIOT.from_pretrained(published)


# what may be adapted --------------------------------------------------------------------------


def test_another_n_outputs_gives_a_fresh_head_and_a_true_config(
    published: Path, tmp_path: Path, x: Tensor
) -> None:
    model = BIOT.from_pretrained(published, n_outputs=7)
    assert model(x).shape == (2, 7)
    assert model.n_outputs == model.get_config()["n_outputs"] == 7
    assert model.load_report is not None
    assert list(model.load_report.adapted) == [
        "final_layer.classification_head.weight",
        "final_layer.classification_head.bias",
    ]
    again = BIOT.from_pretrained(model.save_pretrained(tmp_path / "again"))
    assert again.n_outputs == 7
    same(again, x, model(x))


def test_the_same_n_outputs_keeps_the_head(published: Path, x: Tensor, expected: Tensor) -> None:
    same(BIOT.from_pretrained(published, n_outputs=3), x, expected)


def test_reset_head_save_and_load_agree(published: Path, tmp_path: Path, x: Tensor) -> None:
    model = BIOT.from_pretrained(published)
    model.reset_head(5)
    again = BIOT.from_pretrained(model.save_pretrained(tmp_path / "again"))
    assert json.loads((tmp_path / "again" / "config.json").read_text())["n_outputs"] == 5
    same(again, x, model(x))


def test_weights_say_how_many_outputs_where_a_config_was_left_behind(tmp_path: Path) -> None:
    folder = write_published(tmp_path / "m", config={**SETTINGS, "n_outputs": 6})
    model = BIOT.from_pretrained(folder)
    assert model.n_outputs == model.get_config()["n_outputs"] == 3
    assert model.load_report is not None
    assert model.load_report.assumed == {
        "n_outputs": "3 as in the weights; the configuration says 6"
    }


def test_channels_are_picked_by_name(published: Path, tmp_path: Path, x: Tensor) -> None:
    named = BIOT.from_pretrained(published, channels=["Fp1", "T3", "Cz", "O2"])
    assert named.load_report is not None
    assert named.load_report.assumed == {"channels": "Fp1, T3, Cz, O2"}
    folder = named.save_pretrained(tmp_path / "named")
    picked = BIOT.from_pretrained(folder, channels=["O2", "T7"])
    assert picked.channels == ("O2", "T7")
    assert picked.n_chans == picked.get_config()["n_chans"] == 2
    ids = torch.tensor([[3, 1]]).expand(2, -1)
    same(picked, x[:, :2], named(x[:, :2], channel_ids=ids))
    assert picked.load_report is not None
    assert picked.load_report.adapted == {
        "encoder.channel_tokens.weight": "(4, 16) → (2, 16), rows picked by name"
    }


def test_fresh_channels_only_on_request(published: Path, tmp_path: Path) -> None:
    names = ["Fp1", "T3", "Cz", "O2"]
    folder = BIOT.from_pretrained(published, channels=names).save_pretrained(tmp_path / "named")
    wanted = ["Cz", "EMG", "Fp1"]
    with pytest.raises(ChannelError, match=r'no channel EMG; it knows Fp1, .*new_channels="init"'):
        BIOT.from_pretrained(folder, channels=wanted)
    model = BIOT.from_pretrained(folder, channels=wanted, new_channels="init")
    table = published_state()["encoder.channel_tokens.weight"]
    torch.testing.assert_close(model.encoder.channel_tokens.weight[[0, 2]], table[[2, 0]])
    assert model.load_report is not None
    (text,) = model.load_report.adapted.values()
    assert text.endswith("rows picked by name, fresh: EMG")


def test_a_file_without_names_cannot_be_picked_from(published: Path) -> None:
    with pytest.raises(ChannelError, match=r"4 channels have no names\. Name them first"):
        BIOT.from_pretrained(published, channels=["Fp1", "Cz"], new_channels="init")


def test_names_that_contradict_the_files_are_refused(published: Path, tmp_path: Path) -> None:
    names = ["Fp1", "T3", "Cz", "O2"]
    folder = BIOT.from_pretrained(published, channels=names).save_pretrained(tmp_path / "named")
    described = [{"ch_name": name} for name in ("Fp1", "T7", "Pz", "O2")]
    with pytest.raises(CheckpointError, match="channels says 'Cz' where chs_info says 'Pz'"):
        BIOT.from_pretrained(folder, chs_info=described)
    described[2]["ch_name"] = "CZ"
    assert BIOT.from_pretrained(folder, chs_info=described).channels == tuple(names)


def test_a_callers_window_replaces_the_files(published: Path) -> None:
    model = BIOT.from_pretrained(published, n_times=700)
    assert model.input_window_seconds == 7.0
    model = BIOT.from_pretrained(published, input_window_seconds=6.0)
    assert model.n_times == 600


def test_a_length_of_none_is_not_said(published: Path) -> None:
    assert BIOT.from_pretrained(published, n_times=None).n_times == 400
    model = BIOT.from_pretrained(published, n_times=700, input_window_seconds=None)
    assert model.input_window_seconds == 7.0


def test_earlier_keyword_names_work_here_too(published: Path, tmp_path: Path) -> None:
    with pytest.warns(FutureWarning, match="att_num_heads is the earlier name of num_heads"):
        model = BIOT.from_pretrained(published, att_num_heads=4)
    assert model.num_heads == 4
    config = {**SETTINGS, "emb_size": 16, "n_layers": 2, "att_num_heads": 4}
    for name in ("embed_dim", "num_heads", "num_layers"):
        del config[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = BIOT.from_pretrained(write_published(tmp_path / "earlier", config=config))
    assert (model.embed_dim, model.num_heads, model.num_layers) == (16, 4, 2)
