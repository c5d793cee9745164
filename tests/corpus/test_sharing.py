"""A corpus goes to the Hub and comes back, over real HTTP on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from loopback_hub import serve

import biot
from biot.corpus import load_corpus, prepare

SOURCE = Path(biot.__file__).parents[1]

ROWS = """
import sys
from datasets import load_dataset, load_from_disk
ours = load_from_disk(sys.argv[1])
ours.push_to_hub("me/corpus", token="good")
theirs = load_dataset("me/corpus", split="train")
assert theirs.features == ours.features
assert theirs.to_list() == ours.to_list()
"""
WHOLE = """
import sys
from pathlib import Path
from huggingface_hub import HfApi, snapshot_download
api = HfApi(token="good")
api.create_repo("me/whole", repo_type="dataset")
api.upload_folder(repo_id="me/whole", repo_type="dataset", folder_path=sys.argv[1])
copy = snapshot_download("me/whole", repo_type="dataset", local_dir=sys.argv[2])
"""


@pytest.fixture
def corpus(write_edf: Callable[..., Path], tmp_path: Path) -> Path:
    """Recordings of different rates and numbers of channels."""
    pytest.importorskip("datasets")
    folder = write_edf("sub-1_a.edf", annotations=[(0, 20, "rest")]).parent
    write_edf("sub-2_a.edf", ch_names=("C3", "C4", "Cz"), sfreq=64, annotations=[(0, 9, "task")])
    prepare(folder, tmp_path / "corpus", sfreq=50, window=2, labels="annotations")
    return tmp_path / "corpus"


def run(script: str, url: str, home: Path, *arguments: Path) -> None:
    """Run a script of the user's in a process whose only Hub is at `url`."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HF_")},
        "HF_ENDPOINT": url,
        "HF_HOME": str(home),
        "HF_HUB_DISABLE_XET": "1",
        "PYTHONPATH": str(SOURCE),
    }
    command = [sys.executable, "-c", script, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_the_rows_of_a_mixed_corpus_are_pushed_as_they_are(corpus: Path, tmp_path: Path) -> None:
    with serve() as hub:
        run(ROWS, hub.url, tmp_path / "home", corpus)
    names = set(hub.repositories["me/corpus"]["main"])
    assert names == {"README.md", "data/train-00000-of-00001.parquet"}


def test_a_whole_corpus_travels_as_a_folder(corpus: Path, tmp_path: Path) -> None:
    with serve() as hub:
        run(WHOLE, hub.url, tmp_path / "home", corpus, tmp_path / "copy")
    mine, copy = load_corpus(corpus), load_corpus(tmp_path / "copy")
    assert copy.preprocessing == mine.preprocessing
    assert copy.fingerprint == mine.fingerprint
    assert (copy.rows(range(len(copy))).digital == mine.rows(range(len(mine))).digital).all()
    assert (tmp_path / "copy/manifest.json").read_bytes() == (corpus / "manifest.json").read_bytes()
