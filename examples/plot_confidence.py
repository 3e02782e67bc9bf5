"""
How far a model's confidence can be trusted
===========================================

MM dynamics weighs each modality of each sample by its confidence, an estimate of the probability that the
modality alone gives to the true class. Where labels are known, the estimate can be held against the truth;
and the weighting itself against models without it.
"""

# %%
# The data and the model
# ----------------------
#
# Three tables of features of handwritten digits, from scikit-learn; a fifth of all entries is missing.

from skmm.datasets import drop_modalities, load_digits_views
from skmm.fusion import MMDynamicsClassifier

X, y = load_digits_views(return_X_y=True)
X = drop_modalities(X[["profile", "fourier", "gradient"]], 0.2, random_state=0)
model = MMDynamicsClassifier(64, max_epochs=30, random_state=0).fit(X[:900], y[:900])

# %%
# Confidence against the truth
# ----------------------------
#
# On other samples than those of the fit. Blue is what the confidence estimates: on the diagonal it is right
# on average. Each panel holds the samples that have the modality.

from skmm.inspection import ModalityConfidenceDisplay

display = ModalityConfidenceDisplay.from_estimator(model, X[900:], y[900:])
print(display.errors_[["n", "rmse", "mae", "r2", "beyond_50"]].round(2))

# %%
# What the parts are worth
# ------------------------
#
# The full model against models without gates of features, without weights of modalities, and without both.
# The differences are paired: on the same fold.

from skmm.inspection import AblationDisplay

AblationDisplay.from_estimator(
    MMDynamicsClassifier(64, max_epochs=20), X[:900], y[:900], cv=4, scoring="accuracy"
)
