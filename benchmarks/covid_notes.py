"""Does the X-ray help the note, and the note the X-ray? COVID-19 against other findings, patients as groups.

Images of a public collection with the notes that came with them: cases from journals and web pages, so that
SOURCE AND DIAGNOSIS GO TOGETHER (size and frame of an image, length and style of a note, whether there is
one). The figures say how models join an image and a text; they are no figures of a diagnosis.

The default of the filters of texts was chosen within the training rows of one of these folds, which are test
rows of others: that flatters the networks a little. Nothing else was chosen.

Images have 32 pixels a side, networks see 80 words of a note, and seeds are two or one, so that it all takes
half an hour on one core.
"""

import copy

import matplotlib as mpl
import numpy as np
import pandas as pd
from _common import MEMORY, RESULTS, compare, report, sources
from _reports import SIDE, balanced_lr, load_covid, only, openi_vectors, pixels, tfidf, tokenizer
from _scans import write_grid
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.metrics import check_scoring
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from skorch.callbacks import Callback

from skmm.compose import ConcatModalities, ModalityTransformer
from skmm.fusion import ImageTextClassifier, LateFusionClassifier
from skmm.metrics import paper_scorers
from skmm.model_selection import TrainingHistoryDisplay
from skmm.preprocessing import GrayscaleNormalizer

SEEDS, FOLDS = (0, 1), 5
EPOCHS = (1, 2, 5, 10, 20)  # of the table
METRICS = ["roc_auc_ovr", "balanced_accuracy", "f1_macro", "accuracy"]
BOTH = ("image", "note")
ALONE = ImageTextClassifier(tokenizer=tokenizer())  # what is trained on one modality first
TRAINED = {"image_encoder": ALONE, "text_encoder": ALONE}
CURVES = ("net, image", "net, note", "net, image + note", "net, image + note, trained alone first")


def clinical():
    """Age, sex and view as numbers; that they are not known is a column or a category of its own."""
    return ColumnTransformer([
        ("age", make_pipeline(SimpleImputer(add_indicator=True), StandardScaler()), ["age"]),
        ("codes", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["sex", "view"]),
    ])  # fmt: skip


def plain(*names):
    """Logistic regression on the concatenation of some modalities."""
    prepare = {"image": pixels(), "note": tfidf(), "table": clinical()}
    steps = ModalityTransformer({name: prepare[name] for name in names}, remainder="drop")
    return make_pipeline(steps, ConcatModalities(), balanced_lr())


def late(method):
    """A logistic regression for the images, one for the notes."""
    parts = {"image": make_pipeline(pixels(), balanced_lr()), "note": make_pipeline(tfidf(), balanced_lr())}
    return make_pipeline(only(*BOTH), LateFusionClassifier(parts, method=method))


def net(*names, **params):
    """ImageTextClassifier of some modalities."""
    prepare = {"image": GrayscaleNormalizer(size=(SIDE, SIDE)), "note": "passthrough", "table": clinical()}
    steps = ModalityTransformer({name: prepare[name] for name in names}, remainder="drop")
    words = {} if "text_encoder" in params else {"tokenizer": tokenizer()}
    return make_pipeline(steps, ImageTextClassifier(**words, **params))


def baselines():
    """What stands beside the networks."""
    return {
        "LR, image": plain("image"),
        "LR, note": plain("note"),
        "LR, image + note (concatenated)": plain(*BOTH),
        "late fusion of LR, average": late("average"),
        "late fusion of LR, stacking": late("stacking"),
    }


def networks():
    """The networks of which there are curves."""
    return dict(zip(CURVES, (net("image"), net("note"), net(*BOTH), net(*BOTH, **TRAINED)), strict=True))


def variants():
    """Other ways of transfer, and the table."""
    return {
        "net, image + note, trained alone first, frozen": net(*BOTH, image_lr=0, text_lr=0, **TRAINED),
        "net, image + note, words of other reports": net(*BOTH, word_vectors=openi_vectors()),
        "LR, table": plain("table"),
        "LR, image + note + table (concatenated)": plain(*BOTH, "table"),
        "net, image + note + table": net(*BOTH, "table"),
    }


class Snapshots(Callback):
    """Hands over the weights of every epoch."""

    def __init__(self, keep):
        self.keep = keep

    def on_epoch_end(self, net, **kwargs):
        """Give a copy away."""
        self.keep(copy.deepcopy(net.module_.state_dict()))


def folds_of(X, y, seed):
    """The folds that `compare` draws."""
    return StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed).split(y, y, X.groups)


@MEMORY.cache
def curves_of_seed(version, X, y, seed):  # noqa: ARG001 - part of the key
    """Scores of the networks on the held-out fold after every epoch; nothing is chosen by them."""
    rows, scoring = [], paper_scorers(METRICS)
    for name, model in networks().items():
        for fold, (train, test) in enumerate(folds_of(X, y, seed)):
            states, classifier = [], model[-1]
            nested = [key for key in classifier.get_params() if key.rpartition("__")[2] == "random_state"]
            classifier.set_params(**dict.fromkeys(nested, seed), callbacks=[Snapshots(states.append)])
            model.fit(X[train], y[train])
            for epoch, state in enumerate(states, 1):
                classifier.net_.module_.load_state_dict(state)
                scores = check_scoring(model, scoring=scoring)(model, X[test], y[test])
                labels = {"estimator": name, "seed": seed, "fold": fold, "epoch": epoch}
                rows += [{**labels, "metric": metric, "value": value} for metric, value in scores.items()]
            print(f"seed {seed}, {name}, fold {fold}", flush=True)
    return pd.DataFrame(rows)


def curves(X, y):
    """Scores by epoch of all seeds, as a table of numbers, a table of some epochs, and a picture."""
    scores = pd.concat([curves_of_seed(sources(), X, y, seed) for seed in SEEDS], ignore_index=True)
    scores.round(5).to_csv(RESULTS / "covid_epochs.csv", index=False)
    draw(scores, y)
    some = scores[(scores["metric"] == "accuracy") & scores["epoch"].isin(EPOCHS)]
    cells = some.pivot_table("value", "estimator", "epoch", aggfunc=as_text, sort=False)
    rows = [[name, *row] for name, row in zip(cells.index, cells.to_numpy(), strict=True)]
    title = (
        f"COVID-19 or other, {len(y)} rows with image and masked note: accuracy on held-out folds by epoch "
        f"({FOLDS} folds, {count(SEEDS)}; majority {(y == 'COVID-19').mean():.3f}; nothing chosen by it)"
    )
    write_grid("covid_epochs_grid", title, ["model", *(f"epoch {epoch}" for epoch in cells)], rows)
    return scores


def as_text(values):
    """Mean ± standard deviation."""
    return f"{values.mean():.3f} ± {values.std():.3f}"


def draw(scores, y):
    """Write the curves as a picture, with what the majority class reaches."""
    history = scores.rename(columns={"estimator": "model"}).assign(side="")
    history["fit"] = FOLDS * history["seed"] + history["fold"]
    history["model"] = history["model"].str.removeprefix("net, ")
    floors = {"accuracy": (y == "COVID-19").mean(), "balanced_accuracy": 0.5, "roc_auc_ovr": 0.5}
    display = TrainingHistoryDisplay(history).plot(metrics=list(floors))
    for axes, floor in zip(display.axes_, floors.values(), strict=True):
        axes.axhline(floor, color="0.4", linewidth=1, linestyle=":")
    with mpl.rc_context({"svg.hashsalt": "covid_epochs"}):  # the same file from the same figures
        display.figure_.savefig(RESULTS / "covid_epochs.svg", bbox_inches="tight", metadata={"Date": None})


def last_epoch(scores):
    """Scores of the trained networks in the form of those of `compare`."""
    last = scores[scores["epoch"] == scores["epoch"].max()].drop(columns="epoch")
    return last.assign(strategy=np.where(last["estimator"].isin(CURVES[:2]), "none", "intermediate"))


def strategies(models):
    """The strategy of what sees one modality, which the steps do not tell."""
    return {name: "none" for name in models if "+" not in name and not name.startswith("late")}


def scores_of(X, y, seeds, *parts):
    """Scores of several sets of models with the majority class; those of each network are kept alone."""
    options = {"seeds": seeds, "cv": FOLDS, "scoring": METRICS, "n_jobs": 1}
    sets = [baselines(), *({name: model} for part in parts for name, model in part.items())]
    tables = [
        compare(
            models, X, y,
            baselines=() if number else ("majority",), strategies=strategies(models), **options,
        )
        for number, models in enumerate(sets)
    ]  # fmt: skip
    return pd.concat(tables, ignore_index=True)


def count(seeds):
    """Number of seeds, in words."""
    return f"{len(seeds)} seed{'s' if len(seeds) > 1 else ''}"


def title(X, seeds, notes):
    """What a table is of."""
    lacking = np.count_nonzero(~X.is_present("note"))
    there = f"missing in {lacking} of {len(X)} rows" if lacking else f"{len(X)} rows that have one"
    return f"COVID-19 or other; notes {notes}, {there}; {FOLDS} folds of patients, {count(seeds)}"


def main():
    """Masked notes where both are there, with curves; then masked and unmasked ones, missing as they are."""
    X, y = load_covid(masked=True, complete=True)
    scores = pd.concat([scores_of(X, y, SEEDS), last_epoch(curves(X, y))], ignore_index=True)
    report(scores, "covid_complete", title(X, SEEDS, "masked"))

    X, y = load_covid(masked=True)
    models = networks()
    del models["net, image"]  # as with notes as written
    report(scores_of(X, y, SEEDS[:1], models), "covid_masked", title(X, SEEDS[:1], "masked"))

    X, y = load_covid()
    scores = scores_of(X, y, SEEDS[:1], networks(), variants())
    report(scores, "covid_raw", title(X, SEEDS[:1], "as written"))


if __name__ == "__main__":
    main()
