"""Pages in the system's Chromium: whatever one says on its console, or asks for, fails the test."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from biot.events.event import Event, Events
from biot.inference.predictions import Predictions
from biot.report.recording import recording_report
from biot.signals.recording import Recording

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
    "--disable-component-update", "--disable-sync", "--disable-quic",
]  # fmt: skip
HOSTILE = "seizure</script><script>alert(1)</script>"
NAMES = ("Fp1", "C3", "<script>alert(2)</script>", "$ä\u2028\u202e\"'&amp;")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One browser for all tests; they skip where there is none."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("no Chromium on this machine")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="session")
def pages(browser: Any) -> Iterator[tuple[dict[Any, Any], list[str]]]:
    """Pages that are open, by file and options, and what was complained of or asked for."""
    opened: dict[Any, Any] = {}
    yield opened, []
    for page in opened.values():
        page.context.close()


@pytest.fixture
def show(browser: Any, pages: tuple[dict[Any, Any], list[str]]) -> Iterator[Callable[..., Any]]:
    """Opens a file in a page of a width; at the end nothing was complained of or asked for.

    A page that is open already is given again as it is.
    """
    opened, faults = pages

    def open_(path: Path, width: int = 1280, height: int = 900, **options: Any) -> Any:
        key = (path, width, height, *sorted(options.items()))
        if key not in opened:
            size = {"width": width, "height": height}
            page = browser.new_context(viewport=size, **options).new_page()
            _listen(page, path.absolute().as_uri(), faults)
            page.goto(path.absolute().as_uri())
            opened[key] = page
        return opened[key]

    yield open_
    found = list(faults)
    faults.clear()
    assert found == []


def _listen(page: Any, address: str, faults: list[str]) -> None:
    page.set_default_timeout(15_000)
    page.on("console", lambda message: faults.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: faults.append(f"error: {error}"))
    page.on("dialog", lambda dialog: faults.append(f"dialog: {dialog.message}"))

    def asked(request: Any) -> None:
        if request.url != address and not request.url.startswith("data:"):
            faults.append(f"request: {request.url}")

    page.on("request", asked)


@pytest.fixture(scope="session")
def made() -> tuple[Predictions, Recording, Events, Events]:
    """Two minutes of four channels with names that would act, and what was found in them."""
    sfreq, seconds = 128, 120
    data = 20 * np.random.default_rng(0).standard_normal((4, sfreq * seconds))
    data[1, 40 * sfreq : 50 * sfreq] = np.nan
    data[0, 12_345] = 3000
    recording = Recording.from_array(
        data, ch_names=NAMES, sfreq=sfreq, units=("µV", "µV", "mV", "<b>")
    )
    start = np.arange(0, 119.0)
    p = 1 / (1 + np.exp(-4 * np.sin(start / 9)))
    predictions = Predictions(
        name="Müller $1 <night>.edf", start=start, stop=start + 2, label_names=("rest", HOSTILE),
        probabilities=np.stack([1 - p, p], axis=1), thresholds=(0.6,), duration=120.0,
        meas_date=datetime(2024, 3, 4, 23, 59, 10), notes=("A note with <b>marks</b>.",),
    )  # fmt: skip
    events = Events(
        name=recording.name, duration=120.0, label_names=predictions.label_names, background="rest",
        events=(
            Event(onset=8.0, duration=15.0, label=HOSTILE, confidence=0.8, channels=(NAMES[2],)),
            Event(onset=62.0, duration=17.0, label=HOSTILE, confidence=0.9),
        ),
    )  # fmt: skip
    reference = Events(
        name=recording.name, duration=120.0, events=(Event(onset=10.0, duration=9.0, label="x&y"),)
    )
    return predictions, recording, events, reference


@pytest.fixture(scope="session")
def recording_page(
    tmp_path_factory: pytest.TempPathFactory,
    made: tuple[Predictions, Recording, Events, Events],
) -> Path:
    """The page of this recording."""
    predictions, recording, events, reference = made
    path = tmp_path_factory.mktemp("pages") / "night <1>.html"
    return recording_report(path, predictions, recording, events=events, reference=reference)
