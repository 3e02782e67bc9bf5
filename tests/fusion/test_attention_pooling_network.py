"""The network of attention pooling: each choice learns, what is missing does not count, nothing is padded."""

import math

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from skmm._training._net import FusionLoss
from skmm.fusion._attention_pooling_network import (
    WEIGHTS,
    AttentionPoolingModule,
    BagAverage,
    Branch,
    ConvFusion,
    FusedModels,
    GivenEncoder,
    LateModels,
    Models,
)
from skmm.nn import AttendedAverage, Bag, BagAttentionPooling, Dropout, NoiseSource, xavier_linear

WIDTH = 6
FUSIONS = ("cnn", "concat", "mean", "dynamic", "late")
ALL = torch.ones(4, 3, dtype=torch.bool)


@pytest.fixture(autouse=True)
def keep_torch_state():
    """Give torch's global state back as it was: layers are made with it."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def _pooling(pooling):
    """Return a pooling by its name."""
    if pooling == "average":
        return BagAverage()
    if pooling == "attended_average":
        return AttendedAverage(WIDTH, WIDTH)
    return BagAttentionPooling(WIDTH, WIDTH, attention=pooling)


def _module(fusion="concat", pooling="gated", *, n_heads=1, missing="neutral", names=("a", "b", "rna")):
    """Return a network of bags and a table in evaluation with random parameters, neutral vectors too."""
    branches = {
        name: Branch(
            xavier_linear(5 if name == "rna" else 3, WIDTH),
            WIDTH,
            pooling=None if name == "rna" else _pooling(pooling),
            dropout=0.0,
        )
        for name in names
    }
    widths, options = [WIDTH] * len(names), {"n_heads": n_heads, "dropout": 0.0}
    decide = LateModels(widths, 3, **options) if fusion == "late" else None
    decide = FusedModels(fusion, widths, 3, **options) if decide is None else decide
    module = AttentionPoolingModule(branches, decide, missing=missing).double().eval()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return module


def _bag(lengths, seed=0):
    """Return bags of some lengths."""
    offsets = torch.tensor([0, *np.cumsum(lengths)])
    return Bag(torch.tensor(np.random.default_rng(seed).normal(size=(int(offsets[-1]), 3))), offsets)


def _inputs(lengths=(2, 5, 1, 3), seed=0):
    """Return a batch of two bags and a table."""
    rna = torch.tensor(np.random.default_rng(seed).normal(size=(len(lengths), 5)))
    return {"a": _bag(lengths, seed), "b": _bag(lengths[::-1], seed + 1), "rna": rna}


def _row(inputs, row):
    """Return one sample of a batch."""
    alone = {}
    for name, value in inputs.items():
        if isinstance(value, Bag):
            piece = value.values[value.offsets[row] : value.offsets[row + 1]]
            alone[name] = Bag(piece, torch.tensor([0, len(piece)]))
        else:
            alone[name] = value[[row]]
    return alone


def _close(first, second):
    """Assert equality to rounding."""
    torch.testing.assert_close(first, second, rtol=0, atol=1e-12)


@pytest.mark.parametrize("missing", ["neutral", "zero"])
@pytest.mark.parametrize("n_heads", [1, 2])
@pytest.mark.parametrize("pooling", ["softmax", "gated", "average", "attended_average"])
@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_parameter_has_a_gradient(fusion, pooling, n_heads, missing):
    """Nothing is computed in vain: where modalities are missing, all learn."""
    module = _module(fusion, pooling, n_heads=n_heads, missing=missing).train()
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim == 1:
                parameter.abs_()  # some of the ReLUs after biases that are positive let something through
    present = [[True, True, True], [False, True, True], [True, False, True], [True, True, False]]
    output = module(_inputs((2, 4, 4, 3) * 6), torch.tensor(present * 6))
    FusionLoss()(output, torch.arange(24) % 3).backward()

    lost = [name for name, p in module.named_parameters() if p.grad is None or p.grad.abs().max() < 1e-12]
    # A bias of keys changes no weights: softmax does not see what all scores have in common.
    assert [name for name in lost if not name.endswith("to_key.bias")] == []


@pytest.mark.parametrize("fusion", FUSIONS)
def test_one_modality_alone(fusion):
    """It has no neutral vector and no weight to learn; every parameter has a gradient."""
    module = _module(fusion, names=("a",)).train()
    output = module({"a": _bag((2, 5, 1, 3) * 6)}, torch.ones(24, 1, dtype=torch.bool))
    FusionLoss()(output, torch.arange(24) % 3).backward()

    assert module.neutral is None
    assert all(p.grad is not None and p.grad.abs().max() > 1e-12 for p in module.parameters())


@pytest.mark.parametrize("missing", ["neutral", "zero"])
@pytest.mark.parametrize("name", ["a", "rna"])
@pytest.mark.parametrize("fusion", FUSIONS)
def test_what_is_missing_has_no_influence(fusion, name, missing):
    """Whatever stands in the place of a missing modality, the answer is the same and finite."""
    module, inputs = _module(fusion, missing=missing), _inputs()
    present = ALL.clone()
    present[[1, 2], list(inputs).index(name)] = False

    before = module(inputs, present)
    after = module({**inputs, name: _inputs(seed=5)[name]}, present)

    for kind in ("logits", "fused"):
        _close(getattr(after, kind)[1:3], getattr(before, kind)[1:3])
    assert (after.logits[0] - before.logits[0]).abs().max() > 1e-4
    if fusion in ("mean", "dynamic", "late"):
        _close(before.informativeness[WEIGHTS].sum(dim=1), torch.ones(4, dtype=torch.float64))
        assert not before.informativeness[WEIGHTS][~present].any()


@pytest.mark.parametrize("pooling", ["gated", "average", "attended_average"])
@pytest.mark.parametrize("fusion", FUSIONS)
def test_a_sample_alone_has_the_answer_it_has_among_others(fusion, pooling):
    """Neither the batch nor the sizes of other bags have an influence."""
    module, inputs = _module(fusion, pooling), _inputs()
    together = module(inputs, ALL, attention=True)

    for row in range(4):
        alone = module(_row(inputs, row), ALL[:1], attention=True)
        _close(alone.logits[0], together.logits[row])
        start, stop = inputs["a"].offsets[row : row + 2]
        _close(alone.informativeness["a"], together.informativeness["a"][start:stop])
        _close(alone.informativeness["a"].sum(), torch.tensor(1.0, dtype=torch.float64))


@pytest.mark.parametrize("pooling", ["gated", "softmax", "average", "attended_average"])
def test_order_of_instances(pooling):
    """Instances of a bag in another order give the same answer, and their weights in that order."""
    module, inputs = _module(pooling=pooling), _inputs((5, 5, 5, 5))
    order = torch.tensor([3, 1, 4, 0, 2])
    values = inputs["a"].values.unflatten(0, (4, 5))[:, order].flatten(0, 1)

    before = module(inputs, ALL, attention=True)
    after = module({**inputs, "a": Bag(values, inputs["a"].offsets)}, ALL, attention=True)

    _close(after.logits, before.logits)
    seen = before.informativeness["a"].unflatten(0, (4, 5))[:, order].flatten()
    _close(after.informativeness["a"], seen)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_batches_without_any_modality_or_instance(fusion):
    """Samples that have nothing, a batch of empty bags among them, give finite answers."""
    empty = Bag(torch.zeros(0, 3, dtype=torch.float64), torch.zeros(5, dtype=torch.int64))

    output = _module(fusion)({**_inputs(), "a": empty, "b": empty}, torch.zeros_like(ALL))

    assert output.logits.isfinite().all()
    assert output.fused.isfinite().all()
    assert not output.informativeness.get(WEIGHTS, torch.zeros(1)).any()


def test_mean_and_dynamic_weigh_what_is_present():
    """The mean is that of the vectors that are there; dynamic weights are r exp(a v) over their sum."""
    inputs, present = _inputs(), torch.tensor([[True, False, True]]).expand(4, 3)
    mean, dynamic = _module("mean"), _module("dynamic")
    first, third = (
        mean.branches[k](x, need_weights=False)[0] for k, x in ((0, inputs["a"]), (2, inputs["rna"]))
    )
    _close(mean(inputs, present).fused, (first + third) / 2)
    parts = [dynamic.branches[k](x, need_weights=False)[0] for k, x in ((0, inputs["a"]), (2, inputs["rna"]))]
    scores = torch.stack([part @ dynamic.decide.fuse.attention.direction for part in parts], dim=1)
    weights = scores.softmax(dim=1)

    output = dynamic(inputs, present)

    _close(output.informativeness[WEIGHTS][:, [0, 2]], weights)
    _close(output.fused, weights[:, :1] * parts[0] + weights[:, 1:] * parts[1])


def test_late_fusion_is_the_mixture_of_models():
    """Probabilities are those of each modality's models, averaged with weights that the present share."""
    module, inputs = _module("late", n_heads=2), _inputs()
    present = torch.tensor(
        [[True, True, True], [True, False, True], [False, False, True], [True, True, True]]
    )
    vectors = [
        branch(x, need_weights=False)[0] for branch, x in zip(module.branches, inputs.values(), strict=True)
    ]
    alone = torch.stack(
        [
            torch.stack([net(v).softmax(dim=1) for net in models.models]).mean(dim=0)
            for models, v in zip(module.decide.models, vectors, strict=True)
        ],
        dim=1,
    )
    weights = module.decide.log_weights.exp() * present
    weights = weights / weights.sum(dim=1, keepdim=True)

    output = module(inputs, present)

    _close(output.logits.softmax(dim=1), (weights[:, :, None] * alone).sum(dim=1))
    _close(output.informativeness[WEIGHTS], weights)


def test_models_of_late_fusion_learn_alone_and_weights_from_the_mixture():
    """A modality's model has the gradient of its own cross-entropy, whatever the weights are."""
    gradients = []
    for level in (0.0, 3.0):
        torch.manual_seed(1)
        module = _module("late")
        with torch.no_grad():
            module.decide.log_weights.copy_(torch.tensor([level, 0.0, 0.0]))
        FusionLoss()(module(_inputs(), ALL), torch.tensor([0, 1, 2, 0])).backward()
        gradients.append([p.grad for p in module.decide.models.parameters()])
        assert module.decide.log_weights.grad.abs().min() > 1e-6

    for first, second in zip(*gradients, strict=True):
        _close(first, second)


def test_several_models_are_averaged_and_learn_each_by_itself():
    """The probabilities are the mean of the models' own, the loss the mean of their cross-entropies."""
    models, x = Models(4, 5, 3, 3, 0.0).double(), torch.randn(2, 4, dtype=torch.float64)
    each = torch.stack([net(x).softmax(dim=1) for net in models.models])

    logits, loss = models(x)

    _close(logits.exp(), each.mean(dim=0))
    _close(loss, -each.log().mean(dim=0))
    assert (each[0] - each[1]).abs().max() > 1e-3


def test_convolution_sees_modalities_as_channels():
    """The fused vector is that of a convolution along the stacked vectors, pooled in pairs and mapped."""
    fuse = ConvFusion([4, 4], 0.0).double()
    x = torch.randn(2, 3, 4, dtype=torch.float64).unbind(0)
    padded = torch.nn.functional.pad(torch.stack(x, dim=1), (1, 1))
    maps = torch.stack([padded[:, :, k : k + 3].flatten(1) for k in range(4)], dim=2)
    maps = (fuse.convolution.weight.flatten(1) @ maps) + fuse.convolution.bias[:, None]  # (3, channels, 4)
    pooled = torch.relu(maps.unflatten(2, (2, 2)).amax(dim=3))

    found, _ = fuse(x, None)

    _close(found, torch.relu(fuse.affine(pooled.flatten(1))))


def test_average_pooling():
    """Means of instances, equal weights; zero for an empty bag."""
    bag = Bag(torch.tensor([[1.0], [3.0], [7.0]]), torch.tensor([0, 2, 2, 3]))

    pooled, weights = BagAverage()(bag)

    assert pooled.tolist() == [[2.0], [0.0], [7.0]]
    assert weights.tolist() == [[0.5], [0.5], [1.0]]


class _Largest(TorchDispatchMode):
    """The size of the largest tensor that is made."""

    largest = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        """Run an operation and look at its results."""
        found = function(*args, **(kwargs or {}))
        for tensor in found if isinstance(found, (tuple, list)) else [found]:
            if isinstance(tensor, torch.Tensor):
                self.largest = max(self.largest, tensor.numel())
        return found


@pytest.mark.parametrize("pooling", ["gated", "softmax", "average"])
def test_memory_goes_by_instances(pooling):
    """One huge bag among many tiny ones: no tensor of a step is larger than all instances together."""
    lengths = [1] * 300 + [2000]
    module, total = _module(pooling=pooling, names=("a",)).train(), sum(lengths)
    with _Largest() as seen:
        output = module({"a": _bag(lengths)}, torch.ones(301, 1, dtype=torch.bool))
        output.logits.sum().backward()

    assert total * WIDTH <= seen.largest <= 2 * total * WIDTH < 301 * 2000 * WIDTH / 50


class _Net(torch.nn.Module):
    """An encoder as users have them: with normalization, dropout, and maps as output."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.Dropout(0.5), torch.nn.ReLU()
        )

    def forward(self, x):
        """Maps (n, 2, height - 2, width - 2)."""
        return self.layers(x)


def test_given_encoders_are_copied_and_mapped():
    """What a user gives is left as it is; outputs are flattened and mapped; dropout follows the fit."""
    given = _Net()
    encoder = GivenEncoder(given, (1, 5, 5), WIDTH, frozen=False, name="scan")
    x = torch.randn(3, 1, 5, 5)

    assert encoder(x).shape == (3, WIDTH)
    assert encoder.to_width.in_features == 18
    assert given.layers[1].num_batches_tracked == 0
    assert given.training
    assert isinstance(encoder.encoder.layers[2], Dropout)
    assert isinstance(given.layers[2], torch.nn.Dropout)


def test_frozen_encoders_stay_as_they_are():
    """They have no gradient, and training changes neither weights nor running statistics."""
    encoder = GivenEncoder(_Net(), (1, 5, 5), WIDTH, frozen=True, name="scan")
    x = torch.randn(3, 1, 5, 5)
    before = encoder(x)
    encoder.train()(x).sum().backward()

    assert not encoder.encoder.training
    assert encoder.encoder.layers[1].num_batches_tracked == 0
    assert all(p.grad is None for p in encoder.encoder.parameters())
    assert encoder.to_width.weight.grad is not None
    torch.testing.assert_close(encoder(x), before)
    trained = GivenEncoder(_Net(), (1, 5, 5), WIDTH, frozen=False, name="scan").train()
    trained(x)
    assert trained.encoder.layers[1].num_batches_tracked == 1


def test_layers_that_draw_globally_follow_the_noise():
    """They are found by a trial that leaves the encoder as it is, and draw what the noise says."""
    x = torch.randn(3, 1, 5, 5)
    layers = [torch.nn.BatchNorm2d(1), torch.nn.Dropout2d(0.5), torch.nn.Conv2d(1, 4, 3)]
    encoder = GivenEncoder(torch.nn.Sequential(*layers), (1, 5, 5), WIDTH, frozen=False, name="scan").train()
    found = []
    for seed in (0, 0, 1):
        encoder.noise = NoiseSource(torch.Generator().manual_seed(seed))
        found.append(torch.cat([encoder(x) for _ in range(4)]))

    assert encoder.is_random
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    assert not torch.equal(*found[0].split(6))
    assert not torch.equal(encoder.eval()(x), encoder.train()(x))
    assert layers[0].num_batches_tracked == 0
    assert not GivenEncoder(_Net(), (1, 5, 5), WIDTH, frozen=False, name="scan").is_random
    assert not GivenEncoder(layers[1], (1, 5, 5), WIDTH, frozen=True, name="scan").is_random


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (torch.nn.Linear(7, 2), r"'scan' must take tensors of shape \(n, 1, 5, 5\)\. It raised RuntimeError"),
        (torch.nn.Flatten(0), r"'scan' must return .*\(n, n_features\)\. Got shape \(50,\)"),
        (torch.nn.MaxPool2d(2, return_indices=True), r"'scan' must return .* Got tuple"),
    ],
)
def test_encoders_that_do_not_fit(given, message):
    """Those that refuse the entries, or do not give one row for each, are named with the reason."""
    with pytest.raises(ValueError, match=message):
        GivenEncoder(given, (1, 5, 5), WIDTH, frozen=False, name="scan")


def test_late_answers_of_nothing_are_even():
    """A sample without any modality has weights of zero and, all models alike, a mixture that sums to 1."""
    module = _module("late")
    logits = module(_inputs(), torch.zeros_like(ALL)).logits

    assert math.isclose(logits[0].exp().sum().item(), 1, abs_tol=1e-12)
