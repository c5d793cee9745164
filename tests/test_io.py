"""Files and folders are old or new, never both; JSON is read strictly."""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biot import io
from biot.errors import BiotError, CheckpointError, ConfigError, CorpusError

OURS = ("config.json", "weights", "labels")
ERRORS = (RuntimeError, OSError, KeyboardInterrupt)


def content(folder: Path) -> dict[str, str]:
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {file.relative_to(folder).as_posix(): file.read_text() for file in sorted(files)}


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_json", ".json")).write_text(text)


@pytest.fixture(params=["in one step", "in two renames", "file by file"])
def model(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An old model folder, with a user's notes, on systems that can do more or less."""
    folder = tmp_path / "model"
    write(folder, config_json="old", weights="old", labels="old", notes="mine")
    write(folder / "figures", first="a figure")
    if request.param != "in one step":
        monkeypatch.setattr(io, "_exchange", lambda *_: False)
    if request.param == "file by file":
        monkeypatch.chdir(folder)
    return folder


# a file ----------------------------------------------------------------------------------------


def test_a_file_is_replaced_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old")
    with io.atomic_file(path) as partial:
        partial.write_text("new")
        assert (path.read_text(), partial.parent) == ("old", tmp_path)
    assert content(tmp_path) == {"table.csv": "new"}


@pytest.mark.parametrize("error", ERRORS)
def test_after_an_error_the_file_of_before_is_there(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old")

    def interrupted() -> None:
        with io.atomic_file(path) as partial:
            partial.write_text("half")
            raise error

    with pytest.raises(error):
        interrupted()
    assert content(tmp_path) == {"table.csv": "old"}


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with io.atomic_file(tmp_path / "link") as partial:
        partial.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "new"


def test_a_device_is_written_to_and_stays_a_device() -> None:
    null = Path(os.devnull)
    with io.atomic_file(null) as partial:
        partial.write_text("gone")
    assert not null.is_file()


def test_an_error_of_the_system_names_the_file_that_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "absent" / "table.csv"
    with pytest.raises(OSError, match="No such file") as caught, io.atomic_file(path) as partial:
        partial.write_text("new")
    assert caught.value.filename == str(path)


def test_a_long_name_finds_room_for_its_temporary_one(tmp_path: Path) -> None:
    path = tmp_path / ("µ" * 120)
    with io.atomic_file(path) as partial:
        partial.write_text("new")
    assert path.read_text() == "new"


# a folder --------------------------------------------------------------------------------------


def test_a_folder_appears_whole_with_its_parents(tmp_path: Path) -> None:
    with io.atomic_folder(tmp_path / "runs" / "first") as partial:
        write(partial, weights="new")
        assert not (tmp_path / "runs" / "first").exists()
    assert content(tmp_path) == {"runs/first/weights": "new"}


@pytest.mark.parametrize("error", ERRORS)
def test_after_an_error_nothing_remains(tmp_path: Path, error: type[BaseException]) -> None:
    def interrupted() -> None:
        with io.atomic_folder(tmp_path / "runs" / "first") as partial:
            write(partial, weights="half")
            raise error

    with pytest.raises(error):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with io.atomic_folder(tmp_path / "run") as partial:
        write(partial, weights="new")
    assert content(tmp_path) == {"run/weights": "new"}


@pytest.mark.parametrize("kind", ["a folder with files", "a file"])
def test_what_is_there_is_not_replaced_without_being_told(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "run"
    if kind == "a file":
        path.write_text("notes")
    else:
        write(path, notes="mine")
    message = r"run exists already\. Choose another folder, or delete it first\."
    with (
        pytest.raises(CorpusError, match=message),
        io.atomic_folder(path, error=CorpusError),
    ):
        pytest.fail("the block must not begin")
    assert "mine" in content(tmp_path).values() or path.read_text() == "notes"


def test_an_old_folder_becomes_the_new_one_and_keeps_what_is_not_ours(model: Path) -> None:
    with io.atomic_folder(model, ours=OURS) as partial:
        write(partial, config_json="new", weights="new")
        assert content(model)["weights"] == "old"
    expected = {"config.json": "new", "weights": "new", "notes": "mine"}
    assert content(model) == expected | {"figures/first": "a figure"}
    assert list(model.parent.iterdir()) == [model]


@pytest.mark.parametrize("error", ERRORS)
def test_after_an_error_the_old_folder_is_as_it_was(
    model: Path, error: type[BaseException]
) -> None:
    before = content(model)

    def interrupted() -> None:
        with io.atomic_folder(model, ours=OURS) as partial:
            write(partial, config_json="new")
            raise error

    with pytest.raises(error):
        interrupted()
    assert content(model) == before
    assert list(model.parent.iterdir()) == [model]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
@pytest.mark.parametrize("moment", range(12))
def test_an_interruption_at_any_rename_leaves_the_old_folder_or_the_new_one(
    model: Path, monkeypatch: pytest.MonkeyPatch, moment: int, error: type[BaseException]
) -> None:
    before = content(model)
    calls = 0
    rename = Path.rename

    def interrupted(self: Path, target: Path) -> Path:
        nonlocal calls
        calls += 1
        if calls == moment + 1:
            raise error("interrupted")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    happened = False
    try:
        with io.atomic_folder(model, ours=OURS) as partial:
            write(partial, config_json="new", weights="new")
    except error:
        happened = True
    new = {"config.json": "new", "weights": "new", "notes": "mine", "figures/first": "a figure"}
    assert content(model) == (before if happened else new)
    assert happened == (moment < calls)
    assert list(model.parent.iterdir()) == [model]


def _text(name: str, folder: int) -> bytes:
    descriptor = os.open(name, os.O_RDONLY, dir_fd=folder)
    try:
        return os.read(descriptor, 9)
    finally:
        os.close(descriptor)


def test_who_reads_while_it_is_written_sees_the_old_folder_or_the_new_one(tmp_path: Path) -> None:
    if not hasattr(ctypes.CDLL(None), "renameat2"):
        pytest.skip("this system has no call that swaps two folders in one step")
    folder = tmp_path / "model"
    write(folder, weights="0", labels="0")
    stop, mixed = threading.Event(), []

    def look() -> None:
        while not stop.is_set():
            try:
                descriptor = os.open(folder, os.O_RDONLY)
            except FileNotFoundError:
                mixed.append("no folder")
                return
            try:
                seen = [_text(name, descriptor) for name in ("weights", "labels")]
                if seen[0] != seen[1]:
                    mixed.append(str(seen))
            except FileNotFoundError:
                pass  # the old folder was removed while it was open
            finally:
                os.close(descriptor)

    reader = threading.Thread(target=look)
    reader.start()
    for version in range(50):
        with io.atomic_folder(folder, ours=("weights", "labels")) as partial:
            write(partial, weights=str(version), labels=str(version))
    stop.set()
    reader.join()
    assert mixed == []


def test_a_folder_that_must_stay_is_none_while_its_files_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "model"
    write(folder, config_json="old", weights="old", labels="old")
    monkeypatch.chdir(folder)
    seen = []
    rename = Path.rename

    def watched(self: Path, target: Path) -> Path:
        result = rename(self, target)
        seen.append({name: text for name, text in content(folder).items() if name in OURS})
        return result

    monkeypatch.setattr(Path, "rename", watched)
    with io.atomic_folder(folder, ours=OURS) as partial:
        write(partial, config_json="new", weights="new", labels="new")
    assert len(seen) == 6
    assert all("config.json" not in files for files in seen[:-1])
    assert seen[-1] == {"config.json": "new", "weights": "new", "labels": "new"}
    assert Path("config.json").read_text() == "new"


def test_a_folder_that_cannot_be_written_is_an_error_of_the_asked_kind(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "run"
    with (
        pytest.raises(CorpusError, match=r"run: cannot be written \(Not a directory\)"),
        io.atomic_folder(path, error=CorpusError),
    ):
        pytest.fail("the block must not begin")
    with pytest.raises(NotADirectoryError), io.atomic_folder(path):
        pytest.fail("the block must not begin")


def test_an_error_of_reading_something_else_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), io.atomic_folder(tmp_path / "run", error=CorpusError):
        (tmp_path / "absent").read_text()


# JSON ------------------------------------------------------------------------------------------

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(values=st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=8), json_values))
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any]
) -> None:
    path = tmp_path_factory.mktemp("json") / "values.json"
    io.write_json(path, values)
    assert io.read_json(path, ConfigError) == values
    assert path.read_bytes().endswith(b"}\n")


@pytest.mark.parametrize("error", [ConfigError, CheckpointError, CorpusError])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b'{"a": 1} {', "Extra data"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"a":' * 200_000, "nested too deeply"),
        (b'{"a": ' + b"9" * 400 + b"}", "an integer of 400 digits, 99999999999999999999…"),
        (b'{"a": ' + b"9" * 9_000 + b"}", "an integer of 9000 digits"),
        (b'{"a": 1e999}', "a number too large, 1e999"),
        (b'{"a": {"b": 1, "b": 2}}', "the key 'b' is there twice"),
        (b'{"a": NaN}', "NaN is no JSON number"),
        (b'{"a": -Infinity}', "-Infinity is no JSON number"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'{"a": "\xed\xa0\x80"}', "not UTF-8"),
        (rb'{"a": "\ud800"}', "half of a surrogate pair"),
        (rb'{"\uDFFF": 1}', "half of a surrogate pair"),
    ],
    ids=lambda value: repr(value[:20]) if isinstance(value, bytes) else None,
)
def test_what_is_not_json_is_one_clear_error(
    tmp_path: Path, text: bytes, message: str, error: type[BiotError]
) -> None:
    path = tmp_path / "values.json"
    path.write_bytes(text)
    with pytest.raises(error) as caught:
        io.read_json(path, error)
    assert str(caught.value).startswith(f"{path}: not valid JSON (")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_whole_surrogate_pair_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    path = tmp_path / "values.json"
    path.write_bytes(b"\xef\xbb\xbf" + rb'{"a": "\ud83d\ude00"}')
    assert io.read_json(path, ConfigError) == {"a": "😀"}


def test_nan_is_read_where_it_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / "values.json"
    path.write_text('{"a": [NaN, Infinity, -Infinity]}')
    assert str(io.read_json(path, ConfigError, allow_nan=True)) == "{'a': [nan, inf, -inf]}"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "cannot be read (Is a directory)"),
        (lambda path: path.write_text("[1]"), "expected an object, found list"),
        (lambda path: path.write_text(json.dumps({"a": "b" * 99})), "more than 99 bytes"),
    ],
    ids=["absent", "a folder", "a list", "too large"],
)
def test_a_file_that_holds_no_object_is_named(
    tmp_path: Path, make: Callable[[Path], object], message: str
) -> None:
    path = tmp_path / "values.json"
    make(path)
    with pytest.raises(ConfigError) as caught:
        io.read_json(path, ConfigError, most_bytes=99)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_nan_is_not_written_and_the_file_of_before_stays(tmp_path: Path) -> None:
    path = tmp_path / "values.json"
    io.write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="Out of range float"):
        io.write_json(path, {"a": float("nan")})
    assert content(tmp_path) == {"values.json": '{\n  "a": 1\n}\n'}


def test_the_checksum_is_that_of_the_files_in_a_row(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a" * (2**20 + 1))
    (tmp_path / "b").write_bytes(b"b")
    expected = hashlib.sha256(b"a" * (2**20 + 1) + b"b").hexdigest()
    assert io.sha256_of(tmp_path / "a", tmp_path / "b") == expected


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ('=HYPERLINK("http://a","b")', '\'=HYPERLINK("http://a","b")'),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\tx", "'\tx"),
        ("\r=x", "'\r=x"),
        ("'=x", "''=x"),
        ("-1.5e-3", "-1.5e-3"),
        ("+7", "+7"),
        ("rest", "rest"),
        ("'quoted'", "'quoted'"),
        ("", ""),
    ],
)
def test_a_text_that_a_spreadsheet_would_run_is_marked(text: str, cell: str) -> None:
    assert io.safe_cell(text) == cell
    assert io.true_cell(cell) == text


def test_numbers_are_no_texts() -> None:
    assert [io.safe_cell(value) for value in (-1, -0.5, None)] == [-1, -0.5, None]


@given(st.text())
def test_every_text_comes_back_from_its_cell(text: str) -> None:
    assert io.true_cell(io.safe_cell(text)) == text


def test_a_full_disk_names_the_file(tmp_path: Path, file_size_limit: Callable[[int], Any]) -> None:
    with file_size_limit(100), pytest.raises(OSError, match="File too large") as caught:
        io.write_json(tmp_path / "big.json", {"text": "x" * 1000})
    assert caught.value.filename == str(tmp_path / "big.json")
    with (
        file_size_limit(100),
        pytest.raises(ConfigError) as told,
        io.atomic_folder(tmp_path / "run", error=ConfigError) as partial,
    ):
        (partial / "big").write_bytes(b"x" * 1000)
    assert str(told.value) == f"{tmp_path / 'run'}: cannot be written (File too large)."
    assert list(tmp_path.iterdir()) == []
