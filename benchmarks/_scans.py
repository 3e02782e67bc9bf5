"""What the benchmarks on scans share: the glioma patients, and slices as vectors."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from _common import RESULTS, real_data
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from torch import nn

from skmm import BagArray, ModalityDict
from skmm.embedding import ImageEmbedder
from skmm.impute import RandomForestImputer
from skmm.preprocessing import GrayscaleNormalizer, HistogramEqualizer

SERIES = ("pre", "flair", "post")
CLINICAL = {"age_at_initial_pathologic": "age", "gender": "gender", "race": "race", "ethnicity": "ethnicity"}
PREPARED = {"GSL": GrayscaleNormalizer, "HIST": HistogramEqualizer}  # the names of the published table


def load_glioma_table():
    """The table of the 61 patients, as the study has it."""
    real_data("lgg_mri_tabular", "series_80px.npz")  # says so and leaves where there are no real data
    return pd.read_csv(Path(os.environ["SKMM_TEST_DATA"], "lgg_mri_tabular", "table.csv"))


def as_categories(codes):
    """Numbers that are codes as strings, None where there is none."""
    names = codes.astype("Int64").astype("string").astype(object)
    return names.where(codes.notna(), None)


def load_gliomas():
    """Series of slices and a clinical table of 61 patients; the side of the tumour; the hospital of each.

    Location and laterality, which would tell, are no features. Five series were never made: they are missing.
    """
    file = real_data("lgg_mri_tabular", "series_80px.npz")
    table = load_glioma_table()
    clinical = table[list(CLINICAL)].rename(columns=CLINICAL)
    codes = [name for name in clinical if name != "age"]
    clinical[codes] = as_categories(clinical[codes])
    series = {name: BagArray(file[name], file["offsets"]) for name in SERIES}
    present = {name: file[f"has_{name}"] for name in SERIES}
    X = ModalityDict({**series, "clinical": clinical}, present=present, groups=table["patient"])
    return X, np.where(table["laterality"] == 1, "left", "right"), table["site"].to_numpy()


class RandomFilters(nn.Module):
    """A backbone that nobody trained: two layers of random filters, averaged in a grid, right minus left.

    Each of 32 maps is averaged in 4 x 4 cells, and those of the mirrored slice are subtracted: 512 numbers
    that tell how the two sides of the head differ.
    """

    def __init__(self, seed=0):
        super().__init__()
        self.seed = seed
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.filters = nn.Sequential(
                nn.Conv2d(1, 16, 5, stride=2, padding=2),
                nn.ReLU(),
                nn.Conv2d(16, 32, 3, stride=2, padding=1),
                nn.ReLU(),
                nn.AdaptiveAvgPool2d((4, 4)),
                nn.Flatten(),
            )

    def __reduce__(self):
        """What it is made of: pickled tensors hold their address, and joblib would never find them again."""
        return type(self), (self.seed,)

    def forward(self, slices):
        """Vectors of slices, (batch, 512)."""
        return self.filters(slices) - self.filters(slices.flip(3))


def embed(prepared="GSL"):
    """Slices to vectors; ``prepared`` is "GSL" (scaled by percentiles) or "HIST" (equalised)."""
    return make_pipeline(PREPARED[prepared](), ImageEmbedder(RandomFilters(), image_size=None))


def clinical():
    """The clinical table, holes filled, as numbers."""
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return make_pipeline(RandomForestImputer(), encoder)


def write_grid(name, title, header, rows):
    """Write and print a table of text, in Markdown and as CSV."""
    lines = [header, ["---"] * len(header), *rows]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    (RESULTS / f"{name}.md").write_text(f"# {title}\n\n{text}\n", encoding="utf-8")
    pd.DataFrame(rows, columns=header).to_csv(RESULTS / f"{name}.csv", index=False)
    print(f"\n{title}\n\n{text}", flush=True)
