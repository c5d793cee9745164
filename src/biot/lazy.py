"""Faces of packages: names that are imported when they are first used."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["attach"]


def attach(
    package: str, names: Mapping[str, str], *, unlisted: Mapping[str, str] | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a package that imports nothing until it is asked.

    Parameters
    ----------
    package
        Name of the package.
    names
        Public names, each with the module that holds it; a module of that very name is meant
        itself.
    unlisted
        Further names that work without being shown by ``dir``.

    Returns
    -------
    tuple
        The two functions, to be bound to these names in the package.
    """
    homes = {**(unlisted or {}), **names}

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        home = importlib.import_module(homes[name])
        value = home if homes[name] == f"{package}.{name}" else getattr(home, name)
        setattr(sys.modules[package], name, value)
        return value

    def names_shown() -> list[str]:
        version = {"__version__"} & vars(sys.modules[package]).keys()
        return sorted({*names, *version})

    return get, names_shown
