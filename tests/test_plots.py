"""Figures hold what they were given, and appear on disk whole or not at all."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from biot import plots
from biot.training.pretraining.figure import curves as pretraining_curves

LABELS = ("rest", "task", "other")


def texts(figure: Figure) -> set[str]:
    found = {figure.get_suptitle()}
    for axes in figure.axes:
        found |= {text.get_text() for text in axes.texts}
        found |= {axes.get_xlabel(), axes.get_ylabel(), axes.get_title()}
        legend = axes.get_legend()
        found |= {text.get_text() for text in legend.get_texts()} if legend else set()
    return found


def test_a_png_is_written_whole_and_the_same_each_time(tmp_path):
    for name in ("first.png", "second.png"):
        plots.save_png(plots.confusion([[3, 1], [0, 4]], ("a", "b")), tmp_path / name)
    first, second = ((tmp_path / name).read_bytes() for name in ("first.png", "second.png"))
    assert first.startswith(b"\x89PNG")
    assert second == first
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first.png", "second.png"]


def test_a_png_that_fails_leaves_nothing(tmp_path, monkeypatch):
    figure = plots.confusion([[3, 1], [0, 4]], ("a", "b"))

    def fail(_canvas, path, **_):
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr("matplotlib.backends.backend_agg.FigureCanvasAgg.print_png", fail)
    with pytest.raises(OSError, match="disk full"):
        plots.save_png(figure, tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_a_label_that_the_font_lacks_does_not_fail(tmp_path):
    plots.save_png(plots.confusion([[1, 0], [0, 1]], ("休息", "b")), tmp_path / "a.png")


def test_the_confusion_shows_counts_and_shares_of_the_true_class():
    figure = plots.confusion([[8, 2, 0], [1, 3, 0], [0, 0, 0]], LABELS, title="Test")
    assert {"8\n80%", "2\n20%", "3\n75%", "0\n0%", "Test"} <= texts(figure)
    image = figure.axes[0].images[0].get_array()
    np.testing.assert_allclose(image, [[0.8, 0.2, 0], [0.25, 0.75, 0], [0, 0, 0]])


def test_the_curves_of_pretraining_are_what_the_history_says():
    columns = {
        "loss": [3.0, 2.5],
        "top1": [0.1, np.nan],
        "embedding_std": [0.5, 0.6],
        "effective_rank": [7.0, 9.0],
    }
    figure = pretraining_curves(steps=[10, 20], **columns)
    for axes, values in zip(figure.axes, columns.values(), strict=True):
        np.testing.assert_array_equal(axes.lines[0].get_xdata(), [10, 20])
        np.testing.assert_array_equal(axes.lines[0].get_ydata(), values)
    assert {"Loss", "Top-1", "Effective rank", "step"} <= texts(figure)


def test_a_probe_of_pretraining_has_a_panel_with_the_steps_that_were_validated():
    column = [1.0, 2.0, 3.0]
    figure = pretraining_curves(
        steps=[10, 20, 30], loss=column, top1=column, embedding_std=column, effective_rank=column,
        probe={"pretrained": [0.5, np.nan, 0.75], "before the first step": [0.5, np.nan, 0.5]},
    )  # fmt: skip
    assert len(figure.axes) == 5
    own, before = figure.axes[-1].lines
    assert own.get_xdata().tolist() == [10, 30]
    assert own.get_ydata().tolist() == [0.5, 0.75]
    assert before.get_ydata().tolist() == [0.5, 0.5]
    assert {"pretrained", "before the first step", "step"} <= texts(figure)


def test_the_curves_mark_the_epoch_that_was_kept():
    figure = plots.curves(
        train_loss=[1.0, 0.5, 0.2], valid_loss=[1.1, 0.6, 0.7], valid_score=[0.5, 0.9, 0.8],
        best_epoch=2,
    )  # fmt: skip
    left, right = figure.axes
    assert left.lines[0].get_ydata().tolist() == [1.0, 0.5, 0.2]
    assert right.lines[0].get_xdata().tolist() == [1, 2, 3]
    assert "kept: epoch 2, 0.900" in texts(figure)


def test_the_timeline_breaks_at_gaps_and_cuts_overlaps():
    start, stop = [0.0, 2.0, 10.0], [4.0, 6.0, 14.0]
    figure = plots.timeline(start, stop, np.eye(3), LABELS, LABELS)
    line = figure.axes[0].lines[0]
    np.testing.assert_array_equal(line.get_xdata(), [0, 2, 2, 6, np.nan, 10, 14])
    np.testing.assert_array_equal(line.get_ydata(), [1, 1, 0, 0, np.nan, 0, 0])
    assert set(LABELS) <= texts(figure)


def test_the_timeline_shows_windows_without_data_and_the_truth():
    probabilities = [[0.9, 0.1, 0.0], [np.nan] * 3, [0.2, 0.7, 0.1]]
    truth = [(0.0, 10.0, "rest"), (20.0, 25.0, "something else")]
    figure = plots.timeline(
        [0, 10, 20], [10, 20, 30], probabilities, LABELS, ("rest", "", "task"), truth=truth,
        title="night.edf",
    )  # fmt: skip
    assert {"no usable data", "predicted", "true", "night.edf", "time (s)"} <= texts(figure)
    predicted = figure.axes[1].collections
    boxes = [[tuple(path.vertices[0]) for path in strip.get_paths()] for strip in predicted]
    assert [[x for x, _ in found] for found in boxes] == [[0.0], [20.0], [], [10.0]]


@pytest.mark.parametrize(
    ("seconds", "label"), [(200, "time (s)"), (2000, "time (min)"), (30_000, "time (h)")]
)
def test_the_time_axis_uses_the_unit_that_fits(seconds, label, tmp_path):
    start = np.linspace(0, seconds, 20, endpoint=False)
    figure = plots.timeline(
        start, start + seconds / 20, np.full((20, 3), 1 / 3), LABELS, LABELS[:1] * 20
    )
    assert label in texts(figure)
    plots.save_png(figure, tmp_path / "a.png")


def test_a_recording_without_windows_gives_an_empty_timeline(tmp_path):
    figure = plots.timeline([], [], np.empty((0, 3)), LABELS, [])
    plots.save_png(figure, tmp_path / "a.png")


def test_pyplot_is_never_imported(tmp_path):
    import subprocess
    import sys

    code = (
        "import sys; from pathlib import Path; from biot import plots; "
        "plots.save_png(plots.confusion([[1]], ['a']), Path(sys.argv[1])); "
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.png")], check=True)


def test_subjects_stand_from_the_lowest_mean_to_the_highest():
    values = [[0.9, 0.7], [0.5], [float("nan")], [0.6, float("nan")]]
    figure = plots.groups(["a", "b", "c", "d"], values, score_name="AUROC")
    (axes,) = figure.axes
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["b", "d", "a", "c"]
    assert axes.get_ylabel() == "AUROC"
    legend = axes.get_legend().get_texts()[0].get_text()
    assert legend == "mean 0.633 of 3; undefined for the other 1"


def test_names_are_drawn_as_they_are_also_with_what_mathtext_would_refuse(tmp_path):
    names = (r"$\frac{$", "a_b$", "50 % <script>")
    figures = (
        plots.confusion([[3, 1, 0], [0, 2, 1], [1, 0, 2]], names, title=names[0]),
        plots.groups(names, [[0.5, 0.6]] * 3, score_name=names[0]),
    )
    for number, figure in enumerate(figures):
        assert plots.save_png(figure, tmp_path / f"{number}.png").stat().st_size > 1000


def test_no_heading_of_a_timeline_is_cut_beside_a_wide_legend():
    figure = plots.timeline(
        [0.0, 4.0], [4.0, 8.0], [[0.4, 0.6]] * 2, ["a" * 60, "b"], ["b", "b"], title="night_" * 25
    )
    figure.draw_without_rendering()
    assert figure._suptitle is not None
    box, whole = figure._suptitle.get_window_extent(), figure.bbox
    assert whole.x0 <= box.x0 < box.x1 <= whole.x1
