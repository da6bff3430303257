"""The commands: each asks one verb, and tells what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lamelle import verbs
from lamelle.errors import RequestError, in_lines
from lamelle.messages import text

_PAIRS = click.argument("pairs", nargs=-1, metavar="[KEY=VALUE]...")
DEMO_SETTINGS = {
    "classify": ("train.budget=90s",),
    "segment": ("train.budget=90s", "model.filters=[16,32,64,128]", "train.samples=96"),
}
"""What training on a demo asks for, by task: an end within about two minutes on two cores."""
_EXISTING = click.Path(path_type=Path)


def _echo(line: str) -> None:
    click.echo(line)


@click.command(help=text("cli.check"))
@click.argument("data", type=_EXISTING)
@_PAIRS
@click.option("-o", "--report", type=_EXISTING, help=text("cli.check_report"))
def check(data: Path, pairs: tuple[str, ...], report: Path | None) -> None:
    from lamelle.reports.terminal import print_check

    index, audit, outlook = verbs.look_and_check(data, overrides=pairs, report=report)
    print_check(index, audit, outlook)
    if report is not None:
        _echo(text("cli.written", path=report))
    if audit.errors:
        raise SystemExit(1)


def _parted(data: Path | None, pairs: tuple[str, ...]) -> tuple[Path | None, tuple[str, ...]]:
    """Where the folder may be left out, a first KEY=VALUE is none."""
    if data is not None and "=" in str(data) and not data.exists():
        return None, (str(data), *pairs)
    return data, pairs


@click.command(help=text("cli.train"))
@click.argument("data", type=_EXISTING, required=False)
@_PAIRS
@click.option("-r", "--recipe", help=text("cli.train_recipe"))
@click.option("--from", "start", type=_EXISTING, help=text("cli.train_from"))
@click.option("--weights", type=_EXISTING, help=text("cli.train_weights"))
@click.option("--name", help=text("cli.train_name"))
@click.option("--runs", type=_EXISTING, default=Path("runs"), show_default=True, help=text("cli.train_runs"))
@click.option("--resume", type=_EXISTING, help=text("cli.train_resume"))
@click.option("--allow-leakage", is_flag=True, help=text("cli.train_leakage"))
def train(
    data: Path | None,
    pairs: tuple[str, ...],
    recipe: str | None,
    start: Path | None,
    weights: Path | None,
    name: str | None,
    runs: Path,
    resume: Path | None,
    allow_leakage: bool,
) -> None:
    from lamelle.cli.progress import listener

    data, pairs = _parted(data, pairs)
    if resume is not None and (pairs or recipe or start or weights):
        raise RequestError("cli.resume_alone")
    run = verbs.train(
        data,
        recipe=recipe,
        overrides=pairs,
        weights=weights,
        start=start,
        allow_leakage=allow_leakage,
        name=name,
        runs=runs,
        resume=resume,
        progress=listener(),
    )
    _echo(text("cli.report_at", path=run.folder.report.resolve()))


@click.command(help=text("cli.evaluate"))
@click.argument("run", type=_EXISTING)
@click.argument("data", type=_EXISTING, required=False)
@_PAIRS
@click.option("-o", "--out", type=_EXISTING, help=text("cli.evaluate_out"))
def evaluate(run: Path, data: Path | None, pairs: tuple[str, ...], out: Path | None) -> None:
    data, pairs = _parted(data, pairs)
    scores = verbs.evaluate(run, data, overrides=pairs, out=out)
    from lamelle.reports.elsewhere import in_words
    from lamelle.runs.evaluate import headline
    from lamelle.runs.folder import RunFolder

    if data is not None:
        _echo(in_words(scores))
    for line in headline(scores):
        _echo(line)
    _echo(text("cli.report_at", path=RunFolder(Path(scores["folder"])).report.resolve()))


@click.command(help=text("cli.predict"))
@click.argument("run", type=_EXISTING)
@click.argument("inputs", nargs=-1, required=True, type=_EXISTING)
@click.option("-o", "--out", required=True, type=_EXISTING, help=text("cli.predict_out"))
@click.option("--probabilities", is_flag=True, help=text("cli.predict_probabilities"))
@click.option("--overlays", is_flag=True, help=text("cli.predict_overlays"))
@click.option("--masks", is_flag=True, help=text("cli.predict_masks"))
def predict(run: Path, inputs: tuple[Path, ...], out: Path, probabilities: bool, overlays: bool, masks: bool) -> None:
    from lamelle.cli.progress import listener

    wanted = {"probabilities": probabilities, "overlays": overlays, "masks": masks}
    pairs = [str(path) for path in inputs if "=" in str(path) and not path.exists()]
    paths = [path for path in inputs if str(path) not in pairs]
    table = verbs.predict(run, paths, out, overrides=pairs, **wanted, progress=listener())
    _echo(text("cli.written", path=table))


@click.command(help=text("cli.compare"))
@click.argument("data", type=_EXISTING)
@_PAIRS
@click.option("-r", "--recipe", help=text("cli.train_recipe"))
@click.option("--variants", type=_EXISTING, help=text("cli.compare_variants"))
@click.option("--objective", metavar="SCORE", help=text("cli.compare_objective"))
@click.option("--seeds", type=int, default=3, show_default=True, help=text("cli.compare_seeds"))
@click.option("--jobs", type=int, default=1, show_default=True, help=text("cli.compare_jobs"))
@click.option("--weights", type=_EXISTING, help=text("cli.train_weights"))
@click.option("--allow-leakage", is_flag=True, help=text("cli.train_leakage"))
@click.option("--name", help=text("cli.compare_name"))
@click.option("--runs", type=_EXISTING, default="runs", show_default=True, help=text("cli.train_runs"))
def compare(data: Path, pairs: tuple[str, ...], **options: Any) -> None:
    import json
    import sys

    from lamelle.cli.progress import listener
    from lamelle.reports.study import terminal

    study = verbs.compare(data, pairs=pairs, **options, command=sys.argv[1:], progress=listener())
    for line in terminal(json.loads((study / "scores.json").read_text(encoding="utf-8"))):
        _echo(line)
    _echo(text("cli.report_at", path=(study / "report.html").resolve()))


@click.command(help=text("cli.tune"))
@click.argument("data", type=_EXISTING)
@_PAIRS
@click.option("-r", "--recipe", help=text("cli.train_recipe"))
@click.option("--objective", metavar="SCORE", help=text("cli.tune_objective"))
@click.option("--sampler", type=click.Choice(["grid", "tpe", "random"]), help=text("cli.tune_sampler"))
@click.option(
    "--pruner",
    type=click.Choice(["none", "asha", "hyperband"]),
    default="none",
    show_default=True,
    help=text("cli.tune_pruner"),
)
@click.option("--trials", type=int, help=text("cli.tune_trials"))
@click.option("--jobs", type=int, default=1, show_default=True, help=text("cli.compare_jobs"))
@click.option("--storage", metavar="URL", help=text("cli.tune_storage"))
@click.option("--retrain", type=int, default=0, metavar="SEEDS", help=text("cli.tune_retrain"))
@click.option("--seed", type=int, default=0, show_default=True, help=text("cli.tune_seed"))
@click.option("--weights", type=_EXISTING, help=text("cli.train_weights"))
@click.option("--allow-leakage", is_flag=True, help=text("cli.train_leakage"))
@click.option("--name", help=text("cli.compare_name"))
@click.option("--runs", type=_EXISTING, default="runs", show_default=True, help=text("cli.train_runs"))
def tune(data: Path, pairs: tuple[str, ...], **options: Any) -> None:
    import json
    import sys

    from lamelle.cli.progress import listener
    from lamelle.reports.searching import terminal

    study = verbs.tune(data, pairs=pairs, **options, command=sys.argv[1:], progress=listener())
    for line in terminal(json.loads((study / "scores.json").read_text(encoding="utf-8"))):
        _echo(line)
    _echo(text("cli.report_at", path=(study / "report.html").resolve()))


@click.command(help=text("cli.runs"))
@click.argument("folders", nargs=-1, metavar="[FOLDER]... [KEY=VALUE]...")
@click.option("--task", default="", help=text("cli.runs_task"))
@click.option("--data", default="", help=text("cli.runs_data"))
@click.option("--since", default="", help=text("cli.runs_since"))
@click.option("--state", default="", help=text("cli.runs_state"))
@click.option("--score", help=text("cli.runs_score"))
@click.option("--min", "least", type=float, help=text("cli.runs_min"))
@click.option("--sort", default="date", show_default=True, help=text("cli.runs_sort"))
@click.option("--csv", "as_csv", is_flag=True, help=text("cli.runs_csv"))
@click.option("--compare", "side_by_side", is_flag=True, help=text("cli.runs_compare"))
@click.option("-o", "--report", type=_EXISTING, help=text("cli.runs_report"))
@click.option("--prune", metavar="checkpoints|runs", help=text("cli.runs_prune"))
@click.option("--keep", type=int, help=text("cli.runs_keep"))
@click.option("--yes", is_flag=True, help=text("cli.runs_yes"))
@click.option("--to", metavar="mlflow|tensorboard", help=text("cli.runs_to"))
@click.option("--store", help=text("cli.runs_store"))
def runs(folders: tuple[str, ...], **options: Any) -> None:
    from lamelle.cli import shelf

    if folders[:1] == ("verify",):
        if any(value for name, value in options.items() if name != "sort"):
            raise RequestError("runs.verify_alone")
        shelf.verify([Path(word) for word in folders[1:]])
        return
    pairs = [word for word in folders if "=" in word and not Path(word).exists()]
    shelf.answer([Path(word) for word in folders if word not in pairs], pairs, options)


@click.command(help=text("cli.explain"))
@click.argument("run", type=_EXISTING)
@click.argument("images", nargs=-1, type=_EXISTING)
@click.option("-o", "--out", required=True, type=_EXISTING, help=text("cli.explain_out"))
@click.option("--method", default="gradcam", show_default=True, help=text("cli.explain_method"))
@click.option("--class", "target", help=text("cli.explain_class"))
@click.option("--layer", help=text("cli.explain_layer"))
@click.option("--against", multiple=True, type=_EXISTING, help=text("cli.explain_against"))
@click.option("--masks", type=_EXISTING, help=text("cli.explain_masks"))
@click.option("--segmenter", type=_EXISTING, help=text("cli.explain_segmenter"))
@click.option("--region", type=_EXISTING, help=text("cli.explain_region"))
@click.option("--cases", type=int, default=2, show_default=True, help=text("cli.explain_cases"))
@click.option("--all", "everything", is_flag=True, help=text("cli.explain_all"))
@click.option("--check", is_flag=True, help=text("cli.explain_check"))
def explain(run: Path, images: tuple[Path, ...], out: Path, **options: Any) -> None:
    import sys

    from lamelle.cli.progress import listener

    page = verbs.explain(run, images, out=out, **options, command=sys.argv[1:], progress=listener())
    _echo(text("cli.report_at", path=page.resolve()))


@click.command(help=text("cli.report"))
@click.argument("run", type=_EXISTING)
def report(run: Path) -> None:
    _echo(text("cli.report_at", path=verbs.report(run, say=_echo).resolve()))


@click.command(help=text("cli.doctor"))
@click.argument("run", type=_EXISTING)
def doctor(run: Path) -> None:
    found = verbs.doctor(run)
    from lamelle.doctor.diagnosis import lines

    for one in found:
        if len(found) > 1:
            _echo(one.name)
        for line in lines(one.told):
            _echo(line)


@click.command(help=text("cli.convert"))
@click.argument("source", type=_EXISTING, metavar="IN")
@click.argument("out", type=_EXISTING)
@_PAIRS
@click.option("--to", type=click.Choice(["tif", "png", "npy", "nii", "zarr"]), help=text("cli.convert_to"))
@click.option("--spacing", metavar="Z,Y,X", help=text("cli.convert_spacing"))
@click.option("--key", help=text("cli.convert_key"))
@click.option("--labels", is_flag=True, help=text("cli.convert_labels"))
def convert(source: Path, out: Path, pairs: tuple[str, ...], spacing: str | None, **options: Any) -> None:
    sizes = None
    if spacing is not None:
        try:
            sizes = [float(part) for part in spacing.split(",")]
        except ValueError:
            raise RequestError("convert.spacing", given=spacing, axes="Z,Y,X") from None
    if out.suffix == ".safetensors":
        _echo(text("cli.written", path=verbs.convert_weights(source, out)))
        return
    done = verbs.convert(source, out, spacing=sizes, overrides=pairs, **options)
    for line in in_lines(done.problems):
        click.echo(line, err=True)
    shape = " × ".join(map(str, done.shape))
    pixel = " × ".join(f"{v:g}" for v in done.spacing) + " µm" if done.spacing else "–"
    _echo(text("cli.convert_done", shape=shape, dtype=done.dtype, spacing=pixel, sha256=done.sha256))
    _echo(text("cli.written", path=done.path))


@click.command(help=text("cli.recipes"))
@click.argument("name", required=False)
@click.option("--keys", is_flag=True, help=text("cli.recipes_keys"))
def recipes(name: str | None, keys: bool) -> None:
    from lamelle import recipe

    if keys:
        for key, about in recipe.known_keys().items():
            _echo(f"{key:<28} {about}")
        return
    known = recipe.packaged()
    if name is None:
        for one, content in known.items():
            _echo(f"{one:<24} {content.splitlines()[0].lstrip('# ')}")
        return
    recipe.load(name)
    _echo(known[name].rstrip())


@click.command(help=text("cli.cache"))
@click.option("--clear", is_flag=True, help=text("cli.cache_clear"))
def cache(clear: bool) -> None:
    import shutil

    from lamelle.runs.artefacts import hashes
    from lamelle.training import features

    store, kept = verbs.open_store(), features.folder()
    if clear:
        store.clear()
        features.clear(kept)
        shutil.rmtree(hashes(), ignore_errors=True)
    usage = store.usage()
    sizes = {"used": f"{usage.bytes / 2**30:.2f}", "budget": f"{usage.budget / 2**30:.0f}"}
    _echo(text("cli.cache_usage", folder=store.folder, entries=usage.entries, **sizes))
    _echo(text("cli.cache_features", folder=kept, used=f"{features.usage(kept) / 2**30:.2f}"))


@click.command(help=text("cli.demo"))
@click.argument("kind", default="nuclei")
@click.option("-o", "--out", type=_EXISTING, help=text("cli.demo_out"))
@click.option("--seed", type=int, default=0, show_default=True, help=text("cli.demo_seed"))
@click.option("--count", type=int, help=text("cli.demo_count"))
@click.option("--size", type=int, help=text("cli.demo_size"))
@click.option("--train", "then_train", is_flag=True, help=text("cli.demo_train"))
def demo(kind: str, out: Path | None, seed: int, count: int | None, size: int | None, then_train: bool) -> None:
    from lamelle.cli.progress import listener
    from lamelle.specimens.write import DEMOS

    folder = verbs.demo(kind, out or Path("demo") / kind, seed=seed, count=count, size=size)
    _echo(text("cli.written", path=folder))
    if then_train:
        settings = DEMO_SETTINGS[DEMOS[kind].task]
        run = verbs.train(folder, overrides=settings, runs=folder.parent / "runs", progress=listener())
        _echo(text("cli.report_at", path=run.folder.report.resolve()))
    else:
        _echo(text("cli.demo_next", path=folder))
