"""The encoder of texts: what is kept of the answers of its filters, and what padding does."""

import numpy as np
import pytest
import torch

from skmm.nn import TextCNN, TokenEmbedding


def _encoder(**options):
    """Return an encoder in evaluation mode, in float64."""
    with torch.random.fork_rng():
        torch.default_generator.manual_seed(0)
        return (
            TextCNN(12, 6, **{"embedding_dim": 3, "n_filters": 2, "dropout": 0.5, **options}).double().eval()
        )


def _answers(encoder, ids):
    """Return the answers of all filters by the formula, (n_filters, length) for each kernel size."""
    vectors = encoder.embedding.weight.detach().numpy()[ids]  # (length, width)
    found = []
    for convolution in encoder.convolutions:
        weight, bias = convolution.weight.detach().numpy(), convolution.bias.detach().numpy()
        size, length = weight.shape[2], len(ids)
        table = np.zeros((len(bias), length))
        for place in range(length):
            total = bias.copy()
            for tap in range(1, size + 1):
                at = place + tap - -(-size // 2)
                if 0 <= at < length:
                    total += weight[:, :, tap - 1] @ vectors[at]
            table[:, place] = np.maximum(total, 0)
        found.append(table)
    return found


@pytest.mark.parametrize("sizes", [(3, 4, 5), (1,), (2, 7)])
def test_formula(sizes):
    """The strongest answer of each filter, or of each two neighbouring ones, are those of the formula."""
    ids = np.array([3, 1, 11, 1, 7, 0])
    strongest, neighbours = _encoder(kernel_sizes=sizes), _encoder(kernel_sizes=sizes, pooling="neighbours")
    answers = _answers(strongest, ids)
    expected = [np.maximum(table[:, :-1], table[:, 1:]).T.ravel() for table in answers]  # place after place

    with torch.no_grad():
        found = strongest(torch.from_numpy(ids)[None]), neighbours(torch.from_numpy(ids)[None])

    np.testing.assert_allclose(
        found[0][0], np.concatenate([table.max(axis=1) for table in answers]), atol=1e-12
    )
    np.testing.assert_allclose(found[1][0], np.concatenate(expected), atol=1e-12)
    assert (strongest.width, neighbours.width) == (found[0].shape[1], found[1].shape[1])


def test_place_does_not_matter_to_the_strongest():
    """A phrase between padding has the same representation wherever it stands, but not with "neighbours"."""
    first, second = torch.tensor([[0, 0, 5, 2, 0, 0]]), torch.tensor([[0, 0, 0, 5, 2, 0]])
    options = {"kernel_sizes": (3,), "n_filters": 8}  # some of which answer
    strongest, neighbours = _encoder(**options), _encoder(pooling="neighbours", **options)

    torch.testing.assert_close(strongest(first), strongest(second))
    assert not torch.allclose(neighbours(first), neighbours(second))


def test_padding_stays_zero():
    """The vector of padding is zero and gets no gradient; all others learn."""
    encoder = _encoder(kernel_sizes=(2,))
    encoder(torch.tensor([[3, 4, 0, 0, 0, 0]])).sum().backward()
    gradient = encoder.embedding.weight.grad

    assert not encoder.embedding.weight[0].any()
    assert not gradient[0].any()
    assert gradient[3].any()


def test_vectors_in_place_of_ids():
    """Vectors of the words give what their ids give, so that gradients can be taken with respect to them."""
    ids = torch.tensor([[3, 4, 0, 1, 0, 0]])
    encoder = _encoder()

    torch.testing.assert_close(encoder(encoder.embedding(ids)), encoder(ids))


def test_one_word():
    """A text of one place has one answer a filter, whatever the pooling."""
    with torch.random.fork_rng():
        assert TextCNN(3, 1, pooling="neighbours", n_filters=2).width == 6
        assert TokenEmbedding(3, 2)(torch.tensor([[0]])).tolist() == [[[0.0, 0.0]]]
