"""The page of a run: what it says is what the run's folder holds, and it never loses results."""

from __future__ import annotations

import json
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import biot
from biot.cli import main
from biot.errors import ConfigError
from biot.report import run as run_module
from biot.report.parts import Table
from biot.report.run import add_run_report, run_report, write_run_report
from biot.report.runs.folder import read_run
from biot.report.runs.scores import score_parts
from biot.report.runs.window_table import read_window_table
from biot.report.runs.windows import _scores_by_threshold
from biot.training.finetuning.cross_validate import cross_validate

NAMES = ("<script>alert(1)</script> $\\frac{1}$", 'Größe "ü" {{ 7 * 7 }}')
SMALL: dict[str, Any] = {
    "embed_dim": 8, "num_heads": 2, "num_layers": 1, "epochs": 2, "device": "cpu", "batch_size": 32,
}  # fmt: skip


class Texts(HTMLParser):
    """The text and the tags of a page."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.pieces: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))
        self.all = "\n".join(self.pieces)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.pieces.append(data.strip())


def windows() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ten people with eight windows each; in the second class 20 Hz are strong."""
    generator = np.random.default_rng(0)
    y, subject = np.tile([0, 1], 40), np.repeat(np.arange(10), 8)
    time = np.arange(128) / 64
    X = generator.standard_normal((80, 3, 128)) * 10
    X[y == 1] += 15 * np.sin(2 * np.pi * 20 * time)
    X[3, 1, 20:50] = np.nan
    return X, y, subject


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("pages") / "corpus"
    X, y, subject = windows()
    names = np.array([f"<b>{i}</b> $x$ ä" for i in range(10)])[subject]
    biot.from_arrays(
        X, y, subject=names, sfreq=64.0, ch_names=["C3", "C4", "Cz"], units="µV", out=out,
        label_names=NAMES,
    )  # fmt: skip
    return out


@pytest.fixture(scope="session")
def run(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that wrote its own page."""
    out = corpus.parent / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module, "run_report", run_report)
        biot.finetune(corpus, out, **SMALL)
    return out


@pytest.fixture
def texts(run: Path) -> Texts:
    return Texts(run / "report.html")


def test_a_run_ends_with_its_page(run: Path, texts: Texts) -> None:
    titles = (
        "What was asked", "Data", "Scores", "Subject by subject",
        "Which classes are taken for which", "Are the probabilities truthful?", "Threshold",
        "How it learned", "Surest right windows", "Surest wrong windows", "Spectra",
        "What is left out", "Do it again",
    )  # fmt: skip
    for title in titles:
        assert title in texts.pieces
    assert "script" not in texts.tags
    for name in NAMES:
        assert name in texts.pieces
    assert "49" not in texts.pieces
    about = json.loads((run / "run.json").read_text())
    assert about["changed"] == SMALL
    for name, value in SMALL.items():
        place = texts.pieces.index(name)
        assert texts.pieces[place + 1] == str(value)


def test_the_page_holds_the_scores_with_intervals_beside_the_baselines(
    run: Path, texts: Texts
) -> None:
    test = json.loads((run / "metrics.json").read_text())["test"]
    place = texts.pieces.index("balanced accuracy")
    low, high = test["intervals"]["balanced_accuracy"]
    assert texts.pieces[place + 1 : place + 5] == [
        f"{test['balanced_accuracy']:.3f}", f"{low:.3f} to {high:.3f}",
        *(f"{test['baselines'][name]['balanced_accuracy']:.3f}" for name in ("chance", "majority")),
    ]  # fmt: skip


def test_the_table_of_windows_gives_the_scores_again(run: Path, corpus: Path) -> None:
    from sklearn.metrics import balanced_accuracy_score, roc_auc_score

    metrics = json.loads((run / "metrics.json").read_text())
    data = biot.load_corpus(corpus)
    for part in ("valid", "test"):
        table = read_window_table(run / f"{part}_predictions.parquet")
        scores = metrics[part]
        assert len(table) == scores["n_windows"]
        assert table.label_names == NAMES
        assert table.truth.tolist() == data.label_ids[table.row].tolist()
        assert table.subject.tolist() == data.subjects[table.row].tolist()
        assert table.start.tolist() == data.starts[table.row].tolist()
        assert balanced_accuracy_score(table.truth, table.decided) == pytest.approx(
            scores["balanced_accuracy"]
        )
        auroc = roc_auc_score(table.truth, table.predicted[:, 1])
        assert auroc == pytest.approx(scores["auroc"])


def test_the_checksums_of_a_run_hold_its_tables(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["info", str(run), "--check"]) == 0
    assert "test_predictions.parquet" in capsys.readouterr().out


def test_each_subject_has_its_share_of_right_windows(run: Path, texts: Texts) -> None:
    table = read_window_table(run / "test_predictions.parquet")
    for name in np.unique(table.subject):
        own = table.subject == name
        share = np.mean(table.truth[own] == table.decided[own])
        places = [i for i, piece in enumerate(texts.pieces) if piece == name]
        cells = [texts.pieces[i + 1 : i + 3] for i in places]
        assert [str(own.sum()), f"{share:.3f}"] in cells


@pytest.mark.parametrize("balanced", [True, False])
def test_the_curve_over_thresholds_is_that_of_scikit_learn(balanced: bool) -> None:
    from sklearn.metrics import balanced_accuracy_score, f1_score

    generator = np.random.default_rng(1)
    held, p = generator.random(60) < 0.3, generator.random(60).round(2)
    found = _scores_by_threshold(held, p, balanced=balanced)
    assert found is not None
    for threshold, score in zip(*(column[::7] for column in found), strict=True):
        said = p >= threshold
        wanted = (
            balanced_accuracy_score(held, said)
            if balanced
            else f1_score(held, said, zero_division=0)
        )
        assert score == pytest.approx(wanted)


def test_spectra_are_those_of_welch(corpus: Path) -> None:
    from scipy.signal import welch

    from biot.corpus.schema import decode
    from biot.report.runs.signals import spectra_of_classes

    data = biot.load_corpus(corpus)
    (found,) = spectra_of_classes(data)
    assert list(found.classes) == list(NAMES)
    assert found.n_channels == 3
    lines = []
    for name in np.unique(data.subjects):
        rows = data.rows(np.flatnonzero((data.subjects == name) & (data.label_ids == 1)))
        signal = decode(rows.digital, rows.scale, rows.offset).reshape(-1, 128)
        whole = signal[np.isfinite(signal).all(axis=1)].astype(float)
        frequencies, power = welch(whole, 64.0, nperseg=128)
        lines.append((10 * np.log10(power)).mean(axis=0))
    kept = np.isin(frequencies, found.frequencies)
    mean, deviation, n = found.classes[NAMES[1]]
    assert n == 10
    assert mean == pytest.approx(np.mean(lines, axis=0)[kept], abs=1e-6)
    assert deviation == pytest.approx(np.std(lines, axis=0, ddof=1)[kept], abs=1e-6)


def test_without_its_corpus_a_page_says_what_it_leaves_out_and_replaces_no_richer_one(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = tmp_path / "elsewhere" / "run"
    shutil.copytree(run, alone)
    page = alone / "report.html"
    before = page.read_bytes()
    assert main(["report", str(alone)]) == 1
    said = " ".join(capsys.readouterr().err.split())
    assert f"{page} is there and leaves out nothing; a new page would." in said
    assert "write elsewhere with --out, or replace it with --force." in said
    assert page.read_bytes() == before
    assert main(["report", str(alone), "--force"]) == 0
    out = capsys.readouterr().out
    assert f"report -> {page}" in out
    assert "Left out: " in out
    texts = Texts(page)
    assert "Surest right windows" not in texts.pieces
    assert "Subject by subject" in texts.pieces
    assert "This page leaves out:" in texts.pieces
    assert any("does not lie where it lay" in piece for piece in texts.pieces)


def test_a_corpus_that_has_changed_is_not_looked_at(
    run: Path, corpus: Path, tmp_path: Path
) -> None:
    alone, other = tmp_path / "run", tmp_path / "corpus"
    shutil.copytree(run, alone)
    X, y, subject = windows()
    biot.from_arrays(
        X + 1, y, subject=subject, sfreq=64.0, ch_names=["C3", "C4", "Cz"], units="µV", out=other
    )
    found = read_run(alone)
    assert any("has changed since the run" in note for note in found.notes)
    assert found.corpus is None


@pytest.mark.parametrize("missing", ["jinja2", "a figure"])
def test_a_page_that_fails_loses_no_results_and_is_told_in_one_line(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    (copy / "report.html").unlink()
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    monkeypatch.setattr(run_module, "run_report", run_report)
    if missing == "jinja2":
        monkeypatch.setitem(__import__("sys").modules, "jinja2", None)
        said = r"report\.html is not written .*pip install 'biot\[report\]'.*biot report"
    else:
        monkeypatch.setattr(run_module, "read_run", lambda folder: 1 / 0)
        said = r"report\.html is not written \(ZeroDivisionError: division by zero\)"
    with pytest.warns(UserWarning, match=said) as told:
        assert add_run_report(copy) is None
    assert all("\n" not in str(one.message) for one in told)
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before


def test_a_folder_that_is_no_run_or_is_not_finished_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is no run: it has no run\.json"):
        write_run_report(tmp_path)
    shutil.copy(run / "run.json", tmp_path)
    with pytest.raises(ConfigError, match=r"is not finished: it has no metrics\.json"):
        write_run_report(tmp_path)


def test_options_of_predictions_are_refused_for_a_run(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(run), "--recording", "night.edf"]) == 1
    assert "--recording is for a table of predictions" in capsys.readouterr().err
    assert main(["report", str(run), "--out", str(tmp_path / "page.txt")]) == 1
    assert "the name must end in .html" in capsys.readouterr().err
    assert main(["report", str(tmp_path / "nothing")]) == 1
    assert "does not exist" in capsys.readouterr().err


def test_a_damaged_table_of_windows_is_left_out_and_told(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    (copy / "test_predictions.parquet").write_bytes(b"PAR1 no table")
    found = read_run(copy)
    assert any("test_predictions.parquet: damaged" in note for note in found.notes)
    assert set(found.tables) == {"valid"}


@pytest.fixture(scope="session")
def folds_run(corpus: Path) -> Path:
    """Folds that wrote their own page."""
    from biot.training.finetuning.config import FinetuneConfig

    out = corpus.parent / "folds"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module, "run_report", run_report)
        cross_validate(
            corpus, out, folds=2, n_seeds=1, config=FinetuneConfig(**{**SMALL, "epochs": 1})
        )
    return out


@pytest.fixture(scope="session")
def pretrained_run(corpus: Path) -> Path:
    """A pretraining that wrote its own page."""
    out = corpus.parent / "pretrained"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module, "run_report", run_report)
        assert biot.pretrain(
            [corpus], out, steps=4, log_every=1, batch_size=8, embed_dim=8, num_heads=2,
            num_layers=1, device="cpu",
        )  # fmt: skip
    return out


def test_folds_end_with_a_page_with_a_line_a_fold_and_a_dot_a_subject(folds_run: Path) -> None:
    texts = Texts(folds_run / "report.html")
    for title in (
        "Scores", "Fold by fold", "Subject by subject", "Threshold",
        "Surest right windows, seed 0", "Surest wrong windows, seed 0", "Spectra", "Do it again",
    ):  # fmt: skip
        assert title in texts.pieces
    folds = json.loads((folds_run / "metrics.json").read_text())["folds"]["balanced_accuracy"]
    assert f"{folds['mean']:.3f} ± {folds['sd']:.3f}" in texts.pieces
    for value in folds["values"]:
        assert f"{value:.3f}" in texts.pieces
    assert "script" not in texts.tags


def test_the_windows_of_folds_give_the_scores_of_the_subjects_again(folds_run: Path) -> None:
    import pandas as pd

    table = pd.read_parquet(folds_run / "test_predictions.parquet")
    assert sorted(table["row"]) == list(range(80))  # every window is tested once
    share = (table["truth"] == table["label"]).groupby([table["fold"], table["subject"]]).mean()
    told = pd.read_csv(folds_run / "subjects.csv").set_index(["fold", "subject"])["accuracy"]
    assert share.to_dict() == pytest.approx(told.to_dict())


def test_pretraining_ends_with_a_page_with_its_curves_and_corpora(pretrained_run: Path) -> None:
    texts = Texts(pretrained_run / "report.html")
    for title in ("Corpora", "How it learned", "Is it healthy?", "Effective rank", "Loss"):
        assert title in texts.pieces
    place = texts.pieces.index("corpus", texts.pieces.index("rate (Hz)"))
    assert texts.pieces[place + 1 : place + 4] == ["80", "10", "10"]


@pytest.mark.parametrize(
    ("task", "names"), [("multilabel", ["<i>a</i>", "b;c"]), ("regression", ["<i>age</i>"])]
)
def test_tags_and_numbers_have_a_page_too(tmp_path: Path, task: Any, names: list[str]) -> None:
    X, y, subject = windows()
    targets = (
        np.stack([y, (np.arange(80) % 3 == 0)], axis=1).astype(int)
        if task == "multilabel"
        else 40 + 5 * y + np.arange(80) % 7
    )
    biot.from_arrays(
        X, targets, subject=subject, sfreq=64.0, ch_names=["C3", "C4", "Cz"], units="µV",
        out=tmp_path / "corpus", label_names=names, task=task,
    )  # fmt: skip
    biot.finetune(tmp_path / "corpus", tmp_path / "run", **{**SMALL, "epochs": 1})
    page, notes = write_run_report(tmp_path / "run")
    texts = Texts(page)
    assert notes == []
    title = "Surest right windows" if task == "multilabel" else "Windows nearest to the truth"
    assert title in texts.pieces
    assert any(names[0] in piece for piece in texts.pieces)


@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_of_a_run_can_be_read_in_a_browser(run: Path, show: Any, width: int) -> None:
    page = show(run / "report.html", width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    assert page.locator("figure svg").count() >= 10
    text = page.inner_text("body")
    for shown in ("Surest wrong windows", *NAMES, "<b>0</b> $x$ ä"):
        assert shown in text


@pytest.mark.parametrize("kind", ["folds_run", "pretrained_run"])
def test_the_pages_of_other_runs_can_be_read_in_a_browser(
    kind: str, show: Any, request: pytest.FixtureRequest
) -> None:
    page = show(request.getfixturevalue(kind) / "report.html", 360)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.locator("figure svg").count() >= 2


def test_the_interval_of_a_difference_stands_below_it_so_that_the_table_fits_the_page() -> None:
    table = next(part for part in score_parts({
        "balanced_accuracy": 0.5, "n_windows": 60, "n_subjects": 3,
        "baselines": {"ridge": {"balanced_accuracy": 0.75,
                                "intervals": {"balanced_accuracy": [0.7, 0.8]}}},
        "differences": {"ridge": {"balanced_accuracy": {"value": -0.25, "interval": [-0.3, 0.1]}}},
    }) if isinstance(part, Table))  # fmt: skip
    assert table.rows[0][-2:] == ("0.750\n(0.700 to 0.800)", "-0.250\n(-0.300 to +0.100)")
    assert table.is_number[-2:] == [True, True]
