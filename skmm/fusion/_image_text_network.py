"""The network of images, texts and tables: an encoder a modality, side by side, and a head."""

import copy

import torch
from torch import nn

from skmm.embedding._images import IMAGENET
from skmm.nn import Dropout, FusionOutput, NeutralVector


class Branch(nn.Module):
    """An encoder of one modality, parts of which may be frozen.

    Parameters
    ----------
    net : torch.nn.Module
        From a batch to features.
    width : int
        Their number.
    settings : dict or None
        What it takes to make the net again, in plain types; None for a net of the user's.
    """

    embedding = None  # of ids of words, where the modality is text

    def __init__(self, net, width, settings=None):
        super().__init__()
        self.net, self.width, self.settings = net, width, settings
        self.rests = False  # whether nothing of it learns

    @property
    def parts(self):
        """The net whose parts have the names that users know."""
        return self.net

    def freeze(self, trainable=()):
        """Let only the parts of these names learn."""
        self.rests = not trainable
        for name, parameter in self.parts.named_parameters():
            parameter.requires_grad_(any(name == part or name.startswith(f"{part}.") for part in trainable))
        return self

    def thawed_copy(self):
        """A copy of which all learns."""
        thawed = copy.deepcopy(self).requires_grad_(True)
        thawed.rests = False
        return thawed

    def train(self, mode=True):
        """As any module, but what is frozen is in evaluation mode: normalizations keep their statistics."""
        super().train(mode)
        if mode and self.rests:
            self.net.eval()
        elif mode:
            for module in self.modules():
                parameters = list(module.parameters())
                if parameters and not any(parameter.requires_grad for parameter in parameters):
                    module.eval()  # what it holds too: dropout, and normalizations without parameters
        return self

    def forward(self, x, present):
        """Features (batch, width); what they are where the modality is missing does not matter."""
        del present
        return self.net(x)


class TableBranch(Branch):
    """A table as it is, standardized before."""

    def __init__(self, width):
        super().__init__(nn.Identity(), width)


class TextBranch(Branch):
    """A text by a :class:`skmm.nn.TextCNN`."""

    @property
    def embedding(self):
        """The vectors of words."""
        return self.net.embedding


class ImageBranch(Branch):
    """Images by any net, which sees those alone that are there.

    Parameters
    ----------
    net, width, settings
        As for `Branch`.
    n_channels : int or None
        Channels that the net takes: grey images are repeated, an alpha channel is left out. None for those
        that come.
    normalize : bool
        Whether images within [0, 1] are normalized as those of ImageNet are.
    """

    def __init__(self, net, width, settings=None, *, n_channels=None, normalize=False):
        super().__init__(net, width, settings)
        self.n_channels, self.normalize = n_channels, normalize

    @property
    def parts(self):
        """The net itself, without what cuts it at a layer."""
        return getattr(self.net, "net", self.net)

    def forward(self, x, present):
        """Features (batch, width), zero where there is no image."""
        if bool(present.all()):
            return self._features(x)
        if not bool(present.any()):
            return x.new_zeros(len(x), self.width)
        features = self._features(x[present])
        return features.new_zeros(len(x), self.width).index_put((present,), features)

    def _features(self, x):
        """Features of images, all of which are there."""
        if self.n_channels == 3 and x.shape[1] in {1, 4}:
            x = x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x[:, :3]
        # NOTE[DIFF] The published code divided by 225 after it had subtracted ImageNet's mean, and trained
        # on standardized images but validated on others.
        if self.normalize:
            mean, deviation = (x.new_tensor(part).view(-1, 1, 1) for part in IMAGENET)
            x = (x - mean) / deviation
        if self.training and len(x) == 1:  # normalizations over a batch cannot learn from one image
            training = [module for module in self.modules() if module.training]
            try:
                return self.eval().net(x)
            finally:
                for module in training:
                    module.training = True
        return self.net(x)


class _RowNorm(nn.BatchNorm1d):
    """Batch normalization that takes its running statistics where a batch has one row."""

    def forward(self, x):
        """As any module."""
        if self.training and len(x) > 1:
            return super().forward(x)
        return nn.functional.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
        )


# NOTE[DIFF] The published head normalizes over batches, missing modalities not being foreseen: what a sample
# is told then depends on its company in training, and weights are not repetitions.
_NORMS = {"layer": nn.LayerNorm, "batch": _RowNorm, None: nn.Identity}


class ImageTextModule(nn.Module):
    """Features of all modalities side by side, a hidden layer, and scores of the classes.

    Parameters
    ----------
    branches : dict of str -> Branch
        By modality, in the order of ``present``.
    n_outputs : int
        Number of scores.
    hidden : int
        Width of the hidden layer, the fused vector.
    dropout : float
        Share of the fused vector that a training step drops.
    normalization : {"layer", "batch"} or None
        Of the features of encoders, and of the fused vector.
    missing : {"neutral", "zero"}
        What stands for features of a modality that is missing.
    filter_penalty : float
        Factor of the squares of the filters of texts in the loss.
    label_loss : LabelSetLoss or None
        Where scores are of labels of which a sample may have several.
    """

    def __init__(
        self, branches, n_outputs, *, hidden, dropout, normalization, missing, filter_penalty, label_loss
    ):
        super().__init__()
        self.names = tuple(branches)
        self.branches = nn.ModuleList(branches.values())
        widths = [branch.width for branch in branches.values()]
        make_norm = _NORMS[normalization]
        self.norms = nn.ModuleList(
            nn.Identity() if isinstance(branch, TableBranch) else make_norm(branch.width)
            for branch in branches.values()
        )
        self.neutral = nn.ModuleList(map(NeutralVector, widths)) if missing == "neutral" else None
        self.hidden = nn.Linear(sum(widths), hidden)
        self.dropout = Dropout(dropout)
        self.norm = make_norm(hidden)
        self.classifier = nn.Linear(hidden, n_outputs)
        self.filter_penalty, self.label_loss = filter_penalty, label_loss

    def branch(self, name):
        """The encoder of a modality."""
        return self.branches[self.names.index(name)]

    def embed_tokens(self, inputs):
        """The inputs with the vectors of words in place of their ids."""
        return {
            name: x if branch.embedding is None else branch.embedding(x)
            for branch, (name, x) in zip(self.branches, inputs.items(), strict=True)
        }

    def forward(self, inputs, present):
        """Scores, losses and the fused vector."""
        blocks = [
            self._block(column, x, here)
            for column, (x, here) in enumerate(zip(inputs.values(), present.unbind(dim=1), strict=True))
        ]
        fused = torch.relu(self.hidden(torch.cat(blocks, dim=1)))
        # NOTE[DIFF] The published last layer has one unit with a softmax, which is 1 whatever comes in.
        scores = self.classifier(self.norm(self.dropout(fused)))
        losses = self._penalties()
        if self.label_loss is None:
            return FusionOutput(scores, losses, fused=fused)
        losses["classification"] = self.label_loss(scores)
        return FusionOutput(-losses["classification"], losses, {"labels": scores}, fused)

    def _block(self, column, x, here):
        """Features of one modality, normalized, and what stands for those that are missing."""
        branch, norm = self.branches[column], self.norms[column]
        features = branch(x, here)
        if bool(here.all()):
            return norm(features)
        block = features.new_zeros(features.shape)
        if bool(here.any()):  # the statistics are of what is there
            block = block.index_put((here,), norm(features[here]).to(features.dtype))
        return block if self.neutral is None else self.neutral[column](block, here)

    def _penalties(self):
        """The squares of filters that learn, weighted."""
        nets = [branch.net for branch in self.branches if isinstance(branch, TextBranch)]
        learning = [net for net in nets if net.convolutions[0].weight.requires_grad]
        if not self.training or not self.filter_penalty or not learning:
            return {}
        return {"filters": self.filter_penalty * sum(net.penalty() for net in learning)}
