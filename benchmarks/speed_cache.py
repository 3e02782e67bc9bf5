"""The time that a search spends in its embedder, against embedding each image once.

Cross-validation in 5 folds of a grid of 10 candidates with a ResNet18 before a logistic regression, on 60
images in memory, and in a file. Process time within the embedder, one thread, and images that the backbone
saw.
"""

import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from _common import RESULTS
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skmm import ModalityDict
from skmm.compose import ConcatModalities, ModalityTransformer
from skmm.embedding import ImageEmbedder, clear_memory_cache
from skmm.embedding._backbones import Runner

N_IMAGES, SIZE, PAIRS = 60, 224, 5
spent = {"seconds": 0.0, "images": 0}


class TimedEmbedder(ImageEmbedder):
    """An embedder that adds up the time of all its clones."""

    def fit(self, X, y=None):
        """Fit, and note the time."""
        start = time.process_time()
        super().fit(X, y)
        spent["seconds"] += time.process_time() - start
        return self

    def transform(self, X):
        """Transform, and note the time."""
        start = time.process_time()
        vectors = super().transform(X)
        spent["seconds"] += time.process_time() - start
        return vectors


def count_images():
    """Count the images that any backbone sees."""
    call = Runner.__call__

    def counted(self, batch):
        """Run, and note the number of images."""
        spent["images"] += len(batch)
        return call(self, batch)

    Runner.__call__ = counted


def measured(function):
    """Seconds in embedders, and images that backbones saw, while a function runs on an empty cache."""
    clear_memory_cache()
    spent.update(seconds=0.0, images=0)
    function()
    return spent["seconds"], spent["images"]


def embedder():
    """The embedder, random weights."""
    return TimedEmbedder("resnet18", image_size=SIZE)


def search(images, y):
    """Cross-validate ten candidates in five folds."""
    prepare = ModalityTransformer({"xray": embedder()})
    model = make_pipeline(prepare, ConcatModalities(), LogisticRegression(max_iter=50))
    grid = {"logisticregression__C": np.logspace(-3, 3, 10)}
    GridSearchCV(model, grid, cv=5, refit=False, error_score="raise").fit(ModalityDict({"xray": images}), y)


def main():
    """Prints and writes the ratios."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # that the weights are random, and that few steps were made
    count_images()
    rng = np.random.default_rng(0)
    images = rng.integers(256, size=(N_IMAGES, SIZE, SIZE), dtype=np.uint8)
    y, lines = np.arange(N_IMAGES) % 2, []
    embedder().fit_transform(images[:2])  # imports MONAI, and builds the net
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.npy"
        np.save(path, images)
        for case, data in {"in memory": images, "in a file": np.load(path, mmap_mode="r")}.items():
            ratios = []
            for _ in range(PAIRS):
                once, _ = measured(lambda data=data: embedder().fit_transform(data))
                seconds, seen = measured(lambda data=data: search(data, y))
                ratios.append(seconds / once)
            assert seen == N_IMAGES, seen
            low, median, high = np.percentile(ratios, [25, 50, 75])
            lines.append(
                f"5 folds x 10 candidates, {N_IMAGES} images of {SIZE} x {SIZE} {case}: {median:.2f} passes "
                f"in the embedder (quartiles {low:.2f} to {high:.2f}); the backbone saw {seen} images"
            )
            print(lines[-1], flush=True)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "speed_cache.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
