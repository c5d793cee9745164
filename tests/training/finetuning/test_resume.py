"""Fine-tuning resumes exactly after a kill, and two processes learn what one does."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from biot.errors import ConfigError, CorpusError, StoppedError
from biot.training import finetune
from biot.training.trainer import Trainer

CHANGES: dict[str, Any] = {
    "epochs": 4, "drop_prob": 0.2, "ema": 0.9, "mixup": 0.3, "checkpoint_every": 4,
}  # fmt: skip
TINY: dict[str, Any] = {
    "embed_dim": 16, "num_heads": 2, "num_layers": 1, "epochs": 4, "batch_size": 16,
    "learning_rate": 5e-3, "device": "cpu",
}  # fmt: skip


class Killed(BaseException):
    """Ends a run at once, as no error of ours would."""


@pytest.fixture(scope="module")
def undisturbed(wave_corpus, tiny_config, tmp_path_factory) -> Path:
    """The folder of a run that nothing stopped."""
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    finetune(wave_corpus.path, out, config=tiny_config(**CHANGES))
    return out


def require_same_end(found: Path, expected: Path) -> None:
    for name in ("model/model.safetensors", "metrics.json"):
        assert (found / name).read_bytes() == (expected / name).read_bytes(), name
    lines = [
        [line.rsplit(",", 1)[0] for line in (run / "history.csv").read_text().splitlines()]
        for run in (found, expected)
    ]  # the last column holds seconds
    assert lines[0] == lines[1]
    assert {path.name for path in found.iterdir()} == {path.name for path in expected.iterdir()}


@pytest.mark.parametrize("killed_at", [2, 6, 9, 16])
def test_a_killed_run_resumes_to_the_same_bits(
    wave_corpus, tiny_config, tmp_path, undisturbed, monkeypatch, killed_at
):
    train = Trainer._train_on

    def train_until(self: Trainer, batch: Any) -> None:
        train(self, batch)
        if self.step == killed_at:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "_train_on", train_until)
        with pytest.raises(Killed):
            finetune(wave_corpus.path, tmp_path / "run", config=tiny_config(**CHANGES))
    assert not (tmp_path / "run" / "metrics.json").exists()
    other = tiny_config(**CHANGES | {"learning_rate": 0.01})
    with pytest.raises(ConfigError, match=r"config\.learning_rate was 0\.005, is 0\.01"):
        finetune(wave_corpus.path, tmp_path / "run", config=other)
    finetune(wave_corpus.path, tmp_path / "run", config=tiny_config(**CHANGES))
    require_same_end(tmp_path / "run", undisturbed)
    with pytest.raises(CorpusError, match="exists already"):
        finetune(wave_corpus.path, tmp_path / "run", config=tiny_config(**CHANGES))


@pytest.mark.parametrize("name", ["SIGTERM", "SIGUSR1"])
def test_a_signal_leaves_a_checkpoint_and_the_same_call_goes_on(
    wave_corpus, tiny_config, tmp_path, undisturbed, monkeypatch, name
):
    train = Trainer._train_on

    def train_and_strike(self: Trainer, batch: Any) -> None:
        train(self, batch)
        if self.step == 6:
            os.kill(os.getpid(), getattr(signal, name))

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "_train_on", train_and_strike)
        with pytest.raises(StoppedError, match=r"Stopped at step 6 of at most .*same call goes on"):
            finetune(wave_corpus.path, tmp_path / "run", config=tiny_config(**CHANGES))
    names = [path.name for path in sorted((tmp_path / "run" / "checkpoints").iterdir())]
    assert names[-1] == "step-000000006.ckpt"
    finetune(wave_corpus.path, tmp_path / "run", config=tiny_config(**CHANGES))
    require_same_end(tmp_path / "run", undisturbed)


def started(asked: dict[str, Any], rank: int = 0, world: int = 1, port: int = 0) -> Any:
    environment = dict(os.environ, PYTHONWARNINGS="ignore", OMP_NUM_THREADS="1")
    if world > 1:
        environment |= {
            "TORCHELASTIC_RUN_ID": "test", "RANK": str(rank), "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(world), "LOCAL_WORLD_SIZE": str(world), "GROUP_RANK": "0",
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
        }  # fmt: skip
    script = Path(__file__).with_name("finetune_process.py")
    words = [sys.executable, str(script), json.dumps(asked)]
    return subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True)


def ended(process: Any) -> int:
    _, told = process.communicate(timeout=120)
    assert process.returncode in (0, 3, -9), told
    return int(process.returncode)


def test_a_sigkill_costs_the_steps_since_the_last_checkpoint_only(
    wave_corpus, tiny_config, tmp_path, undisturbed
):
    asked = {
        "corpus": str(wave_corpus.path),
        "out": str(tmp_path / "run"),
        "config": TINY | CHANGES,
    }
    assert ended(started(asked | {"strike": 7, "signal": "SIGKILL"})) == -9
    assert (tmp_path / "run" / "checkpoints" / "step-000000004.ckpt").is_file()
    finetune(wave_corpus.path, tmp_path / "run", config=tiny_config(**CHANGES))
    require_same_end(tmp_path / "run", undisturbed)


@pytest.mark.parametrize("mode", ["full", "lora", "head"])
def test_two_processes_equal_one(wave_corpus, wave_run, tmp_path, mode):
    if mode != "full":
        pytest.importorskip("peft")
    # A batch of 14 leaves an epoch's last one smaller, and micro-batches of unequal sizes.
    config = TINY | {"epochs": 2, "batch_size": 14, "micro_batch_size": 3, "learning_rate": 1e-3}
    asked = {"corpus": str(wave_corpus.path), "out": str(tmp_path / "two"), "config": config}
    if mode != "full":
        config |= {"mode": mode}
        for name in ("embed_dim", "num_heads", "num_layers"):
            del config[name]
        asked["from_model"] = str(wave_run / "model")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    both = [started(asked, rank, 2, port) for rank in range(2)]
    assert [ended(process) for process in both] == [0, 0]
    assert ended(started(asked | {"out": str(tmp_path / "one")})) == 0
    one, two = (load_file(tmp_path / run / "model" / "model.safetensors") for run in ("one", "two"))
    for name, expected in one.items():
        assert torch.allclose(two[name], expected, rtol=0, atol=2e-4), name
    scores = [json.loads((tmp_path / run / "metrics.json").read_text()) for run in ("one", "two")]
    assert scores[0]["best_epoch"] == scores[1]["best_epoch"]
    for part in ("valid", "test"):
        accuracies = [score[part]["balanced_accuracy"] for score in scores]
        assert accuracies[0] == pytest.approx(accuracies[1], abs=0.05)
