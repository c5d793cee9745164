"""The model: tokens, linear attention, encoder, head, and its files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from biot.lazy import attach

if TYPE_CHECKING:
    from biot.model.biot import BIOT
    from biot.model.encoder import BIOTEncoder
    from biot.model.layers import ClassificationHead, LinearAttentionTransformer
    from biot.model.state_dict import LoadReport
    from biot.model.tokenizer import PatchFrequencyEmbedding

__all__ = [
    "BIOT",
    "BIOTEncoder",
    "ClassificationHead",
    "LinearAttentionTransformer",
    "LoadReport",
    "PatchFrequencyEmbedding",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "BIOT": "biot.model.biot",
        "BIOTEncoder": "biot.model.encoder",
        "ClassificationHead": "biot.model.layers",
        "LinearAttentionTransformer": "biot.model.layers",
        "LoadReport": "biot.model.state_dict",
        "PatchFrequencyEmbedding": "biot.model.tokenizer",
    },
)
