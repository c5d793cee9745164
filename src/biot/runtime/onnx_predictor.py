"""`OnnxPredictor`: an ONNX file, applied to whole recordings as a model is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from biot.inference.windowed import WindowPredictor
from biot.runtime.onnx_file import OnnxFile

__all__ = ["OnnxPredictor"]


class OnnxPredictor(WindowPredictor):
    """Predicts every window of a recording with ONNX Runtime, on the processor, in float32.

    It takes what :class:`biot.Predictor` takes, prepares it by the same code, and gives the same
    :class:`biot.inference.Predictions`; probabilities differ by less than 1e-4. PyTorch is not
    needed. It does not explain: for that open the model folder with :class:`biot.Predictor`.

    Parameters
    ----------
    file
        An exported model with its contract.

    Examples
    --------
    >>> from biot.runtime import OnnxPredictor
    >>> predictor = OnnxPredictor.from_file("model.onnx")  # doctest: +SKIP
    >>> predictor.predict("night.edf").to_events()  # doctest: +SKIP
    """

    _place = "ONNX Runtime"

    def __init__(self, file: OnnxFile) -> None:
        self._file = file
        self.preprocessing = file.preprocessing

    @classmethod
    def from_file(cls, path: str | Path) -> OnnxPredictor:
        """Open a file that ``biot export`` or :func:`biot.inference.export_onnx` wrote.

        Parameters
        ----------
        path
            The file, usually ``model.onnx``.

        Raises
        ------
        BiotError
            As :class:`OnnxFile`; the message opens with the path.
        """
        return cls(OnnxFile(path))

    def outputs(self, windows_BCT: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """(B, K) outputs, from which probabilities follow; NaN without usable data.

        Parameters
        ----------
        windows_BCT
            As for :meth:`probabilities`.
        """
        return self._file.scores(windows_BCT)
