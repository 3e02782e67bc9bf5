"""Tables: means and deviations by hand, bold, markdown, LaTeX, confusion matrices."""

import re

import numpy as np
import pandas as pd
import pytest

from skmm.model_selection import compare_estimators, comparison_table, confusion_matrices
from skmm.model_selection._table import escape_latex


def tidy(values, metric="f1", **labels):
    """Scores {estimator: [value a fold]} as a tidy table."""
    rows = [
        {
            "estimator": name,
            "strategy": "late",
            "seed": 0,
            "fold": fold,
            "metric": metric,
            "value": value,
            **labels,
        }
        for name, folds in values.items()
        for fold, value in enumerate(folds)
    ]
    return pd.DataFrame(rows)


def test_mean_and_deviation_are_those_computed_by_hand():
    """Mean and standard deviation (ddof=1) go over all folds and seeds; estimators keep their order."""
    second = tidy({"b": [0.7, 0.9], "a": [0.1, 0.2]}).assign(seed=1)
    scores = pd.concat([tidy({"b": [0.5, 0.6], "a": [0.3, 0.4]}), second])

    table = comparison_table(scores)

    assert table.index.tolist() == [("b", "late"), ("a", "late")]
    assert table.columns.tolist() == [("f1", "mean"), ("f1", "std"), ("f1", "n")]
    np.testing.assert_allclose(table["f1", "mean"], [0.675, 0.25])
    squares = [(0.175**2 + 0.075**2 + 0.025**2 + 0.225**2) / 3, (0.05**2 + 0.15**2 + 0.15**2 + 0.05**2) / 3]
    np.testing.assert_allclose(table["f1", "std"], np.sqrt(squares))
    assert table["f1", "n"].tolist() == [4, 4]


def test_markdown_marks_the_best_and_says_how():
    """The best mean is bold, equal ones as shown are all bold, and the caption counts folds and seeds."""
    scores = pd.concat(
        [tidy({"a": [0.50004, 0.5], "b|c": [0.5, 0.5]}), tidy({"a": [0.1, 0.3], "b|c": [0.0, 0.2]}, "auc")]
    )

    assert comparison_table(scores, format="markdown", digits=2).splitlines() == [
        "| estimator | strategy | f1 | auc |",
        "|:--|:--|--:|--:|",
        "| a | late | **0.50 ± 0.00** | **0.20 ± 0.14** |",
        r"| b\|c | late | **0.50 ± 0.00** | 0.10 ± 0.14 |",
        "",
        "Mean ± standard deviation (ddof=1) of 2 evaluations: 2 folds x 1 seed. Best in bold.",
    ]
    assert "**" not in comparison_table(scores, format="markdown", bold=False)
    assert "bold" not in comparison_table(scores, format="markdown", bold=False)


def test_metrics_are_chosen_and_ordered():
    """Only the metrics asked for are shown, in that order."""
    scores = pd.concat([tidy({"a": [0.5]}, metric) for metric in ("x", "y", "z")])
    header = comparison_table(scores, metrics=["z", "x"], format="markdown").splitlines()[0]
    assert header == "| estimator | strategy | z | x |"


def test_a_single_evaluation_has_no_deviation():
    """One value is shown without a standard deviation, which ddof=1 leaves undefined."""
    assert (
        comparison_table(tidy({"a": [0.25]}), format="markdown").splitlines()[2] == "| a | late | **0.250** |"
    )
    assert np.isnan(comparison_table(tidy({"a": [0.25]}))["f1", "std"].iloc[0])


def test_an_undefined_score_shows():
    """NaN on one fold makes the mean NaN instead of vanishing, and is never the best."""
    table = comparison_table(tidy({"a": [0.9, np.nan], "b": [0.1, 0.3]}), format="markdown")
    assert table.splitlines()[2:4] == ["| a | late | nan |", "| b | late | **0.200 ± 0.141** |"]


def test_latex_is_balanced_and_escaped():
    """Every row has as many cells as columns, environments close, and names mean nothing to LaTeX."""
    latex = comparison_table(
        tidy({"50%_of $x$ & {y}^~\\": [0.5, 0.7], "b": [0.1, 0.2]}, "f1_macro"), format="latex"
    )
    lines = latex.splitlines()

    assert r"50\%\_of \$x\$ \& \{y\}\textasciicircum{}\textasciitilde{}\textbackslash{} & late" in latex
    assert r"\textbf{0.600 $\pm$ 0.141} \\" in latex
    assert r"\begin{tabular}{llr}" in latex
    assert r"f1\_macro" in latex
    assert lines[0] == r"\begin{table}"
    assert lines[-2:] == [r"\end{tabular}", r"\end{table}"]
    bare = re.sub(r"\\[{}]", "", latex)
    assert bare.count("{") == bare.count("}")
    rows = [line for line in lines if line.endswith(r"\\")]
    assert [len(re.findall(r"(?<!\\)&", row)) for row in rows] == [2, 2, 2]
    assert "±" not in latex


def test_escaping_leaves_plain_text_alone():
    """Letters, digits and common punctuation stay."""
    assert escape_latex("MM dynamics (3 omics), v1.0") == "MM dynamics (3 omics), v1.0"


def test_folds_and_the_official_test_set_are_kept_apart():
    """Where both are there, each has its own rows, its own best and its part of the caption."""
    scores = pd.concat(
        [tidy({"a": [0.1, 0.3], "b": [0.5, 0.5]}), tidy({"a": [0.8], "b": [0.6]}).assign(fold="test")]
    )

    lines = comparison_table(scores, format="markdown").splitlines()

    assert lines[0] == "| evaluation | estimator | strategy | f1 |"
    assert lines[2:6] == [
        "| cross-validation | a | late | 0.200 ± 0.141 |",
        "| cross-validation | b | late | **0.500 ± 0.000** |",
        "| test set | a | late | **0.800** |",
        "| test set | b | late | 0.600 |",
    ]
    assert "2 evaluations: 2 folds x 1 seed; and of 1 evaluation: the test set, 1 seed." in lines[-1]


def test_a_real_comparison_makes_a_table(study, early):
    """The frame equals pandas' own mean and std of the scores."""
    X, y = study
    scores = compare_estimators({"early": early}, X, y, cv=3, random_states=(0, 1))
    table = comparison_table(scores)

    for (name, metric), values in scores.groupby(["estimator", "metric"])["value"]:
        row = table.xs(name).iloc[0]
        assert row[metric, "mean"] == pytest.approx(values.mean())
        assert row[metric, "std"] == pytest.approx(values.std())
        assert row[metric, "n"] == 6


def test_restructured_text_marks_the_best_and_keeps_names():
    """Each cell is an entry of a list-table; characters that mean something there are escaped."""
    scores = tidy({"a_b": [0.5, 0.75], "c*": [0.25, 0.25]}, "f1_macro")

    assert comparison_table(scores, format="rst", digits=2).splitlines() == [
        ".. list-table::",
        "   :header-rows: 1",
        "",
        "   * - estimator",
        "     - strategy",
        r"     - f1\_macro",
        r"   * - a\_b",
        "     - late",
        "     - **0.62 ± 0.18**",
        r"   * - c\*",
        "     - late",
        "     - 0.25 ± 0.00",
        "",
        "Mean ± standard deviation (ddof=1) of 2 evaluations: 2 folds x 1 seed. Best in bold.",
    ]


def test_restructured_text_is_understood():
    """docutils reads the table without a complaint, with the names as they are."""
    docutils = pytest.importorskip("docutils.core", reason="docutils comes with the extra docs")
    scores = tidy({"a_b": [0.5, 0.75], "c*": [0.25, 0.25], r"`|\_": [0.1, 0.2]})

    html = docutils.publish_string(
        comparison_table(scores, format="rst"), writer="html", settings_overrides={"halt_level": 2}
    ).decode()

    assert all(
        f">{name}<" in html.replace("<p>", ">").replace("</p>", "<") for name in ("a_b", "c*", r"`|\_")
    )


def test_confusion_matrices_are_those_computed_by_hand():
    """Mean and standard deviation over folds, counts or shares of the true class."""
    predictions = pd.DataFrame({
        "estimator": "m", "seed": 0, "fold": [0, 0, 0, 1, 1, 1],
        "y_true": ["p", "p", "q", "p", "q", "q"], "y_pred": ["p", "q", "q", "p", "p", "q"],
    })  # fmt: skip

    counts = confusion_matrices(predictions).loc["m"]
    shares = confusion_matrices(predictions, normalize="true", labels=["q", "p"]).loc["m"]

    np.testing.assert_array_equal(counts["mean"], [[1.0, 0.5], [0.5, 1.0]])
    np.testing.assert_allclose(counts["std"], [[0.0, np.sqrt(0.5)], [np.sqrt(0.5), 0.0]])
    assert counts["mean"].index.tolist() == ["p", "q"]
    np.testing.assert_array_equal(shares["mean"], [[0.75, 0.25], [0.25, 0.75]])
    assert shares["mean"].index.tolist() == ["q", "p"]


def test_confusion_matrices_count_every_sample(study, early):
    """The mean matrix times the folds sums to the samples, and its diagonal to the right ones."""
    X, y = study
    result = compare_estimators({"early": early}, X, y, cv=3, return_predictions=True)

    mean = confusion_matrices(result.predictions).loc["early"]["mean"].to_numpy()

    own = result.predictions.query("estimator == 'early'")
    assert 3 * mean.sum() == pytest.approx(60)
    assert 3 * np.trace(mean) == pytest.approx((own["y_true"] == own["y_pred"]).sum())


def test_bad_input_is_refused():
    """Unknown metrics and formats, mixed predictions and what is no tidy table raise."""
    scores = tidy({"a": [0.5]})
    with pytest.raises(ValueError, match=r"metrics must be among \['f1'\]"):
        comparison_table(scores, metrics="auc")
    with pytest.raises(ValueError, match="format must be"):
        comparison_table(scores, format="html")
    with pytest.raises(ValueError, match="Missing: \\['strategy'\\]"):
        comparison_table(scores.drop(columns="strategy"))
    with pytest.raises(ValueError, match="must be a tidy DataFrame"):
        comparison_table({"a": 1})
    mixed = pd.DataFrame(
        {"estimator": "m", "seed": 0, "fold": [0, "test"], "y_true": [0, 1], "y_pred": [0, 1]}
    )
    with pytest.raises(ValueError, match="hold folds and the official test set"):
        confusion_matrices(mixed)
