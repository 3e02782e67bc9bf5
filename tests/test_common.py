"""Every estimator of the package, found by walking it, keeps skmm's contract and scikit-learn's."""

import inspect
import re

import pytest
from imblearn.under_sampling import RandomUnderSampler
from sklearn.linear_model import RidgeClassifier
from sklearn.preprocessing import MaxAbsScaler
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import estimator_checks_generator

from skmm.fusion import LateFusionClassifier
from skmm.testing import all_estimators, parametrize_with_multimodal_checks

# Arguments that a class needs, or with which it is quick. Every other estimator is checked as it is.
QUICK = {
    "hidden": 4, "n_layers": 1, "n_latents": 2, "latent_dim": 4, "n_filters": 2, "embedding_dim": 4,
    "max_epochs": 2, "batch_size": 34,
}  # fmt: skip
ARGUMENTS = {
    "ClassWeightClassifier": {"estimator": LateFusionClassifier()},
    "ModalitySampler": {"sampler": RandomUnderSampler(random_state=0)},
    "ModalitySplitter": {"modalities": {"first": [0], "rest": slice(1, None)}},
    "ModalityTransformer": {"transformers": {"alpha": MaxAbsScaler()}},
    "MultiTargetClassifier": {"estimator": RidgeClassifier()},
    "OrdinalCascadeClassifier": {"estimator": LateFusionClassifier(), "order": "sorted"},
    "RandomForestImputer": {"n_estimators": 3, "max_iter": 2},
}
# More instances of a class, to be checked beside the default one.
VARIANTS = {
    "AttentionPoolingClassifier": [
        {"fusion": "cnn", "pooling": "attended_average", "share_pooling": True, "missing": "zero"},
        {"fusion": "late", "pooling": "average", "n_heads": 2},
    ],
    "ImageMMDynamics": [{"patch_size": 8, "gate_lr": 1.0, "flips": "both", "modality_dropout": 0.2}],
    "LateFusionClassifier": [{"method": "stacking", "cv": 2}],
    "ConcatModalities": [{"add_presence": True}, {"missing": 0.0}],
    "PseudoModalityImputer": [{"strategy": "variational"}, {"strategy": "nearest", "add_presence": True}],
}
# What skmm's checks do not concern, with the reason.
IMAGES = "it takes the images of one modality, and tests/preprocessing hold the same laws of them"
BAGS = "it takes the bags of one modality, and tests/embedding hold the same laws of them"
TEXTS = "it takes the texts of one modality, and tests/preprocessing and tests/embedding hold the same laws"
NOT_MULTIMODAL = {
    "AttentionPooling": BAGS,
    "AveragePooling": BAGS,
    "GrayscaleNormalizer": IMAGES,
    "HistogramEqualizer": IMAGES,
    "ImageEmbedder": "it takes the images of one modality; tests/embedding hold the same laws of it",
    "ModalitySampler": "what comes out has other samples; tests/sampling hold the same laws of it",
    "ModalitySplitter": "what it takes is one table; modalities are what comes out",
    "MultiTargetClassifier": "it predicts a table; tests/multiclass hold the same laws of it",
    "RandomForestImputer": "it fills one table; ModalityTransformer applies it to a modality",
    "TextEmbedder": TEXTS,
    "TextTokenizer": TEXTS,
}
# Some of scikit-learn's checks want accuracy: more epochs than are quick. Others want weights to be the same
# as repetitions, which holds where all samples are one batch, to the rounding of float64.
LEARNING = {"hidden": 64, "n_layers": 1, "n_latents": 2, "depth": 1, "max_epochs": 4, "lr": 0.01}
FULL_BATCH = {**LEARNING, "max_epochs": 20, "precision": "float64", "batch_size": -1}
SETTINGS = {
    "check_classifiers_train": LEARNING,
    "check_class_weight_classifiers": LEARNING,
    "check_sample_weight_equivalence_on_dense_data": FULL_BATCH,
    "check_sample_weight_equivalence_on_sparse_data": FULL_BATCH,
}


def instances(quick):
    """Instances of every estimator: the default one, with those of ``quick`` that it has, and variants."""
    for name, cls in all_estimators():
        known = inspect.signature(cls).parameters
        arguments = {key: value for key, value in quick.items() if key in known}
        for variant in ({}, *VARIANTS.get(name, ())):
            yield cls(**{**arguments, **ARGUMENTS.get(name, {}), **variant})


def takes_a_table(estimator):
    """Whether scikit-learn checks an estimator."""
    return get_tags(estimator).input_tags.two_d_array


def cases_of_scikit_learn():
    """Each of scikit-learn's checks for each instance that takes a table, with the settings for it."""
    cases = []
    for settings in (QUICK, LEARNING, FULL_BATCH):
        for estimator in filter(takes_a_table, instances(settings)):
            for _, check in estimator_checks_generator(estimator):
                name, options = check.func.__name__, [f"{k}={v}" for k, v in check.keywords.items()]
                if SETTINGS.get(name, QUICK) is settings:
                    words = [re.sub(r"\s", "", str(estimator)), name, *options]
                    cases.append(pytest.param(estimator, check, id="-".join(words)))
    return cases


MULTIMODAL = [estimator for estimator in instances(QUICK) if type(estimator).__name__ not in NOT_MULTIMODAL]


@parametrize_with_multimodal_checks(MULTIMODAL)
def test_contract_of_skmm(estimator, check):
    """Every estimator passes the checks of skmm.testing."""
    check(estimator)


@pytest.mark.uses_global_state(reason="some of scikit-learn's checks draw from NumPy's generator")
@pytest.mark.parametrize(("estimator", "check"), cases_of_scikit_learn())
def test_contract_of_scikit_learn(estimator, check):
    """Every estimator of tables passes scikit-learn's checks; nets those of weights in full batches only."""
    check(estimator)


def test_nothing_is_left_out():
    """All estimators are checked but those with a reason, and every reason is still needed."""
    names = {name for name, _ in all_estimators()}
    checked = {type(estimator).__name__ for estimator in MULTIMODAL}

    assert checked == names - set(NOT_MULTIMODAL)
    assert set(ARGUMENTS) | set(VARIANTS) | set(NOT_MULTIMODAL) <= names


@pytest.mark.parametrize(("name", "cls"), all_estimators())
def test_search_spaces_name_parameters(name, cls):
    """A search space, where a class has one, holds parameters of the class and ranges of known forms."""
    space = getattr(cls, "_search_space", {})

    assert set(space) <= set(inspect.signature(cls).parameters)
    for kind, *bounds in space.values():
        assert kind in {"float", "log", "int", "log_int", "categorical"}
        assert len(bounds) == (1 if kind == "categorical" else 2)
