"""Resampling of imbalanced data: imbalanced-learn's samplers on samples of several modalities."""

from skmm.sampling._modality_sampler import ModalitySampler

__all__ = ["ModalitySampler"]
