"""The result of an explanation: a mapping, sums by modality, tables by name, and what it says of itself."""

import pickle

import numpy as np
import pandas as pd
import pytest

from skmm import BagArray, ModalityDict
from skmm.inspection import Attributions


@pytest.fixture
def attributions():
    """Attributions of three samples, with ids: a table, grey images, colour volumes, bags and texts."""
    bags = BagArray(np.arange(8.0).reshape(4, 2), [0, 1, 1, 4])
    texts = np.empty(3, dtype=object)
    texts[:] = [np.array([0.5, -1.0]), np.zeros(0), np.array([2.0])]
    data = {
        "rna": np.ones((3, 2)),
        "scan": np.ones((3, 4, 5)),
        "ct": np.ones((3, 2, 4, 5, 3)),
        "slides": bags,
        "note": ["large heart", None, "clear"],
    }
    X = ModalityDict(data, present={"scan": [True, False, True]}, index=["a", "b", "c"])
    values = {
        "rna": np.array([[1.0, -0.5], [0.0, 2.0], [3.0, 0.0]]),
        "scan": np.arange(60.0).reshape(3, 4, 5),
        "ct": np.ones((3, 2, 4, 5, 3)),
        "slides": bags,
        "note": texts,
    }
    return Attributions(
        values,
        X,
        target=np.array([0, 1, 1]),
        difference=np.zeros(3),
        completeness_error=np.zeros(3),
        feature_names={"rna": np.array(["TP53", "KRAS"], dtype=object)},
        method="integrated_gradients",
    )


def test_totals_are_sums_by_modality(attributions):
    """Sums over columns, pixels, instances and words, with the sample ids; of nothing zero."""
    expected = pd.DataFrame(
        {
            "rna": [0.5, 2.0, 3.0],
            "scan": [190.0, 590.0, 990.0],
            "ct": [120.0] * 3,
            "slides": [1.0, 0.0, 27.0],
            "note": [-0.5, 0.0, 2.0],
        },
        index=["a", "b", "c"],
    )

    pd.testing.assert_frame_equal(attributions.totals, expected)


def test_it_is_a_mapping_of_modalities(attributions):
    """Names in order, as many as its length; presence in the same order; an unknown name is told."""
    assert list(attributions) == ["rna", "scan", "ct", "slides", "note"]
    assert len(attributions) == len(attributions.values()) == 5
    assert "rna" in attributions
    assert "mri" not in attributions
    assert attributions.present.tolist()[1] == [True, False, True, False, False]
    with pytest.raises(KeyError, match="'mri' is not among"):
        attributions["mri"]


def test_tables_have_their_names(attributions):
    """Columns by name, samples by id; what is no table is refused."""
    expected = pd.DataFrame(attributions["rna"], index=["a", "b", "c"], columns=["TP53", "KRAS"])

    pd.testing.assert_frame_equal(attributions.to_frame("rna"), expected, check_column_type=False)
    with pytest.raises(ValueError, match="to_frame takes a table. Modality 'scan' is of kind image"):
        attributions.to_frame("scan")
    with pytest.raises(ValueError, match="must be among"):
        attributions.to_frame("mri")


def test_maps_are_of_pixels_only(attributions):
    """Images and volumes have maps, channels summed, NaN where missing; vectors and texts have none."""
    scans, volumes = attributions.maps("scan"), attributions.maps("ct")

    np.testing.assert_array_equal(scans[2], attributions["scan"][2])
    assert np.isnan(scans[1]).all()
    np.testing.assert_array_equal(volumes[0], np.full((2, 4, 5), 3.0))
    for name, kind in (("rna", "table"), ("slides", "bag"), ("note", "text")):
        with pytest.raises(ValueError, match=f"{name!r} has no pixels: it is a {kind}"):
            attributions.maps(name)


def test_it_says_what_it_holds(attributions):
    """The repr has a line a modality."""
    assert repr(attributions).split("\n") == [
        "Attributions of 3 samples by integrated_gradients",
        "  rna     table   (3, 2)",
        "  scan    image   (3, 4, 5)",
        "  ct      volume  (3, 2, 4, 5, 3)",
        "  slides  bag     0 to 3 instances of shape (2,)",
        "  note    text    0 to 2 tokens",
    ]


def test_it_is_the_same_after_a_pickle(attributions):
    """Values, totals and samples survive."""
    again = pickle.loads(pickle.dumps(attributions))

    pd.testing.assert_frame_equal(again.totals, attributions.totals)
    assert again.X == attributions.X
    assert repr(again) == repr(attributions)
