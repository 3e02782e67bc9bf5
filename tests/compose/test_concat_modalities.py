"""ConcatModalities: modalities -> one table, with what is missing filled in."""

import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from skmm import BagArray, ModalityDict
from skmm.compose import ConcatModalities, ModalityTransformer
from skmm.containers import LazyArray
from skmm.exceptions import MissingModalityError, NoModalityWarning

NAN = np.nan
RAGGED = {"xray": [np.ones((2, 2), np.uint8), np.ones((3, 2), np.uint8)]}


@pytest.fixture(name="X")
def _make_X():
    """Four samples: a table that one lacks, a DataFrame that another lacks, and images."""
    return ModalityDict(
        {
            "rna": np.array([[1.0, 2.0], [NAN, NAN], [3.0, 6.0], [5.0, 1.0]]),
            "clinical": pd.DataFrame(
                {"age": [40.0, 50.0, 60.0, NAN], "bmi": [20.0, 22.0, 24.0, NAN]}, index=list("abcd")
            ),
            "xray": np.arange(16, dtype=np.uint8).reshape(4, 2, 2),
        }
    )


def test_missing_modalities_get_the_mean_of_the_present_training_rows(X):
    """Values stand side by side; what is missing has the column's mean over the samples that have it."""
    out = ConcatModalities().fit_transform(X)

    np.testing.assert_array_equal(
        out,
        [
            [1, 2, 40, 20, 0, 1, 2, 3],
            [3, 3, 50, 22, 4, 5, 6, 7],
            [3, 6, 60, 24, 8, 9, 10, 11],
            [5, 1, 50, 22, 12, 13, 14, 15],
        ],
    )


def test_fill_values_are_those_of_fit(X):
    """New samples are filled by the training means, whatever they hold; absent keys are filled throughout."""
    concat = ConcatModalities().fit(X)
    alone = concat.transform({"rna": np.array([[7.0, 7.0], [NAN, NAN]])})

    np.testing.assert_array_equal(alone, [[7, 7, 50, 22, 6, 7, 8, 9], [3, 3, 50, 22, 6, 7, 8, 9]])
    np.testing.assert_array_equal(concat.fill_values_["clinical"], [50, 22])


def test_a_sample_without_any_modality_is_filled(X):
    """No output is ever NaN."""
    X = X[["rna", "clinical"]]
    nothing = ModalityDict({"rna": np.full((1, 2), NAN)})

    np.testing.assert_array_equal(ConcatModalities().fit(X).transform(nothing), [[3, 3, 50, 22]])


@pytest.mark.parametrize(("missing", "expected"), [(0, 0.0), (-1.5, -1.5), (NAN, NAN)])
def test_a_number_or_nan_on_request(X, missing, expected):
    """``missing`` is what stands for a missing modality."""
    out = ConcatModalities(missing=missing).fit_transform(X)

    np.testing.assert_array_equal(out[1, :2], [expected] * 2)
    np.testing.assert_array_equal(out[3, 2:4], [expected] * 2)
    np.testing.assert_array_equal(out[0, :4], [1, 2, 40, 20])


def test_values_of_absent_entries_have_no_influence():
    """A mask rules out what stands in the array, NaN and infinities too."""
    values, mask = np.array([[1.0, 2.0], [NAN, np.inf], [3.0, 4.0]]), {"a": np.array([True, False, True])}
    out = ConcatModalities().fit_transform(ModalityDict({"a": values}, present=mask))

    np.testing.assert_array_equal(out, [[1, 2], [2, 3], [3, 4]])


def test_order_is_that_of_fit(X):
    """The order of modalities at transform does not matter."""
    concat = ConcatModalities().fit(X)

    np.testing.assert_array_equal(concat.transform(X[["xray", "clinical", "rna"]]), concat.transform(X))


# --- sparse, types, lazy ---------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [sp.csr_array, sp.csc_array, sp.csr_matrix])
def test_sparse_where_a_part_is_sparse(form):
    """Sparse parts are filled with 0, dense ones with their mean; values equal those of the dense way."""
    counts = form(np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 3.0]]))
    X = ModalityDict(
        {"atac": counts, "age": np.array([[40.0], [50.0], [NAN]])},
        present={"atac": np.array([True, False, True])},
    )
    concat = ConcatModalities().fit(X)
    out = concat.transform(X)

    assert sp.issparse(out)
    assert out.format == "csr"
    assert isinstance(out, sp.sparray) == issubclass(form, sp.sparray)
    np.testing.assert_array_equal(out.toarray(), [[1, 0, 40], [0, 0, 50], [0, 3, 45]])
    np.testing.assert_array_equal(concat.transform({"age": np.array([[1.0]])}).toarray(), [[0, 0, 1]])
    assert sp.issparse(concat.transform({"atac": np.array([[1.0, 2.0]])}))


@pytest.mark.parametrize("missing", [2.0, NAN])
def test_sparse_parts_take_a_number_on_request(missing):
    """A number or NaN stands for missing rows of sparse tables too."""
    X = ModalityDict(
        {"atac": sp.csr_array(np.array([[1.0, 0.0], [0.0, 0.0]]))}, present={"atac": np.array([True, False])}
    )
    out = ConcatModalities(missing=missing).fit_transform(X)

    np.testing.assert_array_equal(out.toarray(), [[1, 0], [missing, missing]])


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("f4", "f4", "f4"),
        ("f4", "f8", "f8"),
        ("f4", "u1", "f4"),
        ("i8", "i8", "f8"),
        ("u1", "u1", "f8"),
        ("f2", "f2", "f4"),
        ("f4", "i8", "f8"),
    ],
)
def test_data_types(first, second, expected):
    """float32 stays where float32 holds all parts, and is it also where a modality is absent."""
    X = {"a": np.ones((2, 1), first), "b": np.ones((2, 1), second)}
    concat = ConcatModalities().fit(X)

    assert concat.transform(X).dtype == np.dtype(expected)
    assert concat.transform({"a": X["a"]}).dtype == np.dtype(expected)


def test_float32_frames_stay_float32():
    """Also in DataFrames."""
    frame = pd.DataFrame({"a": np.ones(2, np.float32), "b": np.ones(2, np.float32)})

    assert ConcatModalities().fit_transform({"t": frame}).dtype == np.float32


def test_lazy_images_are_read_in_parts(tmp_path, monkeypatch):
    """A memory map gives what the array in memory gives, without being read at once."""
    images = np.random.default_rng(0).integers(0, 255, (10, 3, 4), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    mapped = ModalityDict(
        {"xray": np.load(tmp_path / "images.npy", mmap_mode="r")}, present={"xray": np.arange(10) != 2}
    )
    assert isinstance(mapped["xray"], LazyArray)
    monkeypatch.setattr("skmm.compose._concat_modalities.CHUNK", 4)
    read = []
    get = LazyArray.__getitem__
    monkeypatch.setattr(
        LazyArray, "__getitem__", lambda self, rows: read.append(len(rows)) or get(self, rows)
    )
    out = ConcatModalities().fit_transform(mapped)
    kept = np.delete(images, 2, axis=0).reshape(9, -1)

    np.testing.assert_allclose(np.delete(out, 2, axis=0), kept)
    np.testing.assert_allclose(out[2], kept.mean(axis=0))
    assert max(read) == 4


def test_colour_images_and_volumes_are_flattened():
    """Names tell the place of each value."""
    X = {
        "photo": np.arange(12, dtype=np.uint8).reshape(2, 1, 2, 3),
        "mri": np.arange(4.0).reshape(2, 2, 1, 1, 1),
    }
    concat = ConcatModalities().fit(X)

    np.testing.assert_array_equal(concat.transform(X)[1], [6, 7, 8, 9, 10, 11, 2, 3])
    assert list(concat.get_feature_names_out()[[0, 5, 7]]) == ["photo__0_0_0", "photo__0_1_2", "mri__1_0_0_0"]


# --- names, output, presence ------------------------------------------------------------------------------


def test_names_and_dataframes_out(X):
    """Names have the modality's as prefix; DataFrames, asked for here or globally, keep the sample ids."""
    concat = ConcatModalities().fit(X)
    names = [
        "rna__x0",
        "rna__x1",
        "clinical__age",
        "clinical__bmi",
        "xray__0_0",
        "xray__0_1",
        "xray__1_0",
        "xray__1_1",
    ]
    expected = concat.transform(X)
    own = clone(concat).set_output(transform="pandas").fit_transform(X)
    with sklearn.config_context(transform_output="pandas"):
        everywhere = concat.transform(X)

    assert list(concat.get_feature_names_out()) == names
    for frame in (own, everywhere):
        assert list(frame.columns) == names
        assert list(frame.index) == list("abcd")
        np.testing.assert_array_equal(frame.to_numpy(), expected)


def test_names_of_genes_of_a_sparse_matrix_are_kept():
    """Names given to the container are those that come out."""
    X = ModalityDict({"rna": sp.eye_array(2, format="csr")}, feature_names={"rna": ["GAPDH", "TP53"]})

    assert list(ConcatModalities().fit(X).get_feature_names_out()) == ["rna__GAPDH", "rna__TP53"]


def test_names_through_a_pipeline(X):
    """The names of the transformers inside come out at the end."""
    pipe = make_pipeline(
        ModalityTransformer({"rna": StandardScaler(), "xray": "drop"}), ConcatModalities()
    ).fit(X)

    assert list(pipe.get_feature_names_out()) == ["rna__x0", "rna__x1", "clinical__age", "clinical__bmi"]


def test_one_table_keeps_its_own_names():
    """Without a mapping there is no prefix."""
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    concat = ConcatModalities().fit(frame)

    assert list(concat.get_feature_names_out()) == ["a", "b"]
    assert list(concat.feature_names_in_) == ["a", "b"]
    assert concat.n_features_in_ == 2
    assert list(ConcatModalities().fit(frame.to_numpy()).get_feature_names_out(["u", "v"])) == ["u", "v"]


@pytest.mark.parametrize("sparse", [False, True])
def test_presence_columns(sparse):
    """On request, each modality adds a column that is 1 where it is present."""
    a = np.array([[1.0], [2.0]])
    X = ModalityDict(
        {"a": sp.csr_array(a) if sparse else a, "b": np.array([[NAN], [4.0]])},
        present={"a": np.array([True, False])},
    )
    concat = ConcatModalities(missing=0, add_presence=True).fit(X)
    out = concat.transform(X)

    np.testing.assert_array_equal(out.toarray() if sparse else out, [[1, 0, 1, 0], [0, 4, 0, 1]])
    assert list(concat.get_feature_names_out()) == ["a__x0", "b__x0", "a__present", "b__present"]


# --- what is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("modalities", "message"),
    [
        ({"note": ["a", "b"]}, "ConcatModalities takes .*'note', which is of kind 'text': .*TfidfVectorizer"),
        ({"ct": BagArray(np.ones((2, 3)), [0, 1, 2])}, "'ct', which is of kind 'bag': pool"),
        (
            {"t": pd.DataFrame({"age": [1, 2], "sex": ["f", "m"]})},
            "'t' must be numeric here, but column 'sex' .*OneHotEncoder",
        ),
        (
            {"rna": np.array([[1.0, NAN], [1.0, 2.0]])},
            r"'rna' contains NaN in a part of 1 rows \(0\).*SimpleImputer",
        ),
        ({"rna": np.array([[1.0, 1.0], [np.inf, 2.0]])}, r"'rna' contains infinity in 1 rows \(1\)"),
        (ModalityDict(RAGGED, kinds={"xray": "image"}), "'xray' holds images of different sizes"),
    ],
)
def test_what_is_no_numbers_is_refused(modalities, message):
    """Each message names the modality and what to use."""
    with pytest.raises(ValueError, match=message):
        ConcatModalities().fit(modalities)


def test_infinities_of_both_signs_and_large_numbers_raise_no_other_warning():
    """The sum of large numbers may overflow; only infinities are refused."""
    with pytest.raises(ValueError, match=r"'rna' contains infinity in 1 rows \(0\)"):
        ConcatModalities().fit({"rna": np.array([[np.inf, -np.inf], [1.0, 2.0]])})
    large = np.full((4, 2), 3e38, dtype=np.float32)

    np.testing.assert_array_equal(ConcatModalities().fit_transform({"rna": large}), large)


def test_bad_rows_at_transform_are_named(X):
    """NaN and infinities are found at transform too, by the rows of the data that came."""
    concat = ConcatModalities().fit(X)

    with pytest.raises(ValueError, match=r"'rna' contains NaN in a part of 1 rows \(2\)"):
        concat.transform({"rna": np.array([[NAN, NAN], [1.0, 1.0], [NAN, 1.0]])})
    with pytest.raises(ValueError, match="'rna' has 3 features, but it had 2"):
        concat.transform({"rna": np.ones((1, 3))})
    with pytest.raises(ValueError, match="'xray' holds images of different sizes"):
        concat.transform(RAGGED)
    with pytest.raises(ValueError, match="'mri' as well"):
        concat.transform({"mri": np.ones((1, 3))})


def test_partly_nan_rows_pass_where_nan_is_wanted():
    """With ``missing=NaN`` holes go to classifiers that take them; infinities never do."""
    rng = np.random.default_rng(0)
    rna = rng.normal(size=(60, 3))
    y = (rna[:, 0] > 0).astype(int)
    rna[::5, 1], rna[::7] = NAN, NAN
    X = {"rna": rna}
    pipe = make_pipeline(ConcatModalities(missing=NAN), DecisionTreeClassifier(max_depth=3, random_state=0))

    np.testing.assert_array_equal(pipe[0].fit_transform(X), rna)
    assert pipe.fit(X, y).score(X, y) > 0.85
    rna[1, 1] = np.inf
    with pytest.raises(ValueError, match=r"infinity in 1 rows \(1\)"):
        ConcatModalities(missing=NAN).fit({"rna": rna})


@pytest.mark.parametrize("missing", ["median", None, True, np.inf, [0.0]])
def test_missing_is_checked(X, missing):
    """Only "mean", finite numbers and NaN."""
    with pytest.raises(ValueError, match="missing must be 'mean', a finite number or NaN. Got"):
        ConcatModalities(missing=missing).fit(X)


def test_a_modality_that_no_training_sample_has_is_left_out():
    """It has no columns, also when it comes later; with nothing at all there is nothing to fit."""
    X = {"rna": np.eye(2), "pet": np.full((2, 3), NAN)}
    with pytest.warns(
        NoModalityWarning, match="'pet' is missing for every sample: ConcatModalities leaves it out"
    ):
        concat = ConcatModalities().fit(X)

    assert concat.transform({**X, "pet": np.ones((2, 3))}).shape == (2, 2)
    with pytest.warns(NoModalityWarning), pytest.raises(MissingModalityError):
        ConcatModalities().fit({"pet": X["pet"]})


def test_encoded_categories_concatenate():
    """What the error on strings recommends works."""
    X = {"t": pd.DataFrame({"sex": ["f", "m", None]}), "rna": np.eye(3)}
    pipe = make_pipeline(ModalityTransformer({"t": OneHotEncoder()}), ConcatModalities())

    np.testing.assert_array_equal(pipe.fit_transform(X).toarray()[:, :2], [[1, 0], [0, 1], [0, 0]])


def test_nothing_of_the_callers_changes_and_pickles_are_alike(X):
    """Inputs stay as they were; a pickle transforms alike."""
    kept = pickle.loads(pickle.dumps(X))
    concat = ConcatModalities(missing=NAN).fit(X)

    np.testing.assert_array_equal(pickle.loads(pickle.dumps(concat)).transform(X), concat.transform(X))
    assert kept == X


@pytest.mark.uses_global_state("scikit-learn's checks set NumPy's seed")
@parametrize_with_checks(
    [ConcatModalities(), ConcatModalities(missing=0.0, add_presence=True), ConcatModalities(missing=NAN)]
)
def test_check_estimator(estimator, check):
    """All of scikit-learn's checks pass, none is expected to fail."""
    check(estimator)
