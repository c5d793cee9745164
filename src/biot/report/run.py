"""The page of a run: `run_report` writes ``report.html`` from what the run's folder holds."""

from __future__ import annotations

import warnings
from pathlib import Path

from biot import plots
from biot.errors import BiotError
from biot.report.page import require_pages, write_page
from biot.report.runs.finetuned import finetuned_page
from biot.report.runs.folder import read_run
from biot.report.runs.folds import folds_page
from biot.report.runs.pretrained import pretrained_page

__all__ = ["REPORT_FILE", "add_run_report", "run_report", "write_run_report"]

REPORT_FILE = "report.html"

_PAGES = {
    "fine-tuning": finetuned_page, "cross-validation": folds_page, "pretraining": pretrained_page,
}  # fmt: skip


def run_report(folder: Path | str, out: Path | None = None) -> Path:
    """Write the page of a run of fine-tuning, of folds or of pretraining: one file, offline.

    What the run's folder holds is shown: what was asked, data, scores beside baselines, subjects,
    confusion, reliability, threshold, learning curves, commands and versions. Windows with their
    signal and spectra come from the corpus, if it lies where it lay and has not changed; the page
    says what it leaves out.

    Parameters
    ----------
    folder
        Of the run.
    out
        File to write; None: ``report.html`` in the folder. An older file is replaced.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ConfigError
        If the folder is no run, is not finished, or its JSON files are damaged.
    MissingDependencyError
        If Jinja2 or matplotlib is not installed.
    OSError
        If the file cannot be written.
    """
    return write_run_report(Path(folder), out)[0]


def write_run_report(folder: Path, out: Path | None = None) -> tuple[Path, list[str]]:
    """Do as :func:`run_report`; returns what the page leaves out too, a sentence each."""
    require_pages()
    plots.require_figures()
    run = read_run(folder)
    path = folder / REPORT_FILE if out is None else out
    page = _PAGES[run.kind](run)
    lacking = page.pop("lacking")
    return write_page(path, "sections.html", **page), [*run.notes, *lacking]


def add_run_report(folder: Path) -> Path | None:
    """Write the page of a run whose results are written: where that fails, a warning says so.

    Returns
    -------
    Path or None
        The file; None if there is none.
    """
    try:
        return run_report(folder)
    except Exception as error:  # whatever a figure or a damaged file raises: the results stand
        told = str(error) if isinstance(error, BiotError) else f"{type(error).__name__}: {error}"
        reason = " ".join(told.split()).rstrip(".")
        warnings.warn(
            f"{folder / REPORT_FILE} is not written ({reason}). The results stand; `biot report "
            f"{folder}` makes it again.",
            stacklevel=2,
        )
        return None
