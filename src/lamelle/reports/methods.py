"""What was done, in one table: network, what learns, imbalance, augmentation, course and cost of a training."""

from __future__ import annotations

from pathlib import Path

from lamelle.messages import has, text
from lamelle.options import Options
from lamelle.reports.html import number, percent, short, whole
from lamelle.results.made import Provenance
from lamelle.runs.bundle import RunBundle, parameters
from lamelle.runs.recipe import Recipe

Row = tuple[str, str]
_SIGNS = {"alpha": "α", "beta": "β", "gamma": "γ", "sigma": "σ", "tau": "τ"}
"""Letters that stand for keys in the publications."""
_SHARES = ("shift", "invert")
"""Changes whose amount is itself a share: of the size, of the images."""


def method(bundle: RunBundle) -> list[Row]:
    """Label and sentence of everything that was decided about a training; what is not known is left out."""
    recipe, done = bundle.recipe, bundle.provenance or Provenance()
    train = recipe.train
    rows = [
        ("network", network(recipe)),
        ("head", _head(recipe.model)),
        ("parameters", _parameters(bundle, done)),
        ("start", _start(recipe, done)),
        ("licence", _licence(recipe.model, done)),
        ("freeze", _frozen(recipe)),
        ("loss_function", _loss(recipe.task)),
        ("imbalance", _remedy(recipe.task)),
        ("decision", _decision(recipe.task)),
        ("calibration", _calibration(bundle)),
        ("augmentation", augmentation(recipe.augment, draws=train.draws)),
        ("patch", " × ".join(str(s) for s in train.patch or ())),
        ("optimiser", _optimiser(recipe)),
        ("batch", _counted(train.batch)),
        ("trained_on", _counted(done.records, text("report.images").lower())),
        ("epochs_done", _counted(done.epochs)),
        ("steps", _counted(done.steps)),
        ("seconds", _time(done)),
    ]
    return [(text(f"report.how_{name}"), value) for name, value in rows if value]


def network(recipe: Recipe) -> str:
    """Kind and name of the network."""
    return " ".join(str(v) for v in (recipe.model.kind, getattr(recipe.model, "name", None)) if v)


def _head(model: Options) -> str:
    if (hidden := getattr(model, "hidden", None)) is None:
        return ""
    words = ", ".join(map(str, hidden)) or text("report.head_plain")
    if dropout := getattr(model, "dropout", 0):
        words += "; " + text("report.head_dropout", share=percent(dropout))
    return words


def _parameters(bundle: RunBundle, done: Provenance) -> str:
    total, learnt = done.parameters, done.trainable
    total = parameters(bundle.run) if total is None else total
    if total is None:
        return ""
    words = whole(total)
    if learnt is not None:
        share = percent(learnt / total if total else 0)
        words = text("report.parameters_learn", trainable=whole(learnt), all=words, share=share)
    counted = done.parameters_with_statistics or parameters(bundle.run, statistics=True) or total
    return words if counted == total else words + "; " + text("report.parameters_statistics", all=whole(counted))


def _start(recipe: Recipe, done: Provenance) -> str:
    if recipe.train.start:
        return text("report.start_run", path=recipe.train.start)
    given = (done.weights and done.weights.file) or getattr(recipe.model, "weights", None)
    return text("report.start_weights", file=Path(given).name) if given else text("report.start_random")


def _licence(model: Options, done: Provenance) -> str:
    """Of the pretrained weights, which the trained ones come from; empty without any."""
    if not getattr(model, "weights", None) and done.weights is None:
        return ""
    return (done.weights and done.weights.licence) or text("report.licence_unknown")


def _frozen(recipe: Recipe) -> str:
    model = recipe.model
    kind, _, stages = str(getattr(model, "freeze", "none")).partition(":")
    words = [text("report.freeze_stage", n=stages) if stages else text(f"report.freeze_{kind}")]
    if every := recipe.train.unfreeze_every:
        words.append(text("report.freeze_gradual", n=every))
    if getattr(model, "bn_frozen", False):
        words.append(text("report.bn_frozen"))
    if (momentum := getattr(model, "bn_momentum", None)) is not None:
        words.append(text("report.bn_momentum", momentum=short(momentum)))
    return "; ".join(words)


def _loss(task: Options) -> str:
    words = _named(getattr(task, "loss", None))
    if smoothing := getattr(task, "smoothing", 0):
        words += "; " + text("report.smoothing", share=percent(smoothing))
    if weights := getattr(task, "weights", None):
        shown = weights if isinstance(weights, str) else ", ".join(short(w) for w in weights)
        words += "; " + text("report.loss_weights", weights=shown)
    return words


def _named(options: Options | None) -> str:
    """A loss or a remedy with the values of its keys."""
    if options is None:
        return ""
    name, *keys = options.model_dump(mode="json").items()
    return ", ".join([str(name[1]), *(f"{_SIGNS.get(k, k)} = {_shown(v)}" for k, v in keys)])


def _shown(value: object) -> object:
    return short(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _remedy(task: Options) -> str:
    remedy: Options | None = getattr(task, "remedy", None)
    if remedy is None:
        return ""
    values = {name: _shown(value) for name, value in remedy.model_dump(mode="json").items()}
    code = f"report.remedy_{values['name']}"
    words = text(code, **values) if has(code) else _named(remedy)
    focal = getattr(getattr(task, "loss", None), "name", "") == "focal"
    return words + "; " + text("report.remedy_focal") if focal else words


def _decision(task: Options) -> str:
    rule = getattr(task, "threshold", None)
    if rule is None:
        return ""
    return text(f"report.decision_{rule}") if isinstance(rule, str) else text("report.decision_fixed", t=number(rule))


def _calibration(bundle: RunBundle) -> str:
    temperature = bundle.scores.fitted.get("temperature") if bundle.scores else None
    return text("report.temperature", t=number(temperature, 2)) if isinstance(temperature, float) else ""


def augmentation(changes: Options, *, draws: int) -> str:
    """Every random change that is switched on, in words."""
    keys = changes.model_dump(mode="json")
    words = []
    for name, value in keys.items():
        if name.endswith(("_spacing", "_strength", "_probability")) or not value:
            continue
        if name == "zoom":
            low, high = value
            words += [text("report.augment_zoom", low=short(low), high=short(high))] if (low, high) != (1, 1) else []
        elif name == "flip":
            axes = "" if value is True else " (" + ", ".join(str(a) for a in value) + ")"
            words.append(text("report.augment_flip") + axes)
        elif name == "policy":
            words.append(text("report.augment_policy", n=value, strength=short(keys.get("policy_strength") or 0)))
        elif name == "rot90":
            words.append(text("report.augment_rot90"))
        else:
            code, amount = f"report.augment_{name}", percent(value) if name in _SHARES else short(value)
            one = text(code, value=amount) if has(code) else f"{name} {amount}"
            share = keys.get(f"{name}_probability")
            words.append(one if share is None else f"{one} ({percent(share)})")
    if draws:
        words.append(text("report.augment_draws", n=draws))
    return "; ".join(words) or text("report.augment_none")


def _optimiser(recipe: Recipe) -> str:
    train = recipe.train
    words = [train.optimizer, f"{text('report.how_lr').lower()} {short(train.lr)}"]
    words += [text("report.layer_decay", share=short(train.layer_decay))] if train.layer_decay != 1 else []
    return ", ".join([*words, train.schedule])


def _time(done: Provenance) -> str:
    if (seconds := done.seconds) is None:
        return ""
    each = seconds / done.epochs if done.seconds_per_epoch is None and done.epochs else done.seconds_per_epoch
    if each is None:
        return duration(seconds)
    return text("report.time_each", all=duration(seconds), each=f"{short(round(each, 2))} s")


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
    return "" if value is None else f"{whole(value)} {unit}".strip()
