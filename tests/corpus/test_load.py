"""Opening a corpus, whole or damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from biot.corpus import Corpus, load_corpus
from biot.errors import CorpusError


@pytest.fixture
def folder(make_corpus: Callable[..., Corpus]) -> Path:
    return make_corpus(["a", "b", "a"], ["s", "s", "t"]).path


def test_a_corpus_says_what_it_holds(folder: Path) -> None:
    corpus = load_corpus(str(folder))
    assert len(corpus) == 3
    assert repr(corpus) == f"Corpus({str(folder)!r}: 3 windows, classes a, b)"
    assert corpus.labels.tolist() == ["a", "b", "a"]
    assert corpus.label_ids.dtype == np.int64
    assert corpus.label_ids.tolist() == [0, 1, 0]


def test_rows_come_in_the_order_asked_for_and_agree_with_datasets(folder: Path) -> None:
    corpus = load_corpus(folder)
    rows = corpus.rows([2, 0])
    assert rows.index.tolist() == [2, 0]
    assert rows.label.tolist() == [0, 0]
    for place, row in enumerate(corpus.dataset.select([2, 0])):
        assert rows.digital[place].astype("<i2").tobytes() == row["signal"]
        for name in ("scale", "offset", "q95"):
            np.testing.assert_array_equal(getattr(rows, name)[place], np.float32(row[name]))


def test_rows_may_be_asked_for_by_a_mask_or_from_the_end(folder: Path) -> None:
    corpus = load_corpus(folder)
    assert corpus.rows(corpus.labels == "a").index.tolist() == [0, 2]
    assert corpus.rows([-1]).index.tolist() == [2]
    assert corpus.rows([]).digital.shape == (0, 2, 20)
    with pytest.raises(IndexError):
        corpus.rows([3])


def test_a_path_that_is_no_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"nowhere is not a folder.*biot prepare"):
        load_corpus(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["state.json", "dataset_info.json", "preprocessing.json"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(CorpusError, match=rf"no {name}"):
        load_corpus(folder)


def test_a_file_that_is_no_json_is_named(folder: Path) -> None:
    (folder / "state.json").write_text("{")
    with pytest.raises(CorpusError, match=r"state\.json: not valid JSON"):
        load_corpus(folder)
    (folder / "state.json").write_text("[]")
    with pytest.raises(CorpusError, match=r"state\.json: expected an object"):
        load_corpus(folder)


def test_another_hugging_face_dataset_is_not_taken_for_a_corpus(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.Dataset.from_dict({"text": ["a"]}).save_to_disk(tmp_path / "other")
    with pytest.raises(CorpusError, match=r"no preprocessing\.json"):
        load_corpus(tmp_path / "other")


def test_a_missing_shard_is_named(folder: Path) -> None:
    shard = next((folder / "shards").iterdir())
    shard.unlink()
    with pytest.raises(CorpusError, match=rf"the shard shards/{shard.name} is missing"):
        load_corpus(folder)


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
def test_a_shard_that_was_cut_is_named(folder: Path, kept: float) -> None:
    shard = next((folder / "shards").iterdir())
    content = shard.read_bytes()
    shard.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(CorpusError, match=rf"{shard.name}: damaged"):
        load_corpus(folder)


def test_windows_lost_at_the_end_of_a_shard_are_noticed(folder: Path) -> None:
    state = json.loads((folder / "state.json").read_text())
    state["_data_files"][0]["n_windows"] = 5
    del state["_biot"]  # with the checksum of the rest
    (folder / "state.json").write_text(json.dumps(state))
    with pytest.raises(CorpusError, match="damaged \\(it holds 2 of 5 windows\\)"):
        load_corpus(folder)


def test_a_label_that_the_contract_does_not_name_is_named(folder: Path) -> None:
    contract = folder / "preprocessing.json"
    contract.write_text(contract.read_text().replace('"b"', '"c"'))
    with pytest.raises(CorpusError, match=r"preprocessing\.json: damaged \(its content is not"):
        load_corpus(folder)
    state = json.loads((folder / "state.json").read_text())
    del state["_biot"]["sha256"]  # as corpora of an earlier release are
    (folder / "state.json").write_text(json.dumps(state))
    with pytest.raises(CorpusError, match="windows are labelled b, which preprocessing"):
        _ = load_corpus(folder).label_ids


def test_many_shards_do_not_keep_files_open(make_corpus: Callable[..., Corpus]) -> None:
    open_files = Path("/proc/self/fd")
    if not open_files.is_dir():
        pytest.skip("needs /proc")
    before = len(list(open_files.iterdir()))
    corpus = make_corpus(None, [f"s{i}" for i in range(40)])
    assert len(list(open_files.iterdir())) < before + 5
    assert corpus.rows([39]).index.tolist() == [39]
