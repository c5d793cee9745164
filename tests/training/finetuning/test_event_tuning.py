"""`finetune --tune-events`: rules for events from the validation recordings."""

from __future__ import annotations

import functools
import json
import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from biot import BIOT, EventRules, Predictor, finetune, prepare
from biot.cli import main
from biot.corpus import Corpus, load_corpus
from biot.errors import ConfigError
from biot.evaluation.events.counts import event_counts
from biot.evaluation.events.rules import EventScoring
from biot.preprocessing import Preprocessing
from biot.simulate import write_study
from biot.training import FinetuneConfig
from biot.training.finetuning.cross_validate import cross_validate

Runs = Callable[..., FinetuneConfig]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of 6 simulated recordings of a minute, with rest, spindles and spike-wave."""
    folder = tmp_path_factory.mktemp("study")
    write_study(folder / "recordings", subjects=range(6), duration=60.0)
    prepare(
        folder / "recordings", folder / "corpus", sfreq=64, window=2, stride=1, labels="annotations"
    )
    return folder / "corpus"


@pytest.fixture(scope="module")
def run(study: Path, tmp_path_factory: pytest.TempPathFactory, tiny_config: Runs) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    finetune(study, out, config=tiny_config(tune_events=True, epochs=2))
    return out


def stretches(labels: list[tuple[float, float, int]], label: int) -> list[tuple[float, float]]:
    """Stretches of one label, moment by moment, in steps of a second."""
    seconds: dict[int, list[int]] = {}
    for start, stop, own in labels:
        for second in range(round(start), round(stop)):
            seconds.setdefault(second, []).append(own)
    held = sorted(
        second for second, those in seconds.items()
        if np.bincount(those, minlength=3).argmax() == label
    )  # fmt: skip
    found: list[tuple[float, float]] = []
    for second in held:
        if found and found[-1][1] == second:
            found[-1] = (found[-1][0], second + 1)
        else:
            found.append((second, second + 1))
    return found


def test_the_scores_are_those_of_the_models_events(run: Path, study: Path) -> None:
    told = json.loads((run / "metrics.json").read_text())["events"]
    rules = EventRules.from_dict(told["rules"])
    assert rules.background == "rest"
    corpus, model = load_corpus(study), BIOT.from_pretrained(run / "model")
    contract = Preprocessing.load(run / "model")
    assert contract.events == rules
    split = json.loads((run / "run.json").read_text())["split"]
    for part in ("valid", "test"):
        rows = np.concatenate([np.arange(*pair) for pair in split[part]["rows"]])
        total, plain, n_events, everything = None, None, 0, []
        for recording in np.unique(corpus.recordings[rows]):
            own = rows[corpus.recordings[rows] == recording]
            found = predicted(model, contract, corpus, own)
            windows = [(s, s + 2, label) for s, label in zip(found.start, corpus.label_ids[own],
                                                            strict=True)]  # fmt: skip
            for label in (1, 2):
                true = stretches(windows, label)
                n_events += len(true)
                whole = [(windows[0][0], max(stop for _, stop, _ in windows))]
                end = whole[0][1]
                scoring = EventScoring(**told["scoring"])
                everything.append(event_counts(true, whole, end, scoring))
                name = contract.label_names[label]
                for kind, events in (("kept", found.to_events()), ("plain", found.to_events(
                    EventRules()))):  # fmt: skip
                    said = [(e.onset, e.stop) for e in events if e.label == name]
                    counts = event_counts(
                        true, said, 60.0, EventScoring(**told["scoring"])
                    )  # fmt: skip
                    if kind == "kept":
                        total = counts if total is None else total + counts
                    else:
                        plain = counts if plain is None else plain + counts
        assert told[part]["n_events"] == total.reference >= n_events > 0
        assert told[part]["f1"] == pytest.approx(total.f1)
        over_all = functools.reduce(operator.add, everything).f1
        assert told[part]["f1_of_one_event_over_all"] == pytest.approx(over_all)
        assert told[part]["n_recordings"] == len(np.unique(corpus.recordings[rows]))
        if part == "valid":
            assert told[part]["f1_without_rules"] == pytest.approx(plain.f1)
            assert total.f1 >= plain.f1


def test_a_model_that_says_the_same_everywhere_is_told_to_find_nothing(
    study: Path, tiny_config: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def says_nothing(_: Any, found: Any, __: Any) -> tuple[Any, None, None]:
        return np.zeros((sum(len(batch.index) for batch in found), 3)), None, None

    monkeypatch.setattr("biot.training.finetuning.event_tuning.predict_logits", says_nothing)
    finetune(study, tmp_path / "run", config=tiny_config(tune_events=True, epochs=1))
    told = json.loads((tmp_path / "run" / "metrics.json").read_text())["events"]
    # an event that never ends would find all
    assert told["valid"]["f1_of_one_event_over_all"] > (told["valid"]["f1"] or 0)
    assert "the model has not been shown to find events" in " ".join(told["in_words"])


def predicted(model: BIOT, contract: Preprocessing, corpus: Corpus, rows: Any) -> Any:
    from biot.corpus.batch import batches
    from biot.inference import Predictions

    with torch.no_grad():
        outputs = torch.cat([model.eval()(b.signal) for b in batches(corpus, rows, 64)])
    start = corpus.starts[rows]
    return Predictions(
        name="", start=start, stop=start + 2, label_names=contract.label_names or (),
        probabilities=contract.decision.probabilities(outputs.double().numpy()),
        class_weights=contract.class_weights, events_rules=contract.events,
    )  # fmt: skip


def test_the_rules_are_told_wherever_one_looks(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rules = Preprocessing.load(run / "model").events
    assert rules is not None
    assert Predictor.from_pretrained(run / "model").preprocessing.events == rules
    card = (run / "model" / "README.md").read_text(encoding="utf-8")
    assert f"| Events | {rules} |" in card
    assert "validation event F1 (" in card
    assert "test event F1 (" in card
    assert main(["info", str(run / "model")]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert str(rules) in told
    assert "event scores Event F1 on validation: " in told
    assert "Event F1 on the test: " in told
    assert main(["info", str(run)]) == 0
    told = capsys.readouterr().out
    assert f"Rules for events: {rules}." in told
    assert "Event F1 on validation: " in told


def test_a_run_that_does_not_tune_is_what_it_was(tiny_config: Runs) -> None:
    names = {"tune_events", "event_background", "event_scoring"}
    assert names & set(tiny_config().identity()) == set()
    asked = tiny_config(tune_events=True, event_background="rest").identity()
    assert {name: asked[name] for name in names} == {
        "tune_events": True, "event_background": "rest", "event_scoring": "overlap",
    }  # fmt: skip
    with pytest.raises(ConfigError, match="event_background and event_scoring are for tune_events"):
        tiny_config(event_background="rest")


def test_what_has_no_times_or_no_events_is_refused_before_the_training(
    study: Path, tiny_config: Runs, make_corpus: Callable[..., Corpus], tmp_path: Path
) -> None:
    asked = tiny_config(tune_events=True)
    arrays = make_corpus(tmp_path / "arrays")
    with pytest.raises(ConfigError, match=r"came as arrays, which do not say when they were"):
        finetune(arrays.path, tmp_path / "run", config=asked)
    with pytest.raises(ConfigError, match=r"background 'x' is none of the labels"):
        finetune(
            study, tmp_path / "run", config=tiny_config(tune_events=True, event_background="x")
        )
    with pytest.raises(ConfigError, match=r"keeps rules with a model, and the models of folds"):
        cross_validate(study, tmp_path / "run", config=asked)
    assert not (tmp_path / "run").exists()


def labelled(folder: Path, labels: Callable[[int], str], n_files: int = 6, **settings: Any) -> Path:
    """A corpus of tables of samples with a column of labels, by second."""
    (folder / "tables").mkdir(parents=True)
    for number in range(n_files):
        generator = np.random.default_rng(number)
        rows = ["time,Cz,state"]
        for sample in range(40 * 32):
            value = labels(number * 100 + sample // 32)
            rows.append(f"{sample / 32},{generator.normal() * 20:.3f},{value}")
        (folder / "tables" / f"{'abcdef'[number] * 3}.csv").write_text(
            "\n".join(rows), encoding="utf-8"
        )
    prepare(
        folder / "tables", folder / "corpus", sfreq=32, window=2, labels="samples",
        label_columns=("state",), search_tables=True, table_units="µV", **settings,
    )  # fmt: skip
    return folder / "corpus"


def test_recordings_of_one_label_are_refused(tmp_path: Path, tiny_config: Runs) -> None:
    whole = labelled(tmp_path, lambda n: "normal" if n // 100 % 2 else "ill")
    with pytest.raises(ConfigError, match=r"has one label throughout, so that none of them holds"):
        finetune(whole, tmp_path / "run", config=tiny_config(tune_events=True, split="recording"))


def test_labels_of_which_none_is_the_background_are_asked_for(
    tmp_path: Path, tiny_config: Runs
) -> None:
    stages = labelled(tmp_path, lambda n: "wake" if n % 20 < 10 else "N1")
    given = {"tune_events": True, "split": "recording", "epochs": 1}
    with pytest.raises(ConfigError, match=r"which of the labels N1, wake makes no events\?"):
        finetune(stages, tmp_path / "run", config=tiny_config(**given))
    for background, name in (("wake", "a"), ("", "b")):
        told = finetune(
            stages, tmp_path / name, config=tiny_config(**given, event_background=background)
        )["events"]
        assert told["rules"].get("background", "") == background
        # Per recording of 40 s: N1 twice; and wake twice, where it makes events.
        n_events = told["valid"]["n_recordings"] * (2 if background else 4)
        assert told["valid"]["n_events"] == n_events


def test_estimators_tune_no_rules() -> None:
    from biot.sklearn import BIOTClassifier

    with pytest.raises(ConfigError, match=r"do not say when they were recorded"):
        BIOTClassifier(settings={"tune_events": True})._config()


def test_rules_are_those_that_validation_chose_before_a_refit(
    run: Path, study: Path, tmp_path: Path, tiny_config: Runs
) -> None:
    config = tiny_config(tune_events=True, epochs=2, refit=True)
    found = finetune(study, tmp_path / "run", config=config)["events"]
    before = json.loads((run / "metrics.json").read_text())["events"]
    assert found["rules"] == before["rules"]
    assert found["valid"] == before["valid"]
    assert Preprocessing.load(tmp_path / "run" / "model").events is not None
