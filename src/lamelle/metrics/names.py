"""What is known of a score by its name: what people call it, what it means, which way it is better."""

from __future__ import annotations

from lamelle.messages import text, translated
from lamelle.metrics.metric import Metric
from lamelle.metrics.scoring import IMAGE
from lamelle.metrics.table import METRICS


def metric_of(score: str) -> tuple[Metric | None, bool]:
    """The metric of a score, and whether the score is its mean over single images; None if no row has that name.

    Example:
        >>> found, of_images = metric_of("image_dice/cell")
        >>> found.name, of_images
        ('dice', True)
    """
    name = score.partition("/")[0]
    if name in METRICS:
        return METRICS[name], False
    name = name.removeprefix(IMAGE)
    return METRICS.get(name), name in METRICS


def name_of(score: str) -> str:
    """A score's name for people, with the class behind where it is of one.

    Example:
        >>> name_of("macro_f1"), name_of("recall/tumour"), name_of("ap75"), name_of("mine")
        ('Macro F1', 'Recall (tumour)', 'AP at IoU 0.75', 'mine')
        >>> name_of("image_dice")
        'Dice, mean over images'
    """
    name, _, of = score.partition("/")
    if of:
        return f"{name_of(name)} ({of})"
    metric, of_images = metric_of(name)
    if metric is None:
        return name
    label = translated("metrics", metric.name, metric.label)
    return text("report.mean_over_images", score=label) if of_images else label


def meaning_of(score: str) -> str:
    """What a score means: formula, range, and what it does not tell; empty if no row has that name.

    Example:
        >>> meaning_of("mine"), meaning_of("iou/cell")[:23], meaning_of("image_iou")[:27]
        ('', 'Intersection over union', 'IoU of each image by itself')
    """
    metric, of_images = metric_of(score)
    if metric is None:
        return ""
    if of_images:
        return text("report.mean_over_images_about", score=translated("metrics", metric.name, metric.label))
    return translated("metrics", f"{metric.name}_about", metric.about)


def place_of(score: str) -> int:
    """The place of a score in the order of pages; those that have no row come last.

    Example:
        >>> place_of("dice") < place_of("image_dice/cell") < place_of("iou") < place_of("mine")
        True
    """
    metric, of_images = metric_of(score)
    return 2 * list(METRICS).index(metric.name) + of_images if metric is not None else 2 * len(METRICS)


def less_is_better(score: str) -> bool:
    """Whether a smaller value of this score is the better one.

    Example:
        >>> less_is_better("hd95"), less_is_better("recall/tumour"), less_is_better("ece_uncalibrated")
        (True, False, True)
    """
    metric, _ = metric_of(score)
    return metric is not None and metric.better == "low"


def limits(score: str) -> tuple[float, float]:
    """The least and the largest value that a score can have; those of a share, if no row has that name.

    Example:
        >>> limits("recall/tumour"), limits("mcc"), limits("hd95")
        ((0.0, 1.0), (-1.0, 1.0), (0.0, inf))
    """
    metric, _ = metric_of(score)
    return (0.0, 1.0) if metric is None else metric.bounds


def is_share(score: str) -> bool:
    """Whether a score lies between 0 and 1.

    Example:
        >>> is_share("dice/cell"), is_share("log_loss_uncalibrated"), is_share("mcc")
        (True, False, False)
    """
    return limits(score) == (0.0, 1.0)


def of_images(score: str) -> bool:
    """Whether a score is a mean over the images that have one, not pooled over all.

    Example:
        >>> of_images("image_dice/cell"), of_images("boundary_f"), of_images("dice")
        (True, True, False)
    """
    metric, mean = metric_of(score)
    return mean or (metric is not None and not metric.pooled)
