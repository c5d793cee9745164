"""HARTH, the Human Activity Recognition Trondheim set: acceleration of back and thigh.

Source: https://archive.ics.uci.edu/dataset/779/harth (Logacjov et al., Sensors 2021). Licence:
CC BY 4.0. 50 Hz in g, with the activity of each sample in the column ``label``; windows of 5 s, as
the authors take them.
"""

from __future__ import annotations

from biot.corpus.builder.layouts.dataset import DatasetLayout, FoundRecording, in_samples
from biot.corpus.builder.windows.events import Stretch

__all__ = ["LAYOUT"]

_ACTIVITIES = {
    "1": "walking", "2": "running", "3": "shuffling", "4": "stairs up", "5": "stairs down",
    "6": "standing", "7": "sitting", "8": "lying", "13": "cycling sitting",
    "14": "cycling standing", "130": "cycling sitting, inactive",
    "140": "cycling standing, inactive",
}  # fmt: skip


def _activities(found: FoundRecording) -> list[Stretch]:
    return [
        one._replace(label=_ACTIVITIES.get(str(one.label).removesuffix(".0"), one.label))
        for one in in_samples(found, ("label",))
    ]


LAYOUT = DatasetLayout(
    name="harth",
    title="HARTH",
    expects="S006.csv … S029.csv with timestamp, back_x … thigh_z, label",
    licence="CC BY 4.0",
    recordings=r"(?P<subject>S\d{3})\.csv",
    labels=_activities,
    label_names=tuple(_ACTIVITIES.values()),
    unmistakable=False,
    settings={
        "sfreq": 50,
        "window": 5,
        "channels": "back_x,back_y,back_z,thigh_x,thigh_y,thigh_z",
        "search_tables": True,
        "table_units": "g",
    },
)
