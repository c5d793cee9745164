"""Prepared windows on disk: made once, loaded fast."""

from biot.corpus.arrays import from_arrays
from biot.corpus.load import Corpora, Corpus, load_corpus
from biot.corpus.prepare import prepare
from biot.corpus.report import PrepareReport

__all__ = ["Corpora", "Corpus", "PrepareReport", "from_arrays", "load_corpus", "prepare"]
