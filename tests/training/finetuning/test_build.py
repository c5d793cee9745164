"""Models from scratch and from a folder, for the windows of a contract."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from biot.errors import CheckpointError, ConfigError, ContractError
from biot.model import BIOT
from biot.model.config import token_lengths
from biot.model.saving import require_fit
from biot.preprocessing import Preprocessing
from biot.training import FinetuneConfig
from biot.training.finetuning.build import blind_spots, build_model
from biot.training.settings import SPECTRUM

CONTRACT = Preprocessing(
    sfreq=40.0,
    window=3.0,
    ch_names=("Fz", "Cz", "Pz"),
    units=("µV", "µV", "µV"),
    label_names=("left", "right"),
)


@pytest.fixture
def pretrained(tmp_path):
    """A folder with a model of four classes and the contract it was trained under."""
    torch.manual_seed(1)
    model = BIOT(embed_dim=8, num_heads=2, num_layers=1, sfreq=40, hop_length=10, n_outputs=4,
                 n_times=120, channels=CONTRACT.ch_names, n_fft=20)  # fmt: skip
    model.save_pretrained(tmp_path)
    CONTRACT.with_labels(("a", "b", "c", "d")).save(tmp_path)
    return tmp_path


def test_a_fresh_model_takes_its_signal_from_the_contract():
    model = build_model(FinetuneConfig(embed_dim=32), CONTRACT, from_model=None)
    assert (model.n_chans, model.n_times, model.sfreq) == (3, 120, 40.0)
    assert model.channels == CONTRACT.ch_names
    assert (model.n_outputs, model.embed_dim) == (2, 32)
    assert (model.n_fft, model.hop_length) == (40, 20)  # a second, half overlapping


def test_a_window_below_a_second_is_one_token_long():
    short = Preprocessing(
        sfreq=40.0, window=0.5, ch_names=("I",), units=("mV",), label_names=("a", "b")
    )
    model = build_model(FinetuneConfig(embed_dim=16), short, from_model=None)
    assert (model.n_fft, model.hop_length) == (20, 10)


def test_tokens_above_two_seconds_start_a_second_apart():
    made = build_model(FinetuneConfig(n_fft=100), CONTRACT, from_model=None)
    assert (made.n_fft, made.hop_length) == (100, 40)  # half a token would be 50
    assert token_lengths(79, None, sfreq=40.0, shortest=400) == (79, 39)


def test_log_tokens_are_the_default_from_scratch_and_the_published_ones_of_the_class():
    assert build_model(FinetuneConfig(), CONTRACT, from_model=None).spectrum == "log"
    plain = build_model(FinetuneConfig(spectrum="magnitude"), CONTRACT, from_model=None)
    assert "spectrum" not in plain.get_config()  # as the published models
    assert BIOT(n_outputs=2, n_chans=2, n_times=400).spectrum == "magnitude"


def test_a_hop_above_a_second_is_refused():
    with pytest.raises(ConfigError, match=r"hop_length=50 is longer than a second of 40 samples"):
        build_model(FinetuneConfig(hop_length=50), CONTRACT, from_model=None)


def test_a_pretrained_model_keeps_its_encoder_and_gets_a_fresh_head(pretrained):
    source = BIOT.from_pretrained(pretrained)
    model = build_model(FinetuneConfig(drop_prob=0.1), CONTRACT, from_model=pretrained)
    assert (model.n_outputs, model.hop_length, model.n_fft) == (2, 10, 20)
    assert (model.drop_prob, model.att_layer_drop_prob) == (0.1, source.att_layer_drop_prob)
    for name, parameter in source.encoder.named_parameters():
        assert torch.equal(parameter, model.encoder.get_parameter(name))


def test_a_head_of_the_same_size_is_fresh_too(pretrained):
    contract = CONTRACT.with_labels(("e", "f", "g", "h"))
    model = build_model(FinetuneConfig(), contract, from_model=pretrained)
    source = BIOT.from_pretrained(pretrained)
    assert not torch.equal(
        model.final_layer.classification_head.weight, source.final_layer.classification_head.weight
    )


def test_another_architecture_than_the_pretrained_one_is_refused(pretrained):
    with pytest.raises(ConfigError, match=r"embed_dim=64 was asked for, but .* has 8"):
        build_model(FinetuneConfig(embed_dim=64), CONTRACT, from_model=pretrained)


def test_a_model_trained_under_another_contract_is_refused(pretrained):
    other = Preprocessing.from_dict({**CONTRACT.to_dict(), "scale": "none"})
    with pytest.raises(ContractError, match=r"scale is 'none', expected 'q95'"):
        build_model(FinetuneConfig(), other, from_model=pretrained)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"sfreq": 80.0},
            r"is for 40 Hz, the corpus has 80 Hz. Prepare the corpus with --sfreq 40",
        ),
        ({"ch_names": ("Fz", "Cz", "Oz")}, r"does not know Oz of the corpus; it has the channels"),
    ],
)
def test_a_model_without_a_contract_is_checked_as_far_as_it_says(pretrained, changes, message):
    (pretrained / "preprocessing.json").unlink()
    other = Preprocessing.from_dict({**CONTRACT.to_dict(), **changes})
    with pytest.raises(ContractError, match=message):
        build_model(FinetuneConfig(), other, from_model=pretrained)


def test_channels_of_the_corpus_find_their_rows_by_name(pretrained):
    some = Preprocessing.from_dict(
        {**CONTRACT.to_dict(), "ch_names": ("Pz", "Fz"), "units": ("µV", "µV"), "window": 4.0}
    )
    model = build_model(FinetuneConfig(), some, from_model=pretrained)
    assert (model.channels, model.n_chans, model.n_times) == (("Pz", "Fz"), 2, 160)
    table = BIOT.from_pretrained(pretrained).encoder.channel_tokens.weight
    assert torch.equal(model.encoder.channel_tokens.weight, table[[2, 0]])


def test_a_channel_in_another_unit_is_refused(pretrained):
    other = Preprocessing.from_dict({**CONTRACT.to_dict(), "units": ("µV", "mV", "µV")})
    with pytest.raises(ContractError, match=r"Cz is in 'mV' in the corpus, .* trained with 'µV'"):
        build_model(FinetuneConfig(), other, from_model=pretrained)


def test_channels_without_names_must_be_as_many(pretrained):
    config = json.loads((pretrained / "config.json").read_text(encoding="utf-8"))
    config["channels"] = None
    (pretrained / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (pretrained / "preprocessing.json").unlink()
    two = {**CONTRACT.to_dict(), "ch_names": ("Fz", "Cz"), "units": ("µV", "µV")}
    with pytest.raises(ContractError, match=r"knows 3 channels without names, the corpus has 2"):
        build_model(FinetuneConfig(), Preprocessing.from_dict(two), from_model=pretrained)


def test_a_model_without_a_contract_takes_windows_of_any_length(pretrained):
    (pretrained / "preprocessing.json").unlink()
    longer = Preprocessing.from_dict({**CONTRACT.to_dict(), "window": 5.0})
    assert build_model(FinetuneConfig(), longer, from_model=pretrained).n_times == 200


def test_a_model_for_another_window_fits_the_corpus_contract_afterwards(pretrained):
    longer = replace(CONTRACT, window=5.0)
    model = build_model(FinetuneConfig(), longer, from_model=pretrained)
    assert (model.n_times, model.input_window_seconds) == (200, 5.0)
    require_fit(model, longer, labelled=True)


def test_a_folder_whose_contract_is_of_another_model_is_refused(pretrained):
    replace(CONTRACT, window=6.0, label_names=("a", "b", "c", "d")).save(pretrained)
    with pytest.raises(ContractError, match=r"has 120 samples a window, .*json says 240\."):
        build_model(FinetuneConfig(), CONTRACT, from_model=pretrained)


@pytest.mark.parametrize("spectrum", ["magnitude+wave", "log", "log+wave"])
def test_a_fresh_model_has_the_tokens_that_were_asked_for(spectrum):
    model = build_model(FinetuneConfig(embed_dim=8, spectrum=spectrum), CONTRACT, from_model=None)
    assert model.spectrum == spectrum
    default = build_model(FinetuneConfig(embed_dim=8), CONTRACT, from_model=None)
    assert default.spectrum == SPECTRUM


def test_a_pretrained_model_keeps_its_tokens_and_can_get_waves(pretrained):
    assert build_model(FinetuneConfig(), CONTRACT, from_model=pretrained).spectrum == "magnitude"
    wave = build_model(FinetuneConfig(spectrum="magnitude+wave"), CONTRACT, from_model=pretrained)
    assert not wave.encoder.patch_embedding.wave_projection.weight.any()
    with pytest.raises(CheckpointError, match=r"for spectrum='magnitude'.*from scratch"):
        build_model(FinetuneConfig(spectrum="log"), CONTRACT, from_model=pretrained)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"n_fft": 120}, r"one token of each channel \(n_fft 120 of 120.*spectrum log\+wave does"),
        ({"n_fft": 120, "spectrum": "magnitude"}, r"spectrum magnitude\+wave does \(--spectrum"),
        ({"n_fft": 120, "spectrum": "log+wave"}, r"Shorter tokens show it \(--n-fft, n_fft\)\."),
    ],
)
def test_one_token_a_channel_is_told_with_a_way_out(settings, told):
    config = FinetuneConfig(embed_dim=8, hop_length=40, **settings)
    model = build_model(config, CONTRACT, from_model=None)
    (note,) = blind_spots(model, None)
    assert re.search(told, note)
    assert blind_spots(model, Path("model")) == ()  # its maker chose


def test_several_tokens_a_channel_need_no_word():
    model = build_model(FinetuneConfig(embed_dim=8), CONTRACT, from_model=None)
    assert blind_spots(model, None) == ()
