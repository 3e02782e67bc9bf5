"""scikit-learn for data in several modalities, some of which may be missing.

The house, in the order in which data flows through it:

- `skmm.containers`: `ModalityDict`, `BagArray`, lazy arrays; what a modality is and what is missing;
- `skmm.datasets`: data to try things on, made, bundled or fetched, and simulated missingness;
- `skmm.compose`: transformers for each modality, splitting one table, joining several;
- `skmm.preprocessing`: images and scans before they are embedded, words of texts;
- `skmm.impute`: holes in tables, and modalities that are absent;
- `skmm.embedding`: pretrained backbones, the cache of what they gave, word vectors, pooling of bags;
- `skmm.sampling`: samplers against imbalanced classes, on all modalities at once;
- `skmm.nn`: torch blocks, which know nothing of scikit-learn;
- `skmm.fusion`: the classifiers, one published model a file;
- `skmm.multiclass`: ordered classes, several targets, balanced weights;
- `skmm.metrics`: the scorers of the published tables;
- `skmm.model_selection`: comparisons of models and of modalities, tables, plots, search spaces;
- `skmm.inspection`: plots of what a fitted model looks at, and of what its parts are worth;
- `skmm.testing`: the checks that every estimator here passes, for estimators of your own;
- `skmm.exceptions`: the warnings and errors of the package.

Importing `skmm` imports none of them: each is imported at its first use.
"""

from importlib import import_module

__version__ = "0.1.0.dev0"

_CLASSES = {"BagArray": "skmm.containers", "ModalityDict": "skmm.containers"}
_FOLDERS = (
    "compose",
    "containers",
    "datasets",
    "embedding",
    "exceptions",
    "fusion",
    "impute",
    "inspection",
    "metrics",
    "model_selection",
    "multiclass",
    "nn",
    "preprocessing",
    "sampling",
    "testing",
)

__all__ = ["BagArray", "ModalityDict", *_FOLDERS]  # noqa: PLE0604 - a tuple of literal names


def __getattr__(name):
    """Import a public class or folder at its first use."""
    if name in _CLASSES:
        value = getattr(import_module(_CLASSES[name]), name)
    elif name in _FOLDERS:
        value = import_module(f"skmm.{name}")
    else:
        raise AttributeError(f"module 'skmm' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__():
    """Return the names of the module, those not yet imported among them."""
    return sorted({*globals(), *__all__})
