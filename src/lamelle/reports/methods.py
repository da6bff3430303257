"""What was done, in one table: network, what learns, imbalance, augmentation, course and cost of a training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lamelle.messages import has, text
from lamelle.reports.html import number, percent, short, whole
from lamelle.runs.bundle import RunBundle, parameters

Row = tuple[str, str]
_SIGNS = {"alpha": "α", "beta": "β", "gamma": "γ", "sigma": "σ", "tau": "τ"}
"""Letters that stand for keys in the publications."""
_SHARES = ("shift", "invert")
"""Changes whose amount is itself a share: of the size, of the images."""


def method(bundle: RunBundle) -> list[Row]:
    """Label and sentence of everything that was decided about a training; what is not known is left out."""
    recipe, done = bundle.recipe, (bundle.model or {}).get("provenance", {})
    model, task, train = (recipe.get(name) or {} for name in ("model", "task", "train"))
    rows = [
        ("network", network(recipe)),
        ("head", _head(model)),
        ("parameters", _parameters(bundle, done)),
        ("start", _start(model, train, done)),
        ("licence", _licence(model, done)),
        ("freeze", _frozen(model, train)),
        ("loss_function", _loss(task)),
        ("imbalance", _remedy(task)),
        ("decision", _decision(task)),
        ("calibration", _calibration(bundle)),
        ("augmentation", augmentation(recipe.get("augment") or {}, train)),
        ("patch", " × ".join(str(s) for s in train.get("patch") or ())),
        ("optimiser", _optimiser(train)),
        ("batch", _counted(train.get("batch"))),
        ("trained_on", _counted(done.get("records"), text("report.images").lower())),
        ("epochs_done", _counted(done.get("epochs"))),
        ("steps", _counted(done.get("steps"))),
        ("seconds", _time(done)),
    ]
    return [(text(f"report.how_{name}"), value) for name, value in rows if value]


def network(recipe: Mapping[str, Any]) -> str:
    """Kind and name of the network."""
    model = recipe.get("model") or {}
    return " ".join(str(v) for v in (model.get("kind"), model.get("name")) if v)


def _head(model: Mapping[str, Any]) -> str:
    if "hidden" not in model:
        return ""
    said = ", ".join(str(n) for n in model["hidden"]) or text("report.head_plain")
    if dropout := model.get("dropout"):
        said += "; " + text("report.head_dropout", share=percent(dropout))
    return said


def _parameters(bundle: RunBundle, done: Mapping[str, Any]) -> str:
    total, learnt = done.get("parameters"), done.get("trainable")
    total = parameters(bundle.run) if total is None else int(total)
    if total is None:
        return ""
    said = whole(total)
    if learnt is not None:
        share = percent(learnt / total if total else 0)
        said = text("report.parameters_learn", trainable=whole(int(learnt)), all=said, share=share)
    counted = done.get("parameters_with_statistics") or parameters(bundle.run, statistics=True) or total
    return said if counted == total else said + "; " + text("report.parameters_statistics", all=whole(int(counted)))


def _start(model: Mapping[str, Any], train: Mapping[str, Any], done: Mapping[str, Any]) -> str:
    if train.get("start"):
        return text("report.start_run", path=train["start"])
    given = _weights(done).get("file") or model.get("weights")
    if given:
        return text("report.start_weights", file=Path(str(given)).name)
    return text("report.start_random")


def _licence(model: Mapping[str, Any], done: Mapping[str, Any]) -> str:
    """Of the pretrained weights, which the trained ones come from; empty without any."""
    if not model.get("weights") and not _weights(done):
        return ""
    return str(_weights(done).get("licence") or text("report.licence_unknown"))


def _weights(done: Mapping[str, Any]) -> Mapping[str, Any]:
    found = done.get("weights")
    return found if isinstance(found, Mapping) else {}


def _frozen(model: Mapping[str, Any], train: Mapping[str, Any]) -> str:
    depth = str(model.get("freeze") or "none")
    kind, _, stages = depth.partition(":")
    said = [text("report.freeze_stage", n=stages) if stages else text(f"report.freeze_{kind}")]
    if every := train.get("unfreeze_every"):
        said.append(text("report.freeze_gradual", n=every))
    if model.get("bn_frozen"):
        said.append(text("report.bn_frozen"))
    if (momentum := model.get("bn_momentum")) is not None:
        said.append(text("report.bn_momentum", momentum=short(momentum)))
    return "; ".join(said)


def _loss(task: Mapping[str, Any]) -> str:
    said = _named(task.get("loss"))
    if smoothing := task.get("smoothing"):
        said += "; " + text("report.smoothing", share=percent(smoothing))
    if weights := task.get("weights"):
        shown = weights if isinstance(weights, str) else ", ".join(short(w) for w in weights)
        said += "; " + text("report.loss_weights", weights=shown)
    return said


def _named(options: Mapping[str, Any] | None) -> str:
    """A loss or a remedy with the values of its keys."""
    if not options:
        return ""
    keys = [f"{_SIGNS.get(k, k)} = {short(v) if _is_number(v) else v}" for k, v in options.items() if k != "name"]
    return ", ".join([str(options["name"]), *keys])


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _remedy(task: Mapping[str, Any]) -> str:
    remedy = task.get("remedy")
    if remedy is None:
        return ""
    code = f"report.remedy_{remedy['name']}"
    values = {name: short(value) if _is_number(value) else value for name, value in remedy.items()}
    said = text(code, **values) if has(code) else _named(remedy)
    return said + "; " + text("report.remedy_focal") if (task.get("loss") or {}).get("name") == "focal" else said


def _decision(task: Mapping[str, Any]) -> str:
    if task.get("name") != "classify":
        return ""
    rule = task.get("threshold")
    if rule is None:
        return ""
    return text(f"report.decision_{rule}") if isinstance(rule, str) else text("report.decision_fixed", t=number(rule))


def _calibration(bundle: RunBundle) -> str:
    found = bundle.scores.fitted.get("temperature") if bundle.scores else None
    return text("report.temperature", t=number(found, 2)) if isinstance(found, float) else ""


def augmentation(keys: Mapping[str, Any], train: Mapping[str, Any]) -> str:
    """Every random change that is switched on, in words."""
    said = []
    for name, value in keys.items():
        if name.endswith(("_spacing", "_strength", "_probability")) or not value:
            continue
        if name == "zoom":
            low, high = value
            said += [text("report.augment_zoom", low=short(low), high=short(high))] if (low, high) != (1, 1) else []
        elif name == "flip":
            axes = "" if value is True else " (" + ", ".join(str(a) for a in value) + ")"
            said.append(text("report.augment_flip") + axes)
        elif name == "policy":
            said.append(text("report.augment_policy", n=value, strength=short(keys.get("policy_strength") or 0)))
        elif name == "rot90":
            said.append(text("report.augment_rot90"))
        else:
            code, amount = f"report.augment_{name}", percent(value) if name in _SHARES else short(value)
            one = text(code, value=amount) if has(code) else f"{name} {amount}"
            share = keys.get(f"{name}_probability")
            said.append(one if share is None else f"{one} ({percent(share)})")
    if draws := train.get("draws"):
        said.append(text("report.augment_draws", n=draws))
    return "; ".join(said) or text("report.augment_none")


def _optimiser(train: Mapping[str, Any]) -> str:
    if train.get("lr") is None:
        return ""
    said = [str(train.get("optimizer") or ""), f"{text('report.how_lr').lower()} {short(float(train['lr']))}"]
    said += [text("report.layer_decay", share=short(decay))] if (decay := train.get("layer_decay", 1)) != 1 else []
    said += [str(train["schedule"])] if train.get("schedule") else []
    return ", ".join(s for s in said if s)


def _time(done: Mapping[str, Any]) -> str:
    if done.get("seconds") is None:
        return ""
    seconds, each = float(done["seconds"]), done.get("seconds_per_epoch")
    if each is None and done.get("epochs"):
        each = seconds / done["epochs"]
    return duration(seconds) if each is None else text(
        "report.time_each", all=duration(seconds), each=f"{short(round(float(each), 2))} s"
    )  # fmt: skip


def duration(seconds: float) -> str:
    """A time as people say it.

    Example:
        >>> duration(4.25), duration(75), duration(7260)
        ('4.2 s', '1 min 15 s', '2 h 01 min')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{number(seconds, 1)} s"


def _counted(value: int | None, unit: str = "") -> str:
    return "" if value is None else f"{whole(int(value))} {unit}".strip()
