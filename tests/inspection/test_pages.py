"""Pages in a real browser: they render, tell values, fetch nothing, and run nothing that comes from data."""

from io import BytesIO

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from skmm import ModalityDict
from skmm.fusion import ImageTextClassifier
from skmm.inspection import TokenAttributionDisplay, explanation_report
from skmm.inspection._html import page
from skmm.inspection._token_colours import STEPS
from skmm.preprocessing import TextTokenizer

MINUS = "\N{MINUS SIGN}"
# Each would set window.pwned, fetch something, or break out of where it stands.
PAYLOADS = [
    "<script>window.pwned = 1</script>",
    "</style></script><script>window.pwned = 1</script>",
    '"onmouseover="window.pwned = 1" x="',
    "' onfocus='window.pwned = 1' autofocus tabindex='0",
    "<img src=x onerror=window.pwned=1>",
    "<svg onload=window.pwned=1><a href='javascript:window.pwned=1'>x</a></svg>",
    "<iframe srcdoc='<script>parent.pwned = 1</script>'></iframe>",
    "<style>@import 'https://example.invalid/x.css'; body { display: none }</style>",
    "<link rel=stylesheet href=https://example.invalid/x.css>",
    "<meta http-equiv=refresh content='0;url=about:blank'>",
    "&lt;script&gt;window.pwned = 1&lt;/script&gt; &#60;b&#62; ${title} $body",
    "--></title><base href='https://example.invalid/'>",
]  # fmt: skip


def shown(values):
    """A report with one word a value, as a display."""
    text = "\n\nWords: " + ", ".join(f"word{number}" for number in range(len(values))) + "; end."
    vocabulary = [f"word{number}" for number in range(len(values))]
    tokens = TextTokenizer(vocabulary=vocabulary).fit([text]).tokenize([text])
    return text, TokenAttributionDisplay([text], tokens, [values], target="effusion", names=["CXR 1"])


def background(page, element):
    """The colour behind an element, as red, green and blue from 0 to 255, and how much it covers."""
    colour = page.js("return getComputedStyle(arguments[0]).backgroundColor", element)
    numbers = [float(part) for part in colour[colour.index("(") + 1 : -1].split(",")]
    return (*numbers, 1.0)[:4] if len(numbers) == 3 else tuple(numbers)


@pytest.fixture
def words_page(open_page):
    """A page of five words, and its text."""
    text, display = shown([0.5, -1.0, 0.0, 0.25, -0.02])
    return open_page(display.to_html()), text


def test_the_text_is_whole_and_its_words_have_their_colours(words_page):
    """The page shows the raw text to the character; a word's colour is that of its value; zero has none."""
    page, text = words_page

    assert page.one(".text").get_property("textContent") == text
    words = page.all(".text .w")
    assert [word.text for word in words] == [f"word{number}" for number in range(5)]
    for word, value in zip(words, [0.5, -1.0, 0.0, 0.25, -0.02], strict=True):
        step = round(STEPS * value)
        red, green, blue, cover = background(page, word)
        if step:
            expected = to_rgb(mpl.colormaps["RdBu_r"](0.5 + 0.5 * step / STEPS))
            np.testing.assert_allclose([red, green, blue], 255 * np.array(expected), atol=1)
        assert cover == float(step != 0)
    styles = [page.js("return getComputedStyle(arguments[0]).borderBottomStyle", word) for word in words]
    assert styles == ["solid", "dashed", "none", "solid", "none"]
    assert page.one("h2").text == "CXR 1"
    assert [end.text for end in page.all(".ends span")] == [f"{MINUS}1", "0", "+1"]


def test_pointing_at_a_word_tells_its_value(words_page):
    """A small window with the word, its value and its rank comes with the mouse and goes with it."""
    from selenium.webdriver import ActionChains

    page, _ = words_page
    tip = page.one("#tip")
    assert not tip.is_displayed()

    ActionChains(page.browser, duration=0).move_to_element(page.all(".w")[1]).perform()

    assert tip.is_displayed()
    assert tip.text == f"word1\n{MINUS}1, rank 1 of 5"
    word, box = page.all(".w")[1].rect, tip.rect
    assert word["y"] + word["height"] <= box["y"] <= word["y"] + word["height"] + 20
    ActionChains(page.browser, duration=0).move_to_element(page.one("h1")).perform()
    assert not tip.is_displayed()


def test_the_keyboard_goes_from_word_to_word(words_page):
    """A text is one stop of the tab key; arrows, home and end go on, escape hides what is told."""
    from selenium.webdriver import Keys

    page, _ = words_page
    tip = page.one("#tip")

    def press(key):
        page.browser.switch_to.active_element.send_keys(key)
        return tip.text

    for _ in range(3):  # two buttons, then the text
        page.browser.switch_to.active_element.send_keys(Keys.TAB)
    assert tip.text == "word0\n+0.5, rank 2 of 5"
    assert press(Keys.ARROW_RIGHT).startswith("word1\n")
    assert press(Keys.END) == f"word4\n{MINUS}0.02, rank 4 of 5"
    assert press(Keys.ARROW_RIGHT) == f"word4\n{MINUS}0.02, rank 4 of 5"
    assert press(Keys.HOME).startswith("word0\n")
    assert page.js("return document.querySelectorAll('.w[tabindex=\"0\"]').length") == 1
    assert press(Keys.ESCAPE) == ""
    assert press(Keys.TAB) == ""
    assert page.browser.switch_to.active_element.tag_name == "summary"


def test_zoom_changes_the_size_of_letters(words_page):
    """Larger, smaller and back, with the size in words."""
    page, _ = words_page
    smaller, larger = page.all("button")

    def size():
        return float(page.js("return parseFloat(getComputedStyle(document.querySelector('.text')).fontSize)"))

    first = size()
    larger.click()
    assert size() == pytest.approx(1.15 * first)
    assert page.one("output").text == "115 %"
    smaller.click()
    smaller.click()
    assert size() == pytest.approx(first / 1.15)
    page.js("for (let i = 0; i < 20; i++) arguments[0].click()", smaller)
    assert size() > 0.5 * first


def test_a_page_fetches_nothing(words_page):
    """The browser asks for the file itself and nothing else, and has nothing to complain of."""
    page, _ = words_page

    assert page.requests() == []
    assert page.js("return performance.getEntriesByType('resource').length") == 0
    assert page.complaints() == []


def test_dark_screens_and_paper(words_page):
    """A dark screen has a dark page and colours of its own; paper has those of a light screen."""
    page, _ = words_page
    light = background(page, page.all(".w")[1])

    def emulate(**media):
        page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        return background(page, page.one("body"))[:3], background(page, page.all(".w")[1])

    dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    body, word = emulate(**dark)
    assert max(body) < 40
    assert word != light
    assert emulate(media="print", **dark) == ((255, 255, 255), light)
    assert not page.one(".tools").is_displayed()


def test_nothing_of_the_data_is_markup(open_page):
    """In texts, words, names, labels, classes and titles markup is shown as it is, and no script runs."""
    tokenizer = TextTokenizer(remove_punctuation=False, lowercase=False).fit(PAYLOADS)
    tokens = tokenizer.tokenize(PAYLOADS)
    values = [np.linspace(-1, 1, len(own)) for own in tokens]
    display = TokenAttributionDisplay(
        PAYLOADS, tokens, values, y=PAYLOADS, names=PAYLOADS[::-1], target=PAYLOADS[0]
    )

    page = open_page(display.to_html(samples=range(len(PAYLOADS)), title="".join(PAYLOADS)))

    page.js("for (const it of document.querySelectorAll('*')) { it.dispatchEvent(new Event('mouseover')); }")
    page.js("for (const word of document.querySelectorAll('.w')) { word.focus(); }")
    assert page.js("return window.pwned") is None
    texts = [text.get_property("textContent") for text in page.all(".text")]
    assert texts == PAYLOADS
    titles = [title.get_property("textContent") for title in page.all("h2")]
    assert titles == [f"{name}: {y}" for name, y in zip(PAYLOADS[::-1], PAYLOADS, strict=True)]
    assert page.browser.title == " ".join("".join(PAYLOADS).split())
    assert PAYLOADS[0] in page.one(".legend").text
    assert page.js("return document.querySelectorAll('script, style').length") == 2
    assert page.js(
        "return document.querySelectorAll('img, iframe, link, base, a, [onmouseover], [style]').length"
    ) in {0, 1}
    assert page.requests() == []
    assert page.complaints() == []


@pytest.fixture(scope="module")
def hostile():
    """A fitted model and data in which ids, names, labels, texts and parameters are payloads."""
    rng = np.random.default_rng(0)
    y = np.array([PAYLOADS[0], PAYLOADS[4]] * 6)
    images = rng.integers(0, 60, (12, 12, 10)).astype(np.uint8)
    images[1::2, 3:7, 2:6] += 150
    names = ["<script>pwned=1</script>", '"onmouseover="pwned=1', "</style><b>lab"]
    X = ModalityDict(
        {names[0]: images, names[1]: (PAYLOADS * 2)[:12], names[2]: rng.normal(size=(12, 2))},
        feature_names={names[2]: PAYLOADS[2:4]},
        index=(PAYLOADS * 2)[:12],
    )
    tokenizer = TextTokenizer(stop_words=PAYLOADS[:1])
    model = ImageTextClassifier(
        4, n_filters=3, embedding_dim=5, tokenizer=tokenizer, max_epochs=2, random_state=0
    )
    return model.fit(X, y), X, y, names


def test_a_report_renders_and_nothing_of_its_data_is_markup(open_page, hostile):
    """All names and texts are there as they are; nothing runs, is fetched, or breaks the page's policy."""
    model, X, y, names = hostile

    report = explanation_report(model, X, y=y, samples=range(12), title=PAYLOADS[1], n_features=2)
    page = open_page(report)

    page.js("for (const it of document.querySelectorAll('*')) { it.dispatchEvent(new Event('mouseover')); }")
    assert page.js("return [window.pwned, window.name]") == [None, ""]
    assert page.js("return typeof pwned") == "undefined"
    assert page.browser.title == PAYLOADS[1]
    ids = [title.get_property("textContent") for title in page.all("article h2")]
    assert ids == X.index.tolist()
    assert [text.get_property("textContent") for text in page.all(".text")] == list(X[names[1]])
    content = page.one("main").get_property("textContent")
    for part in (*names, PAYLOADS[0], PAYLOADS[4], *PAYLOADS[2:4]):
        assert part in content
    parameters = "".join(page.one("pre").get_property("textContent").split())
    assert "stop_words=['<script>window.pwned''=1</script>']" in parameters
    assert len(page.all("script, style")) == 2
    assert page.all("img, iframe, link, base, a, b, [onmouseover], [onfocus]") == []
    assert page.requests() == []
    assert page.complaints() == []


def test_a_report_shows_the_image_below_its_map(open_page, hostile):
    """The second picture is the first with a map and circles over it; both say in words what they are."""
    model, X, _, names = hostile

    page = open_page(explanation_report(model, X, samples=[1], regions={"threshold": 0.3}))

    alone, marked = page.all(".picture")
    shots = [Image.open(BytesIO(picture.screenshot_as_png)).convert("L") for picture in (alone, marked)]
    first, second = (np.asarray(shot.resize((10, 12)), dtype=float) for shot in shots)
    assert first[3:7, 2:6].mean() > first.mean() + 50
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > 0.5
    assert np.abs(first - second).max() > 5
    assert page.all(".picture circle") != []
    assert [picture.get_attribute("role") for picture in (alone, marked)] == ["img", "img"]
    assert marked.get_attribute("aria-label").startswith(f"{names[0]} with attributions: region 1 ")
    word = page.all(".w")[0]
    page.js("arguments[0].focus()", word)  # far below: the page scrolls there
    page.js("return new Promise(requestAnimationFrame)")
    assert page.one("#tip").text == word.get_attribute("data-tip")


def test_the_policy_stands_where_escaping_fails(open_page):
    """Were markup of the data to get into a page, the browser would run none of it and fetch nothing."""
    assert open_page(PAYLOADS[0]).js("return window.pwned") == 1  # it does run without a policy

    page_ = open_page(page("t", "\n".join(f"<p>{payload}</p>" for payload in PAYLOADS[:8])))

    page_.js("for (const it of document.querySelectorAll('*')) { it.dispatchEvent(new Event('mouseover')); }")

    assert page_.js("return window.pwned") is None
    assert any("Content Security Policy" in complaint for complaint in page_.complaints())
    assert [url for url in page_.requests() if url.startswith("http")] == []


def test_a_notebook_frame_shows_the_text_and_runs_no_script(open_page):
    """The sandbox of notebooks shows words in colours, which tell their values without a script."""
    text, display = shown([0.5, -1.0])

    page = open_page(f"<!DOCTYPE html><meta charset='utf-8'>{display._repr_html_()}")
    page.browser.switch_to.frame(page.one("iframe"))

    assert page.one(".text").get_property("textContent") == text
    assert page.all(".w")[1].get_property("title") == f"word1\n{MINUS}1, rank 1 of 2"
    assert not page.one(".tools").is_displayed()
    page.browser.switch_to.default_content()
    assert page.requests() in ([], ["about:srcdoc"])
