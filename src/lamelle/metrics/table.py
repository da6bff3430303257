"""The table of metrics: everything that is known of a score stands in its row.

Pooled scores add up the pixels, objects or answers of all items before they divide. In the order of pages and files.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import numpy as np

from lamelle.metrics import calibration, centrelines, clustering, instances, ranking, regions
from lamelle.metrics.metric import Columns, Metric
from lamelle.metrics.pairs import OUTLINES
from lamelle.registry import Registry


def _roc_auc(columns: Columns, weights: np.ndarray) -> np.ndarray:
    return ranking.roc_auc_each(columns["truth"], columns["probabilities"], weights=weights)


def _pr_auc(columns: Columns, weights: np.ndarray) -> np.ndarray:
    return ranking.pr_auc_each(columns["truth"], columns["probabilities"], weights=weights)


def _outline(name: str) -> Callable[[np.ndarray], np.ndarray]:
    """One of the numbers that are measured of outlines [..., 4, K] → [..., K]."""
    at = OUTLINES.index(name)
    return lambda measured: measured[..., at, :]


def _ap(threshold: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda rows: instances.ap_of(rows, threshold=threshold)


def _rand_error(rows: np.ndarray) -> np.ndarray:
    return 1 - clustering.v_rand_of(rows)


def _at_threshold(percent: int) -> Metric:
    """AP at a stricter overlap than 0.5."""
    return Metric(
        f"ap{percent}",
        label=f"AP at IoU {percent / 100:g}",
        about=f"TP / (TP + FP + FN), where an object is found if it overlaps a true one with an IoU of at least "
        f"{percent / 100:g}. Pooled over all objects of all images.",
        of="objects",
        value=_ap(percent / 100),
        quick=True,
    )


METRICS: Registry[Metric] = Registry(
    "metric",
    Metric("dice", label="Dice", of="confusion", views=("labels", "objects"), value=regions.dice, per_class=True,
           means=("labels",), quick=True,
           about="Twice the pixels on which truth and prediction agree, divided by the sum of both: 2TP / (2TP + FP + "
                 "FN). Pooled over all pixels; without a class, the mean over the classes other than the background.",
           reference="Dice (1945), doi:10.2307/1932409"),
    Metric("iou", label="IoU", of="confusion", views=("labels", "objects"), value=regions.iou, per_class=True,
           means=("labels",), quick=True,
           about="Intersection over union (Jaccard index): TP / (TP + FP + FN). Pooled over all pixels; without a "
                 "class, the mean over the classes other than the background.",
           reference="Jaccard (1912), doi:10.1111/j.1469-8137.1912.tb05611.x"),
    Metric("accuracy", label="Accuracy", of=("confusion", "all_right"), value=regions.accuracy, quick=True,
           interval="answers",
           about="Share of all that is right: of the images in classification, of the pixels in segmentation. High by "
                 "itself where one class is much more frequent than the others."),
    Metric("balanced_accuracy", label="Balanced accuracy", of="confusion", views=("classes",), value=regions.recall,
           average="present", interval="answers",
           about="Mean of the recalls of all classes: each class counts the same, however rare.",
           reference="Brodersen et al. (2010), doi:10.1109/ICPR.2010.764"),
    Metric("macro_precision", label="Macro precision", of=("confusion", "questions"), views=("classes",),
           value=regions.precision, average="present", interval="answers",
           about="Mean of the precision of all classes; a class that is there and never said counts as 0."),
    Metric("macro_recall", label="Macro recall", of="questions", value=regions.recall, average="present",
           interval="answers",
           about="Mean of the recall of all classes: each class counts the same, however rare."),
    Metric("macro_f1", label="Macro F1", of=("confusion", "questions"), views=("classes",), value=regions.dice,
           average="present", interval="answers",
           about="Mean of the F1 of all classes: each class counts the same, however rare.",
           reference="Opitz and Burst (2019), arXiv:1911.03347 (mean of the F1, not F1 of the means)"),
    Metric("weighted_precision", label="Weighted precision", of=("confusion", "questions"), views=("classes",),
           value=regions.precision, average="size", interval="answers",
           about="Mean of the precision of all classes, weighted by their number of images; a class never said counts "
                 "as 0."),
    Metric("weighted_recall", label="Weighted recall", of="questions", value=regions.recall, average="size",
           interval="answers",
           about="Mean of the recall of all classes, weighted by their number of images."),
    Metric("weighted_f1", label="Weighted F1", of=("confusion", "questions"), views=("classes",),
           value=regions.dice, average="size", interval="answers",
           about="Mean of the F1 of all classes, weighted by their number of images."),
    Metric("mcc", label="MCC", of="confusion", views=("classes",), value=regions.mcc, bounds=(-1.0, 1.0),
           interval="answers",
           about="Matthews correlation coefficient between truth and prediction: 1 = perfect, 0 = no better than "
                 "chance, negative = worse than chance.",
           reference="Gorodkin (2004), doi:10.1016/j.compbiolchem.2004.09.006"),
    Metric("precision", label="Precision", of=("confusion", "questions"), value=regions.precision, per_class=True,
           mean_in=("labels", "objects"), quick=True, interval="answers",
           about="Of what was predicted as this class, the share that is right: TP / (TP + FP)."),
    Metric("recall", label="Recall", of=("confusion", "questions"), value=regions.recall, per_class=True,
           mean_in=("labels", "objects"), quick=True, interval="answers",
           about="Of what truly is of this class, the share that was found: TP / (TP + FN). Also called sensitivity."),
    Metric("specificity", label="Specificity", of=("confusion", "questions"), views=("classes",),
           value=regions.specificity, per_class=True, mean_in=(), interval="answers",
           about="Of what is not of this class, the share that was not taken for it: TN / (TN + FP)."),
    Metric("f1", label="F1", of=("confusion", "questions"), views=("classes",), value=regions.dice, per_class=True,
           mean_in=(), interval="answers",
           about="Harmonic mean of precision and recall; the same formula as Dice."),
    Metric("roc_auc", label="ROC-AUC", of="probabilities", value=_roc_auc, per_class=True, interval="answers",
           about="Area under the ROC curve: the probability that an image of the class gets a higher probability than "
                 "one that is not of it; 0.5 is guessing. Without a class, the mean over classes.",
           reference="Fawcett (2006), doi:10.1016/j.patrec.2005.10.010"),
    Metric("pr_auc", label="PR-AUC", of="probabilities", value=_pr_auc, per_class=True, interval="answers",
           about="Area under the precision-recall curve (average precision); guessing gives the share of the class. "
                 "Without a class, the mean over classes.",
           reference="Davis and Goadrich (2006), doi:10.1145/1143844.1143874"),
    Metric("brier", label="Brier score", of="calibration", value=calibration.brier_of, better="low",
           bounds=(0.0, inf),
           about="Mean squared distance between the predicted probabilities and the truth: 0 is perfect, less is "
                 "better. Low only if probabilities are both right and honest.",
           reference="Brier (1950), doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2"),
    Metric("log_loss", label="Log loss", of="calibration", value=calibration.log_loss_of, better="low",
           bounds=(0.0, inf), unit="nat",
           about="Mean negative logarithm of the probability given to the truth: 0 is perfect, less is better. One "
                 "confident mistake costs much.",
           reference="Good (1952), doi:10.1111/j.2517-6161.1952.tb00104.x"),
    Metric("ece", label="Expected calibration error (ECE)", of="calibration", value=calibration.ece_of,
           each_of="label_calibration", better="low", interval="calibration",
           about="Mean distance between how probable an answer was said to be and how often it was right, over 15 bins "
                 "of equal width; 0 is perfect, less is better. Few images make it larger than it is.",
           reference="Guo et al. (2017), arXiv:1706.04599"),
    Metric("brier_uncalibrated", label="Brier score before calibration", of="uncalibrated",
           value=calibration.brier_of, better="low", bounds=(0.0, inf),
           about="The Brier score of the probabilities as the network gives them, without the temperature."),
    Metric("log_loss_uncalibrated", label="Log loss before calibration", of="uncalibrated",
           value=calibration.log_loss_of, better="low", bounds=(0.0, inf), unit="nat",
           about="The log loss of the probabilities as the network gives them, without the temperature."),
    Metric("ece_uncalibrated", label="ECE before calibration", of="uncalibrated", value=calibration.ece_of,
           better="low", interval="calibration",
           about="The expected calibration error of the probabilities as the network gives them, without the "
                 "temperature."),
    Metric("boundary_f", label="Boundary F", of="outlines", value=_outline("boundary_f"), per_class=True,
           pooled=False,
           about="Harmonic mean of precision and recall of the contours: a contour pixel is right if the other contour "
                 "passes within the tolerance (task.tolerance in the recipe, in pixels; of the finest axis, where they "
                 "are longer along another). Mean over images."),
    Metric("nsd", label="NSD", of="outlines", value=_outline("nsd"), per_class=True, pooled=False,
           about="Normalised surface Dice: share of the contour pixels of truth and prediction that have the other "
                 "contour within the tolerance (task.tolerance in the recipe, in pixels). Mean over images; where "
                 "pixels are longer along one axis, distances are in pixels of the finest axis. Images of which less "
                 "than half is labelled have no scores of contours, lines or parts.",
           reference="Nikolov et al. (2021), doi:10.2196/26151"),
    Metric("hd95", label="HD95 (pixels)", of="outlines", value=_outline("hd95"), per_class=True, pooled=False,
           better="low", bounds=(0.0, inf), unit="pixel", digits=1,
           about="95th percentile of the distances between the contours of truth and prediction, in pixels; 0 is "
                 "perfect. Where pixels are longer along one axis, in pixels of the finest axis. Mean over the images "
                 "where both have a contour."),
    Metric("hd95_um", label="HD95 (µm)", of="hd95_um", value=np.asarray, per_class=True, pooled=False, better="low",
           bounds=(0.0, inf), unit="µm",
           about="The same distance (HD95) in micrometres, where the pixel size of every image is known."),
    Metric("one_empty", label="Only one has it", of="outlines", value=_outline("one_empty"), per_class=True,
           pooled=False, better="low",
           about="Share of the images in which only one of truth and prediction has the class. There Dice is 0 and "
                 "HD95 has no value: read HD95 together with this number; less is better."),
    Metric("v_rand", label="V_rand", of="cells", value=clustering.v_rand_of,
           about="Agreement about which pairs of pixels lie in the same cell (foreground-restricted Rand score of the "
                 "ISBI 2012 challenge), after the membrane was thinned; 1 is perfect.",
           reference="Arganda-Carreras et al. (2015), doi:10.3389/fnana.2015.00142"),
    Metric("v_info", label="V_info", of="cells", value=clustering.v_info_of,
           about="Information shared by the true and the predicted cells (foreground-restricted information score of "
                 "the ISBI 2012 challenge), after the membrane was thinned; 1 is perfect.",
           reference="Arganda-Carreras et al. (2015), doi:10.3389/fnana.2015.00142"),
    Metric("are", label="Adapted Rand error", of="cells", value=_rand_error, better="low",
           about="1 − V_rand: 0 is perfect, less is better. Pooled over all images.",
           reference="Arganda-Carreras et al. (2015), doi:10.3389/fnana.2015.00142"),
    Metric("ap50", label="AP at IoU 0.5", of="objects", value=_ap(0.5), means=("objects",), quick=True,
           about="TP / (TP + FP + FN), where an object is found if it overlaps a true one with an IoU of at least 0.5; "
                 "what StarDist and Cellpose call AP, not the area under a curve. Pooled over all objects of all "
                 "images.",
           reference="Schmidt et al. (2018), doi:10.1007/978-3-030-00934-2_30"),
    *(_at_threshold(percent) for percent in range(55, 95, 5)),
    Metric("ap", label="Mean AP", of="objects", value=instances.mean_ap_of, quick=True,
           about="Mean of TP / (TP + FP + FN) at an IoU of 0.5, 0.55 … 0.9. Pooled over all objects of all images."),
    Metric("object_f1", label="F1 of objects", of="objects", value=instances.f1_of, quick=True,
           about="2TP / (2TP + FP + FN) of the objects, found at an IoU of at least 0.5. Pooled over all objects."),
    Metric("object_precision", label="Precision of objects", of="objects", value=instances.precision_of, quick=True,
           about="Of the objects that were predicted, the share that is there, at an IoU of at least 0.5."),
    Metric("object_recall", label="Recall of objects", of="objects", value=instances.recall_of, quick=True,
           about="Of the objects that are there, the share that was found, at an IoU of at least 0.5."),
    Metric("pq", label="Panoptic quality", of="objects", value=instances.pq_of, quick=True,
           about="Segmentation quality × recognition quality: sum of the IoU of the objects that match with more than "
                 "0.5, divided by TP + FP/2 + FN/2. Pooled over all objects.",
           reference="Kirillov et al. (2019), doi:10.1109/CVPR.2019.00963"),
    Metric("sq", label="Segmentation quality", of="objects", value=instances.sq_of, quick=True,
           about="Mean IoU of the objects that match with an IoU above 0.5: how well those that are found are "
                 "outlined.",
           reference="Kirillov et al. (2019), doi:10.1109/CVPR.2019.00963"),
    Metric("rq", label="Recognition quality", of="objects", value=instances.rq_of, quick=True,
           about="F1 of the objects that match with an IoU above 0.5: how many are found, and how few are invented.",
           reference="Kirillov et al. (2019), doi:10.1109/CVPR.2019.00963"),
    Metric("aji", label="AJI", of="objects", value=instances.aji_of, quick=True,
           about="Aggregated Jaccard index: pixels that each true object shares with its best prediction, divided by "
                 "all pixels of both and of what matched nothing. Pooled over all objects.",
           reference="Kumar et al. (2017), doi:10.1109/TMI.2017.2677499"),
    Metric("cldice", label="clDice", of="lines", value=centrelines.cldice_of, per_class=True, means=("labels",),
           about="Harmonic mean of two shares: of the true centre lines inside the prediction, and of the predicted "
                 "centre lines inside the truth. It asks whether lines are connected, not how wide they are. Pooled "
                 "over all images.",
           reference="Shit et al. (2021), doi:10.1109/CVPR46437.2021.01629"),
    Metric("component_ap50", label="Parts found (AP at IoU 0.5)", of="components", value=_ap(0.5),
           means=("labels",),
           about="TP / (TP + FP + FN), where a part is found if it overlaps a true one with an IoU of at least 0.5. "
                 "Parts are connected regions of the foreground (along faces): objects that touch count as one part, "
                 "in the truth too. Pooled over all images.",
           reference="Schmidt et al. (2018), doi:10.1007/978-3-030-00934-2_30"),
    Metric("component_pq", label="Panoptic quality of parts", of="components", value=instances.pq_of,
           means=("labels",),
           about="Sum of the IoU of the parts that match (IoU above 0.5), divided by TP + FP/2 + FN/2. Parts are "
                 "connected regions of the foreground: objects that touch count as one. Pooled over all images.",
           reference="Kirillov et al. (2019), doi:10.1109/CVPR.2019.00963"),
    Metric("component_aji", label="AJI of parts", of="components", value=instances.aji_of, means=("labels",),
           about="Aggregated Jaccard index: pixels that each true part shares with its best prediction, over all "
                 "pixels of both and of what matched nothing. Parts are connected regions of the foreground. Pooled "
                 "over all images.",
           reference="Kumar et al. (2017), doi:10.1109/TMI.2017.2677499"),
)  # fmt: skip
"""Every metric by its name."""
