"""From bags that are stored flat to one vector each."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from skmm.nn import AttendedAverage, Attention, Bag, BagAttentionPooling, GatedAttentionPooling, NoiseSource

WIDTH = 4
OFFSETS = torch.tensor([0, 3, 3, 4, 9, 12])  # two of three instances, an empty one


@pytest.fixture(autouse=True)
def seeded():
    """Seed torch's global state, and give it back as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def _bag(total=12, offsets=OFFSETS):
    """Return instances from a normal distribution."""
    return Bag(torch.randn(total, WIDTH, dtype=torch.float64), offsets)


def _padded(bag):
    """Return the instances of each bag, filled up with NaN-free junk, and their mask."""
    lengths = bag.offsets.diff()
    mask = torch.arange(int(lengths.max())) < lengths[:, None]
    padded = torch.full((*mask.shape, WIDTH), 7.0, dtype=torch.float64)
    padded[mask] = bag.values
    return padded, mask


def _poolings():
    """Return one of each kind, by name."""
    return {
        "softmax": BagAttentionPooling(WIDTH, 3, n_heads=2).double(),
        "gated": BagAttentionPooling(WIDTH, 3, attention="gated", n_heads=2).double(),
        "attended": AttendedAverage(WIDTH, 6, n_heads=2).double(),
    }


def test_gated_attention_equals_that_of_padded_bags():
    """With the same parameters it has the values, weights and gradients of GatedAttentionPooling."""
    flat = BagAttentionPooling(WIDTH, 3, attention="gated").double()
    other = GatedAttentionPooling(WIDTH, 3).double()
    other.load_state_dict(flat.state_dict())
    bag = _bag()
    padded, mask = _padded(bag)

    pooled, weights = flat(bag)
    expected, expected_weights = other(padded, mask)
    pooled.square().sum().backward()
    expected.square().sum().backward()

    torch.testing.assert_close(pooled, expected, rtol=0, atol=1e-13)
    torch.testing.assert_close(weights[:, 0], expected_weights[mask], rtol=0, atol=1e-13)
    for name, parameter in flat.named_parameters():
        torch.testing.assert_close(parameter.grad, other.get_parameter(name).grad, rtol=0, atol=1e-12)


def test_softmax_attention_by_hand():
    """A head is the mean of the instances weighted by the softmax of its scores; heads lie side by side."""
    pooling = BagAttentionPooling(WIDTH, None, n_heads=2).double()
    bag = _bag()

    pooled, weights = pooling(bag)

    own = torch.softmax(bag.values[4:9] @ pooling.score.weight.T, dim=0)
    torch.testing.assert_close(weights[4:9], own)
    torch.testing.assert_close(pooled[3], (own.T @ bag.values[4:9]).flatten())
    assert pooled[1].tolist() == [0.0] * 2 * WIDTH
    assert pooling.out_width == 2 * WIDTH


def test_attended_average_by_hand():
    """The mean of instances plus what each finds in its own bag, and how much each is looked at."""
    pooling = AttendedAverage(WIDTH, 5, n_heads=2).double()  # the heads have width 3
    bag = _bag()

    pooled, weights = pooling(bag)

    for row, (start, stop) in enumerate(pairwise(OFFSETS)):
        own = bag.values[None, start:stop]
        found, looks = pooling.attention(own, own)
        expected = (own + found)[0].mean(dim=0) if stop > start else torch.zeros(WIDTH, dtype=torch.float64)
        torch.testing.assert_close(pooled[row], expected)
        torch.testing.assert_close(weights[start:stop], looks[0].mean(dim=1).T)
    assert isinstance(pooling.attention, Attention)
    assert pooling.attention.to_query.out_features == 6
    torch.testing.assert_close(pooling(bag, need_weights=False)[0], pooled)
    assert pooling(bag, need_weights=False)[1] is None


@pytest.mark.parametrize("kind", _poolings())
def test_order_of_instances_does_not_count(kind):
    """Instances in another order pool to the same vector, and keep their weights."""
    pooling, bag = _poolings()[kind], _bag()
    order = torch.cat([torch.randperm(stop - start) + start for start, stop in pairwise(OFFSETS)])

    pooled, weights = pooling(bag)
    other, other_weights = pooling(Bag(bag.values[order], OFFSETS))

    torch.testing.assert_close(other, pooled)
    torch.testing.assert_close(other_weights, weights[order])


@pytest.mark.parametrize("kind", _poolings())
def test_bags_alone_and_among_others(kind):
    """A bag pools to the same vector alone as among others, and its weights sum to 1 in each head."""
    pooling, bag = _poolings()[kind], _bag()

    pooled, weights = pooling(bag)
    alone, alone_weights = pooling(Bag(bag.values[4:9], torch.tensor([0, 5])))

    torch.testing.assert_close(alone[0], pooled[3])
    torch.testing.assert_close(alone_weights, weights[4:9])
    torch.testing.assert_close(alone_weights.sum(dim=0), torch.ones(2, dtype=torch.float64))


@pytest.mark.parametrize("kind", _poolings())
def test_gradient_reaches_every_parameter_and_the_instances(kind):
    """Whatever comes before the pooling learns, and every parameter of it does."""
    pooling, bag = _poolings()[kind], _bag()
    bag.values.requires_grad_()

    pooling(bag)[0].square().sum().backward()

    # A bias of keys adds the same to all scores of a softmax: it is the one that cannot matter.
    grads = {name: p.grad.abs().max() for name, p in pooling.named_parameters() if "key.bias" not in name}
    assert min(grads.values()) > 1e-6, grads
    assert (bag.values.grad.abs().amax(dim=1) > 0).all()
    assert torch.autograd.gradcheck(lambda x: pooling(Bag(x, OFFSETS)), [bag.values])


@pytest.mark.parametrize("kind", _poolings())
def test_bags_without_instances(kind):
    """A batch of nothing but empty bags pools to zeros, with weights of no instances."""
    pooling = _poolings()[kind]

    pooled, weights = pooling(_bag(0, torch.tensor([0, 0, 0])))

    assert pooled.tolist() == [[0.0] * pooling.out_width] * 2
    assert weights.shape == (0, 2)


@pytest.mark.parametrize("kind", _poolings())
def test_bfloat16(kind):
    """Under autocast the results are float32, and near those in full precision."""
    pooling, bag = _poolings()[kind].float(), _bag()
    bag = Bag(bag.values.float(), OFFSETS)

    with torch.autocast("cpu", dtype=torch.bfloat16):
        pooled, weights = pooling(bag)

    expected, expected_weights = pooling(bag)
    assert pooled.dtype == torch.float32
    torch.testing.assert_close(pooled, expected, rtol=0, atol=0.05)
    torch.testing.assert_close(weights.float(), expected_weights, rtol=0, atol=0.02)


@pytest.mark.parametrize("attention", ["softmax", "gated"])
def test_dropout_acts_in_training_only_and_leaves_what_is_averaged(attention):
    """Training draws weights from its own noise; equal instances pool to themselves whatever is dropped."""
    pooling = BagAttentionPooling(WIDTH, 8, attention=attention, dropout=0.5).double()
    bag = _bag()

    def weights(seed):
        pooling.dropout.noise = NoiseSource(torch.Generator().manual_seed(seed))
        return pooling(bag)[1]

    assert torch.equal(weights(0), weights(0))
    assert not torch.equal(weights(0), weights(1))
    equal = Bag(torch.ones(12, WIDTH, dtype=torch.float64), OFFSETS)
    torch.testing.assert_close(pooling(equal)[0][0], torch.ones(WIDTH, dtype=torch.float64))
    pooling.eval()
    assert torch.equal(weights(0), weights(1))


def test_unknown_attention():
    """An unknown kind of attention is refused by name."""
    with pytest.raises(ValueError, match="attention must be 'softmax' or 'gated'. Got 'sparse'"):
        BagAttentionPooling(WIDTH, 3, attention="sparse")


def test_one_bag_alone_is_padded_by_nobody(monkeypatch):
    """One bag of 2,000 among 200 of 2 makes no tensor of more than a few times the instances."""
    lengths = [2000] + [2] * 200
    offsets = torch.tensor([0, *torch.tensor(lengths).cumsum(0)])
    values = torch.randn(sum(lengths), WIDTH)
    sizes = []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            found = function(*args, **(kwargs or {}))
            parts = found if isinstance(found, (tuple, list)) else [found]
            sizes.extend(part.numel() for part in parts if isinstance(part, torch.Tensor))
            return found

    pooling = nn.ModuleList([BagAttentionPooling(WIDTH, WIDTH, attention="gated"), AttendedAverage(WIDTH, 4)])
    with Watch():
        pooling[0](Bag(values, offsets))[0].sum().backward()
        pooling[1](Bag(values, offsets), need_weights=False)

    assert max(sizes) <= 2 * values.numel()  # padded, it would be 84 times
