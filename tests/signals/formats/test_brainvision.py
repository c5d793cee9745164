"""BrainVision recordings whose samples are text, written line by line."""

from __future__ import annotations

import numpy as np
import pytest

from biot.errors import RecordingError
from biot.signals import Annotation, read_recording

mne = pytest.importorskip("mne")

NUMBERS = np.round(np.random.default_rng(0).normal(size=(3, 400)) * 200, 1)
CHANNELS = (("Fz", "0.1", "µV"), ("a\\1b", "", "µV"), ("ECG", "0.002", "mV"))
EXPECTED = NUMBERS * [[0.1], [1], [0.002]]

HEADER = """Brain Vision Data Exchange Header File Version 1.0
; made for a test

[Common Infos]
Codepage=UTF-8
DataFile={data}
MarkerFile={markers}
DataFormat=ASCII
DataOrientation={orientation}
NumberOfChannels=3
{points}
SamplingInterval=4000

[ASCII Infos]
DecimalSymbol={decimal}
SkipLines={skip_lines}
SkipColumns={skip_columns}

[Channel Infos]
{channels}

[Comment]
DataFormat=BINARY
"""
MARKERS = """Brain Vision Data Exchange Marker File, Version 1.0

[Common Infos]
Codepage=UTF-8
DataFile=made.dat

[Marker Infos]
Mk1=New Segment,,1,1,0,20200101120000000000
Mk2=Stimulus,S  1,51,1,0
Mk3=New Segment,,201,1,0,20200101120100000000
Mk4=Comment,rest,251,25,0
"""


@pytest.fixture
def write_ascii(tmp_path):
    def write(
        rows,
        *,
        orientation="VECTORIZED",
        decimal=".",
        separator=" ",
        skip_lines=(),
        names=(),
        points=400,
        end="\n",
        data="$b.dat",
    ):
        lines = []
        for i, row in enumerate(rows):
            cells = [f"{number:.1f}".replace(".", decimal) for number in row]
            lines.append(separator.join([*(names[i : i + 1]), *cells]))
        text = end.join([*skip_lines, *lines, ""])
        (tmp_path / "made.dat").write_text(text, encoding="utf-8", newline="")
        channels = [f"Ch{i}={','.join((n, '', *rest))}" for i, (n, *rest) in enumerate(CHANNELS, 1)]
        header = HEADER.format(
            data=data,
            markers="made.vmrk",
            orientation=orientation,
            decimal=decimal,
            skip_lines=len(skip_lines),
            skip_columns=1 if names else 0,
            points=f"DataPoints={points}" if points else "",
            channels="\n".join(channels),
        )
        (tmp_path / "made.vmrk").write_text(MARKERS, encoding="utf-8")
        (tmp_path / "made.vhdr").write_text(header, encoding="utf-8")
        return tmp_path / "made.vhdr"

    return write


def _check(recording):
    assert recording.ch_names == ("Fz", "a,b", "ECG")
    assert recording.units == ("µV", "µV", "mV")
    assert (recording.sfreq, recording.n_times, recording.starts) == (250, 400, (0, 200))
    np.testing.assert_allclose(recording.data, EXPECTED, rtol=1e-6)
    assert recording.annotations == (
        Annotation(0.2, 0.004, "Stimulus/S  1"),
        Annotation(0.8, 0.004, "New Segment/"),
        Annotation(1.0, 0.1, "Comment/rest"),
    )


@pytest.mark.parametrize(
    ("decimal", "separator"),
    [(".", " "), (",", " "), (",", "\t"), (".", ","), (".", ";"), (",", ";"), (".", "   ")],
)
@pytest.mark.parametrize("orientation", ["VECTORIZED", "MULTIPLEXED"])
def test_samples_that_are_text_are_read_in_both_orientations(
    write_ascii, orientation, decimal, separator
):
    rows = NUMBERS if orientation == "VECTORIZED" else NUMBERS.T
    _check(
        read_recording(
            write_ascii(rows, orientation=orientation, decimal=decimal, separator=separator)
        )
    )


def test_names_before_the_numbers_are_skipped(write_ascii):
    _check(read_recording(write_ascii(NUMBERS, decimal=",", names=("Fz", "a,b", "ECG"))))


def test_lines_before_the_numbers_are_skipped(write_ascii):
    path = write_ascii(
        NUMBERS.T, orientation="MULTIPLEXED", skip_lines=("Fz a,b ECG", "made"), points=None
    )
    _check(read_recording(path))


def test_line_ends_of_windows_are_no_damage(write_ascii):
    _check(read_recording(write_ascii(NUMBERS.T, orientation="MULTIPLEXED", end="\r\n")))


def test_mne_reads_the_same_where_it_can(write_ascii):
    path = write_ascii(NUMBERS.T, orientation="MULTIPLEXED", data="made.dat")
    raw = mne.io.read_raw_brainvision(path, verbose="ERROR")
    data = read_recording(path).data * [[1e-6], [1e-6], [1e-3]]
    np.testing.assert_allclose(data, raw.get_data(), rtol=1e-5)


def test_a_set_that_was_renamed_is_read(write_ascii, tmp_path):
    path = write_ascii(NUMBERS)
    for suffix in (".dat", ".vmrk", ".vhdr"):
        path.with_suffix(suffix).rename(tmp_path / f"other{suffix}")
    _check(read_recording(tmp_path / "other.vhdr"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"points": 500}, r"3 channels of 500 samples, but its data file holds 3 of 400"),
        ({"orientation": "MULTIPLEXED"}, r"3 channels .* holds 400 of 3"),
        ({"skip_lines": ("x",), "rows": NUMBERS[:2]}, r".* holds 2 of 400"),
    ],
)
def test_other_numbers_than_announced_are_refused(write_ascii, options, message):
    path = write_ascii(options.pop("rows", NUMBERS), **options)
    with pytest.raises(RecordingError, match=rf"^made.vhdr: announces {message}"):
        read_recording(path)


def test_text_among_the_numbers_is_refused(write_ascii):
    path = write_ascii(NUMBERS)
    data = path.with_suffix(".dat")
    data.write_text(data.read_text().replace("1", "x", 1))
    with pytest.raises(RecordingError, match=r"^made.vhdr: its data file made.dat .*DecimalSymbol"):
        read_recording(path)
    data.unlink()
    with pytest.raises(RecordingError, match=r"^made.vhdr: its file made.dat is missing"):
        read_recording(path)


def test_the_shared_file_has_three_channels_of_2000_samples(shared_data):
    path = shared_data.parent / "reports/read/brainvision/bv_ascii.vhdr"
    if not path.is_file():
        pytest.skip("needs the shared reports")
    recording = read_recording(path)
    lines = path.with_suffix(".dat").read_text().replace(",", ".").splitlines()
    expected = np.array([line.split()[1:] for line in lines], float) * 0.1
    assert recording.data.shape == (3, 2000)
    np.testing.assert_allclose(recording.data, expected, rtol=1e-6)
    assert recording.starts == (0, 1000)
