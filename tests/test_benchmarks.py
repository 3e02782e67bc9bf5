"""The benchmarks: scripts import, loaders say what they give, interrupted runs go on, claims are judged."""

import copy
import os
import re
import runpy
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from joblib import Memory
from sklearn.dummy import DummyClassifier
from sklearn.metrics import accuracy_score, roc_auc_score

import skmm
from skmm import ModalityDict
from skmm.fusion import LateFusionClassifier

FOLDER = Path(skmm.__file__).parents[1] / "benchmarks"
SCRIPTS = sorted(FOLDER.glob("*.py"))
needs_data = pytest.mark.skipif("SKMM_TEST_DATA" not in os.environ, reason="SKMM_TEST_DATA is not set")


@pytest.fixture
def benchmark_module(monkeypatch):
    """Return a function that imports a module of the benchmarks by name."""
    monkeypatch.syspath_prepend(FOLDER)
    yield import_module
    for path in SCRIPTS:
        sys.modules.pop(path.stem, None)


@pytest.fixture
def common(benchmark_module, monkeypatch, tmp_path):
    """Return the module that the scripts share, with a cache of its own."""
    module = benchmark_module("_common")
    cached = Memory(tmp_path, verbose=0).cache(module._scores_of_seed.func)
    monkeypatch.setattr(module, "_scores_of_seed", cached)
    return module


@pytest.fixture
def study():
    """Return sixty samples with two tables, one of which tells the class, and two folds."""
    rng = np.random.default_rng(0)
    y = np.tile(["a", "b"], 30)
    X = {
        "strong": 3.0 * (y == "b")[:, np.newaxis] + rng.normal(size=(60, 2)),
        "noise": rng.normal(size=(60, 2)),
    }
    rows = np.arange(60)
    return ModalityDict(X), y, [(rows[:30], rows[30:]), (rows[30:], rows[:30])]


def without_signal(X):
    """X without the table that tells the class."""
    return X[["noise"]]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_scripts_can_be_imported(path, benchmark_module):
    """Every script finds what it imports, and runs nothing when it is imported."""
    names = runpy.run_path(path, run_name="imported")

    assert path.stem in {"_common", "_reports", "_scans", "_speed"} or callable(names["main"])


def test_readme_names_every_script():
    """The README says what each script asks."""
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    missing = [path.name for path in SCRIPTS if path.name[0] != "_" and f"`{path.name}`" not in text]

    assert missing == []


def test_documentation_includes_every_table(benchmark_module):
    """Every table that is written for the documentation is in it, and no other."""
    pages = benchmark_module("_pages")
    page = (FOLDER.parent / "docs" / "benchmarks.rst").read_text(encoding="utf-8")
    included = set(re.findall(r"include:: \.\./benchmarks/results/(\w+)\.rst", page))

    assert included == {
        *pages.TABLES_SHOWN,
        *pages.GRIDS_SHOWN,
        "claims",
        "confidence",
        "handwritten_missing",
        "imputation_tables",
    }
    assert all((FOLDER / "results" / f"{name}.rst").exists() for name in included)


def test_an_interrupted_run_goes_on(common, study, monkeypatch):
    """Scores of a seed are not computed again, unless the package has changed."""
    X, y, folds = study
    models = {"majority class": DummyClassifier()}
    options = {"cv": folds, "n_jobs": 1, "verbose": 0, "baselines": ()}
    first = common.compare(models, X, y, seeds=(0,), **options)
    both = common.compare(models, X, y, seeds=(0, 1), **options)
    monkeypatch.setattr(common, "sources", lambda: "other code")
    again = common.compare(models, X, y, seeds=(0,), **options)

    assert both["seed"].unique().tolist() == [0, 1]
    pd.testing.assert_frame_equal(both[both["seed"] == 0], first)
    assert (again["fit_time"] != first["fit_time"]).any()
    pd.testing.assert_series_equal(again["value"], first["value"])


def test_changed_test_samples_are_scored_by_the_fitted_models(common, study):
    """A change alters what is predicted from, not the models; other scores stay as they are."""
    X, y, folds = study
    options = {"seeds": (0,), "cv": folds, "n_jobs": 1, "verbose": 0}
    model = LateFusionClassifier()
    scores, changed = common.compare(
        {"late": model},
        X,
        y,
        changes={"weak": without_signal, "same": copy.copy},
        **options,
    )
    plain = common.compare({"late": model}, X, y, **options)

    pd.testing.assert_series_equal(scores["value"], plain["value"])
    keys = ["estimator", "seed", "fold", "metric"]
    known = scores[scores["estimator"].isin(["late", "concat_lr"])].set_index(keys)["value"].sort_index()
    changed = changed.set_index(keys).sort_index()
    pd.testing.assert_series_equal(changed.query("change == 'same'")["value"], known)
    (train, test) = folds[1]
    expected = accuracy_score(y[test], model.fit(X[train], y[train]).predict(without_signal(X[test])))
    weak = changed.query("change == 'weak'")["value"]
    assert weak.loc["late", 0, 1, "accuracy"] == expected
    assert expected < known.loc["late", 0, 1, "accuracy"] - 0.2


def test_verdicts(benchmark_module):
    """A claim holds, or fails, where the mean difference is larger than its standard deviation."""
    verdict = benchmark_module("_pages").verdict

    assert verdict(pd.Series([0.1, 0.12, 0.11])) == "holds"
    assert verdict(pd.Series([-0.1, -0.12, -0.11])) == "does not"
    assert verdict(pd.Series([0.1, -0.12, 0.11])) == "within the spread"
    assert verdict(pd.Series([0.0, 0.0])) == "within the spread"
    assert verdict(pd.Series([0.1])) == "one figure only"


def test_claims_are_differences_fold_by_fold(benchmark_module, monkeypatch):
    """The best of several estimators stands for them, and is paired with the other side by seed and fold."""
    pages = benchmark_module("_pages")
    fold = {"seed": [0, 0, 1, 1], "fold": ["0", "1", "0", "1"], "metric": "f1_macro"}
    scores = pd.concat([
        pd.DataFrame({"estimator": "a", "value": [0.5, 0.6, 0.7, 0.8], **fold}),
        pd.DataFrame({"estimator": "b", "value": [0.4, 0.5, 0.6, 0.7], **fold}),
        pd.DataFrame({"estimator": "c", "value": [0.1, 0.1, 0.1, 0.1], **fold}),
    ])  # fmt: skip
    monkeypatch.setattr(pages, "table", {"file": scores.sample(frac=1, random_state=0)}.get)
    monkeypatch.setattr(pages, "CLAIMS", {
        "a is better": pages.within([("data", "file"), ("more", "absent")], "a", ("c", "b")),
        "a reaches .7": [pages.Test("data", ("file", "a"), (None, 0.7))],
    })  # fmt: skip
    monkeypatch.setattr(pages, "NOT_TESTED", {})

    assert pages.rows() == [
        ["a is better", "data", "a .650 ± .129", "b .550 ± .129", "+.100 ± .000 macro-F1", "holds"],
        ["", "more", "", "", "", "not run yet"],
        ["a reaches .7", "data", "a .650 ± .129", ".700", "-.050 ± .129 macro-F1", "within the spread"],
    ]


def test_filling_a_page_twice_changes_nothing(benchmark_module):
    """A block of the README is replaced, what is around it stays, and a missing mark raises."""
    fill = benchmark_module("_pages").fill
    page = "above\n<!-- x: written by _pages.py -->\nold\n<!-- end of x -->\nbelow\n"
    filled = fill(page, "x", "new")

    assert "old" not in filled
    assert (filled.startswith("above\n"), filled.endswith("below\n")) == (True, True)
    assert fill(filled, "x", "new") == filled
    with pytest.raises(ValueError, match="must have the lines"):
        fill("nothing", "x", "new")


@needs_data
def test_paired_images_are_of_the_type_and_of_one_donor(common):
    """An image's class is its cell's, no image serves both donors, and tables and labels are as they were."""
    X, y, donors = common.load_bmmc(types=common.CELL_IMAGES)
    paired, y_paired = common.load_paired(0)
    images, types = common.load_blood_cells()
    row_of = {image.tobytes(): row for row, image in enumerate(images)}
    rows = np.array([row_of[image.tobytes()] for image in paired["image"]])

    assert len(row_of) == len(images)
    assert types[rows].tolist() == [common.CELL_IMAGES[label] for label in y]
    assert not set(rows[donors == "s1d1"]) & set(rows[donors == "s1d2"])
    assert paired[["rna", "protein"]] == X
    assert y_paired.tolist() == y.tolist()
    assert (common.load_paired(1)[0]["image"] != paired["image"]).any()


@needs_data
def test_folds_leave_out_one_donor_each(common):
    """Each fold tests on all cells of one donor and trains on those of the other."""
    _, _, donors = common.load_bmmc(types=common.CELL_IMAGES)
    folds = common.donor_folds(donors)

    assert [set(donors[test]) for _, test in folds] == [{"s1d1"}, {"s1d2"}]
    assert all(len(train) + len(test) == len(donors) for train, test in folds)


@needs_data
def test_other_loaders(common):
    """Data sets have the sizes that the tables state."""
    assert [len(common.load_rosmap(part)[0]) for part in ("train", "test")] == [245, 106]
    assert [len(common.load_handwritten(part)[0]) for part in ("train", "test")] == [1600, 400]
    assert [len(common.load_bmmc(part)[0]) for part in ("train", "test", "both")] == [308, 289, 597]
    images, types = common.load_blood_cells()
    assert images.shape == (2000, 32, 32, 3)
    assert len(np.unique(types)) == 8


def test_words_of_findings_are_masked_in_every_form(benchmark_module):
    """Names of findings go whatever their ending or beginning; other words stay."""
    mask = benchmark_module("_reports").mask_labels

    assert mask("Hydropneumothorax; no pleural effusions.") == "masked; no masked masked."
    assert (
        mask("Mild CARDIOMEGALY, bibasilar atelectatic opacities") == "Mild masked, bibasilar masked masked"
    )
    assert mask("The lungs are clear. No acute process.") == "The lungs are clear. No acute process."


def test_areas_are_those_of_scikit_learn(benchmark_module):
    """Areas under ROC curves by ranks, columns at a time, with ties."""
    rng = np.random.default_rng(0)
    y, proba = rng.integers(0, 2, size=(50, 3)), rng.normal(size=(50, 3)).round(1)
    areas = benchmark_module("openi_findings").areas(y, proba)

    np.testing.assert_allclose(areas, [roc_auc_score(y[:, j], proba[:, j]) for j in range(3)])


@needs_data
def test_xrays_and_reports(benchmark_module):
    """Patients are groups, notes are masked and missing as stated, and the split is the official one."""
    reports = benchmark_module("_reports")
    X, y = reports.load_covid(masked=True)
    complete, _ = reports.load_covid(complete=True)

    assert [len(X), len(complete), len(np.unique(X.groups)), (~X.is_present("note")).sum()] == [
        429,
        342,
        231,
        87,
    ]
    assert (y == "COVID-19").sum() == 330
    assert not any("COVID" in note for note in X["note"] if note is not None)
    X, labels, split = reports.load_openi()
    assert [(split == part).sum() for part in ("train", "validation", "test")] == [3199, 101, 377]
    assert labels["No_Finding"].groupby(split).sum().to_dict() == {
        "test": 278,
        "train": 2236,
        "validation": 72,
    }
    assert not X.is_present("lateral").all()
