"""Forms of token: what each sees and cannot see, their statistics, and their files."""

# B batch, C channels, T samples, N tokens a channel, F frequencies

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from biot import BIOT
from biot.errors import CheckpointError, ConfigError
from biot.model.spectra import BUFFERS, FLOOR, LEAST_STD, SpectralEmbedding
from biot.signals.scale import scaled_window

FORMS = ("magnitude", "log", "magnitude+wave", "log+wave")
NEW = FORMS[1:]
WAVES = FORMS[2:]
CHANNELS = ("Cz", "C3", "C4")
N_FFT, HOP, N_TIMES = 50, 20, 150


def small(spectrum: str, *, fitted: bool = True, **changes: Any) -> BIOT:
    """A model whose every parameter is off its initial value, so that waves are seen."""
    torch.manual_seed(0)
    arguments: dict[str, Any] = {
        "embed_dim": 16, "num_heads": 2, "num_layers": 2, "n_outputs": 3, "sfreq": 50,
        "n_times": N_TIMES, "hop_length": HOP, "channels": list(CHANNELS), "spectrum": spectrum,
    }  # fmt: skip
    model = BIOT(**{**arguments, **changes}).eval()
    if fitted:
        model.fit_spectrum(windows())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def windows(n: int = 60, n_times: int = N_TIMES) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(n, 3, n_times, generator=generator).cumsum(-1)


def embedding_of(model: BIOT) -> SpectralEmbedding:
    embedding = model.encoder.patch_embedding
    assert isinstance(embedding, SpectralEmbedding)
    return embedding


CHANGES = {
    "its negative": lambda x: -x,
    "shifted round within the token": lambda x: x.roll(13, -1),
    "reversed in time": lambda x: x.flip(-1),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("spectrum", FORMS)
def test_only_waves_know_polarity_and_place_within_a_token(spectrum: str, change: str):
    model = small(spectrum, n_times=N_FFT).double()
    x = windows(4, N_FFT).double()
    with torch.no_grad():
        difference = (model(x) - model(CHANGES[change](x))).abs().max()
    if spectrum in WAVES:
        assert difference > 1e-2
    else:
        assert difference < 1e-6


@pytest.mark.parametrize("spectrum", ["magnitude", "log"])
def test_an_event_is_placed_by_the_tokens_that_hold_it(spectrum: str):
    model = small(spectrum, hop_length=N_FFT).double()
    early, late = windows(1).double() * 0.01, windows(1).double() * 0.01
    early[..., 10:15] += 5
    late[..., 110:115] += 5
    with torch.no_grad():
        assert (model(early) - model(late)).abs().max() > 1e-3


def test_a_log_spectrum_sees_a_gain_as_one_step_at_all_frequencies():
    embedding = embedding_of(small("log"))
    with torch.no_grad():
        embedding.projection.weight.copy_(torch.eye(16, N_FFT // 2 + 1))
        embedding.projection.bias.zero_()
        magnitudes = 100 + torch.rand(1, 1, N_FFT // 2 + 1, 1)
        step = embedding(2 * magnitudes) - embedding(magnitudes)
    expected = np.log(2) / embedding.spectrum_std[0, :16]
    assert torch.allclose(step.flatten(), expected, rtol=1e-3)


def test_statistics_are_those_of_whole_patches():
    x = windows().double()
    x[::3, 1, 60:70] = torch.nan
    model = small("log+wave", fitted=False).double()
    model.fit_spectrum(x)
    embedding = embedding_of(model)
    for channel in range(3):
        signals = x[:, channel].numpy()
        patches = np.lib.stride_tricks.sliding_window_view(signals, N_FFT, axis=-1)[:, ::HOP]
        patches = patches[~np.isnan(patches).any(-1)]
        magnitudes = np.abs(np.fft.rfft(patches))
        floor = FLOOR * np.sqrt((magnitudes[:, 1:] ** 2).mean())
        logs = np.log(magnitudes + floor)
        wave = np.sqrt((np.abs(np.fft.rfft(patches, norm="ortho")) ** 2).mean(0))
        for name, expected in {
            "spectrum_floor": floor, "spectrum_mean": logs.mean(0),
            "spectrum_std": logs.std(0).clip(LEAST_STD), "wave_scale": wave,
        }.items():  # fmt: skip
            found = getattr(embedding, name)[channel].numpy()
            np.testing.assert_allclose(found, expected, rtol=1e-6, err_msg=name)


def test_standardised_spectra_have_mean_0_and_spread_1():
    embedding = embedding_of(small("log", embed_dim=26))
    with torch.no_grad():
        embedding.projection.weight.copy_(torch.eye(26))
        embedding.projection.bias.zero_()
        tokens = embedding(small("log").encoder.stft(windows()[:, :1]).unsqueeze(1))
    values = tokens.flatten(0, 2)
    assert values.mean(0).abs().max() < 1e-4
    assert (values.std(0, correction=0) - 1).abs().max() < 1e-4


def test_batches_tell_their_channels_by_their_rows():
    x = windows()
    together, apart = small("log", fitted=False), small("log", fitted=False)
    together.fit_spectrum(x)
    ids = torch.tensor([2, -1, 0]).expand(len(x), 3)
    only_second = torch.full_like(x, torch.nan)
    only_second[:, 1] = x[:, 1]
    apart.fit_spectrum([(x[:, [2, 1, 0]], ids), (only_second, None)])
    for name in ("spectrum_mean", "spectrum_std", "spectrum_floor"):
        a, b = (getattr(embedding_of(model), name) for model in (together, apart))
        assert torch.allclose(a, b, rtol=1e-6)


def test_a_window_of_weight_two_counts_as_two_windows():
    x, weight = windows(), torch.ones(len(windows()))
    weight[::4], weight[1::4] = 2, 0
    weighted, repeated = small("log+wave", fitted=False), small("log+wave", fitted=False)
    weighted.fit_spectrum([(x, None, weight)])
    repeated.fit_spectrum(x[torch.arange(len(x)).repeat_interleave(weight.long())])
    for name in BUFFERS:
        a, b = (getattr(embedding_of(model), name) for model in (weighted, repeated))
        assert torch.allclose(a, b, rtol=1e-6), name
    plain = small("log+wave", fitted=False)
    plain.fit_spectrum(x)
    mean = embedding_of(plain).spectrum_mean
    assert not torch.allclose(mean, embedding_of(weighted).spectrum_mean, rtol=1e-4)


def test_a_channel_that_is_hardly_there_takes_the_statistics_of_all():
    x = windows()
    x[1:, 2] = torch.nan
    model = small("log", fitted=False)
    model.fit_spectrum(x)
    mean = embedding_of(model).spectrum_mean
    assert torch.allclose(mean[2], mean[:2].mean(0), atol=0.2)
    assert not torch.equal(mean[0], mean[1])


def test_a_frequency_that_a_filter_took_out_is_not_blown_up():
    x = windows()
    spectra = torch.fft.rfft(x)
    spectra[..., 50:] = 0
    model = small(
        "log+wave", fitted=False, n_times=N_TIMES, hop_length=50, n_fft=N_TIMES, sfreq=N_TIMES
    )
    model.fit_spectrum(torch.fft.irfft(spectra, n=N_TIMES))
    embedding = embedding_of(model)
    assert (embedding.spectrum_std[:, 50:] == LEAST_STD).all()
    assert (embedding.wave_scale[:, 50:] >= 1e-3 * embedding.wave_scale[:, 1:].mean()).all()


def test_what_is_set_stays_unless_it_is_asked_for():
    model = small("log")
    before = embedding_of(model).spectrum_mean.clone()
    model.fit_spectrum(10 * windows())
    assert torch.equal(embedding_of(model).spectrum_mean, before)
    model.fit_spectrum(10 * windows(), again=True)
    assert torch.allclose(embedding_of(model).spectrum_mean, before + np.log(10), atol=1e-4)


def test_windows_without_a_token_set_nothing():
    model = small("log", fitted=False)
    with pytest.raises(ConfigError, match="no window holds 50 samples of a channel without a gap"):
        model.fit_spectrum(torch.full((2, 3, N_TIMES), torch.nan))
    assert model.needs_spectrum


def test_magnitudes_need_no_statistics():
    model = small("magnitude", fitted=False)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    model.fit_spectrum(windows())
    assert not model.needs_spectrum
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_a_model_without_its_statistics_says_so_once():
    model = small("log", fitted=False)
    with pytest.warns(UserWarning, match=r"never set.*fit_spectrum\(windows\)"):
        assert model(windows(2)).isfinite().all()
    model(windows(2))
    assert "not standardised: fit_spectrum() was not called" in str(model)


def test_a_form_that_is_none_is_refused():
    with pytest.raises(ConfigError, match=r"spectrum must be one of 'magnitude', 'log', .*'lgo'"):
        small("lgo")


@pytest.mark.parametrize("spectrum", NEW)
def test_missing_data_take_part_in_nothing(spectrum: str):
    model = small(spectrum).double()
    x = windows(3).double()
    x[0, 1, 60:65] = torch.nan
    x[1, 2] = torch.nan
    order = [2, 0, 1]
    ids = torch.tensor(order).expand(3, 3)
    padded = torch.cat([x, torch.full((3, 3, 33), 1e4, dtype=x.dtype)], -1)
    with torch.no_grad():
        expected = model(x)
        alone = torch.cat([model(one[None]) for one in x])
        present = torch.where(torch.isnan(x), 1e6, x)
        told = model(present, valid=~torch.isnan(x))
        turned = model(x[:, order], channel_ids=ids)
        longer = model(padded, lengths=torch.full((3,), N_TIMES))
        absent = model(x[1:2, :2], channel_ids=torch.tensor([[0, 1]]))
    for found in (alone, told, turned, longer):
        assert torch.allclose(found, expected, atol=1e-9)
    assert torch.allclose(absent, expected[1:2], atol=1e-9)


@pytest.mark.parametrize("spectrum", NEW)
def test_the_fast_way_gives_what_hooked_modules_give(
    spectrum: str, monkeypatch: pytest.MonkeyPatch
):
    model, x = small(spectrum).double(), windows(9).double()
    monkeypatch.setattr("biot.model.encoder.CACHED_TOKENS", 40)
    with torch.no_grad():
        assert model.encoder._part_size(x) == 2
        fast = model(x)
        seen: list[Any] = []
        model.encoder.patch_embedding.register_forward_hook(lambda *call: seen.append(call[2]))
        model.encoder.transformer.register_forward_hook(lambda *call: seen.append(call[2]))
        assert torch.allclose(model(x), fast, atol=1e-10)
    assert [tuple(values.shape) for values in seen] == [(9, 3, 6, 16), (9, 18, 16)]


@pytest.mark.parametrize("spectrum", NEW)
def test_half_width_and_gradients_are_finite(spectrum: str):
    model, x = small(spectrum), windows(2)
    x[0, 0] = 0.0
    x.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        scores = model(x)
    scores.float().sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    with torch.no_grad():
        narrow = small(spectrum).bfloat16()(windows(2).bfloat16())
    assert torch.allclose(narrow.float(), small(spectrum)(windows(2)), rtol=0.02, atol=0.1)


def test_a_replaced_stft_is_seen_as_log_but_holds_no_wave():
    def stft(sample: Tensor) -> Tensor:
        return 2 * LOG.encoder.stft(sample)

    LOG = small("log")
    model = small("log")
    model.encoder.stft = stft  # type: ignore[method-assign]
    x = windows(2)
    with torch.no_grad():
        assert torch.allclose(model(x), LOG(2 * x), atol=1e-5)
    wave = small("log+wave")
    wave.encoder.stft = stft  # type: ignore[method-assign]
    with pytest.raises(ConfigError, match="stft of this encoder was replaced"):
        wave(x)
    compiled = torch.compile(wave, backend="eager")
    with pytest.raises(ConfigError, match="stft of this encoder was replaced"):
        compiled(x)


@pytest.mark.parametrize("spectrum", NEW)
def test_rows_of_statistics_follow_the_channels(spectrum: str):
    model = small(spectrum)
    x = windows(2)
    with torch.no_grad():
        expected = model(x[:, [2, 0]], channel_ids=torch.tensor([[2, 0]] * 2))
        assert model.pick_channels(["C4", "Fz", "Cz"], new_channels="init") == ("Fz",)
        found = model(x[:, [2, 0]], channel_ids=torch.tensor([[0, 2]] * 2))
        assert torch.equal(found, expected)
        model.extend_channels(["Pz"])
        assert model(torch.cat([x, x[:, :1]], 1)).isfinite().all()
    for name in embedding_of(model).statistics:
        values = getattr(embedding_of(model), name)
        assert torch.allclose(values[1], values[[0, 2]].mean(0), rtol=0.5)
        assert len(values) == 4


@pytest.mark.parametrize("spectrum", FORMS)
def test_a_saved_model_is_the_same_model(spectrum: str, tmp_path: Path):
    model = small(spectrum)
    model.save_pretrained(tmp_path / "model")
    again = BIOT.from_pretrained(tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert config.get("spectrum", "magnitude") == spectrum == again.spectrum
    assert ("spectrum" in config) == (spectrum != "magnitude")
    with torch.no_grad():
        assert torch.equal(again(windows(2)), model(windows(2)))
    assert str(again) == str(model)
    card = (tmp_path / "model" / "README.md").read_text()
    told = "standardised by each channel and frequency of the training windows (means"
    assert ("magnitudes, as published" in card) == (spectrum == "magnitude")
    assert (told in card) == spectrum.startswith("log")
    assert ("real and imaginary parts beside them" in card) == (spectrum in WAVES)


def test_bare_weights_tell_their_form(tmp_path: Path):
    model = small("log+wave")
    save_file(model.state_dict(), tmp_path / "bare.safetensors")
    again = BIOT.from_pretrained(
        tmp_path / "bare.safetensors", num_heads=2, sfreq=50, n_times=N_TIMES, hop_length=HOP
    )
    with torch.no_grad():
        assert torch.equal(again(windows(2)), model(windows(2)))


@pytest.mark.parametrize("before", ["magnitude", "log"])
def test_waves_that_are_added_change_nothing_at_first(before: str, tmp_path: Path):
    model = small(before)
    model.save_pretrained(tmp_path / "model")
    grown = BIOT.from_pretrained(tmp_path / "model", spectrum=f"{before}+wave")
    with torch.no_grad():
        assert torch.equal(model(windows(20)), _quietly(grown, windows(20)))
    assert grown.load_report is not None
    fresh = "encoder.patch_embedding.wave_projection.weight"
    assert grown.load_report.adapted[fresh] == "(16, 52), fresh"
    assert grown.needs_spectrum == (before == "log")
    if before == "log":
        means = embedding_of(grown).spectrum_mean.clone()
        grown.fit_spectrum(3 * windows())
        assert torch.equal(embedding_of(grown).spectrum_mean, means)
        assert embedding_of(grown).wave_scale.min() > 0


def _quietly(model: BIOT, x: Tensor) -> Any:
    """Scores of a model that has not got all of its statistics yet."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model(x)


@pytest.mark.parametrize(
    ("held", "asked"),
    [("magnitude", "log"), ("magnitude", "log+wave"), ("log", "magnitude"), ("log+wave", "log")],
)
def test_weights_of_one_form_are_not_taken_for_another(held: str, asked: str, tmp_path: Path):
    small(held).save_pretrained(tmp_path / "model")
    with pytest.raises(
        CheckpointError, match=f"weights are for spectrum='{held[:3]}.*say spectrum='{asked[:3]}"
    ):
        BIOT.from_pretrained(tmp_path / "model", spectrum=asked)


def test_a_file_without_its_statistics_is_damaged(tmp_path: Path):
    small("log").save_pretrained(tmp_path / "model")
    path = tmp_path / "model" / "model.safetensors"
    tensors = load_file(path)
    del tensors["encoder.patch_embedding.spectrum_std"]
    save_file(tensors, path)
    with pytest.raises(CheckpointError, match=r"missing +encoder\.patch_embedding\.spectrum_std"):
        BIOT.from_pretrained(tmp_path / "model")


def test_a_new_form_draws_the_weights_of_the_published_one():
    torch.manual_seed(3)
    plain = BIOT(n_outputs=2, n_chans=2, n_times=400, embed_dim=16, num_layers=1)
    torch.manual_seed(3)
    wave = BIOT(
        n_outputs=2, n_chans=2, n_times=400, embed_dim=16, num_layers=1, spectrum="log+wave"
    )
    assert plain.state_dict().keys() < wave.state_dict().keys()
    for name, value in plain.state_dict().items():
        assert torch.equal(value, wave.state_dict()[name])


@pytest.mark.parametrize("spectrum", NEW)
def test_a_compiler_gives_the_same_scores(spectrum: str):
    model, x = small(spectrum), windows(2)
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    with torch.no_grad():
        assert torch.allclose(compiled(x), model(x), atol=1e-5)


def test_a_graph_gives_the_same_scores():
    model, x = small("log+wave"), windows(2)
    x[0, 1, :60] = torch.nan
    exported = torch.export.export(model, (x,))
    with torch.no_grad():
        assert torch.allclose(exported.module()(x), model(x), atol=1e-5)


@pytest.mark.parametrize("spectrum", FORMS)
def test_no_form_sees_the_amplitude_of_windows_that_were_scaled_by_their_own(spectrum: str):
    model = small(spectrum)
    x = windows(4).numpy()
    once, twice = (torch.from_numpy(scaled_window(gain * x, "q95")) for gain in (1.0, 2.0))
    unscaled = (model(torch.from_numpy(gain * x)) for gain in (1.0, 2.0))
    assert torch.allclose(model(once), model(twice), atol=1e-4)
    assert (next(unscaled) - next(unscaled)).abs().max() > 1e-2
