"""TrainingHistoryDisplay draws what nets recorded, alone, in Pipelines and over folds."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmm.compose import ModalityTransformer
from skmm.fusion import MMStaticClassifier
from skmm.model_selection import TrainingHistoryDisplay, compare_estimators
from skmm.model_selection._history_display import history_frame


@pytest.fixture
def net():
    """A Pipeline that ends in a small net with a validation split."""
    prepare = ModalityTransformer({}, remainder=StandardScaler())
    return make_pipeline(prepare, MMStaticClassifier(4, max_epochs=3, early_stopping=True, random_state=0))


def lines_of(axes):
    """Lines by label."""
    return {line.get_label(): line.get_ydata() for line in axes.lines}


def test_a_fitted_pipeline_is_drawn(study, net):
    """Loss and accuracy are the columns of history_, and "duration" is no metric."""
    X, y = study
    net.fit(X, y)

    display = TrainingHistoryDisplay.from_estimator(net, name="static")

    assert [axes.get_ylabel() for axes in display.axes_] == ["loss", "accuracy"]
    history = net[-1].history_
    drawn = lines_of(display.axes_[0])
    np.testing.assert_allclose(drawn["static, training"], history["train_loss"])
    np.testing.assert_allclose(drawn["static, validation"], history["valid_loss"])
    np.testing.assert_allclose(lines_of(display.axes_[1])["static, validation"], history["valid_accuracy"])


def test_several_models_over_folds(study, net):
    """Fits of compare_estimators and of cross_validate are averaged over folds, a colour a model."""
    X, y = study
    fits = compare_estimators(
        {"a": net}, X, y, cv=2, scoring="accuracy", baselines=(), return_estimators=True
    ).estimators
    folds = cross_validate(net, X, y, cv=2, return_estimator=True)

    display = TrainingHistoryDisplay.from_estimators({**fits, "b": folds}, metrics="loss")

    drawn = lines_of(display.axes_[0])
    expected = np.mean([fit[-1].history_["train_loss"] for fit in folds["estimator"]], axis=0)
    np.testing.assert_allclose(drawn["b, training"], expected)
    assert len(drawn) == 4
    assert len({line.get_color() for line in display.axes_[0].lines}) == 2
    alone = TrainingHistoryDisplay.from_estimators(folds, metrics="loss")
    np.testing.assert_allclose(lines_of(alone.axes_[0])["MMStaticClassifier, training"], expected)


def test_the_mean_goes_over_fits_that_reached_the_epoch():
    """A fit that stopped early counts as long as it ran; notes of the training loop are no metrics."""
    long = [
        {"epoch": e, "train_loss": v, "dur": 0.1, "event_lr": 0.1} for e, v in ((1, 1.0), (2, 0.6), (3, 0.2))
    ]
    short = pd.DataFrame({"epoch": [1, 2], "train_loss": [3.0, 1.0], "train_loss_best": [True, True]})

    frame = history_frame({"m": [long, short]})
    display = TrainingHistoryDisplay(frame).plot()

    assert set(frame["metric"]) == {"loss"}
    np.testing.assert_allclose(lines_of(display.axes_[0])["m, training"], [2.0, 0.8, 0.2])


def test_the_best_of_a_search_is_drawn(study):
    """A fitted search shows the net it kept."""
    X, y = study
    search = GridSearchCV(MMStaticClassifier(4, max_epochs=2, random_state=0), {"lr": [0.01]}, cv=2).fit(X, y)

    drawn = lines_of(TrainingHistoryDisplay.from_estimator(search, name="best").axes_[0])

    np.testing.assert_allclose(drawn["best, training"], search.best_estimator_.history_["train_loss"])


def test_what_has_no_history_is_refused(study, net):
    """Models without epochs, unfitted nets and results without estimators raise."""
    X, y = study
    with pytest.raises(ValueError, match="LogisticRegression has no history_"):
        TrainingHistoryDisplay.from_estimator(make_pipeline(LogisticRegression()))
    with pytest.raises(ValueError, match="MMStaticClassifier has no history_. Only fitted nets"):
        TrainingHistoryDisplay.from_estimator(net)
    with pytest.raises(ValueError, match="Call it with return_estimator=True"):
        TrainingHistoryDisplay.from_estimators(cross_validate(net, X, y, cv=2))
    with pytest.raises(ValueError, match="at least one fitted estimator"):
        TrainingHistoryDisplay.from_estimators({"m": []})
    with pytest.raises(ValueError, match="metrics must be among"):
        TrainingHistoryDisplay.from_estimator(net.fit(X, y), metrics="auc")
