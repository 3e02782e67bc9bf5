"""Pairing within class: classes agree, no item in two groups, none twice while there are others."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from skmm import BagArray, ModalityDict
from skmm.containers import LazyArray
from skmm.datasets import pair_within_class


def samples(n_samples, **options):
    """Return a ModalityDict with one table whose only column counts the samples."""
    return ModalityDict({"table": np.arange(float(n_samples))[:, np.newaxis]}, **options)


def numbered(n_items):
    """Return images that hold their own number."""
    return np.arange(n_items, dtype=np.uint8)[:, np.newaxis, np.newaxis] * np.ones((2, 2), dtype=np.uint8)


def drawn(y, items_y, **options):
    """Return the rows of the items that samples of classes `y` get."""
    items = np.zeros((len(items_y), 2, 2))
    options = {"name": "image", "return_rows": True, "random_state": 0, **options}
    return pair_within_class(samples(len(y)), y, items, items_y, **options)[1]


@st.composite
def studies(draw):
    """Draw classes and groups of samples, and classes of items: at least one a group and class."""
    n_classes, n_groups = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    n_samples = draw(st.integers(1, 30))
    y = draw(st.lists(st.integers(0, n_classes - 1), min_size=n_samples, max_size=n_samples))
    groups = draw(st.lists(st.integers(0, n_groups - 1), min_size=n_samples, max_size=n_samples))
    extra = draw(st.lists(st.integers(0, n_classes - 1), max_size=30))
    items_y = np.array(draw(st.permutations(list(range(n_classes)) * n_groups + extra)))
    return np.array(y), np.array(groups), items_y, draw(st.integers(0, 2**31))


@given(studies())
@settings(deadline=None, max_examples=60)
def test_laws_of_the_draw(study):
    """Classes agree, no item is in two groups, and a group uses all of its items before one again."""
    y, groups, items_y, seed = study
    rows = drawn(y, items_y, groups=groups, replace=True, random_state=seed)

    assert_array_equal(items_y[rows], y)
    for group in np.unique(groups):
        assert not np.isin(rows[groups != group], rows[groups == group]).any()
    for label in np.unique(y):
        for group in np.unique(groups):
            own = rows[(groups == group) & (y == label)]
            uses = np.unique(own, return_counts=True)[1]
            assert not len(own) or np.ptp(uses) <= 1
        if np.count_nonzero(items_y == label) >= np.count_nonzero(y == label):
            assert len(np.unique(rows[y == label])) == np.count_nonzero(y == label)


@given(studies(), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=30)
def test_the_order_of_samples_does_not_matter(study, random):
    """Whatever the order of the samples, a group gets the same items of a class."""
    y, groups, items_y, seed = study
    order = list(range(len(y)))
    random.shuffle(order)
    options = {"replace": True, "random_state": seed}
    first = drawn(y, items_y, groups=groups, **options)
    second = drawn(y[order], items_y, groups=groups[order], **options)

    for label, group in {*zip(y.tolist(), groups.tolist(), strict=True)}:
        chosen = (y == label) & (groups == group)
        assert_array_equal(np.sort(first[chosen]), np.sort(second[chosen[order]]))


def test_items_are_divided_by_need():
    """When items are short, groups share them in proportion to their samples, and use each equally often."""
    y, groups = np.zeros(90), np.repeat(["small", "large"], [30, 60])
    rows = drawn(y, np.zeros(30), groups=groups, replace=True)

    assert len(np.unique(rows[groups == "small"])) == 10
    assert len(np.unique(rows[groups == "large"])) == 20
    assert_array_equal(np.bincount(rows), 3)


def test_a_small_group_gets_an_item_of_its_own():
    """One sample among a thousand of another group still has an item that nobody else has."""
    groups = np.repeat(["small", "large"], [1, 1000])
    rows = drawn(np.zeros(1001), np.zeros(3), groups=groups, replace=True)

    assert_array_equal(np.bincount(rows[1:], minlength=3)[rows[0]], 0)


def test_the_draw_is_uniform_within_class():
    """Over many seeds every item of the class comes to a sample equally often, bar chance."""
    first = [drawn(["a", "a", "b"], ["a"] * 4 + ["b"], random_state=seed)[0] for seed in range(2000)]

    assert np.abs(np.bincount(first, minlength=5) / 2000 - [0.25, 0.25, 0.25, 0.25, 0]).max() < 0.04


@pytest.mark.parametrize(
    ("as_y", "as_items_y"),
    [
        (list, np.asarray),
        (lambda y: np.array(y, dtype=np.int8), lambda y: np.array(y, dtype=np.uint16)),
        (lambda y: pd.Series(y, index=list("vwxyz")), lambda y: pd.Series(y, dtype="Int64")),
        (lambda y: np.array(y, dtype=np.float64), list),
        (lambda y: [str(label) for label in y], lambda y: pd.Series(y).astype(str).astype("category")),
    ],
    ids=["list", "sizes", "series", "float", "text"],
)
def test_labels_of_any_type(as_y, as_items_y):
    """Labels that are equal are one class, whatever holds them; samples are taken by row, not by label."""
    y, items_y = [0, 2, 2, 0, 1], [2, 1, 0, 0, 2, 1]

    assert_array_equal(np.array(items_y)[drawn(as_y(y), as_items_y(items_y))], y)


def test_several_classes_share_one_item_class():
    """B and T cells draw from the lymphocytes together; a class that is not named keeps its own name."""
    y = np.array(["B", "T", "B", "monocyte"])
    items_y = np.array(["lymphocyte", "monocyte", "lymphocyte", "lymphocyte"])
    rows = drawn(y, items_y, classes={"B": "lymphocyte", "T": "lymphocyte"})

    assert sorted(rows[:3].tolist()) == [0, 2, 3]
    assert rows[3] == 1


def test_items_of_one_patient_go_to_one_group():
    """Items that have groups of their own are never divided between groups of samples."""
    rng = np.random.default_rng(0)
    y, groups = np.tile([0, 1], 60), np.repeat([0, 1, 2], 40)
    patients, items_y = rng.integers(0, 12, 200), rng.integers(0, 2, 200)
    rows = drawn(y, items_y, groups=groups, items_groups=patients, replace=True)

    assert_array_equal(items_y[rows], y)
    seen = [set(patients[rows[groups == group]]) for group in range(3)]
    assert sum(map(len, seen)) == len(set.union(*seen))
    assert min(map(len, seen)) >= 3


@pytest.mark.parametrize("seed", range(10))
def test_rare_classes_are_divided_first(seed):
    """The only patient who has items of a class goes to the group that needs it."""
    y, groups = list("ABBB") + list("BB"), ["p"] * 4 + ["q"] * 2
    options = {"groups": groups, "items_groups": ["ann", "ann", "bob"], "replace": True}

    assert drawn(y, list("ABB"), random_state=seed, **options).tolist() == [0, 1, 1, 1, 2, 2]


def test_the_draw_depends_on_the_seed_alone():
    """The same seed draws the same items, another one others, and NumPy's own state stays."""
    y, items_y = np.zeros(20), np.zeros(40)
    before = np.random.get_state()[2]
    first = drawn(y, items_y, random_state=3)

    assert_array_equal(drawn(y, items_y, random_state=np.random.RandomState(3)), first)
    assert (drawn(y, items_y, random_state=4) != first).any()
    assert (drawn(y, items_y, random_state=None) != drawn(y, items_y, random_state=None)).any()
    assert np.random.get_state()[2] == before


def test_what_travels_with_the_samples_is_kept():
    """Presence, kinds, feature names, ids and groups of X are kept, and X itself is not changed."""
    X = ModalityDict(
        {"genes": np.arange(6.0).reshape(3, 2), "note": ["x", None, "y"]},
        present={"genes": np.array([False, True, True])},
        feature_names={"genes": ["u", "v"]},
        index=["s1", "s2", "s3"],
        groups=[1, 1, 2],
    )
    paired, rows = pair_within_class(
        X, [0, 1, 1], numbered(4), [1, 0, 1, 1], name="image", return_rows=True, random_state=0
    )

    assert paired[["genes", "note"]] == X
    assert X.modalities == ("genes", "note")
    assert paired.kinds["image"] == "image"
    assert_array_equal(paired["image"], numbered(4)[rows])
    assert paired.is_present("image").all()
    assert_array_equal(paired.groups, [1, 1, 2])


def test_groups_that_are_given_stay_with_the_result():
    """Groups that the draw has kept apart are those that folds will keep whole."""
    paired = pair_within_class(
        samples(4, groups=[0, 0, 0, 0]), [0] * 4, numbered(4), [0] * 4, name="image", groups=list("aabb")
    )

    assert_array_equal(paired.groups, list("aabb"))


BAGS = BagArray(np.arange(4.0).repeat(2)[:, np.newaxis], [0, 2, 4, 6, 8])
FRAME = pd.DataFrame({"age": [10.0, 20.0, 30.0, 40.0]}, index=list("wxyz"))


@pytest.mark.parametrize(
    ("items", "kind", "read"),
    [
        (numbered(4), None, lambda values, i: values[i][0, 0]),
        (LazyArray(numbered(4)), None, lambda values, i: values[i][0, 0]),
        (BAGS, None, lambda values, i: values[i][0, 0]),
        (FRAME, None, lambda values, i: values["age"].iloc[i] / 10 - 1),
        (["0", "1", "2", "3"], None, lambda values, i: int(values[i])),
        ([i * np.ones((4 + i, 4)) for i in range(4)], "image", lambda values, i: values[i][0, 0]),
    ],
    ids=["array", "lazy", "bags", "frame", "text", "ragged"],
)  # fmt: skip
def test_items_of_any_kind(items, kind, read):
    """Arrays, lazy arrays, bags, DataFrames, texts and images of different sizes are taken by row."""
    X = samples(3, index=["p", "q", "r"])
    paired, rows = pair_within_class(
        X,
        ["a", "b", "a"],
        items,
        ["a", "a", "b", "a"],
        name="new",
        kind=kind,
        return_rows=True,
        random_state=1,
    )

    assert [read(paired["new"], i) for i in range(3)] == rows.tolist()
    assert type(paired["new"]) is type(
        ModalityDict({"new": items}, kinds={"new": kind} if kind else None)["new"]
    )
    assert paired.index.tolist() == ["p", "q", "r"]


def test_frames_keep_their_columns_and_get_the_ids_of_the_samples():
    """A DataFrame of items is labelled by sample, and its columns are the feature names."""
    X = samples(2)
    paired = pair_within_class(X, [0, 0], FRAME, [0, 0, 0, 0], name="clinic", random_state=0)

    assert paired["clinic"].index.tolist() == [0, 1]
    assert paired.feature_names["clinic"].tolist() == ["age"]


def test_missing_items_are_not_used():
    """An item that is missing in its own data is nobody's."""
    items = ["first", None, "third"]
    paired, rows = pair_within_class(
        samples(2), ["a", "a"], items, ["a", "a", "a"], name="note", return_rows=True, random_state=0
    )

    assert sorted(rows.tolist()) == [0, 2]
    assert paired.is_present("note").all()


def test_a_class_without_items():
    """It is refused by name, or its samples lack the modality, as asked; other modalities stay."""
    y = np.array(["a", "dendritic", "a", "plasma"])
    with pytest.raises(ValueError, match=r"class of 2 of 4 samples: \['dendritic', 'plasma'\]"):
        drawn(y, ["a", "a"])

    paired, rows = pair_within_class(
        samples(4), y, numbered(2), ["a", "a"], name="image", unmatched="missing", return_rows=True
    )
    assert_array_equal(paired.is_present("image"), [True, False, True, False])
    assert paired.is_present("table").all()
    assert_array_equal(rows[[1, 3]], -1)


def test_too_few_items():
    """The error says how many items there are and how many are needed; with replacement they suffice."""
    with pytest.raises(ValueError, match=r"not enough items of 'a' \(2 items for 3 samples\)\. Use more"):
        drawn(["a", "a", "a", "b"], ["a", "a", "b"])

    assert len(drawn(["a", "a", "a", "b"], ["a", "a", "b"], replace=True)) == 4


def test_a_group_without_an_item_of_its_own():
    """Two groups cannot share one item, not even with replacement."""
    with pytest.raises(ValueError, match=r"1 items for 2 samples in 2 groups; group 'q' has 0 for 1"):
        drawn(["a", "a"], ["a"], groups=["p", "q"], replace=True)
    with pytest.raises(ValueError, match="Each group needs at least one of its own"):
        drawn(["a", "a"], ["a", "a"], groups=["p", "q"], items_groups=[7, 7], replace=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"items_y": ["a"]}, "`items_y` must have 2 entries, got 1"),
        ({"y": ["a"]}, "`y` must have 3 entries, got 1"),
        ({"y": ["a", None, "a"]}, "`y` must have no holes, but 1"),
        ({"y": np.array(["a", 1, "a"], dtype=object)}, "`y` must be of one type, got int, str"),
        ({"y": ["1", "1", "1"], "items_y": [1, 2]}, r"\['1'\]; items are of the classes \[1, 2\]"),
        ({"groups": [1, 2]}, "`groups` must have 3 entries"),
        ({"items_groups": [1]}, "`items_groups` must have 2 entries"),
        ({"name": "table"}, "has a modality 'table' already"),
        ({"classes": {"a": "A"}}, r"no item has: \['A'\]. Choose among \['a'\]"),
        ({"classes": ["a"]}, "`classes` must be a dict"),
        ({"unmatched": "drop"}, '"raise" or "missing"'),
        ({"items_y": ["x", "y"], "unmatched": "missing"}, "class of 3 of 3 samples"),
    ],
)
def test_bad_input_is_refused(options, message):
    """Wrong lengths, holes, names, classes and options raise and say what was expected."""
    arguments = {
        "y": ["a", "a", "a"],
        "items": numbered(2),
        "items_y": ["a", "a"],
        "name": "image",
        **options,
    }
    with pytest.raises(ValueError, match=message):
        pair_within_class(samples(3), arguments.pop("y"), **{"replace": True, **arguments})
