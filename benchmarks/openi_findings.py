"""Do scores of the image help the report, and the report the scores? Fourteen findings, official split.

3,677 studies of Indiana University with CheXNet's fourteen probabilities of the frontal and of the lateral
image (missing where there is none; there are no pixels), and the report, in which the words of the names of
findings are masked, see `LABEL_STEMS`. THE LABELS WERE EXTRACTED FROM THESE REPORTS: a text that says the
same in other words, or that something masked is there, tells much of them. Some findings have so few test
studies that their AUC means nothing: the mean over those with ten or more stands beside the mean over all.

Nothing is chosen by the test part. Networks have the defaults (that of the filters was chosen within the
training part, and on other data), but for half the epochs, as reports are many, and for 80 words. The spread
over seeds is that of the training alone, so that differences stand beside with the standard error that comes
of the 377 test studies, by bootstrap.
"""

import numpy as np
import pandas as pd
from _common import MEMORY, RESULTS, report, sources
from _reports import load_openi, only, tfidf, tokenizer
from _scans import write_grid
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmm.compose import ConcatModalities, ModalityTransformer
from skmm.fusion import ImageTextClassifier, LateFusionClassifier
from skmm.multiclass import MultiTargetClassifier

TEXT, SCORES = ("report",), ("frontal", "lateral")
ALL = (*TEXT, *SCORES)
SEEDS = (0, 1)  # of networks
EPOCHS = 10
ENOUGH = 10  # test studies of a finding
RESAMPLES = 500
LACKING = {"report missing at test": SCORES, "scores missing at test": TEXT}
CONCATENATED, LATE, NET = (
    "LR, report + scores (concatenated)",
    "late fusion of LR, average",
    "net, report + scores",
)
QUESTIONS = {
    "Do the scores help the report?": [
        (CONCATENATED, "LR, report"),
        (LATE, "LR, report"),
        (NET, "net, report"),
    ],
    "Does the report help the scores?": [
        (CONCATENATED, "LR, scores"),
        (LATE, "LR, scores"),
        (NET, "net, scores"),
    ],
    "Is a network ahead of concatenation + LR?": [(NET, CONCATENATED), ("net, report", "LR, report")],
}
CHANGED = (LATE, NET, f"{NET}, modality dropout")


def plain(*names):
    """Logistic regression a finding, on the concatenation of some modalities."""
    prepare = {"report": tfidf(), SCORES: StandardScaler()}
    steps = {key: value for key, value in prepare.items() if key in names or set(key) <= set(names)}
    return MultiTargetClassifier(
        make_pipeline(
            ModalityTransformer(steps, remainder="drop"),
            ConcatModalities(),
            LogisticRegression(max_iter=1000),
        )
    )


def late():
    """Logistic regressions for the report and for each view, their probabilities averaged."""
    scores = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    report = make_pipeline(tfidf(), LogisticRegression(max_iter=1000))
    parts = {"report": report, "frontal": scores, "lateral": scores}
    return MultiTargetClassifier(LateFusionClassifier(parts))


def net(*names, **params):
    """One ImageTextClassifier for all findings."""
    return make_pipeline(
        only(*names), ImageTextClassifier(tokenizer=tokenizer(), max_epochs=EPOCHS, **params)
    )


def models():
    """What is compared, with the strategy of fusion."""
    return {
        "LR, scores": (plain(*SCORES), "none"),
        "LR, report": (plain(*TEXT), "none"),
        CONCATENATED: (plain(*ALL), "early"),
        LATE: (late(), "late"),
        "net, scores": (net(*SCORES), "intermediate"),
        "net, report": (net(*TEXT), "none"),
        NET: (net(*ALL), "intermediate"),
        f"{NET}, modality dropout": (net(*ALL, modality_dropout=0.3), "intermediate"),
    }


@MEMORY.cache
def predictions(version, name, model, train, y, test, seed):  # noqa: ARG001 - part of the key
    """Probabilities of the findings in the test part; of some models also where a modality is gone."""
    print(f"{name}, seed {seed}", flush=True)
    if isinstance(model, MultiTargetClassifier):
        fitted = model.fit(train, y)
    else:
        fitted = model.set_params(imagetextclassifier__random_state=seed).fit(train, y.to_numpy())
    changes = LACKING if name in CHANGED else {}
    known = {name: test} | {f"{name}, {change}": test[list(kept)] for change, kept in changes.items()}
    return {name: probabilities(fitted, X) for name, X in known.items()}


def probabilities(model, X):
    """Those of presence, a column a finding."""
    proba = model.predict_proba(X)
    return (
        np.column_stack([np.asarray(part)[:, 1] for part in proba.values()])
        if isinstance(proba, dict)
        else proba
    )


def areas(y, proba):
    """Area under the ROC curve of each column, from ranks."""
    ranks, n = rankdata(proba, axis=0), y.sum(axis=0)
    return ((ranks * y).sum(axis=0) - n * (n + 1) / 2) / (n * (len(y) - n))


def mean_area(y, probas, rows, columns):
    """Mean AUC over findings and seeds on some rows."""
    return np.mean([areas(y[rows][:, columns], proba[rows][:, columns]).mean() for proba in probas])


def differences(found, y, columns):
    """Rows of the gains of mean AUC, with their standard errors over resampled test studies."""
    rng = np.random.default_rng(0)
    samples = [rng.integers(len(y), size=len(y)) for _ in range(RESAMPLES)]
    samples = [rows for rows in samples if y[rows][:, columns].any(axis=0).all()]
    lines = []
    for question, pairs in QUESTIONS.items():
        for number, (better, worse) in enumerate(pairs):

            def gain(rows, better=better, worse=worse):
                means = [mean_area(y, found[name], rows, columns) for name in (better, worse)]
                return means[0] - means[1]

            spread = np.std([gain(rows) for rows in samples], ddof=1)
            figure = f"{gain(np.arange(len(y))):+.3f} ± {spread:.3f}"
            lines.append([question if number == 0 else "", better, worse, figure])
    return lines


def long_table(rows, findings, frequent):
    """Mean AUC over all findings and over the frequent ones, a row a model, seed and metric."""
    each = pd.DataFrame(rows)
    means = {"auc_all": each[findings].mean(axis=1), "auc_frequent": each[frequent].mean(axis=1)}
    keys = ["estimator", "strategy", "baseline", "seed"]
    return each[keys].assign(**means).melt(keys, var_name="metric").assign(fold="test")


def evaluate(X, y, split):
    """Areas by model, seed and finding, and the probabilities of each model, a table a seed."""
    train, test = (np.flatnonzero(split == part) for part in ("train", "test"))
    truth = y.to_numpy()[test]
    rows = [("majority", "none", 0, np.full(y.shape[1], 0.5))]
    found = {}
    for name, (model, strategy) in models().items():
        for seed in SEEDS if name.startswith("net") else (0,):
            parts = predictions(sources(), name, model, X[train], y.iloc[train], X[test], seed)
            for key, proba in parts.items():
                found.setdefault(key, []).append(proba)
                rows.append((key, strategy, seed, areas(truth, proba)))
    rows = [
        {"estimator": name, "strategy": strategy, "baseline": name == "majority", "seed": seed}
        | dict(zip(y.columns, values, strict=True))
        for name, strategy, seed, values in rows
    ]
    return rows, found, truth


def main():
    """A table of means, one of differences, and the areas of each finding."""
    X, y, split = load_openi()
    rows, found, truth = evaluate(X, y, split)
    enough = np.flatnonzero(truth.sum(axis=0) >= ENOUGH)
    each = pd.DataFrame(rows).groupby("estimator", sort=False)[list(y.columns)].mean()
    each = pd.concat([pd.DataFrame([truth.sum(axis=0)], index=["test studies"], columns=y.columns), each])
    each.round(4).to_csv(RESULTS / "openi_each.csv", index_label="estimator")
    title = (
        f"OpenI, mean AUROC over 14 findings and over the {len(enough)} with {ENOUGH} or more test studies; "
        "words of the findings masked; official split (3,199 / 377 studies), "
        f"{len(SEEDS)} seeds of networks"
    )
    report(long_table(rows, list(y.columns), list(y.columns[enough])), "openi_findings", title)
    title = f"OpenI, gain of AUROC, mean of {len(enough)} findings ± standard error (bootstrap of studies)"
    header = ["question", "with", "without", "difference"]
    write_grid("openi_differences", title, header, differences(found, truth, enough))


if __name__ == "__main__":
    main()
