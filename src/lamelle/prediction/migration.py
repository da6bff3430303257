"""Packages of earlier formats, read as those of format 4.

Format 1 had all options of a task side by side; formats 1 and 2 had those of a network together with what followed
from the data; up to format 3, what was tried on validation stood among what was decided (see `fitted_before`).
"""

from __future__ import annotations

from lamelle.prediction.fitted_before import fitted_before
from lamelle.types import JsonObject

_LOSS_OF_CLASSES = {"focal": ("gamma",)}
_REMEDY = {"effective": ("beta",), "both": ("alpha",), "logit_adjustment": ("tau",)}
_OLD_TASKS = ("classify", "segment", "instances")


def migrated(described: JsonObject) -> JsonObject:
    """The description of a package of format 1, 2 or 3 as one of format 4.

    Raises:
        KeyError: If it lacks what each of its format had.
        ValueError: If it holds what none of its format had.
    """
    made = described["format"]
    task = _task(described["task"]) if made == 1 else described["task"]
    model = _network(described["model"]) if made < 3 else described["model"]
    fitted, sweeps = fitted_before(described["fitted"], task["options"], task["settled"]["classes"])
    return {**described, "format": 4, "task": task, "model": model, "fitted": fitted, "sweeps": sweeps}


def _network(old: JsonObject) -> JsonObject:
    given = dict(old)
    outputs = given.pop("out_channels" if "out_channels" in given else "classes")
    data = {"inputs": given.pop("in_channels"), "outputs": outputs, "dims": given.pop("dims", 2)}
    arguments = dict(given.pop("arguments", {}))
    data["size"] = given.pop("size", None) or arguments.get("img_size")
    if arguments.keys() - {"img_size"}:
        raise ValueError(f"unknown arguments: {', '.join(map(str, arguments))}")
    if isinstance(dropout := given.get("dropout"), list):  # one for each level, of which only the deepest had any
        *others, given["dropout"] = dropout
        if any(others):
            raise ValueError("dropout above the deepest level")
    return {"options": given, **data}


def _task(old: JsonObject) -> JsonObject:
    name, given = old["name"], dict(old["options"])
    if name == "classify":
        options, settled = _classify(given)
    elif name == "segment":
        options, settled = _segment(given)
    elif name == "instances":
        options, settled = _instances(given)
    else:
        raise ValueError(f"{name!r} was no task of format 1; there were {', '.join(_OLD_TASKS)}")
    if given:
        raise ValueError(f"unknown options: {', '.join(map(str, given))}")
    return {"options": {"name": name, **options}, "settled": settled}


def _classify(given: JsonObject) -> tuple[JsonObject, JsonObject]:
    settled = {key: given.pop(key) for key in ("classes", "class_counts", "multi_label")}
    loss, remedy = given.pop("loss"), given.pop("imbalance")
    values = {key: given.pop(key) for key in ("gamma", "alpha", "beta", "tau")}
    options = {
        "loss": {"name": loss} | {key: values[key] for key in _LOSS_OF_CLASSES.get(loss, ())},
        "remedy": {"name": remedy} | {key: values[key] for key in _REMEDY.get(remedy, ())},
        **{key: given.pop(key) for key in ("threshold", "smoothing")},
        "calibrate": given.pop("calibrate", False),  # models of before there was a temperature have none
    }
    return options, settled


def _segment(given: JsonObject) -> tuple[JsonObject, JsonObject]:
    settled = {key: given.pop(key) for key in ("classes", "values", "objects", "weights")}
    settled["also"] = [key for key in ("cells", "lines") if given.pop(key, False)]
    options: JsonObject = {"loss": {"name": given.pop("loss")} | dict(given.pop("parameters", {}))}
    options |= {"weights": settled["weights"], **{key: given.pop(key) for key in ("threshold", "tolerance")}}
    later = ("threshold_by", "min_size", "fill_holes", "largest", "calibrate", "exclusive")
    return options | {key: given.pop(key) for key in later if key in given}, settled


def _instances(given: JsonObject) -> tuple[JsonObject, JsonObject]:
    settled = {key: given.pop(key) for key in ("classes", "ignore", "parts")}
    options = {key: given.pop(key) for key in ("mask_threshold", "seed_threshold")}
    least = given.pop("min_size")
    return options | {"min_size": "auto" if least is None else least}, settled
