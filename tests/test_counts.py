"""Counts in messages: one of something is told as one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from biot.errors import counted, counted_kind

SRC = Path(__file__).resolve().parents[1] / "src" / "biot"


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (counted(0, "window"), "0 windows"),
        (counted(1, "window"), "1 window"),
        (counted(2, "window"), "2 windows"),
        (counted("unknown", "window"), "unknown windows"),
        (counted(1, "entry has", "entries have"), "1 entry has"),
        (counted(3, "entry has", "entries have"), "3 entries have"),
        (counted_kind(1, "windows without a label"), "1 window without a label"),
        (counted_kind(7, "windows without a label"), "7 windows without a label"),
        (counted_kind(2, "trigger channels 'X'"), "2 trigger channels 'X'"),  # of older corpora
    ],
)
def test_a_count_agrees_with_what_it_counts(told: str, expected: str) -> None:
    assert told == expected


def test_no_message_counts_recordings_subjects_windows_or_files_by_hand() -> None:
    by_hand = re.compile(r"\{(len\([^{}()]*\)|n_\w+|count)\} (recordings|subjects|windows|files)\b")
    share = re.compile(r"\} of (the )?\{|\} of \"$")  # "3 of 5 recordings"
    found = [
        f"{path.relative_to(SRC)}:{number}: {line.strip()}"
        for path in sorted(SRC.rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if by_hand.search(line) and not share.search(line) and "demo" not in path.name
    ]
    assert found == []
