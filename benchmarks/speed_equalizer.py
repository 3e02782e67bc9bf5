"""The time of HistogramEqualizer against a Python loop over OpenCV's equalizeHist, with OpenCV and without.

1000 uint8 images of 320 x 320. The loop puts its images into a list, as one would write it down, so it does
less than the equalizer, which returns one array; beside it, the same loop with its images stacked to one
array. Ratio of process times, one thread, alternating pairs.
"""

from functools import partial

import cv2
import numpy as np
from _speed import call_seconds, report_ratios

from skmm.preprocessing import HistogramEqualizer

N_IMAGES, SIDE = 1000, 320


def by_hand(images):
    """A list of equalized images."""
    return [cv2.equalizeHist(image) for image in images]


def stacked_by_hand(images):
    """An array of equalized images."""
    return np.stack(by_hand(images))


def seconds_of(function, images):
    """A function that gives the seconds of a call."""
    return partial(call_seconds, function, images)


def main():
    """Prints and writes the ratios."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng(0)
    images = rng.normal(90, 25, size=(N_IMAGES, SIDE, SIDE)).clip(0, 255).astype(np.uint8)
    loop, stacked = seconds_of(by_hand, images), seconds_of(stacked_by_hand, images)
    with_opencv = seconds_of(HistogramEqualizer().transform, images)
    without = seconds_of(HistogramEqualizer(backend="numpy").transform, images)
    what = f"{N_IMAGES} images of {SIDE} x {SIDE}"
    cases = {
        f"{what}, OpenCV": (with_opencv, loop),
        f"{what}, OpenCV, and the loop stacks its images": (with_opencv, stacked),
        f"{what}, NumPy alone": (without, loop),
    }
    report_ratios("speed_equalizer", cases, n_pairs=11, than="the OpenCV loop")


if __name__ == "__main__":
    main()
