"""The time to embed images by ResNet50 against one image at a time through the net as it is.

Images of 224 x 224, bytes, random weights; the hand-written loop scales, normalizes and runs one image after
the other in inference mode. Ratio of process times, one thread, alternating pairs; bfloat16 only where the
processor has instructions for it. Vectors are compared first.
"""

import copy
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import torch
from _speed import call_seconds, report_ratios

from skmm.embedding import ImageEmbedder

N_IMAGES, SIZE = 16, 224
MEAN, DEVIATION = (
    torch.tensor(part).view(3, 1, 1) for part in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
)


def one_by_one(net, images):
    """Vectors of images, one after the other through an eager net that ends before its classifier."""
    vectors = []
    with torch.inference_mode():
        for image in images:
            values = torch.from_numpy(image).permute(2, 0, 1).float() / 255
            vectors.append(net(((values - MEAN) / DEVIATION)[None])[0].numpy())
    return np.stack(vectors)


def eager_net(embedder):
    """The net of a fitted embedder as one would use it: whole, but for its classifier."""
    net = copy.deepcopy(embedder.backbone_.net)
    net.layer4._forward_hooks.clear()
    net.fc = torch.nn.Identity()
    return net


def has_bfloat16():
    """Whether the processor has instructions for bfloat16."""
    info = Path("/proc/cpuinfo")
    return info.exists() and any(flag in info.read_text() for flag in ("avx512_bf16", "amx_bf16"))


def main():
    """Prints and writes the ratios."""
    torch.set_num_threads(1)
    images = np.random.default_rng(0).integers(256, size=(N_IMAGES, SIZE, SIZE, 3), dtype=np.uint8)
    cases = {}
    for precision in ("float32", "bfloat16") if has_bfloat16() else ("float32",):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the weights are random
            embedder = ImageEmbedder("resnet50", precision=precision, cache=None).fit(images)
        net = eager_net(embedder)
        expected, found = one_by_one(net, images), embedder.transform(images)
        error = np.abs(found - expected).max() / np.abs(expected).max()
        print(f"{precision}: largest difference {error:.1e} of the largest value", flush=True)
        assert error < (1e-5 if precision == "float32" else 0.1)
        cases[f"ResNet50, {N_IMAGES} images of {SIZE} x {SIZE}, {precision}"] = (
            partial(call_seconds, embedder.transform, images),
            partial(call_seconds, one_by_one, net, images),
        )
    report_ratios("speed_embedding", cases, than="one image at a time through the eager net")


if __name__ == "__main__":
    main()
