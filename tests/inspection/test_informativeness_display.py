"""Informativeness: which features are drawn, in which order, over which samples, by which names."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skmm import ModalityDict
from skmm.compose import ModalityTransformer
from skmm.fusion import MMDynamicsClassifier
from skmm.inspection import FeatureInformativenessDisplay


def test_highest_and_lowest_features_by_name(mixed, known, drawn):
    """Rows are the highest, then the lowest means, by name; bars are the deviation over present samples."""
    X, y = mixed
    values = pd.DataFrame(X["rna"], columns=X.feature_names["rna"])[X.is_present("rna")]
    expected = values.agg(["mean", "std"]).T.sort_values("mean", ascending=False)

    display = FeatureInformativenessDisplay.from_estimator(known.fit(X, y), X, n_features=2)

    axes = display.axes_[0]
    ends = expected.iloc[[0, 1, 3, 4]]
    assert drawn.labels(axes) == list(ends.index)
    np.testing.assert_allclose(drawn.means(axes), ends["mean"])
    np.testing.assert_allclose(drawn.half_bars(axes), ends["std"])
    assert [text.get_text() for text in axes.texts] == ["1 between"]
    assert axes.get_xlabel() == "informativeness\nmean ± std of 4 samples"
    pd.testing.assert_frame_equal(
        display.summary_["rna"][["mean", "std"]],
        expected,
        check_names=False,
        check_index_type=False,
        check_column_type=False,
    )


def test_a_small_table_is_shown_whole(mixed, known, drawn):
    """With no more features than asked for nothing is left out, and a dollar sign stays one."""
    X, y = mixed
    display = FeatureInformativenessDisplay.from_estimator(known.fit(X, y), X, modalities="clinical")

    assert len(display.axes_) == 1
    assert sorted(drawn.labels(display.axes_[0])) == ["$dose$", "age"]
    assert not display.axes_[0].texts
    display.figure_.canvas.draw()  # as a formula it would lose its signs, half of one would be an error


def test_missing_samples_change_nothing(mixed, known, drawn):
    """Whatever an absent entry holds, the means are those of the samples that have the modality."""
    X, y = mixed
    informativeness = known.fit(X, y).feature_informativeness(X)
    spoiled = {name: values.copy() for name, values in informativeness.items()}
    spoiled["rna"][~X.is_present("rna")] = 100.0

    with_x = FeatureInformativenessDisplay.from_predictions(spoiled, X, modalities="rna")
    without_x = FeatureInformativenessDisplay.from_predictions(informativeness, modalities="rna")

    np.testing.assert_allclose(drawn.means(with_x.axes_[0]), drawn.means(without_x.axes_[0]))
    assert (with_x.summary_["rna"]["n"] == 4).all()
    assert (without_x.summary_["rna"]["n"] == 4).all()
    assert without_x.axes_[0].get_title() == "rna\nfeatures by position"


def test_maps_lie_over_their_images(mixed, known, drawn):
    """Each map is that of the sample named above it, over its image, in one scale."""
    X, y = mixed
    display = FeatureInformativenessDisplay.from_estimator(
        known.fit(X, y), X, y, modalities="scan", samples=3, mean=True
    )

    rows = display.rows_["scan"]
    assert rows.tolist() == [4, 1, 2]  # of class a, of class b, and no second one of a
    titles = [axes.get_title() for axes in display.axes_]
    assert titles == ["a", "b", "b", "mean of 4"]
    for axes, row in zip(display.axes_[:3], rows, strict=True):
        np.testing.assert_allclose(np.asarray(axes.images[0].get_array()), X["scan"][row])
        np.testing.assert_allclose(drawn.map(axes), X["scan"][row])
        assert axes.images[1].get_alpha() == 0.6
    present = X["scan"][X.is_present("scan")]
    np.testing.assert_allclose(drawn.map(display.axes_[3]), present.mean(axis=0))
    shown = X["scan"][rows]
    assert {axes.images[-1].get_clim() for axes in display.axes_} == {(shown.min(), shown.max())}
    bar = next(axes for axes in display.figure_.get_axes() if axes not in display.axes_)
    assert bar.get_ylabel() == "informativeness\n(scan)"


def test_samples_limits_and_originals_are_as_asked(mixed, known, drawn):
    """Rows given are shown, the image alone above its map, in the colours asked for."""
    X, y = mixed
    display = FeatureInformativenessDisplay.from_estimator(
        known.fit(X, y), X, modalities="scan", samples=[5, -2], limits=(0, 2), alpha=0.3, originals=True
    )

    assert display.rows_["scan"].tolist() == [5, 4]
    assert [axes.get_title() for axes in display.axes_] == ["row 5", "row 4", "", ""]
    assert [len(axes.images) for axes in display.axes_] == [1, 1, 2, 2]
    np.testing.assert_allclose(drawn.map(display.axes_[2]), X["scan"][5])
    assert display.axes_[3].images[1].get_clim() == (0, 2)
    assert display.axes_[3].images[1].get_alpha() == 0.3


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 1), (8, 8, 3), (8, 8, 4)])
def test_images_of_every_type_are_drawn(dtype, shape):
    """Grey and colour images of any type lie in [0, 1] under their maps, as grey."""
    rng = np.random.default_rng(0)
    images = (rng.uniform(0.2, 1, (2, *shape)) * (1000 if dtype != np.uint8 else 255)).astype(dtype)
    maps = {"scan": rng.uniform(size=(2, 8, 8))}

    display = FeatureInformativenessDisplay.from_predictions(
        maps, {"scan": images}, samples=2, originals=True
    )

    for axes in display.axes_:
        under = np.asarray(axes.images[0].get_array())
        assert under.min() >= 0
        assert 0.5 < under.max() <= 1
    assert np.asarray(display.axes_[2].images[0].get_array()).shape == (8, 8)
    display.figure_.canvas.draw()


def test_large_images_are_thinned_out(drawn):
    """Of a large image no more pixels are drawn than a panel has, in its place and true size."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (1, 100, 1700, 3), dtype=np.uint8)
    maps = rng.uniform(size=(1, 100, 1700))

    display = FeatureInformativenessDisplay.from_predictions({"scan": maps}, {"scan": images}, originals=True)

    original, over = display.axes_
    np.testing.assert_allclose(np.asarray(original.images[0].get_array()), images[0, ::3, ::3] / 255)
    np.testing.assert_allclose(drawn.map(over), maps[0, ::3, ::3])
    for image in (*original.images, *over.images):
        assert image.get_extent() == [-0.5, 1699.5, 99.5, -0.5]
    assert over.get_ylim() == (99.5, -0.5)


def texts_collide(axes):
    """Whether titles of panels overlap one another, or leave the figure."""
    figure = axes[0].figure
    figure = getattr(figure, "figure", None) or figure
    figure.canvas.draw()
    texts = [panel.title for panel in axes if panel.get_title()]
    texts += [panel.yaxis.label for panel in figure.get_axes() if panel not in axes]
    boxes = [text.get_window_extent() for text in texts]
    apart = all(not a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    inside = all(b.x0 >= 0 and b.y0 >= 0 and b.x1 <= figure.bbox.x1 and b.y1 <= figure.bbox.y1 for b in boxes)
    return not (apart and inside)


@pytest.mark.parametrize("depth", [0, 0.002])
def test_flat_maps_look_flat(depth):
    """Colours span 0.1 at least: of maps that hardly vary the small differences are no picture."""
    maps = 0.3 + depth * np.random.default_rng(0).uniform(size=(2, 8, 8))

    display = FeatureInformativenessDisplay.from_predictions({"scan": maps})

    for axes in display.axes_:
        low, high = axes.images[-1].get_clim()
        assert high - low == pytest.approx(0.1)
        assert (low + high) / 2 == pytest.approx((maps.min() + maps.max()) / 2)


@pytest.mark.parametrize("n_samples", [1, 13])
@pytest.mark.parametrize("shape", [(8, 24), (24, 8)])
@pytest.mark.parametrize("originals", [False, True])
def test_maps_of_many_samples_take_rows(n_samples, shape, originals, drawn):
    """No more than ten maps share a row, titles keep apart, and the label of the bar is whole."""
    maps = np.random.default_rng(0).uniform(size=(n_samples, *shape))
    ids = [f"erythroid progenitor of patient {i}" for i in range(n_samples)]

    display = FeatureInformativenessDisplay.from_predictions(
        {"bone-marrow microscopy": maps}, {"bone-marrow microscopy": maps}, ids, samples=n_samples,
        originals=originals,
    )  # fmt: skip

    assert not texts_collide(display.axes_)
    starts = [axes.get_subplotspec().colspan.start for axes in display.axes_]
    assert starts == [i % 10 for i in range(n_samples)] * (1 + originals)
    for axes, row in zip(display.axes_[-n_samples:], display.rows_["bone-marrow microscopy"], strict=True):
        np.testing.assert_allclose(drawn.map(axes), maps[row])


@pytest.mark.parametrize("n_samples", [1, 6])
def test_a_modality_that_no_sample_has_says_so(mixed, known, n_samples):
    """Nothing is drawn for it, and the others are drawn as ever."""
    X, y = mixed
    nothing = {name: np.zeros(n_samples, dtype=bool) for name in ("rna", "scan")}
    model, X = known.fit(X, y), ModalityDict(X[:n_samples], present=nothing)

    display = FeatureInformativenessDisplay.from_estimator(model, X, mean=True, samples=2)

    texts = [[text.get_text() for text in axes.texts] for axes in display.axes_]
    assert texts == [["no sample has it"], [], ["scan: no sample has it"]]
    assert len(display.axes_[1].containers) == 1
    display.figure_.canvas.draw()


def test_panels_of_the_caller(mixed, known):
    """Axes of the caller's are used in order; a wrong number of them is refused."""
    X, y = mixed
    model = known.fit(X, y)
    figure, axes = plt.subplots(2, 2)

    display = FeatureInformativenessDisplay.from_estimator(model, X, samples=2, ax=axes)

    assert display.axes_ == list(axes.ravel())
    assert display.figure_ is figure
    with pytest.raises(ValueError, match="draws 4 panels, so ax must hold 4 Axes. Got 1 instead"):
        FeatureInformativenessDisplay.from_estimator(model, X, samples=2, ax=axes[0, 0])


def test_a_pipeline_keeps_the_names_that_its_steps_tell(mixed, known, drawn):
    """Names are those that come out of the steps before the model; where there are none, the plot says so."""
    X, y = mixed
    X = X[["rna", "clinical"]]
    keep = ModalityTransformer({"rna": StandardScaler()})
    lose = ModalityTransformer({"rna": FunctionTransformer(np.negative)})

    named = FeatureInformativenessDisplay.from_estimator(make_pipeline(keep, known).fit(X, y), X)
    unnamed = FeatureInformativenessDisplay.from_estimator(make_pipeline(lose, known).fit(X, y), X)

    assert set(drawn.labels(named.axes_[0])) == set(X.feature_names["rna"])
    assert named.axes_[0].get_title() == "rna"
    assert drawn.labels(unnamed.axes_[0])[0] == str(np.argmin(X["rna"][X.is_present("rna")].mean(axis=0)))
    assert unnamed.axes_[0].get_title() == "rna\nfeatures by position:\nthe steps before tell no names"
    assert set(drawn.labels(unnamed.axes_[1])) == {"age", "$dose$"}
    given = FeatureInformativenessDisplay.from_estimator(
        make_pipeline(lose, known).fit(X, y), X, feature_names={"rna": list("abcde")}
    )
    assert set(drawn.labels(given.axes_[0])) == set("abcde")


@pytest.mark.parametrize("wrap", [lambda m: m, lambda m: make_pipeline(StandardScaler(), m)])
def test_one_table_keeps_its_columns(known, drawn, wrap):
    """A bare DataFrame's names reach the plot, also through a scaler that returns an array."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.uniform(size=(20, 3)), columns=["age", "dose", "weight"])
    y = np.arange(20) % 2

    display = FeatureInformativenessDisplay.from_estimator(wrap(known).fit(table, y), table)

    assert set(drawn.labels(display.axes_[0])) == {"age", "dose", "weight"}
    arrays = FeatureInformativenessDisplay.from_estimator(
        wrap(known).fit(table.to_numpy(), y), table.to_numpy()
    )
    assert set(drawn.labels(arrays.axes_[0])) == {"0", "1", "2"}


def test_a_real_model_in_a_search(make_modalities):
    """The gates of MM dynamics are drawn, of the model that a search has chosen."""
    X, y, _ = make_modalities(["dense", "sparse"])
    search = GridSearchCV(MMDynamicsClassifier(8, max_epochs=2, random_state=0), {"hidden": [4]}, cv=2).fit(
        X, y
    )

    display = FeatureInformativenessDisplay.from_estimator(search, X)

    gates = search.best_estimator_.feature_informativeness(X)
    for name in X:
        own = gates[name][X.is_present(name)].mean(axis=0)
        np.testing.assert_allclose(display.summary_[name]["mean"].sort_index(), own, rtol=1e-6)


def test_labels_are_within_the_figure(drawn):
    """Names of any length are cut in their middle, and no panel is squeezed by them."""
    names = [f"{'a long name of a clinical variable ' * 4}{i}" for i in range(30)]
    values = {"clinical": np.random.default_rng(0).uniform(size=(5, 30))}
    axes = FeatureInformativenessDisplay.from_predictions(values, feature_names={"clinical": names}).axes_[0]
    axes.figure.canvas.draw()

    assert all(len(label) == 40 and "…" in label for label in drawn.labels(axes))
    assert all(label.get_window_extent().x0 >= 0 for label in axes.get_yticklabels())
    assert axes.get_window_extent().width > 200


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"modalities": "mri"}, r"modalities must be among \['rna', 'clinical', 'scan'\]. Got 'mri'"),
        ({"modalities": []}, "modalities must be among"),
        ({"n_features": 0}, "n_features must be an int of at least 1. Got 0"),
        ({"samples": 0}, "samples must be at least 1"),
        ({"samples": "all"}, "samples must be a number of samples or a list of rows"),
        ({"samples": [7]}, r"samples must be rows of the 6 samples. Got \[7\]"),
        ({"samples": [0, 1]}, r"Rows \[0\] of samples lack the modality"),
        ({"limits": (1, 0)}, "limits must be two numbers, the lower one first"),
        ({"limits": 3}, "limits must be two numbers, the lower one first. Got 3"),
        ({"y": ["a"]}, "y must have a label for each of 6 samples. Got 1"),
        ({"feature_names": {"rna": ["a"]}}, "a name for each of 5 features. Got 1"),
        ({"feature_names": {"mri": ["a"]}}, r"feature_names must be of .* Got \['mri'\]"),
    ],
)
def test_wrong_options_are_refused(mixed, known, options, message):
    """Messages say what was expected."""
    X, y = mixed
    with pytest.raises(ValueError, match=message):
        FeatureInformativenessDisplay.from_estimator(known.fit(X, y), X, **options)


def test_wrong_estimators_are_refused(mixed, known):
    """Models without the method, and those that are not fitted, are errors that say what to use."""
    X, y = mixed
    with pytest.raises(
        ValueError, match="needs an estimator with the method feature_informativeness, as MMDyn"
    ):
        FeatureInformativenessDisplay.from_estimator(
            make_pipeline(LogisticRegression()).fit(np.eye(2), [0, 1]), X
        )
    unfitted = [known, make_pipeline(ModalityTransformer({}), known), GridSearchCV(known, {})]
    for model in unfitted:
        with pytest.raises(NotFittedError, match="not fitted yet"):
            FeatureInformativenessDisplay.from_estimator(model, X)
    model = MMDynamicsClassifier(2, feature_gate=None, max_epochs=1).fit(X[["clinical"]], y)
    with pytest.raises(ValueError, match=r"needs gates. Got feature_gate=None"):
        FeatureInformativenessDisplay.from_estimator(model, X[["clinical"]])
    with pytest.raises(ValueError, match="X must hold modality 'other'"):
        FeatureInformativenessDisplay.from_predictions({"other": np.ones((6, 2))}, X)
    with pytest.raises(ValueError, match=r"must have shape \(n_samples, n_features\)"):
        FeatureInformativenessDisplay.from_predictions({"rna": np.ones(6)}, X)
    with pytest.raises(ValueError, match="X must have as many samples as 'rna' has rows, 5. Got 6"):
        FeatureInformativenessDisplay.from_predictions({"rna": np.ones((5, 5))}, X)


def test_matplotlib_is_asked_for_at_use(mixed, known, monkeypatch):
    """Without matplotlib the error names the extra that brings it."""
    X, y = mixed
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.pyplot", None)

    with pytest.raises(ImportError, match=r"InformativenessDisplay needs .* pip install \"skmm\[explain\]\""):
        FeatureInformativenessDisplay.from_estimator(known.fit(X, y), X)
