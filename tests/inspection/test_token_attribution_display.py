"""Attributions of words on raw texts: colours fall on the reader's own words."""

import re
import sys
from itertools import pairwise

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from scipy.sparse import csr_array
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from skmm import ModalityDict
from skmm.compose import ModalityTransformer
from skmm.fusion import ImageTextClassifier, MMStaticClassifier
from skmm.inspection import TokenAttributionDisplay, attribute
from skmm.inspection._token_colours import STEPS, dark_colours, ink_on, levels_of, light_colours
from skmm.preprocessing import TextTokenizer

REPORTS = [
    "EXAM: 2 views.\n\nThe Heart is moderately ENLARGED; there's a right-sided effusion, $5 and $6.",
    None,
    "No effusion. Heart size is normal.",
]


@pytest.fixture
def words():
    """Tokens of the reports without stop words, digits and unknown words, and a value for each."""
    tokenizer = TextTokenizer(
        stop_words="english",
        remove_digits=True,
        vocabulary=["heart", "enlarged", "effusion", "right", "sided", "normal"],
    ).fit([text for text in REPORTS if text])
    tokens = tokenizer.tokenize(REPORTS)
    values = {"heart": 0.1, "enlarged": 0.8, "effusion": -0.4, "right": 0.0, "sided": 0.2, "normal": -0.6}
    return tokens, [[values[token.text] for token in own] for own in tokens]


def colours(axes):
    """The words of an Axes, each with the colour behind it, or None."""
    return [
        (
            text.get_text(),
            None if text.get_bbox_patch() is None else to_hex(text.get_bbox_patch().get_facecolor()),
        )
        for text in axes.texts
    ]


def expected_colour(value, top=0.8):
    """The colour of RegionDisplay's maps at a value, to a step."""
    step = round(STEPS * value / top)
    return to_hex(mpl.colormaps["RdBu_r"](0.5 + 0.5 * step / STEPS))


def test_colours_fall_on_the_words_of_the_raw_text(words):
    """Each word has the colour of its own value, beside digits, stop words and unknown words without any."""
    tokens, values = words

    display = TokenAttributionDisplay.from_predictions(REPORTS, tokens, values)

    assert display.rows_.tolist() == [0, 2]
    first = colours(display.axes_[0])
    assert " ".join(text for text, _ in first) == (
        "EXAM: 2 views. The Heart is moderately ENLARGED ; there's a right - sided effusion , $5 and $6."
    )
    coloured = {text: colour for text, colour in first if colour}
    assert coloured == {
        "Heart": expected_colour(0.1),
        "ENLARGED": expected_colour(0.8),
        "sided": expected_colour(0.2),
        "effusion": expected_colour(-0.4),
    }
    assert ("right", None) in first  # zero is white, though it is not the lowest
    assert dict(colours(display.axes_[1])) == {
        "No": None, "effusion": expected_colour(-0.4), ".": None, "Heart": expected_colour(0.1),
        "size": None, "is": None, "normal": expected_colour(-0.6),
    }  # fmt: skip
    assert display.words_["word"].tolist() == [
        "Heart", "ENLARGED", "right", "sided", "effusion", "effusion", "Heart", "normal",
    ]  # fmt: skip
    assert display.words_["attribution"].tolist() == values[0] + values[2]


def test_lines_below_strong_words_tell_for_from_against(words):
    """From a quarter of the full colour on, a solid line is for and a dashed one against."""
    tokens, values = words

    display = TokenAttributionDisplay.from_predictions(REPORTS, tokens, values, samples=[0])

    lines = [item for item in display.axes_[0].collections if isinstance(item, LineCollection)]
    dashes = {len(line.get_segments()): line.get_linestyle()[0][1] for line in lines}
    assert dashes[2] is None  # ENLARGED, sided
    assert len(dashes[1]) == 2  # effusion
    words_drawn = {text.get_text(): text.get_position()[0] for text in display.axes_[0].texts}
    starts = {line.get_segments()[0][0, 0] for line in lines}
    assert starts == {words_drawn["ENLARGED"], words_drawn["effusion"]}


def test_scales(words):
    """One scale for all texts, one of each, or a number; beyond it colours are full."""
    tokens, values = words

    def steps_of_normal(scale):
        page = TokenAttributionDisplay(REPORTS, tokens, values).to_html(samples=[2], scale=scale)
        return int(re.search(r'class="w a(\d+) a" title="normal', page)[1])

    assert steps_of_normal("shared") == STEPS * 0.75  # -0.6 of 0.8
    assert steps_of_normal("max") == STEPS
    assert steps_of_normal(1.2) == STEPS / 2
    assert steps_of_normal(0.5) == STEPS


def test_the_colour_bar_says_what_colours_mean(words):
    """It ends at the strongest value of all texts, also of those that are not shown; names are plain."""
    tokens, values = words

    display = TokenAttributionDisplay.from_predictions(
        REPORTS, tokens, values, samples=[2], target="$\\frac{big heart$"
    )

    bar = display.figure_.axes[-1]
    assert bar.get_xlim() == (-0.8, 0.8)
    assert bar.get_xlabel() == "red speaks for $\\frac{big heart$, blue against it"
    display.figure_.canvas.draw()  # a formula would be an error


def test_squares_have_no_sign(words):
    """Squares are drawn in another colour from zero on, and a negative one is refused."""
    tokens, values = words
    squares = [np.square(own) for own in values]

    display = TokenAttributionDisplay.from_predictions(REPORTS, tokens, squares, token_score="squared")

    bar = display.figure_.axes[-1]
    assert bar.get_xlim() == (0, pytest.approx(0.64))
    assert bar.get_xlabel() == "squared gradient: how much the answer depends on a word"
    assert dict(colours(display.axes_[0]))["ENLARGED"] == to_hex(mpl.colormaps["Purples"](1.0))
    assert dict(colours(display.axes_[0]))["Heart"] is None  # 0.01 of 0.64
    with pytest.raises(ValueError, match='sample 0 must be at least 0.*token_score="signed"'):
        TokenAttributionDisplay.from_predictions(REPORTS, tokens, values, token_score="squared")


def test_titles_name_sample_label_and_target(words):
    """A sample is called by its name, its label, both, or its row; a class of its own is named there."""
    tokens, values = words
    y, names = ["ill", "ill", "well"], ["A1", "B2", "C3"]

    def titles(**options):
        display = TokenAttributionDisplay(REPORTS, tokens, values, **options)
        return re.findall(r"<h2><bdi>(.*)</bdi></h2>", display.to_html())

    shown = TokenAttributionDisplay(REPORTS, tokens, values, y=y, names=["$a$", "", ""]).plot(samples=[0])
    assert shown.axes_[0].get_title() == "$a$: ill"
    assert not shown.axes_[0].title.get_parse_math()
    assert titles() == ["row 0", "row 2"]
    assert titles(y=y) == ["ill", "well"]
    assert titles(y=y, names=names) == ["A1: ill", "C3: well"]
    assert titles(names=names, target=y) == ["A1 (speaking for ill)", "C3 (speaking for well)"]


@pytest.mark.parametrize("form", [pd.DataFrame, np.asarray, csr_array])
def test_titles_name_several_labels(words, form):
    """Those that a sample has are named by their columns, or else numbered; samples stay in their order."""
    tokens, values = words
    labels = pd.DataFrame({"opacity": [1, 1, 0], "effusion": [1, 0, 0]})

    display = TokenAttributionDisplay.from_predictions(
        REPORTS, tokens, values, form(labels), names=["A", "B", "C"]
    )

    both = "opacity, effusion" if form is pd.DataFrame else "0, 1"
    assert [axes.get_title() for axes in display.axes_] == [f"A: {both}", "C: no label"]


def test_texts_wrap_and_stay_inside_their_axes(words):
    """A long report fills the caller's narrow Axes in smaller letters; what does not fit is counted."""
    text = " ".join(["Сердце увеличено ${_^"] * 40)
    tokens = TextTokenizer().fit([text]).tokenize([text])
    values = [np.linspace(-1, 1, len(own)) for own in tokens]
    figure, (wide, small) = plt.subplots(2, 1, figsize=(3, 7), height_ratios=[5, 1])

    for axes in (wide, small):
        TokenAttributionDisplay.from_predictions([text], tokens, values, ax=axes)
    figure.draw_without_rendering()

    for axes, is_whole in ((wide, True), (small, False)):
        drawn = [item for item in axes.texts if "more words" not in item.get_text()]
        assert (len(drawn) >= 120) is is_whole
        said = [item.get_text() for item in axes.texts if "more words" in item.get_text()]
        assert said == ([] if is_whole else [f"… {120 - len(drawn)} more words"])
        box = axes.get_window_extent()
        boxes = [item.get_window_extent() for item in axes.texts]
        assert max(one.x1 for one in boxes) <= box.x1 + 3
        assert min(one.y0 for one in boxes) >= box.y0 - 3
    assert len({item.get_fontsize() for item in (*wide.texts, *small.texts)}) == 2


def test_words_do_not_run_into_one_another(words):
    """At any resolution a word ends before the next begins, give or take two pixels."""
    tokens, values = words
    display = TokenAttributionDisplay.from_predictions(REPORTS, tokens, values, samples=[0])

    for dpi in (60, 90, 100, 200):
        display.figure_.set_dpi(dpi)
        for one, other in pairwise(display.axes_[0].texts):
            if one.get_position()[1] == other.get_position()[1]:
                assert one.get_window_extent().x1 <= other.get_window_extent().x0 + 2


def test_nothing_to_show_is_said(words):
    """An empty text, a text of zeros, and no text at all."""
    tokens = TextTokenizer().fit(["a b"]).tokenize(["", "a b"])

    display = TokenAttributionDisplay.from_predictions(["", "a b"], tokens, [[], [0, 0]])

    assert colours(display.axes_[0]) == [("The text is empty.", None)]
    assert colours(display.axes_[1]) == [("a", None), ("b", None)]
    assert display.words_["rank"].tolist() == [1, 1]
    none = TokenAttributionDisplay([None], [[]], [[]])
    assert none.plot().axes_[0].texts[0].get_text() == "no sample has a text"
    assert "No sample has a text." in none.to_html()


def test_what_the_caller_has_stays_as_it_is(words):
    """Read-only arrays are taken and not written to; series count by position, whatever their labels."""
    tokens, values = words
    arrays = [np.array(own) for own in values]
    for array in arrays:
        array.flags.writeable = False
    packed = np.empty(3, dtype=object)
    packed[:] = arrays

    labelled = pd.Series(packed, index=[2, 1, 0])
    display = TokenAttributionDisplay(
        pd.Series(REPORTS, index=[2, 1, 0]),
        tokens,
        labelled,
        names=pd.Series(["A", "B", "C"], index=[2, 1, 0]),
    ).plot()

    assert [axes.get_title() for axes in display.axes_] == ["A", "C"]
    assert display.words_["attribution"].tolist() == values[0] + values[2]


def test_wrong_arguments_are_refused(words):
    """Messages say what was expected."""
    tokens, values = words
    for arguments, options, message in [
        (("one text", tokens, values), {}, "TokenAttributionDisplay takes the texts .* one str"),
        ((REPORTS, tokens[:2], values), {}, "tokens must have an entry for each of 3 texts. Got 2"),
        ((REPORTS, tokens, values[:1]), {}, "attributions must have an entry for each of 3 texts. Got 1"),
        ((REPORTS, tokens, values), {"names": ["a"]}, "names must have an entry for each of 3 texts. Got 1"),
        ((REPORTS, tokens, values), {"target": ["a"]}, "target must have an entry for each of 3"),
        ((REPORTS, tokens, values), {"y": ["a"]}, "y must have a label, or a row of labels, for each of 3"),
        ((REPORTS, tokens, values), {"token_score": "plain"}, "'token_score' .* be 'signed' or 'squared'"),
        ((REPORTS, tokens, values), {"scale": 0.0}, "'scale' parameter of TokenAttributionDisplay"),
        ((REPORTS, tokens, values), {"samples": [1]}, r"Rows \[1\] of samples lack the modality"),
        ((REPORTS, [*tokens[:2], 2 * tokens[2]], values), {}, "tokens of sample 2 must stand in its"),
        ((REPORTS, tokens, [values[0][:-1], [], values[2]]), {}, "0 must be one number for each of its 5"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=message):
            TokenAttributionDisplay.from_predictions(*arguments, **options)


@pytest.fixture(scope="module")
def fitted():
    """A classifier of two texts a sample, and its data; row 1 lacks the first."""
    texts = ["Clear lungs, no EFFUSION.", "Left effusion; large heart."] * 6
    history = ["A cough for 3 weeks.", "No cough."] * 6
    X = ModalityDict(
        {"report": [text if row != 1 else None for row, text in enumerate(texts)], "history": history},
        index=[f"P{row}" for row in range(12)],
    )
    y = np.array(["well", "ill"] * 6)
    model = ImageTextClassifier(4, n_filters=3, embedding_dim=5, max_epochs=2, random_state=0)
    return model.fit(X, y), X, y


def test_a_fitted_model_is_asked(fitted):
    """Words have the attributions of the class that is predicted, or asked for, and the ids of samples."""
    model, X, y = fitted
    expected = attribute(model, X, "ill")

    display = TokenAttributionDisplay.from_estimator(
        model, X, y, modality="report", target="ill", samples=[0, 3]
    )

    assert display.words_["word"].tolist() == [
        "Clear", "lungs", "no", "EFFUSION", "Left", "effusion", "large", "heart",
    ]  # fmt: skip
    np.testing.assert_allclose(
        display.words_["attribution"], np.concatenate([expected["report"][row] for row in (0, 3)])
    )
    assert [axes.get_title() for axes in display.axes_] == ["P0: well", "P3: ill"]
    assert display.figure_.axes[-1].get_xlabel() == "red speaks for ill, blue against it"
    each = TokenAttributionDisplay.from_estimator(model, X, modality="history", target=y, samples=[0, 3])
    assert [axes.get_title() for axes in each.axes_] == ["P0 (speaking for well)", "P3 (speaking for ill)"]
    assert each.words_["word"].tolist()[:5] == ["A", "cough", "for", "3", "weeks"]


def test_a_model_of_several_labels_is_asked(fitted):
    """Labels of each text are named above it, in the order of the samples."""
    _, X, y = fitted
    labels = pd.DataFrame({"effusion": y == "ill", "cough": y == "well"}).astype(int)
    model = ImageTextClassifier(4, n_filters=3, embedding_dim=5, max_epochs=1, random_state=0)

    display = TokenAttributionDisplay.from_estimator(
        model.fit(X, labels), X, labels, modality="report", target=0, samples=2
    )

    assert [axes.get_title() for axes in display.axes_] == ["P0: cough", "P2: cough"]


def test_squares_are_those_of_the_gradient_in_parts_of_a_text(fitted):
    """As in the paper: the gradient with respect to a word's vector, squared, summed, and normalized."""
    model, X, _ = fitted
    squares = attribute(model, X, "ill", method="saliency", token_score="squared")["history"]

    display = TokenAttributionDisplay.from_estimator(
        model, X, modality="history", target="ill", token_score="squared", samples=[0, 1]
    )

    for row, own in display.words_.groupby("sample"):
        np.testing.assert_allclose(own["attribution"], squares[row] / squares[row].sum())
        assert own["attribution"].sum() == pytest.approx(1)


def test_texts_that_do_not_reach_the_model_are_named(fitted):
    """Several texts ask for a name; a step that has made a table of them is named."""
    model, X, y = fitted
    with pytest.raises(ValueError, match=r"modality must be one of \['history', 'report'\].* Got None"):
        TokenAttributionDisplay.from_estimator(model, X)
    counts = make_pipeline(
        ModalityTransformer({"report": TfidfVectorizer(), "history": TfidfVectorizer()}),
        MMStaticClassifier(4, max_epochs=1, random_state=0),
    ).fit(X, y)
    with pytest.raises(ValueError, match="'report' reaches the model as a table, made by TfidfVectorizer"):
        TokenAttributionDisplay.from_estimator(counts, X, modality="report")
    with pytest.raises(ValueError, match="'token_score' parameter of TokenAttributionDisplay must be"):
        TokenAttributionDisplay.from_estimator(model, X, modality="report", token_score="plain")


@pytest.mark.parametrize(("draw", "module"), [("plot", "pyplot"), ("to_html", "colors")])
def test_what_is_missing_is_said(words, monkeypatch, draw, module):
    """Without matplotlib the extra that installs it is named."""
    monkeypatch.setitem(sys.modules, f"matplotlib.{module}", None)

    with pytest.raises(ImportError, match=rf'needs the package "matplotlib.{module}".*skmm\[explain\]'):
        getattr(TokenAttributionDisplay(REPORTS, *words), draw)()


def test_colours_are_readable():
    """Letters on each colour, on light and dark pages, have a contrast of 4.5 or more, and zero has none."""

    def luminance(colour):
        channels = np.array(mpl.colors.to_rgb(colour))
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    for of in (light_colours, dark_colours):
        for signed in (True, False):
            found = of(signed=signed)
            assert set(found) == set(range(-STEPS if signed else 1, STEPS + 1)) - {0}
            for colour in found.values():
                low, high = sorted([luminance(colour), luminance(ink_on(colour))])
                assert (high + 0.05) / (low + 0.05) >= 4.5
    assert levels_of([0.0, 1e-9, -0.5, 2.0], 1.0).tolist() == [0, 0, -STEPS // 2, STEPS]
    assert levels_of([0.0], 0.0).tolist() == [0]


def test_a_page_is_written_whole(words, tmp_path):
    """The page is given as a str, or written in UTF-8, and its path is given."""
    tokens, values = words
    display = TokenAttributionDisplay(REPORTS, tokens, values, target="心")

    path = display.to_html(tmp_path / "page.html")

    assert path == tmp_path / "page.html"
    assert path.read_bytes().decode("utf-8") == display.to_html()
    assert "Red speaks for 心, blue against it" in display.to_html()
    assert display.rows_.tolist() == [0, 2]
    assert display.to_html(samples=[2]).count("<article>") == 1


def test_notebooks_get_a_frame_unless_there_is_a_plot(words):
    """The frame is a sandbox that holds the page; a display that was plotted shows its figure only."""
    tokens, values = words
    display = TokenAttributionDisplay(REPORTS, tokens, values)

    frame = display._repr_html_()

    assert frame.startswith("<iframe sandbox ")
    assert "<html" not in frame
    assert "&lt;html" in frame
    assert display.plot()._repr_html_() is None
