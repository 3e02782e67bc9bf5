"""Search spaces: what they hold, and searches with Optuna that use them, prune and go on from storage."""

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from sklearn.base import BaseEstimator, clone
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import all_estimators

from skmm.compose import ConcatModalities, ModalityTransformer
from skmm.fusion import LateFusionClassifier, MMDynamicsClassifier, MMStaticClassifier
from skmm.model_selection import PruningCallback, search_space, suggest_params
from skmm.model_selection._search_space import SPACES


@pytest.fixture(autouse=True)
def quiet_optuna():
    """Optuna logs each trial; tests need not."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(before)


class Own(BaseEstimator):
    """An estimator with a space of its own."""

    _search_space = {
        "lr": ("log", 1e-4, 1e-2),
        "dropout": ("float", 0.0, 0.7),
        "hidden": ("int", 16, 512),
        "width": ("log_int", 1, 64),
        "gate": ("categorical", ["dense", None]),
        "gone": ("float", 0.0, 1.0),
    }

    def __init__(self, lr=1e-3, dropout=0.5, hidden=64, width=2, gate=None, inner=None):
        self.lr = lr
        self.dropout = dropout
        self.hidden = hidden
        self.width = width
        self.gate = gate
        self.inner = inner


def test_plain_data_becomes_distributions():
    """Each word stands for one distribution; entries that are no parameter are left out."""
    assert search_space(Own()) == {
        "lr": FloatDistribution(1e-4, 1e-2, log=True),
        "dropout": FloatDistribution(0.0, 0.7),
        "hidden": IntDistribution(16, 512),
        "width": IntDistribution(1, 64, log=True),
        "gate": CategoricalDistribution(("dense", None)),
    }


def test_spaces_are_found_at_any_depth():
    """Pipelines, ModalityTransformer, dicts of estimators and meta-estimators hand on what they hold."""
    prepare = ModalityTransformer({"rna": make_pipeline(StandardScaler(), PCA()), "mri": SelectKBest()})
    model = Pipeline(
        [("prepare", prepare), ("join", ConcatModalities()), ("own", Own(inner=LogisticRegression()))]
    )

    space = search_space(model, prefix="model")

    assert {name for name in space if "own" not in name or "inner" in name} == {
        "model__prepare__rna__pca__n_components",
        "model__prepare__mri__k",
        "model__own__inner__C",
        "model__own__inner__class_weight",
    }
    assert search_space(model, prefix="model__") == space
    assert set(space) <= {f"model__{name}" for name in model.get_params()}
    assert "vote__a__C" in search_space(Pipeline([("vote", VotingClassifier([("a", LogisticRegression())]))]))
    late = search_space(LateFusionClassifier({"rna": LogisticRegression(), "mri": RandomForestClassifier()}))
    assert {"rna__C", "mri__max_features"} <= set(late)


def test_subclasses_inherit_the_space():
    """A user's subclass of a known class has its space."""

    class Mine(LogisticRegression):
        pass

    assert search_space(Mine()) == search_space(LogisticRegression())


def test_a_malformed_entry_is_refused():
    """An unknown word raises, with the parameter's name."""

    class Wrong(Own):
        _search_space = {"lr": ("loguniform", 0, 1)}

    with pytest.raises(ValueError, match="The search space of 'lr' must start with"):
        search_space(Wrong())
    with pytest.raises(TypeError, match=r"space\['C'\] must be a distribution of Optuna. Got \[1, 2\]"):
        suggest_params(optuna.trial.FixedTrial({}), {"C": [1, 2]})


@pytest.mark.parametrize("name", sorted(set(SPACES) & {name for name, _ in all_estimators()}))
def test_spaces_of_scikit_learn_are_valid(name):
    """scikit-learn's own validation takes both ends of each entry of the table."""
    estimator = dict(all_estimators())[name]()
    space = search_space(estimator)

    assert set(SPACES[name]) == set(space)
    for end in (0, -1):
        ends = {key: getattr(d, "choices", None) or (d.low, d.high) for key, d in space.items()}
        clone(estimator).set_params(**{key: values[end] for key, values in ends.items()})._validate_params()


@pytest.mark.parametrize("model", [LateFusionClassifier(), MMDynamicsClassifier(), MMStaticClassifier()])
def test_every_fusion_model_has_a_space(model):
    """Fusion models carry a space, all of whose entries are parameters."""
    assert model._search_space
    assert set(search_space(model)) == set(model._search_space)


def test_suggested_params_lie_in_the_space():
    """Values are drawn from the distributions, and the model takes them."""
    space = search_space(Own())
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))

    for _ in range(5):
        trial = study.ask()
        params = suggest_params(trial, space)
        assert trial.distributions == space
        assert all(
            space[name]._contains(space[name].to_internal_repr(value)) for name, value in params.items()
        )
        assert Own(**params).get_params() == {**Own().get_params(), **params}


@pytest.mark.filterwarnings("ignore:.optuna.terminator.:FutureWarning")  # imported by optuna-integration
def test_optuna_search_cv_on_modalities(study):
    """OptunaSearchCV searches a Pipeline on a ModalityDict, with the score of cross-validation by groups."""
    optuna_integration = pytest.importorskip("optuna_integration")
    X, y = study
    model = Pipeline([
        ("prepare", ModalityTransformer({"strong": PCA(), "noise": SelectKBest(k=1)})),
        ("join", ConcatModalities()),
        ("classify", LogisticRegression()),
    ])  # fmt: skip
    space = search_space(model)
    del space["prepare__noise__k"]  # two columns: nothing to search
    cv = GroupKFold(3)

    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        search = optuna_integration.OptunaSearchCV(model, space, cv=cv, n_trials=4, random_state=0)
    search.fit(X, y, groups=X.groups)

    assert set(search.best_params_) == {
        "prepare__strong__n_components",
        "classify__C",
        "classify__class_weight",
    }
    again = clone(model).set_params(**search.best_params_)
    assert search.best_score_ == pytest.approx(cross_val_score(again, X, y, groups=X.groups, cv=cv).mean())
    assert search.best_score_ > 0.6
    np.testing.assert_array_equal(search.predict(X), again.fit(X, y).predict(X))


def objective_of(X, y, max_epochs):
    """Objective with pruning by epoch: mean error over group folds."""
    net = MMStaticClassifier(
        4, max_epochs=max_epochs, early_stopping=True, validation_fraction=0.3, random_state=0
    )
    model = Pipeline([("prepare", ModalityTransformer({}, remainder=StandardScaler())), ("fuse", net)])
    space = {name: d for name, d in search_space(model).items() if name in {"fuse__lr", "fuse__dropout"}}

    def objective(trial):
        own = clone(model).set_params(**suggest_params(trial, space))
        scores = []
        cv = StratifiedGroupKFold(2, shuffle=True, random_state=0)
        for fold, (train, test) in enumerate(cv.split(X, y, X.groups)):
            own.set_params(fuse__callbacks=[PruningCallback(trial, fold=fold)])
            scores.append(clone(own).fit(X[train], y[train]).score(X[test], y[test]))
        return 1 - np.mean(scores)

    return objective


def test_a_study_prunes_by_epoch_and_goes_on_from_storage(study, tmp_path):
    """Trials report each epoch; bad ones are stopped at the first; a second run adds to the stored trials."""
    X, y = study
    objective = objective_of(X, y, max_epochs=4)
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    options = {"study_name": "fusion", "storage": storage, "load_if_exists": True}
    pruner = optuna.pruners.ThresholdPruner(upper=50.0)

    first = optuna.create_study(
        direction="minimize", pruner=pruner, sampler=optuna.samplers.RandomSampler(seed=0), **options
    )
    first.optimize(objective, n_trials=1)
    first.set_user_attr("stopped", True)

    second = optuna.create_study(
        direction="minimize", pruner=optuna.pruners.ThresholdPruner(upper=1e-6), **options
    )
    second.optimize(objective, n_trials=1)

    complete, pruned = second.trials
    assert second.user_attrs == {"stopped": True}
    assert complete.state == optuna.trial.TrialState.COMPLETE
    assert list(complete.intermediate_values) == list(range(8))  # two folds of four epochs
    assert pruned.state == optuna.trial.TrialState.PRUNED
    assert list(pruned.intermediate_values) == [0]
    assert second.best_trial.number == complete.number
    for trial in second.trials:
        assert set(trial.params) == {"fuse__lr", "fuse__dropout"}


def test_reports_are_the_losses_of_the_net(study):
    """A trial holds the monitored column of the history, and clones report to the same trial."""
    X, y = study
    optuna_study = optuna.create_study()
    trial = optuna_study.ask()
    model = MMDynamicsClassifier(
        4, max_epochs=3, callbacks=[PruningCallback(trial, "train_loss", fold=2)], random_state=0
    )

    fitted = clone(model).fit(X, y)

    reported = optuna_study.get_trials(deepcopy=False)[0].intermediate_values
    assert list(reported) == [6, 7, 8]
    np.testing.assert_allclose(list(reported.values()), fitted.history_["train_loss"])


def test_a_metric_that_is_not_recorded_is_named(study):
    """Without a validation split there is no valid_loss, and the error says what to do."""
    X, y = study
    trial = optuna.create_study().ask()
    model = MMStaticClassifier(4, max_epochs=1, callbacks=[PruningCallback(trial)], random_state=0)

    with pytest.raises(
        ValueError, match=r"monitors 'valid_loss'.*needs a validation split \(early_stopping=True\)"
    ):
        model.fit(X, y)
