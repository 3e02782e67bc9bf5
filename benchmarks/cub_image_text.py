"""Does the text help the image? Ten kinds of birds, vectors of images and of descriptions that are given.

GoogLeNet's vectors of the images and doc2vec's of the descriptions: to every model these are two tables, and
ImageTextClassifier is its head alone.
"""

import numpy as np
from _common import BASELINES, compare, late, real_data, report

from skmm import ModalityDict
from skmm.fusion import ImageTextClassifier, MMDynamicsClassifier, MMStaticClassifier

SEEDS = (0, 1)


def load_cub():
    """Vectors of 600 images and of their descriptions, ten kinds of birds."""
    file = real_data("cub10_image_text", "cub10.npz")
    return ModalityDict({"image": file["image_googlenet"], "text": file["text_doc2vec"]}), file["y"]


def main():
    """One table: five folds with two seeds."""
    X, y = load_cub()
    models = {
        **late(),
        "MM dynamics": MMDynamicsClassifier(),
        "MM static": MMStaticClassifier(),
        "ImageText (a head on tables)": ImageTextClassifier(),
    }
    scores = compare(models, X, y, seeds=SEEDS, cv=5, baselines=BASELINES, n_jobs=1)
    title = (
        f"CUB, {len(np.unique(y))} kinds of birds, {len(y)} vectors of images and texts; 5 folds with 2 seeds"
    )
    report(scores, "cub_image_text", title)


if __name__ == "__main__":
    main()
