"""What do filled holes bring? Tables with real and with simulated holes, filled and then classified.

The type of a glioma from its molecular clusters and the patient (categories, with the holes that the study
has, and more), and the grape of a wine from its chemistry (numbers; holes at random). Five folds with three
seeds; holes are filled within the folds.
"""

import numpy as np
import pandas as pd
from _common import RESULTS, THREE_SEEDS, compare
from _scans import as_categories, load_glioma_table
from sklearn.datasets import load_wine
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skmm.impute import RandomForestImputer
from skmm.model_selection import comparison_table

CLUSTERS = [
    "RNASeqCluster", "MethylationCluster", "miRNACluster", "CNCluster", "RPPACluster", "OncosignCluster",
    "COCCluster", "gender", "race", "ethnicity",
]  # fmt: skip
RATES = (0.0, 0.2, 0.4)  # of the cells that are there


def load_clusters():
    """Molecular clusters of 61 gliomas as categories, and the histological type."""
    table = load_glioma_table()
    return as_categories(table[CLUSTERS]), table["histological_type"].to_numpy()


def with_holes(table, rate, seed, *, categories):
    """A copy of a table with more holes; each row keeps a value."""
    rng = np.random.default_rng(seed)
    cut = rng.random(table.shape) < rate
    cut[np.arange(len(table)), rng.integers(table.shape[1], size=len(table))] = False
    return table.where(~cut, None if categories else np.nan)


def classified(imputer, *, categories):
    """A classifier of the table that an imputer fills."""
    encode = OneHotEncoder(handle_unknown="ignore", sparse_output=False) if categories else StandardScaler()
    return make_pipeline(imputer, encode, LogisticRegression(max_iter=2000))


def candidates(*, categories):
    """Ways to fill holes, by name."""
    if categories:
        fill = {"most frequent": "most_frequent", "a category of its own": "constant"}
        simple = {
            name: SimpleImputer(missing_values=None, strategy=strategy, fill_value="missing")
            for name, strategy in fill.items()
        }
    else:
        simple = {"mean": SimpleImputer(), "zero": SimpleImputer(strategy="constant", fill_value=0.0)}
    return {
        name: classified(imputer, categories=categories)
        for name, imputer in {**simple, "RandomForestImputer": RandomForestImputer()}.items()
    }


def load_numbers():
    """Chemistry of 178 wines, and the grape."""
    wine = load_wine(as_frame=True)
    return wine.data, wine.target.to_numpy()


def main():
    """One table: a block for each data set and share of holes."""
    parts, blocks = [], []
    for name, load, categories in (
        ("gliomas, molecular clusters", load_clusters, True),
        ("wines, chemistry", load_numbers, False),
    ):
        table, y = load()
        for rate in RATES:
            scores = compare(
                candidates(categories=categories),
                lambda seed, table=table, y=y, rate=rate, categories=categories: (
                    with_holes(table, rate, seed, categories=categories),
                    y,
                ),
                None,
                seeds=THREE_SEEDS,
                cv=5,
                scoring=["accuracy", "f1_macro"],
            )
            holes = np.mean(
                [
                    with_holes(table, rate, seed, categories=categories).isna().mean().mean()
                    for seed in THREE_SEEDS
                ]
            )
            title = f"{name}: {holes:.0%} of the cells are holes"
            parts.append(scores.assign(data=name, holes=round(float(holes), 3)))
            blocks.append(f"## {title}\n\n{comparison_table(scores, format='markdown')}")
            print(blocks[-1], flush=True)
    scores = pd.concat(parts, ignore_index=True)
    scores.round(5).to_csv(RESULTS / "imputation_tables.csv", index=False)
    title = "# Holes of tables filled, then logistic regression; 5 folds with 3 seeds"
    text = "\n\n".join([title, *blocks])
    (RESULTS / "imputation_tables.md").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
