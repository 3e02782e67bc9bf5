"""A gate for images: one weight in (0, 1) for each patch, from a compact U-Net."""

import torch
from torch import nn
from torch.nn.functional import interpolate, pad

_STEP = 4  # factor by which each half of the encoder shrinks the image
PATCH_SIZES = (_STEP, 2 * _STEP)


def _enlarge(x, factor, like):
    """Each cell as a square of ``factor`` pixels, cut off at the far edges to the size of ``like``."""
    height, width = like.shape[-2:]
    return interpolate(x, scale_factor=factor, mode="nearest")[..., :height, :width]


def _double(n_in, n_out):
    """Two convolutions of 3 x 3, each with a ReLU."""
    return [
        nn.Conv2d(n_in, n_out, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(n_out, n_out, 3, padding=1),
        nn.ReLU(inplace=True),
    ]


def _down(n_in, n_out):
    """Two convolutions, and the largest of each 4 x 4 pixels, the incomplete ones at the far edges too.

    The second ReLU comes after the maximum, which changes nothing but that it has a sixteenth of the work.
    """
    *layers, relu = _double(n_in, n_out)
    # NOTE[DIFF] The published system takes 64 x 64 alone, where nothing is incomplete.
    return nn.Sequential(*layers, nn.MaxPool2d(_STEP, ceil_mode=True), relu)


class UNetGate(nn.Module):
    """Informativeness of each patch of an image, a map in (0, 1) that all channels share.

    A U-Net that sees the image at a quarter and a sixteenth of its size gives one score a patch; their
    sigmoid is enlarged to the size of the image. Patches are squares from the upper left corner on, cut off
    at the far edges.

    Parameters
    ----------
    n_channels : int
        Channels of the image.
    patch_size : {4, 8}, default=4
        Side of a patch in pixels.

    References
    ----------
    Wenderoth: MMdynamics-evolved, code on GitHub. It speaks of patches of 4 pixels and has 8.

    Examples
    --------
    >>> import torch
    >>> from skmm.nn import UNetGate
    >>> with torch.random.fork_rng():
    ...     gate = UNetGate(3, patch_size=8)
    >>> weights = gate(torch.arange(3840.0).reshape(2, 3, 20, 32) / 3840)
    >>> weights.shape, weights[0, 0, :8, 8:16].unique().numel()
    (torch.Size([2, 1, 20, 32]), 1)
    """

    def __init__(self, n_channels, patch_size=_STEP):
        super().__init__()
        if patch_size not in PATCH_SIZES:
            raise ValueError(f"patch_size must be one of {PATCH_SIZES}. Got {patch_size!r} instead.")
        self.patch_size = patch_size
        self.encoder = _down(n_channels, 16)
        self.encoder2 = _down(16, 32)
        self.middle = nn.Sequential(*_double(32, 16))
        # NOTE[DIFF] Where the published text has an upsampling convolution and patches of 4 pixels, its code
        # has a stride of 2, and so patches of 8.
        self.decoder = nn.Sequential(
            nn.Conv2d(32, 8, 2, stride=patch_size // _STEP),
            nn.Conv2d(8, 8, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(8, 2, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(2, 1, 1),
        )

    def forward(self, x):
        """Informativeness of the pixels.

        Parameters
        ----------
        x : Tensor of shape (batch, n_channels, height, width)
            The images; of any size.

        Returns
        -------
        Tensor of shape (batch, 1, height, width)
            The gate, in (0, 1), constant on each patch.
        """
        quarter = self.encoder(x)  # (batch, 16, height / 4, width / 4), sizes rounded up
        middle = self.middle(self.encoder2(quarter))  # (batch, 16, height / 16, width / 16)
        both = torch.cat([quarter, _enlarge(middle, _STEP, quarter)], dim=1)
        # One row and column more let a window of 2 x 2 begin at every cell; in steps of 2, at odd sizes only.
        step = self.patch_size // _STEP
        more = [1 if step == 1 else size % step for size in both.shape[-2:]]
        scores = self.decoder(pad(both, (0, more[1], 0, more[0])))
        return _enlarge(torch.sigmoid(scores), self.patch_size, x)
