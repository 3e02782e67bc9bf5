"""Configuration of the documentation; `make docs` builds it without a network."""

import skmm

project = "skmm"
author = "The skmm developers"
copyright = "2026, The skmm developers"
version = release = skmm.__version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc", "sphinx_gallery.gen_gallery"]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
default_role = "py:obj"
html_theme = "alabaster"
html_theme_options = {"description": "scikit-learn for data in several modalities", "page_width": "1100px"}
html_show_sourcelink = False

autosummary_generate = True
autodoc_typehints = "none"
# Members are listed by autosummary's page of each class; a second table in the docstring would repeat it.
numpydoc_show_class_members = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "remove_config_comments": True,
}


def skip_foreign_members(app, what, name, member, skip, options):
    """Leave out what a class inherits from other packages: it is documented there."""
    function = getattr(member, "fget", member)
    module = getattr(function, "__module__", None) or ""
    return skip or (callable(function) and not module.startswith("skmm"))


def setup(app):
    """Connect the choice of members to autodoc."""
    app.connect("autodoc-skip-member", skip_foreign_members)
