"""The page of a run: `run_report` writes ``report.html`` from what the run's folder holds."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

from biot import plots
from biot.errors import BiotError, ConfigError
from biot.report.page import require_pages, write_page
from biot.report.runs.asked import LEAVES_OUT
from biot.report.runs.finetuned import finetuned_page
from biot.report.runs.folder import read_run
from biot.report.runs.folds import folds_page
from biot.report.runs.pretrained import pretrained_page

__all__ = ["REPORT_FILE", "add_run_report", "run_report", "write_run_report"]

REPORT_FILE = "report.html"

_PAGES = {
    "fine-tuning": finetuned_page, "cross-validation": folds_page, "pretraining": pretrained_page,
}  # fmt: skip


def run_report(folder: str | Path, out: str | Path | None = None, *, force: bool = False) -> Path:
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
    force
        Replace a page in the folder that shows more than can be shown now.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ConfigError
        If the folder is no run, is not finished, or its JSON files are damaged; if something is
        left out, such as the signals of a corpus that is no longer there, and the page in the
        folder leaves out nothing.
    MissingDependencyError
        If Jinja2 or matplotlib is not installed.
    OSError
        If the file cannot be written.
    """
    return write_run_report(folder, out, force=force)[0]


def write_run_report(
    folder: str | Path, out: str | Path | None = None, *, force: bool = False
) -> tuple[Path, list[str]]:
    """Do as :func:`run_report`; returns what the page leaves out too, a sentence each."""
    require_pages()
    plots.require_figures()
    folder = Path(folder)
    run = read_run(folder)
    path = folder / REPORT_FILE if out is None else Path(out)
    page = _PAGES[run.kind](run)
    notes = [*run.notes, *page.pop("lacking")]
    if notes and out is None and not force:
        _require_no_richer(path, notes)
    return write_page(path, "sections.html", **page), notes


def _require_no_richer(path: Path, notes: Sequence[str]) -> None:
    """Refuse to replace a page that leaves out nothing by one that does."""
    if path.is_file() and LEAVES_OUT not in path.read_text(encoding="utf-8", errors="replace"):
        raise ConfigError(
            f"{path} is there and leaves out nothing; a new page would. {' '.join(notes)} Put back "
            "what is missing, write elsewhere with out=, or replace it with force=True."
        )


def add_run_report(folder: str | Path) -> Path | None:
    """Write the page of a run whose results are written: where that fails, a warning says so.

    Returns
    -------
    Path or None
        The file; None if there is none.
    """
    folder = Path(folder)
    try:
        return run_report(folder)  # of a run that has just ended there is no older page
    except Exception as error:  # whatever a figure or a damaged file raises: the results stand
        told = str(error) if isinstance(error, BiotError) else f"{type(error).__name__}: {error}"
        reason = " ".join(told.split()).rstrip(".")
        warnings.warn(
            f"{folder / REPORT_FILE} is not written ({reason}). The results stand; `biot report "
            f"{folder}` makes it again.",
            stacklevel=2,
        )
        return None
