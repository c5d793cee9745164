"""`biot demo`: the whole way, on simulated EEG, through the other commands."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from biot.cli.options import Parser, add_device, new_command, perform, whole
from biot.cli.terminal import say
from biot.errors import ConfigError, require
from biot.io import read_json, write_json
from biot.locks import alone_on

__all__ = ["Study", "parser", "run_demo"]

_EXAMPLES = """\
  biot demo
  biot demo --out /tmp/demo --seed 1
"""
_MARK = "demo.json"
_MADE = (
    *("recordings", "corpus", "corpus_unseen", "run"),
    *("scores.json", "predictions.csv", "timeline.png", "report.html", _MARK),
)


@dataclass(frozen=True, kw_only=True)
class Study:
    """What is simulated, and how long the model learns."""

    n_learning: int = 8
    """Subjects to learn from."""
    n_unseen: int = 4
    """Further subjects, for the test only."""
    duration: float = 300.0
    """Seconds of EEG a subject."""
    epochs: int = 12
    seed: int = 0


def parser() -> Parser:
    """The parser of the command."""
    made = new_command(
        "demo",
        description="Simulate the EEG of several subjects, with annotated spike-and-wave "
        "discharges and spindles, as EDF files; prepare, fine-tune, evaluate on subjects that the "
        "model has not seen, predict one of their recordings, and write a report. Takes about a "
        "minute of processor time; every step is one of the other commands, and is shown.",
        examples=_EXAMPLES,
        execute=_execute,
    )
    made.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        default=Path("biot-demo"),
        help="folder to write; an earlier demo there is replaced at the end (default: biot-demo)",
    )
    made.add_argument(
        "--seed",
        metavar="N",
        type=whole,
        default=0,
        help="of the simulation and the training (default: 0)",
    )
    add_device(made)
    return made


def _execute(args: Namespace) -> None:
    computing = ["--device", args.device, "--precision", args.precision]
    run_demo(args.out, Study(seed=args.seed), computing=computing)


def run_demo(out: Path, study: Study, *, computing: list[str]) -> None:
    """Run the demo.

    Parameters
    ----------
    out
        Folder to write; made, or an earlier demo.
    study
        What to simulate.
    computing
        Options for the commands that compute, such as ``["--device", "cpu"]``.

    Raises
    ------
    ConfigError
        If `out` holds anything but an earlier demo.
    MissingDependencyError
        If the extra ``training`` is not installed.
    """
    require("sklearn", extra="training")  # the extra has what all steps need: before the first
    from biot.cli.reports.demo import write_demo_report

    started, busy = time.monotonic(), _processor_time()
    with _fresh_folder(out, study):
        say(_plan(out, study))
        recording = _simulate(out, study)
        commands = _commands(out, study, recording, computing)
        for words in commands:
            _run(words)
        power = _power_alone(out)
        scores = json.loads((out / "scores.json").read_text(encoding="utf-8"))
        headline = _headline(scores, power)
        simulated = f"{study.n_learning + study.n_unseen} subjects, {study.duration / 60:g} minutes"
        write_demo_report(out, headline, simulated=simulated, commands=commands, scores=scores)
    say("\n".join(("", *headline, "")))
    say(f"report      -> {out / 'report.html'}")
    say(f"predictions -> {out / 'predictions.csv'}")
    say(f"model       -> {out / 'run' / 'model'}")
    busy = _processor_time() - busy
    say(f"{time.monotonic() - started:.0f} s in all, {busy:.0f} s of processor time")


def _plan(out: Path, study: Study) -> str:
    """What the demo will do, and how long it takes, for its first lines."""
    minutes = f"{study.duration / 60:g} minutes"
    n_all = study.n_learning + study.n_unseen
    steps = (
        f"simulate  EEG of {n_all} subjects, {minutes} each, as EDF files",
        f"prepare   windows of 4 s: {study.n_learning} subjects to learn from, {study.n_unseen} "
        "that the model will not see",
        f"finetune  a small model from scratch, {study.epochs} passes: most of the time",
        f"evaluate  its scores on the {study.n_unseen} subjects",
        "predict   one of their recordings, as a table and a picture",
        f"report    {out / 'report.html'}",
    )
    numbered = "".join(f"  {number}. {step}\n" for number, step in enumerate(steps, 1))
    return f"About a minute of processor time, in six steps:\n{numbered}"


def _processor_time() -> float:
    """Seconds of all processors that this process and its children that ended have used."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


_MOVING, _EARLIER, _GONE = ".earlier.moving", ".earlier", ".earlier.gone"
"""Where an earlier demo is while it is put aside, until the new one is whole, and afterwards."""


@contextmanager
def _fresh_folder(out: Path, study: Study) -> Iterator[None]:
    """The folder without an earlier demo, which comes back unless the block ends without an error.

    Other people's files in it stay.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out}: is a file. Give a folder with --out.")
    with alone_on(out, "this folder", ConfigError):
        is_new = not out.is_dir()
        if not is_new:
            _recover(out)
            if any(out.iterdir()) and not _is_ours(out / _MARK):
                raise ConfigError(
                    f"{out}: holds files that are not of a demo. Give another folder with --out."
                )
        (out / _MOVING).mkdir(parents=True)
        _move(out, out / _MOVING)
        (out / _MOVING).rename(out / _EARLIER)
        try:
            write_json(out / _MARK, asdict(study))
            yield
        except BaseException:
            _recover(out)
            if is_new:
                with suppress(OSError):
                    out.rmdir()
            raise
        (out / _EARLIER).rename(out / _GONE)
        shutil.rmtree(out / _GONE, ignore_errors=True)


def _recover(out: Path) -> None:
    """Put an earlier demo back into its place, at whatever moment the new one was stopped."""
    shutil.rmtree(out / _GONE, ignore_errors=True)
    if (out / _EARLIER).is_dir():
        for name in _MADE:
            path = out / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        (out / _EARLIER).rename(out / _MOVING)
    if (out / _MOVING).is_dir():
        _move(out / _MOVING, out)
        (out / _MOVING).rmdir()


def _move(source: Path, target: Path) -> None:
    for name in _MADE:
        if (source / name).exists():
            (source / name).rename(target / name)


def _is_ours(mark: Path) -> bool:
    """Whether a file says that a demo made its folder; others may have one of that name."""
    try:
        return set(read_json(mark, ConfigError)) == {field.name for field in fields(Study)}
    except ConfigError:
        return False


def _simulate(out: Path, study: Study) -> Path:
    """Write the recordings; returns one of a subject that the model will not have seen."""
    from biot.simulate import write_study

    n_all = study.n_learning + study.n_unseen
    say(f"Simulating {n_all} subjects, {study.duration / 60:g} minutes each …")
    given: dict[str, Any] = {"seed": study.seed, "duration": study.duration}
    write_study(out / "recordings" / "learning", subjects=range(study.n_learning), **given)
    unseen = range(study.n_learning, n_all)
    return write_study(out / "recordings" / "unseen", subjects=unseen, **given)[0]


def _commands(out: Path, study: Study, recording: Path, computing: list[str]) -> list[list[str]]:
    """The commands of the demo, as words."""
    learning, unseen, corpus, corpus_unseen, run, model, scores, table, png = (
        str(out / name)
        for name in (
            *("recordings/learning", "recordings/unseen", "corpus", "corpus_unseen"),
            *("run", "run/model", "scores.json", "predictions.csv", "timeline.png"),
        )
    )
    stride = ["--stride", "2"]
    windows = ["--sfreq", "200", "--window", "4", *stride]
    labels = ["--labels", "annotations", "--align", "events"]
    network = ["--embed-dim", "64", "--num-layers", "2", "--epochs", str(study.epochs)]
    steps = ["--batch-size", "32", "--learning-rate", "0.003"]
    learn = ["--test", corpus_unseen, *network, *steps, "--seed", str(study.seed)]
    return [
        ["prepare", learning, "--out", corpus, *windows, *labels],
        ["prepare", unseen, "--out", corpus_unseen, *windows, *labels],
        ["finetune", corpus, "--out", run, *learn, *computing],
        ["evaluate", model, corpus_unseen, "--json", scores, *computing],
        ["predict", model, str(recording), "--out", table, "--png", png, *stride, *computing],
    ]


def _run(words: list[str]) -> None:
    from biot.cli.corpora import prepare
    from biot.cli.models import evaluate, finetune
    from biot.cli.recordings import predict

    parsers = {
        "prepare": prepare.parser,
        "finetune": finetune.parser,
        "evaluate": evaluate.parser,
        "predict": predict.parser,
    }
    say(f"\n$ {shlex.join(['biot', *words])}\n")
    perform(parsers[words[0]](), words)


def _power_alone(out: Path) -> float:
    """Balanced accuracy, on the unseen subjects, of a classifier that sees only total power."""
    import numpy as np

    from biot.corpus.corpus import Corpus
    from biot.corpus.load import load_corpus
    from biot.corpus.schema import decode

    linear = require("sklearn.linear_model", extra="training")
    metrics = require("sklearn.metrics", extra="training")
    preprocessing = require("sklearn.preprocessing", extra="training")

    def log_power(corpus: Corpus) -> Any:
        rows = corpus.rows(np.arange(len(corpus)))
        signal = decode(rows.digital, rows.scale, rows.offset).astype(np.float64)
        return np.log(np.mean(signal**2, axis=-1))

    learning, unseen = load_corpus(out / "corpus"), load_corpus(out / "corpus_unseen")
    scaler = preprocessing.StandardScaler()
    classifier = linear.LogisticRegression(class_weight="balanced", max_iter=1000)
    classifier.fit(scaler.fit_transform(log_power(learning)), learning.labels)
    predicted = classifier.predict(scaler.transform(log_power(unseen)))
    return float(metrics.balanced_accuracy_score(unseen.labels, predicted))


def _headline(scores: dict[str, Any], power: float) -> tuple[str, str]:
    low, high = scores["intervals"]["balanced_accuracy"]
    return (
        f"Balanced accuracy on {scores['n_subjects']} subjects that the model has not seen: "
        f"{scores['balanced_accuracy']:.3f} (95 % interval {low:.3f} to {high:.3f}).",
        f"For comparison, logistic regression on the total power of each channel: {power:.3f}; "
        f"chance: {1 / len(scores['label_names']):.3f}.",
    )
