"""`KeptFolds`: the results of a cross-validation's trainings, each kept as soon as it is there."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from biot.io import atomic_file

__all__ = ["KeptFolds"]

_ABOUT = "about"
"""Name in a file of what is no array, as JSON."""

Arrays = dict[str, npt.NDArray[Any]]


class KeptFolds:
    """Files of the trainings that are done, in a folder that goes when all are.

    Parameters
    ----------
    folder
        Where they lie; made when the first is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __len__(self) -> int:
        return sum(1 for _ in self.folder.glob("seed-*.npz")) if self.folder.is_dir() else 0

    def save(self, seed: int, fold: int, arrays: Arrays, about: Mapping[str, Any]) -> None:
        """Keep what a training gave.

        Raises
        ------
        OSError
            If the file cannot be written; it names the file.
        """
        self.folder.mkdir(exist_ok=True)
        text = json.dumps(about).encode()
        content: dict[str, Any] = {**arrays, _ABOUT: np.frombuffer(text, np.uint8)}
        with atomic_file(self._path(seed, fold)) as partial, partial.open("wb") as file:
            np.savez_compressed(file, **content)

    def load(self, seed: int, fold: int) -> tuple[Arrays, dict[str, Any]] | None:
        """What a training gave in an earlier run; None if it is not there.

        A damaged file is told of in a warning, and the training is done again.
        """
        path = self._path(seed, fold)
        if not path.is_file():
            return None
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            about = json.loads(arrays.pop(_ABOUT).tobytes())
        except Exception as error:  # what a damaged archive raises is of many kinds
            warnings.warn(
                f"{path}: damaged ({error}); seed {seed}, fold {fold} is trained again.",
                stacklevel=2,
            )
            return None
        return arrays, about

    def remove(self) -> None:
        """Delete the files, once their results are in the files of the run."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, seed: int, fold: int) -> Path:
        return self.folder / f"seed-{seed}-fold-{fold}.npz"
