"""Fixtures that every room's tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("biot", deadline=None)  # a busy machine is no fault
settings.load_profile("biot")

SHARED = Path(__file__).resolve().parents[2] / "shared"


def _shared(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"needs the read-only material ../shared/{name}, which is absent here")
    return folder


@pytest.fixture(scope="session", autouse=True)
def no_pages() -> Iterator[None]:
    """Runs do not draw their page, which takes longer than the small trainings of tests.

    Tests of the page put the function back that they imported before.
    """
    from biot.report import run

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "run_report", lambda folder: folder / run.REPORT_FILE)
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real recordings; the test skips where it is absent."""
    return _shared("data")


@pytest.fixture(scope="session")
def shared_golden() -> Path:
    """Folder of reference numbers; the test skips where it is absent."""
    return _shared("golden")


@pytest.fixture(scope="session")
def shared_reports() -> Path:
    """Small inputs with which faults were reported."""
    return _shared("reports")


@pytest.fixture
def file_size_limit() -> Callable[[int], AbstractContextManager[None]]:
    """Lets this process write so many bytes into a file: the error of a full disk, without one."""
    resource = pytest.importorskip("resource")

    @contextmanager
    def limit(n_bytes: int) -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limit
