"""What every benchmark shares: real data, the estimators that are compared, and where results go."""

import hashlib
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Memory
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import check_scoring
from sklearn.model_selection import LeaveOneGroupOut
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

import skmm
from skmm import ModalityDict
from skmm.compose import ConcatModalities, ModalityTransformer
from skmm.datasets import pair_within_class
from skmm.fusion import (
    HEALNetClassifier,
    ImageMMDynamics,
    LateFusionClassifier,
    MCATClassifier,
    MMDynamicsClassifier,
    MMStaticClassifier,
)
from skmm.metrics import get_scorer
from skmm.model_selection import compare_estimators, comparison_table

RESULTS = Path(__file__).parent / "results"
SEEDS = (0, 1, 2, 3, 4)
THREE_SEEDS = (0, 1, 2)
SIDE = 32  # pixels: at 64 a net takes four times as long
BASELINES = ("majority", "concat_lr", "single_lr")
PAIRED = "images paired at random within class"
CELL_IMAGES = {  # which blood cells look like which bone-marrow cells
    "B": "lymphocyte",
    "CD4 T": "lymphocyte",
    "CD8/other T": "lymphocyte",
    "NK/ILC": "lymphocyte",
    "Erythroid": "erythroblast",
    "Monocyte": "monocyte",
}
# Scores of a run that was interrupted, so that the next one goes on from there.
MEMORY = Memory(Path(__file__).parent / ".cache", verbose=0)


# --- data ---------------------------------------------------------------------------------------------


def real_data(*parts):
    """Arrays of a real data set below the folder that SKMM_TEST_DATA names; says so and leaves without it."""
    folder = os.environ.get("SKMM_TEST_DATA")
    if folder is None:
        print("Skipped: set SKMM_TEST_DATA to the folder of the real data sets.")
        sys.exit(0)
    return np.load(Path(folder).joinpath(*parts))


def load_rosmap(part):
    """ROSMAP's three omics in MOGONET's official split; ``part`` is "train" or "test"."""
    file = real_data("rosmap_mogonet", "rosmap.npz")
    X = {
        name: file[f"{key}_{part}"]
        for name, key in (("mrna", "mrna"), ("methylation", "meth"), ("mirna", "mirna"))
    }
    return ModalityDict(X), file[f"y_{part}"]


def load_bmmc(part="both", *, types=None):
    """Log-normalized RNA and proteins of bone-marrow cells, coarse types; returns X, y and the donors.

    Plasma cells, three in all, are left out: the training donor has none. ``part`` is "train" (donor s1d1),
    "test" (donor s1d2) or "both"; ``types`` are the types to keep, all others when None.
    """
    file = real_data("bmmc_cite_starter", "bmmc_cite.npz")
    kept = file["y_coarse"] != "Plasma" if types is None else np.isin(file["y_coarse"], list(types))
    if part != "both":
        kept &= file["is_train"] == (part == "train")
    X = ModalityDict({"rna": file["rna_lognorm"][kept], "protein": file["adt_norm"][kept]})
    return X, file["y_coarse"][kept], file["batch"][kept]


def donor_folds(donors):
    """Folds that leave out one donor each.

    They go to the comparisons as they are, without groups: a fit sees a single donor, who could not be kept
    whole in folds inside it.
    """
    return list(LeaveOneGroupOut().split(donors, groups=donors))


def load_handwritten(part):
    """Six feature views of handwritten digits; ``part`` is "train" or "test"."""
    file = real_data("handwritten_6views", "handwritten.npz")
    return ModalityDict(
        {key: file[f"{key}_{part}"] for key in ("pix", "fou", "fac", "zer", "kar", "mor")}
    ), file[f"y_{part}"]


def load_blood_cells(side=SIDE):
    """Images of blood cells, 250 of each of eight types, averaged down to ``side`` pixels a side."""
    file = real_data("pbc_blood_cells", "pbc_64_dev.npz")
    n, height, width, channels = file["image"].shape
    blocks = file["image"].reshape(n, side, height // side, side, width // side, channels)
    return np.rint(blocks.mean(axis=(2, 4))).astype(np.uint8), file["classes"][file["y"]]


def load_paired(seed):
    """Bone-marrow cells of six types with images of blood cells, PAIRED AT RANDOM WITHIN CLASS.

    The images tell erythroid cells, monocytes and lymphocytes apart, and nothing else: not the types of
    lymphocytes, and nothing about a cell within its type. No image serves both donors; there are fewer images
    of lymphocytes than lymphocytes, so a donor's are used again. Types without images (dendritic, stem and
    progenitor, plasma cells) are left out.
    """
    X, y, donors = load_bmmc(types=CELL_IMAGES)
    images, image_types = load_blood_cells()
    paired = pair_within_class(
        X, y, images, image_types,
        name="image", classes=CELL_IMAGES, groups=donors, replace=True, random_state=seed,
    )  # fmt: skip
    return ModalityDict(dict(paired)), y


# --- estimators ---------------------------------------------------------------------------------------


def early(classifier, *, scale=True):
    """Concatenation, standardization and a classifier."""
    return make_pipeline(ConcatModalities(), *([StandardScaler()] if scale else []), classifier)


def concatenations():
    """The papers' five classifiers on the concatenation; logistic regression is a baseline of its own."""
    return {
        "concat + KNN": early(KNeighborsClassifier()),
        "concat + NN": early(MLPClassifier(hidden_layer_sizes=128, max_iter=500)),
        "concat + RF": early(RandomForestClassifier(), scale=False),
        "concat + SVM": early(SVC()),
    }


def flatten(images):
    """One row of numbers a sample."""
    return np.asarray(images, dtype=float).reshape(len(images), -1)


def components_lr(X, n_components=25):
    """Logistic regression on as many principal components of each modality, so that none swamps another."""
    reduce = {
        name: make_pipeline(
            FunctionTransformer(flatten), StandardScaler(), PCA(n_components), StandardScaler()
        )
        for name in X.modalities
    }
    return make_pipeline(ModalityTransformer(reduce), ConcatModalities(), LogisticRegression(max_iter=1000))


def mm_dynamics(make, **params):
    """MM dynamics and its four ablations; ``make`` is its class for tables, or the one for images too."""
    return {
        "MM dynamics": make(**params),
        "MM dynamics, FI only": make(confidence_weighting=False, **params),
        "MM dynamics, MI only": make(feature_gate=None, **params),
        "MM dynamics, none": make(feature_gate=None, confidence_weighting=False, **params),
    }


def image_mm_dynamics(**params):
    """The same for images of cells: they have no upright; training mirrors them, as published."""
    return mm_dynamics(ImageMMDynamics, flips="both", **params)


def attention(**params):
    """The two networks with attention."""
    return {"HEALNet": HEALNetClassifier(**params), "MCAT": MCATClassifier(**params)}


def late():
    """Late fusion of classifiers."""
    return {
        "late fusion, average": LateFusionClassifier(),
        "late fusion, stacking": LateFusionClassifier(method="stacking"),
    }


def fusions(**params):
    """All fusion models for tables, with the package's defaults."""
    static = MMStaticClassifier(**params)
    return {
        **mm_dynamics(MMDynamicsClassifier, **params),
        "MM static": static,
        **attention(**params),
        **late(),
    }


def image_fusions(**params):
    """The same for images of cells and tables."""
    static = MMStaticClassifier(flips="both", **params)
    return {**image_mm_dynamics(**params), "MM static": static, **attention(**params), **late()}


# --- scores -------------------------------------------------------------------------------------------


def sources():
    """Digest of the package and the benchmarks: scores of other code are never taken for its own."""
    scripts = [path for path in Path(__file__).parent.glob("*.py") if path.name != "_pages.py"]
    digest = hashlib.sha256()
    for path in sorted([*Path(skmm.__file__).parent.rglob("*.py"), *scripts]):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def score_changed(models, X, y, folds, changes, metrics):
    """Scores of fitted models on test samples that were changed; {name of the change: function of X}."""
    rows, scoring = [], {metric: get_scorer(metric) for metric in metrics}
    for change, function in changes.items():
        for name, fitted in models.items():
            if name == "majority" or name.startswith("single_lr"):  # of one modality, or of none
                continue
            for fold, (model, (_, test)) in enumerate(zip(fitted, folds, strict=True)):
                scores = check_scoring(model, scoring=scoring)(model, function(X[test]), y[test])
                labels = {"estimator": name, "fold": fold, "change": change}
                rows += [{**labels, "metric": metric, "value": value} for metric, value in scores.items()]
    return pd.DataFrame(rows)


@MEMORY.cache
def _scores_of_seed(version, function, estimators, X, y, seed, changes, options):  # noqa: ARG001 - part of the key
    """Scores of one seed; with changes, a table of scores on changed test samples as well."""
    options = {"random_states": (seed,), "n_jobs": 2, "verbose": 1, **options}
    if not changes:
        return function(estimators, X, y, **options)
    result = function(estimators, X, y, return_estimators=True, **options)
    changed = score_changed(result.estimators, X, y, options["cv"], changes, result.scores["metric"].unique())
    known = result.scores[["estimator", "strategy", "baseline"]].drop_duplicates()
    return result.scores, changed.assign(seed=seed).merge(known, on="estimator")


def compare(estimators, X, y, *, seeds=SEEDS, function=compare_estimators, changes=None, **options):
    """Scores of `compare_estimators` (or `compare_modalities`), computed and kept seed by seed.

    ``X`` may be a function of the seed that gives X and y. With ``changes`` the fitted models are also scored
    on changed test samples, and two tables are returned; ``cv`` must be a list of folds then.
    """
    parts = []
    for seed in seeds:
        own_X, own_y = X(seed) if callable(X) else (X, y)
        print(f"{function.__name__}, seed {seed}", flush=True)
        parts.append(_scores_of_seed(sources(), function, estimators, own_X, own_y, seed, changes, options))
    if changes:
        return tuple(pd.concat(tables, ignore_index=True) for tables in zip(*parts, strict=True))
    return pd.concat(parts, ignore_index=True)


def report(scores, name, title):
    """Write scores and their table to benchmarks/results, and print the table."""
    RESULTS.mkdir(exist_ok=True)
    table = comparison_table(scores, format="markdown")
    compact = scores.copy()
    numbers = compact.select_dtypes("float").columns
    compact[numbers] = compact[numbers].round(5)
    compact.to_csv(RESULTS / f"{name}.csv", index=False)
    (RESULTS / f"{name}.md").write_text(f"# {title}\n\n{table}\n", encoding="utf-8")
    print(f"\n{title}\n\n{table}", flush=True)
