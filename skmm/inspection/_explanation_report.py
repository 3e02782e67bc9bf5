"""One page that explains a model's answers to a few samples, for readers who do not program."""

from numbers import Integral

import numpy as np
import pandas as pd

from skmm._training import Number, check_values
from skmm.containers import is_bare_table, n_rows, take_rows
from skmm.inspection._attribute import attribute
from skmm.inspection._html import colour_rules, escaped, page, write_page
from skmm.inspection._models import reached
from skmm.inspection._regions import region_options
from skmm.inspection._report_modalities import modality_parts
from skmm.inspection._report_sections import (
    answer_html,
    completeness_html,
    guide_html,
    labels_html,
    totals_html,
)
from skmm.inspection._report_steps import Trail, as_given
from skmm.inspection._samples import samples_to_show, true_labels

_RULES = {"n_features": (Number(Integral, 1),)}
_LONGEST = 4000  # letters of an estimator's parameters


def explanation_report(
    estimator,
    X,
    path=None,
    *,
    y=None,
    samples=4,
    target=None,
    regions=None,
    n_features=8,
    title="What the model went by",
    **options,
):
    """Write one HTML file that explains a model's answers to a few samples.

    Of each sample it shows what is predicted, how probable each class is, and whether that is right; what
    each modality adds to the answer, and which are missing; images with attributions and regions over them;
    reports with their words in the colour of their weight; the strongest features of tables, by name; and
    whether the numbers add up. The file opens in any browser without a network, and holds all that it needs.
    All that comes from data is shown as it is: markup in a report is neither read nor run.

    Parameters
    ----------
    estimator : estimator
        Fitted, as :func:`attribute` takes it: a fusion classifier with a network, alone, as the last step of
        a Pipeline, or in a search. Where a step makes vectors of images or texts, their features are shown,
        and the step is named.
    X : mapping of str -> array, ModalityDict, or array-like of shape (n_samples, n_features)
        Samples, as the estimator takes them. Sample ids of a ModalityDict are titles.
    path : str or path, default=None
        The file, which is overwritten. None: the page is returned as a str.
    y : array-like of shape (n_samples,) or (n_samples, n_labels), default=None
        True labels; samples of all classes are then shown in turn.
    samples : int or list of int, default=4
        How many samples, or the rows of which. Only these are run through the estimator.
    target : label or array-like of shape (n_samples,), default=None
        The class that is explained, of all samples or of each; default: the one that is predicted.
    regions : dict, default=None
        Arguments of :func:`find_regions`, but for ``mask``.
    n_features : int, default=8
        Number of features of a table, at most.
    title : str, default="What the model went by"
        The heading.
    **options : dict
        Further arguments of :func:`attribute`, such as ``method`` and ``baseline``.

    Returns
    -------
    str or pathlib.Path
        The page where there is no path; else where it is.

    Raises
    ------
    ValueError
        If an argument is not allowed, or the estimator has no network to explain.

    Warns
    -----
    ConvergenceWarning
        As :func:`attribute`; the page says so too, at the sample.
    UserWarning
        As `Attributions.maps`, of steps that are taken to leave pixels in place.

    See Also
    --------
    attribute : The numbers behind it.
    TokenAttributionDisplay : A page of reports alone.

    Notes
    -----
    Colours of words and lengths of bars have one scale for all samples of the page. Large images are written
    with at most 512 pixels a side.

    Examples
    --------
    >>> from skmm.datasets import load_digits_views
    >>> from skmm.fusion import MMStaticClassifier
    >>> from skmm.inspection import explanation_report
    >>> X, y = load_digits_views(return_X_y=True)
    >>> X = X[["image", "profile"]]
    >>> model = MMStaticClassifier(16, max_epochs=5, random_state=0).fit(X[["profile"]][:300], y[:300])
    >>> text = explanation_report(model, X[["profile"]], y=y, samples=[300, 301])
    >>> text.count("<article")
    2
    """
    check_values("explanation_report", {"n_features": n_features}, _RULES)
    regions = region_options("explanation_report", regions or {}, without=("mask",))
    X = as_given(estimator, X)
    if "token_score" in options:
        raise ValueError(
            "explanation_report shows what words add, with their signs, and takes no token_score. For "
            "squares: TokenAttributionDisplay.from_estimator(..., token_score='squared')."
        )
    n_samples = n_rows(X)
    labels, label_names = true_labels(y, n_samples)
    in_turn = labels if labels is not None and labels.ndim == 1 else None
    rows = samples_to_show(samples, np.ones(n_samples, dtype=bool), in_turn)
    chosen = take_rows(X, rows) if is_bare_table(X) else X[rows]
    attributions = attribute(estimator, chosen, _of_rows(target, rows, n_samples), **options)
    trail = Trail()
    model, _, _ = reached(estimator, chosen, trail)
    answers, called = _answers(estimator, chosen, None if labels is None else labels[rows], label_names)
    given = [] if is_bare_table(chosen) else list(chosen)
    names = sorted(attributions, key=lambda name: given.index(name) if name in given else len(given))
    parts = {
        name: modality_parts(
            attributions, name, trail, regions=regions, n_features=n_features, key=f"picture-{number}"
        )
        for number, name in enumerate(names)
    }
    sums = _sums(attributions, list(parts), _confidence(model, attributions.X), called)
    ids = [f"row {row}" for row in rows] if getattr(X, "index", None) is None else X.index[rows]
    articles = [
        _article(ids[place], answers[place], *sums[place], {name: own[place] for name, own in parts.items()})
        for place in range(len(rows))
    ]
    kinds = {trail.first.get(name, attributions.X).kinds[name] for name in parts}
    guide = guide_html(with_images=bool(kinds & {"image", "volume", "bag"}), with_texts="text" in kinds)
    body = "\n".join([_about(estimator, attributions), guide, *articles])
    return write_page(page(title, body, rules=colour_rules(signed=True)), path)


def _article(name, answer, totals, completeness, parts):
    """All of one sample."""
    sections = "\n".join(
        f"<section><h3><bdi>{escaped(modality)}</bdi></h3>{part}</section>"
        for modality, part in parts.items()
    )
    return (
        f'<article><h2><bdi>{escaped(name)}</bdi></h2>\n<div class="pair"><div>{answer}</div>'
        f"<div>{totals}</div></div>\n{sections}\n{completeness}</article>"
    )


def _sums(attributions, names, confidence, called):
    """What modalities add to the answer, and whether it adds up, as HTML, of each sample."""
    totals, here = attributions.totals[names], attributions.X
    top = float(np.abs(totals.to_numpy()).max(initial=0.0))
    present = np.column_stack([here.is_present(name) for name in names])
    errors = attributions.completeness_error
    sums = []
    for place, label in enumerate(attributions.target):
        target = called.get(label, label)
        own = totals.iloc[place]
        trust = None if confidence is None else confidence.iloc[place]
        error = None if errors is None else errors[place]
        sums.append(
            (
                totals_html(own, top, target, present[place], trust),
                completeness_html(error, attributions.difference[place], own.sum(), target),
            )
        )
    return sums


def _of_rows(target, rows, n_samples):
    """The classes to explain, of some samples."""
    if target is None or np.ndim(target) == 0:
        return target
    targets = list(target)
    if len(targets) != n_samples:
        raise ValueError(
            f"target must be one label, or one for each of {n_samples} samples. Got {len(targets)}."
        )
    return [targets[row] for row in rows]


def _answers(estimator, X, labels, label_names):
    """What an estimator says of each sample, as HTML, and what labels are called where it has several."""
    proba, predicted = estimator.predict_proba(X), estimator.predict(X)
    if labels is not None and labels.shape != predicted.shape:
        raise ValueError(
            f"y must have the shape of predictions, {predicted.shape} for these samples. Got {labels.shape}."
        )
    true = [None] * len(proba) if labels is None else labels
    if predicted.ndim == 2:  # columns of labels, which attribute calls by their numbers
        names = label_names or list(range(proba.shape[1]))
        called = dict(enumerate(names))
        return [labels_html(names, *one) for one in zip(proba, predicted, true, strict=True)], called
    is_labelled, classes = labels is not None, list(estimator.classes_)
    answers = [
        answer_html(classes, *one, is_labelled=is_labelled)
        for one in zip(proba, predicted, true, strict=True)
    ]
    return answers, {}


def _confidence(model, X):
    """The model's own confidence in modalities, or None where it has none."""
    if not hasattr(model, "modality_confidence"):
        return None
    try:
        return pd.DataFrame(model.modality_confidence(X))
    except ValueError:  # MM dynamics without confidence weighting
        return None


def _about(estimator, attributions):
    """What made the page."""
    parameters = repr(estimator)
    parameters = parameters if len(parameters) <= _LONGEST else f"{parameters[:_LONGEST]}…"
    method = attributions.method.replace("_", " ")
    return (
        f"<details><summary>Made from {escaped(type(estimator).__name__)} by {escaped(method)}</summary>"
        f"<pre>{escaped(parameters)}</pre></details>"
    )
