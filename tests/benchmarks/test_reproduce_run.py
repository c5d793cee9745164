"""The reproduction kit from end to end, on a set made here."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.reproduce import __main__ as command
from benchmarks.reproduce import run, splits, table
from benchmarks.reproduce.ours import Member, Recipe, small
from benchmarks.reproduce.protocols import PROTOCOLS, Metric, Protocol
from benchmarks.reproduce.run import Options, results_of, run_set
from benchmarks.reproduce.sets import Problem
from biot.errors import ConfigError
from biot.preprocessing import Preprocessing
from biot.training import FinetuneConfig
from biot.training.finetuning.build import build_model

TINY = small(embed_dim=16, num_heads=2, num_layers=1, epochs=2, n_fft=32, hop_length=16)


def problem_of(task="classes", n_subjects=4):
    """Slow or fast rhythms of 16 windows a person."""
    generator = np.random.default_rng(0)
    y = np.arange(16 * n_subjects) % 2
    frequency = np.where(y, 12, 5)[:, None, None]
    phase = generator.uniform(0, 6, (len(y), 2, 1))
    x = 20 * np.sin(2 * np.pi * frequency * np.arange(96) / 64 + phase)
    subject = np.array([f"s{i // 16}" for i in range(len(y))])
    return Problem(
        x=(x + generator.normal(0, 4, x.shape)).astype(np.float32),
        y=y if task == "classes" else np.stack([y, 1 - y], axis=1), subject=subject,
        record=np.array([f"{who}_{label}" for who, label in zip(subject, y, strict=True)]),
        sfreq=64.0, ch_names=("C3", "C4"), units=("µV", "µV"), label_names=("slow", "fast"),
        task=task, part=np.full(len(y), "train"),
    )  # fmt: skip


@pytest.fixture
def toy(monkeypatch):
    """A set called toy, whose recipe is small."""
    recipe = Recipe(members=(Member(settings=TINY), Member(settings=TINY, crop=1.0, views=2)))
    protocol = Protocol(also=(Metric(per="record"),), nets=("shallow",), note="made here")
    monkeypatch.setitem(run.OURS, "toy", recipe)
    monkeypatch.setitem(PROTOCOLS, "toy", protocol)
    return problem_of()


FOLDS = np.repeat([0, 0, 1, 1], 16)
OPTIONS = Options(seeds=(0, 1), jobs=1)


@pytest.fixture
def finished(toy, tmp_path):
    folder = run_set("toy", toy, FOLDS, OPTIONS, tmp_path)
    return toy, folder, results_of("toy", toy, FOLDS, OPTIONS, folder)


def test_every_method_is_trained_scored_compared_and_kept(finished, toy, tmp_path, monkeypatch):
    problem, folder, result = finished
    scores = result["scores"]["balanced accuracy per window"]
    assert set(scores) == {"chance", "ridge", "shallow", "ours", "ours + ridge"}
    assert scores["chance"]["mean"] == 0.5
    assert scores["ridge"]["mean"] > 0.9
    assert len(scores["ours"]["values"]) == 2
    assert set(result["scores"]) == {"balanced accuracy per window", "balanced accuracy per record"}
    assert set(result["differences"]) == {"ridge", "shallow", "together"}
    expected = scores["ours"]["mean"] - scores["ridge"]["mean"]
    assert result["differences"]["ridge"]["mean"] == pytest.approx(expected)
    assert (result["passes"], result["members"]) == (2, 2)
    assert (result["windows"], result["subjects"], result["folds"]) == (64, 4, 2)

    # The same again trains nothing; other settings of ours leave only ours to be trained.
    trained = []
    monkeypatch.setattr(run, "_done", lambda *given: trained.append(given[2].method))
    run_set("toy", problem, FOLDS, OPTIONS, tmp_path)
    assert trained == []
    other = Recipe(members=(Member(settings={**TINY, "dropped": 1}), Member(settings=TINY)))
    monkeypatch.setitem(run.OURS, "toy", other)
    assert "ours" not in results_of("toy", toy, FOLDS, OPTIONS, folder)["scores"][result["metric"]]


def test_a_set_of_tags_is_trained_too(toy, tmp_path, monkeypatch):
    longer = {**TINY, "epochs": 12, "batch_size": 16}
    monkeypatch.setitem(run.OURS, "toy", Recipe(members=(Member(settings=longer),)))
    metric = Metric(score="auroc")
    monkeypatch.setitem(PROTOCOLS, "toy", Protocol(metric=metric, nets=("shallow",)))
    problem = problem_of("multilabel", n_subjects=5)
    fold_of = np.repeat([-1, -1, -1, -1, 0], 16)
    options = Options(seeds=(0,), jobs=1, only=("ours", "ridge"))
    folder = run_set("toy", problem, fold_of, options, tmp_path)
    scores = results_of("toy", problem, fold_of, options, folder)["scores"]["AUROC per window"]
    assert set(scores) == {"ridge", "ours", "ours + ridge"}
    assert scores["ridge"]["mean"] > 0.9
    assert scores["ours"]["mean"] > 0.9


@pytest.mark.parametrize(
    ("gains", "counted"),
    [
        ({"ridge": 0.0, "a": 0.1, "b": 0.2}, "1 of 1 sets, above both nets on 1 of 1"),
        ({"ridge": -0.1, "a": 0.1, "b": -0.2}, "0 of 1 sets, above both nets on 0 of 1"),
        ({"ridge": 0.1, "a": -0.1}, "1 of 1 sets, above both nets on 0 of 1"),  # b cannot help
        ({"ridge": 0.1, "a": 0.1}, "1 of 1 sets, above both nets on 0 of 0"),  # b may be above
        ({"a": 0.1, "b": 0.1}, "0 of 0 sets, above both nets on 1 of 1"),
    ],
)
def test_a_set_counts_as_soon_as_it_is_known_whether_ours_is_above_both_nets(gains, counted):
    result = {
        "metric": "auroc", "scores": {"auroc": {"ours": {}}}, "nets": ["a", "b"],
        "differences": {name: {"mean": gain} for name, gain in gains.items()},
    }  # fmt: skip
    assert table.summary_of([result]) == f"At or above the ridge on {counted}."


def test_the_table_holds_a_row_and_says_what_is_not_better(finished, tmp_path, monkeypatch):
    _, _, result = finished
    monkeypatch.setattr(table, "PROTOCOLS", {"toy": None})
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{table.BEGIN}\nbygone\n{table.END}\nafter\n", encoding="utf-8")
    (tmp_path / "toy.json").write_text(json.dumps(result), encoding="utf-8")
    table.fill_in(readme, tmp_path)
    text = readme.read_text(encoding="utf-8")
    assert text.startswith(f"before\n{table.BEGIN}\n| set")
    assert text.endswith(f"{table.END}\nafter\n")
    assert "bygone" not in text
    assert "64 windows, 4 subjects" in text
    assert "made here" in text
    assert "of 1 sets" in text
    lower = {"mean": -0.1, "interval": [-0.2, -0.05]}
    doubtful = {"mean": -0.1, "interval": [-0.2, 0.05]}
    said = table.sentences_of({"differences": {"ridge": lower, "shallow": doubtful}})
    assert said == [
        "Not better than ridge: 0.100 below it.",
        "Not better than ShallowFBCSPNet: 0.100 below it, but the interval holds 0: other "
        "subjects might show the opposite.",
    ]


def test_a_result_that_is_no_row_of_the_table_says_why(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "RESULTS", tmp_path)
    result = {"set": "toy", "metric": "auroc", "scores": {"auroc": {"ours": 0, "ridge": 0}}}

    def why(**changes):
        plain = {"test": None, "quick": False, "settings": [], "seeds": [0, 1, 2]}
        return command._why_not_in_table(SimpleNamespace(**{**plain, **changes}), result)

    assert why() is None
    assert why(settings=[("spectrum", "log")]) == "--settings was given"
    assert why(quick=True) == "--quick was given"
    assert why(seeds=[0, 1]) == "it has fewer than three seeds"
    kept = {"scores": {"auroc": {"ours": 0, "ridge": 0, "shallow": 0}}}
    (tmp_path / "toy.json").write_text(json.dumps(kept), encoding="utf-8")
    assert why() == f"{tmp_path / 'toy.json'} has shallow too"


def test_a_recipe_can_be_run_with_other_settings(monkeypatch):
    recipe = Recipe(members=(Member(settings=TINY), Member(settings={**TINY, "epochs": 3})))
    monkeypatch.setitem(run.OURS, "toy", recipe)
    changed = run.recipe_of("toy", Options(settings={"spectrum": "magnitude", "scale": "q95"}))
    assert [one.scale for one in changed.members] == ["q95", "q95"]
    assert [one.settings["spectrum"] for one in changed.members] == ["magnitude", "magnitude"]
    assert [one.settings["epochs"] for one in changed.members] == [TINY["epochs"], 3]


def test_a_method_that_the_set_lacks_is_named(toy, tmp_path):
    with pytest.raises(ConfigError, match="--only deep: toy has the methods chance, ridge, shal"):
        run_set("toy", toy, FOLDS, Options(only=("deep",)), tmp_path)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["eegmatt"], "No set is called 'eegmatt'. Did you mean 'eegmat'? There are uci_har"),
        (["eegmat", "--data", "nowhere"], "--data nowhere: there is no such folder"),
        (["eegmat", "--data", ".", "--test", "no.npz"], "--test no.npz: there is no such file"),
        (["all", "--data", ".", "--test", "."], "--test is a file of one set"),
        (["eegmat", "--data", ".", "--seeds", "1", "1"], "--seeds"),
        (["eegmat", "--data", ".", "--jobs", "0"], "--jobs 0: at least 1"),
        (["eegmat", "--data", "."], "eegmat: eegmat/eegmat_dev.npz does not exist"),
    ],
)
def test_wrong_input_is_told_in_a_line(arguments, told, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert command.main(arguments) == 1
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_another_set_is_told(shared_data, tmp_path, capsys):
    file = shared_data / "ssvep_exo" / "ssvep_exo_dev.npz"
    out = ["--out", str(tmp_path)]
    assert command.main(["myo_emg", "--data", str(shared_data), "--test", str(file), *out]) == 1
    assert "ssvep_exo_dev.npz is not of the set's layout" in capsys.readouterr().err


def test_the_command_tells_scores_of_a_test_file(toy, tmp_path, monkeypatch, capsys):
    """All of the set's own trains; the table stays as it is."""
    part = np.where(toy.subject == "s3", "test", "train")
    monkeypatch.setattr(command, "load", lambda *_: toy.chosen(part != "").__class__(
        **{**vars(toy), "part": part}
    ))  # fmt: skip
    monkeypatch.setitem(command.SETS, "toy", None)
    monkeypatch.setattr(command, "fill_in", lambda: pytest.fail("the table was written"))
    given = ["--data", str(tmp_path), "--test", str(tmp_path), "--out", str(tmp_path / "out")]
    more = ["--only", "ridge", "chance", "--jobs", "1"]
    assert command.main(["toy", *given, *more]) == 0
    told = capsys.readouterr().out
    assert "16 windows, 1 subjects" in told
    assert "official or given test part, 1 fold;" in told
    assert "Intervals over 1 subjects say little." in told
    results = list((tmp_path / "out").rglob("results.json"))
    assert json.loads(results[0].read_text())["test"] == tmp_path.name


# Rate, samples and channels of the sets' windows.
SHAPES = {
    "uci_har": (50, 128, 9), "ptbxl": (100, 1000, 12), "cinc2017": (100, 1000, 1),
    "eegmat": (125, 1250, 19), "ssvep": (128, 512, 8), "alcohol": (128, 128, 61),
    "epilepsy_guinea": (128, 1280, 14), "myo_emg": (200, 200, 8), "stress_predict": (32, 960, 6),
    "dreams_spindles": (100, 3000, 1), "muse_p300": (128, 102, 4), "chbmit_onsets": (128, 256, 23),
    "eegmmidb_s001": (160, 640, 64),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_every_recipe_makes_models_for_its_windows(name):
    sfreq, n_times, n_chans = SHAPES[name]
    contract = Preprocessing(
        sfreq=float(sfreq), window=n_times / sfreq, label_names=("a", "b"),
        ch_names=tuple(f"X{i}" for i in range(n_chans)), units=("µV",) * n_chans,
    )  # fmt: skip
    for member in run.OURS[name].members:
        given = dict(member.settings)
        config = FinetuneConfig(calibration=False, **given)
        model = build_model(config, contract, from_model=None)
        assert given["n_fft"] <= n_times
        assert model.embed_dim == given["embed_dim"]


def test_every_set_has_a_recipe():
    assert list(run.OURS) == list(PROTOCOLS) == list(SHAPES)


def test_the_sets_are_listed(capsys):
    assert command.main(["list"]) == 0
    assert "ptbxl            AUROC per window" in capsys.readouterr().out
    assert splits.SPLITS.is_dir()
