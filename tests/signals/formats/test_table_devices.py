"""Tables as devices write them: which columns are signals, in which unit, at which rate."""

from __future__ import annotations

import gzip
import warnings
from datetime import datetime, timedelta

import numpy as np
import pytest

from biot.errors import RecordingError
from biot.signals import read_recording

RNG = np.random.default_rng(0)
N = 400
START = 1_671_576_040.0
pytestmark = pytest.mark.filterwarnings("ignore:.*implausible amplitudes:UserWarning")


def eeg(n_chans, n=N):
    return np.round(RNG.normal(scale=30, size=(n_chans, n)), 3)


def acc(n=N):
    return np.round(RNG.normal(scale=0.2, size=(3, n)), 4)


def lines(columns, separator=","):
    return "".join(separator.join(map(str, row)) + "\n" for row in zip(*columns, strict=True))


@pytest.fixture
def read(tmp_path):
    """Write a text and read it; the recording, and what was said."""

    def read(text, name="made.csv", **options):
        path = tmp_path / name
        content = text.encode()
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            recording = read_recording(path, **options)
        return recording, [str(w.message) for w in caught if "amplitudes" not in str(w.message)]

    return read


def check(recording, names, units, sfreq, data):
    assert recording.ch_names == tuple(names)
    assert recording.units == tuple(units)
    assert recording.sfreq == pytest.approx(sfreq, rel=1e-9)
    np.testing.assert_allclose(recording.data, data, rtol=1e-5, atol=1e-6)


def packets(rate, size, n=N, start=START):
    """Stamps of packets: all rows of one have the time at which it came."""
    return [f"{start + (i // size) * size / rate:.6f}" for i in range(n)]


@pytest.mark.parametrize("stamps", ["even", "packets"])
def test_openbci_version_5_says_its_rate_above_its_columns(read, stamps):
    signal, moved = eeg(4), acc()
    times = packets(200, 1 if stamps == "even" else 10)
    head = ["Sample Index", *(f"EXG Channel {i}" for i in range(4))]
    head += [*(f"Accel Channel {i}" for i in range(3)), "Other", "Other", "Timestamp", "Other"]
    head += ["Timestamp (Formatted)"]
    text = "%OpenBCI Raw EXG Data\n%Number of channels = 4\n%Sample Rate = 200 Hz\n"
    text += "%Board = OpenBCI_GUI$BoardGanglionNative\n" + ", ".join(head) + "\n"
    zeros = [0.0] * N
    formatted = [str(datetime.fromtimestamp(float(t))) for t in times]
    index = [float(i % 100) for i in range(N)]
    columns = [index, *signal, *moved, zeros, zeros, times, zeros, formatted]
    recording, said = read(text + lines(columns, ", "), "OpenBCI-RAW-2022-12-20_16-40-40.txt")
    names = [*(f"EXG Channel {i}" for i in range(4)), "Accel_X", "Accel_Y", "Accel_Z"]
    check(recording, names, ["µV"] * 4 + ["g"] * 3, 200, [*signal, *moved])
    (told,) = said
    assert "Sample Index, Other, Other.1, Other.2 (no signal of OpenBCI)" in told


def test_openbci_version_4_has_no_line_of_names(read):
    signal, moved = eeg(8), acc()
    text = "%OpenBCI Raw EEG Data\n%Number of channels = 8\n%Sample Rate = 250.0 Hz\n"
    text += "%First Column = SampleIndex\n%Last Column = Timestamp \n"
    text += "%Other Columns = EEG data in microvolts followed by Accel Data (in G) interleaved\n"
    clock = [f"12:33:{44 + i // 250:02d}.{i % 250 * 4:03d}" for i in range(N)]
    stamps = [1522000000000 + 4 * i for i in range(N)]
    index = [i % 256 for i in range(N)]
    recording, _ = read(text + lines([index, *signal, *moved, clock, stamps], ", "), "raw.txt")
    names = [*(f"EXG Channel {i}" for i in range(8)), "Accel_X", "Accel_Y", "Accel_Z"]
    check(recording, names, ["µV"] * 8 + ["g"] * 3, 250, [*signal, *moved])


def test_mind_monitor_s_markers_are_no_samples_and_its_band_powers_no_signals(read):
    raw, moved, turned = eeg(4) + 800, acc(), acc() * 100
    sites = ("TP9", "AF7", "AF8", "TP10")
    bands = [f"{b}_{s}" for b in ("Delta", "Theta", "Alpha", "Beta", "Gamma") for s in sites]
    head = ["TimeStamp", *bands, *(f"RAW_{s}" for s in sites), "AUX_RIGHT"]
    head += [f"{k}_{a}" for k in ("Accelerometer", "Gyro") for a in "XYZ"]
    head += ["HeadBandOn", *(f"HSI_{s}" for s in sites), "Battery", "Elements"]
    start = datetime(2017, 11, 2, 23, 59, 59, 500_000)
    dates = [str(start + timedelta(seconds=i / 250))[:23] for i in range(N)]
    ones = np.ones(N)
    columns = [dates, *eeg(20), *raw, raw[0], *moved, *turned, ones, *[ones] * 4, ones * 90]
    rows = lines([*columns, [""] * N]).splitlines()
    blink = f"{dates[30]}{',' * (len(head) - 1)}/muse/elements/blink"
    text = "\n".join([",".join(head), *rows[:30], blink, *rows[30:]]) + "\n"
    recording, said = read(text)
    names = [*sites, "AUX_RIGHT", *head[26:32]]
    data = [*raw, raw[0], *moved, *turned * np.pi / 180]
    check(recording, names, ["µV"] * 5 + ["g"] * 3 + ["rad/s"] * 3, 250, data)
    told = "1 row holds a text and no number (/muse/elements/blink) and is no sample."
    assert any(told in text for text in said)


def test_muse_lsl_stamps_packets_of_twelve_in_seconds_since_1970(read):
    signal = eeg(5, 1200)
    head = "timestamps,TP9,AF7,AF8,TP10,Right AUX,Marker0\n"
    marks = (np.arange(1200) % 300 == 7).astype(int)
    recording, said = read(head + lines([packets(256, 12, 1200), *signal, marks]))
    check(recording, ["TP9", "AF7", "AF8", "TP10", "Right AUX"], ["µV"] * 5, 256, signal)
    assert "Marker0" in said[0]


def test_emotiv_names_its_sensors_after_a_first_line_about_the_recording(read):
    signal, moved = eeg(2) + 4200, acc()
    head = ["Timestamp", "OriginalTimestamp", "EEG.Counter", "EEG.Interpolated", "EEG.AF3"]
    head += ["EEG.Pz", "EEG.RawCq", "EEG.Battery", "EEG.BatteryPercent", "MarkerIndex"]
    head += ["MarkerType", "MarkerValueInt", "EEG.MarkerHardware", "CQ.AF3", "CQ.Overall"]
    head += ["MOT.AccX", "MOT.AccY", "MOT.AccZ", "MOT.Q0", "POW.AF3.Theta"]
    first = "title:rest,start timestamp:1556.3,stop timestamp:1559.5,headset type:INSIGHT,"
    first += "sampling rate:eeg_128;mot_16,channels:124,samples:400,version:2.0"
    times = [f"{START + i / 128:.6f}" for i in range(N)]
    zeros, counter = np.zeros(N), np.arange(N) % 128
    columns = [times, times, counter, zeros, *signal, zeros, zeros, zeros, *[[""] * N] * 3]
    columns += [zeros, zeros, zeros, *moved, zeros, zeros]
    recording, said = read(first + "\n" + ",".join(head) + "\n" + lines(columns))
    names = ["AF3", "Pz", "Acc_X", "Acc_Y", "Acc_Z"]
    check(recording, names, ["µV", "µV", "g", "g", "g"], 128, [*signal, *moved])
    assert "EEG.Counter, EEG.Interpolated, EEG.RawCq" in said[0]


def test_emotiv_s_older_files_list_their_columns_in_the_first_line(read):
    signal = eeg(2) + 4200
    names = "COUNTER INTERPOLATED AF3 T7 RAW_CQ MARKER TIME_STAMP_s TIME_STAMP_ms CQ_AF3"
    first = f"title: x,recorded: 01.02.18 10:00:00,sampling:128,subject:,labels:{names},chan:9"
    counter, zeros, n = np.arange(N) % 129, np.zeros(N), np.arange(N)
    columns = [counter, zeros, *signal, zeros, zeros, n // 128, n % 128 * 7.8125, zeros]
    recording, _ = read(f"{first},units:emotiv\n{lines(columns)}")
    check(recording, ["AF3", "T7"], ["µV", "µV"], 128, signal)


@pytest.mark.parametrize(
    ("name", "rate", "channels", "units", "factor"),
    [
        ("ACC.csv", 32.0, ("Acc_X", "Acc_Y", "Acc_Z"), ("g", "g", "g"), 1 / 64),
        ("BVP.csv", 64.0, ("BVP",), ("a.u.",), 1),
        ("EDA.csv.gz", 4.0, ("EDA",), ("µS",), 1),
        ("S01_TEMP.csv", 4.0, ("TEMP",), ("°C",), 1),
        ("HR.csv", 1.0, ("HR",), ("bpm",), 1),
    ],
)
@pytest.mark.parametrize("start", ["1462531200.000000", "2013-06-12 16:18:58"])
def test_empatica_writes_start_and_rate_above_its_samples(
    read, name, rate, channels, units, factor, start
):
    signal = RNG.integers(-64, 64, size=(len(channels), N))
    head = f"{', '.join([start] * len(channels))}\n{', '.join([f'{rate:.6f}'] * len(channels))}\n"
    recording, said = read(head + lines(signal), name)
    check(recording, channels, units, rate, signal * factor)
    assert said == []


def test_empatica_s_intervals_between_beats_are_no_samples(read):
    with pytest.raises(RecordingError, match=r"IBI.csv: holds intervals between heart beats"):
        read("1462531200.000000, IBI\n1.2,0.81\n2.0,0.79\n2.8,0.83\n", "IBI.csv")


def test_shimmer_writes_its_units_in_a_row_below_the_names(read):
    moved, gsr = acc() * 10, eeg(1)[0] ** 2
    keys = ["Timestamp_Unix_CAL", "Accel_LN_X_CAL", "Accel_LN_Y_CAL", "Accel_LN_Z_CAL"]
    keys += ["GSR_Skin_Conductance_CAL", "Battery_CAL", "Event_Marker_CAL"]
    units = "ms\tm/(s^2)\tm/(s^2)\tm/(s^2)\tuS\tmV\tno_units\t"
    head = "sep=\t\n" + "\t".join(f"Shimmer_5E5D_{key}" for key in keys) + "\t\n" + units + "\n"
    times = [f"{1.7e12 + 1000 * i / 51.2:.3f}" for i in range(N)]
    rows = lines([times, *moved, gsr, gsr, np.zeros(N), [""] * N], "\t")
    recording, said = read(head + rows)
    names = ["LN_Accel_X", "LN_Accel_Y", "LN_Accel_Z", "GSR_Skin_Conductance"]
    data = [*moved / 9.80665, gsr]
    check(recording, names, ["g", "g", "g", "µS"], 51.2, data)
    assert "Shimmer_5E5D_Battery_CAL, Shimmer_5E5D_Event_Marker_CAL (no signal" in said[0]


def test_shimmer_s_older_files_have_four_rows_of_names(read):
    moved = acc() * 10
    head = "Shimmer 8A61\tShimmer 8A61\tShimmer 8A61\tShimmer 8A61\n"
    head += "Timestamp\tLow Noise Accelerometer X\tLow Noise Accelerometer Y\t"
    head += (
        "Low Noise Accelerometer Z\nCAL\tCAL\tCAL\tCAL\nmSecs\tm/(sec^2)\tm/(sec^2)\tm/(sec^2)\n"
    )
    times = [f"{1000 * i / 51.2:.3f}" for i in range(N)]
    recording, _ = read(head + lines([times, *moved], "\t"))
    names = [f"Low Noise Accelerometer {axis}" for axis in "XYZ"]
    check(recording, names, ["g"] * 3, 51.2, moved / 9.80665)


def test_axivity_has_dates_and_three_axes_without_names(read):
    moved = acc()
    start = datetime(2014, 5, 7, 16, 29, 30)
    dates = [f"{start + timedelta(seconds=i / 100):%Y-%m-%d %H:%M:%S.%f}"[:23] for i in range(N)]
    recording, said = read(lines([dates, *moved]))
    check(recording, ["Acc_X", "Acc_Y", "Acc_Z"], ["g"] * 3, 100, moved)
    assert said == []


ACTIGRAPH = """\
------------ Data File Created By ActiGraph GT3X+ ActiLife v6.13.3 Firmware v2.5.0 date format \
M/d/yyyy at 30 Hz  Filter Normal -----------
Serial Number: NEO1C11110000
Start Time 00:00:00
Start Date 5/2/2016
Epoch Period (hh:mm:ss) {epoch}
Download Time 10:00:00
Download Date 5/9/2016
Current Memory Address: 0
Current Battery Voltage: 4.21     Mode = 12
--------------------------------------------------
"""


@pytest.mark.parametrize("names", ["Accelerometer X,Accelerometer Y,Accelerometer Z\n", ""])
def test_actigraph_says_its_rate_in_ten_lines_above_the_samples(read, names):
    moved = acc()
    text = ACTIGRAPH.format(epoch="00:00:00") + names + lines(moved)
    recording, said = read(text)
    check(recording, [f"Accelerometer {a}" for a in "XYZ"], ["g"] * 3, 30, moved)
    assert said == []


def test_actigraph_s_counts_are_no_samples(read):
    text = ACTIGRAPH.format(epoch="00:01:00") + lines(RNG.integers(0, 900, size=(3, N)))
    with pytest.raises(RecordingError, match=r"activity counts .* one for each epoch of 00:01:00"):
        read(text)


def test_geneactiv_has_a_hundred_lines_above_its_samples(read):
    moved = acc()
    about = ["Device Type,GENEActiv", "Serial Code,012967", "Measurement Frequency,100 Hz"]
    about += [f"Note {i}," for i in range(97)]
    start = datetime(2012, 5, 23, 16, 47, 50)
    dates = [f"{start + timedelta(seconds=i / 100):%Y-%m-%d %H:%M:%S:%f}"[:23] for i in range(N)]
    zeros = np.zeros(N)
    rows = lines([dates, *moved, zeros, zeros, zeros + 21.6])
    recording, said = read("\n".join(about) + "\n" + rows)
    check(recording, ["Acc_x", "Acc_y", "Acc_z"], ["g"] * 3, 100, moved)
    assert "Light, Button, Temperature" in said[0]


def test_opensignals_lists_its_columns_above_them(read):
    signal = RNG.integers(0, 1024, size=(2, N))
    text = '# OpenSignals Text File Format\n# {"00:07": {"sensor": ["ECG", "EDA"], '
    text += '"sampling rate": 1000, "column": ["nSeq", "I1", "O1", "A1", "A2"]}}\n# EndOfHeader\n'
    zeros = np.zeros(N, dtype=int)
    recording, _ = read(text + lines([np.arange(N) % 16, zeros, zeros, *signal], "\t"), "a.txt")
    check(recording, ["A1", "A2"], ["", ""], 1000, signal)


def test_labchart_writes_a_block_of_lines_above_its_samples(read):
    text = "Interval=\t0.005 s\nExcelDateTime=\t4.4e+04\t1/2/2020 10:00\nTimeFormat=\tBlock\n"
    text += "ChannelTitle=\tECG\tResp\nRange=\t10.000 V\t1.0 V\n"
    signal = eeg(2)
    times = [f"{i * 0.005:.3f}" for i in range(N)]
    recording, said = read(text + lines([times, *signal], "\t"), "a.txt")
    check(recording, ["ECG", "Resp"], ["", ""], 200, signal)
    assert said == []


def test_physionet_writes_single_quotes_and_a_row_of_units(read):
    signal = eeg(2) / 30
    times = [f"'{i // 15000}:{i // 250 % 60:02d}.{i % 250 * 4:03d}'" for i in range(N)]
    head = "'Elapsed time','MLII','V5'\n'hh:mm:ss.mmm','mV','mV'\n"
    recording, said = read(head + lines([times, *signal]))
    check(recording, ["MLII", "V5"], ["mV", "mV"], 250, signal)
    assert said == []


def test_polar_writes_thousandths_of_g_with_semicolons(read):
    moved = RNG.integers(-1000, 1000, size=(3, N))
    start = datetime(2022, 3, 1, 10, 0)
    phone = [(start + timedelta(seconds=i // 36 * 36 / 200)).isoformat() for i in range(N)]
    sensor = [599_616_000_000_000_000 + 5_000_000 * i for i in range(N)]
    head = "Phone timestamp;sensor timestamp [ns];X [mg];Y [mg];Z [mg]\n"
    recording, _ = read(head + lines([phone, sensor, *moved], ";"), "acc.txt")
    check(recording, ["Acc_X", "Acc_Y", "Acc_Z"], ["g"] * 3, 200, moved / 1000)
