"""Sound folders of our own (corpora, models, runs, tables of labels) and the files to damage."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import recordings

__all__ = ["CHECKPOINT_BYTES", "OWN_FILES", "STEPS"]

STEPS = 3
CHECKPOINT_BYTES = 8 + 32
"""Letters that name the kind, and the checksum of the rest."""
TINY: dict[str, Any] = {"embed_dim": 8, "num_heads": 2, "num_layers": 1, "device": "cpu"}
LABELS = "file\tsubject\tlabel\na.edf\tone\trest\nb.edf\ttwo\tmove\n"
PEOPLE = "participant_id\tgroup\na\tx\nb\ty\nc\tx\n"
EVENTS = (
    "file,onset,duration,label\na.edf,0,1,rest\na.edf,1.5,2,move\nb.edf,0.5,1,rest\n"
    "b.edf,2,2,move\n"
)


def _two_recordings(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("a", "b"):
        recordings.edf_plus(folder).rename(folder / f"{name}.edf")
    return folder


def write_corpus(folder: Path) -> Path:
    """A corpus of two recordings in `folder`/corpus, made by `prepare`."""
    from biot.corpus.builder.prepare import prepare

    _two_recordings(folder / "recordings")
    (folder / "recordings" / "c.edf").write_bytes(b"no recording")
    prepare(folder / "recordings", folder / "corpus", sfreq=100, window=1, labels="annotations",
            align="events")  # fmt: skip
    return folder / "corpus"


def write_model(folder: Path) -> Path:
    """A model folder with its contract, as a run leaves it."""
    import torch

    from biot.corpus.leakage import SeenData
    from biot.model.biot import BIOT
    from biot.preprocessing import Preprocessing

    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = BIOT(embed_dim=8, num_heads=2, num_layers=1, sfreq=100, n_fft=20, hop_length=10,
                     n_outputs=2, channels=recordings.NAMES, n_times=100)  # fmt: skip
    contract = Preprocessing(sfreq=100, window=1, ch_names=recordings.NAMES, units=("µV", "µV"),
                             label_names=("move", "rest"), l_freq=1, thresholds=(0.5,))  # fmt: skip
    model.eval().save_pretrained(folder / "model", preprocessing=contract)
    SeenData(recordings={"ab" * 32: "a.edf"}, subjects=("a",), unknown=("b",)).save(
        folder / "model"
    )
    return folder / "model"


def write_pickle(folder: Path) -> Path:
    """The same weights in a PyTorch checkpoint."""
    import torch
    from safetensors.torch import load_file

    model = write_model(folder)
    torch.save(load_file(model / "model.safetensors"), model / "pytorch_model.bin")
    (model / "model.safetensors").unlink()
    return model


def _corpus_of_arrays(folder: Path) -> Path:
    from biot.corpus.builder.from_arrays import from_arrays

    X = np.random.default_rng(0).normal(size=(24, 2, 100))
    subjects = [str(i // 6) for i in range(24)]
    labels = [("a", "b")[i % 2] for i in range(24)]
    return from_arrays(X, labels, subject=subjects, sfreq=100.0, ch_names=recordings.NAMES,
                       units="µV", out=folder / "corpus").path  # fmt: skip


def _pretrain(folder: Path, steps: int) -> bool:
    from biot.training.pretraining.pretrain import pretrain

    return pretrain([folder / "corpus"], folder / "run", **TINY, steps=steps, batch_size=4,
                    checkpoint_every=1, warmup=0, sfreq=None)  # fmt: skip


def _finetune(folder: Path) -> dict[str, Any]:
    from biot.training.finetuning.finetune import finetune

    return finetune(folder / "corpus", folder / "run", **TINY, epochs=STEPS, batch_size=8,
                    checkpoint_every=1)  # fmt: skip


class _Killed(BaseException):
    pass


def _killed(work: Callable[[], Any]) -> None:
    """Run a training that is killed after its second step."""
    from biot.training.trainer import Trainer

    once = Trainer._save

    def save(self: Trainer, source: Any) -> None:
        once(self, source)
        if self.step >= 2:
            raise _Killed

    Trainer._save = save  # type: ignore[method-assign]
    try:
        work()
    except _Killed:
        pass
    finally:
        Trainer._save = once  # type: ignore[method-assign]


def unfinished_pretraining(folder: Path) -> None:
    """A pretraining that was killed, with one checkpoint."""
    _corpus_of_arrays(folder)
    _killed(lambda: _pretrain(folder, STEPS))
    _keep_last(folder)


def unfinished_finetuning(folder: Path) -> None:
    """A fine-tuning that was killed, with one checkpoint."""
    _corpus_of_arrays(folder)
    _killed(lambda: _finetune(folder))
    _keep_last(folder)


def _keep_last(folder: Path) -> None:
    *others, _ = sorted((folder / "run" / "checkpoints").iterdir())
    for other in others:
        other.unlink()


def run(folder: Path) -> None:
    """The folder of a finished fine-tuning."""
    _corpus_of_arrays(folder)
    _finetune(folder)


def resealed(content: bytes) -> bytes:
    """A checkpoint whose checksum agrees again."""
    body = content[CHECKPOINT_BYTES:]
    return b"biot-run" + hashlib.sha256(body).digest() + body


# what is seen when they are opened -----------------------------------------------------------


def _see_corpus(folder: Path) -> Iterator[tuple[str, Any]]:
    from biot.corpus.batch import collate
    from biot.corpus.load import load_corpus
    from biot.corpus.schema import decode
    from biot.corpus.summary import overview

    corpus = load_corpus(folder / "corpus")
    yield "description", corpus.preprocessing.to_dict()
    yield "names", [corpus.subjects, corpus.recordings]
    yield "labels", [corpus.labels, corpus.targets, corpus.label_ids]
    yield "times", [corpus.starts, corpus.lengths, corpus.layouts]
    rows = corpus.rows(np.arange(len(corpus)))
    yield "samples", decode(rows.digital, rows.scale, rows.offset)
    batch = collate(corpus, np.arange(len(corpus)), vocabulary=corpus.ch_names, empty="keep")
    yield "samples", batch.signal
    yield "overview", str(overview(corpus))


def _see_update(folder: Path) -> Iterator[tuple[str, Any]]:
    from biot.corpus.builder.prepare import prepare

    report = prepare(folder / "recordings", folder / "corpus", sfreq=100, window=1,
                     labels="annotations", align="events")  # fmt: skip
    yield "report", str(report)
    yield from _see_corpus(folder)


def _see_model(folder: Path) -> Iterator[tuple[str, Any]]:
    from biot.cli.reports.folders import describe_model
    from biot.corpus.leakage import SeenData
    from biot.inference.predictor import Predictor
    from biot.signals.recording import Recording

    model = folder / "model"
    yield "text", describe_model(model)
    yield "training data", SeenData.load(model)
    predictor = Predictor.from_pretrained(model, device="cpu")
    yield "description", predictor.preprocessing.to_dict()
    recording = Recording.from_array(recordings.DATA, ch_names=recordings.NAMES, sfreq=100,
                                     units=("µV", "µV"))  # fmt: skip
    yield "predictions", predictor.predict(recording).probabilities


def _see_pretraining(folder: Path) -> Iterator[tuple[str, Any]]:
    from safetensors.torch import load_file

    from biot.cli.reports.folders import describe_run

    yield "text", describe_run(folder / "run")
    _pretrain(folder, STEPS)
    weights = load_file(folder / "run" / "model" / "model.safetensors")
    yield "weights", [weights[name] for name in sorted(weights)]
    yield "text", (folder / "run" / "history.csv").read_text().rpartition(",")[0][:60]


def _see_finetuning(folder: Path) -> Iterator[tuple[str, Any]]:
    metrics = _finetune(folder)
    yield "scores", metrics["test"]


def _see_run(folder: Path) -> Iterator[tuple[str, Any]]:
    from biot.cli.reports.folders import describe_model, describe_run

    yield "text", describe_run(folder / "run")
    yield "text", describe_model(folder / "run" / "model")


def _see_labels(folder: Path) -> Iterator[tuple[str, Any]]:
    from biot.corpus.builder.prepare import prepare

    table = next(path for path in folder.iterdir() if path.suffix in (".tsv", ".csv"))
    prepare([folder / "recordings"], folder / "corpus", sfreq=100, window=1, labels=table,
            label_columns=("group" if table.stem == "participants" else "label",))  # fmt: skip
    shutil.rmtree(folder / "recordings")
    yield from _see_corpus(folder)


def _table(name: str, content: str) -> Callable[[Path], object]:
    def make(folder: Path) -> None:
        _two_recordings(folder / "recordings")
        (folder / name).write_text(content, encoding="utf-8")

    return make


See = Callable[[Path], Iterator[tuple[str, Any]]]
OWN_FILES: dict[str, tuple[Callable[[Path], object], str, See]] = {
    "labels .tsv": (_table("labels.tsv", LABELS), "labels.tsv", _see_labels),
    "labels .csv with events": (_table("labels.csv", EVENTS), "labels.csv", _see_labels),
    "participants.tsv": (_table("participants.tsv", PEOPLE), "participants.tsv", _see_labels),
    "corpus state.json": (write_corpus, "corpus/state.json", _see_corpus),
    "corpus dataset_info.json": (write_corpus, "corpus/dataset_info.json", _see_corpus),
    "corpus preprocessing.json": (write_corpus, "corpus/preprocessing.json", _see_corpus),
    "corpus manifest.json": (write_corpus, "corpus/manifest.json", _see_corpus),
    "corpus quarantine.tsv": (write_corpus, "corpus/quarantine.tsv", _see_corpus),
    "corpus shard": (write_corpus, "corpus/shards/*.arrow", _see_corpus),
    "manifest.json, prepared again": (write_corpus, "corpus/manifest.json", _see_update),
    "state.json, prepared again": (write_corpus, "corpus/state.json", _see_update),
    "shard, prepared again": (write_corpus, "corpus/shards/*.arrow", _see_update),
    "model config.json": (write_model, "model/config.json", _see_model),
    "model preprocessing.json": (write_model, "model/preprocessing.json", _see_model),
    "model training_data.json": (write_model, "model/training_data.json", _see_model),
    "model model.safetensors": (write_model, "model/model.safetensors", _see_model),
    "model pytorch_model.bin": (write_pickle, "model/pytorch_model.bin", _see_model),
    "run run.json": (run, "run/run.json", _see_run),
    "run metrics.json": (run, "run/metrics.json", _see_run),
    "unfinished pretraining run.json": (
        unfinished_pretraining, "run/run.json", _see_pretraining),
    "pretraining checkpoint": (
        unfinished_pretraining, "run/checkpoints/*.ckpt", _see_pretraining),
    "pretraining checkpoint, resealed": (
        unfinished_pretraining, "run/checkpoints/*.ckpt", _see_pretraining),
    "fine-tuning checkpoint, resealed": (
        unfinished_finetuning, "run/checkpoints/*.ckpt", _see_finetuning),
}  # fmt: skip
"""Kind: who makes the folder, the file in it to damage, and what is seen of it."""
