"""ModalityTransformer: names of what comes out, display, and messages."""

import warnings

import numpy as np
import pytest
import sklearn
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    StandardScaler,
    TargetEncoder,
)
from sklearn.utils import get_tags

from skmm import ModalityDict
from skmm.compose import ConcatModalities, ModalityTransformer
from skmm.exceptions import MissingModalityError, NoModalityWarning

NAN = np.nan


def test_feature_names_out(X):
    """Columns have the modality's name as prefix, other kinds that name alone; the order is that of X."""
    prepare = ModalityTransformer(
        {"rna": PCA(2), "note": CountVectorizer(vocabulary=["aa", "bb"]), "clinical": "passthrough"}
    ).fit(X)

    assert list(prepare.get_feature_names_out()) == [
        "rna__pca0", "rna__pca1", "note__aa", "note__bb", "xray", "clinical__sex", "clinical__age",
    ]  # fmt: skip


def test_a_transformer_without_names_gives_numbered_columns():
    """FunctionTransformer has no names; neither has a pipeline with one."""
    for transformer in (FunctionTransformer(), make_pipeline(StandardScaler(), FunctionTransformer())):
        prepare = ModalityTransformer({"rna": transformer}).fit({"rna": np.eye(2)})
        assert list(prepare.get_feature_names_out()) == ["rna__x0", "rna__x1"]


def test_html_repr_shows_a_box_for_each_transformer(X):
    """A Pipeline's diagram shows the transformers side by side, before and after fit."""
    pipe = make_pipeline(ModalityTransformer({"rna": PCA(2), ("note", "xray"): "drop"}), ConcatModalities())
    html = pipe._repr_html_()

    assert "sk-parallel" in html
    assert ">note+xray<" in html.replace("\n", "").replace(" ", "")
    assert "PCA" in html
    assert "clinical" in pipe[0].fit(X)._repr_html_()


def test_verbose_prints_a_line_for_each_transformer(X, capsys):
    """The line names modality, kind, samples and transformer; without verbose there is none."""
    ModalityTransformer({"rna": PCA(2)}, verbose=True).fit(X).transform(X)
    out = capsys.readouterr().out
    assert out.count("[ModalityTransformer] rna (table, 4 of 6 samples): PCA, ") == 2
    ModalityTransformer({"rna": PCA(2)}).fit(X)
    assert capsys.readouterr().out == ""


def test_a_modality_that_no_training_sample_has_is_left_out(X):
    """One warning, and its columns are in no output, also when it comes later."""
    X = ModalityDict({**X, "pet": np.full((6, 2), NAN)})
    prepare = ModalityTransformer({"pet": StandardScaler(), "rna": StandardScaler()})
    with pytest.warns(
        NoModalityWarning, match="'pet' is missing for every sample: ModalityTransformer leaves it out"
    ) as caught:
        prepare.fit(X)
    out = prepare.transform({**X, "pet": np.ones((6, 2))})

    assert len(caught) == 1
    assert "pet" not in out
    assert "pet" not in prepare.transformers_


@pytest.mark.parametrize(
    ("transformers", "options", "error", "message"),
    [
        ({"mri": PCA()}, {}, ValueError, r"transformers names 'mri', but X holds 'rna', 'note'"),
        (
            {"rna": PCA},
            {},
            TypeError,
            r"transformers\['rna'\] must be a transformer instance. Got the class PCA: add \(\)",
        ),
        (
            {"rna": None},
            {},
            TypeError,
            r"transformers\['rna'\] must be a transformer .*'drop' or 'passthrough'. Got None",
        ),
        ({"rna": "skip"}, {}, TypeError, r"Got 'skip' instead"),
        ([("rna", PCA())], {}, TypeError, "transformers must be a dict"),
        (
            {"rna": PCA(), ("rna", "note"): "drop"},
            {},
            ValueError,
            "'rna' is named twice in transformers, in 'rna' and ",
        ),
        ({(): PCA()}, {}, ValueError, "empty tuple"),
        ({3: PCA()}, {}, TypeError, "must be modality names or tuples of them. Got 3"),
        (
            {("rna", "note"): "drop", "rna+note": "drop"},
            {},
            ValueError,
            "same parameter name",
        ),
        (
            {"xray": FunctionTransformer(lambda images: images.mean(axis=(1, 2))[:, None] * NAN)},
            {},
            ValueError,
            "'xray', returned nothing but NaN for 6 of 6",
        ),
        (
            {"clinical": FunctionTransformer(lambda table: table[["age"]] * NAN)},
            {},
            ValueError,
            r"'clinical', returned nothing but NaN for 4 of 5 present rows \(0, 1, 4, 5\)",
        ),
        ({"share": PCA()}, {}, ValueError, r"modality names \['share'\] are names of parameters"),
        ({}, {"remainder": "keep"}, TypeError, "remainder must be a transformer .* Got 'keep'"),
        ({}, {"remainder": "drop"}, ValueError, "drops every modality"),
        (
            {("rna", "note"): FunctionTransformer()},
            {"share": True},
            ValueError,
            "share=True needs modalities of the same kind",
        ),
        (
            {"rna": FunctionTransformer(lambda t: t[1:])},
            {},
            ValueError,
            "'rna', must return one row a sample, 4 .* Got 3",
        ),
        (
            {"rna": FunctionTransformer(lambda t: t * NAN)},
            {},
            ValueError,
            r"'rna', returned nothing but NaN for 4 of 4 present rows \(0, 2, 3, 5\)",
        ),
        (
            {"rna": FunctionTransformer(lambda t: t[:, 0])},
            {},
            ValueError,
            "'rna', returned what is no modality. .*one-dimensional",
        ),
        (
            {"rna": FunctionTransformer(len)},
            {},
            ValueError,
            "'rna', must return an array with one row a sample. Got int",
        ),
        ({"rna": FunctionTransformer(lambda t: t[:, :0])}, {}, ValueError, "0 features"),
    ],
)
def test_errors_say_what_is_wrong_and_where(X, transformers, options, error, message):
    """Each message names the modality or parameter, what was expected, and what came."""
    with pytest.raises(error, match=message):
        ModalityTransformer(transformers, **options).fit_transform(X)


def test_errors_of_lengths_and_names(X):
    """Targets and weights of another length, unknown names, other widths, and metadata that nobody takes."""
    prepare = ModalityTransformer({"rna": StandardScaler()})
    with pytest.raises(ValueError, match="y must have one entry a sample, 6 in all. Got 5"):
        prepare.fit(X, np.zeros(5))
    with pytest.raises(ValueError, match="sample_weight must have one entry a sample, 6"):
        prepare.fit(X, sample_weight=np.ones(4))
    with pytest.raises(ValueError, match="sample_weight must have one entry a sample, 6 in all. Got 1"):
        ModalityTransformer({"rna": PCA()}).fit(X, sample_weight=2.0)
    with pytest.raises(ValueError, match=r"got \['tables'\], but takes further metadata only with"):
        prepare.fit(X, tables=3)
    prepare.fit(X)
    with pytest.raises(ValueError, match=r"got \['tables'\]"):
        prepare.transform(X, tables=3)
    with pytest.raises(ValueError, match="'mri' as well"):
        prepare.transform({**X, "mri": np.ones((6, 2))})
    with pytest.raises(ValueError, match="'rna' has 2 features, but it had 3 in fit"):
        prepare.transform({"rna": np.ones((6, 2))})
    with pytest.raises(sklearn.exceptions.NotFittedError):
        ModalityTransformer({}).transform(X)


def test_nothing_present_raises():
    """Where no sample has anything there is nothing to fit."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoModalityWarning)
        with pytest.raises(MissingModalityError, match="ModalityTransformer needs at least one sample"):
            ModalityTransformer({}).fit({"rna": np.full((3, 2), NAN)})


def test_the_errors_of_a_transformer_come_through(X):
    """A transformer's own message is not hidden, and a note says which modality it was."""
    with pytest.raises(ValueError, match="n_components=50 must be between") as caught:
        ModalityTransformer({"rna": PCA(50)}).fit(X)
    assert caught.value.__notes__ == ["Raised by PCA, the transformer of modality 'rna'."]
    with pytest.raises(ValueError, match="Found unknown categories") as caught:
        ModalityTransformer({"clinical": OneHotEncoder()}, n_jobs=2).fit(X[:3]).transform(X)
    assert caught.value.__notes__ == ["Raised by OneHotEncoder, the transformer of modality 'clinical'."]


def test_tags_follow_the_transformers():
    """A target is required where a transformer requires it."""
    assert get_tags(ModalityTransformer({"a": TargetEncoder()})).target_tags.required
    tags = get_tags(ModalityTransformer({"a": StandardScaler(), "b": "drop"}))
    assert not tags.target_tags.required
    assert tags.input_tags.dict


def test_discretised_weights_do_not_reach_those_without(X):
    """Several transformers side by side, of which one takes weights."""
    prepare = ModalityTransformer(
        {"rna": KBinsDiscretizer(2, encode="ordinal", strategy="kmeans"), "note": TfidfVectorizer()}
    )
    out = prepare.fit_transform(X, sample_weight=np.ones(6))

    assert set(out["rna"][out.is_present("rna")].ravel()) == {0.0, 1.0}
