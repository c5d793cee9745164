"""Which distribution holds this package: ``biot``, or ``biot-runtime``, which has no PyTorch."""

from __future__ import annotations

from importlib import metadata

__all__ = ["FULL", "distribution", "install_command", "install_needed", "package_version"]

FULL = "biot"
"""The distribution that has everything."""
_DISTRIBUTIONS = (FULL, "biot-runtime")


def distribution() -> metadata.Distribution | None:
    """The one that is installed, ``biot`` before others; None where sources run uninstalled."""
    for name in _DISTRIBUTIONS:
        try:
            return metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def package_version() -> str | None:
    """Of this package, as it is installed; None where its sources run uninstalled."""
    found = distribution()
    return None if found is None else found.version


def install_command(extra: str) -> str:
    """What installs an extra here, for the end of a message that names what is missing.

    Parameters
    ----------
    extra
        An extra of ``biot``. ``biot-runtime`` has those of them that work without PyTorch.
    """
    found = distribution()
    name = FULL if found is None else found.name
    if found is None or name == FULL or extra in (found.metadata.get_all("Provides-Extra") or ()):
        return f"Install it with: pip install '{name}[{extra}]'"
    return _elsewhere(name, f"'{FULL}[{extra}]'")


def install_needed(package: str) -> str:
    """What installs a package that ``biot`` cannot do without, and ``biot-runtime`` can."""
    found = distribution()
    if found is None or found.name == FULL:
        return f"Install it with: pip install {package}"
    return _elsewhere(found.name, FULL)


def _elsewhere(name: str, what: str) -> str:
    return (
        f"{name}, which is installed here, does not offer it. "
        f"Use another environment, with: pip install {what}"
    )
