"""Prepared windows on disk: made once, loaded fast."""

from __future__ import annotations

from typing import TYPE_CHECKING

from biot.lazy import attach

if TYPE_CHECKING:
    from biot.corpus.builder.drop import drop
    from biot.corpus.builder.from_arrays import from_arrays
    from biot.corpus.builder.prepare import prepare
    from biot.corpus.builder.report import PrepareReport
    from biot.corpus.corpora import Corpora
    from biot.corpus.corpus import Corpus
    from biot.corpus.load import load_corpus

__all__ = ["Corpora", "Corpus", "PrepareReport", "drop", "from_arrays", "load_corpus", "prepare"]

__getattr__, __dir__ = attach(
    __name__,
    {
        "Corpora": "biot.corpus.corpora",
        "Corpus": "biot.corpus.corpus",
        "PrepareReport": "biot.corpus.builder.report",
        "drop": "biot.corpus.builder.drop",
        "from_arrays": "biot.corpus.builder.from_arrays",
        "load_corpus": "biot.corpus.load",
        "prepare": "biot.corpus.builder.prepare",
    },
)
