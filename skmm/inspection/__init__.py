"""What a fitted model looks at: features, modalities, attention, regions of images, and its own parts."""

from skmm.inspection._ablation_display import AblationDisplay
from skmm.inspection._attention_display import AttentionDisplay
from skmm.inspection._attribute import attribute
from skmm.inspection._attributions import Attributions
from skmm.inspection._confidence_display import ModalityConfidenceDisplay
from skmm.inspection._explanation_report import explanation_report
from skmm.inspection._informativeness_display import FeatureInformativenessDisplay
from skmm.inspection._region_curve import region_curve
from skmm.inspection._region_curve_display import RegionCurveDisplay
from skmm.inspection._region_display import RegionDisplay
from skmm.inspection._regions import find_regions
from skmm.inspection._token_attribution_display import TokenAttributionDisplay

__all__ = [
    "AblationDisplay",
    "AttentionDisplay",
    "Attributions",
    "FeatureInformativenessDisplay",
    "ModalityConfidenceDisplay",
    "RegionCurveDisplay",
    "RegionDisplay",
    "TokenAttributionDisplay",
    "attribute",
    "explanation_report",
    "find_regions",
    "region_curve",
]
