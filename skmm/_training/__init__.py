"""Training of networks: batches as slices, generators of one's own, the skorch loop.

Whatever trains a network in this package trains through here.
"""

from skmm._training._batches import Batch, ModalityBatches, batches_for, resolve_batch_size
from skmm._training._callbacks import copy_callbacks
from skmm._training._content import content_order, training_order
from skmm._training._fit import forward_batches, history_frame, resolve_device, train
from skmm._training._inputs import make_inputs, scan_inputs
from skmm._training._net import make_net
from skmm._training._parameters import Choice, Instance, Number, Pair, Several, check_parameters, check_values
from skmm._training._random import draw_seed, seeded_clone, seeded_init
from skmm._training._recipe import net_of, train_as_told
from skmm._training._split import split_validation
from skmm._training._targets import check_groups, check_weights, class_factors, encode_labels

__all__ = [
    "Batch",
    "Choice",
    "Instance",
    "ModalityBatches",
    "Number",
    "Pair",
    "Several",
    "batches_for",
    "check_groups",
    "check_parameters",
    "check_values",
    "check_weights",
    "class_factors",
    "content_order",
    "copy_callbacks",
    "draw_seed",
    "encode_labels",
    "forward_batches",
    "history_frame",
    "make_inputs",
    "make_net",
    "net_of",
    "resolve_batch_size",
    "resolve_device",
    "scan_inputs",
    "seeded_clone",
    "seeded_init",
    "split_validation",
    "train",
    "train_as_told",
    "training_order",
]
