"""Tables of a paper from the tidy scores of a comparison."""

import numpy as np
import pandas as pd

_LATEX = str.maketrans({
    "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
})  # fmt: skip
_RST = str.maketrans({mark: f"\\{mark}" for mark in "\\*`_|"})
_TEST = "test set"
_FOLDS = "cross-validation"


def check_scores(scores, needed):
    """Raise unless the scores are a tidy table that is not empty."""
    if not isinstance(scores, pd.DataFrame):
        what = "its .scores" if hasattr(scores, "scores") else "what compare_estimators returns"
        raise ValueError(
            f"scores must be a tidy DataFrame: hand over {what}. Got {type(scores).__name__} instead."
        )
    absent = [column for column in needed if column not in scores]
    if absent or scores.empty:
        raise ValueError(
            f"scores must have rows and the columns {list(needed)}. Missing: {absent}; rows: {len(scores)}."
        )


def check_metrics(scores, metrics):
    """Names of metrics to show: those asked for, or all, in their order."""
    known = list(pd.unique(scores["metric"]))
    metrics = known if metrics is None else [metrics] if isinstance(metrics, str) else list(metrics)
    unknown = [metric for metric in metrics if metric not in known]
    if unknown or not metrics:
        raise ValueError(f"metrics must be among {known}. Got {metrics!r} instead.")
    return metrics


def average_targets(scores):
    """Scores averaged over targets, where there are several: one a metric, estimator, seed and fold."""
    if "target" not in scores:
        return scores
    keys = ["estimator", "strategy", "baseline", "seed", "fold", "metric"]
    keys = [key for key in keys if key in scores]
    # skipna: as in a mean over folds, a score that is not defined must show.
    grouped = scores.groupby(keys, sort=False)["value"]
    return grouped.apply(lambda values: values.mean(skipna=False)).reset_index()


def metrics_to_plot(scores, needed, metrics):
    """Names of metrics to plot, the first one by default, of scores that have the needed columns."""
    check_scores(scores, needed)
    return check_metrics(scores, metrics or check_metrics(scores, None)[0])


def _summary(scores, metrics):
    """Mean, standard deviation and number of values by estimator; rows in the order of the scores."""
    is_test = (scores["fold"] == "test").rename("evaluation")
    keys = ["estimator", "strategy"]
    keys = ["target", *keys] if "target" in scores else keys
    if is_test.any() and not is_test.all():
        keys = ["evaluation", *keys]
    frame = scores.assign(evaluation=np.where(is_test, _TEST, _FOLDS))
    frame = frame[frame["metric"].isin(metrics)]
    grouped = frame.groupby([*keys, "metric"], sort=False)["value"]
    # skipna: a score that is not defined on a fold must show, not vanish from the mean.
    parts = {
        "mean": grouped.apply(lambda values: values.mean(skipna=False)),
        "std": grouped.apply(lambda values: values.std(ddof=1, skipna=False)),
        "n": grouped.size(),
    }
    table = pd.DataFrame(parts).unstack("metric")  # noqa: PD010 - nothing is aggregated
    rows = frame[keys].drop_duplicates()
    if "evaluation" in keys:
        rows = rows.sort_values("evaluation", kind="stable")
    table = table.reindex(pd.MultiIndex.from_frame(rows))
    order = pd.MultiIndex.from_product([metrics, list(parts)])
    return table.swaplevel(axis=1).reindex(columns=order)


def _caption(scores, bold, n_targets):
    """How the numbers came about, in a sentence or two."""
    texts = []
    for is_test, name in ((False, "folds"), (True, "test")):
        part = scores[(scores["fold"] == "test") == is_test]
        if part.empty:
            continue
        n_seeds = part["seed"].nunique()
        per_seed = part.groupby("seed")["fold"].nunique().max()
        by = [name for name in ("target", "estimator", "metric") if name in part]
        n = part.groupby(by).size().max()
        seeds = f"{n_seeds} seed{'s' if n_seeds > 1 else ''}"
        what = (
            f"{per_seed} fold{'s' if per_seed > 1 else ''} x {seeds}"
            if name == "folds"
            else f"the test set, {seeds}"
        )
        texts.append(f"{n} evaluation{'s' if n > 1 else ''}: {what}")
    caption = f"Mean ± standard deviation (ddof=1) of {'; and of '.join(texts)}."
    if n_targets:
        caption += f" Scores are means over {n_targets} target{'s' if n_targets > 1 else ''}."
    return caption + (" Best in bold." if bold else "")


def _cells(table, metrics, digits, bold, mark, plus_minus):
    """Texts of the scores, and the best of each metric (ties as shown) marked."""
    cells = pd.DataFrame(index=table.index, columns=metrics, dtype=object)
    shown = {metric: table[metric, "mean"].round(digits) for metric in metrics}
    blocks = (
        table.index.droplevel(["estimator", "strategy"]) if table.index.nlevels > 2 else np.zeros(len(table))
    )
    for metric in metrics:
        best = shown[metric].groupby(np.asarray(blocks)).transform("max")
        for row, (mean, std) in enumerate(zip(table[metric, "mean"], table[metric, "std"], strict=True)):
            text = "nan" if np.isnan(mean) else f"{mean:.{digits}f}"
            if not np.isnan(std):  # a single evaluation has none
                text += f" {plus_minus} {std:.{digits}f}"
            if bold and shown[metric].iloc[row] == best.iloc[row]:
                text = mark(text)
            cells.iloc[row, metrics.index(metric)] = text
    return cells


def _markdown(header, rows, caption, n_left):
    """A table in markdown; pipes in names are escaped."""
    lines = [[str(cell).replace("|", r"\|") for cell in line] for line in [header, *rows]]
    lines = [f"| {' | '.join(line)} |" for line in lines]
    lines.insert(1, "|" + ":--|" * n_left + "--:|" * (len(header) - n_left))
    return "\n".join([*lines, "", caption])


def _latex(header, rows, caption, n_left):
    """A table in LaTeX that needs no package."""
    body = [" & ".join(line) + r" \\" for line in rows]
    head = " & ".join(header) + r" \\"
    columns = "l" * n_left + "r" * (len(header) - n_left)
    caption = escape_latex(caption).replace("±", r"$\pm$")
    return "\n".join([
        r"\begin{table}", r"\centering", rf"\caption{{{caption}}}", rf"\begin{{tabular}}{{{columns}}}",
        r"\hline", head, r"\hline", *body, r"\hline", r"\end{tabular}", r"\end{table}",
    ])  # fmt: skip


def _rst(header, rows, caption, n_left):  # noqa: ARG001 - columns are aligned by the style sheet
    """A table in reStructuredText, the caption below it."""
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in [header, *rows]:
        first, *others = (f" {cell}" if cell else "" for cell in row)
        lines += [f"   * -{first}", *(f"     -{cell}" for cell in others)]
    return "\n".join([*lines, "", caption])


def escape_rst(text):
    """Text in which no character means anything to reStructuredText."""
    return str(text).translate(_RST)


def escape_latex(text):
    """Text in which no character means anything to LaTeX."""
    return str(text).translate(_LATEX)


_WRITERS = {"markdown": (str, _markdown), "rst": (escape_rst, _rst), "latex": (escape_latex, _latex)}


def comparison_table(scores, *, metrics=None, format="frame", bold=True, digits=3, by_target=False):
    """Summarise a comparison: mean and standard deviation of each estimator's scores.

    The mean and the standard deviation (ddof=1) go over all n values of an estimator, one a fold and seed.
    Folds share training samples, so the deviation is no standard error of the mean. A score that is NaN on
    one fold makes its mean NaN. With several targets a value is the mean over the targets, on one fold and
    seed.

    Parameters
    ----------
    scores : DataFrame
        From :func:`compare_estimators`.
    metrics : str or list of str, default=None
        Metrics to show, in this order; default: all.
    format : {"frame", "markdown", "rst", "latex"}, default="frame"
        Numbers in a DataFrame, or text for a page (reStructuredText is "rst") or a paper.
    bold : bool, default=True
        Whether the best mean of each metric (all that are equal as shown) is bold, in text.
    digits : int, default=3
        Decimals in text.
    by_target : bool, default=False
        With several targets, whether to show each rather than their mean.

    Returns
    -------
    DataFrame or str
        "frame": rows (estimator, strategy), columns (metric, "mean" | "std" | "n"). Otherwise a table with a
        caption that says over how many folds and seeds. Where there are scores of folds and of an official
        test set, the rows are divided by it; and by target, if asked for.

    Raises
    ------
    ValueError
        If a metric or the format is unknown.

    Examples
    --------
    >>> import pandas as pd
    >>> from skmm.model_selection import comparison_table
    >>> scores = pd.DataFrame({
    ...     "estimator": ["a", "a", "b", "b"], "strategy": ["early", "early", "late", "late"], "seed": 0,
    ...     "fold": [0, 1, 0, 1], "metric": "accuracy", "value": [0.5, 0.7, 0.8, 0.8],
    ... })
    >>> comparison_table(scores)["accuracy"]
                        mean       std  n
    estimator strategy
    a         early      0.6  0.141421  2
    b         late       0.8  0.000000  2
    """
    check_scores(scores, ("estimator", "strategy", "seed", "fold", "metric", "value"))
    if format not in {"frame", *_WRITERS}:
        raise ValueError(f'format must be "frame", "markdown", "rst" or "latex". Got {format!r} instead.')
    metrics = check_metrics(scores, metrics)
    if by_target and "target" not in scores:
        raise ValueError(
            "by_target=True needs scores of several targets. Got scores without a column target."
        )
    n_targets = 0 if by_target or "target" not in scores else scores["target"].nunique()
    scores = scores if by_target else average_targets(scores)
    table = _summary(scores, metrics)
    if format == "frame":
        return table
    latex = format == "latex"
    mark, plus_minus = (r"\textbf{{{}}}".format, r"$\pm$") if latex else ("**{}**".format, "±")
    cells = _cells(table, metrics, digits, bold, mark, plus_minus)
    escape, write = _WRITERS[format]
    rows = [
        [*map(escape, names), *values] for names, values in zip(table.index, cells.to_numpy(), strict=True)
    ]
    header = [escape(name) for name in (*table.index.names, *metrics)]
    return write(header, rows, _caption(scores, bold, n_targets), table.index.nlevels)


def confusion_matrices(predictions, *, normalize=None, labels=None):
    """Confusion matrix of each estimator: mean and standard deviation over folds and seeds.

    Parameters
    ----------
    predictions : DataFrame
        ``predictions`` of ``compare_estimators(..., return_predictions=True)``.
    normalize : {"true", "pred", "all"}, default=None
        Whether each fold's counts are divided by those of the true class, of the predicted class, or by all.
        A class that a fold does not have gives a row (or column) of 0 for that fold.
    labels : array-like of shape (n_classes,), default=None
        Classes to show, in order; default: all that occur.

    Returns
    -------
    DataFrame
        Rows (estimator, true class), columns ("mean" | "std", predicted class);
        ``matrices.loc["name"]["mean"]`` is the matrix of one estimator. The standard deviation (ddof=1) of a
        single fold is NaN.

    Raises
    ------
    ValueError
        If the predictions are none, or are of folds and of an official test set together.

    Examples
    --------
    >>> import pandas as pd
    >>> from skmm.model_selection import confusion_matrices
    >>> predictions = pd.DataFrame({
    ...     "estimator": "a", "seed": 0, "fold": [0, 0, 1, 1], "y_true": [0, 1, 0, 1], "y_pred": [0, 1, 0, 0],
    ... })
    >>> confusion_matrices(predictions).loc["a"]["mean"]
    predicted    0    1
    true
    0          1.0  0.0
    1          0.5  0.5
    """
    from sklearn.metrics import confusion_matrix

    check_scores(predictions, ("estimator", "seed", "fold", "y_true", "y_pred"))
    if "target" in predictions and predictions["target"].nunique() > 1:
        raise ValueError(
            "predictions hold several targets. Choose one: predictions[predictions['target'] == ...]."
        )
    is_test = predictions["fold"] == "test"
    if is_test.any() and not is_test.all():
        raise ValueError(
            "predictions hold folds and the official test set. Choose one: "
            'predictions[predictions["fold"] == "test"], or !=.'
        )
    if labels is None:
        labels = np.unique(np.concatenate([predictions["y_true"], predictions["y_pred"]]))
    index, columns = pd.Index(labels, name="true"), pd.Index(labels, name="predicted")
    tables = {}
    for name, own in predictions.groupby("estimator", sort=False):
        matrices = np.stack(
            [
                confusion_matrix(fold["y_true"], fold["y_pred"], labels=labels, normalize=normalize)
                for _, fold in own.groupby(["seed", "fold"], sort=False)
            ]
        ).astype(float)
        std = matrices.std(axis=0, ddof=1) if len(matrices) > 1 else np.full(matrices.shape[1:], np.nan)
        parts = {"mean": matrices.mean(axis=0), "std": std}
        tables[name] = pd.concat(
            {key: pd.DataFrame(part, index, columns) for key, part in parts.items()}, axis=1
        )
    return pd.concat(tables, names=["estimator"])
