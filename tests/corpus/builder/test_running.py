"""Preparation in parallel, stopped and started again, and on corpora that are there."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import biot
from biot.corpus import from_arrays, load_corpus, prepare
from biot.corpus.builder import sources, worker
from biot.corpus.builder.executor import run
from biot.corpus.builder.staging import locked
from biot.errors import ConfigError, CorpusError

HOW: dict[str, Any] = {"sfreq": 64, "window": 2.0, "labels": "annotations"}
COMMAND = ["--sfreq", "64", "--window", "2", "--labels", "annotations"]


@pytest.fixture
def folder(write_edf: Callable[..., Path]) -> Path:
    """Six recordings of three subjects, one of them broken, one with its channels reversed."""
    generator = np.random.default_rng(7)
    for number in range(6):
        data = generator.integers(-200, 200, (2, 2000))
        names = ("C4", "C3") if number == 3 else ("C3", "C4")
        notes = [(0.0, 9.0, "rest"), (9.0, 11.0, f"task{number % 2}")]
        path = write_edf(f"sub-0{number % 3}_{number}.edf", data, ch_names=names, annotations=notes)
    (path.parent / "broken.edf").write_bytes(b"0       " + b"x" * 90)
    return path.parent


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "corpus"


@pytest.fixture
def reference(folder: Path, tmp_path: Path) -> dict[str, bytes]:
    """What an undisturbed run in one process writes."""
    prepare(folder, tmp_path / "reference", **HOW)
    return contents(tmp_path / "reference")


def contents(out: Path) -> dict[str, bytes]:
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob("*") if p.is_file()}


def left_beside(out: Path) -> list[str]:
    """What a run has left in hidden files."""
    return sorted(path.name for path in out.parent.iterdir() if path.name.startswith("."))


def environment() -> dict[str, str]:
    source = str(Path(biot.__file__).parents[1])
    return {**os.environ, "PYTHONPATH": source, "PYTHONWARNINGS": "ignore"}


def started(folder: Path, out: Path, *words: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", "from biot.cli import run; run()", "prepare", str(folder)]
    return subprocess.Popen(
        [*command, "--out", str(out), *COMMAND, *words],
        env=environment(),
        stdout=subprocess.DEVNULL,  # a pipe would stay open in workers that outlive a kill
        stderr=subprocess.DEVNULL,
    )


def spied(monkeypatch: pytest.MonkeyPatch, stop_after: int | None = None) -> list[str]:
    """Names of the recordings that are opened from now on; perhaps an interruption."""
    opened: list[str] = []
    real = sources.read_recording

    def read(path: Path) -> Any:
        if len(opened) == stop_after:
            raise KeyboardInterrupt
        opened.append(path.name)
        return real(path)

    monkeypatch.setattr(sources, "read_recording", read)
    return opened


def test_processes_write_the_same_bytes(
    folder: Path, out: Path, reference: dict[str, bytes]
) -> None:
    report = prepare(folder, out, workers=2, **HOW)
    assert contents(out) == reference
    assert report.n_recordings == 6
    assert left_beside(out) == []


@contextlib.contextmanager
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """The address of a scheduler on this machine; its process, and those of two workers."""
    file = tmp_path / "scheduler.json"
    dask = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker"]
    quiet: dict[str, Any] = {
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
        "env": environment(),
    }
    ways = ["--host", "127.0.0.1", "--no-dashboard"]
    one = [
        *["--scheduler-file", str(file), "--nthreads", "1", "--no-nanny", "--no-dashboard"],
        *["--local-directory", str(tmp_path), "--death-timeout", "60"],
    ]
    processes: list[Any] = []
    try:
        processes.append(
            subprocess.Popen([*dask, "--port", "0", "--scheduler-file", str(file), *ways], **quiet)
        )
        processes += [subprocess.Popen([*worker, *one], **quiet) for _ in range(2)]
        deadline = time.monotonic() + 60
        while not file.is_file() or not file.read_text().strip():
            assert time.monotonic() < deadline, "the scheduler does not start"
            time.sleep(0.05)
        address = str(json.loads(file.read_text())["address"])
        from distributed import Client

        with Client(address) as client:
            client.wait_for_workers(2, timeout=60)
        yield address, processes
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_a_dask_cluster_writes_the_same_bytes_and_its_end_is_told(
    folder: Path, out: Path, reference: dict[str, bytes], tmp_path: Path
) -> None:
    pytest.importorskip("distributed")
    with cluster(tmp_path) as (address, (scheduler, *_)):
        report = prepare(folder, out, dask=address, **HOW)
        end = partial(os.kill, scheduler.pid)
        with pytest.raises(CorpusError, match=f"connection to the scheduler {address} is lost"):
            list(run(end, [signal.SIGKILL, signal.SIGKILL], dask=address))
    assert contents(out) == reference
    assert [name for name, _ in report.quarantined] == ["broken.edf"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_a_cluster_that_loses_a_worker_goes_on(
    folder: Path, out: Path, reference: dict[str, bytes], tmp_path: Path
) -> None:
    pytest.importorskip("distributed")

    def kill_one(worker: subprocess.Popen[bytes]) -> None:
        records = out.with_name(".corpus.partial") / "records"
        while not out.exists() and not list(records.glob("*.json")):
            time.sleep(0.002)
        worker.kill()

    with cluster(tmp_path) as (address, (_, worker, _)):
        thread = threading.Thread(target=kill_one, args=(worker,), daemon=True)
        thread.start()
        prepare(folder, out, dask=address, **HOW)
        thread.join()
        assert contents(out) == reference
        assert left_beside(out) == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_a_scheduler_that_is_not_there_is_said(folder: Path, out: Path) -> None:
    pytest.importorskip("distributed")
    with pytest.raises(ConfigError, match=r"no scheduler answers at nonsense://x.*dask scheduler"):
        prepare(folder, out, dask="nonsense://x", **HOW)
    assert left_beside(out) == []
    with pytest.raises(ConfigError, match="workers must be 1 or more"):
        prepare(folder, out, workers=0, **HOW)


def test_an_error_in_a_process_ends_the_run(folder: Path, out: Path) -> None:
    with pytest.raises(CorpusError, match="lies directly in the folder given, so no folder names"):
        prepare(folder, out, workers=2, **{**HOW, "labels": "folder"})
    assert not out.exists()


def _dies(argument: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return argument


def test_a_worker_that_is_killed_is_told_as_such() -> None:
    with pytest.raises(CorpusError, match=r"A worker process has died.*start the same command"):
        list(run(_dies, [1, 2], workers=2))


@pytest.mark.parametrize("workers", ["1", "2"])
def test_killed_at_any_moment_it_goes_on_to_the_same_bytes(
    folder: Path, out: Path, reference: dict[str, bytes], workers: str
) -> None:
    generator = np.random.default_rng(int(workers))
    process = started(folder, out, "--workers", workers)
    records = out.with_name(".corpus.partial") / "records"
    for wanted in (1, 4):
        while process.poll() is None and len(list(records.glob("*.json"))) < wanted:
            time.sleep(0.005)
        time.sleep(float(generator.uniform(0, 0.02)))
        process.kill()
        process.wait()
        if out.exists():
            assert contents(out) == reference
        else:
            with pytest.raises(CorpusError, match="is not finished"):
                load_corpus(out)
        process = started(folder, out, "--workers", workers)
    assert process.wait(120) == 0
    assert contents(out) == reference
    assert left_beside(out) == []


def test_finished_recordings_are_not_opened_again(
    folder: Path, out: Path, reference: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        first = spied(patch, stop_after=4)
        with pytest.raises(KeyboardInterrupt):
            prepare(folder, out, **HOW)
    assert not out.exists()
    touched: list[str] = []
    real = worker.sha256_of
    monkeypatch.setattr(
        worker, "sha256_of", lambda *paths: touched.extend(p.name for p in paths) or real(*paths)
    )
    second = spied(monkeypatch)
    report = prepare(folder, out, **HOW)
    assert len(first) == 4
    assert sorted(first + second) == sorted(path.name for path in folder.iterdir())
    assert touched == second  # nor is their checksum computed
    assert contents(out) == reference
    assert report.changes == ("4 recordings were prepared by an earlier run",)


def test_the_same_command_again_changes_nothing(
    folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(folder, out, **HOW)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    opened = spied(monkeypatch)
    report = prepare(folder, out, **HOW)
    assert opened == []
    assert report.changes == ("none: the corpus is as these recordings and parameters make it",)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before
    assert (report.n_recordings, len(report.quarantined)) == (6, 1)


def test_a_changed_an_added_and_a_removed_source_are_noticed(
    folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch, write_edf: Callable[..., Path]
) -> None:
    prepare(folder, out, **HOW)
    changed = folder / "sub-01_1.edf"
    content = bytearray(changed.read_bytes())
    content[-200] ^= 1  # of the same size
    changed.write_bytes(content)
    (folder / "sub-00_0.edf").unlink()
    write_edf("sub-09_new.edf", seconds=8, annotations=[(0, 8, "rest")])
    opened = spied(monkeypatch)
    report = prepare(folder, out, **HOW)
    assert sorted(opened) == ["sub-01_1.edf", "sub-09_new.edf"]
    assert report.changes == (
        "sub-01_1.edf has changed and was prepared anew",
        "sub-09_new.edf was added",
        "sub-00_0.edf is no longer given and was removed",
    )
    prepare(folder, out.parent / "fresh", **HOW)
    assert contents(out) == contents(out.parent / "fresh")
    assert left_beside(out) == []


def test_changed_rows_of_a_table_are_noticed(folder: Path, out: Path, tmp_path: Path) -> None:
    names = sorted(path.name for path in folder.glob("sub*"))
    table = tmp_path / "labels.tsv"
    how = {**HOW, "labels": table}
    table.write_text("file\tlabel\n" + "".join(f"{name}\ta\n" for name in names))
    prepare(folder, out, **how)
    table.write_text("file\tlabel\n" + "".join(f"{name}\ta\n" for name in names[:-1][::-1]))
    with table.open("a") as file:
        file.write(f"{names[-1]}\tb\n")
    report = prepare(folder, out, **how)
    told = f"{names[-1]} has another subject, labels or units and was prepared anew"
    assert report.changes == (told,)
    assert set(report.labels) == {"a", "b"}


def test_an_interrupted_update_leaves_the_old_corpus(
    folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch, write_edf: Callable[..., Path]
) -> None:
    prepare(folder, out, **HOW)
    before = contents(out)
    write_edf("sub-09_new.edf", seconds=8, annotations=[(0, 8, "rest")])
    with monkeypatch.context() as patch:
        spied(patch, stop_after=0)
        with pytest.raises(KeyboardInterrupt):
            prepare(folder, out, **HOW)
    assert contents(out) == before
    prepare(folder, out, **HOW)
    prepare(folder, out.parent / "fresh", **HOW)
    assert contents(out) == contents(out.parent / "fresh")


def test_other_parameters_are_refused_for_an_unfinished_corpus_too(
    folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        spied(patch, stop_after=3)
        with pytest.raises(KeyboardInterrupt):
            prepare(folder, out, **HOW)
    with pytest.raises(
        CorpusError, match=r"is unfinished.*sfreq 64\.0, not 50\.0.*delete .*\.partial"
    ):
        prepare(folder, out, **{**HOW, "sfreq": 50})


def test_equal_recordings_under_two_names_are_kept_and_said(folder: Path, out: Path) -> None:
    (folder / "copy.edf").write_bytes((folder / "sub-02_2.edf").read_bytes())
    with pytest.warns(UserWarning, match=r"copy\.edf and sub-02_2\.edf are the same recording"):
        report = prepare(folder, out, **HOW)
    assert report.n_recordings == 7


def test_strict_fails_after_all_were_tried_and_keeps_the_work(
    folder: Path, out: Path, reference: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    message = r"1 of 7 recordings cannot be used, and strict forbids that: broken\.edf"
    with pytest.raises(CorpusError, match=message):
        prepare(folder, out, strict=True, **HOW)
    assert not out.exists()
    opened = spied(monkeypatch)
    prepare(folder, out, **HOW)
    assert opened == []
    assert contents(out) == reference
    with pytest.raises(CorpusError, match=message):
        prepare(folder, out, strict=True, **HOW)


def test_a_second_run_into_the_same_folder_is_refused_at_once(folder: Path, out: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from biot.corpus.builder.staging import locked\n"
        "with locked(Path(sys.argv[1])): print('locked', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(out)],
        env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout is not None
    assert holder.stdout.readline() == "locked\n"
    with pytest.raises(CorpusError, match="another run is writing this corpus now"):
        prepare(folder, out, **HOW)
    holder.send_signal(signal.SIGKILL)  # the lock ends with its process
    holder.communicate()
    prepare(folder, out, **HOW)
    assert left_beside(out) == []
    with locked(out), pytest.raises(CorpusError, match="another run"), locked(out):
        pass


def test_a_full_disk_is_said_and_the_next_run_goes_on(
    folder: Path, out: Path, reference: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.replace
    count = 0

    def full(source: Any, target: Any) -> None:
        nonlocal count
        count += str(target).endswith(".arrow")
        if count == 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(CorpusError, match=r"written \(No space left on device: .*\.arrow\)"):
            prepare(folder, out, **HOW)
    assert not out.exists()
    assert not [path for path in out.parent.rglob("*") if path.suffix == ".tmp"]
    opened = spied(monkeypatch)
    prepare(folder, out, **HOW)
    assert 0 < len(opened) < 5
    assert contents(out) == reference


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs to mount")
def test_a_disk_that_is_really_full_is_said(folder: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("may not mount here")
    try:
        with pytest.raises(CorpusError, match="No space left on device"):
            prepare(folder, disk / "corpus", **HOW)
        assert not (disk / "corpus").exists()
        assert not list(disk.rglob("*.tmp"))
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_place_that_cannot_be_written_is_said(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CorpusError, match=r"file/corpus: cannot be written or locked \(.+\)"):
        prepare(folder, tmp_path / "file" / "corpus", **HOW)


def test_a_programming_error_is_not_taken_for_a_broken_file(
    folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: Path) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(sources, "read_recording", broken)
    with pytest.raises(ZeroDivisionError):
        prepare(folder, out, **HOW)
    assert left_beside(out) == []


def test_the_manifest_says_where_windows_come_from(folder: Path, out: Path) -> None:
    import hashlib

    prepare(folder, out, **HOW)
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["parameters"]["window"] == 2.0
    assert set(manifest["versions"]) - {"biot"} == {"numpy", "pyarrow"}
    for name, record in manifest["recordings"].items():
        source = (folder / name).read_bytes()
        assert record["size"] == len(source)
        assert record["sha256"] == hashlib.sha256(source).hexdigest()
        if name != "broken.edf":
            shard = (out / record["shard"]).read_bytes()
            assert record["shard_sha256"] == hashlib.sha256(shard).hexdigest()
    counts = [record["n_windows"] for record in manifest["recordings"].values()]
    assert sum(counts) == len(load_corpus(out))


def test_arrays_have_a_manifest_too(out: Path) -> None:
    import hashlib

    X = np.random.default_rng(0).normal(size=(4, 2, 20))
    from_arrays(
        X, None, subject=["b", "a", "b", "a"], sfreq=10, ch_names=["x", "y"], units="g", out=out
    )
    recordings = json.loads((out / "manifest.json").read_text())["recordings"]
    assert recordings["a"]["sha256"] == hashlib.sha256(X[1::2].tobytes()).hexdigest()
    with pytest.raises(CorpusError, match="no corpus of recordings"):
        prepare_beside(out)


def prepare_beside(out: Path) -> None:
    """Try to prepare a recording into a corpus of arrays."""
    csv = out.parent / "a.csv"
    csv.write_text("time,C3\n" + "".join(f"{i / 10},{i % 7}\n" for i in range(40)))
    prepare(csv, out, sfreq=10, window=2)


def test_nothing_of_a_header_reaches_a_corpus(out: Path, tmp_path: Path) -> None:
    import datetime

    edfio = pytest.importorskip("edfio")
    data = np.random.default_rng(0).integers(-50, 50, 1000).astype(float)
    patient = edfio.Patient(
        code="MCH-0234567", sex="F", birthdate=datetime.date(1951, 5, 2), name="Haagse_Harry"
    )
    session = edfio.Recording(
        startdate=datetime.date(2012, 3, 9), hospital_administration_code="EMG561",
        investigator_technician_code="BKM", equipment_code="Nihon",
    )  # fmt: skip
    signal_ = edfio.EdfSignal(data, 100, label="C3", physical_dimension="uV")
    recordings = tmp_path / "recordings"
    recordings.mkdir()
    edf = edfio.Edf([signal_], patient=patient, recording=session)
    edf.write(recordings / "a.edf")
    truncated = (recordings / "a.edf").read_bytes()
    (recordings / "b.edf").write_bytes(truncated[:300])
    prepare(recordings, out, sfreq=100, window=2)
    words = ["MCH", "0234567", "1951", "MAY", "Haagse", "Harry", "2012", "MAR", "EMG561", "BKM"]
    words += ["Nihon", "09.03.12", str(tmp_path), tmp_path.name]
    everything = b"".join(content for _, content in sorted(contents(out).items()))
    assert b"quarantine" in everything
    names = " ".join(contents(out)).encode()
    for word in words:
        found = re.search(re.escape(word.encode()), everything + names, re.IGNORECASE)
        if word.isalpha() or len(word) > 4:
            assert found is None, f"{word} is in the corpus"


@pytest.mark.parametrize("stop", [KeyboardInterrupt, PermissionError])
@pytest.mark.parametrize("renamed", [0, 1])
def test_stopped_while_it_is_renamed_nothing_is_lost(
    folder: Path,
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
    write_edf: Callable[..., Path],
    stop: type[BaseException],
    renamed: int,
) -> None:
    prepare(folder, out, **HOW)
    (out / "notes.txt").write_text("mine")
    write_edf("sub-09_new.edf", seconds=8, annotations=[(0, 8, "rest")])
    real, count = Path.rename, 0

    def rename(path: Path, target: Path) -> Path:
        nonlocal count
        if path.name in ("corpus", ".corpus.partial"):
            count += 1
            if count > renamed:
                raise stop
        return real(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", rename)
        with pytest.raises((KeyboardInterrupt, CorpusError)):
            prepare(folder, out, **HOW)
    opened = spied(monkeypatch)
    prepare(folder, out, **HOW)
    assert opened == []
    assert len(load_corpus(out).select(subject="09")) == 4
    assert (out / "notes.txt").read_text() == "mine"
    assert left_beside(out) == []


def test_what_others_put_into_a_corpus_survives_an_update(
    folder: Path, out: Path, write_edf: Callable[..., Path]
) -> None:
    write_edf("broken.edf").write_bytes(b"no recording")
    prepare(folder, out, **HOW)
    assert (out / "quarantine.tsv").is_file()
    (out / "README.md").write_text("mine")
    (out / "run").mkdir()
    (out / "run" / "metrics.json").write_text("{}")
    (folder / "broken.edf").unlink()
    assert any("removed" in change for change in prepare(folder, out, **HOW).changes)
    assert (out / "README.md").read_text() == "mine"
    assert (out / "run" / "metrics.json").read_text() == "{}"
    assert not (out / "quarantine.tsv").exists()
    assert left_beside(out) == []


def test_a_corpus_may_be_named_through_a_link_or_a_dot(
    folder: Path, tmp_path: Path, reference: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    link = tmp_path / "link"
    link.symlink_to(disk / "corpus")
    for _ in range(2):  # to nothing, then to the corpus
        prepare(folder, link, **HOW)
        assert link.is_symlink()
        assert contents(disk / "corpus") == reference
    with locked(disk / "corpus"), pytest.raises(CorpusError, match="another run"), locked(link):
        pass
    assert left_beside(disk / "corpus") == left_beside(link) == []
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    prepare(folder, ".", **HOW)
    assert contents(tmp_path / "here") == reference


def test_a_mount_is_refused_before_the_work(
    folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.path.ismount", lambda path: path == out)
    opened = spied(monkeypatch)
    with pytest.raises(CorpusError, match=r"corpus: is where a disk is mounted.*corpus/corpus"):
        prepare(folder, out, **HOW)
    assert opened == []


def test_a_file_system_without_locks_is_not_taken_for_another_run(
    folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(CorpusError, match=r"be written or locked \(Function not implemented\)"):
        prepare(folder, out, **HOW)
