"""One process at a time on a folder, and what killed processes leave."""

from __future__ import annotations

import os
import platform
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from biot import io
from biot.errors import ConfigError
from biot.locks import alone_on

pytestmark = pytest.mark.skipif(os.name == "nt", reason="locks of POSIX systems")

_HOLD = """
import sys
from contextlib import ExitStack
from pathlib import Path
from biot import io
from biot.errors import ConfigError
from biot.locks import alone_on

what, path = sys.argv[1], Path(sys.argv[2])
with ExitStack() as stack:
    if what == "lock":
        stack.enter_context(alone_on(path, "this folder", ConfigError))
    elif what == "file":
        stack.enter_context(io.atomic_file(path)).write_text("half")
    else:
        (stack.enter_context(io.atomic_folder(path)) / "half").write_text("half")
    print("ready", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another(what: str, path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds a lock, or is in the middle of writing; it is killed at the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, what, str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()


def test_a_second_process_is_told_who_is_there_and_since_when(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with (
        another("lock", run) as other,
        pytest.raises(ConfigError) as caught,
        alone_on(run, "this folder", ConfigError),
    ):
        pass
    who = re.escape(f"process {other.pid} on {platform.node()}, since ")
    assert re.fullmatch(
        rf"{re.escape(str(run))}: another run is writing this folder now "
        rf"\({who}\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d\)\. Wait until it ends, or choose another "
        r"folder\.",
        str(caught.value),
    )
    with alone_on(run, "this folder", ConfigError):  # the lock has ended with its process
        assert [path.name for path in tmp_path.iterdir()] == [".run.lock"]
    assert list(tmp_path.iterdir()) == []


def test_a_link_and_its_folder_are_one_place(tmp_path: Path) -> None:
    (tmp_path / "disk" / "run").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "run")
    with (
        alone_on(tmp_path / "disk" / "run", "it", ConfigError),
        pytest.raises(ConfigError, match="another run is writing it now"),
        alone_on(tmp_path / "link", "it", ConfigError),
    ):
        pass


def test_a_folder_in_one_that_is_closed_is_locked_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run").mkdir()
    monkeypatch.setattr(os, "access", lambda *_: False)
    with alone_on(tmp_path / "run", "it", ConfigError):
        assert [path.name for path in tmp_path.rglob("*")] == ["run"]
        with (
            pytest.raises(ConfigError, match="another run"),
            alone_on(tmp_path / "run", "it", ConfigError),
        ):
            pass


def test_a_file_system_without_locks_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", refuse)
    with (
        pytest.warns(UserWarning, match="has no locks"),
        alone_on(tmp_path / "r", "it", ConfigError),
    ):
        pass
    with (
        pytest.raises(ConfigError, match=r"written or locked \(Operation not supported\)"),
        alone_on(tmp_path / "r", "it", ConfigError, required=True),
    ):
        pass


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def test_a_file_that_another_process_is_writing_is_left_alone(tmp_path: Path) -> None:
    with another("file", tmp_path / "table.csv"):
        with io.atomic_file(tmp_path / "table.csv") as partial:
            partial.write_text("mine")
        assert len(hidden(tmp_path)) == 1
    assert (tmp_path / "table.csv").read_text() == "mine"


def test_what_a_killed_process_left_of_a_file_is_removed_by_the_next(tmp_path: Path) -> None:
    with another("file", tmp_path / "table.csv"):
        pass
    (left,) = hidden(tmp_path)
    with pytest.warns(UserWarning, match=f"{left}: removed; a run that was killed had left it"):
        io.write_json(tmp_path / "table.csv", {})
    assert hidden(tmp_path) == []


def test_what_a_killed_process_left_of_a_folder_is_removed_by_the_next(tmp_path: Path) -> None:
    with another("folder", tmp_path / "run"), another("folder", tmp_path / "other"):
        with io.atomic_folder(tmp_path / "run") as partial:
            (partial / "whole").write_text("mine")
        assert len(hidden(tmp_path)) == 2
    with pytest.warns(UserWarning, match="removed"):
        io.remove_leftovers(tmp_path / "run")
    (left,) = hidden(tmp_path)
    assert left.startswith(".other.")
    assert (tmp_path / "run" / "whole").read_text() == "mine"


def test_an_old_folder_gets_its_name_back(tmp_path: Path) -> None:
    old = tmp_path / ".run.0123456789ab.old"
    old.mkdir()
    (old / "weights").write_text("old")
    with pytest.warns(UserWarning, match="has its name again"):
        io.remove_leftovers(tmp_path / "run")
    assert (tmp_path / "run" / "weights").read_text() == "old"


def test_hidden_files_of_other_names_stay(tmp_path: Path) -> None:
    names = [".run.partial", ".run.b.0123456789ab.partial", ".run.0123456789ab.csv", "run.partial"]
    for name in names:
        (tmp_path / name).write_text("mine")
    io.remove_leftovers(tmp_path / "run")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
