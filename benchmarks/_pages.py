"""Fills the pages with what the benchmarks found: tables of the documentation, and the papers' claims.

Run it after the benchmarks; `make bench` does. It reads benchmarks/results alone, and leaves out what has not
been run. The difference of a claim is taken fold by fold and seed by seed. A claim holds where the mean
difference is positive and larger than its standard deviation, does not hold where it is negative and larger
than that, and is within the spread otherwise.
"""

import functools
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from _common import RESULTS

from skmm.model_selection import comparison_table

README = Path(__file__).parent / "README.md"
SHOWN = ["f1_weighted", "f1_macro", "accuracy", "balanced_accuracy", "roc_auc_ovr", "auc_all", "auc_frequent"]
TABLES_SHOWN = (
    "rosmap_official", "rosmap_cv", "bmmc_donors", "blood_cells",
    "bmmc_tables", "bmmc_images", "bmmc_subsets", "bmmc_masked", "lumbar_targets",
    "imputation_digits", "imputation_cells", "imputation_gliomas",
    "covid_complete", "covid_masked", "covid_raw", "openi_findings", "cub_image_text",
)  # fmt: skip
GRIDS_SHOWN = (
    "lgg_folds_grid",
    "lgg_sites_grid",
    "lgg_missing_grid",
    "covid_epochs_grid",
    "openi_differences",
)  # tables of text, as they are
PAIR = ["seed", "fold"]
METRIC_NAMES = {"f1_macro": "macro-F1", "accuracy": "accuracy", "roc_auc_ovr": "AUROC"}


class Test(NamedTuple):
    """Two sides of a claim on one data set: (file, estimators); the best of several stands for them.

    A name may have an asterisk for any letters.
    """

    data: str
    better: tuple
    worse: tuple
    metric: str = "f1_macro"


ROSMAP, BMMC, CELLS = "ROSMAP", "BMMC", "blood cells"
PAIRED = "BMMC, images paired at random within class"
DYNAMICS, NONE, STATIC = "MM dynamics", "MM dynamics, none", "MM static"
CONCATENATIONS = ("concat + KNN", "concat + NN", "concat + RF", "concat + SVM")
NETS = (DYNAMICS, NONE, STATIC, "HEALNet", "MCAT")
TABLES = ((ROSMAP, "rosmap_cv"), (BMMC, "bmmc_tables"))
SCANS = (("LGG, folds", "lgg_folds"), ("LGG, a hospital held out", "lgg_sites"))
ABSENT = tuple(
    (f"{data} missing", f"imputation_{file}")
    for data, file in (("digits, 50%", "digits"), ("BMMC, 30%", "cells"), ("LGG, 30%", "gliomas"))
)
COVID = (
    ("COVID, masked notes, image and note there", "covid_complete"),
    ("COVID, masked notes", "covid_masked"),
    ("COVID, notes as written", "covid_raw"),
)
AUC = {"metric": "roc_auc_ovr"}
CUB_JOINED = ("concat_lr", "late fusion*", "MM *", "ImageText*")
JOINED = (
    "* image + note",
    "* image + note (*",
    "late fusion of LR*",
    "net, image + note, trained alone first",
)
ABLATED = (*TABLES, (PAIRED, "bmmc_images"))


def within(data, better, worse, **options):
    """Tests of two sides of the same files; ``data`` holds (name, file)."""
    return [Test(name, (file, better), (file, worse), **options) for name, file in data]


def subsets(model, better, worse):
    """Test of two subsets of the modalities."""
    file = "bmmc_subsets"
    return Test(f"{PAIRED}; {model}", (file, f"{model}: {better}"), (file, f"{model}: {worse}"))


def masked(model, how):
    """Test of changed test images against images as they are."""
    complete = ("bmmc_subsets", f"{model}: rna + protein + image")
    return Test(f"{PAIRED}; {model}", complete, ("bmmc_masked", f"{model}, images {how}"))


CLAIMS = {
    "Han 2022: MM dynamics beats concatenation + LR": within(TABLES, "MM dynamics", "concat_lr"),
    "Han 2022: it reaches an accuracy of .842 on ROSMAP": [
        Test("ROSMAP, official split", ("rosmap_official", "MM dynamics"), (None, 0.842), "accuracy")
    ],
    "Han 2022, Wenderoth: gating features (FI) helps": within(
        (*ABLATED, (CELLS, "blood_cells")), "MM dynamics, FI only", NONE
    ),
    "... beside MI": within(ABLATED, DYNAMICS, "MM dynamics, MI only"),
    "Wenderoth: weighting modalities by confidence (MI) hurts (Han: it helps)": within(
        ABLATED, NONE, "MM dynamics, MI only"
    ),
    "... beside FI": within(ABLATED, "MM dynamics, FI only", DYNAMICS),
    "Wenderoth: without images, plain LR beats the other concatenations": within(
        TABLES, "concat_lr", CONCATENATIONS
    ),
    "Wenderoth: ... and every network": within(TABLES, "concat_lr", NETS),
    "Wenderoth: HEALNet is the best network": within(TABLES, "HEALNet", (DYNAMICS, STATIC, "MCAT")),
    "Wenderoth: static fusion beats dynamic": within(ABLATED, STATIC, DYNAMICS),
    "Wenderoth: images help RNA + protein": [
        subsets(model, "rna + protein + image", "rna + protein")
        for model in (DYNAMICS, STATIC, "HEALNet", "MCAT", "concat_lr")
    ],
    "Wenderoth: images help RNA": [
        subsets(model, "rna + image", "rna") for model in (DYNAMICS, STATIC, "HEALNet")
    ],
    "Wenderoth: RNA + images beats protein + images": [
        subsets(model, "rna + image", "protein + image") for model in (DYNAMICS, STATIC)
    ],
    "Wenderoth: masked test images hurt a model trained with images": [
        masked(model, "masked") for model in (DYNAMICS, STATIC, "HEALNet", "MCAT")
    ],
    "Wenderoth: ... to below one trained without": [
        Test(
            f"{PAIRED}; {model}",
            ("bmmc_subsets", f"{model}: rna + protein"),
            ("bmmc_masked", f"{model}, images masked"),
        )
        for model in (DYNAMICS, STATIC)
    ],
    "Ours: images declared missing hurt less than masked ones": [
        Test(
            f"{PAIRED}; {model}",
            ("bmmc_masked", f"{model}, images missing"),
            ("bmmc_masked", f"{model}, images masked"),
        )
        for model in (DYNAMICS, STATIC, "HEALNet", "MCAT")
    ],
    "HEALNet: it beats early and late fusion": within(
        TABLES, "HEALNet", ("concat_lr", *CONCATENATIONS, "late fusion, average", "late fusion, stacking")
    ),
    "HEALNet: skipping what is missing keeps it robust (half of the entries missing)": [
        Test(
            "handwritten digits",
            ("handwritten_missing_0.5", "HEALNet"),
            ("handwritten_missing_0.5", other),
            "accuracy",
        )
        for other in ("concat_lr", "MM dynamics")
    ],
    "Ours: the best network beats the best single modality (LR)": [
        Test(data, (file, NETS), (file, tuple(f"single_lr({name})" for name in names)))
        for data, file, names in (
            (ROSMAP, "rosmap_cv", ("mrna", "methylation", "mirna")),
            (BMMC, "bmmc_tables", ("rna", "protein")),
            (PAIRED, "bmmc_images", ("rna", "protein", "image")),
            ("handwritten digits", "handwritten_missing_0.0", ("pix", "fou", "fac", "zer", "kar", "mor")),
        )
    ],
    "Ours: a network beats plain classifiers on pixels": within(
        [(CELLS, "blood_cells")], NETS, ("concat_lr", "components + LR", "pixels + RF")
    ),
    "MCAT: co-attention beats concatenation": within(TABLES, "MCAT", ("concat_lr", "concat + NN")),
    "Lumbar spine study: equalised slices (HIST) beat scaled ones (GSL)": within(SCANS, "HIST |*", "GSL |*"),
    "... attention pooling beats averaging": within(SCANS, "* | attention |*", "* | average |*"),
    "... an SVC is the best classifier": within(
        SCANS, "*| SVC |*", ("*| LightGBM |*", "*| XGBoost |*", "*| XGB bagging |*", "*| AttentionPooling |*")
    ),
    "Ours: AttentionPoolingClassifier beats all of these": within(
        SCANS, "*| AttentionPooling |*", ("*| SVC |*", "*| LightGBM |*", "*| XGBoost |*", "*| XGB bagging |*")
    ),
    "Ours: predicted modalities beat zeros": within(ABSENT, "denoising, then LR", "zero, then LR"),
    "... and means": within(ABSENT, "denoising, then LR", "concat_lr"),
    "... and help a network more than its neutral vectors": within(
        ABSENT, "denoising, then MM dynamics", "MM dynamics, neutral"
    ),
    "Images with reports: the image helps the text": within(COVID, JOINED, ("LR, note", "net, note"), **AUC),
    "... the text helps the image": within(COVID[::2], JOINED, ("LR, image", "net, image"), **AUC),
    "... the other of text and image vectors helps": [
        Test("CUB", ("cub_image_text", CUB_JOINED), ("cub_image_text", f"single_lr({name})"), "accuracy")
        for name in ("image", "text")
    ],
    "... encoders that are trained alone first help": within(
        COVID, "net, image + note, trained alone first", "net, image + note", **AUC
    ),
    "Ours: ImageTextClassifier beats concatenation + LR": within(
        COVID, ("net, image + note", "net, image + note, trained alone first"), "LR, image + note (*", **AUC
    ),
}
NOT_TESTED = {
    "HEALNet, MCAT: they predict survival better": "survival is not in the data: classes only",
    "MCAT: genes guide attention to tissue in whole slides": "there are no slides with genomics",
    "Wenderoth: heat maps lie on the cells": "no masks of the cells to compare with; see the gallery",
    "Wenderoth: results hold for new donors": "two donors here, three there: too few for a spread of donors",
}


@functools.cache
def table(file):
    """Scores of a results file, or None before its first run."""
    path = RESULTS / f"{file}.csv"
    return pd.read_csv(path, dtype={"fold": str}) if path.exists() else None


def values(side, metric):
    """Name and scores, by seed and fold, of the best estimator of one side; a number stands for itself."""
    file, names = side
    if file is None:
        return "", names
    scores = table(file)
    if scores is None:
        return None
    names = (names,) if isinstance(names, str) else names
    named = scores["estimator"].map(lambda own: any(fnmatchcase(own, name) for name in names))
    scores = scores[(scores["metric"] == metric) & named]
    if scores.empty:
        return None
    best = scores.groupby("estimator")["value"].mean().idxmax()
    return best.replace(" | ", ", "), scores[scores["estimator"] == best].set_index(PAIR)["value"]


def figure(numbers, *, sign=False):
    """Mean ± standard deviation without leading zeros."""
    if isinstance(numbers, float):
        return short(numbers)
    return f"{short(numbers.mean(), sign=sign)} ± {short(numbers.std())}"


def short(number, *, sign=False):
    """Three decimals, as in .912."""
    return re.sub(r"(?<!\d)0\.", ".", f"{number:{'+' if sign else ''}.3f}")


def verdict(difference):
    """What a difference says, by its mean and its standard deviation."""
    mean, spread = difference.mean(), difference.std()
    if np.isnan(spread):
        return "one figure only"
    if abs(mean) <= spread or mean == 0:
        return "within the spread"
    return "holds" if mean > 0 else "does not"


def rows():
    """One row a claim and data set: claim, data, better, worse, difference, verdict."""
    lines = []
    for claim, tests in CLAIMS.items():
        for number, test in enumerate(tests):
            sides = values(test.better, test.metric), values(test.worse, test.metric)
            if None in sides:
                cells = ["", "", "", "not run yet"]
            else:
                (better, first), (worse, second) = sides
                difference = first - second
                metric = METRIC_NAMES[test.metric]
                cells = [
                    f"{better} {figure(first)}",
                    f"{worse} {figure(second)}".strip(),
                    f"{figure(difference, sign=True)} {metric}",
                    verdict(difference),
                ]
            lines.append([claim if number == 0 else "", test.data, *cells])
    lines += [[claim, "", "", "", "", f"cannot be tested here: {why}"] for claim, why in NOT_TESTED.items()]
    return lines


def comparison(file):
    """The table of a results file for the documentation, under its title."""
    scores = table(file)
    if scores is None:
        return "Not run yet."
    title = (RESULTS / f"{file}.md").read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
    metrics = [metric for metric in SHOWN if metric in set(scores["metric"])]
    return f"**{title}**\n\n{comparison_table(scores, metrics=metrics, format='rst')}"


def grid(file):
    """A table of text of a results file, for the documentation, under its title."""
    path = RESULTS / f"{file}.csv"
    if not path.exists():
        return "Not run yet."
    title = path.with_suffix(".md").read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
    cells = pd.read_csv(path, dtype=str, keep_default_na=False)
    return f"**{title}**\n\n{restructured(list(cells.columns), cells.to_numpy().tolist())}"


def digits():
    """Rows of the accuracies on the handwritten digits by estimator and rate, and the rates."""
    parts = {rate: table(f"handwritten_missing_{rate:.1f}") for rate in (0.0, 0.3, 0.5, 0.7)}
    scores = pd.concat({rate: part for rate, part in parts.items() if part is not None}, names=["rate"])
    scores = scores[scores["metric"] == "accuracy"].reset_index("rate")
    cells = scores.pivot_table("value", "estimator", "rate", aggfunc=figure, fill_value="", sort=False)
    return [[name, *row] for name, row in zip(cells.index, cells.to_numpy(), strict=True)], [
        f"{rate:.0%} missing" for rate in cells.columns
    ]


def holes():
    """The table of the macro-F1 after holes were filled, by what fills them and the share of holes."""
    scores = table("imputation_tables")
    if scores is None:
        return "Not run yet."
    scores = scores[scores["metric"] == "f1_macro"]
    cells = scores.pivot_table(
        "value", "estimator", ["data", "holes"], aggfunc=figure, fill_value="", sort=False
    )
    header = ["filled by", *(f"{data}, {share:.0%} holes" for data, share in cells.columns)]
    lines = [[name, *row] for name, row in zip(cells.index, cells.to_numpy(), strict=True)]
    return restructured(header, lines)


def markdown(header, lines):
    """A table in markdown."""
    lines = [header, ["---"] * len(header), *lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def restructured(header, lines):
    """A table in reStructuredText."""
    text = [".. list-table::", "   :header-rows: 1", ""]
    for line in [header, *lines]:
        escaped = [re.sub(r"([\\*`_|])", r"\\\1", cell) for cell in line]
        text += [f"   {'* ' if i == 0 else '  '}- {cell}".rstrip() for i, cell in enumerate(escaped)]
    return "\n".join(text)


def fill(text, name, block):
    """Text of the README with the block of that name replaced."""
    start, end = f"<!-- {name}: written by _pages.py -->", f"<!-- end of {name} -->"
    before, _, rest = text.partition(start)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"{README} must have the lines {start!r} and {end!r}.")
    return f"{before}{start}\n\n{block}\n\n{end}{after}"


def write(name, text):
    """Write a part of the documentation."""
    (RESULTS / f"{name}.rst").write_text(f"{text}\n", encoding="utf-8")


def main():
    """Fill the README and write the tables of the documentation."""
    header = ["claim", "data", "claimed better", "than", "difference", "holds?"]
    accuracies, rates = digits()
    text = fill(README.read_text(encoding="utf-8"), "claims", markdown(header, rows()))
    README.write_text(fill(text, "digits", markdown(["model", *rates], accuracies)), encoding="utf-8")
    write("claims", restructured(header, rows()))
    write("handwritten_missing", restructured(["model", *rates], accuracies))
    write("imputation_tables", holes())
    for file in TABLES_SHOWN:
        write(file, comparison(file))
    for file in GRIDS_SHOWN:
        write(file, grid(file))
    print(markdown(header, rows()))


if __name__ == "__main__":
    main()
