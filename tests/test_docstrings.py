"""Docstrings say what the code does: parameters, defaults, errors and examples agree with the source."""

import ast
import inspect
import pkgutil
import re
import textwrap
from importlib import import_module
from pathlib import Path

import pytest
from numpydoc.docscrape import ClassDoc, FunctionDoc
from sklearn.base import BaseEstimator

import skmm

ROOT = Path(skmm.__file__).parents[1]
SOURCES = sorted([*ROOT.glob("skmm/**/*.py"), *ROOT.glob("tests/**/*.py")])
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/*.rst"), *ROOT.glob("skmm/**/*.py"), *ROOT.glob("examples/*.py")]
)


# What skmm.containers exports for users; its other names serve the estimators of the package, and they need
# no more than a sentence.
CONTAINERS = {
    "BagArray",
    "LazyArray",
    "ModalityDict",
    "from_anndata",
    "from_dataframe",
    "from_mudata",
    "from_tables",
    "map_rows",
    "read_images",
    "read_series",
}


def _public_objects():
    """Return every class and function in the `__all__` of a public folder, by dotted name."""
    found = {}
    for info in pkgutil.iter_modules(skmm.__path__, "skmm."):
        if info.name.rpartition(".")[2][0] == "_":
            continue
        module = import_module(info.name)
        for name in module.__all__:
            value = getattr(module, name)
            if info.name == "skmm.containers" and name not in CONTAINERS:
                continue
            if inspect.isclass(value) or inspect.isfunction(value):
                found[f"{info.name}.{name}"] = value
    return found


def _is_hook(cls, name):
    """Tell whether a method overrides one of torch or skorch, which document when they call it."""
    return any(
        base.__module__.partition(".")[0] in {"torch", "skorch"} and hasattr(base, name)
        for base in cls.__mro__
    )


def _own_members(cls):
    """Return the public methods and properties that a class has from within skmm, by name."""
    members = {}
    for name in dir(cls):
        member = inspect.getattr_static(cls, name)
        function = getattr(member, "__func__", getattr(member, "fget", getattr(member, "fn", member)))
        is_own = inspect.isfunction(function) and function.__module__.startswith("skmm.")
        if name[0] != "_" and is_own and not _is_hook(cls, name):
            members[name] = (member, function)
    return members


PUBLIC = _public_objects()
CLASSES = {name: cls for name, cls in PUBLIC.items() if inspect.isclass(cls)}
METHODS = {
    f"{name}.{method}": function
    for name, cls in CLASSES.items()
    for method, (member, function) in _own_members(cls).items()
    if not isinstance(member, property)
}
PROPERTIES = {
    f"{name}.{method}": function
    for name, cls in CLASSES.items()
    for method, (member, function) in _own_members(cls).items()
    if isinstance(member, property)
}


def _each(objects):
    """Parametrize a test over objects by name."""
    return pytest.mark.parametrize("item", objects.values(), ids=objects.keys())


def _parsed(item):
    """Return the docstring of a class or function, parsed by numpydoc."""
    doc = inspect.cleandoc(item.__doc__ or "")
    return ClassDoc(item, doc=doc) if inspect.isclass(item) else FunctionDoc(item, doc=doc)


def _parameters(item):
    """Return the parameters of a function, or of a class's `__init__`, without `self` and `cls`."""
    function = item.__init__ if inspect.isclass(item) else item
    if hasattr(item, "_fields"):
        function = item  # a named tuple
    elif not inspect.isfunction(function):
        return {}  # an exception class, or a class without parameters
    names = {**inspect.signature(function).parameters}
    for first in ("self", "cls"):
        names.pop(first, None)
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    return {stars.get(parameter.kind, "") + name: parameter for name, parameter in names.items()}


def _documented(item):
    """Return the type line of each documented parameter; ``a, b : int`` documents two."""
    return {
        name.strip(): parameter.type
        for parameter in _parsed(item)["Parameters"]
        for name in parameter.name.split(",")
    }


def _documented_default(type_line):
    """Return what stands after ``default=`` in a type line, in a tuple; None when nothing does."""
    match = re.search(r"default=(.+)$", type_line)
    if match is None:
        return (None,) if type_line == "None" else None  # "y : None", which is there for scikit-learn
    text = match.group(1).strip().strip("`")
    try:
        return (ast.literal_eval(text),)
    except (SyntaxError, ValueError):
        return (text,)


def _same_default(documented, actual):
    """Tell whether a documented default is the one of the signature; classes are compared by name."""
    if documented is None:
        return False
    (value,) = documented
    if isinstance(actual, (str, bool, int, float, tuple, list, dict, type(None))):
        return type(value) is type(actual) and value == actual
    return value in {getattr(actual, "__name__", None), repr(actual)}


@_each({**PUBLIC, **METHODS})
def test_parameters_are_documented_in_the_order_of_the_signature(item):
    """The Parameters section names exactly the parameters of the signature, in its order."""
    assert list(_documented(item)) == list(_parameters(item))


@_each({**PUBLIC, **METHODS})
def test_documented_defaults_are_those_of_the_signature(item):
    """Each `default=` in a docstring equals the default in the signature, and each default is documented."""
    documented = _documented(item)
    wrong = {}
    for name, parameter in _parameters(item).items():
        if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}:
            continue
        default = _documented_default(documented[name])
        if parameter.default is parameter.empty:
            if default is not None:
                wrong[name] = f"{default[0]!r} documented, none in the signature"
        elif not _same_default(default, parameter.default):
            wrong[name] = f"{documented[name]!r} documented, {parameter.default!r} in the signature"

    assert wrong == {}


def test_a_wrong_default_is_seen():
    """The comparison tells numbers, strings, True and 1, and objects apart."""
    assert _same_default(_documented_default("float, default=1e-3"), 0.001)
    assert _same_default(_documented_default("str, default='a'"), "a")
    assert _same_default(_documented_default("tuple, default=(0.1, 2)"), (0.1, 2))
    assert _same_default(_documented_default("bool or None, default=None"), None)
    assert not _same_default(_documented_default("bool, default=1"), True)
    assert not _same_default(_documented_default("float, default=0.1"), 0.01)
    assert not _same_default(_documented_default("float, optional"), 0.01)
    assert not _same_default(_documented_default("str, default='a'"), "b")


@_each({**PUBLIC, **METHODS, **PROPERTIES})
def test_docstrings_open_with_one_sentence(item):
    """A docstring opens with one line that ends in a full stop."""
    first = inspect.cleandoc(item.__doc__ or "").partition("\n")[0]

    assert first.endswith("."), f"{first!r}"


@_each(PUBLIC)
def test_examples_are_shown(item):
    """Every public class and function shows a running example (the doctests run it)."""
    assert any(">>>" in line for line in _parsed(item)["Examples"])


def _raises_itself(function):
    """Tell whether a function has a `raise` statement of its own."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    return any(isinstance(node, ast.Raise) for node in ast.walk(tree))


@pytest.mark.parametrize(
    "name", [name for name, item in {**PUBLIC, **METHODS}.items() if inspect.isfunction(item)]
)
def test_errors_are_documented(name):
    """A public function or method that raises says so in a Raises section of its own, or of its class."""
    item = {**PUBLIC, **METHODS}[name]
    if _raises_itself(item):
        cls = CLASSES.get(name.rpartition(".")[0])
        assert _parsed(item)["Raises"] or (cls and _parsed(cls)["Raises"])


def _gives_a_value(function):
    """Tell whether a function has a `return` with a value, or yields."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    return any(
        isinstance(node, (ast.Yield, ast.YieldFrom))
        or (isinstance(node, ast.Return) and node.value is not None)
        for node in ast.walk(tree)
    )


@_each({**{name: item for name, item in PUBLIC.items() if inspect.isfunction(item)}, **METHODS})
def test_results_are_documented(item):
    """A public function or method that returns something has a Returns or Yields section."""
    if _gives_a_value(item):
        doc = _parsed(item)
        assert doc["Returns"] or doc["Yields"]


@_each(CLASSES)
def test_no_parameter_has_the_name_of_a_method(item):
    """An estimator's parameter never hides a method or property of its class."""
    hidden = {
        name
        for name in _parameters(item)
        if callable(getattr(item, name, None)) or name in _own_members(item)
    }

    if hasattr(item, "get_params"):
        assert hidden == set()


@_each({name: cls for name, cls in CLASSES.items() if issubclass(cls, BaseEstimator)})
def test_estimators_spell_out_their_parameters(item):
    """Each estimator has its own `__init__` without * and **; all but the first two are keyword-only."""
    parameters = list(_parameters(item).values())
    positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]

    assert "__init__" in vars(item) or not parameters
    assert all(p.kind in {p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY} for p in parameters)
    assert len(positional) <= 2


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_example_is_skipped(path):
    """No example is taken out of the tests."""
    assert not re.search(r"doctest:\s*\+SKIP", path.read_text(encoding="utf-8"))


def _without_docstring(tree):
    """Return the functions, methods and classes of a module without a docstring; nested ones are exempt."""
    bodies = [tree, *(node for node in tree.body if isinstance(node, ast.ClassDef))]
    return [
        node.name
        for body in bodies
        for node in body.body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef))
        and not node.name.startswith("__")
        and ast.get_docstring(node) is None
    ]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_function_says_what_it_does(path):
    """Each module, class, function and test has a docstring, private ones too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))

    assert ast.get_docstring(tree) or not tree.body
    assert _without_docstring(tree) == []
