"""What imports what: the directions between folders, what `import skmm` costs, and which names are public."""

import ast
import json
import pkgutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import skmm

PACKAGE = Path(skmm.__file__).parent
MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
PUBLIC = sorted(f"skmm.{module.name}" for module in pkgutil.iter_modules([PACKAGE]) if module.name[0] != "_")

# The order in which data flows. A folder imports from rows above its own, never from its own row or below.
ROWS = (
    ("exceptions", "_optional", "_parallel"),
    ("containers",),
    ("nn",),
    ("_training",),
    ("_text",),
    ("datasets", "compose", "preprocessing", "impute", "embedding", "sampling", "metrics"),
    ("fusion", "multiclass"),
    ("model_selection",),
    ("inspection",),
    ("testing",),
)
RANK = {folder: rank for rank, row in enumerate(ROWS) for folder in row}

OPTIONAL = {
    "PIL", "anndata", "captum", "cv2", "dask", "distributed", "h5py", "imblearn", "lightgbm", "matplotlib",
    "monai", "mudata", "nibabel", "optuna", "optuna_integration", "pooch", "pyarrow", "pydicom",
    "transformers",
    "xgboost", "zarr",
}  # fmt: skip


def imported_names(path):
    """Return the dotted names that the import statements of a file ask for, relative ones resolved."""
    parts = ("skmm", *path.with_suffix("").parts)
    names = set()
    for node in ast.walk(ast.parse((PACKAGE / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [*parts[: -node.level], *filter(None, [node.module])] if node.level else [node.module]
            names.update(".".join([*base, alias.name]) for alias in node.names)
    return names


def folder_of(path):
    """Return the folder, or the single file, of the package to which a file belongs."""
    return path.parts[0].removesuffix(".py")


def breaches(folder, names):
    """Return the imports that a folder may not make, each with the reason."""
    wrong = []
    for name in sorted(names):
        package, _, rest = name.partition(".")
        target = rest.partition(".")[0]
        if package != "skmm" or target == folder or (folder == "testing" and not rest):
            continue  # `import skmm` is for those who walk the package
        if target not in RANK:
            wrong.append(f"{name}: import from the folder that defines it")
        elif RANK[target] >= RANK[folder]:
            wrong.append(f"{name}: skmm.{target} is not above skmm.{folder}")
    return wrong


@pytest.mark.parametrize("path", [p for p in MODULES if p.name != "__init__.py" or len(p.parts) > 1], ids=str)
def test_imports_go_one_way(path):
    """Each file imports only from folders above its own in the order in which data flows."""
    folder = folder_of(path)

    assert folder in RANK, f"skmm/{folder} has no row yet: give it one in ROWS"
    assert breaches(folder, imported_names(path)) == []


def test_a_wrong_direction_is_seen():
    """The rule tells upward, sideways, downward and top-level imports apart."""
    assert breaches("fusion", {"skmm.containers.ModalityDict", "skmm.fusion._base.x", "numpy"}) == []
    assert len(breaches("fusion", {"skmm.model_selection.compare_estimators"})) == 1
    assert len(breaches("compose", {"skmm.datasets.load_digits_views"})) == 1
    assert len(breaches("containers", {"skmm", "skmm.ModalityDict", "skmm.testing"})) == 3


@pytest.mark.parametrize("path", [p for p in MODULES if folder_of(p) == "nn"], ids=str)
def test_torch_blocks_know_nothing_of_scikit_learn(path):
    """The blocks of skmm.nn are plain torch."""
    packages = {name.partition(".")[0] for name in imported_names(path)}

    assert packages & {"sklearn", "skorch"} == set()


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_optional_packages_are_imported_in_one_place(path):
    """No import statement names an optional package: `import_optional` does, with a message that helps."""
    packages = {name.partition(".")[0] for name in imported_names(path)}

    assert packages & OPTIONAL == set(), "use skmm._optional.import_optional"


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_files_stay_readable(path):
    """No file of the package is above 500 lines."""
    assert len((PACKAGE / path).read_text(encoding="utf-8").splitlines()) <= 500


def test_test_files_stay_readable():
    """No test file is above 500 lines."""
    sizes = {path.name: len(path.read_text().splitlines()) for path in Path(__file__).parent.rglob("*.py")}

    assert {name: size for name, size in sizes.items() if size > 500} == {}


_REPORT = """
import json, random, sys, warnings
{before}
import numpy as np
numbers = lambda: [random.getstate(), np.random.get_state()[1].tolist()]
state = lambda: [list(map(str, warnings.filters)), numbers(), {threads}]
old, modules = state(), set(sys.modules)
{after}
print(json.dumps({{"imported": sorted(set(sys.modules) - modules), "same": state() == old}}))
"""


def _report(before, after, threads="0"):
    """Run imports in a new interpreter; return which modules came and whether the global state stayed."""
    code = _REPORT.format(before=before, after=after, threads=threads)
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent
    )
    return json.loads(run.stdout)


def test_importing_skmm_is_light():
    """`import skmm` brings no other package with it and changes no global state."""
    report = _report("", "import skmm")
    packages = {name.partition(".")[0] for name in report["imported"]}

    assert packages - set(sys.stdlib_module_names) == {"skmm"}
    assert report["same"]


def test_importing_every_folder_changes_no_global_state():
    """Filters of warnings, random states and torch's threads are the same after all folders are imported."""
    folders = "\n".join(f"import {name}" for name in PUBLIC)
    # Third-party packages set filters of their own at import; they come first and are not counted.
    third_party = (
        f"{folders}\n"
        "for name in [name for name in sys.modules if name.split('.')[0] == 'skmm']: del sys.modules[name]"
    )
    report = _report(third_party, folders, "[__import__('torch').get_num_threads()]")

    assert set(PUBLIC) <= set(report["imported"])
    assert report["same"]


def test_optional_packages_are_not_imported_with_the_folders():
    """Importing every folder imports no optional package."""
    report = _report("", "\n".join(f"import {name}" for name in PUBLIC))
    packages = {name.partition(".")[0] for name in report["imported"]}

    assert (
        packages & (OPTIONAL - {"PIL", "pyarrow"}) == set()
    )  # torch and pandas look for these by themselves


@pytest.mark.parametrize("name", ["skmm", *PUBLIC])
def test_public_names_can_be_imported(name):
    """Every name in `__all__` exists, is listed once, and shows in `dir`."""
    module = import_module(name)

    assert len(module.__all__) == len(set(module.__all__))
    for public in module.__all__:
        assert getattr(module, public) is not None
        assert public in dir(module)


def test_every_public_folder_is_reached_from_skmm():
    """`skmm.fusion` works after `import skmm` alone, for every public folder, and for the two containers."""
    assert {f"skmm.{name}" for name in skmm.__all__ if name[0].islower()} == set(PUBLIC)
    for name in PUBLIC:
        assert getattr(skmm, name.removeprefix("skmm.")) is import_module(name)
    assert skmm.ModalityDict is import_module("skmm.containers").ModalityDict
    assert skmm.BagArray is import_module("skmm.containers").BagArray


def test_an_unknown_name_is_an_attribute_error():
    """A name that skmm does not have is reported as Python reports it."""
    with pytest.raises(AttributeError, match="module 'skmm' has no attribute 'fuse'"):
        skmm.fuse  # noqa: B018
