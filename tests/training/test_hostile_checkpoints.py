"""Checkpoints whose checksum agrees and whose content is another: refused by name."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from biot.corpus import Corpus, from_arrays
from biot.errors import CheckpointError
from biot.training import finetune, pretrain
from biot.training.checkpoint import Checkpoints
from biot.training.trainer import Trainer

TINY: dict[str, Any] = {
    "embed_dim": 8, "num_heads": 2, "num_layers": 1, "device": "cpu", "checkpoint_every": 1,
}  # fmt: skip


class Killed(BaseException):
    """Ends a run at once, as no error of ours would."""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    X = np.random.default_rng(0).normal(size=(24, 2, 100))
    return from_arrays(
        X, [("a", "b")[i % 2] for i in range(24)], subject=[str(i // 6) for i in range(24)],
        sfreq=100.0, ch_names=["C3", "C4"], units="µV", out=tmp_path_factory.mktemp("c") / "corpus",
    )  # fmt: skip


def pretrained(corpus: Corpus, out: Path) -> Any:
    return pretrain([corpus.path], out, **TINY, steps=3, batch_size=4, warmup=0, ema=0.5)


def finetuned(corpus: Corpus, out: Path) -> Any:
    return finetune(corpus.path, out, **TINY, epochs=3, batch_size=24)


RUNS: dict[str, Callable[[Corpus, Path], Any]] = {"pretrain": pretrained, "finetune": finetuned}


@pytest.fixture(scope="module")
def checkpoint(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., bytes]:
    """The content of a run's checkpoint after its second step."""
    known: dict[str, tuple[Path, bytes]] = {}

    def make(kind: str) -> tuple[Path, bytes]:
        if kind not in known:
            out = tmp_path_factory.mktemp(kind) / "run"
            with pytest.MonkeyPatch.context() as patch:
                save = Trainer._save

                def killed(self: Trainer, source: Any) -> None:
                    save(self, source)
                    if self.step == 2:
                        raise Killed

                patch.setattr(Trainer, "_save", killed)
                with pytest.raises(Killed):
                    RUNS[kind](corpus, out)
            first, last = sorted((out / "checkpoints").iterdir())
            first.unlink()
            known[kind] = last, last.read_bytes()
        return known[kind]

    return make


def reseal(path: Path, content: bytes) -> None:
    """Write a checkpoint whose checksum agrees."""
    path.write_bytes(b"biot-run" + hashlib.sha256(content).digest() + content)


def changed(**values: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda state: {**state, **values}


def without(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda state: {key: value for key, value in state.items() if key != name}


def reshaped(state: dict[str, Any]) -> dict[str, Any]:
    name = next(iter(state["weights"]))
    return {**state, "weights": {**state["weights"], name: torch.zeros(1, 2, 3)}}


def poisoned(state: dict[str, Any]) -> dict[str, Any]:
    name = next(n for n, value in state["weights"].items() if value.is_floating_point())
    bad = torch.full_like(state["weights"][name], torch.nan)
    return {**state, "weights": {**state["weights"], name: bad}}


HOSTILE: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "not a mapping": (lambda state: list(state), "belongs to another run"),
    "a number": (lambda _: 3, "belongs to another run"),
    "no weights": (without("weights"), "lacks weights"),
    "no step": (without("step"), "lacks step"),
    "no optimizer": (without("optimizer"), "damaged, .*optimizer"),
    "no history": (without("history"), "damaged, .*history"),
    "no sampler": (without("sampler"), "damaged, .*sampler"),
    "step x": (changed(step="x"), "its step is 'x', not 2"),
    "step below zero": (changed(step=-3), "its step is -3, not 2"),
    "step of another": (changed(step=7), "its step is 7, not 2"),
    "step a float": (changed(step=2.5), "its step is 2.5, not 2"),
    "weights a list": (changed(weights=[1]), "its weights are a list"),
    "weights of text": (changed(weights={"a": "b"}), "have other names"),
    "weights of another shape": (reshaped, "damaged, .*size mismatch"),
    "weights not finite": (poisoned, "its weights hold NaN"),
    "optimizer a list": (changed(optimizer=[1]), "damaged, "),
    "optimizer empty": (changed(optimizer={"state": {}, "param_groups": []}), "damaged, "),
    "history of text": (changed(history=["x"]), "damaged, "),
    "history without columns": (changed(history=[{"step": 1}]), "lacks a number of a column"),
    "losses of text": (changed(losses=["xyz"]), "damaged, "),
    "best a list": (changed(best=[1]), "damaged, "),
    "best of another model": (
        changed(best={"step": 1, "score": 0.5, "rank": [0.5, 0.0], "weights": {}}),
        "the best weights are those of another model",
    ),
}


IN_BOTH = ("not a mapping", "step x", "weights not finite", "best of another model")


@pytest.mark.parametrize(
    ("kind", "case"),
    [*(("pretrain", case) for case in HOSTILE), *(("finetune", case) for case in IN_BOTH)],
)
def test_a_resealed_checkpoint_is_refused_by_name(
    corpus: Corpus, checkpoint: Any, kind: str, case: str
) -> None:
    path, content = checkpoint(kind)
    change, message = HOSTILE[case]
    buffer = io.BytesIO()
    torch.save(change(torch.load(io.BytesIO(content[40:]), weights_only=True)), buffer)
    reseal(path, buffer.getvalue())
    with pytest.raises(CheckpointError, match=message) as caught:
        RUNS[kind](corpus, path.parents[1])
    assert str(path.parent) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"x" * 100, b"\x80\x02."])
def test_what_is_no_file_of_torch_is_refused(tmp_path: Path, content: bytes) -> None:
    reseal(tmp_path / "step-000000002.ckpt", content)
    with pytest.raises(CheckpointError, match=r"step-000000002\.ckpt: foreign"):
        Checkpoints(tmp_path, "this run").latest()


@pytest.mark.parametrize("kind", RUNS)
def test_the_sound_one_is_still_taken_up(corpus: Corpus, checkpoint: Any, kind: str) -> None:
    path, content = checkpoint(kind)
    path.write_bytes(content)
    RUNS[kind](corpus, path.parents[1])
    assert (path.parents[1] / "model").is_dir()
