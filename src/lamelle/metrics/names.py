"""The names of scores, and of what they count, for people."""

from __future__ import annotations

import re

from lamelle.messages import text
from lamelle.messages.numbers import short

NAMES = (
    "dice",
    "iou",
    "accuracy",
    "balanced_accuracy",
    "macro_precision",
    "macro_recall",
    "macro_f1",
    "weighted_precision",
    "weighted_recall",
    "weighted_f1",
    "mcc",
    "roc_auc",
    "pr_auc",
    "brier",
    "log_loss",
    "ece",
    "brier_uncalibrated",
    "log_loss_uncalibrated",
    "ece_uncalibrated",
    "precision",
    "recall",
    "specificity",
    "f1",
    "image_dice",
    "image_iou",
    "boundary_f",
    "hd95",
    "hd95_um",
    "v_rand",
    "v_info",
    "ap50",
    "ap",
    "pq",
    "sq",
    "rq",
    "aji",
    "object_f1",
    "object_precision",
    "object_recall",
    "image_ap50",
    "nsd",
    "one_empty",
    "are",
    "cldice",
    "image_cldice",
    "component_ap50",
    "image_component_ap50",
    "component_pq",
    "image_component_pq",
    "component_aji",
    "image_component_aji",
)
"""Scores that have a name and a definition; any other is shown by its key."""
_UNITS = ("image", "slice", "block", "group", "patient", "volume", "object", "pixel")
_AP = re.compile(r"ap([0-9]{2})")


def name_of(key: str) -> str:
    """A score's name for people, with the class behind where it is of one.

    Example:
        >>> name_of("macro_f1"), name_of("recall/tumour"), name_of("ap75"), name_of("mine")
        ('Macro F1', 'Recall (tumour)', 'AP at IoU 0.75', 'mine')
    """
    score, _, of = key.partition("/")
    if of:
        return f"{name_of(score)} ({of})"
    if key in NAMES:
        return text(f"report.score_{key}")
    if found := _AP.fullmatch(key):
        return text("report.score_ap_at", iou=short(int(found[1]) / 100))
    return key


def unit_of(unit: str, n: int) -> str:
    """What was counted, as it stands behind its number; any other unit than those of the scores stays as it is.

    Example:
        >>> unit_of("slice", 1), unit_of("slice", 6)
        ('slice', 'slices')
    """
    return text(f"report.unit_one_{unit}" if n == 1 else f"report.unit_{unit}") if unit in _UNITS else unit
