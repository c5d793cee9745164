"""Fixtures for the model's files, and a guard against the network."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from foreign_files import write_published
from torch import Tensor


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A small model's folder as braindecode writes it."""
    return write_published(tmp_path / "published")


@pytest.fixture
def x() -> Tensor:
    """Two windows for the small model."""
    return torch.randn(2, 4, 400, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def forbid_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Only this machine may be connected to; the list holds the addresses that were tried."""
    tried: list[str] = []
    connect: Callable[..., None] = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        host = address[0] if isinstance(address, tuple) else "unix"
        tried.append(str(host))
        if host not in ("127.0.0.1", "::1"):
            raise AssertionError(f"a test wants to connect to {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
    yield tried
    assert set(tried) <= {"127.0.0.1", "::1"}
