"""A corpus whose files are not what was written: noticed, named, repaired."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from biot.cli import main
from biot.corpus import Corpus, drop, load_corpus, prepare
from biot.errors import CorpusError
from biot.io import sha256_of

HOW: dict[str, Any] = {"sfreq": 100, "window": 2.0, "labels": "annotations", "l_freq": 0.5}
COMMAND = (
    "biot prepare RECORDINGS --out {} --sfreq 100 --window 2 --labels annotations --l-freq 0.5"
)


@pytest.fixture
def recordings(write_edf: Callable[..., Path]) -> Path:
    for number, name in enumerate(("a", "b", "c")):
        data = np.random.default_rng(number).integers(-200, 200, (2, 1000))
        path = write_edf(f"{name}.edf", data, annotations=[(0, 10, "rest" if number else "spike")])
    return path.parent


@pytest.fixture
def corpus(recordings: Path, tmp_path: Path) -> Path:
    prepare(recordings, tmp_path / "corpus", **HOW)
    return tmp_path / "corpus"


def content_of(corpus: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(corpus)): path.read_bytes()
        for path in corpus.rglob("*")
        if path.is_file()
    }


def flip(path: Path, place: int | None = None) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if place is None else place] ^= 1
    path.write_bytes(content)


def test_a_changed_byte_is_noticed_when_the_corpus_is_opened(corpus: Path) -> None:
    shard = sorted((corpus / "shards").iterdir())[1]
    flip(shard)
    with pytest.raises(CorpusError, match=rf"{shard.name}: damaged \(its content is not what"):
        load_corpus(corpus)


def test_a_shard_of_another_size_is_noticed_whatever_its_time_says(corpus: Path) -> None:
    shard = sorted((corpus / "shards").iterdir())[0]
    before = shard.stat()
    shard.write_bytes(shard.read_bytes() + b"\0" * 8)
    os.utime(shard, ns=(before.st_atime_ns, before.st_mtime_ns))
    size = before.st_size
    with pytest.raises(CorpusError, match=rf"damaged \(it has {size + 8} of {size} bytes\)"):
        load_corpus(corpus)


def test_a_copied_corpus_opens_and_is_read_whole_only_once(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(corpus, copy, copy_function=shutil.copyfile)
    for shard in (copy / "shards").iterdir():
        os.utime(shard)  # the order in which files are copied is any
    read = []
    monkeypatch.setattr(
        "biot.corpus.integrity.sha256_of", lambda path: read.append(path) or sha256_of(path)
    )
    assert len(load_corpus(copy)) == 15
    assert len(read) == 3
    assert len(load_corpus(copy)) == 15
    assert len(read) == 3
    flip(read[0])
    with pytest.raises(CorpusError, match="damaged"):
        load_corpus(copy)


def test_an_untouched_corpus_is_opened_without_reading_its_windows(
    corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("biot.corpus.integrity.sha256_of", lambda path: pytest.fail("was read"))
    assert len(load_corpus(corpus)) == 15


def test_a_corpus_of_an_earlier_version_opens(corpus: Path) -> None:
    state = json.loads((corpus / "state.json").read_text())
    del state["_biot"]
    for entry in state["_data_files"]:
        del entry["size"], entry["sha256"]
    (corpus / "state.json").write_text(json.dumps(state))
    for shard in (corpus / "shards").iterdir():
        os.utime(shard)
    assert len(load_corpus(corpus)) == 15


def test_a_shard_that_is_listed_twice_is_refused(corpus: Path, recordings: Path) -> None:
    before = content_of(corpus)
    state = json.loads(before["state.json"])
    state["_data_files"].append(state["_data_files"][0])
    (corpus / "state.json").write_text(json.dumps(state))
    with pytest.raises(CorpusError, match=r"state\.json: lists a shard twice"):
        load_corpus(corpus)
    prepare(recordings, corpus, **HOW)
    assert content_of(corpus) == before


def test_check_says_of_each_file_whether_it_is_sound(
    corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["info", str(corpus), "--check"]) == 0
    out = capsys.readouterr().out
    shards = sorted(path.name for path in (corpus / "shards").iterdir())
    for name in ("state.json", "manifest.json", *(f"shards/{name}" for name in shards)):
        assert any(line.split() == [name, "sound"] for line in out.splitlines()), name
    assert f"Nothing is wrong with {corpus}" in out


def test_check_names_what_is_wrong_and_the_command_that_repairs_it(
    corpus: Path, recordings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flipped, missing, _ = sorted((corpus / "shards").iterdir())
    before = content_of(corpus)
    stat = flipped.stat()
    flip(flipped)
    os.utime(flipped, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # as failing disks do
    missing.unlink()
    assert main(["info", str(corpus), "--check"]) == 1
    out, err = capsys.readouterr()
    assert f"shards/{flipped.name}  its content is not what was written" in out
    assert f"shards/{missing.name}  it is missing" in out
    assert "2 files are wrong" in err
    assert COMMAND.format(corpus) in err
    words = COMMAND.format(corpus).replace("RECORDINGS", str(recordings)).split()
    assert main(words[1:]) == 0
    assert "is made anew" in capsys.readouterr().out
    assert content_of(corpus) == before


def lose(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])


def point_outside(path: Path) -> None:
    content = json.loads(path.read_text())
    for record in content["recordings"].values():
        record["shard"] = "../../victim.arrow"
    path.write_text(json.dumps(content))


def change_parameters(path: Path) -> None:
    content = json.loads(path.read_text())
    content["parameters"]["window"] = 3.0
    path.write_text(json.dumps(content))


def lose_labels(path: Path) -> None:
    content = json.loads(path.read_text())
    content["recordings"]["a.edf"]["labels"] = {}
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("harm", [lose, cut, point_outside, change_parameters, lose_labels])
def test_the_same_prepare_repairs_a_manifest(
    corpus: Path, recordings: Path, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    victim = tmp_path.parent / "victim.arrow"
    victim.write_text("mine")
    before = content_of(corpus)
    harm(corpus / "manifest.json")
    report = prepare(recordings, corpus, **HOW)
    assert len(report.changes) == 1
    assert report.changes[0].startswith("manifest.json ")
    assert report.changes[0].endswith("; all recordings were prepared anew")
    assert content_of(corpus) == before
    assert victim.read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("preprocessing.json", '"l_freq": 0.5', '"l_freq": 0.25'),
        ("dataset_info.json", '"float64"', '"float32"'),
        ("manifest.json", '"rest": 5', '"rest": 6'),
        ("state.json", '"window": 2.0', '"window": 3.0'),
        ("state.json", '"filename": "', '"filename": 3, "was": "'),
    ],
)
def test_a_changed_word_in_what_describes_a_corpus_is_noticed_and_repaired(
    corpus: Path,
    recordings: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    before: str,
    after: str,
) -> None:
    sound, path = content_of(corpus), corpus / name
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after, 1))
    with pytest.raises(CorpusError, match=name):
        load_corpus(corpus)
    assert main(["info", str(corpus), "--check"]) == 1
    said = capsys.readouterr()
    assert f"1 file is wrong ({name})" in said.err
    assert COMMAND.format(corpus) in said.err
    assert not prepare(recordings, corpus, **HOW).changes[0].startswith("none")
    assert content_of(corpus) == sound


def test_a_recording_whose_shard_is_made_anew_is_not_called_added(
    corpus: Path, recordings: Path
) -> None:
    flip(next((corpus / "shards").iterdir()))
    assert len(prepare(recordings, corpus, **HOW).changes) == 1


@pytest.mark.parametrize("name", ["preprocessing.json", "manifest.json", "state.json"])
def test_a_subject_is_not_removed_from_a_corpus_whose_description_is_damaged(
    corpus: Path, name: str
) -> None:
    path = corpus / name
    path.write_text(path.read_text().replace("0.5", "0.25", 1) + " ")
    path.write_text(path.read_text().replace('"rest": 5', '"rest": 6', 1))
    before = content_of(corpus)
    with pytest.raises(CorpusError, match=rf"{name}: damaged \(its content is not what was"):
        drop(corpus, "c")
    assert content_of(corpus) == before


def test_the_command_that_repairs_a_corpus_of_an_earlier_release_keeps_flat_channels(
    corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, at in (("manifest.json", "parameters"), ("state.json", "_biot")):
        content = json.loads((corpus / name).read_text())
        content[at].pop("sha256", None)
        parameters = content[at] if at == "parameters" else content[at]["parameters"]
        del parameters["keep_flat"], parameters["reference"]
        (corpus / name).write_text(json.dumps(content))
    next((corpus / "shards").iterdir()).unlink()
    assert main(["info", str(corpus), "--check"]) == 1
    assert f"{COMMAND.format(corpus)} --keep-flat" in capsys.readouterr().err


def test_who_was_removed_stays_removed_when_the_manifest_is_lost(
    corpus: Path, recordings: Path
) -> None:
    drop(corpus, "c")
    (corpus / "manifest.json").unlink()
    prepare(recordings, corpus, **HOW)
    assert sorted(set(load_corpus(corpus).subjects.tolist())) == ["a", "b"]


def test_other_parameters_are_refused_also_without_a_manifest(
    corpus: Path, recordings: Path
) -> None:
    (corpus / "manifest.json").unlink()
    with pytest.raises(CorpusError, match=r"window 2\.0, not 4\.0"):
        prepare(recordings, corpus, **(HOW | {"window": 4.0}))


def test_a_manifest_of_a_later_release_is_not_replaced(corpus: Path, recordings: Path) -> None:
    path = corpus / "manifest.json"
    path.write_text(path.read_text().replace('"version": 1', '"version": 2'))
    with pytest.raises(CorpusError, match="version is 2, not 1"):
        prepare(recordings, corpus, **HOW)


_ITERATE = """
import os, sys
import numpy as np
from biot.corpus import load_corpus
from biot.errors import CorpusError

corpus = load_corpus(sys.argv[1])
shard = sorted(corpus.path.glob("shards/*"))[0]
corpus.rows(np.arange(len(corpus)))
if sys.argv[2] == "cut":
    os.truncate(shard, 1000)
elif sys.argv[2] == "changed":
    with shard.open("r+b") as file:
        file.seek(2000)
        file.write(b"changed")
elif sys.argv[2] == "gone":
    corpus = load_corpus(sys.argv[1])
    shard.unlink()
try:
    corpus.rows(np.arange(len(corpus)))
except CorpusError as error:
    print(error)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps files that are open")
@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("cut", "is shorter than it was when the corpus was opened"),
        ("changed", "was changed after the corpus was opened"),
        ("gone", "cannot be read any more (No such file or directory)"),
    ],
)
def test_a_shard_that_changes_while_it_is_read_is_an_error_by_name(
    make_corpus: Callable[..., Corpus], how: str, message: str
) -> None:
    folder = make_corpus(["a", "b"] * 200, ["s", "t"] * 200).path
    shard = sorted(folder.glob("shards/*"))[0]
    done = subprocess.run(
        [sys.executable, "-c", _ITERATE, str(folder), how], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr  # a signal would be negative
    assert done.stdout.startswith(f"{shard}: {message}. Nothing may change a corpus")


def test_more_shards_than_files_may_be_open_are_read(make_corpus: Callable[..., Corpus]) -> None:
    corpus = make_corpus(None, [f"s{i}" for i in range(100)])
    rows = corpus.rows(np.arange(99, -1, -1))
    again = corpus.rows(np.arange(100))
    assert np.array_equal(rows.digital[::-1], again.digital)
    descriptors = Path("/proc/self/fd")
    if descriptors.is_dir():
        names = [os.readlink(one) for one in descriptors.iterdir() if one.is_symlink()]
        assert sum(str(corpus.path) in name for name in names) <= 64
