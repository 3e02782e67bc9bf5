"""A page that explains samples: its numbers are the model's, what is missing is named, it is not large."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skmm import BagArray, ModalityDict
from skmm.compose import ModalitySplitter, ModalityTransformer
from skmm.embedding import ImageEmbedder
from skmm.exceptions import NoModalityWarning
from skmm.fusion import (
    AttentionPoolingClassifier,
    HEALNetClassifier,
    ImageTextClassifier,
    MMDynamicsClassifier,
    MMStaticClassifier,
)
from skmm.inspection import attribute, explanation_report, find_regions
from skmm.inspection._html import aligned, number, percent
from skmm.inspection._report_pictures import heat
from skmm.inspection._report_sections import completeness_html
from skmm.preprocessing import GrayscaleNormalizer

FINDINGS = ["Clear lungs, <b>no</b> effusion.", "Left EFFUSION & opacity."]
SMALL = {"max_epochs": 2, "random_state": 0}


class Cells(HTMLParser):
    """The words of a page, cell by cell, without its head."""

    def __init__(self, page):
        super().__init__()
        self.rows, self.texts, self._in_cell = [], [], False
        self.feed(page.partition("<main>")[2].partition("</main>")[0])
        self.text = " ".join("".join(self.texts).split())

    def handle_starttag(self, tag, attrs):
        """A row begins, or a cell."""
        if tag == "tr":
            self.rows.append([])
        elif tag in {"td", "th"}:
            self.rows[-1].append("")
            self._in_cell = True
        if tag in {"td", "th", "p", "h2", "h3"}:
            self.texts.append(" ")

    def handle_data(self, data):
        """Words."""
        self.texts.append(data)
        if self._in_cell:
            self.rows[-1][-1] += data

    def handle_endtag(self, tag):
        """A cell ends."""
        self._in_cell &= tag not in {"td", "th"}

    def row(self, name):
        """The cells of the first row of a name."""
        return next(row for row in self.rows if row and row[0] == name)


def articles(page):
    """The parts of a page that belong to one sample each."""
    return re.findall(r"<article>.*?</article>", page, flags=re.DOTALL)


def pictures(html):
    """All pictures inside a page, as arrays."""
    found = re.findall(r"data:image/png;base64,([^\"]+)", html)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(one)))) for one in found]


def make_data(n=16):
    """X-rays with a bright spot where ill, reports, a table; row 1 lacks the report, row 2 the X-ray."""
    rng = np.random.default_rng(0)
    ill = np.arange(n) % 2
    images = rng.integers(0, 60, (n, 12, 10)).astype(np.uint8)
    images[1::2, 3:7, 2:6] += 150
    table = rng.normal(size=(n, 3))
    table[:, 0] += 2 * ill
    X = ModalityDict(
        {"xray": images, "report": [FINDINGS[one] if row != 1 else None for row, one in enumerate(ill)],
         "lab": table},
        present={"xray": np.arange(n) != 2},
        feature_names={"lab": ["CRP", "age", "sodium"]},
        index=[f"P{row:02d}" for row in range(n)],
    )  # fmt: skip
    return X, np.array(["well", "ill"])[ill]


@pytest.fixture(scope="module")
def fitted():
    """A classifier of images with reports and a table, and its data."""
    X, y = make_data()
    model = ImageTextClassifier(6, n_filters=3, embedding_dim=5, max_epochs=4, random_state=0)
    return model.fit(X, y), X, y


@pytest.fixture(scope="module")
def four(fitted):
    """The articles of its first four samples, and their attributions."""
    model, X, y = fitted
    page = explanation_report(model, X, y=y, samples=range(4), regions={"outliers": 0})
    return articles(page), attribute(model, X[:4])


def test_the_answer_is_the_estimators(fitted, four):
    """Each sample has its id, the class that is predicted, all probabilities, and whether it is right."""
    model, X, y = fitted
    html, _ = four
    proba, predicted = model.predict_proba(X[:4]), model.predict(X[:4])

    for row, one in enumerate(html):
        cells = Cells(f"<main>{one}</main>")
        verdict = "right" if predicted[row] == y[row] else "wrong"
        said = f"P{row:02d} Predicted: {predicted[row]}. True label: {y[row]} ({verdict})."
        assert cells.text.startswith(said)
        for label, share in zip(model.classes_, proba[row], strict=True):
            assert cells.row(label)[1] == percent(share)
    without = Cells(explanation_report(model, X, samples=[0])).text
    assert "True label" not in without


def test_modalities_add_what_attribute_says_and_missing_ones_are_named(four):
    """Totals are those of the attributions, in the order of X; a missing modality is named."""
    html, attributions = four
    top = attributions.totals.abs().to_numpy().max()

    for row, one in enumerate(html):
        cells = Cells(f"<main>{one}</main>")
        rows = [cells.row(name) for name in ("xray", "report", "lab")]
        assert [cells.rows.index(found) for found in rows] == sorted(map(cells.rows.index, rows))
        for (name, total), found in zip(
            attributions.totals.iloc[row][["xray", "report", "lab"]].items(), rows, strict=True
        ):
            is_missing = (row, name) in {(1, "report"), (2, "xray")}
            assert found[1] == ("missing" if is_missing else aligned(total, top))
        assert cells.text.count("Missing in this sample: the model answers without it.") == (row in {1, 2})
        assert one.count("<h3>") == 4
    assert 'class="text"' not in html[1]
    assert 'class="picture"' not in html[2]


def test_features_are_named_and_sorted_by_strength(fitted):
    """The strongest features of a table come first, with their values; the others are summed."""
    model, X, _ = fitted
    added = attribute(model, X[:1])["lab"][0]

    cells = Cells(explanation_report(model, X, samples=[0], n_features=2))

    names, order, top = ["CRP", "age", "sodium"], np.argsort(-np.abs(added)), np.abs(added).max()
    start = next(place for place, row in enumerate(cells.rows) if row and row[0] == "feature") + 1
    for place, k in enumerate(order[:2]):
        value = number(X["lab"][0, k], signed=False)
        assert cells.rows[start + place][:3] == [names[k], value, aligned(added[k], top)]
    assert cells.rows[start + 2][:3] == ["1 others together", "", aligned(added[order[2]], top)]


def test_words_have_their_values_and_the_text_is_whole(four):
    """The raw report is there, each word with the number that attribute gives it."""
    html, attributions = four

    words = re.findall(r'<span class="w[^"]*" title="(\w+)\n([^,]+),', html[3])

    tokens = [FINDINGS[1][token.start : token.stop] for token in attributions.tokens["report"][3]]
    assert tokens == ["Left", "EFFUSION", "opacity"]
    assert words == [
        (word, number(value)) for word, value in zip(tokens, attributions["report"][3], strict=True)
    ]
    assert "Left EFFUSION & opacity." in Cells(f"<main>{html[3]}</main>").text
    assert FINDINGS[0] in Cells(f"<main>{html[0]}</main>").text  # whose markup is no markup


def test_pictures_are_the_images_with_their_maps_and_regions(fitted, four):
    """The first picture is the image; the second lies over it in red and blue; circles are regions."""
    _, X, _ = fitted
    html, attributions = four

    image, over = pictures(html[3])

    np.testing.assert_array_equal(image, X["xray"][3])
    one = attributions.maps("xray")[3]
    relative = one / np.abs(one).max()
    assert ((over[..., 0] > over[..., 2]) == (relative >= 0)).all()
    np.testing.assert_allclose(over[..., 3], 255 * 0.8 * np.abs(relative), atol=0.51)
    regions = find_regions(one, outliers=0)[:5]
    circles = re.findall(r'<circle class="c([fa])" cx="([\d.]+)" cy="([\d.]+)" r="([\d.]+)"/>', html[3])
    assert [kind for kind, *_ in circles] == ["f" if a >= 0 else "a" for a in regions["attribution"]]
    expected = regions[["column", "row", "radius"]].to_numpy() + np.array([0.5, 0.5, 0])
    np.testing.assert_allclose(np.array([c[1:] for c in circles], dtype=float), expected, atol=0.006)
    said = re.search(r'aria-label="xray with attributions: ([^"]*)"', html[3])[1]
    assert said.count("region") == len(regions)


def test_heat_is_transparent_where_nothing_speaks():
    """Zero shows the image, the strongest hides most of it, and beyond it nothing is stronger."""
    colours = heat(np.array([[0.0, 0.5], [-1.0, 3.0]]))

    assert colours[..., 3].tolist() == [[0, 102], [204, 204]]
    assert colours[0, 1, :3].tolist() == [178, 24, 43]
    assert colours[1, 0, :3].tolist() == [33, 102, 172]


def test_regions_take_the_arguments_of_find_regions(fitted):
    """A threshold of its own gives other regions; what is no argument of find_regions is refused."""
    model, X, _ = fitted

    page = explanation_report(model, X, samples=[3], regions={"threshold": 0.9, "min_points": 1})

    one = attribute(model, X[[3]]).maps("xray")[0]
    assert page.count('class="case"') == len(find_regions(one, 0.9, min_points=1)[:5])
    with pytest.raises(ValueError, match=r"explanation_report passes on the arguments .* Got \['sight'\]"):
        explanation_report(model, X, regions={"sight": 0.7})


def test_the_original_image_is_shown_through_a_pipeline(fitted):
    """A step that makes images smaller is passed: picture and map have the pixels of the original."""
    _, X, y = fitted
    steps = make_pipeline(
        ModalityTransformer({"xray": GrayscaleNormalizer(size=6)}, remainder="passthrough"),
        ImageTextClassifier(6, n_filters=3, embedding_dim=5, **SMALL),
    ).fit(X, y)

    page = explanation_report(steps, X, samples=[3])

    assert 'viewBox="0 0 10 12"' in page
    image, over = pictures(page)
    np.testing.assert_array_equal(image, X["xray"][3])
    assert over.shape == (12, 10, 4)


class Cut(TransformerMixin, BaseEstimator):
    """Cuts the upper rows of images off: where pixels come from is not known."""

    def fit(self, X, y=None):
        """Learn nothing."""
        return self

    def transform(self, X):
        """The lower rows."""
        return np.stack([one[4:] for one in X])

    def __sklearn_is_fitted__(self):
        """Always."""
        return True


def test_images_are_shown_as_the_model_sees_them_where_pixels_were_moved(fitted):
    """A step that moves pixels is named, and picture and map are those of what comes out of it."""
    _, X, y = fitted
    steps = make_pipeline(
        ModalityTransformer({"xray": Cut()}, remainder="passthrough"),
        ImageTextClassifier(4, n_filters=3, embedding_dim=5, **SMALL),
    ).fit(X, y)

    page = explanation_report(steps, X, samples=[3])

    assert "As the model sees it. Attributions of &#x27;xray&#x27; cannot be brought back" in page
    assert "through Cut" in page
    image, over = pictures(page)
    np.testing.assert_array_equal(image, X["xray"][3][4:])
    assert over.shape == (8, 10, 4)


def test_images_of_different_sizes(fitted):
    """Each picture has the size of its own image; the caller's dict is taken as it is."""
    _, X, y = fitted
    images = [np.pad(image, ((0, row), (0, 0)))[:, :10] for row, image in enumerate(X["xray"])]
    data = {"xray": [None, *images[1:]], "lab": X["lab"]}
    steps = make_pipeline(
        ModalityTransformer({"xray": GrayscaleNormalizer(size=6)}, remainder="passthrough"),
        ImageTextClassifier(4, **SMALL),
    ).fit(ModalityDict(data, kinds={"xray": "image"}), y)

    page = explanation_report(steps, data, samples=[3, 0, 5])

    assert [image.shape[:2] for image in pictures(page)] == [(15, 10)] * 2 + [(17, 10)] * 2
    np.testing.assert_array_equal(pictures(page)[0], images[3])
    assert "Missing in this sample" in articles(page)[1]


def test_volumes_and_samples_without_anything():
    """Of a volume the mean over the depth is shown, and the sum of its map; nothing at all is missing."""
    rng = np.random.default_rng(0)
    X = ModalityDict(
        {"mri": rng.integers(0, 255, (8, 3, 8, 6, 1)).astype(np.uint8), "lab": rng.normal(size=(8, 2))},
        present={"mri": np.arange(8) != 1, "lab": np.arange(8) != 1},
    )
    model = HEALNetClassifier(n_latents=2, latent_dim=4, depth=1, **SMALL).fit(X[2:], [0, 1] * 3)

    with pytest.warns(NoModalityWarning):
        page = explanation_report(model, X, samples=[0, 1])

    image, over = pictures(page)
    expected = X["mri"][0].mean(axis=0)[..., 0]
    expected = 255 * (expected - expected.min()) / (expected.max() - expected.min())
    np.testing.assert_allclose(image, expected, atol=0.51)
    assert over.shape == (8, 6, 4)
    cells = Cells(page)
    assert cells.text.count("Missing in this sample") == 2
    assert [row[1] for row in cells.rows if row and row[0] == "mri"][1] == "missing"


def test_a_step_that_cannot_be_passed_is_named(fitted):
    """Where images and texts become vectors these are shown, beside the image and the text as they were."""
    _, X, y = fitted

    class Mean(torch.nn.Module):
        """Two numbers of an image."""

        def forward(self, x):
            """Mean and maximum."""
            return torch.stack([x.mean(dim=(1, 2, 3)), x.amax(dim=(1, 2, 3))], dim=1)

    embed = {"xray": ImageEmbedder(Mean(), image_size=8, normalize=None), "report": TfidfVectorizer()}
    steps = make_pipeline(
        ModalityTransformer(embed, remainder="passthrough"), MMStaticClassifier(4, **SMALL)
    ).fit(X, y)

    cells = Cells(page := explanation_report(steps, X, samples=[3, 1]))

    assert "ImageEmbedder has made numbers of this image." in cells.text
    assert "TfidfVectorizer has made numbers of this text." in cells.text
    assert cells.row("effusion")[1] != ""
    (image, other) = pictures(page)
    np.testing.assert_array_equal(image, X["xray"][3])
    np.testing.assert_array_equal(other, X["xray"][1])
    assert "Left EFFUSION & opacity." in cells.text
    assert "Missing in this sample" in cells.text.partition("P01")[2]


def test_a_bare_table_through_a_search():
    """A DataFrame, a splitter and a search: features have the names of its columns."""
    X, y = make_data()
    frame = pd.DataFrame(X["lab"], columns=["CRP", "age", "sodium"], index=X.index)
    steps = make_pipeline(
        ModalitySplitter({"a": ["CRP"], "b": ["age", "sodium"]}), MMStaticClassifier(4, **SMALL)
    )
    search = GridSearchCV(steps, {"mmstaticclassifier__hidden": [4]}, cv=2).fit(frame, y)

    cells = Cells(explanation_report(search, frame, y=y, samples=[5]))

    assert cells.text.startswith("Made from GridSearchCV by integrated gradients")
    assert "P05 Predicted:" in cells.text
    assert {"CRP", "age", "sodium"} <= {row[0] for row in cells.rows if row}


def test_bags_and_confidence():
    """Instances of a bag add up to it; MM dynamics' own confidence stands beside what modalities add."""
    rng = np.random.default_rng(0)
    y = np.array(["a", "b"] * 6)
    X = {"slices": BagArray.from_list([rng.normal(size=(3, 4)) for _ in y]), "lab": rng.normal(size=(12, 2))}
    model = AttentionPoolingClassifier(4, **SMALL).fit(X, y)

    cells = Cells(explanation_report(model, X, samples=[2]))

    own = np.asarray(attribute(model, ModalityDict(X)[[2]])["slices"][0]).sum(axis=1)
    for instance, value in enumerate(own):
        assert cells.row(f"instance {instance + 1}")[1] == aligned(value, np.abs(own).max())
    images = BagArray.from_list([rng.uniform(size=(4, 8, 8)) for _ in y])
    bags = HEALNetClassifier(n_latents=2, latent_dim=4, depth=1, **SMALL)
    bags.fit({"scans": images, "lab": X["lab"]}, y)
    page = explanation_report(bags, {"scans": images, "lab": X["lab"]}, samples=[0])
    assert len(pictures(page)) == 6  # the three strongest of four, and their maps
    assert page.count("of 4</figcaption>") == 3
    table = {"one": X["lab"], "two": 1 - X["lab"]}
    dynamics = MMDynamicsClassifier(4, **SMALL).fit(table, y)
    cells = Cells(explanation_report(dynamics, table, samples=[0]))
    confidence = dynamics.modality_confidence(table).iloc[0]
    assert cells.row("two")[3] == percent(confidence["two"])


def test_several_labels(fitted):
    """Labels are named by the columns of y, each with its probability, and the most probable is explained."""
    _, X, y = fitted
    labels = pd.DataFrame({"opacity": y == "ill", "cardiomegaly": np.arange(16) // 2 % 2}).astype(int)
    model = ImageTextClassifier(4, n_filters=3, embedding_dim=5, **SMALL).fit(X, labels)

    cells = Cells(explanation_report(model, X, y=labels, samples=[0]))

    proba, predicted = model.predict_proba(X[:1])[0], model.predict(X[:1])[0]
    for column, name in enumerate(labels):
        verdict = "right" if predicted[column] == labels.iloc[0, column] else "wrong"
        true = "yes" if labels.iloc[0, column] else "no"
        said = "yes" if predicted[column] else "no"
        assert cells.row(name) == [name, percent(proba[column]), "", said, f"{true} ({verdict})"]
    assert f"adds to the score of {labels.columns[proba.argmax()]} " in cells.text
    dense, sparse = (
        explanation_report(model, X, y=form(labels), samples=[0]) for form in (np.asarray, csr_array)
    )
    assert sparse == dense


def test_samples_targets_and_other_methods(fitted):
    """A class may be chosen, for all samples or for each; labels show classes in turn; methods are told."""
    model, X, y = fitted

    cells = Cells(explanation_report(model, X, y=y, samples=2, target="ill", method="saliency"))
    each = Cells(explanation_report(model, X, samples=[3, 0], target=y))

    assert cells.text.count("adds to the score of ill") == 2
    assert "P01" in cells.text  # the first that is ill, then the first that is well
    assert "P00" in cells.text
    assert "does not promise that its numbers add up" in cells.text
    assert each.text.index("to the score of ill") < each.text.index("to the score of well")


def test_numbers_that_do_not_add_up_are_said_to(fitted):
    """The error stands at each sample in words, with a warning beyond 1 %, and attribute warns as well."""
    model, X, _ = fitted

    good = explanation_report(model, X, samples=[0])
    with pytest.warns(ConvergenceWarning):
        poor = explanation_report(model, X, samples=[0], n_steps=1, rule="riemann_left")

    assert "Read with care" not in good
    assert "All parts of this sample together add" in good
    assert '<p class="warning" role="note"><strong>Read with care.' in poor
    assert "is 1.5 above that" in completeness_html(0.0004, 1.5, 1.5, "ill")
    assert "is 1.5 below that" in completeness_html(0.0004, -1.5, -1.5, "ill")
    assert "The error is below 0.1 %" in completeness_html(0.0004, 1.5, 1.5, "ill")
    assert "The error is 2.0 %" in completeness_html(0.02, 1.5, 1.5, "ill")


def test_large_images_make_small_pages(tmp_path):
    """Images are written with 512 pixels a side at most, and their regions stay in pixels of the original."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (4, 900, 700)).astype(np.uint8)
    model = make_pipeline(
        ModalityTransformer({"xray": GrayscaleNormalizer(size=12)}), ImageTextClassifier(4, **SMALL)
    ).fit({"xray": images}, [0, 1, 0, 1])

    path = explanation_report(model, {"xray": images}, tmp_path / "report.html", samples=1)

    page = path.read_text(encoding="utf-8")
    assert path == tmp_path / "report.html"
    assert 'viewBox="0 0 700 900"' in page
    assert max(max(one.shape[:2]) for one in pictures(page)) <= 512
    assert path.stat().st_size < 600_000


def test_wrong_arguments_are_refused(fitted):
    """Messages say what was expected."""
    model, X, y = fitted
    for options, message in [
        ({"y": y[:3]}, r"y must have a label, or a row of labels, for each of 16 samples. Got shape \(3,\)"),
        ({"y": np.zeros((16, 2))}, r"y must have the shape of predictions, \(4,\)"),
        ({"samples": [99]}, "samples must be rows of the 16 samples"),
        ({"target": ["ill"]}, "target must be one label, or one for each of 16 samples. Got 1"),
        ({"target": "weak"}, "target must be among the classes"),
        ({"n_features": 0}, "'n_features' parameter of explanation_report must be an int"),
        ({"token_score": "squared"}, "takes no token_score.*TokenAttributionDisplay.from_estimator"),
    ]:
        with pytest.raises(ValueError, match=message):
            explanation_report(model, X, **options)
