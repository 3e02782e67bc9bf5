"""The trade-off of regions as a plot: the figures of the table, in the table's order."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from skmm.inspection import RegionCurveDisplay, region_curve


@pytest.fixture
def curve():
    """A table of five thresholds, three of which have the same hits and false regions."""
    return pd.DataFrame(
        {
            "threshold": [0.9, 0.1, 0.3, 0.4, 0.5],
            "hit_rate": [0.1, 1.0, 0.8, 0.8, 0.8],
            "false_regions": [0.0, 3.0, 1.0, 1.0, 1.0],
            "precision": [np.nan, 0.2, 0.5, 0.5, 0.5],
            "pointing_game": [0.1, 0.9, 0.9, 0.9, 0.9],
            "iou": [0.0, 0.1, 0.4, 0.5, 0.4],
        }
    )


def test_both_panels_show_the_table(curve):
    """Left a line a figure by threshold, right hits against false regions; equal points have one label."""
    display = RegionCurveDisplay.from_frame(curve)

    left, right = display.axes_
    ordered = curve.sort_values("threshold")
    names = {"hit rate": "hit_rate", "precision": "precision", "pointing game": "pointing_game", "IoU": "iou"}
    assert [line.get_label() for line in left.lines] == list(names)
    for line in left.lines:
        np.testing.assert_array_equal(line.get_xdata(), ordered["threshold"])
        np.testing.assert_array_equal(line.get_ydata(), ordered[names[line.get_label()]])
    np.testing.assert_array_equal(right.lines[0].get_xdata(), ordered["false_regions"])
    np.testing.assert_array_equal(right.lines[0].get_ydata(), ordered["hit_rate"])
    assert {text.get_text(): text.xy for text in right.texts} == {
        "0.3 to 0.5": (1, 0.8), "0.9": (0, 0.1), "0.1": (3, 1)
    }  # fmt: skip
    assert right.get_xscale() == "linear"
    display.figure_.canvas.draw()


def test_many_false_regions_have_a_logarithmic_axis(curve):
    """So that few and many are told apart; zero is still on the axis."""
    display = RegionCurveDisplay.from_frame(curve.assign(false_regions=20 * curve["false_regions"]))

    right = display.axes_[1]
    assert right.get_xscale() == "symlog"
    assert right.get_xlim()[0] < 0
    assert right.get_xticks().tolist() == [0, 1, 2, 5, 10, 20, 50]
    display.figure_.canvas.draw()


def test_figures_are_chosen_and_drawn_where_the_caller_wants(curve):
    """``metrics`` names the lines of the left panel, which keep their colours; ``ax`` holds both panels."""
    figure, ax = plt.subplots(1, 2)

    display = RegionCurveDisplay.from_frame(curve, metrics=["iou"], ax=ax)
    full = RegionCurveDisplay.from_frame(curve)

    assert display.figure_ is figure
    assert [line.get_label() for line in ax[0].lines] == ["IoU"]
    assert ax[0].lines[0].get_color() == full.axes_[0].lines[3].get_color()


def test_maps_are_asked_for_their_curve():
    """The table is that of `region_curve` with the same arguments; without lesions lines are empty."""
    attribution = np.zeros((20, 20))
    attribution[3:6, 3:6] = 1
    truth = [[[2, 2, 7, 7]]]

    display = RegionCurveDisplay.from_predictions([attribution], truth, [0.3, 0.6], extent="box")
    empty = RegionCurveDisplay.from_predictions([attribution], [None], [0.3, 0.6])

    pd.testing.assert_frame_equal(display.curve, region_curve([attribution], truth, [0.3, 0.6], extent="box"))
    assert np.isnan(empty.axes_[0].lines[0].get_ydata()).all()
    empty.figure_.canvas.draw()


def test_wrong_arguments_are_refused(curve):
    """Messages say what was expected."""
    with pytest.raises(ValueError, match=r"metrics must be some of \['hit_rate', .* Got 'accuracy'"):
        RegionCurveDisplay.from_frame(curve, metrics="accuracy")
    with pytest.raises(ValueError, match="must be the table of region_curve"):
        RegionCurveDisplay.from_frame(curve.drop(columns="hit_rate"))
    with pytest.raises(ValueError, match="draws 2 panels"):
        RegionCurveDisplay.from_frame(curve, ax=plt.subplots()[1])
