"""BIOT, the biosignal transformer: recordings in, predictions out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from biot.lazy import attach

if TYPE_CHECKING:
    from biot import simulate, sklearn
    from biot.corpus.builder.from_arrays import from_arrays
    from biot.corpus.builder.prepare import prepare
    from biot.corpus.load import load_corpus
    from biot.events.event import Event, Events
    from biot.events.rules import EventRules
    from biot.inference.explaining.explanation import Explanation
    from biot.inference.predictor import Predictor
    from biot.model.biot import BIOT
    from biot.preprocessing import Preprocessing
    from biot.signals.formats.mne import from_mne
    from biot.signals.readers import read_recording
    from biot.signals.recording import Recording
    from biot.training.finetuning.finetune import finetune
    from biot.training.pretraining.pretrain import pretrain
    from biot.training.scoring import evaluate

__version__ = "0.1.0"

__all__ = [
    "BIOT",
    "Event",
    "EventRules",
    "Events",
    "Explanation",
    "Predictor",
    "Preprocessing",
    "Recording",
    "evaluate",
    "finetune",
    "from_arrays",
    "from_mne",
    "load_corpus",
    "prepare",
    "pretrain",
    "read_recording",
    "simulate",
    "sklearn",
]

_ROOMS = (
    "corpus",
    "errors",
    "evaluation",
    "inference",
    "model",
    "plots",
    "runtime",
    "signals",
    "training",
)

__getattr__, __dir__ = attach(
    __name__,
    {
        "BIOT": "biot.model.biot",
        "Event": "biot.events.event",
        "EventRules": "biot.events.rules",
        "Events": "biot.events.event",
        "Explanation": "biot.inference.explaining.explanation",
        "Predictor": "biot.inference.predictor",
        "Preprocessing": "biot.preprocessing",
        "Recording": "biot.signals.recording",
        "evaluate": "biot.training.scoring",
        "finetune": "biot.training.finetuning.finetune",
        "from_arrays": "biot.corpus.builder.from_arrays",
        "from_mne": "biot.signals.formats.mne",
        "load_corpus": "biot.corpus.load",
        "prepare": "biot.corpus.builder.prepare",
        "pretrain": "biot.training.pretraining.pretrain",
        "read_recording": "biot.signals.readers",
        "simulate": "biot.simulate",
        "sklearn": "biot.sklearn",
    },
    unlisted={
        "Annotation": "biot.signals.recording",
        "BIOTEncoder": "biot.model.encoder",
        "BiotError": "biot.errors",
        "ClassificationHead": "biot.model.layers",
        "LinearAttentionTransformer": "biot.model.layers",
        "PatchFrequencyEmbedding": "biot.model.tokenizer",
        **{room: f"biot.{room}" for room in _ROOMS},
    },
)
