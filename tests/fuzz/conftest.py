"""The option that tries more damaged files than every run of the tests does."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--fuzz-cases``."""
    parser.addoption(
        "--fuzz-cases", type=int, default=6, help="damaged files of each kind to open (default 6)"
    )
