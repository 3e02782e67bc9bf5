"""
From DICOM files and a clinical table to cross-validated models
===============================================================

Studies of the spine: up to three MRI series, each a folder of DICOM slices, some of them never made; a
clinical table with holes; three ordered grades, the higher the rarer; and patients who were examined twice.
The files are read lazily, made even, embedded slice by slice, and pooled; three models and two honest
baselines see the same folds, which keep patients whole.
"""

# %%
# The files
# ---------
#
# The scans are made up here, so that the example runs anywhere: noise from scanners of different gain, with a
# bright canal that is narrower in the middle slices the higher the grade. With files of your own, start at
# the next section.

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

GRADES = ["normal", "moderate", "severe"]
SAGITTAL, AXIAL = [0, 1, 0, 0, 0, -1], [1, 0, 0, 0, 1, 0]  # directions of rows and columns
DESCRIPTIONS = {"Sagittal T1": SAGITTAL, "Sagittal T2": SAGITTAL, "Axial T2": AXIAL}
SIZE = 32
rng = np.random.default_rng(0)


def draw_slice(grade, depth, gain):
    """Draw a slice of 12 bits: tissue, and a bright canal that narrows with the grade, away from the ends."""
    rows, columns = np.mgrid[:SIZE, :SIZE] - rng.uniform(0.3, 0.7, size=(2, 1, 1)) * SIZE
    width = 7.0 - 1.5 * grade * (abs(depth) < 0.5) + rng.normal(scale=0.7)
    image = 0.3 + 0.05 * rng.normal(size=(SIZE, SIZE)) + 0.4 * (np.hypot(rows, columns / 1.5) < width)
    return np.clip(gain * image, 0, 4095).astype(np.uint16)


def write_slice(path, image, position, orientation, series):
    """Write one DICOM file."""
    slice_ = Dataset()
    slice_.file_meta = FileMetaDataset()
    slice_.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    slice_.SOPClassUID, slice_.SOPInstanceUID = MRImageStorage, generate_uid()
    slice_.file_meta.MediaStorageSOPClassUID = MRImageStorage
    slice_.file_meta.MediaStorageSOPInstanceUID = slice_.SOPInstanceUID
    slice_.SeriesInstanceUID = series
    slice_.Rows, slice_.Columns = image.shape
    slice_.SamplesPerPixel, slice_.PhotometricInterpretation = 1, "MONOCHROME2"
    slice_.BitsAllocated, slice_.BitsStored, slice_.HighBit, slice_.PixelRepresentation = 16, 12, 11, 0
    slice_.ImagePositionPatient, slice_.ImageOrientationPatient = position, orientation
    slice_.PixelData = image.tobytes()
    slice_.save_as(path, enforce_file_format=True)


def write_series(folder, grade, orientation):
    """Write a series of 4 to 6 slices, whose names say nothing of their order."""
    folder.mkdir(parents=True)
    n_slices, gain, series = rng.integers(4, 7), rng.uniform(1500, 4000), generate_uid()
    normal = np.cross(orientation[:3], orientation[3:])
    for number, name in enumerate(rng.permutation(n_slices)):
        image = draw_slice(grade, 2 * number / (n_slices - 1) - 1, gain)
        write_slice(folder / f"{name}.dcm", image, list(4.0 * number * normal), orientation, series)


scans = tempfile.TemporaryDirectory()
patients = np.repeat(np.arange(60), rng.integers(1, 3, size=60))
grades = rng.permutation(np.repeat([0, 1, 2], [36, 15, 9]))[patients]
studies = [f"study{number:03d}" for number in range(len(patients))]
rows = []
for study, grade in zip(studies, grades, strict=True):
    made = rng.random(3) < 0.75
    made[rng.integers(3)] = True
    for description, orientation in np.array(list(DESCRIPTIONS.items()), dtype=object)[made]:
        path = f"{study}/{description}"
        write_series(Path(scans.name, path), grade, orientation)
        rows.append((study, description, path))
series = pd.DataFrame(rows, columns=["study_id", "series_description", "path"])
clinical = pd.DataFrame(
    {
        "patient": patients,
        "age": rng.normal(55 + 5 * grades, 12),
        "sex": rng.choice(["f", "m"], size=len(patients)),
        "pain": rng.normal(3 + grades, 2),
    },
    index=studies,
)
clinical["age"] = clinical["age"].mask(rng.random(len(patients)) < 0.15)
clinical["sex"] = clinical["sex"].where(rng.random(len(patients)) > 0.1, None)
y = np.array(GRADES)[grades]
print(series.head())

# %%
# Samples
# -------
#
# Each series description becomes a modality of lazy bags: only headers are read here, to sort the slices by
# their place in space. The tables are joined by study, and the patients become groups.

from skmm.containers import from_tables, read_series

bags = read_series(series, sample="study_id", modality="series_description", path="path", root=scans.name)
X = from_tables({"clinical": clinical, **bags}, how="left", groups="patient")
print(X)
print(pd.Series(y).value_counts().to_string())

# %%
# Preparation
# -----------
#
# Slices are scaled to 8 bits by percentiles, so that nothing is clipped, and equalised: scanners no longer
# matter. A backbone then turns each slice into a vector, once for all folds and models. It is a small random
# net here, which needs no download; ``ImageEmbedder("resnet50", weights="resnet50.pth")`` is the real thing.

import torch
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from skmm.compose import ConcatModalities, ModalityTransformer
from skmm.embedding import AveragePooling, ImageEmbedder
from skmm.impute import PseudoModalityImputer, RandomForestImputer
from skmm.preprocessing import GrayscaleNormalizer, HistogramEqualizer

with torch.random.fork_rng():
    torch.manual_seed(0)
    backbone = torch.nn.Sequential(
        torch.nn.Conv2d(1, 16, 5, stride=2),
        torch.nn.ReLU(),
        torch.nn.Conv2d(16, 32, 5, stride=2),
        torch.nn.ReLU(),
    )


def prepare(*pooling):
    """Embed the slices of each series, pool them if asked, and fill the holes of the clinical table."""
    steps = {
        name: make_pipeline(
            GrayscaleNormalizer(), HistogramEqualizer(), ImageEmbedder(backbone, image_size=None), *pooling
        )
        for name in DESCRIPTIONS
    }
    encode = make_column_transformer((OneHotEncoder(), ["sex"]), remainder="passthrough")
    return ModalityTransformer({**steps, "clinical": make_pipeline(RandomForestImputer(max_iter=2), encode)})


# %%
# The models
# ----------
#
# Logistic regression and the cascade need every modality: absent series are predicted from those that are
# there. Attention pooling weights slices and series by what it learns, and needs no imputation.

from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from skmm.fusion import AttentionPoolingClassifier
from skmm.multiclass import OrdinalCascadeClassifier


def regression():
    """Standardise and classify, each class with the same weight."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", max_iter=1000))


def tables():
    """Bring each study to one row of a table."""
    return [prepare(AveragePooling()), PseudoModalityImputer("mean"), ConcatModalities()]


estimators = {
    "average pooling, regression": make_pipeline(*tables(), *[step for _, step in regression().steps]),
    "average pooling, cascade": make_pipeline(
        *tables(), OrdinalCascadeClassifier(regression(), order=GRADES)
    ),
    "attention pooling": make_pipeline(prepare(), AttentionPoolingClassifier(32, max_epochs=30)),
}

# %%
# The comparison
# --------------
#
# The baselines are added by themselves. Accuracy flatters the majority class; macro F1 and the balanced
# accuracy give each grade the same say.

from skmm.model_selection import compare_estimators, comparison_table

scores = compare_estimators(
    estimators, X, y, cv=3, scoring=["accuracy", "balanced_accuracy", "f1_macro", "roc_auc_ovr"]
)
print(comparison_table(scores, format="markdown"))

# %%
# Each dot is a fold.

from skmm.model_selection import ComparisonDisplay

display = ComparisonDisplay.from_frame(scores, metrics=["balanced_accuracy", "roc_auc_ovr"])
scans.cleanup()
