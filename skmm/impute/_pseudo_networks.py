"""The network of pseudo-modality learning: what is there, and which it is, -> all modalities."""

import torch

from skmm.nn import DenoisingAutoencoder, FusionOutput, NoisyModule, VariationalAutoencoder

NETWORKS = {"denoising": DenoisingAutoencoder, "variational": VariationalAutoencoder}


def random_masks(present, noise):
    """Some of the modalities of each sample: at least one, and not all where there are several.

    How many is drawn first, each number being as likely as another; which ones, second.

    Parameters
    ----------
    present : Tensor of bool of shape (batch, n_modalities)
        True where a modality was observed.
    noise : NoiseSource
        Where randomness comes from.

    Returns
    -------
    Tensor of bool of shape (batch, n_modalities)
        A subset of ``present``.
    """
    n_present = present.sum(dim=1)
    share = noise.uniform((len(present),), present.device)
    n_kept = 1 + (share * (n_present - 1).clamp(min=1)).long()  # 1 to n_present - 1
    luck = noise.uniform(present.shape, present.device).masked_fill(~present, 2.0)
    rank = luck.argsort(dim=1).argsort(dim=1)
    return (rank < n_kept[:, None]) & present


class PseudoModalityModule(NoisyModule):
    """The network g(masked modalities, mask) -> all modalities, and its loss.

    In training it hides some of the modalities of each sample at random, in evaluation each of them in turn;
    the loss is that of the hidden ones alone, whose values are known.

    NOTE[DIFF] The original's network saw what it had to tell: input and target were the same modality, so
    that it never learned to predict one that is absent.

    Parameters
    ----------
    varies : dict of str -> ndarray of bool of shape (n_features,)
        Columns that count in the loss: those that are not constant.
    strategy : {"denoising", "variational"}
        The network.
    hidden, latent : int
        Widths of its layers.
    noise : float
        Standard deviation of the noise that training adds to what is there.
    dropout : float
        Share of the entries of hidden layers that a training step drops.
    kl_weight : float
        Weight of the divergence, for "variational".
    """

    def __init__(self, varies, strategy, hidden, latent, *, noise, dropout, kl_weight):
        super().__init__()
        self.widths = [len(columns) for columns in varies.values()]
        self.kl_weight = kl_weight
        self.network = NETWORKS[strategy](sum(self.widths), hidden, latent, len(self.widths), noise, dropout)
        shares = [
            torch.as_tensor(columns).double() / max(int(columns.sum()), 1) for columns in varies.values()
        ]
        # Every modality counts the same, whatever its width.
        self.register_buffer("shares", torch.cat(shares))
        owners = [torch.full((width,), number) for number, width in enumerate(self.widths)]
        self.register_buffer("owners", torch.cat(owners))

    def forward(self, inputs, present, *, predict=False):
        """All modalities one beside the other from those present; with their loss unless ``predict``."""
        x = torch.cat(list(inputs.values()), dim=1)  # (batch, total width), 0 where missing
        if predict:
            return FusionOutput(self._reconstruct(x, present)[0])
        if self.training:
            kept = random_masks(present, self.noise)
            told, *distribution = self._reconstruct(x, kept)
            losses = {"reconstruction": self._error(told, x, present & ~kept)}
            if distribution:
                divergence = VariationalAutoencoder.divergence(*(part.to(x.dtype) for part in distribution))
                losses["divergence"] = self.kl_weight / x.shape[1] * divergence
            return FusionOutput(told, losses)
        turns = torch.eye(len(self.widths), dtype=torch.bool, device=present.device)
        hidden = [turn & present & (present & ~turn).any(dim=1, keepdim=True) for turn in turns]
        told = [self._reconstruct(x, present & ~turn)[0] for turn in turns]
        total = sum(self._error(*pair) for pair in zip(told, [x] * len(told), hidden, strict=True))
        n_hidden = torch.stack(hidden).sum(dim=(0, 2))
        return FusionOutput(told[0], {"reconstruction": total / n_hidden.clamp(min=1)})

    def _reconstruct(self, x, kept):
        """What the network tells from the modalities that are kept; besides it, what it tells of z."""
        told = self.network(x, conditions=kept, mask=self._by_column(kept))
        return told if isinstance(told, tuple) else (told,)

    def _error(self, told, x, hidden):
        """Mean squared error of the hidden modalities of each sample, (batch,)."""
        squares = (told.to(x.dtype) - x).masked_fill(~self._by_column(hidden), 0.0) ** 2
        return (squares * self.shares).sum(dim=1) / hidden.sum(dim=1).clamp(min=1)

    def _by_column(self, mask):
        """A mask of modalities as one of columns."""
        return mask.index_select(1, self.owners)
