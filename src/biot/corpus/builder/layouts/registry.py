"""The layouts that are known, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from biot.corpus.builder.layouts.dataset import DatasetLayout
from biot.corpus.builder.layouts.published import (
    bci_iv_2a,
    bids,
    chb_mit,
    cinc2017,
    eegmmidb,
    har,
    harth,
    mit_bih,
    ptb_xl,
    shhs,
    siena,
    sleep_edf,
    tuab,
    tuev,
    tusz,
)
from biot.errors import ConfigError, near_word

__all__ = ["NONE", "layout", "layouts", "register"]

NONE = "none"
"""As a layout: that none is to be used."""

_MODULES = (
    *(sleep_edf, tuab, tuev, tusz, chb_mit, siena, eegmmidb, bci_iv_2a, shhs, ptb_xl, mit_bih),
    *(cinc2017, har, harth, bids),
)
_KNOWN: dict[str, DatasetLayout] = {module.LAYOUT.name: module.LAYOUT for module in _MODULES}


def layouts() -> Mapping[str, DatasetLayout]:
    """All layouts that are known, by name."""
    return MappingProxyType(_KNOWN)


def layout(name: str) -> DatasetLayout:
    """The layout of this name.

    Raises
    ------
    ConfigError
        If there is none.
    """
    if name not in _KNOWN:
        raise ConfigError(
            f"layout must be {NONE} or one of {', '.join(_KNOWN)}; got {name!r}."
            f"{near_word(name, [*_KNOWN, NONE])}"
        )
    return _KNOWN[name]


def register(made: DatasetLayout) -> None:
    """Make a layout known to `prepare` for the rest of this process, by its name.

    Raises
    ------
    ConfigError
        If another layout has the name.
    """
    if made.name == NONE or _KNOWN.get(made.name, made) != made:
        raise ConfigError(f"A layout cannot be called {made.name!r}: that name is taken.")
    _KNOWN[made.name] = made
