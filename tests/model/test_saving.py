"""A model's folder is the old one or the new one, and its contract fits the model."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from biot import BIOT
from biot.errors import ContractError, MissingDependencyError
from biot.model import saving
from biot.model.saving import require_fit
from biot.preprocessing import Preprocessing

SMALL: dict[str, Any] = {
    "n_outputs": 3, "n_times": 400, "sfreq": 100, "hop_length": 50, "embed_dim": 16,
    "num_heads": 2, "num_layers": 1, "channels": ["Fp1", "Fp2", "Cz", "Oz"],
}  # fmt: skip
CONTRACT = Preprocessing(
    sfreq=100, window=4, ch_names=("Fp1", "Fp2", "Cz", "Oz"), units=("µV",) * 4,
    label_names=("wake", "N1", "N2"),
)  # fmt: skip


def contents(folder: Path) -> dict[str, bytes]:
    """Every file by name."""
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


# all or nothing -------------------------------------------------------------------------------


@pytest.mark.parametrize("written", range(4))
def test_an_interrupted_save_leaves_the_old_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: int
) -> None:
    folder = BIOT(**SMALL).save_pretrained(tmp_path / "m", preprocessing=CONTRACT)
    (folder / "notes").mkdir()
    (folder / "notes" / "a.txt").write_text("mine", encoding="utf-8")
    before = contents(folder)
    new = BIOT(**{**SMALL, "n_outputs": 2})
    left = [written]

    def interrupted(write: Any) -> Any:
        def once_too_often(path: Path, *arguments: Any, **keywords: Any) -> Any:
            if ".partial" in str(path):
                if not left[0]:
                    raise KeyboardInterrupt
                left[0] -= 1
            return write(path, *arguments, **keywords)

        return once_too_often

    for name in ("write_bytes", "write_text"):
        monkeypatch.setattr(Path, name, interrupted(getattr(Path, name)))
    with pytest.raises(KeyboardInterrupt):
        new.save_pretrained(folder, preprocessing=CONTRACT.with_labels(("no", "yes")))
    assert contents(folder) == before
    assert [file.name for file in tmp_path.iterdir()] == ["m"]


def test_a_new_model_replaces_every_file_of_the_old_and_no_other(tmp_path: Path) -> None:
    folder = BIOT(**SMALL).save_pretrained(tmp_path / "m", preprocessing=CONTRACT)
    (folder / "pytorch_model.bin").write_bytes(b"of an earlier model")
    for name in ("seen.csv", "notes/a.txt"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("mine", encoding="utf-8")
    BIOT(**{**SMALL, "n_outputs": 2}).save_pretrained(folder)
    ours = {"config.json", "model.safetensors", "provenance.json", "README.md"}
    assert set(contents(folder)) == ours | {"seen.csv", "notes/a.txt"}
    assert BIOT.from_pretrained(folder).n_outputs == 2


def test_a_readme_that_is_no_card_stays_and_a_card_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# My notes\n", encoding="utf-8")
    BIOT(**SMALL).save_pretrained(tmp_path)
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == "# My notes\n"
    (tmp_path / "README.md").write_text("---\nlibrary_name: braindecode\n---\n", encoding="utf-8")
    BIOT(**SMALL).save_pretrained(tmp_path)
    assert "library_name: biot" in (tmp_path / "README.md").read_text(encoding="utf-8")


# positions ------------------------------------------------------------------------------------


@given(st.lists(st.one_of(st.floats(-1, 1), st.just(float("nan"))), min_size=12, max_size=12))
def test_positions_without_numbers_are_numbers_in_the_file(loc: list[float]) -> None:
    infos = [{"ch_name": name, "loc": np.array(loc)} for name in SMALL["channels"]]
    model = BIOT(**SMALL, chs_info=infos)
    for info in json.loads(saving._config_text(model))["chs_info"]:
        read = np.array(info["loc"])  # as braindecode reads it
        assert read.dtype == np.float64
        np.testing.assert_array_equal(read, loc)
    json.dumps(model.get_config(), allow_nan=False)


def test_positions_come_back_and_a_file_with_null_opens_too(tmp_path: Path) -> None:
    loc = np.array([0.1, 0.2, 0.3, *[np.nan] * 9])
    infos = [{"ch_name": name, "loc": loc} for name in SMALL["channels"]]
    folder = BIOT(**SMALL, chs_info=infos).save_pretrained(tmp_path / "m")
    path = folder / "config.json"
    for text in (path.read_text(), path.read_text().replace("NaN", "null")):
        path.write_text(text)
        for info in BIOT.from_pretrained(folder).chs_info:
            assert info["loc"].dtype == np.float64
            np.testing.assert_array_equal(info["loc"], loc)


# model and preprocessing ----------------------------------------------------------------------


def test_what_belongs_together_is_saved() -> None:
    require_fit(BIOT(**SMALL), CONTRACT, labelled=True)
    require_fit(BIOT(**SMALL), CONTRACT.with_labels(None))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"window": 8.0}, r"the model has 400 samples a window, preprocessing\.json says 800\."),
        ({"sfreq": 200.0}, r"the model has 100 samples a second, preprocessing\.json says 200\."),
        (
            {"label_names": ("a", "b")},
            r"has 3 outputs, preprocessing\.json says 2\. Its labels: a, b\.",
        ),
        ({"ch_names": ("Fp1",), "units": ("µV",)}, r"has 4 channels, preprocessing\.json says 1\."),
        ({"ch_names": ("Fp2", "Fp1", "Cz", "Oz")}, r"ch_names is \['Fp2', 'Fp1', 'Cz', 'Oz'\]"),
    ],
)
def test_what_does_not_belong_together_is_not_saved(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    folder = BIOT(**SMALL).save_pretrained(tmp_path / "m", preprocessing=CONTRACT)
    before = contents(folder)
    with pytest.raises(ContractError, match=message):
        BIOT(**SMALL).save_pretrained(folder, preprocessing=replace(CONTRACT, **changes))
    assert contents(folder) == before


def test_names_are_asked_for_where_they_are_needed(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"run: The model's preprocessing\.json names no class"):
        require_fit(BIOT(**SMALL), CONTRACT.with_labels(None), labelled=True, where=Path("run"))


def test_a_model_for_another_window_fits_after_opening_for_this_one(tmp_path: Path) -> None:
    folder = BIOT(**SMALL).save_pretrained(tmp_path / "m", preprocessing=CONTRACT)
    longer = BIOT.from_pretrained(folder, n_times=800, input_window_seconds=None)
    longer.save_pretrained(tmp_path / "longer", preprocessing=replace(CONTRACT, window=8))


# what braindecode's models have ---------------------------------------------------------------


def test_torchinfo_tells_the_layers_or_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    model = BIOT(**SMALL).eval()
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "torchinfo", None)
        with pytest.raises(MissingDependencyError, match=r"pip install 'biot\[summary\]'"):
            model.get_torchinfo_statistics()
    pytest.importorskip("torchinfo", reason="torchinfo is not installed: nothing to count with")
    found = model.get_torchinfo_statistics()
    assert found.total_params == sum(p.numel() for p in model.parameters())
    assert list(found.input_size) == [(1, 4, 400)]
    assert "PatchFrequencyEmbedding" in str(
        model.get_torchinfo_statistics(col_names=["num_params"])
    )


def test_the_shape_of_the_output_is_that_of_the_callers_head() -> None:
    model = BIOT(**SMALL, return_feature=True).eval()
    assert model.get_output_shape() == (1, 3)
    model.final_layer = torch.nn.Unflatten(1, (4, 4))
    assert model.get_output_shape() == (1, 4, 4)
