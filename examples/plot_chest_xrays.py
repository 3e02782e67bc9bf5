"""
Chest X-rays with their reports, and where a model looks
========================================================

Radiographs and reports of the same patients, some of them missing. An encoder of images and one of texts are
trained alone, then joined, and compared with honest baselines on folds that keep patients whole. In the end a
page shows a reader, for a few patients, which region of the image and which words spoke for the answer.
"""

# %%
# The data
# --------
#
# They are made up here, so that the example runs anywhere: two lungs, ribs, noise, and in half of the
# patients a nodule somewhere in a lung. Reports of ill patients mention it in seven of ten cases, in the
# words of different readers; others complain of something else. With data of your own, start at the next
# section: ``read_images`` reads files, and a column of a data frame holds the reports.

import tempfile
from pathlib import Path

import numpy as np

SIZE = 40
SEEN = [
    "There is a small nodule in the {side} lung.",
    "Round opacity, {side} lung, 2 cm. CT recommended.",
    "NODULAR density projecting over the {side} lung",
]
CALM = ["The lungs are clear.", "No pleural effusion or pneumothorax.", "Lungs are well expanded & clear"]
OTHER = [
    "Heart size is normal.", "Degenerative changes of the spine.", "Old rib fracture.",
    "Cardiomegaly <stable>.",
]  # fmt: skip
rng = np.random.default_rng(0)
rows, columns = np.mgrid[:SIZE, :SIZE] / (SIZE - 1)


def draw(ill):
    """Draw a radiograph and tell in which lung a nodule is, if any."""
    image = 0.75 + 0.05 * np.sin(rows * 40)
    centres = [(0.5 + rng.normal(scale=0.02), column + rng.normal(scale=0.02)) for column in (0.29, 0.71)]
    for row, column in centres:
        image -= 0.45 * (((rows - row) / 0.36) ** 2 + ((columns - column) / 0.17) ** 2 < 1)
    side = int(rng.integers(2))
    row, column = centres[side] + rng.uniform([-0.22, -0.07], [0.22, 0.07])
    image += 0.45 * ill * np.exp(-(((rows - row) ** 2 + (columns - column) ** 2) / 0.07**2))
    image += rng.normal(scale=0.06, size=image.shape)
    return np.uint8(255 * image.clip(0, 1)), ["right", "left"][side]


patients = np.repeat(np.arange(200), rng.integers(1, 3, size=200))
ill = rng.permutation(np.arange(200) % 2 == 1)[patients]
drawn = [draw(one) for one in ill]
images = np.stack([image for image, _ in drawn])
reports = []
for one, (_, side) in zip(ill, drawn, strict=True):
    told = rng.choice(SEEN).format(side=side) if one and rng.random() < 0.7 else rng.choice(CALM)
    reports.append(" ".join(rng.permutation([told, rng.choice(OTHER)])))
labs = np.column_stack([rng.normal(60 + 5 * ill, 10), rng.normal(5 + 0.5 * ill, 2)])
y = np.where(ill, "nodule", "none")

# %%
# A sixth of the images and a fifth of the reports are missing. Some patients came twice: they are the groups.

import pandas as pd

from skmm import ModalityDict

X = ModalityDict(
    {
        "xray": images,
        "report": [None if rng.random() < 0.25 else report for report in reports],
        "labs": pd.DataFrame(labs, columns=["age", "c-reactive protein"]),
    },
    present={"xray": rng.random(len(y)) > 1 / 6},
    groups=patients,
)
print(X)

# %%
# The models
# ----------
#
# ``ImageTextClassifier`` learns the words from the texts of each training fold. Trained alone first, its
# encoders see what ``fit`` sees and nothing else. Late fusion gives each modality a classifier of its own.

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skmm.compose import ConcatModalities, ModalityTransformer
from skmm.fusion import ImageTextClassifier, LateFusionClassifier


def flatten(images):
    """A row of pixels an image."""
    return images.reshape(len(images), -1)


plain = ModalityTransformer({"report": TfidfVectorizer(), "xray": FunctionTransformer(flatten)})
alone = ImageTextClassifier(64)
joint = ImageTextClassifier(64, image_encoder=alone, text_encoder=alone)
estimators = {
    "pixels and words, regression": make_pipeline(
        plain, ConcatModalities(), StandardScaler(with_mean=False), LogisticRegression(C=0.01, max_iter=2000)
    ),
    "late fusion of regressions": make_pipeline(
        plain,
        LateFusionClassifier(
            make_pipeline(StandardScaler(with_mean=False), LogisticRegression(C=0.01, max_iter=1000))
        ),
    ),
    "joint from scratch": ImageTextClassifier(64),
    "trained alone, then joined": joint,
}

# %%
# The comparison
# --------------
#
# The majority class is added by itself. Folds keep patients whole, since the groups travel with the data.

from skmm.model_selection import compare_estimators, comparison_table

scores = compare_estimators(
    estimators, X, y, cv=3, baselines=["majority"], scoring=["accuracy", "f1_macro", "roc_auc"]
)
print(comparison_table(scores, format="markdown"))

# %%
# Each dot is a fold.

from skmm.model_selection import ComparisonDisplay

ComparisonDisplay.from_frame(scores, metrics="roc_auc")

# %%
# Where it looks
# --------------
#
# Two thirds of the patients train a model, the others are explained. Integrated gradients say how much each
# pixel, word and laboratory value adds to the score of "nodule", compared with a baseline. For images that is
# an even grey unless one is given, which a model may well call ill: here it is the mean radiograph of the
# healthy patients it was trained on. Strong pixels near one another are regions.

from skmm.inspection import RegionDisplay, TokenAttributionDisplay, attribute, explanation_report

is_test = patients % 3 == 0
train, test = np.flatnonzero(~is_test), np.flatnonzero(is_test)
model = joint.set_params(random_state=0).fit(X[train], y[train])
healthy = train[(y[train] == "none") & X[train].is_present("xray")]
baseline = {"xray": images[healthy].mean(axis=0).astype(np.uint8)}
found = attribute(model, X[test], "nodule", baseline=baseline)
print(found.totals.describe().loc[["mean", "min", "max"]].round(2))
print("error of the sums, at most:", found.completeness_error.max().round(4))

seen = test[(y[test] == "nodule") & X[test].present.all(axis=1)][:3]
RegionDisplay.from_estimator(
    model,
    X[seen],
    modality="xray",
    target="nodule",
    explain={"baseline": baseline},
    regions={"smoothing": 1.5, "threshold": 0.6, "distance": 2},
)

# %%
# Words are coloured where they stand in the report. A word that no training text has, has no colour.

TokenAttributionDisplay.from_estimator(model, X[seen], modality="report", target="nodule")

# %%
# The page
# --------
#
# One file for a reader without Python: open it in any browser, also without a network. Markup in a report
# ("<stable>") is shown as text. A patient without an image has an answer and an explanation too.

some = [*seen[:2], *test[~X[test].is_present("xray")][:1], *test[y[test] == "none"][:1]]
folder = tempfile.TemporaryDirectory()
path = explanation_report(
    model, X[some], Path(folder.name) / "report.html", y=y[some], baseline=baseline,
    regions={"smoothing": 1.5, "threshold": 0.6, "distance": 2},
)  # fmt: skip
print(Path(path).stat().st_size // 1000, "kB")
