"""Optional imports, and the warnings and errors of the package."""

import subprocess
import sys

import pytest

from skmm._optional import import_optional
from skmm.exceptions import MissingModalityError, NoModalityWarning


def test_an_installed_module_is_returned():
    """The module itself comes back, a submodule included."""
    import json.decoder

    assert import_optional("json.decoder", extra="data") is json.decoder


@pytest.mark.parametrize("name", ["a_package_of_nobody", "a_package_of_nobody.part"])
def test_an_absent_package_names_itself_and_its_extra(name):
    """The error says who needs which package and what to install."""
    with pytest.raises(ImportError) as caught:
        import_optional(name, extra="explain", who="attribute")

    assert str(caught.value) == (
        f'attribute needs the package "{name}". Install it with: pip install "skmm[explain]"'
    )
    assert caught.value.name == name


def test_a_hidden_package_counts_as_absent(monkeypatch):
    """None in sys.modules, the usual way to hide a package, gives the same error."""
    monkeypatch.setitem(sys.modules, "pooch", None)

    with pytest.raises(ImportError, match=r'This feature needs the package "pooch".*skmm\[data\]'):
        import_optional("pooch", extra="data")


def test_a_broken_package_keeps_its_own_error(tmp_path, monkeypatch):
    """A package that lacks one of its own dependencies is not reported as absent."""
    (tmp_path / "broken_package.py").write_text("import a_dependency_of_nobody\n")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(ModuleNotFoundError) as caught:
        import_optional("broken_package", extra="data")

    assert caught.value.name == "a_dependency_of_nobody"
    assert "skmm" not in str(caught.value)


def test_the_bases_of_warnings_and_errors():
    """Code that catches scikit-learn's ValueError or filters UserWarning meets ours too."""
    assert issubclass(NoModalityWarning, UserWarning)
    assert issubclass(MissingModalityError, ValueError)


@pytest.mark.parametrize("folder", ["datasets", "metrics"])
def test_datasets_and_metrics_import_neither_torch_nor_optional_packages(folder):
    """Loading a data set or a scorer costs no heavy import; pooch comes with the first download."""
    code = f"import skmm.{folder}, sys; print(sorted({{'torch', 'pooch', 'matplotlib'}} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert result.stdout.strip() == "[]"
