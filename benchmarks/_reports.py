"""What the benchmarks on images with texts share: COVID X-rays with notes, OpenI reports, parts of models."""

import os
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from _common import flatten, real_data
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skmm import ModalityDict
from skmm.compose import ModalityTransformer
from skmm.embedding import TextEmbedder
from skmm.preprocessing import GrayscaleNormalizer, TextTokenizer

SIDE = 32  # pixels of X-rays: at 160 a net takes 25 times as long
LONGEST = 80  # words of a text to the networks: most are shorter
SMALL = 20  # pixels of X-rays that logistic regression sees
COVID, OPENI = "covid_cxr_notes", "iu_openi_text_chexnet"
# Stems of the words of the fourteen names of findings. "no" and "lung" tell no finding from another.
LABEL_STEMS = (
    "atelecta", "cardiomegal", "consolidat", "edema", "oedema", "enlarge", "cardiomediastin", "mediastin",
    "fractur", "lesion", "opaci", "opaque", "effusion", "pleura", "pneumonia", "pneumonic", "pneumothora",
    "support", "device", "finding",
)  # fmt: skip
LABEL_WORDS = re.compile(rf"\b\w*(?:{'|'.join(LABEL_STEMS)})\w*", re.IGNORECASE)


def _table(*parts):
    """A table below the folder that SKMM_TEST_DATA names; says so and leaves without it."""
    if "SKMM_TEST_DATA" not in os.environ:
        print("Skipped: set SKMM_TEST_DATA to the folder of the real data sets.")
        sys.exit(0)
    return pd.read_csv(Path(os.environ["SKMM_TEST_DATA"]).joinpath(*parts))


def as_texts(column):
    """Texts as objects, None where there is none."""
    return column.astype(object).where(column.notna(), None).to_numpy()


def load_covid(*, masked=False, complete=False):
    """X-rays with clinical notes and a table of age, sex and view; whether it is COVID-19.

    One row an image, patients as groups: images of a patient often share a note. Those without a diagnosis
    ("todo") are left out. With ``masked`` names of diseases in the notes are [MASK]; with ``complete`` the
    images that have no note are left out.
    """
    images = real_data(COVID, "images_160.npz")["image"]
    table = _table(COVID, "table.csv.gz")
    kept = (table["finding"] != "todo").to_numpy()
    if complete:
        kept &= table["clinical_notes"].notna().to_numpy()
    images, table = images[kept], table[kept].reset_index(drop=True)
    clinical = pd.DataFrame({
        "age": table["age"],
        "sex": as_texts(table["sex"]),
        "view": as_texts(table["view"]),
    })  # fmt: skip
    notes = table["clinical_notes"]
    if masked:  # also where a missing blank hid the name
        notes = table["clinical_notes_masked"].str.replace(r"\w*covid\w*", "[MASK]", case=False, regex=True)
    X = {
        "image": images,
        "note": as_texts(notes),
        "table": clinical,
    }
    y = np.where(table["y_group"] == "covid19", "COVID-19", "other")
    return ModalityDict(X, groups=table["patientid"]), y


def load_openi(*, sections=("findings", "impression")):
    """Reports, CheXNet's scores of frontal and lateral images, and fourteen findings in the official split.

    Scores are averaged where a study has several images of a view; one without a lateral image lacks these
    fourteen. Words of the names of findings are masked in the reports.

    Returns
    -------
    X : ModalityDict
        "report", "frontal" and "lateral".
    y : DataFrame of 0 and 1
        A column a finding.
    split : ndarray of "train", "validation" and "test"
    """
    labels = _table(OPENI, "labels_transchex_split.csv.gz")
    reports = _table(OPENI, "reports.csv.gz").set_index("uid").reindex(labels["uid"])
    images = _table(OPENI, "chexnet_scores.csv.gz").drop(columns="image")
    scores = images.groupby(["projection", "uid"]).mean()
    texts = reports[list(sections)].fillna("").agg(" ".join, axis=1).str.strip()
    X = {"report": as_texts(texts.map(mask_labels).where(texts != ""))}
    for view in ("Frontal", "Lateral"):
        X[view.lower()] = scores.loc[view].reindex(labels["uid"]).reset_index(drop=True)
    return ModalityDict(X), labels.drop(columns=["image", "uid", "split"]), labels["split"].to_numpy()


def mask_labels(text):
    """The text with every word of the names of findings, in any form, replaced."""
    return LABEL_WORDS.sub("masked", text)


def openi_vectors():
    """Vectors of words, learned from the OpenI reports without labels: {word: vector}."""
    reports = _table(OPENI, "reports.csv.gz")
    texts = reports[["indication", "findings", "impression"]].fillna("").agg(" ".join, axis=1)
    embedder = TextEmbedder(random_state=0).fit(texts.to_numpy(dtype=object))
    return {word: embedder.word_vectors_[row] for word, row in embedder.vocabulary_.items()}


def tokenizer():
    """Words of texts for the networks: the default, but for the length."""
    return TextTokenizer(max_features=14_999, max_length=LONGEST)


def only(*names):
    """A step that leaves out all modalities but these."""
    return ModalityTransformer(dict.fromkeys(names, "passthrough"), remainder="drop")


def tfidf():
    """Texts as the weights of their words, rows of length 1."""
    return TfidfVectorizer(sublinear_tf=True)


def pixels():
    """Images of 20 pixels a side as rows of about length 1, so that they do not swamp those of texts."""
    return make_pipeline(
        GrayscaleNormalizer(size=(SMALL, SMALL)),
        FunctionTransformer(flatten),
        StandardScaler(),
        FunctionTransformer(_shorten),
    )


def _shorten(table):
    """Standardized rows divided by the root of their number of columns."""
    return table / np.sqrt(table.shape[1])


def balanced_lr():
    """Logistic regression with weights of classes, as the networks have them."""
    return LogisticRegression(class_weight="balanced", max_iter=1000)
