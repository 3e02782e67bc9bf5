"""Captum's other methods, by name, on tensors of several modalities."""

from itertools import product

import numpy as np
import torch

from skmm._optional import import_optional

CLASSES = {
    "saliency": "Saliency",
    "input_x_gradient": "InputXGradient",
    "feature_ablation": "FeatureAblation",
    "occlusion": "FeatureAblation",  # of windows, see _Windows
}
OPTIONS = {
    "saliency": ("abs",),
    "input_x_gradient": (),
    "feature_ablation": ("feature_mask",),
    "occlusion": ("sliding_window_shapes", "strides"),
}
WITH_BASELINE = ("feature_ablation", "occlusion")
_WINDOWS = 8  # along a side of an image


def captum_attributions(method, part, kinds, options, at_once):
    """Attributions of some samples by one of captum's methods.

    Parameters
    ----------
    method : str
        A key of `CLASSES`.
    part : Part
        The samples and what is explained.
    kinds : dict of str -> str
        Kinds of the modalities.
    options : dict
        As `attribute` takes them.
    at_once : int
        How many samples go through the network at a time.

    Returns
    -------
    tuple of Tensor
        Of the shapes of the inputs. The effect of a window, or of a feature of several values, is shared by
        its values, so that their sum is the effect.
    """
    attr = import_optional("captum.attr", extra="explain", who=f"attribute(method={method!r})")
    if method not in WITH_BASELINE:
        explainer = getattr(attr, CLASSES[method])(_Touching(part))
        inputs = tuple(value.clone().requires_grad_() for value in part.inputs)
        return explainer.attribute(inputs, additional_forward_args=part.rows, **options)
    many = {"perturbations_per_eval": max(1, at_once // len(part.rows))}
    found = []
    for place, name in enumerate(part.names):
        # A modality at a time: a mask is then one of its own, and so is the size of a window.
        one = _Alone(part, place)
        value, kind = part.inputs[place], kinds[name]
        if method == "feature_ablation":
            mask = _mask(options.get("feature_mask", {}).get(name), value, kind)
            effects = attr.FeatureAblation(one).attribute(
                value,
                baselines=part.baselines[place],
                additional_forward_args=part.rows,
                feature_mask=mask,
                **many,
            )
            found.append(effects / torch.bincount(mask.flatten())[mask])
        else:
            window = _window(options.get("sliding_window_shapes", {}).get(name), value, kind)
            strides = options.get("strides", {}).get(name)
            strides = window if strides is None else _window(strides, value, kind)
            if any(step > side for step, side in zip(strides, window, strict=True)):
                raise ValueError(
                    f"strides[{name!r}] must not be larger than the window, as values between windows would "
                    f"never be taken away. Got {strides} for windows of {window}."
                )
            covered = _Windows(one, value, part.baselines[place], window, strides)
            shown = value.new_ones(len(value), len(covered.windows))
            effects = attr.FeatureAblation(covered).attribute(
                shown, additional_forward_args=part.rows, **many
            )
            found.append(covered.shared(effects))
    return tuple(found)


class _Touching:
    """What is explained; inputs that it ignores have a gradient of zero, where torch would have none."""

    def __init__(self, part):
        self.part = part

    def __call__(self, *tensors):
        """What is explained, of samples whose numbers come last."""
        return self.part(*tensors) + sum(0.0 * value.flatten(1).sum(dim=1) for value in tensors[:-1])


class _Alone:
    """What is explained, as a function of one modality; the others stay as they are."""

    def __init__(self, part, place):
        self.part, self.place = part, place

    def __call__(self, value, rows):
        """What is explained, of samples by number."""
        tensors = [tensor[rows] for tensor in self.part.inputs]
        tensors[self.place] = value
        return self.part(*tensors, rows)


class _Windows:
    """What is explained, as a function of which windows of one modality are shown.

    Captum's Occlusion gives each value the mean effect of the windows over it, and does not tell how much of
    a window at the border lies inside: as a feature of its own, each window has its own effect.
    """

    def __init__(self, one, value, baseline, window, strides):
        self.one, self.value = one, value
        self.baseline = torch.as_tensor(baseline, dtype=value.dtype, device=value.device).expand_as(value)
        starts = [
            range(0, max(side - size, 0) + step, step)
            for side, size, step in zip(value.shape[1:], window, strides, strict=True)
        ]
        self.windows = [
            tuple(slice(start, start + size) for start, size in zip(corner, window, strict=True))
            for corner in product(*starts)
        ]

    def __call__(self, shown, rows):
        """What is explained, of samples by number, each without the windows that are zero."""
        value = self.value[rows]
        for place, number in (shown == 0).nonzero().tolist():
            window = (place, *self.windows[number])
            value[window] = self.baseline[rows[place]][self.windows[number]]
        return self.one(value, rows)

    def shared(self, effects):
        """Effects of windows, (n_samples, n_windows), each shared by the values that it covers."""
        total = torch.zeros_like(self.value)
        for effect, window in zip(effects.T, self.windows, strict=True):
            part = total[(slice(None), *window)]
            part += (effect / part[0].numel()).reshape(-1, *[1] * (part.ndim - 1))
        return total


def _mask(given, value, kind):
    """Numbers of the features, (1, ...), of which each is taken away as a whole."""
    shape = value.shape[1:]
    if given is not None:  # with channels last, or without
        given = torch.from_numpy(np.array(given, dtype=np.int64)).to(value.device)
        given = given.movedim(-1, 0) if given.ndim == len(shape) > 1 else given
        given = given.unique(return_inverse=True)[1]
        return given.expand(shape)[None]
    n_axes = {"table": 1, "bag": 1, "text": 1}.get(kind)
    if n_axes is None:  # each pixel, all its channels
        pixels = torch.arange(int(np.prod(shape[1:])), device=value.device)
        return pixels.reshape(1, 1, *shape[1:]).expand(1, *shape).contiguous()
    places = torch.arange(shape[0], device=value.device)
    return places.reshape(1, -1, *[1] * (len(shape) - 1)).expand(1, *shape).contiguous()


def _window(given, value, kind):
    """Shape of a window over a tensor: all channels of a pixel, all values of an instance or a token."""
    shape = tuple(value.shape[1:])
    sizes = (given,) if isinstance(given, int) else given
    if kind in {"image", "volume"}:
        if sizes is None:
            sizes = tuple(max(1, side // _WINDOWS) for side in shape[1:])
        sizes = tuple(sizes) * (len(shape) - 1) if len(sizes) == 1 else tuple(sizes)
        return (shape[0], *sizes)
    return ((1,) if sizes is None else tuple(sizes)) + shape[1:]
