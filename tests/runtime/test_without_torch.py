"""Predicting with an ONNX file where PyTorch cannot be imported."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from biot import Predictor
from biot.cli import main
from biot.corpus import from_arrays
from biot.inference import Predictions
from biot.signals import Recording

ROOT = Path(__file__).resolve().parents[2]
WITHOUT_TORCH = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name.partition(".")[0])

sys.meta_path.insert(0, Blocked())
"""
# what `pip install biot-runtime` does not install, and this environment has
OTHERS = (
    *("torch", "safetensors", "huggingface_hub", "mne", "pandas", "pyarrow", "matplotlib", "wfdb"),
    *("sklearn", "joblib", "datasets", "onnx", "onnxscript", "edfio", "jinja2", "lightning_fabric"),
    "scipy",
)


def without(code: str, *, blocked: tuple[str, ...] = OTHERS) -> subprocess.CompletedProcess[str]:
    """Run code in a process in which these packages cannot be imported."""
    program = WITHOUT_TORCH.replace("{blocked}", repr(blocked)) + code
    program += "\nassert 'torch' not in sys.modules"
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False
    )


def command(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command of ours in such a process."""
    return without(f"from biot.cli import main\nassert main({list(map(str, words))!r}) == 0")


@pytest.fixture
def night(make_recording: Callable[..., Recording], tmp_path: Path) -> Path:
    recording = make_recording(60.0)
    path = tmp_path / "night.npz"
    names = np.array(recording.ch_names)
    np.savez(path, data=recording.data, ch_names=names, sfreq=50, units="µV")
    return path


def test_a_file_is_predicted_alone_and_among_many(
    plain: tuple[Predictor, Path], night: Path
) -> None:
    done = without(f"""
from biot.runtime import OnnxPredictor
import numpy as np
predictor = OnnxPredictor.from_file({str(plain[1])!r})
found = predictor.predict({str(night)!r}, stride=1.0)
(other,) = predictor.predict_many([{str(night)!r}], stride=1.0)
assert np.allclose(found.probabilities, other.probabilities, atol=1e-5)
print(*found.probabilities[:, 1].tolist(), len(found.to_events()))
""")
    assert done.returncode == 0, done.stderr
    *values, n_events = map(float, done.stdout.split())
    expected = plain[0].predict(night, stride=1.0)
    np.testing.assert_allclose(values, expected.probabilities[:, 1], atol=1e-4)
    assert n_events == len(expected.to_events()) > 0


def test_the_command_predicts_with_an_onnx_file(
    plain: tuple[Predictor, Path], night: Path, tmp_path: Path
) -> None:
    out = tmp_path / "night.csv"
    done = command("predict", plain[1], night, "--out", out, "--events")
    assert done.returncode == 0, done.stderr
    assert f"30 windows -> {out}" in done.stdout
    found = Predictions.load(out)
    expected = plain[0].predict(night)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-4)
    assert found.labels == expected.labels
    assert (tmp_path / "night_desc-biot_events.tsv").is_file()


def test_a_command_that_needs_torch_says_so_in_one_line(night: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    code = "from biot.cli import main\nassert main({}) == 1"
    for words in (
        ["predict", str(tmp_path / "model"), str(night), "--out", str(tmp_path / "a.csv")],
        ["export", str(tmp_path / "model"), "--out", str(tmp_path / "a.onnx")],
    ):
        done = without(code.format(repr(words)))
        assert done.returncode == 0, done.stderr
        (line,) = done.stderr.splitlines()
        assert "PyTorch (torch) is not installed" in line
        assert "pip install torch" in line
        assert ".onnx" in line


@pytest.mark.parametrize("command", ["predict", "szcore", "live"])
def test_a_model_that_is_not_there_is_told_rather_than_that_torch_is_not(
    command: str, night: Path, tmp_path: Path
) -> None:
    (tmp_path / "run" / "model").mkdir(parents=True)
    for name, found in (("none", "no such folder"), ("run", "is a run; its model is")):
        model = str(tmp_path / name)
        words = {
            "predict": ["predict", model, str(night), "--out", str(tmp_path / "a.csv")],
            "szcore": ["szcore", model, str(night), str(tmp_path / "a.tsv")],
            "live": ["live", model, "--replay", str(night)],
        }[command]
        done = without(f"from biot.cli import main\nassert main({words!r}) == 1")
        assert done.returncode == 0, done.stderr
        (line,) = done.stderr.splitlines()
        assert line.startswith(f"biot: error: {model}: {found}")


@pytest.mark.parametrize(
    ("words", "package", "extra"),
    [
        ("--out {out}.csv --png {out}.png", "matplotlib", "plots"),
        ("--out {out}.parquet", "pyarrow", "corpus"),
        ("--out {out}", "pyarrow", "corpus"),
        ("--out {out}.csv --event-format bids,edf", "edfio", "signals"),
        ("--out {out}.csv --event-format mne", "mne", "signals"),
        ("--out {out}.csv --event-format wfdb", "wfdb", "signals"),
        ("--out {out}.csv --report", "jinja2", "report"),
    ],
)
def test_a_package_that_only_the_files_need_is_missed_before_the_work(
    words: str,
    package: str,
    extra: str,
    plain: tuple[Predictor, Path],
    night: Path,
    tmp_path: Path,
) -> None:
    before = sorted(tmp_path.rglob("*"))
    given = ["predict", str(plain[1]), str(night), *words.format(out=tmp_path / "out").split()]
    done = without(f"from biot.cli import main\nassert main({given!r}) == 1")
    assert done.returncode == 0, done.stderr
    (line,) = done.stderr.splitlines()
    assert line == (
        f"biot: error: {package} is not installed. Install it with: pip install 'biot[{extra}]'"
    )
    assert "windows" not in done.stdout
    assert sorted(tmp_path.rglob("*")) == before


def test_the_demo_names_the_extra_of_all_its_steps_before_the_first(tmp_path: Path) -> None:
    words = ["demo", "--out", str(tmp_path / "demo")]
    done = without(f"from biot.cli import main\nassert main({words!r}) == 1")
    assert done.returncode == 0, done.stderr
    assert "pip install 'biot[training]'" in done.stderr
    assert done.stdout == ""
    assert sorted(tmp_path.iterdir()) == []


def test_a_folder_of_recordings_is_predicted_with_an_onnx_file(
    plain: tuple[Predictor, Path], night: Path, tmp_path: Path
) -> None:
    code = "from biot.cli import main\nassert main({}) == 0"
    words = ["predict", str(plain[1]), str(night), "--out", str(tmp_path / "out")]
    done = without(code.format(repr(words)), blocked=("torch",))
    assert done.returncode == 0, done.stderr
    found = Predictions.load(tmp_path / "out" / "predictions.parquet", recording="night.npz")
    expected = plain[0].predict(night)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-4)
    assert found.in_training is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--precision", "bf16"], "--precision bf16: an ONNX file is computed on the processor"),
        (["--device", "cuda"], "--device cuda: an ONNX file is computed on the processor"),
        (["--report", "--explain", "2"], "--explain 2: "),
    ],
)
def test_what_an_onnx_file_cannot_do_is_refused_before_the_work(
    words: list[str],
    message: str,
    plain: tuple[Predictor, Path],
    night: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = sorted(tmp_path.iterdir())
    out = tmp_path / "night.csv"
    assert main(["predict", str(plain[1]), str(night), "--out", str(out), *words]) == 1
    assert message in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "words",
    [
        "evaluate {model} {corpus}",
        "evaluate {model} {corpus} --events windows",
        "explain {model} {night} --at 1",
        "export {model} --out {out}.onnx",
        "convert {model} --out {out}",
        "finetune {corpus} --out {out} --from {model}",
    ],
)
def test_what_needs_the_folder_says_so_of_an_onnx_file(
    words: str,
    plain: tuple[Predictor, Path],
    night: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("datasets", reason="datasets is not installed: there are no corpora")
    corpus, out = tmp_path / "corpus", tmp_path / "out"
    given = {"model": plain[1], "night": night, "corpus": corpus, "out": out}
    if "{corpus}" in words:
        x = np.random.default_rng(0).normal(0, 20, (8, 3, 100)).astype(np.float32)
        from_arrays(
            x, np.arange(8) % 2, subject=np.arange(8) // 2, out=corpus, sfreq=50,
            units="µV", ch_names=["Fp1", "C3", "O1"],
        )  # fmt: skip
        capsys.readouterr()
    before = sorted(tmp_path.iterdir())
    assert main([str(word).format(**given) for word in words.split()]) == 1
    said = capsys.readouterr().err
    assert f"{plain[1]}: is an ONNX file" in said
    assert "RUN/model" in said
    assert sorted(tmp_path.iterdir()) == before


def test_info_shows_an_onnx_file_and_how_channels_meet_it(
    plain: tuple[Predictor, Path], night: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    done = command("info", plain[1])
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    for text in (
        f"model {plain[1]}: BIOT, the biosignal transformer, as an ONNX file",
        "inputs x; channel_ids, valid if wanted",
        "channels 3: Fp1, C3, O1",
        "rate 50 Hz",
        "labels 2 classes: rest, event",
        "decision event from p ≥ 0.3 on, else rest",
        "probabilities temperature 1.5",
    ):
        assert text in said
    assert main(["info", str(night), "--vocabulary", str(plain[1])]) == 0
    with_file = capsys.readouterr().out
    assert main(["info", str(night), "--vocabulary", "Fp1,C3,O1"]) == 0
    assert with_file == capsys.readouterr().out
    many = ["Fp1", "C3", "O1", *(f"EEG {number}" for number in range(100))]  # no name of a file
    assert main(["info", str(night), "--vocabulary", ",".join(many)]) == 0
    assert "3 matched, 0 derived, 100 absent" in capsys.readouterr().out
    assert main(["info", str(plain[1]), "--vocabulary", "C3"]) == 1
    assert "--vocabulary is not for an exported model" in capsys.readouterr().err
    assert main(["info", str(plain[1]), "--check"]) == 1
    assert "is a file. Give a folder, or leave --check out." in capsys.readouterr().err


@pytest.mark.parametrize("name", ["model", "MODEL.ONNX", "model.bin"])
def test_info_knows_an_onnx_file_under_any_name(
    name: str,
    plain: tuple[Predictor, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / name).write_bytes(plain[1].read_bytes())
    assert main(["info", str(tmp_path / name)]) == 0
    assert "labels         2 classes: rest, event" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["biot_version", "quantization"])
def test_info_names_what_is_damaged_of_the_metadata_that_it_alone_reads(
    name: str, plain: tuple[Predictor, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    onnx = pytest.importorskip("onnx", reason="onnx is not installed")
    proto = onnx.load(plain[1])
    said = {one.key: one.value for one in proto.metadata_props} | {name: "{"}
    onnx.helper.set_model_props(proto, said)
    path = tmp_path / "other.onnx"
    onnx.save(proto, path)
    assert main(["info", str(path)]) == 1
    assert f"{path}: {name} in its metadata: not valid JSON" in capsys.readouterr().err


def test_info_says_of_a_file_that_is_nothing_what_it_may_be(
    night: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nameless = tmp_path / "night"
    nameless.write_bytes(night.read_bytes())
    assert main(["info", str(nameless)]) == 1
    assert capsys.readouterr().err == (
        f"biot: error: {nameless}: is neither a recording, as its name has no suffix, nor an ONNX "
        "file of biot export. Give a recording under its full name, such as night.edf, or an ONNX "
        "file.\n"
    )
    model = tmp_path / "model"
    model.mkdir()
    for name in ("config.json", "model.safetensors"):
        (model / name).write_text("{}", encoding="utf-8")
    assert main(["info", str(model / "model.safetensors")]) == 1
    said = capsys.readouterr().err
    assert "as its name ends in '.safetensors'" in said
    assert f"It lies in the folder of a model: biot info {model}" in said
    linked = tmp_path / "linked"  # as the Hub's cache keeps a repository
    linked.mkdir()
    (linked / "config.json").write_text("{}", encoding="utf-8")
    (linked / "model.safetensors").symlink_to(nameless)
    assert main(["info", str(linked / "model.safetensors")]) == 1
    assert f"It lies in the folder of a model: biot info {linked}" in capsys.readouterr().err


@pytest.mark.skipif(
    not (ROOT / "packaging").is_dir(), reason="the source archive has no packaging/"
)
def test_the_distribution_without_torch_is_the_same_package_with_fewer_dependencies() -> None:
    def project(folder: Path) -> dict[str, object]:
        return dict(tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"])

    full, slim = project(ROOT), project(ROOT / "packaging" / "runtime")
    extras = full["optional-dependencies"]
    allowed = {*full["dependencies"], *extras["runtime"]}  # type: ignore[index, misc]
    assert {*slim["dependencies"]} <= allowed  # type: ignore[misc]
    assert not any("torch" in one for one in slim["dependencies"])  # type: ignore[attr-defined]
    for name, needed in slim["optional-dependencies"].items():  # type: ignore[attr-defined]
        same = [one.replace("biot-runtime[", "biot[") for one in needed]
        assert same == ([] if name == "runtime" else extras[name])  # type: ignore[index]
    for key in ("requires-python", "license", "scripts"):
        assert slim[key] == full[key]
    license_of = (ROOT / "packaging" / "runtime" / "LICENSE").read_bytes()
    assert license_of == (ROOT / "LICENSE").read_bytes()
