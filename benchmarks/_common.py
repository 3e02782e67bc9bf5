"""What every benchmark shares: real data, the estimators that are compared, and where results go."""

import os
import sys
from pathlib import Path

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skmm import ModalityDict
from skmm.compose import ConcatModalities
from skmm.fusion import LateFusionClassifier, MMDynamicsClassifier, MMStaticClassifier
from skmm.model_selection import comparison_table

RESULTS = Path(__file__).parent / "results"
SEEDS = (0, 1, 2, 3, 4)


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


def load_bmmc(part):
    """Log-normalized RNA and proteins of bone-marrow cells, coarse types; donors are "train" and "test".

    Plasma cells, three in all, are left out, and so is the type that the training donor lacks.
    """
    file = real_data("bmmc_cite_starter", "bmmc_cite.npz")
    kept = file["y_coarse"] != "Plasma"
    rows = kept & (file["is_train"] if part == "train" else ~file["is_train"])
    return ModalityDict({"rna": file["rna_lognorm"][rows], "protein": file["adt_norm"][rows]}), file[
        "y_coarse"
    ][rows]


def load_handwritten(part):
    """Six feature views of handwritten digits; ``part`` is "train" or "test"."""
    file = real_data("handwritten_6views", "handwritten.npz")
    return ModalityDict(
        {key: file[f"{key}_{part}"] for key in ("pix", "fou", "fac", "zer", "kar", "mor")}
    ), file[f"y_{part}"]


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


def fusions(**params):
    """MM dynamics, its four ablations, MM static and late fusion, all with the package's defaults."""
    return {
        "MM dynamics": MMDynamicsClassifier(**params),
        "MM dynamics, FI only": MMDynamicsClassifier(confidence_weighting=False, **params),
        "MM dynamics, MI only": MMDynamicsClassifier(feature_gate=None, **params),
        "MM dynamics, none": MMDynamicsClassifier(feature_gate=None, confidence_weighting=False, **params),
        "MM static": MMStaticClassifier(**params),
        "late fusion, average": LateFusionClassifier(),
        "late fusion, stacking": LateFusionClassifier(method="stacking"),
    }


def report(scores, name, title, *, metrics=None):
    """Write scores and their table to benchmarks/results, and print the table."""
    RESULTS.mkdir(exist_ok=True)
    table = comparison_table(scores, metrics=metrics, format="markdown")
    compact = scores.copy()
    numbers = compact.select_dtypes("float").columns
    compact[numbers] = compact[numbers].round(5)
    compact.to_csv(RESULTS / f"{name}.csv", index=False)
    (RESULTS / f"{name}.md").write_text(f"# {title}\n\n{table}\n", encoding="utf-8")
    print(f"\n{title}\n\n{table}", flush=True)
