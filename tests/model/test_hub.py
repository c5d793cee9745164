"""The Hub, over real HTTP on this machine: up, down, by published names, and when it fails."""

from __future__ import annotations

import inspect
import json
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from foreign_files import SETTINGS, SIX_KEYS, published_state, write_published
from huggingface_hub import PyTorchModelHubMixin, constants
from loopback_hub import Hub, serve
from torch import Tensor, nn

from biot import BIOT
from biot.cli import main
from biot.errors import CheckpointError, ConfigError
from biot.preprocessing import Preprocessing
from biot.provenance import Provenance, TrainedOn
from biot.runtime import OnnxFile
from biot.signals.channels import PREST_16, PREST_18

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = {
    "braindecode/biot-pretrained-prest-16chs": PREST_16,
    "braindecode/biot-pretrained-shhs-prest-18chs": PREST_18,
    "braindecode/biot-pretrained-six-datasets-18chs": PREST_18,
}

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # their upload


@pytest.fixture
def hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forbid_network: list[str]
) -> Iterator[Hub]:
    """A Hub on loopback that huggingface_hub takes for the only one, and an empty cache."""
    with serve() as server:
        template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
        for name, value in {
            "ENDPOINT": server.url,
            "HUGGINGFACE_CO_URL_TEMPLATE": template,
            "HF_HUB_CACHE": str(tmp_path / "cache"),
            "HF_TOKEN_PATH": str(tmp_path / "no token"),
            "HF_HUB_DISABLE_XET": True,
            "HF_HUB_OFFLINE": False,
        }.items():
            monkeypatch.setattr(constants, name, value)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        monkeypatch.setattr("time.sleep", lambda seconds: None)  # between its attempts
        yield server


@pytest.fixture
def model(published: Path) -> BIOT:
    """A model with names, ready to be uploaded."""
    return BIOT.from_pretrained(published, channels=["Fp1", "Fp2", "Cz", "Oz"])


# up and down ----------------------------------------------------------------------------------


def test_what_is_pushed_comes_back_with_equal_logits(hub: Hub, model: BIOT, x: Tensor) -> None:
    contract = Preprocessing(
        sfreq=100.0, window=4.0, ch_names=model.channels or (), units=("µV",) * 4
    )
    model.reset_head(2)
    address = model.push_to_hub(
        "me/model", token="good", commit_message="first", preprocessing=contract, corpora=["TUAB"]
    )
    assert address == f"{hub.url}/me/model/commit/{'0' * 40}"
    files = hub.repositories["me/model"]["main"]
    jsons = {"config.json", "preprocessing.json", "provenance.json"}
    assert set(files) == {"README.md", "model.safetensors"} | jsons
    card = files["README.md"].decode()
    assert 'BIOT.from_pretrained("me/model")' in card
    assert "| Corpora | TUAB |" in card
    assert "Research software, not for clinical decisions." in card
    again = BIOT.from_pretrained("me/model")
    torch.testing.assert_close(again(x), model(x), atol=0, rtol=0)
    assert again.channels == model.channels
    assert again.load_report is not None
    assert str(again.load_report).startswith("me/model: ")
    assert {request.split()[0] for request in hub.requests} == {"HEAD", "GET", "POST", "PUT"}


def test_an_export_from_the_hub_has_the_contract_that_lies_there(
    hub: Hub, model: BIOT, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxscript", reason="onnxscript is not installed: nothing is exported")
    contract = Preprocessing(
        sfreq=model.sfreq, window=model.n_times / model.sfreq, ch_names=model.channels or (),
        units=("µV",) * 4, label_names=("rest", "event"),
    )  # fmt: skip
    model.reset_head(2)
    model.push_to_hub("me/model", token="good", preprocessing=contract)
    out = tmp_path / "model.onnx"
    assert main(["export", "me/model", "--out", str(out)]) == 0
    shown = capsys.readouterr()
    assert "does not say how recordings are prepared" not in shown.out
    assert OnnxFile(out).preprocessing == contract


def test_who_a_model_is_comes_back_with_it(
    hub: Hub, model: BIOT, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Provenance.of_now("pretrain", corpora=(TrainedOn(name="mine", fingerprint="a" * 8),))
    folder = model.save_pretrained(tmp_path / "m", provenance=made)
    BIOT.from_pretrained(folder).push_to_hub("me/model", token="good")
    expected = Provenance.load(Path(folder))
    assert expected is not None
    assert BIOT.from_pretrained("me/model").provenance == expected
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    again = BIOT.from_pretrained("me/model")
    assert again.provenance == expected
    again.save_pretrained(tmp_path / "again")
    assert Provenance.load(tmp_path / "again") == expected
    again.reset_head(7)
    again.save_pretrained(tmp_path / "other")
    other = Provenance.load(tmp_path / "other")
    assert other is not None
    assert other.parent is not None
    assert other.parent.weights == expected.weights


def test_a_damaged_provenance_on_the_hub_is_told_and_the_model_opens(hub: Hub, model: BIOT) -> None:
    model.push_to_hub("me/model", token="good")
    hub.repositories["me/model"]["main"]["provenance.json"] = b'{"version": 9}'
    with pytest.warns(UserWarning, match=r"^me/model: who made .*version must be 1, got 9") as said:
        opened = BIOT.from_pretrained("me/model")
    assert opened.provenance is None
    assert said[0].filename == __file__


def test_what_lies_beside_a_model_is_pushed_with_it(hub: Hub, model: BIOT, tmp_path: Path) -> None:
    contract = Preprocessing(
        sfreq=100.0, window=4.0, ch_names=model.channels or (), units=("µV",) * 4
    )
    folder = model.save_pretrained(
        tmp_path / "m", preprocessing=contract, corpora=["mine"], metrics={"kappa": 0.5}
    )
    beside = {"baseline.npz": b"ridge", "training_data.json": b"{}", "notes.txt": b"mine"}
    for name, content in {**beside, ".hidden": b"no"}.items():
        (folder / name).write_bytes(content)
    (folder / "figures").mkdir()
    opened = BIOT.from_pretrained(folder)
    opened.push_to_hub("me/model", token="good")
    files = hub.repositories["me/model"]["main"]
    assert set(files) == {file.name for file in folder.iterdir()} - {".hidden", "figures"}
    assert {name: files[name] for name in beside} == beside
    assert files["preprocessing.json"] == (folder / "preprocessing.json").read_bytes()
    card = files["README.md"].decode()
    assert 'model = BIOT.from_pretrained("me/model")' in card
    assert "| kappa | 0.5 |" in card
    assert "| Corpora | mine |" in card


def test_files_of_other_weights_are_not_pushed(hub: Hub, model: BIOT, tmp_path: Path) -> None:
    folder = model.save_pretrained(tmp_path / "m")
    assert isinstance(folder, Path)
    (folder / "baseline.npz").write_bytes(b"ridge")
    opened = BIOT.from_pretrained(folder)
    opened.reset_head(7)
    opened.push_to_hub("me/model", token="good")
    assert "baseline.npz" not in hub.repositories["me/model"]["main"]
    with pytest.raises(CheckpointError, match=r"m: holds no model, or another .* leave folder"):
        opened.push_to_hub("me/other", token="good", folder=folder)
    assert "me/other" not in hub.repositories
    opened.save_pretrained(folder, push_to_hub=True, repo_id="me/third", token="good")
    assert hub.repositories["me/third"]["main"]["baseline.npz"] == b"ridge"


def test_a_second_push_replaces_the_first(hub: Hub, model: BIOT, x: Tensor) -> None:
    model.push_to_hub("me/model", token="good")
    model.reset_head(7)
    model.push_to_hub("me/model", token="good")
    assert BIOT.from_pretrained("me/model").n_outputs == 7


def test_a_private_repository_needs_its_token(hub: Hub, model: BIOT, x: Tensor) -> None:
    model.push_to_hub("me/secret", token="good", private=True)
    with pytest.raises(CheckpointError, match=r"^me/secret: neither .*private .* needs token="):
        BIOT.from_pretrained("me/secret")
    again = BIOT.from_pretrained("me/secret", token="good")
    torch.testing.assert_close(again(x), model(x), atol=0, rtol=0)


def test_branches_and_pull_requests(hub: Hub, model: BIOT) -> None:
    model.push_to_hub("me/model", token="good")
    model.reset_head(5)
    model.push_to_hub("me/model", token="good", branch="five")
    model.reset_head(6)
    model.push_to_hub("me/model", token="good", create_pr=True)
    revisions = {None: 3, "five": 5, "refs/pr/1": 6}
    for revision, n_outputs in revisions.items():
        assert BIOT.from_pretrained("me/model", revision=revision).n_outputs == n_outputs
    with pytest.raises(CheckpointError, match=r"^me/model: the repository has no revision 'six'"):
        BIOT.from_pretrained("me/model", revision="six")


@pytest.mark.parametrize("keys", [tuple(SETTINGS), SIX_KEYS], ids=["full", "six keys"])
@pytest.mark.parametrize("weights", ["model.safetensors", "pytorch_model.bin"])
@pytest.mark.parametrize("repo_id", PUBLISHED)
def test_published_names_load_with_their_documented_channels(
    hub: Hub, tmp_path: Path, repo_id: str, weights: str, keys: tuple[str, ...]
) -> None:
    names = PUBLISHED[repo_id]
    config = {**SETTINGS, "n_chans": len(names), "sfreq": 200, "n_times": 2000, "hop_length": 100}
    folder = write_published(
        tmp_path / "theirs",
        state=published_state(n_fft=200, n_chans=len(names)),
        config={key: config[key] for key in keys},
        weights=weights,
    )
    hub.publish(repo_id, folder)
    model = BIOT.from_pretrained(repo_id)
    assert model.channels == names
    assert model.load_report is not None
    assert model.load_report.assumed["channels"] == ", ".join(names)
    assert BIOT.from_pretrained(folder).channels is None
    some = BIOT.from_pretrained(repo_id, channels=["C4-T8", names[4]], new_channels="init")
    torch.testing.assert_close(
        some.encoder.channel_tokens.weight[1], model.encoder.channel_tokens.weight[4]
    )


def test_published_names_are_documented() -> None:
    assert len(PREST_16) == 16
    assert len(PREST_18) == 18
    assert PREST_18[:16] == PREST_16
    assert PREST_16[:4] == ("FP1-F7", "F7-T7", "T7-P7", "P7-O1")


def test_the_example_of_adapting_runs_and_pushes(
    hub: Hub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "good")
    example = runpy.run_path(str(ROOT / "examples" / "adapting.py"))
    example["main"](["--push", "me/adapted"])
    shown = capsys.readouterr().out.splitlines()
    assert "features: (2, 64)" in shown
    assert f"{hub.url}/me/adapted/commit/{'0' * 40}" in shown
    assert float(shown[-1].removeprefix("accuracy: ")) >= 0.95
    model = BIOT.from_pretrained("me/adapted")
    assert (model.n_outputs, model.channels) == (2, ("C3-P3", "C4-P4", "EMG"))


def test_the_page_on_adapting_shows_what_the_example_runs() -> None:
    page = (ROOT / "docs" / "adapting.md").read_text(encoding="utf-8")
    code = (ROOT / "examples" / "adapting.py").read_text(encoding="utf-8")
    lines = [line.strip() for line in code.splitlines()]
    blocks = re.findall(r"^```python\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) == 7
    for block in blocks:
        for line in block.splitlines():
            assert line.strip() in lines


# the keywords of huggingface_hub's mixin --------------------------------------------------------

OPENING = (
    "pretrained_model_name_or_path", "force_download", "token", "cache_dir", "local_files_only",
    "revision", "map_location", "strict", "filename",
)  # fmt: skip
SAVING = ("save_directory", "config", "repo_id", "push_to_hub", "model_card_kwargs")
PUSHING = (
    "repo_id", "config", "commit_message", "private", "token", "branch", "create_pr",
    "allow_patterns", "ignore_patterns", "delete_patterns", "model_card_kwargs",
)  # fmt: skip


@pytest.mark.parametrize(
    ("method", "names"),
    [("from_pretrained", OPENING), ("save_pretrained", SAVING), ("push_to_hub", PUSHING)],
)
def test_every_keyword_of_the_mixin_is_taken(method: str, names: tuple[str, ...]) -> None:
    ours = inspect.signature(getattr(BIOT, method)).parameters
    assert set(names) <= set(ours)
    theirs = inspect.signature(getattr(PyTorchModelHubMixin, method)).parameters.values()
    kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    assert {p.name for p in theirs if p.kind not in kinds} - {"self"} <= set(ours)


def test_patterns_choose_what_is_pushed_and_what_is_deleted(hub: Hub, model: BIOT) -> None:
    model.push_to_hub("me/model", token="good", allow_patterns=["*.json", "*.safetensors"])
    files = hub.repositories["me/model"]["main"]
    assert set(files) == {"config.json", "model.safetensors", "provenance.json"}
    model.push_to_hub("me/model", token="good", ignore_patterns="*.safetensors")
    assert set(files) == {"config.json", "model.safetensors", "provenance.json", "README.md"}
    files["old.bin"] = b"1"
    model.push_to_hub("me/model", token="good", delete_patterns="*.bin")
    assert set(files) == {"config.json", "model.safetensors", "provenance.json", "README.md"}


def test_saving_pushes_on_request_and_returns_the_address(
    hub: Hub, model: BIOT, tmp_path: Path
) -> None:
    address = model.save_pretrained(
        save_directory=tmp_path / "m", push_to_hub=True, repo_id="me/model", token="good",
        private=True, config=model.get_config(), model_card_kwargs={"license": "mit"},
    )  # fmt: skip
    assert address == f"{hub.url}/me/model/commit/{'0' * 40}"
    assert "me/model" in hub.private
    assert "license: mit" in hub.repositories["me/model"]["main"]["README.md"].decode()
    assert "license: mit" in (tmp_path / "m" / "README.md").read_text(encoding="utf-8")
    opened = BIOT.from_pretrained(pretrained_model_name_or_path="me/model", token="good")
    assert opened.get_config() == model.get_config()


def test_what_belongs_to_a_push_is_refused_without_one(model: BIOT, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"takes branch only with push_to_hub=True"):
        model.save_pretrained(tmp_path / "m", branch="five")
    with pytest.raises(ConfigError, match=r"save_pretrained\(\) misses the folder"):
        model.save_pretrained()
    with pytest.raises(ConfigError, match=r"takes the first argument or source="):
        BIOT.from_pretrained(tmp_path, source=tmp_path)


def test_a_configuration_beside_the_model_must_be_its_own(model: BIOT, tmp_path: Path) -> None:
    @dataclass
    class Settings:
        n_outputs: int = 3
        activation: Any = nn.ELU

    folder = model.save_pretrained(tmp_path / "m", config=Settings())
    assert json.loads((folder / "config.json").read_text()) == model.get_config()
    model.save_pretrained(folder, config={"braindecode_version": "1.8.1", "embed_dim": 16})
    with pytest.raises(ConfigError, match=r"config says n_outputs=4, the model has 3\."):
        model.save_pretrained(folder, config=Settings(n_outputs=4))
    with pytest.warns(UserWarning, match="config: note is no setting of BIOT and is not written"):
        model.save_pretrained(folder, config={"note": "x"})
    assert json.loads((folder / "config.json").read_text()) == model.get_config()


def test_the_card_is_one_of_the_hubs(model: BIOT, tmp_path: Path) -> None:
    card = model.generate_model_card(license="mit", language="en")
    assert card.data.to_dict() == {
        "library_name": "biot", "tags": ["biot", "biosignals", "eeg"], "license": "mit",
        "language": "en", "pipeline_tag": "feature-extraction",
    }  # fmt: skip
    assert "Research software, not for clinical decisions." in card.text
    card.save(tmp_path / "README.md")
    assert (tmp_path / "README.md").is_file()


# when it fails --------------------------------------------------------------------------------


def test_a_missing_repository_is_said_to_be_missing(hub: Hub, model: BIOT) -> None:
    with pytest.raises(CheckpointError, match=r"^me/none: neither a folder .* Check the name"):
        BIOT.from_pretrained("me/none")
    with pytest.raises(CheckpointError, match=r"^run/model/: no such folder or file"):
        BIOT.from_pretrained("run/model/")
    with pytest.raises(CheckpointError, match=r"^me/none: no such .*: hf download me/none --"):
        BIOT.from_pretrained(Path("me/none"))
    with pytest.raises(CheckpointError, match=r"^me/a--b: fetching config\.json failed: "):
        BIOT.from_pretrained("me/a--b")


def test_a_name_without_its_owner_is_not_asked_for(hub: Hub) -> None:
    with pytest.raises(CheckpointError, match=r"^mistyped: no such folder or file\.$"):
        BIOT.from_pretrained("mistyped")


def test_missing_files_are_named(hub: Hub, published: Path) -> None:
    hub.publish("me/model", published)
    files = hub.repositories["me/model"]["main"]
    del files["model.safetensors"]
    with pytest.raises(
        CheckpointError, match=r"^me/model: .*neither model\.safetensors nor pytorch_model\.bin"
    ):
        BIOT.from_pretrained("me/model")
    del files["config.json"]
    with pytest.raises(CheckpointError, match=r"^me/model: the repository holds no config\.json"):
        BIOT.from_pretrained("me/model")


@pytest.mark.parametrize("status", [401, 403, 500, 503])
def test_a_failing_hub_is_quoted(hub: Hub, model: BIOT, status: int) -> None:
    hub.broken = status
    with pytest.raises(CheckpointError, match=rf"^me/model: .*{status}|^me/model: neither"):
        BIOT.from_pretrained("me/model")
    with pytest.raises(CheckpointError, match=rf"^me/model: uploading .* failed: .*{status}"):
        model.push_to_hub("me/model", token="good")


def test_without_a_login_nothing_is_uploaded(hub: Hub, model: BIOT) -> None:
    with pytest.raises(CheckpointError, match=r"^me/model: uploading the model failed: .*401"):
        model.push_to_hub("me/model", token="bad")
    with pytest.raises(CheckpointError, match=r"^a/b/c: uploading the model failed: "):
        model.push_to_hub("a/b/c", token="good")
    assert not hub.repositories


def test_nobody_answers(
    hub: Hub, model: BIOT, monkeypatch: pytest.MonkeyPatch, published: Path
) -> None:
    with serve() as gone:
        dead = gone.url
    monkeypatch.setattr(constants, "ENDPOINT", dead)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", dead + "/{repo_id}/resolve/{revision}/{filename}"
    )
    with pytest.raises(
        CheckpointError,
        match=r"^me/model: not here .*did not answer \(.*[Rr]efused.* give a folder",
    ):
        BIOT.from_pretrained("me/model")
    with pytest.raises(CheckpointError, match=r"^me/model: uploading .* failed: .*[Rr]efused"):
        model.push_to_hub("me/model", token="good")


@pytest.mark.parametrize("weights", ["model.safetensors", "pytorch_model.bin"])
def test_offline_the_cache_is_enough_and_else_it_is_said(
    hub: Hub, tmp_path: Path, x: Tensor, monkeypatch: pytest.MonkeyPatch, weights: str
) -> None:
    folder = write_published(tmp_path / "theirs", weights=weights)
    hub.publish("me/model", folder)
    expected = BIOT.from_pretrained("me/model")(x)
    asked = len(hub.requests)
    found = BIOT.from_pretrained("me/model", local_files_only=True)(x)
    torch.testing.assert_close(found, expected, atol=0, rtol=0)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    torch.testing.assert_close(BIOT.from_pretrained("me/model")(x), expected, atol=0, rtol=0)
    with pytest.raises(
        CheckpointError, match=r"^me/other: .*config\.json is not in the cache.*offline"
    ):
        BIOT.from_pretrained("me/other")
    assert len(hub.requests) == asked


def test_a_damaged_download_is_refused(hub: Hub, published: Path) -> None:
    hub.publish("me/model", published)
    files = hub.repositories["me/model"]["main"]
    files["model.safetensors"] = files["model.safetensors"][:-100]
    with pytest.raises(CheckpointError, match=r"model\.safetensors: not a readable checkpoint"):
        BIOT.from_pretrained("me/model")


def test_the_environment_says_which_hub(hub: Hub, published: Path, tmp_path: Path) -> None:
    hub.publish("me/model", published)
    code = "from biot import BIOT; print(BIOT.from_pretrained('me/model').get_config()['sfreq'])"
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == 100


def test_the_cache_is_where_it_was_asked_for(hub: Hub, published: Path, tmp_path: Path) -> None:
    hub.publish("me/model", published)
    BIOT.from_pretrained("me/model", cache_dir=tmp_path / "elsewhere")
    assert list((tmp_path / "elsewhere").rglob("model.safetensors"))
    assert not (tmp_path / "cache").exists()
