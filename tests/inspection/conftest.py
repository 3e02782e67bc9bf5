"""What the tests of displays share: a model whose informativeness is known, and a browser for pages."""

import json
import shutil

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, ClassifierMixin

from skmm import ModalityDict
from skmm.containers import validate_modalities
from skmm.fusion import BaseFusionClassifier
from skmm.nn import Bag, FusionOutput

QUICK = {"hidden": 6, "n_latents": 2, "latent_dim": 8, "patch_size": 8, "n_filters": 3, "embedding_dim": 4}
ALL_KINDS = {"table": ["dense", "sparse"], "image": ["image"], "bag": ["bag"], "text": ["text"]}


class Known(ClassifierMixin, BaseEstimator):
    """A model that finds each value as informative as it is, and looks where it is."""

    def fit(self, X, y):
        """Remember the modalities."""
        validate_modalities(self, X, reset=True, accept=("table", "image"))
        self.classes_ = np.unique(y)
        return self

    def feature_informativeness(self, X):
        """The values; zeros where missing."""
        X = validate_modalities(self, X, reset=False, accept=("table", "image"))
        return {name: _zeroed(X, name) for name in X}

    attention_weights = feature_informativeness

    def modality_confidence(self, X):
        """The first column of each table."""
        return {name: values[:, 0] for name, values in self.feature_informativeness(X).items()}

    def modality_proba(self, X):
        """The second column of each table, as the probability of the first of two classes."""
        found = self.feature_informativeness(X)
        return {name: np.stack([v[:, 1], 1 - v[:, 1]], axis=1) for name, v in found.items()}


def _zeroed(X, name):
    """Values of a modality, zero where it is missing."""
    values = np.array(X[name], dtype=float)
    values[~X.is_present(name)] = 0
    return values


@pytest.fixture
def known():
    """The model, not fitted."""
    return Known()


@pytest.fixture
def mixed():
    """X and y: six samples, two tables and 4 x 6 images; rows 1 and 4 lack "rna", 0 and 3 the image."""
    rng = np.random.default_rng(0)
    X = ModalityDict(
        {
            "rna": rng.uniform(size=(6, 5)),
            "clinical": rng.uniform(size=(6, 2)),
            "scan": rng.uniform(size=(6, 4, 6)),
        },
        present={"rna": np.arange(6) % 3 != 1, "scan": np.arange(6) % 3 != 0},
        feature_names={"rna": ["GAPDH", "TP53", "KRAS", "MYC", "EGFR"], "clinical": ["age", "$dose$"]},
    )
    return X, np.array(["a", "b", "b", "a", "a", "b"])


def row_labels(axes):
    """Names at the left, from top to bottom."""
    return [label.get_text() for label in axes.get_yticklabels()]


def means_drawn(axes):
    """Positions of the mean markers, from top to bottom."""
    return np.concatenate([container.lines[0].get_xdata(orig=False) for container in axes.containers])


def half_bars(axes):
    """Half the lengths of the error bars, from top to bottom."""
    return np.concatenate(
        [
            [(segment[1, 0] - segment[0, 0]) / 2 for segment in container.lines[2][0].get_segments()]
            for container in axes.containers
        ]
    )


def map_of(axes):
    """The heat map that is drawn last on an Axes."""
    return np.asarray(axes.images[-1].get_array())


@pytest.fixture
def drawn():
    """Functions that read a plot."""
    from types import SimpleNamespace

    return SimpleNamespace(labels=row_labels, means=means_drawn, half_bars=half_bars, map=map_of)


_CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic",
    "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--window-size=1000,900",
)  # fmt: skip


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """A Chromium without a window, driven over WebDriver; the test is skipped where it is not installed."""
    chromium = next(filter(None, map(shutil.which, _CHROMIUM)), None)
    driver = shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("no Chromium or no chromedriver here (Debian: apt-get install chromium chromium-driver)")
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    service = pytest.importorskip("selenium.webdriver.chrome.service")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*_FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    # Both paths are given, so selenium looks for nothing and downloads nothing.
    with webdriver.Chrome(options, service.Service(driver)) as started:
        yield started


class Page:
    """A page that the browser has opened: what it computes, what it asked for, what it complained of."""

    def __init__(self, browser, path):
        self.browser, self.path = browser, path
        for log in ("browser", "performance"):
            browser.get_log(log)  # what pages before have left
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
        browser.get(path.as_uri())

    def js(self, code, *args):
        """What JavaScript returns, which the driver runs beside the policy of the page."""
        return self.browser.execute_script(code, *args)

    def all(self, selector):
        """Elements by CSS."""
        return self.browser.find_elements("css selector", selector)

    def one(self, selector):
        """The one element of a kind."""
        (found,) = self.all(selector)
        return found

    def requests(self):
        """Addresses that were asked for, but for the page itself and pictures inside it."""
        events = [json.loads(entry["message"])["message"] for entry in self.browser.get_log("performance")]
        asked = [
            event["params"]["request"]["url"]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        ]
        return [url for url in asked if url != self.path.as_uri() and not url.startswith("data:")]

    def complaints(self):
        """What stands in the console: errors, and breaches of the policy."""
        return [entry["message"] for entry in self.browser.get_log("browser")]


@pytest.fixture
def open_page(browser, tmp_path):
    """A function that opens a page, given as HTML or as the path of a file."""

    def opened(page):
        if isinstance(page, str):
            path = tmp_path / "page.html"
            path.write_text(page, encoding="utf-8")
            page = path
        return Page(browser, page)

    return opened


class Linear(torch.nn.Module):
    """Sums of the values of all modalities but "ignored", weighted by their place; a bag's by instance."""

    largest = 0  # batch that was seen

    def __init__(self, shapes, n_classes):
        super().__init__()
        self.weights = torch.nn.ParameterDict(
            {
                name: torch.nn.Parameter(torch.linspace(-1, 2, int(np.prod(shape)) * n_classes))
                for name, shape in shapes.items()
            }
        )
        self.shapes, self.n_classes = shapes, n_classes

    def forward(self, inputs, present):
        """Logits."""
        Linear.largest = max(Linear.largest, len(present))
        logits = 0
        for column, (name, x) in enumerate(inputs.items()):
            values = x.values if isinstance(x, Bag) else x
            scores = values.flatten(1) @ self.weights[name].view(-1, self.n_classes)
            if isinstance(x, Bag):
                owners = torch.repeat_interleave(torch.arange(len(present)), x.offsets.diff())
                scores = scores.new_zeros(len(present), self.n_classes).index_add_(0, owners, scores)
            if name != "ignored":
                logits = logits + scores * present[:, column, None]
        return FusionOutput(logits)


class LinearClassifier(BaseFusionClassifier):
    """A classifier whose attributions are known."""

    _accepts = ("table", "image", "volume", "bag")

    def __init__(self, *, max_epochs=1, lr=1e-3, standardize=False, precision="float32", random_state=0):
        super().__init__(
            max_epochs=max_epochs,
            lr=lr,
            standardize=standardize,
            precision=precision,
            random_state=random_state,
        )

    def _make_module(self, shapes, n_classes):
        """The network."""
        return Linear(shapes, n_classes)

    def weights(self, name, column=1):
        """Weights of one class."""
        found = self.net_.module_.weights[name].detach().double().numpy()
        return found.reshape(-1, len(self.classes_))[:, column]


@pytest.fixture
def linear_classifier():
    """The class of linear classifiers."""
    return LinearClassifier


@pytest.fixture
def linear():
    """A linear classifier, fitted, and its X, in which two entries are missing; nothing is standardized."""
    rng = np.random.default_rng(0)
    data = {
        "rna": rng.normal(size=(10, 3)),
        "scan": rng.integers(0, 256, size=(10, 4, 5, 3), dtype=np.uint8),
        "ignored": rng.normal(size=(10, 2)),
    }
    present = {"rna": np.arange(10) != 3, "scan": np.arange(10) != 4}
    X = ModalityDict(data, present=present, feature_names={"rna": ["TP53", "KRAS", "MYC"]})
    return LinearClassifier().fit(X, np.array(["ill", "well"] * 5)), X


@pytest.fixture(scope="package")
def fitted(make_modalities):
    """Return a function of a class that gives it fitted, with 30 samples of all kinds that it takes."""
    made = {}

    def fit(cls):
        """The model and its X."""
        if cls not in made:
            X, y, _ = make_modalities([kind for one in cls._accepts for kind in ALL_KINDS.get(one, [])], 24)
            data = {k: np.kron(v, np.ones((1, 2, 2), v.dtype)) if k == "image" else v for k, v in X.items()}
            present = {name: X.is_present(name) for name in X}
            X = ModalityDict(data, kinds=X.kinds, present=present, groups=X.groups)
            model = cls(max_epochs=4, random_state=0)
            model.set_params(**{k: v for k, v in QUICK.items() if k in model.get_params()})
            made[cls] = model.fit(X, y), X
        return made[cls]

    return fit
