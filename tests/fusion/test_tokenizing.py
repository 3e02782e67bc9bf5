"""Tokens of each modality from the parameters of an estimator, and what is said of wrong groups."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from skmm.fusion._tokenizing import N_GROUPS, column_groups, make_tokenizer, token_names
from skmm.nn import Bag

GENES = np.array(["tp53", "kras", "egfr", "myc"], dtype=object)


@pytest.fixture(autouse=True)
def _forked():
    """Draw weights and inputs from a state of their own."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def estimator(**params):
    """Something with the parameters about tokens and a schema of five modalities."""
    kinds = {"rna": "table", "protein": "table", "cells": "image", "scan": "bag", "slices": "bag"}
    schema = SimpleNamespace(kinds=kinds, feature_names={**dict.fromkeys(kinds), "rna": GENES})
    params = {"tokenization": "groups", "feature_groups": 2, "patch_size": 4, **params}
    return SimpleNamespace(schema_=schema, **params)


def test_equal_groups_hold_every_column_once():
    """A number of groups cuts the columns into that many consecutive parts, equal up to one column."""
    groups = column_groups(3, "rna", 8)

    assert [group.tolist() for group in groups.values()] == [[0, 1, 2], [3, 4, 5], [6, 7]]
    assert list(groups) == ["columns 0 to 2", "columns 3 to 5", "columns 6 to 7"]
    assert list(column_groups(9, "rna", 2)) == ["column 0", "column 1"]


def test_equal_groups_are_named_after_their_columns():
    """Where columns have names of their own, groups are called after the first and last of them."""
    assert list(column_groups(3, "rna", 4, GENES)) == ["tp53 to kras", "egfr", "myc"]
    assert list(column_groups(4, "rna", 4, GENES)) == GENES.tolist()
    assert list(column_groups(1, "rna", 2, ["a", "a"])) == ["columns 0 to 1"]


def test_named_groups_by_name_and_position():
    """Groups hold columns by name or by position, in their order; a column may be in several."""
    groups = column_groups({"rna": {"a": ["myc", 0], "b": GENES[:1], "c": "egfr"}}, "rna", 4, GENES)

    assert {name: columns.tolist() for name, columns in groups.items()} == {"a": [3, 0], "b": [0], "c": [2]}


def test_tables_that_are_not_mentioned():
    """A table that the dict leaves out has the default number of groups; another has its own number."""
    assert len(column_groups({"rna": 2}, "protein", 100)) == N_GROUPS
    assert len(column_groups({"rna": 2}, "rna", 100)) == 2


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"rna": {"a": ["tp52"]}}, r"feature_groups\['rna'\]\['a'\] .* Got 'tp52'; it has columns 'tp53'"),
        ({"rna": {"a": [4]}}, r"Got 4; it has"),
        ({"rna": {"a": []}}, r"\['a'\] has no columns"),
        ({"rna": {"a": [True, False, True, False]}}, r"must hold columns of modality 'rna'. Got True, False"),
        ({"rna": {"a": [["myc"]]}}, r"must hold columns of modality 'rna'. Got \['myc'\]"),
        ({"rna": {"a": slice(2)}}, r"\['a'\] must be a sequence of columns, by name or position. Got slice"),
        ({"rna": {1: ["myc"], "1": ["kras"]}}, r"names differ as strings. Got \[1, '1'\]"),
        ({"rna": {}}, r"feature_groups\['rna'\] has no groups"),
        ({"rna": 0}, r"feature_groups\['rna'\] must be an int in the range \[1, inf\)"),
        ({"cells": 3}, r"a dict of tables, .*\{'rna': .* Got 'cells'; the tables are 'rna', 'protein'"),
    ],
)
def test_wrong_groups(groups, message):
    """Unknown tables and columns, and empty groups, are named."""
    with pytest.raises(ValueError, match=message):
        make_tokenizer(estimator(feature_groups=groups), "rna", (4,), width=3)


def test_a_name_that_several_columns_have():
    """Such a name is no column's: an error asks for positions, which are taken, and so are other names."""
    names = np.array(["kras", "myc", "kras"], dtype=object)

    with pytest.raises(ValueError, match="names 'kras', as several columns of modality 'rna' are called"):
        column_groups({"rna": {"a": ["kras"]}}, "rna", 3, names)
    assert column_groups({"rna": {"a": [2, "myc"]}}, "rna", 3, names)["a"].tolist() == [2, 1]


def test_groups_that_are_sets():
    """A set is taken in the order of the columns, as its own is another in each process."""
    groups = column_groups({"rna": {"a": {"myc", "tp53", "egfr", "kras"}}}, "rna", 4, GENES)

    assert groups["a"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("tokenization", "n_tokens", "width"), [("vector", 1, 4), ("feature", 4, 1), ("groups", 2, 3)]
)
def test_tokens_of_a_table(tokenization, n_tokens, width):
    """A table is one token, one a feature, or one a group, and there is a name for each."""
    model = estimator(tokenization=tokenization)
    tokens = make_tokenizer(model, "rna", (4,), width=3)(torch.randn(5, 4))

    assert tokens.values.shape == (5, n_tokens, width)
    assert len(token_names(model, "rna", 4)) == n_tokens


def test_names_of_features():
    """Tokens of features have their names, or the numbers of their columns."""
    model = estimator(tokenization="feature")

    assert token_names(model, "rna", 4) == GENES.tolist()
    assert token_names(model, "protein", 2) == ["column 0", "column 1"]


def test_tokens_of_images_and_bags():
    """Images are cut into patches, bags of vectors and of images into the tokens of their instances."""
    model = estimator()
    offsets = torch.tensor([0, 1, 3])

    patches = make_tokenizer(model, "cells", (3, 8, 8), width=3)(torch.rand(5, 3, 8, 8))
    vectors = make_tokenizer(model, "scan", (7,), width=3)(Bag(torch.rand(3, 7), offsets))
    slices = make_tokenizer(model, "slices", (1, 8, 8), width=3)(Bag(torch.rand(3, 1, 8, 8), offsets))

    assert patches.values.shape == (5, 4, 48)
    assert vectors.mask.sum(dim=1).tolist() == [1, 2]
    assert vectors.values.shape == (2, 2, 7)
    assert slices.mask.sum(dim=1).tolist() == [4, 8]


def test_positions_within_bags():
    """Patches of instances have their own positions; vectors have one and the same, if any."""
    offsets, values = torch.tensor([0, 1, 3]), torch.rand(3, 7)
    options = {"width": 3, "n_bands": 0, "instance_bands": 0}

    vectors = make_tokenizer(estimator(), "scan", (7,), **options)(Bag(values, offsets))
    slices = make_tokenizer(estimator(), "slices", (1, 8, 4), **options)(Bag(torch.rand(3, 1, 8, 4), offsets))

    assert torch.equal(vectors.values[1, :, :7], values[1:])
    assert vectors.values[1, :, 7].tolist() == [-1.0, -1.0]
    assert slices.values[1, :, 16].tolist() == [-1.0, 1.0] * 2
