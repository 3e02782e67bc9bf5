"""HEALNet: what a missing modality changes, what tying ties, what the latents look at, which errors come."""

import numpy as np
import pandas as pd
import pytest
import torch

from skmm import ModalityDict
from skmm._training._net import FusionLoss
from skmm.containers import BagArray
from skmm.exceptions import NoModalityWarning
from skmm.fusion import HEALNetClassifier
from skmm.fusion._healnet_network import CrossAttention, LatentFusion, SingleTokenAttention
from skmm.nn import Tokens

DEFAULTS = {
    "n_latents": 3,
    "latent_dim": 4,
    "depth": 2,
    "n_cross_heads": 2,
    "cross_head_dim": 3,
    "n_latent_heads": 2,
    "latent_head_dim": 2,
    "self_attention": "modality",
    "weight_tying": None,
    "activation": "selu",
    "attention_temperature": 0.5,
    "attention_dropout": 0.0,
    "dropout": 0.0,
}
WIDTHS, COUNTS = [5, 6, 4], [4, 1, None]  # several tokens, a single one, a number that differs
QUICK = {"n_latents": 4, "latent_dim": 8, "n_cross_heads": 2, "cross_head_dim": 4, "max_epochs": 2}
GROUPS = {"tokenization": "groups", "feature_groups": 3}
OPTIONS = [
    {},
    {"self_attention": "layer"},
    {"self_attention": None},
    {"weight_tying": "layers", "depth": 3},
    {"weight_tying": "layers_and_modalities", "depth": 3},
    {"activation": "gelu"},
    {"depth": 1},
    {"attention_temperature": 1.0, "attention_dropout": 0.3, "dropout": 0.3},
]


@pytest.fixture(autouse=True)
def keep_torch_state():
    """Give torch's global state back as it was: layers are made with it."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def _network(**options):
    """Return a network of three modalities and two classes."""
    return LatentFusion(WIDTHS, COUNTS, 2, **{**DEFAULTS, **options}).double()


def _tokens(n_samples=6, seed=0):
    """Return tokens of the three modalities; samples have one to three of the last."""
    generator = torch.Generator().manual_seed(seed)
    values = [
        torch.randn(n_samples, count or 3, width, generator=generator, dtype=torch.float64)
        for width, count in zip(WIDTHS, COUNTS, strict=True)
    ]
    mask = torch.arange(3) < (torch.arange(n_samples) % 3 + 1)[:, None]
    return [Tokens(values[0]), Tokens(values[1]), Tokens(values[2], mask)]


def _row(tokens, row):
    """Return the tokens of one sample."""
    mask = None if tokens.mask is None else tokens.mask[row : row + 1]
    return Tokens(tokens.values[row : row + 1], mask)


def _everything(n_samples=6):
    """Return presence of all modalities."""
    return torch.ones(n_samples, 3, dtype=torch.bool)


def _data(n_samples=40, seed=0):
    """Return a table with named columns and ids, images, bags of vectors, and labels that all three tell."""
    rng = np.random.default_rng(seed)
    y = np.arange(n_samples) % 2
    ids = [f"patient {row}" for row in range(n_samples)]
    table = pd.DataFrame(
        rng.normal(size=(n_samples, 6)) + 2 * y[:, None], index=ids, columns=[f"gene {i}" for i in range(6)]
    )
    images = rng.integers(0, 60, size=(n_samples, 10, 6, 3), dtype=np.uint8)
    images[y == 1, :4, :3] += 150
    bags = [rng.normal(size=(1 + row % 4, 3)) + label for row, label in enumerate(y)]
    return {"cells": images, "rna": table, "slides": BagArray.from_list(bags)}, y


def _incomplete():
    """Return the same data, where some samples lack a modality, or two."""
    X, y = _data()
    present = {name: np.ones(40, dtype=bool) for name in X}
    present["cells"][[1, 5]] = present["rna"][[2, 5]] = present["slides"][[3, 7]] = False
    return ModalityDict(X, present=present), y


@pytest.mark.parametrize("options", OPTIONS)
def test_every_parameter_has_a_gradient(options):
    """No option keeps a weight without use, be there queries for a single token or maps of an ablation."""
    network = _network(**options)
    present = torch.tensor([[True, True, True], [True, False, True], [False, True, True]] * 2)

    FusionLoss()(network(_tokens(), present), torch.tensor([0, 1] * 3)).backward()

    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_missing_modality_is_skipped(options, missing):
    """A sample without a modality gets the answer and the gradients of a network that never had it."""
    network = _network(**options).eval()
    present = _everything()
    present[2, missing] = False
    tokens, y = _tokens(), torch.tensor([0, 1] * 3)
    spoiled = list(tokens)
    spoiled[missing] = tokens[missing]._replace(values=tokens[missing].values.clone())
    spoiled[missing].values[2] = 1e6

    output = network(spoiled, present)
    FusionLoss()(output._replace(logits=output.logits[2:3]), y[2:3]).backward()
    gradients = [None if p.grad is None else p.grad.clone() for p in network.parameters()]
    network.zero_grad()
    alone = [None if number == missing else _row(value, 2) for number, value in enumerate(tokens)]
    expected = network(alone, present[2:3])
    FusionLoss()(expected, y[2:3]).backward()

    torch.testing.assert_close(output.logits[2], expected.logits[0], rtol=0, atol=1e-12)
    for ours, parameter in zip(gradients, network.parameters(), strict=True):
        theirs = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


def test_samples_of_a_batch_are_independent():
    """A sample alone, with the padding of its own tokens only, has the answer that it has among others."""
    network, tokens = _network().eval(), _tokens()
    output = network(tokens, _everything())

    for row, n_instances in enumerate([1, 2, 3] * 2):
        alone = [_row(value, row) for value in tokens]
        alone[2] = Tokens(alone[2].values[:, :n_instances], alone[2].mask[:, :n_instances])
        logits = network(alone, _everything(1)).logits[0]
        torch.testing.assert_close(logits, output.logits[row], rtol=0, atol=1e-12)


def test_a_sample_without_any_modality_is_finite():
    """Its latents are the initial ones, so rows that only pad a batch give neither NaN nor gradients."""
    network, tokens = _network(), _tokens()
    present = _everything()
    present[4] = False
    tokens[2].mask[4] = False

    latents, weights = network.run(tokens, present, "full")
    latents[4].sum().backward()

    assert torch.equal(latents[4], network.latents)
    assert all(not value[4].any() for value in weights.values())
    assert torch.equal(network.latents.grad, torch.ones_like(network.latents))
    assert all(p.grad is None or not p.grad.any() for p in network.layers.parameters())


def test_tokens_of_another_width_are_an_error():
    """They are not taken for a modality that is missing."""
    tokens = _tokens()
    tokens[0] = Tokens(tokens[0].values[:, :, :-1])

    with pytest.raises(RuntimeError, match="shape"):
        _network()(tokens, _everything())


@pytest.mark.parametrize("tying", ["layers", "layers_and_modalities"])
def test_tying(tying):
    """Tied, layers from the second on are one, in which modalities share their network if it says so."""
    tied, untied = _network(weight_tying=tying, depth=4).eval(), _network(depth=4).eval()
    state = tied.state_dict()
    one = tying == "layers_and_modalities"
    copies = {}
    for name in untied.state_dict():
        layer, _, rest = name.removeprefix("layers.").partition(".")
        if not name.startswith("layers.") or layer == "0":
            copies[name] = state[name]
        else:
            for number in "012" if one else "":
                rest = rest.replace(f"feed_forwards.{number}.", "feed_forwards.0.")
            copies[name] = state[f"layers.1.{rest}"]
    untied.load_state_dict(copies)

    output = tied(_tokens(), _everything(), "full")

    expected = untied(_tokens(), _everything(), "full")
    torch.testing.assert_close(output.logits, expected.logits, rtol=0, atol=1e-12)
    for number in range(3):
        torch.testing.assert_close(
            output.informativeness[number], expected.informativeness[number], rtol=0, atol=1e-12
        )
    assert len(tied.layers[1].feed_forwards) == (1 if one else 3)
    assert len(tied.layers[0].feed_forwards) == 3


def test_the_gate_and_the_temperature_do_something():
    """Each option of the formulas gives another answer from the same weights."""
    state = _network().state_dict()
    answers = []
    for options in ({}, {"activation": "gelu"}, {"attention_temperature": 1.0}, {"self_attention": "layer"}):
        network = _network(**options).eval()
        network.load_state_dict(state)
        answers.append(network(_tokens(), _everything()).logits)

    for number, first in enumerate(answers):
        for second in answers[:number]:
            assert (first - second).abs().max() > 1e-4


def test_the_temperature_sharpens():
    """The lower it is, the more of the weight lies on one token."""
    state, largest = _network().state_dict(), []
    for temperature in (2.0, 0.5, 0.05):
        network = _network(attention_temperature=temperature).eval()
        network.load_state_dict(state)
        weights = network(_tokens(), _everything(), "full").informativeness[0]
        largest.append(weights[:, 0].amax(dim=-1).mean())

    assert largest[0] < largest[1] < largest[2]


def test_weights_are_the_same_with_and_without_a_kernel_that_hides_them():
    """Asking for the weights does not change the answer."""
    network = _network().eval()

    plain = network(_tokens(), _everything()).logits

    torch.testing.assert_close(plain, network(_tokens(), _everything(), "full").logits, rtol=0, atol=1e-12)
    mean = network(_tokens(), _everything(), "mean").informativeness
    full = network(_tokens(), _everything(), "full").informativeness
    for number in range(3):
        torch.testing.assert_close(mean[number], full[number].mean(dim=(1, 2, 3)), rtol=0, atol=1e-12)


@pytest.mark.parametrize("tokenization", ["vector", "feature", "groups"])
def test_it_learns(tokenization):
    """Each way to make tokens of a table tells the classes, together with images and bags."""
    X, y = _data()
    model = HEALNetClassifier(
        **{**QUICK, "max_epochs": 15}, tokenization=tokenization, feature_groups=3, lr=1e-2, random_state=0
    ).fit(X, y)

    assert model.score(X, y) > 0.9
    single = tokenization == "vector"
    cross = model.net_.module_.fusion.layers[0].cross[1]
    assert isinstance(cross, SingleTokenAttention if single else CrossAttention)


@pytest.mark.parametrize("verbose", [0, 1])
def test_missing_is_absent_whatever_the_verbosity(verbose):
    """A modality under a mask is one whose key is absent, and neither depends on ``verbose``."""
    X, y = _incomplete()
    model = HEALNetClassifier(**QUICK, precision="float64", verbose=verbose, random_state=0).fit(X, y)
    silent = HEALNetClassifier(**QUICK, precision="float64", random_state=0).fit(X, y)
    masked = ModalityDict(dict(X), present={**_masks(X), "cells": np.zeros(40, dtype=bool)})
    rows = np.flatnonzero(masked.present.any(axis=1))

    proba = model.predict_proba(masked[rows])

    np.testing.assert_allclose(proba, model.predict_proba(X[["rna", "slides"]][rows]), atol=1e-12)
    np.testing.assert_allclose(proba, silent.predict_proba(masked[rows]), atol=1e-12)
    assert np.abs(proba - model.predict_proba(X[rows])).max() > 1e-6


def _masks(X):
    """Return presence by modality."""
    return {name: X.is_present(name) for name in X}


def test_inputs_stay_as_they_are():
    """Nothing of the caller's is changed, and a second call gives what the first one gave."""
    X, y = _data()
    before = {"cells": X["cells"].copy(), "rna": X["rna"].copy(), "slides": X["slides"].values.copy()}
    keys = list(X)
    model = HEALNetClassifier(**QUICK, random_state=0).fit(X, y)

    first, second = model.predict_proba(X), model.predict_proba(X)

    np.testing.assert_array_equal(first, second)
    assert list(X) == keys
    np.testing.assert_array_equal(X["cells"], before["cells"])
    pd.testing.assert_frame_equal(X["rna"], before["rna"])
    np.testing.assert_array_equal(X["slides"].values, before["slides"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cells", np.zeros((40, 10, 7, 3), dtype=np.uint8)),
        ("cells", np.zeros((40, 10, 6), dtype=np.uint8)),
        ("rna", np.zeros((40, 5))),
        ("slides", BagArray(np.zeros((40, 4)), np.arange(41))),
    ],
)
def test_wrong_shapes_are_errors(name, value):
    """New data of another size, number of channels, columns or width of instances are refused by name."""
    X, y = _data()
    model = HEALNetClassifier(**QUICK, random_state=0).fit(X, y)

    with pytest.raises(ValueError, match=name):
        model.predict({**X, name: value})


def test_attention_weights():
    """Weights of a sample's tokens sum to 1, in the form of each kind; a missing modality has none."""
    X, y = _incomplete()
    model = HEALNetClassifier(**QUICK, **GROUPS, patch_size=4, random_state=0).fit(X, y)
    with pytest.warns(NoModalityWarning, match="1 sample"):
        weights = model.attention_weights(X[["rna", "cells"]][:8])  # the sixth has neither

    assert set(weights) == {"cells", "rna", "slides"}
    assert list(weights["rna"]) == ["gene 0 to gene 1", "gene 2 to gene 3", "gene 4 to gene 5"]
    assert list(weights["rna"].index) == ["patient 0", *X.index[1:8]]
    np.testing.assert_allclose(weights["rna"].sum(axis=1), X.is_present("rna")[:8], atol=1e-6)
    assert weights["cells"].shape == (8, 3, 2)  # patches of a 10 x 6 image
    np.testing.assert_allclose(weights["cells"].sum(axis=(1, 2)), X.is_present("cells")[:8], atol=1e-6)
    assert weights["slides"].lengths.tolist() == [0] * 8

    bags = model.attention_weights(X)["slides"]
    assert bags.lengths.tolist() == (X["slides"].lengths * X.is_present("slides")).tolist()
    np.testing.assert_allclose([bag.sum() for bag in bags], X.is_present("slides"), atol=1e-6)


def test_attention_weights_of_each_layer_head_and_latent():
    """Their mean over these axes is what is returned otherwise."""
    X, y = _incomplete()
    model = HEALNetClassifier(**QUICK, **GROUPS, patch_size=4, depth=3, random_state=0).fit(X, y)

    averaged, full = model.attention_weights(X), model.attention_weights(X, average=False)

    assert full["rna"].shape == (40, 3, 2, 4, 3)
    assert full["cells"].shape == (40, 3, 2, 4, 3, 2)
    assert full["slides"].instance_shape == (3, 2, 4)
    assert full["slides"].offsets.tolist() == averaged["slides"].offsets.tolist()
    np.testing.assert_allclose(full["rna"].mean(axis=(1, 2, 3)), averaged["rna"], atol=1e-6)
    np.testing.assert_allclose(full["cells"].mean(axis=(1, 2, 3)), averaged["cells"], atol=1e-6)
    np.testing.assert_allclose(
        full["slides"].values.mean(axis=(1, 2, 3)), averaged["slides"].values, atol=1e-6
    )


def test_attention_weights_of_bags_of_images():
    """Each instance has a weight for each of its patches; those of all instances sum to 1."""
    rng = np.random.default_rng(0)
    bags = [rng.random((1 + row % 3, 6, 4)) for row in range(20)]
    X = ModalityDict({"scan": bags}, kinds={"scan": "bag"})
    model = HEALNetClassifier(**QUICK, patch_size=2, random_state=0).fit(X, np.arange(20) % 2)

    weights = model.attention_weights(X)["scan"]

    assert [bag.shape for bag in weights] == [(1 + row % 3, 3, 2) for row in range(20)]
    np.testing.assert_allclose([bag.sum() for bag in weights], np.ones(20), atol=1e-6)


def test_the_order_of_instances_does_not_matter():
    """Instances in another order have the same weights in that order, and give the same answer."""
    X, y = _data()
    model = HEALNetClassifier(**QUICK, precision="float64", random_state=0).fit(X, y)
    turned = {**X, "slides": BagArray.from_list([bag[::-1] for bag in X["slides"]])}

    np.testing.assert_allclose(model.predict_proba(turned), model.predict_proba(X), atol=1e-12)
    weights, ours = model.attention_weights(turned)["slides"], model.attention_weights(X)["slides"]
    for bag, other in zip(weights, ours, strict=True):
        np.testing.assert_allclose(bag[::-1], other, atol=1e-12)


def test_groups_by_name():
    """Named groups name the tokens; a column that is in none of them has no influence."""
    X, y = _data()
    groups = {"rna": {"cycle": ["gene 0", "gene 3"], "repair": ["gene 1", "gene 3", "gene 4"]}}
    model = HEALNetClassifier(**QUICK, tokenization="groups", feature_groups=groups, random_state=0).fit(X, y)
    changed = X["rna"].copy()
    changed[["gene 2", "gene 5"]] = -7.0

    assert list(model.attention_weights(X)["rna"]) == ["cycle", "repair"]
    np.testing.assert_array_equal(model.predict_proba({**X, "rna": changed}), model.predict_proba(X))


def test_vectors_have_all_the_attention():
    """As a single token a table always has weight 1."""
    X, y = _data()
    model = HEALNetClassifier(**QUICK, tokenization="vector", random_state=0).fit(X, y)

    assert (model.attention_weights(X)["rna"] == 1).all(axis=None)


def test_modality_dropout_hides_modalities_while_training():
    """The losses of training differ with it, and stay finite."""
    X, y = _data()
    losses = [
        HEALNetClassifier(**QUICK, modality_dropout=share, random_state=0).fit(X, y).history_["train_loss"]
        for share in (0.0, 0.7)
    ]

    assert np.isfinite(losses).all()
    assert (losses[0] != losses[1]).all()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_latents", 0),
        ("latent_dim", 2.5),
        ("depth", 0),
        ("self_attention", "always"),
        ("weight_tying", True),
        ("activation", "relu"),
        ("attention_temperature", 0.0),
        ("attention_dropout", 1.0),
        ("n_frequency_bands", -1),
        ("max_frequency", 0.0),
        ("max_frequency", np.inf),
        ("attention_temperature", np.inf),
        ("tokenization", "words"),
        ("patch_size", 0),
    ],
)
def test_values_that_are_not_allowed(name, value):
    """Each parameter says what it allows."""
    X, y = _data()

    with pytest.raises(ValueError, match=f"The '{name}' parameter of HEALNetClassifier must be"):
        HEALNetClassifier(**{name: value}).fit(X, y)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("rna", {"tokenization": "feature", "n_frequency_bands": None}),
        ("rna", {"tokenization": "feature", "n_frequency_bands": 0}),
        ("grey", {"patch_size": 1, "n_frequency_bands": None}),
        ("ages", {"n_frequency_bands": None}),
        ("scores", {"n_frequency_bands": 0}),
    ],
)
def test_tokens_that_normalization_would_empty(name, options):
    """Tokens of one or two numbers need positions beside them: without, an error names their modality."""
    X, y = _data()
    values = {
        "rna": X["rna"],
        "grey": X["cells"][..., 0],
        "ages": X["rna"].iloc[:, :1],
        "scores": BagArray(X["slides"].values[:, :1], X["slides"].offsets),
    }

    with pytest.raises(ValueError, match=f"as those of '{name}'. Got n_frequency_bands=.*: use 1 or more"):
        HEALNetClassifier(**QUICK, **options).fit({name: values[name], "slides": X["slides"]}, y)


@pytest.mark.parametrize("kind", ["table", "bag"])
def test_single_numbers_are_told_apart(kind):
    """A table of one column, and bags of single numbers, tell classes that differ in nothing but size."""
    y = np.arange(40) % 2
    numbers = np.random.default_rng(0).uniform(1, 2, size=(40, 1)) + 2 * y[:, None]
    X = {"value": numbers if kind == "table" else BagArray(numbers.repeat(2, axis=0), 2 * np.arange(41))}
    model = HEALNetClassifier(**{**QUICK, "max_epochs": 30}, lr=1e-2, random_state=0).fit(X, y)

    assert model.score(X, y) > 0.9


def test_token_names_are_those_of_fit():
    """What was fitted keeps the names of its tokens when parameters are set to other values."""
    X, y = _data()
    groups = {"rna": {"cycle": ["gene 0"], "repair": ["gene 1", "gene 2"]}}
    model = HEALNetClassifier(**QUICK, tokenization="groups", feature_groups=groups, random_state=0).fit(X, y)
    expected = model.attention_weights(X)["rna"]

    for params in ({"feature_groups": {"rna": {"a": [3], "b": [4]}}}, {"tokenization": "feature"}):
        pd.testing.assert_frame_equal(model.set_params(**params).attention_weights(X)["rna"], expected)
    assert model.token_names_ == {"rna": ["cycle", "repair"]}


def test_long_bags_are_predicted_a_few_at_a_time(monkeypatch):
    """All bags of a batch are filled up to its longest, so batches of long ones are small."""
    X, y = _data()
    model = HEALNetClassifier(**QUICK, random_state=0).fit(X, y)
    pieces = [np.tile(bag, (1 + 20 * (row == 7), 1)) for row, bag in enumerate(X["slides"])]
    long = {**X, "slides": BagArray.from_list(pieces)}
    expected, sizes = model.predict_proba(long), []
    model.net_.module_.register_forward_pre_hook(lambda _, arguments: sizes.append(len(arguments[1])))
    monkeypatch.setattr("skmm.fusion._network._PREDICT_VALUES", 40 * (10 * 6 * 3 + 4 * 3))

    model.predict_proba(X)
    assert sizes == [32, 32]
    np.testing.assert_allclose(model.predict_proba(long), expected, atol=1e-6)
    assert sizes[2:] == [16, 16, 16]
