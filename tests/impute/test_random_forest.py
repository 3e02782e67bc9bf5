"""RandomForestImputer: forests are fitted, holes filled well, types kept, and rules for what is new hold."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

from skmm import ModalityDict
from skmm.compose import ModalityTransformer
from skmm.impute import RandomForestImputer
from skmm.impute._mixed_columns import ColumnCode
from skmm.impute._random_forest import (
    change_between,
    has_grown,
    is_stable,
    rows_per_tree,
    sweep_order,
)

N = 120


@pytest.fixture
def frame():
    """A whole table of five types whose columns tell one another, and where holes are to be cut."""
    rng = np.random.default_rng(0)
    severity = rng.normal(size=N)
    whole = pd.DataFrame(
        {
            "age": pd.array(np.rint(60 + 10 * severity), dtype="Int64"),
            "crp": np.exp(severity).astype(np.float32),
            "grade": pd.Categorical.from_codes(
                np.digitize(severity, [-0.5, 0.7]), ["mild", "moderate", "severe"], ordered=True
            ),
            "site": pd.array(np.where(severity > 0, "north", "south"), dtype="string"),
            "smoker": pd.array(severity > 0.3, dtype="boolean"),
        },
        index=[f"p{i}" for i in range(N)],
    )
    return whole, rng.random(whole.shape) < 0.15


@pytest.fixture
def imputer():
    """A small imputer with a seed."""
    return RandomForestImputer(8, max_iter=2, random_state=0)


def cut(whole, mask):
    """A copy with holes."""
    out = whole.copy()
    for position in range(out.shape[1]):
        column = out.iloc[:, position].copy()
        column.iloc[np.flatnonzero(mask[:, position])] = pd.NA if column.dtype != np.float32 else np.nan
        out.isetitem(position, column)
    return out


# --- what it is for -------------------------------------------------------------------------------


def test_a_forest_is_really_fitted_for_every_column_with_holes(frame, imputer):
    """As many fitted forests as columns with holes: the published code fitted 0 for 572 missing cells."""
    whole, mask = frame
    mask = mask & [True, True, True, True, False]
    imputer.fit(cut(whole, mask))

    assert sorted(imputer.forests_) == [0, 1, 2, 3]
    assert [type(imputer.forests_[column]) for column in range(4)] == [
        *[RandomForestRegressor] * 2,
        *[RandomForestClassifier] * 2,
    ]
    assert all(len(forest.estimators_) == 8 for forest in imputer.forests_.values())
    # a missing category is no category of its own
    assert set(imputer.categories_[2]) == {"mild", "moderate", "severe"}


def test_imputation_beats_mean_and_mode(frame, imputer):
    """Imputed cells are nearer to the truth than the mean, and right more often than the mode."""
    whole, mask = frame
    filled = imputer.fit_transform(cut(whole, mask))
    wrong = {}
    for position, name in enumerate(whole):
        truth = whole[name][mask[:, position]]
        rest = whole[name][~mask[:, position]]
        if name in ("age", "crp"):
            errors = [
                np.square(filled[name][truth.index] - truth).mean(),
                np.square(rest.mean() - truth).mean(),
            ]
            wrong[name] = errors[0] / errors[1]
        else:
            errors = [(filled[name][truth.index] != truth).mean(), (rest.mode()[0] != truth).mean()]
            wrong[name] = errors[0] / errors[1]

    assert max(wrong.values()) < 0.6, wrong


def test_labels_are_not_looked_at(frame, imputer):
    """Any y gives the same imputation."""
    holed = cut(*frame)
    y = np.arange(N) % 2

    pd.testing.assert_frame_equal(imputer.fit_transform(holed, y), imputer.fit_transform(holed, y[::-1]))


def test_observed_values_stay(frame, imputer):
    """Only holes are filled, and all of them; the caller's table keeps its own."""
    holed = cut(*frame)
    before = holed.copy()
    filled = imputer.fit_transform(holed)

    pd.testing.assert_frame_equal(holed, before)
    assert not filled.isna().any(axis=None)
    pd.testing.assert_frame_equal(filled.mask(holed.isna()), holed.mask(holed.isna()))


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), share=st.floats(0.05, 0.6), offset=st.sampled_from([0.0, 1e9, -1e200]))
def test_imputed_values_are_between_observed_ones(seed, share, offset):
    """A forest of numbers gives averages of observed ones, whatever their size."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(30, 3)) + offset
    X[rng.random(X.shape) < share] = np.nan
    X[0] = offset
    filled = RandomForestImputer(2, max_iter=1, random_state=0).fit_transform(X)
    slack = 1e-5 * max(1.0, np.nanmax(X) - np.nanmin(X))

    assert np.isfinite(filled).all()
    assert (filled >= np.nanmin(X, axis=0) - slack).all()
    assert (filled <= np.nanmax(X, axis=0) + slack).all()


def test_names_of_categories_do_not_matter():
    """Categories are numbered by frequency: other names, in another alphabetical order, change nothing."""
    rng = np.random.default_rng(0)
    level = rng.choice(3, size=80, p=[0.5, 0.3, 0.2])
    number = level + rng.normal(scale=0.3, size=80)
    first = pd.DataFrame({"level": np.array(["a", "b", "c"])[level], "number": number}, dtype=object)
    second = pd.DataFrame({"level": np.array(["z", "b", "a"])[level], "number": number}, dtype=object)
    holes = rng.random(80) < 0.2
    for table in (first, second):
        table.loc[holes, "level"] = None
        table.loc[~holes & (rng.random(80) < 0.2), "number"] = None
        rng = np.random.default_rng(1)
    second["number"] = first["number"]
    got = RandomForestImputer(8, random_state=0).fit_transform(first)
    other = RandomForestImputer(8, random_state=0).fit_transform(second)

    assert got["level"].map({"a": "z", "b": "b", "c": "a"}).tolist() == other["level"].tolist()
    assert got["number"].tolist() == other["number"].tolist()


# --- types and forms ------------------------------------------------------------------------------


def test_data_types_are_kept(frame, imputer):
    """A DataFrame comes out with the types, the columns and the index of the one that went in."""
    whole, mask = frame
    holed = cut(whole, mask)
    filled = imputer.fit_transform(holed)

    assert filled.dtypes.tolist() == holed.dtypes.tolist()
    assert filled.index.tolist() == holed.index.tolist()
    assert filled.columns.tolist() == imputer.get_feature_names_out().tolist() == whole.columns.tolist()
    assert filled["grade"].cat.ordered


def test_other_data_types():
    """Objects, booleans with holes, pandas' floats and pyarrow's columns are filled as what they are."""
    X = pd.DataFrame(
        {
            "sure": np.array([True, True, False, None] * 5, dtype=object),
            "dose": pd.array([1.5, None, 2.5, 3.5] * 5, dtype="Float64"),
            "count": pd.array([1, 2, None, 4] * 5, dtype="int64[pyarrow]"),
            "plain": np.arange(20),
        }
    )
    filled = RandomForestImputer(3, random_state=0).fit_transform(X)

    assert filled.dtypes.tolist() == X.dtypes.tolist()
    assert set(filled["sure"]) == {True, False}
    assert filled["dose"].between(1.5, 3.5).all()
    assert filled["count"].between(1, 4).all()


def test_arrays_and_lists_of_mixed_values(frame, imputer):
    """An object array and a list of lists are read as the DataFrame of the same values."""
    whole, mask = frame
    holed = cut(whole[["crp", "site"]].astype({"crp": float}), mask[:, [1, 3]])
    expected = imputer.fit_transform(holed).to_numpy(dtype=object)
    array = holed.to_numpy(dtype=object)
    rows = [[None if pd.isna(value) else value for value in row] for row in array.tolist()]

    for X in (array, rows):
        got = imputer.fit_transform(X)
        assert got.dtype == object
        assert got.tolist() == expected.tolist()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_of_floats_stay_arrays_of_floats(imputer, dtype):
    """An array of floats comes out as one, of its precision."""
    X = np.random.default_rng(0).normal(size=(30, 3)).astype(dtype)
    X[::4, 1] = np.nan

    assert imputer.fit_transform(X).dtype == dtype


def test_set_output(frame, imputer):
    """set_output(transform="pandas") gives a DataFrame for an array, too."""
    X = np.array([[1.0, 2.0], [np.nan, 3.0], [4.0, np.nan], [5.0, 6.0]])
    out = imputer.set_output(transform="pandas").fit_transform(X)

    assert out.columns.tolist() == ["x0", "x1"]
    assert not out.isna().any(axis=None)


def test_numbers_that_are_declared_to_be_categories():
    """A declared column of numbers gets values that it has, by a classification forest; by any name of it."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"stage": rng.choice([1.0, 4.0], size=60), "other": rng.normal(size=60)})
    X["other"] += X["stage"]
    X.loc[::5, "stage"] = np.nan

    for declared in (["stage"], [0], [-2], [True, False]):
        imputer = RandomForestImputer(5, categorical_features=declared, random_state=0)
        assert set(imputer.fit_transform(X)["stage"]) == {1.0, 4.0}
        assert isinstance(imputer.forests_[0], RandomForestClassifier)
    with pytest.raises(ValueError, match=r"categorical_features must hold names.*Got 'grade'.*'stage'"):
        RandomForestImputer(categorical_features=["grade"]).fit(X)


def test_indicators(frame, imputer):
    """add_indicator adds a column for each that has holes, which says where they were."""
    whole, mask = frame
    mask = mask & [True, False, True, False, False]
    holed = cut(whole, mask)
    imputer.set_params(add_indicator=True)
    filled = imputer.fit_transform(holed)

    assert filled.columns.tolist()[5:] == ["missingindicator_age", "missingindicator_grade"]
    assert imputer.get_feature_names_out().tolist() == filled.columns.tolist()
    assert filled["missingindicator_grade"].tolist() == mask[:, 2].tolist()
    array = np.array([[1.0, 2.0], [np.nan, 3.0], [4.0, 5.0]])
    assert imputer.fit_transform(array)[:, 2].tolist() == [0.0, 1.0, 0.0]


# --- rows and values that fit has not seen --------------------------------------------------------


def test_new_rows(frame, imputer):
    """New rows are filled by the forests of fit, each by itself, whatever rows are beside it."""
    whole, mask = frame
    holed = cut(whole, mask)
    imputer.fit(holed[:80])
    together = imputer.transform(holed[80:])
    alone = pd.concat([imputer.transform(holed[row : row + 1]) for row in range(80, 100)])

    assert not together.isna().any(axis=None)
    pd.testing.assert_frame_equal(together[:20], alone)


def test_fit_transform_is_fit_and_transform(frame, imputer):
    """fit_transform gives what fit and transform give."""
    holed = cut(*frame)

    pd.testing.assert_frame_equal(
        clone(imputer).fit_transform(holed), clone(imputer).fit(holed).transform(holed)
    )


def test_holes_in_columns_that_had_none_in_fit():
    """They are filled with the mean or the most frequent category of fit: no forest knows the column."""
    X = pd.DataFrame({"a": [1.0, 2.0, 6.0, 3.0], "b": ["x", "y", "y", "y"], "c": [1.0, np.nan, 2.0, 3.0]})
    imputer = RandomForestImputer(3, random_state=0).fit(X)
    new = imputer.transform(pd.DataFrame({"a": [np.nan], "b": [None], "c": [5.0]}))

    assert list(imputer.forests_) == [2]
    assert new.iloc[0].tolist() == [3.0, "y", 5.0]
    assert imputer.initial_fill_[:2] == [3.0, "y"]


@pytest.mark.parametrize("dtype", [object, "category", "string"])
def test_unseen_categories(dtype):
    """A category that fit has not seen stays where it is, helps to fill others, and is never imputed."""
    X = pd.DataFrame({"site": ["north", "south"] * 20, "level": [0.0, 10.0] * 20})
    X.loc[[0, 3], "site"] = None
    X.loc[[4, 7], "level"] = np.nan
    X["site"] = X["site"].astype(dtype)
    imputer = RandomForestImputer(10, random_state=0).fit(X)
    new = pd.DataFrame({"site": ["east", None, None], "level": [np.nan, 0.0, 10.0]}).astype({"site": dtype})
    filled = imputer.transform(new)

    assert filled["site"].tolist() == ["east", "north", "south"]
    assert 0 <= filled["level"][0] <= 10


def test_columns_of_only_holes():
    """They are left out with a warning, or kept and filled with a constant, as by SimpleImputer."""
    X = pd.DataFrame(
        {
            "empty": [np.nan] * 4,
            "a": [1.0, np.nan, 3.0, 4.0],
            "void": pd.array([None] * 4, dtype="string"),
            "b": [1.0, 2.0, 3.0, 4.0],
        }
    )
    imputer = RandomForestImputer(3, random_state=0)
    with pytest.warns(UserWarning, match=r"\['empty', 'void'\] have no value in fit: they are left out"):
        left = imputer.fit_transform(X)
    kept = clone(imputer).set_params(keep_empty_features=True).fit_transform(X)

    assert left.columns.tolist() == imputer.get_feature_names_out().tolist() == ["a", "b"]
    assert kept["empty"].tolist() == [0.0] * 4
    assert kept["void"].tolist() == ["missing_value"] * 4
    assert kept["a"].tolist() == left["a"].tolist()
    with pytest.raises(ValueError, match="No column of X has any value"):
        imputer.fit(X[["empty", "void"]])


def test_a_single_column_gets_its_mean():
    """Where there is nothing to learn from, the mean stands."""
    imputer = RandomForestImputer(3).fit([[1.0], [np.nan], [5.0]])

    assert imputer.forests_ == {}
    assert imputer.transform([[np.nan]]).tolist() == [[3.0]]


# --- sweeps ---------------------------------------------------------------------------------------


def test_differences_between_sweeps():
    """Hand-calculated differences: squares over squares for numbers, the share of changes for categories."""
    old = np.array([[1.0, 0.0], [2.0, 1.0], [4.0, 1.0]])
    new = np.array([[1.0, 0.0], [3.0, 0.0], [4.0, 1.0]])
    holes = np.array([[False, False], [True, True], [False, True]])
    categorical = np.array([False, True])

    assert change_between(new, old, holes, categorical) == (1 / 26, 0.5)
    assert np.isnan(change_between(new, old, holes & ~categorical, categorical)[1])
    assert sweep_order(np.array([[True, False, True], [True, False, False]])) == [2, 0]


def test_the_criterion_of_missforest():
    """Sweeps end when the differences of both sorts grew, or of the only one that there is."""
    assert has_grown((0.2, 0.3), (0.1, 0.2))
    assert not has_grown((0.2, 0.1), (0.1, 0.2))
    assert has_grown((np.nan, 0.3), (np.nan, 0.2))
    assert is_stable((1e-4, np.nan), 1e-3)
    assert not is_stable((1e-4, 0.1), 1e-3)


def test_rows_of_a_tree():
    """A share of the rows, but 20 or all of them where there are few; a number never above what there is."""
    assert [rows_per_tree(0.5, n) for n in (100, 30, 8)] == [50, 20, 8]
    assert [rows_per_tree(25, n) for n in (100, 8)] == [25, 8]
    assert rows_per_tree(None, 8) == 8


def test_sweeps_end(frame):
    """A wide tolerance ends it after one sweep; none, when differences grow, and that sweep is undone."""
    holed = cut(*frame)
    wide = RandomForestImputer(3, tol=1e9, random_state=0).fit(holed)
    strict = RandomForestImputer(3, tol=0.0, max_iter=25, random_state=0).fit(holed)
    few = RandomForestImputer(3, tol=0.0, max_iter=strict.n_iter_, random_state=0).fit(holed)

    assert (wide.n_iter_, len(wide.changes_)) == (1, 1)
    assert has_grown(*strict.changes_[-1:-3:-1]) or is_stable(strict.changes_[-1], 0.0)
    assert len(strict.changes_) - strict.n_iter_ in (0, 1)
    pd.testing.assert_frame_equal(few.transform(holed), strict.transform(holed))


def test_random_state(frame):
    """One seed gives one imputation; another seed gives another."""
    holed = cut(*frame)[["age", "crp"]].astype(float)
    first, same, other = (
        RandomForestImputer(5, max_iter=2, random_state=seed).fit_transform(holed) for seed in (3, 3, 4)
    )

    pd.testing.assert_frame_equal(first, same)
    assert not np.allclose(first, other)


@pytest.mark.uses_global_state(reason="scikit-learn's forests swap the filters of warnings in their threads")
def test_several_jobs_give_what_one_gives(frame):
    """The number of jobs changes nothing but the time."""
    holed = cut(*frame)[["age", "crp"]].astype(float)
    one, two = (
        RandomForestImputer(5, max_iter=2, random_state=3, n_jobs=n_jobs).fit_transform(holed)
        for n_jobs in (None, 2)
    )

    np.testing.assert_allclose(one, two, rtol=1e-6)


def test_verbose_tells_of_each_sweep(frame, capsys):
    """verbose=1 prints a line a sweep, verbose=0 nothing."""
    holed = cut(*frame)
    RandomForestImputer(2, max_iter=2, tol=0, random_state=0).fit(holed)
    assert capsys.readouterr().out == ""
    RandomForestImputer(2, max_iter=2, tol=0, random_state=0, verbose=1).fit(holed)

    assert capsys.readouterr().out.count("[RandomForestImputer] sweep") == 2


# --- inside the house -----------------------------------------------------------------------------


def test_inside_a_modality_transformer(frame, imputer):
    """Holes of a table are filled among the rows that are there; a modality that is missing stays missing."""
    whole, mask = frame
    holed = cut(whole, mask)
    holed.iloc[:10] = None
    rng = np.random.default_rng(0)
    X = ModalityDict({"clinical": holed, "rna": pd.DataFrame(rng.normal(size=(N, 3)), index=holed.index)})
    out = ModalityTransformer({"clinical": imputer}).fit_transform(X)

    assert out.is_present("clinical").tolist() == [False] * 10 + [True] * (N - 10)
    assert not out["clinical"][10:].isna().any(axis=None)
    assert out.feature_names["clinical"].tolist() == whole.columns.tolist()


def test_before_encoding_and_a_classifier(frame, imputer):
    """It leads a pipeline of scikit-learn."""
    whole, mask = frame
    y = (whole["crp"] > 1).to_numpy()
    model = make_pipeline(imputer, OneHotEncoder(handle_unknown="ignore"), LogisticRegression())

    assert model.fit(cut(whole, mask), y).score(cut(whole, mask), y) > 0.9


def test_as_good_as_imputation_of_encoded_columns(frame, imputer):
    """Coding by hand and the mode do worse than the imputer on the column of categories."""
    whole, mask = frame
    holed = cut(whole, mask)
    coded = OrdinalEncoder().fit_transform(holed[["grade"]].astype(object).fillna(np.nan))
    mode = SimpleImputer(strategy="most_frequent").fit_transform(coded)[:, 0]
    truth = OrdinalEncoder().fit_transform(whole[["grade"]].astype(object))[:, 0]
    here = mask[:, 2]
    ours = imputer.fit_transform(holed)["grade"]

    assert (ours == whole["grade"])[here].mean() > (mode == truth)[here].mean()


# --- errors ---------------------------------------------------------------------------------------


def test_sparse_tables_are_refused():
    """The message says what a sparse matrix does not store, and what to do."""
    with pytest.raises(TypeError, match=r"Sparse data was passed.*toarray"):
        RandomForestImputer().fit(sp.csr_array(np.eye(3)))


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"n_estimators": 0}, "'n_estimators' parameter of RandomForestImputer must be an int"),
        ({"max_samples": 1.5}, "'max_samples' parameter"),
        ({"tol": -1.0}, "'tol' parameter"),
        ({"max_features": "all"}, "'max_features' parameter .* must be 'sqrt' or 'log2'"),
    ],
)
def test_parameters_out_of_range(params, match):
    """A parameter out of range is named, with what is allowed."""
    with pytest.raises(ValueError, match=match):
        RandomForestImputer(**params).fit([[1.0], [2.0]])


def test_values_that_are_neither_numbers_nor_names():
    """Dates, dicts and infinities are refused by column."""
    dates = pd.DataFrame({"when": pd.to_datetime(["2020-01-01", None])})
    with pytest.raises(TypeError, match=r"Column 'when' holds Timestamp"):
        RandomForestImputer().fit(dates)
    with pytest.raises(ValueError, match=r"Column 'crp' contains infinity in 1 rows"):
        RandomForestImputer().fit(pd.DataFrame({"crp": [np.inf, 1.0]}))
    imputer = RandomForestImputer(2).fit(pd.DataFrame({"crp": [2.0, 1.0]}))
    with pytest.raises(ValueError, match=r"Column 'crp' held numbers in fit"):
        imputer.transform(pd.DataFrame({"crp": ["high", "low"]}))
    with pytest.raises(ValueError, match=r"minimum of 1 is required by RandomForestImputer"):
        RandomForestImputer().fit(pd.DataFrame({"crp": []}))


def test_codes_of_a_column():
    """Categories are numbered by frequency, then by first appearance; an unseen one gets the next number."""
    code = ColumnCode.learn(np.array(["b", "a", "c", "a", None], dtype=object), "x", categorical=True)
    column = np.array(["c", "a", None, "new"], dtype=object)

    assert code.categories.tolist() == ["a", "b", "c"]
    assert code.encode(column, np.array([False, False, True, False])).tolist() == [2, 0, 0, 3]
    assert code.decode(np.array([1.0, 2.0])).tolist() == ["b", "c"]
