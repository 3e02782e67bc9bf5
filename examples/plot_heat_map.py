"""
Heat maps: which parts of an image inform a model
=================================================

An image and three tables describe each handwritten digit; a fifth of all entries is missing. MM dynamics for
images learns, along with the classes, how informative each feature of a table and each patch of an image is
for each sample. The maps say where in the image it looks, the ranks which features of the tables it uses.
"""

# %%
# The data
# --------
#
# The digits come with scikit-learn, in 8 x 8 pixels. They are enlarged to 32 x 32, so that a patch of the
# model, 4 x 4 pixels, is about one of the original pixels.

import numpy as np
from scipy.ndimage import zoom

from skmm import ModalityDict
from skmm.datasets import drop_modalities, load_digits_views

digits = load_digits_views()
large = zoom(digits.data["image"], (1, 4, 4), order=1)
X = ModalityDict({**digits.data, "image": large}, feature_names=digits.feature_names)
X = drop_modalities(X, 0.2, random_state=0)
y = digits.target
train, test = np.arange(1200), np.arange(1200, len(y))
print(X)

# %%
# The model
# ---------
#
# Its gates are asked to be sparse: ``gate_penalty`` says how much, and ``gate_lr`` how fast the gates of
# images learn. Too strong or too fast, and the model gives the image up before it has learned to read it.

from skmm.fusion import ImageMMDynamics

model = ImageMMDynamics(64, gate_penalty=0.2, gate_lr=0.3, lr=1e-3, max_epochs=20, random_state=0)
model.fit(X[train], y[train])
print(f"accuracy on {len(test)} other digits: {model.score(X[test], y[test]):.2f}")

# %%
# Where it looks
# --------------
#
# One test sample of each digit that has its image, alone and under its map. The digits always lie in the
# middle, so part of each map is the same for all: the edge at the left, where no digit is, tells nothing.

from skmm.inspection import FeatureInformativenessDisplay

display = FeatureInformativenessDisplay.from_estimator(
    model, X[test], y[test], modalities="image", samples=10, originals=True
)
display.figure_.savefig("heat_map.png", dpi=100, bbox_inches="tight")
print("Plot saved to heat_map.png")

# %%
# What it uses of the tables
# --------------------------
#
# The features with the highest and the lowest mean over the test samples that have the table.

FeatureInformativenessDisplay.from_estimator(
    model, X[test], modalities=["profile", "fourier", "gradient"], n_features=5
)
