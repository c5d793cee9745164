"""How each set is scored, what it is compared with, and which figure is published for it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PROTOCOLS", "Metric", "Protocol"]

EEG_NETS = ("eegnet", "shallow")
ECG_NETS = ("resnet1d", "fcn")
OTHER_NETS = ("eegnet", "resnet1d")
"""For movement, EMG and mixed signals, which ShallowFBCSPNet's filters are not made for."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A score, and what it is counted over."""

    score: str = "balanced_accuracy"
    """``"balanced_accuracy"``, ``"auroc"`` (mean over the classes or tags) or ``"mean_f1"``."""
    per: str = "window"
    """``"window"``, ``"record"`` or ``"subject"``, whose windows' outputs are averaged first."""
    classes: tuple[str, ...] = ()
    """Of ``"mean_f1"``: the classes that count; empty for all."""

    @property
    def name(self) -> str:
        """For readers."""
        words = {"balanced_accuracy": "balanced accuracy", "auroc": "AUROC", "mean_f1": "mean F1"}
        of = f" of {', '.join(self.classes)}" if self.classes else ""
        return f"{words[self.score]}{of} per {self.per}"


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What is done with a set."""

    metric: Metric = Metric()
    also: tuple[Metric, ...] = ()
    nets: tuple[str, ...] = EEG_NETS
    n_folds: int = 4
    """Where the set has no official test part; fewer where it has fewer subjects."""
    note: str = ""
    """What a reader of the score must know."""
    published: str = ""
    """The published figure; empty where none is known of a like protocol."""
    source: str = "none known under this protocol"
    """Of whom the published figure is, and how it was measured."""


PROTOCOLS = {
    "uci_har": Protocol(
        nets=OTHER_NETS,
        note="the official split, with five of the nine official test subjects",
        published=".946 ± .013",
        source="BIOT (Yang et al., NeurIPS 2023), its own protocol. An SVM on 561 features had an "
        "accuracy of .96 on all nine test subjects (Anguita et al., ESANN 2013)",
    ),
    "ptbxl": Protocol(
        metric=Metric(score="auroc"),
        nets=ECG_NETS,
        note="350 of the 21,837 records, four folds by patient",
        published=".930",
        source="resnet1d_wang; fcn_wang has .925 (Strodthoff et al., IEEE JBHI 2021): trained on "
        "folds 1 to 8 of all records, tested on fold 10",
    ),
    "cinc2017": Protocol(
        metric=Metric(score="mean_f1", per="record", classes=("normal", "fibrillation", "other")),
        also=(Metric(per="record"),),
        nets=ECG_NETS,
        note="1015 of the 8528 public records, drawn so that the rhythms are about equally "
        "frequent; who a record is of is not known",
        published=".83",
        source="the four winners (Clifford et al., CinC 2017): trained on all public records, "
        "tested on 3658 hidden ones, of which most are normal",
    ),
    "eegmat": Protocol(also=(Metric(per="record"),)),
    "ssvep": Protocol(),
    "alcohol": Protocol(also=(Metric(per="subject"),)),
    "epilepsy_guinea": Protocol(
        also=(Metric(per="subject"),),
        note="nearly all recordings of people with epilepsy are of one day, those of controls "
        "on others: what is learnt may be the day",
    ),
    "myo_emg": Protocol(
        nets=OTHER_NETS,
        also=(Metric(per="record"),),
        source="none known for new people; .983 was reached on later recordings of the people "
        "that it was trained on (Côté-Allard et al., IEEE TNSRE 2019)",
    ),
    "stress_predict": Protocol(
        nets=OTHER_NETS, note="movement and speech differ between the classes"
    ),
    "dreams_spindles": Protocol(note="stages of sleep; REM occurs in one person only"),
    "muse_p300": Protocol(
        metric=Metric(score="auroc"),
        note="folds by session: people differ too much for a model of one to fit another",
    ),
    "chbmit_onsets": Protocol(note="trained on one person, tested on the other"),
    "eegmmidb_s001": Protocol(note="one person: folds by pairs of runs"),
}
"""By the names of :data:`benchmarks.reproduce.sets.SETS`."""
