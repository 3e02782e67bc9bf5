"""Late fusion on real data: stacking beats the best modality."""

import numpy as np
from sklearn.metrics import f1_score
from sklearn.model_selection import RepeatedStratifiedKFold

from skmm import ModalityDict
from skmm.fusion import LateFusionClassifier


def _f1(X_train, y_train, X_test, y_test, **params):
    """Macro-F1 of late fusion on test data."""
    model = LateFusionClassifier(random_state=0, **params).fit(X_train, y_train)
    return f1_score(y_test, model.predict(X_test), average="macro")


def test_stacking_beats_the_best_modality_across_donors(real_data):
    """On CITE-seq of one donor learned on another, stacking is above protein alone."""
    data = np.load(real_data / "bmmc_cite_starter" / "bmmc_cite.npz")
    y, train = data["y_coarse"], data["is_train"]
    X = ModalityDict({"rna": data["rna_lognorm"], "protein": data["adt_norm"]})
    protein = X[["protein"]]

    fused = _f1(X[train], y[train], X[~train], y[~train], method="stacking")
    assert fused > 0.885
    assert fused > _f1(protein[train], y[train], protein[~train], y[~train])


def test_stacking_beats_the_best_modality_on_rosmap(real_data):
    """In five-fold cross-validation stacking is above messenger RNA alone."""
    data = np.load(real_data / "rosmap_mogonet" / "rosmap.npz")
    y = np.concatenate([data["y_train"], data["y_test"]])
    X = ModalityDict(
        {
            name: np.concatenate([data[f"{name}_train"], data[f"{name}_test"]])
            for name in ("mrna", "meth", "mirna")
        }
    )
    scores = []
    for train, test in RepeatedStratifiedKFold(n_splits=5, n_repeats=1, random_state=0).split(y, y):
        split = X[train], y[train], X[test], y[test]
        alone = X[["mrna"]][train], y[train], X[["mrna"]][test], y[test]
        scores.append((_f1(*split, method="stacking"), _f1(*alone)))

    stacked, best_single = np.mean(scores, axis=0)
    assert stacked > 0.78
    assert stacked > best_single + 0.02
