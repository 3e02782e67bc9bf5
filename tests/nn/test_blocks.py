"""Gates, masks, and what stands for a missing modality."""

import numpy as np
import pytest
import torch

from skmm.nn import (
    FeatureGate,
    NeutralVector,
    NoiseSource,
    drop_modalities,
    masked_softmax,
    renormalize,
    xavier_linear,
)


@pytest.fixture(autouse=True)
def seeded():
    """Seed torch's global state, and give it back as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def test_xavier_linear():
    """Weights have the deviation sqrt(2 / (n_in + n_out)) around 0, the bias is 0."""
    layer = xavier_linear(300, 500)

    assert layer.weight.std().item() == pytest.approx((2 / 800) ** 0.5, rel=0.02)
    assert abs(layer.weight.mean().item()) < 1e-3
    assert layer.bias.tolist() == [0.0] * 500


@pytest.mark.parametrize("form", ["dense", "low_rank", "diagonal"])
def test_gates_are_sigmoids_of_an_affine_map(form):
    """Each form of the gate is sigmoid(A x + a) with the matrix that its name says."""
    gate = FeatureGate(6, form, rank=2)
    x = torch.randn(4, 6)
    if form == "dense":
        matrix, bias = gate.affine.weight, gate.affine.bias
    elif form == "low_rank":
        matrix, bias = gate.expand.weight @ gate.reduce.weight, gate.expand.bias
        assert torch.linalg.matrix_rank(matrix) == 2
    else:
        matrix, bias = torch.diag(gate.weight), gate.bias

    torch.testing.assert_close(gate(x), torch.sigmoid(x @ matrix.T + bias))


@pytest.mark.parametrize(("form", "expected"), [("dense", 30), ("low_rank", 25), ("diagonal", 10)])
def test_gates_have_as_many_parameters_as_documented(form, expected):
    """d (d + 1) for a dense gate, 2 r d + d for rank r, 2 d for a diagonal."""
    gate = FeatureGate(5, form, rank=2)

    assert sum(parameter.numel() for parameter in gate.parameters()) == expected


def test_the_rank_is_at_most_the_number_of_features():
    """A rank beyond the number of features is reduced to it."""
    assert FeatureGate(3, "low_rank", rank=32).reduce.weight.shape == (3, 3)


def test_unknown_form_of_a_gate():
    """An unknown form is refused by name."""
    with pytest.raises(ValueError, match="form must be 'dense'.*Got 'full'"):
        FeatureGate(3, "full")


def test_masked_softmax_by_value():
    """Weights are those of a softmax over the real entries alone; a bag without any gets zeros."""
    scores = torch.tensor([[1.0, 2.0, 3.0], [5.0, float("nan"), -1.0], [1.0, 1.0, 1.0]])
    mask = torch.tensor([[True, True, True], [True, False, True], [False, False, False]])

    weights = masked_softmax(scores, mask).numpy()

    full = np.exp([1.0, 2.0, 3.0]) / np.exp([1.0, 2.0, 3.0]).sum()
    pair = np.exp([5.0, -1.0]) / np.exp([5.0, -1.0]).sum()
    np.testing.assert_allclose(weights, [full, [pair[0], 0, pair[1]], [0, 0, 0]], rtol=1e-6)


def test_masked_softmax_has_finite_gradients():
    """What is masked, a whole bag too, has gradient 0 and never NaN."""
    scores = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[True, True, False], [False, False, False]])

    (masked_softmax(scores, mask) * torch.arange(3.0)).sum().backward()

    assert torch.isfinite(scores.grad).all()
    assert scores.grad[0, 0] != 0
    assert scores.grad[0, 2] == 0
    assert scores.grad[1].tolist() == [0, 0, 0]


def test_masked_softmax_over_another_axis():
    """The axis can be chosen; the mask broadcasts."""
    weights = masked_softmax(torch.zeros(4, 2), torch.tensor([[True], [True], [False], [True]]), dim=0)

    np.testing.assert_allclose(weights[:, 0], [1 / 3, 1 / 3, 0, 1 / 3], rtol=1e-6)


def test_renormalize_leaves_complete_samples_alone():
    """With every modality present the weights are the paper's, to the last bit, negative ones too."""
    weights = torch.randn(5, 3, dtype=torch.float64)

    assert torch.equal(renormalize(weights, torch.ones(5, 3, dtype=torch.bool)), weights)


def test_renormalize_by_value():
    """Missing modalities weigh 0, the others are raised by M / n or by shares; nothing gives zeros."""
    weights = torch.tensor([1.0, 2.0, 3.0])
    present = torch.tensor([[True, True, False], [False, False, True], [False, False, False]])

    equal = renormalize(weights, present)
    shares = renormalize(weights, present, reference=weights)

    np.testing.assert_allclose(equal, [[1.5, 3.0, 0.0], [0.0, 0.0, 9.0], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(shares, [[2.0, 4.0, 0.0], [0.0, 0.0, 6.0], [0.0, 0.0, 0.0]])


def test_renormalize_with_nothing_of_weight():
    """A sample whose only modality has share 0 gets zeros, not NaN."""
    weights = torch.tensor([0.0, 1.0])

    assert renormalize(weights, torch.tensor([[True, False]]), reference=weights).tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("p", [0.0, 0.3, 0.999])
def test_modality_dropout_keeps_one(p):
    """Only present modalities remain, one at least wherever there was one, and none where there was none."""
    noise = NoiseSource(torch.Generator().manual_seed(0))
    present = torch.rand(4000, 4) < 0.6

    kept = drop_modalities(present, p, noise)

    assert not (kept & ~present).any()
    assert torch.equal(kept.any(dim=1), present.any(dim=1))
    if p == 0:
        assert torch.equal(kept, present)


def test_modality_dropout_drops_the_share_it_says():
    """Of many modalities a share p is dropped; when one has to stay, each is as likely to."""
    noise = NoiseSource(torch.Generator().manual_seed(0))
    many = drop_modalities(torch.ones(2000, 20, dtype=torch.bool), 0.3, noise)
    last = drop_modalities(torch.ones(30_000, 3, dtype=torch.bool), 0.999, noise)

    assert many.float().mean().item() == pytest.approx(0.7, abs=0.01)
    np.testing.assert_allclose(last.float().mean(dim=0), [1 / 3] * 3, atol=0.01)


def test_neutral_vectors_are_learned_where_something_is_missing():
    """The vector is zero at first, takes the place of missing rows, and has their gradient only."""
    neutral = NeutralVector(2)
    x = torch.ones(3, 2, requires_grad=True)
    out = neutral(x, torch.tensor([True, False, False]))
    out.sum().backward()

    assert out.tolist() == [[1, 1], [0, 0], [0, 0]]
    assert neutral.vector.grad.tolist() == [2, 2]
    assert x.grad.tolist() == [[1, 1], [0, 0], [0, 0]]
