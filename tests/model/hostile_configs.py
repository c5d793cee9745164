"""Configurations that are broken or ask for too much, and what their errors say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from foreign_files import SETTINGS, Maker, sparse_file, write_published


def config(*texts: str | bytes, **values: Any) -> Maker:
    """The small model with its configuration changed, or replaced."""

    def make(folder: Path) -> Path:
        write_published(folder, config={**SETTINGS, **values})
        for text in texts:
            data = text.encode() if isinstance(text, str) else text
            (folder / "config.json").write_bytes(data)
        return folder

    return make


def config_is_a_folder(folder: Path) -> Path:
    write_published(folder)
    (folder / "config.json").unlink()
    (folder / "config.json").mkdir()
    return folder


def raw(name: str, value: str) -> Maker:
    """The configuration with a value that JSON's own writer would not write."""
    text = json.dumps({**SETTINGS, name: "RAW"})
    return config(text.replace('"RAW"', value))


CONFIGS: dict[str, tuple[Maker, str]] = {
    "config empty": (config(""), "config.json: not valid JSON"),
    "config cut": (config(json.dumps(SETTINGS)[:99]), "config.json: not valid JSON"),
    "config no UTF-8": (config(b'{"a": "\xff"}'), "config.json: not valid JSON"),
    "config a list": (config("[1, 2]"), "config.json: expected an object, found list"),
    "config deep": (config('{"a":' * 200_000), "config.json: not valid JSON"),
    "config of 100 GB": (sparse_file("config.json"), "config.json: has more than 33554432 bytes"),
    "config is a folder": (config_is_a_folder, "holds no config.json; restore it"),
    "config twice": (
        config('{"n_chans": 4, "n_chans": 5}'),
        "config.json: .*key 'n_chans' is there twice",
    ),
    "config wide": (
        config(embed_dim=10**9),
        "weights say embed_dim=16, the settings say 1000000000",
    ),
    "config wide, earlier name": (config(emb_size=10**9), "weights say embed_dim=16"),
    "config layers": (config(num_layers=10**9), "weights say num_layers=2"),
    "config channels": (config(n_chans=10**12), "weights say n_chans=4"),
    "config n_fft": (config(n_fft=10**9, n_times=10**9), "for n_fft=1000000000"),
    "config one token": (config(n_times=5 * 10**8, sfreq=10**9), "for n_fft=500000000"),
    "config rate": (config(sfreq=1e12), "config.json: sfreq must be a number above 0"),
    "config rate NaN": (
        raw("sfreq", "NaN"),
        "config.json: sfreq must be a number above 0, got nan",
    ),
    "config rate inf": (raw("sfreq", "Infinity"), "config.json: sfreq must be a number above 0"),
    "config rate without time": (
        config('{"n_chans": 4, "sfreq": NaN}'),
        "sfreq must be a number above 0, got nan",
    ),
    "config rate as text": (
        config('{"n_chans": 4, "sfreq": "200"}'),
        "sfreq must be a number above 0, got '200'",
    ),
    "config rate of 4000 digits": (
        raw("sfreq", "1" + "0" * 4000),
        "config.json: not valid JSON .an integer of 4001 digits",
    ),
    "config rate of 5000 digits": (raw("sfreq", "1" * 5000), "config.json: not valid JSON"),
    "config time": (config(n_times=10**30), "n_times must be an integer of at least 1 and at most"),
    "config time negative": (
        config(n_times=-1),
        "n_times must be an integer of at least 1, got -1",
    ),
    "config seconds": (
        config(n_times=None, input_window_seconds=1e300),
        "input_window_seconds must be a number above 0",
    ),
    "config seconds tiny": (
        config(sfreq=None, input_window_seconds=1e-300),
        "input_window_seconds must be a number above 0",
    ),
    "config heads as text": (config(num_heads="2"), "num_heads must be an integer .*, got '2'"),
    "config heads true": (config(num_heads=True), "num_heads must be an integer .*, got True"),
    "config heads": (config(num_heads=3), "embed_dim=16 is not a multiple of num_heads=3"),
    "config hop NaN": (raw("hop_length", "NaN"), "hop_length must be an integer .*, got nan"),
    "config hop null": (config(hop_length=None), "hop_length must be an integer .*, got None"),
    "config dropout": (config(drop_prob="half"), r"drop_prob must lie in \[0, 1\), got 'half'"),
    "config dropout NaN": (raw("drop_prob", "NaN"), r"drop_prob must lie in \[0, 1\), got nan"),
    "config feature": (
        config(return_feature="no"),
        "return_feature must be True or False, got 'no'",
    ),
    "config outputs": (config(n_outputs="six"), "n_outputs must be an integer .*, got 'six'"),
    "config activation": (
        config(activation="os.system"),
        r"config\.json: activation 'os\.system' is not an activation of torch\.nn",
    ),
    "config unknown key": (
        config(__class__="os.system"),
        "unexpected keyword argument '__class__'",
    ),
    "config self": (config(self=1), "does not fit BIOT: .*'self'"),
    "config chs_info": (config(chs_info="a"), "chs_info must be a list with one description"),
    "config positions": (
        config(chs_info=[{"ch_name": "A", "loc": [[1], 2]}] * 4),
        "chs_info: loc of 'A' must hold numbers",
    ),
    "config names as text": (config(channels="abcd"), "channels must be a list of names"),
    "config names as numbers": (config(channels=[1, 2, 3, 4]), "must be a non-empty string, got 1"),
    "config names a number": (config(channels=4), "config.json: "),
    "config names twice": (config(channels=["A", "B", "B", "C"]), "'B' and 'B', which are one"),
    "config many names": (
        config(channels=[f"c{i}" for i in range(10**5)]),
        "n_chans says 4, channels says 100000",
    ),
}
