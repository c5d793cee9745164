"""The model: tokens, linear attention, encoder, head, and its files."""

from __future__ import annotations

from biot.model.attention import LinearAttentionTransformer
from biot.model.biot import BIOT
from biot.model.checkpoint import LoadReport
from biot.model.encoder import BIOTEncoder
from biot.model.heads import ClassificationHead
from biot.model.tokenizer import PatchFrequencyEmbedding

__all__ = [
    "BIOT",
    "BIOTEncoder",
    "ClassificationHead",
    "LinearAttentionTransformer",
    "LoadReport",
    "PatchFrequencyEmbedding",
]
