"""What is written, under which names, and what a config holds and refuses."""

from __future__ import annotations

import json
import stat
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from foreign_files import SETTINGS, authors_classifier, published_state, write_published
from safetensors import safe_open
from torch import Tensor, nn

from biot import BIOT
from biot.errors import CheckpointError, ConfigError, ContractError
from biot.preprocessing import Preprocessing

UNUSABLE = {
    "GLU": "halves the features; the head needs one that keeps the shape",
    "Softmax2d": "is for images; the head needs one that keeps the shape",
    "MultiheadAttention": "must be a module class made without arguments",
    "Threshold": "must be a module class made without arguments",
}
ACTIVATIONS = [*sorted(set(nn.modules.activation.__all__) - set(UNUSABLE)), "Identity"]


def small(**arguments: Any) -> BIOT:
    given = {"embed_dim": 16, "num_heads": 2, "num_layers": 1, "sfreq": 100, "hop_length": 50}
    return BIOT(**{"n_outputs": 3, "n_chans": 4, "n_times": 400, **given, **arguments}).eval()


# what is written ------------------------------------------------------------------------------


def test_the_keys_and_the_metadata_on_disk_are_the_published_ones(tmp_path: Path) -> None:
    model = small(num_layers=2)
    model.save_pretrained(tmp_path / "m")
    assert sorted(p.name for p in (tmp_path / "m").iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
        "provenance.json",
    ]
    with safe_open(tmp_path / "m" / "model.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt"}
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    assert shapes == {name: tuple(t.shape) for name, t in published_state().items()}


def test_config_keys_that_braindecode_lacks_are_written_only_when_set() -> None:
    theirs = set(SETTINGS) - {"braindecode_version"}
    assert set(small().get_config()) == theirs
    ours = {"n_fft": 50, "channels": ["a", "b", "c", "d"]}
    model = small(n_chans=None, **ours)
    config = model.get_config()
    assert set(config) - theirs == {"n_fft", "channels"}
    assert config["n_chans"] == 4  # braindecode does not know `channels`
    ours["channels"].clear()
    assert model.get_config() == config


def test_everybody_may_read_what_the_umask_allows(tmp_path: Path) -> None:
    folder = small().save_pretrained(tmp_path / "m")
    modes = {stat.S_IMODE(p.stat().st_mode) for p in folder.iterdir()}
    (tmp_path / "plain").touch()
    assert modes == {stat.S_IMODE((tmp_path / "plain").stat().st_mode)}


def test_a_disk_that_takes_no_more_is_an_oserror_and_leaves_nothing(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="files cannot be limited here")
    model, before = small(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            model.save_pretrained(tmp_path / "m")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_when_something_cannot_be(tmp_path: Path) -> None:
    class Custom(nn.Tanh):
        pass

    with pytest.raises(ConfigError, match=r"Custom'> cannot be saved: .* torch\.nn only"):
        small(activation=Custom).save_pretrained(tmp_path / "m")
    model = small()
    with torch.no_grad():
        model.final_layer.classification_head.bias[1] = torch.nan
    with pytest.raises(CheckpointError, match=r"head\.bias holds NaN .* Nothing was saved"):
        model.save_pretrained(tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_saving_over_the_folder_it_came_from(published: Path, x: Tensor) -> None:
    model = BIOT.from_pretrained(published)
    before = model(x).detach()
    model.reset_head(2)
    model.save_pretrained(published)
    assert BIOT.from_pretrained(published)(x).shape == (2, 2)
    model = BIOT.from_pretrained(published, n_outputs=3)
    assert model(x).shape == before.shape
    assert not list(published.glob(".*"))


def test_the_contract_lies_beside_and_fits_the_model(tmp_path: Path) -> None:
    contract = Preprocessing(
        sfreq=100.0,
        window=4.0,
        ch_names=("a", "b", "c", "d"),
        units=("µV",) * 4,
        label_names=("wake", "N1", "N2"),
    )
    model = small(channels=contract.ch_names)
    folder = model.save_pretrained(tmp_path / "m", preprocessing=contract)
    assert Preprocessing.load(folder) == contract
    assert BIOT.from_pretrained(folder).channels == contract.ch_names
    model.reset_head(2)
    with pytest.raises(
        ContractError, match=r"has 2 outputs, .* says 3\. Its labels: wake, N1, N2\."
    ):
        model.save_pretrained(folder, preprocessing=contract)
    with pytest.raises(ContractError, match=r"has 200 samples a second, .* says 100\. "):
        small(sfreq=200).save_pretrained(folder, preprocessing=contract)
    assert BIOT.from_pretrained(folder).n_outputs == 3


def test_an_earlier_models_contract_does_not_stay_beside_another(tmp_path: Path) -> None:
    contract = Preprocessing(sfreq=100.0, window=4.0, ch_names=tuple("abcd"), units=("µV",) * 4)
    folder = small().save_pretrained(tmp_path / "m", preprocessing=contract)
    (folder / "notes.txt").touch()
    small().save_pretrained(folder)
    with pytest.raises(ContractError, match=r"no preprocessing\.json"):
        Preprocessing.load(folder)
    assert (folder / "notes.txt").is_file()


def test_parameters_that_would_not_load_again_are_not_saved(tmp_path: Path) -> None:
    parametrised, replaced, shared, mixed = small(), small(), small(num_layers=2), small()
    nn.utils.parametrizations.weight_norm(parametrised.final_layer.classification_head)
    replaced.final_layer = nn.Identity()  # type: ignore[assignment]  # what a user may do
    first, second = (attention.fn for attention, _ in shared.encoder.transformer.layers.layers)
    second.to_q = first.to_q
    mixed.final_layer.double()
    for model, message in (
        (parametrised, r"classification_head\.parametrizations\.weight\.original0 and 2 more"),
        (replaced, r"final_layer\.classification_head\.bias and 1 more\. Nothing was saved"),
        (shared, r"layers\.1\.0\.fn\.to_q\.weight\. Nothing was saved"),
        (mixed, r"several types: torch\.float32, torch\.float64\. Nothing was saved"),
    ):
        with pytest.raises(CheckpointError, match=message):
            model.save_pretrained(tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_a_deprecated_setting_does_not_warn_again_when_saving(tmp_path: Path) -> None:
    with pytest.warns(FutureWarning, match="add_log_softmax is deprecated"):
        model = small(add_log_softmax=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.save_pretrained(tmp_path / "m")


def test_the_card_tells_a_person_what_to_know(tmp_path: Path) -> None:
    contract = Preprocessing(
        sfreq=100.0,
        window=4.0,
        ch_names=("Fp1", "Cz", "O|2", "ECG"),
        units=("µV", "µV", "µV", "mV"),
        label_names=("wake", "sleep", "other"),
    )
    folder = small(channels=contract.ch_names).save_pretrained(
        tmp_path / "m",
        preprocessing=contract,
        corpora=["TUAB", "SHHS"],
        metrics={"test balanced accuracy": 0.81234},
    )
    card = (folder / "README.md").read_text(encoding="utf-8")
    for line in (
        "library_name: biot",
        r"| Channels | 4: Fp1, Cz, O\|2, ECG |",
        "| Sampling rate | 100 Hz |",
        "| Window | 4 s (400 samples) |",
        "| Unit | µV, mV |",
        "| Scale | each channel of a window over the 95th percentile of its magnitude |",
        "| Classes | wake, sleep, other |",
        "| Corpora | TUAB, SHHS |",
        "| test balanced accuracy | 0.8123 |",
        "Research software, not for clinical decisions.",
    ):
        assert line in card.splitlines()


# names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("write", [dict, authors_classifier])
def test_load_state_dict_takes_published_names(write: Any, x: Tensor, published: Path) -> None:
    model = small(num_layers=2)
    state = write({**published_state(), "encoder.index": torch.arange(4)})
    before = set(state)
    assert str(model.load_state_dict(state)) == "<All keys matched successfully>"
    assert set(state) == before
    expected = BIOT.from_pretrained(published)(x)
    torch.testing.assert_close(model(x), expected, atol=0, rtol=0)
    whole = nn.ModuleDict({"net": small(num_layers=2)})
    whole.load_state_dict({f"net.{name}": tensor for name, tensor in state.items()})
    torch.testing.assert_close(whole["net"](x), expected, atol=0, rtol=0)


def test_load_state_dict_is_strict() -> None:
    state = published_state()
    del state["final_layer.classification_head.bias"]
    with pytest.raises(RuntimeError, match=r"Missing key.*final_layer\.classification_head\.bias"):
        small(num_layers=2).load_state_dict(state)


# the report -----------------------------------------------------------------------------------


def test_the_report_is_an_aligned_table_the_unusual_first(published: Path) -> None:
    report = BIOT.from_pretrained(published, n_outputs=2, channels=list("abcd")).load_report
    lines = str(report).splitlines()
    assert lines[0] == (
        f"{published}: 30 matched, 0 unused, 1 assumed, 2 adapted, 0 unexpected, 0 missing"
    )
    assert [line.split()[0] for line in lines[3:]] == (
        ["adapted"] * 2 + ["assumed"] + ["matched"] * 30
    )
    column = lines[1].index("shape or value")
    assert lines[3][column:] == "(2, 16), fresh"
    assert lines[5][column:] == "a, b, c, d"
    assert lines[-1][column:].startswith("(")
    assert max(map(len, lines[1:])) < 120


# configs --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_of_torch_round_trips(name: str, tmp_path: Path, x: Tensor) -> None:
    model = small(activation=getattr(nn, name))
    config = json.loads(json.dumps(model.get_config(), allow_nan=False))
    assert BIOT.from_config(config).activation is getattr(nn, name)
    assert BIOT.from_config({**config, "activation": f"torch.nn.{name}"}).activation is getattr(
        nn, name
    )
    again = BIOT.from_pretrained(model.save_pretrained(tmp_path / "m"))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Implicit dimension choice")  # of softmax, as in torch
        torch.testing.assert_close(again(x), model(x), atol=0, rtol=0)


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_activation_that_no_head_can_use_is_refused(name: str) -> None:
    config = {**small().get_config(), "activation": f"torch.nn.{name}"}
    with pytest.raises(ConfigError, match=rf"{name}'> {UNUSABLE[name]}"):
        BIOT.from_config(config)
    with pytest.raises(ConfigError, match=rf"{name}'> {UNUSABLE[name]}"):
        small(activation=getattr(nn, name))


HARMFUL = (
    "os.system",
    "subprocess.Popen",
    "builtins.exec",
    "torch.nn.Linear",
    "torch.nn.modules.activation.torch",
    "torch.nn.modules.activation.__builtins__",
    "torch.nn..ELU",
    "torch.nn.ELU.__init__",
    "antigravity.ELU",
    "ELU",
    "",
    "x" * 100_000,
    ["torch.nn.ELU"],
    {"torch.nn": "ELU"},
    None,
    True,
)


@pytest.mark.parametrize("name", HARMFUL, ids=lambda name: str(name)[:30])
def test_a_config_that_names_anything_else_is_refused_and_nothing_imported(name: Any) -> None:
    before = set(sys.modules)
    with pytest.raises(ConfigError, match=r"is not an activation of torch\.nn") as error:
        BIOT.from_config({**small().get_config(), "activation": name})
    assert len(str(error.value)) < 250
    assert set(sys.modules) == before


def test_a_users_own_module_on_the_path_is_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "canary_module.py").write_text("raise SystemExit('imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    config = {**SETTINGS, "activation": "canary_module.ELU"}
    with pytest.raises(CheckpointError, match=r"config\.json: activation 'canary_module\.ELU'"):
        BIOT.from_pretrained(write_published(tmp_path / "m", config=config))
    assert "canary_module" not in sys.modules


def test_channel_descriptions_of_mne_round_trip_through_json(tmp_path: Path) -> None:
    mne = pytest.importorskip("mne", reason="mne is not installed: no real Info to describe")
    info = mne.create_info(["Fp1", "Cz", "ECG"], sfreq=100.0, ch_types=["eeg", "eeg", "ecg"])
    montage = mne.channels.make_dig_montage(
        {"Fp1": [-0.03, 0.08, 0.0], "Cz": [0.0, 0.0, 0.1]},
        nasion=[0.0, 0.1, 0.0],
        lpa=[-0.1, 0.0, 0.0],
        rpa=[0.1, 0.0, 0.0],
    )
    info.set_montage(montage, on_missing="ignore")
    assert np.isnan(info["chs"][2]["loc"]).any()
    model = small(n_chans=None, chs_info=info["chs"])
    text = json.dumps(model.get_config(), allow_nan=False)
    again = BIOT.from_config(json.loads(text))
    assert again.get_config() == model.get_config() == json.loads(text)
    assert again.channels == ("Fp1", "Cz", "ECG")
    for ours, theirs in zip(again.chs_info, info["chs"], strict=True):
        np.testing.assert_array_equal(ours["loc"], theirs["loc"])
        assert {key: ours[key] for key in ours if key != "loc"} == {
            key: theirs[key] for key in theirs if key != "loc"
        }
    opened = BIOT.from_pretrained(model.save_pretrained(tmp_path / "m"))
    assert opened.get_config() == model.get_config()


def test_numpy_numbers_are_plain_in_a_config() -> None:
    model = small(
        n_chans=np.int64(4),
        n_times=np.int32(400),
        sfreq=np.float32(100),
        hop_length=np.int64(50),
        n_outputs=np.int8(3),
        return_feature=np.bool_(True),
    )
    assert BIOT.from_config(json.loads(json.dumps(model.get_config()))).sfreq == 100


@pytest.mark.parametrize("config", [[], "BIOT", None, 3])
def test_a_config_that_is_no_mapping_is_refused(config: Any) -> None:
    with pytest.raises(ConfigError, match="A configuration is a mapping, not a"):
        BIOT.from_config(config)


def test_str_is_a_summary_and_repr_the_layers() -> None:
    model = BIOT(n_outputs=6, n_times=2000, channels=[f"channel {i}" for i in range(16)])
    lines = str(model).splitlines()
    assert lines == [
        "BIOT",
        "  channels    16: channel 0, channel 1, channel 2, channel 3, channel 4, channel 5, …",
        "  window      10 s, 2000 samples at 200 Hz",
        "  tokens      19 a channel: 200 samples each, one every 100",
        "  encoder     4 layers of width 256",
        "  outputs     6",
        "  parameters  3,187,718",
    ]
    assert "(to_q): Linear" in repr(model)
    assert "4: without names" in str(small())
