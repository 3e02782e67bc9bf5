"""How well do the networks tell blood cells apart? Images of eight types, alone."""

from _common import (
    SIDE,
    THREE_SEEDS,
    attention,
    compare,
    components_lr,
    early,
    image_mm_dynamics,
    load_blood_cells,
    report,
)
from sklearn.ensemble import RandomForestClassifier

from skmm import ModalityDict


def main():
    """Two folds with each of three seeds, on images averaged down."""
    images, y = load_blood_cells()
    X = ModalityDict({"image": images})
    networks = {**image_mm_dynamics(), **attention()}
    del networks["MM dynamics, MI only"]  # one modality has nothing to be weighted against
    estimators = {
        "components + LR": components_lr(X, 50),
        "pixels + RF": early(RandomForestClassifier(), scale=False),
        **networks,
    }
    scores = compare(estimators, X, y, cv=2, seeds=THREE_SEEDS, strategies=dict.fromkeys(estimators, "none"))
    report(
        scores,
        "blood_cells",
        f"Blood cells, 2000 images of {SIDE} x {SIDE} pixels, 8 types, 2-fold cross-validation with 3 seeds",
    )


if __name__ == "__main__":
    main()
