"""Checkpoint files: whole or absent, checked, and the one before a bad one used."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import torch

from biot.errors import CheckpointError
from biot.training.checkpoint import Checkpoints


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "checkpoints", "this run")


def fill(checkpoints: Checkpoints, *steps: int) -> list[Path]:
    return [checkpoints.save(step, {"weights": {"w": torch.full((3,), step)}}) for step in steps]


def names(checkpoints: Checkpoints) -> list[str]:
    return sorted(path.name for path in checkpoints.folder.iterdir())


def test_what_was_saved_comes_back_and_the_last_two_stay(checkpoints: Checkpoints):
    assert checkpoints.latest() is None
    fill(checkpoints, 5, 10, 15)
    state = checkpoints.latest()
    assert state is not None
    assert state["step"] == 15
    assert torch.equal(state["weights"]["w"], torch.full((3,), 15))
    assert names(checkpoints) == ["step-000000010.ckpt", "step-000000015.ckpt"]


def test_what_a_kill_left_half_written_goes_with_the_next_save(checkpoints: Checkpoints):
    fill(checkpoints, 5)
    (checkpoints.folder / ".step-000000010.ckpt.0a1b.partial").write_bytes(b"biot")
    fill(checkpoints, 10)
    assert names(checkpoints) == ["step-000000005.ckpt", "step-000000010.ckpt"]


@pytest.mark.parametrize("size", [0, 3, 20, 41, 500])
def test_a_truncated_one_is_refused_by_name_and_the_one_before_used(
    checkpoints: Checkpoints, size: int
):
    _, last = fill(checkpoints, 5, 10)
    last.write_bytes(last.read_bytes()[:size])
    with pytest.warns(UserWarning, match=r"step-000000010\.ckpt: truncated.*one before it is used"):
        state = checkpoints.latest()
    assert state is not None
    assert state["step"] == 5


def test_a_single_flipped_bit_is_noticed(checkpoints: Checkpoints):
    _, last = fill(checkpoints, 5, 10)
    content = bytearray(last.read_bytes())
    content[len(content) // 2] ^= 1
    last.write_bytes(content)
    with pytest.warns(UserWarning, match="its checksum does not agree"):
        assert checkpoints.latest()["step"] == 5  # type: ignore[index]


def test_a_foreign_one_is_refused_and_not_deleted(checkpoints: Checkpoints):
    fill(checkpoints, 5)
    foreign = checkpoints.folder / "step-000000007.ckpt"
    torch.save({"state_dict": {}}, foreign)
    with pytest.warns(UserWarning, match=r"step-000000007\.ckpt: foreign, not a checkpoint of"):
        assert checkpoints.latest()["step"] == 5  # type: ignore[index]
    fill(checkpoints, 10, 15, 20)
    assert names(checkpoints) == [f"step-{n:09d}.ckpt" for n in (7, 15, 20)]


def test_one_of_another_run_is_refused(checkpoints: Checkpoints):
    fill(checkpoints, 5)
    fill(Checkpoints(checkpoints.folder, "another run"), 10)
    with pytest.warns(UserWarning, match="foreign, it belongs to another run"):
        assert checkpoints.latest()["step"] == 5  # type: ignore[index]


def test_one_that_would_run_code_is_refused(checkpoints: Checkpoints, tmp_path: Path):
    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "harm"),))

    fill(checkpoints, 5)
    checkpoints.save(10, {"weights": Evil()})
    with pytest.warns(UserWarning, match="foreign, it holds more than weights"):
        assert checkpoints.latest()["step"] == 5  # type: ignore[index]
    assert not (tmp_path / "harm").exists()


def test_with_none_that_is_sound_nothing_starts_anew_in_silence(checkpoints: Checkpoints):
    (only,) = fill(checkpoints, 5)
    only.write_bytes(b"biot-run")
    with pytest.raises(CheckpointError, match=r"No checkpoint in .* can be used: .*truncated"):
        checkpoints.latest()


def test_a_full_disk_leaves_the_one_before(
    checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
):
    fill(checkpoints, 5)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("biot.io.os.fsync", full)
    with pytest.raises(CheckpointError, match=r"000010\.ckpt: cannot be written \(No space left"):
        fill(checkpoints, 10)
    assert names(checkpoints) == ["step-000000005.ckpt"]
    assert checkpoints.latest()["step"] == 5  # type: ignore[index]
