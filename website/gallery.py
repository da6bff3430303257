"""The gallery of recipes: what each is for, its command, and what was measured with it (docs/results.md)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from lamelle.runs import recipe as recipes
from website.pages import ROOT

HEAD = """# Recipes

A recipe is a file of settings that suits one kind of task; every key may be overridden behind it. `lamelle recipes`
lists them, `lamelle recipes NAME` shows one, and a YAML file of your own is named in the same way. Without a recipe the
plan follows from the data, which is the way to begin with. Most recipes come in pairs: one as in the work that it
follows, and a *stronger* one.

Scores stand here only where they were measured, on the data and with the command that are named; [Results](results.md)
says how, and what they do not say. Pictures are of [synthetic specimens](demos.md).
"""
GROUPS: Mapping[str, tuple[str, str, str]] = {
    "nuclei": (
        "Nuclei",
        "demo-nuclei.png",
        "Caicedo et al. 2019, doi:10.1038/s41592-019-0612-7 (Data Science Bowl 2018)",
    ),
    "isbi2012": (
        "Membranes in serial-section TEM",
        "demo-em-stack.png",
        "Cardona et al. 2010, doi:10.1371/journal.pbio.1000502 (data); "
        "Ronneberger et al. 2015, doi:10.1007/978-3-319-24574-4_28 (network)",
    ),
    "em-organelles": (
        "Organelles in electron microscopy",
        "demo-em-organelles.png",
        "Gerhard et al. 2013, doi:10.6084/m9.figshare.856713.v1",
    ),
    "fibsem": (
        "Electron microscopy patches",
        "demo-em-patches.png",
        "Gerhard et al. 2013, doi:10.6084/m9.figshare.856713.v1",
    ),
    "histology": ("Stained tissue, a rare class", "demo-tissue.png", "Cruz-Roa et al. 2014, doi:10.1117/12.2043872"),
    "covid": (
        "Chest X-rays in classes",
        "demo-thorax-classes.png",
        "Chowdhury et al. 2020, doi:10.1109/ACCESS.2020.3010287",
    ),
    "lung": ("Lungs in chest X-rays", "demo-thorax.png", "Chowdhury et al. 2020, doi:10.1109/ACCESS.2020.3010287"),
}
"""By the beginning of their names: heading, a picture of synthetic specimens of that kind, where the data come from."""


def page() -> str:
    """The whole page.

    Raises:
        KeyError: If a recipe belongs to no group.
    """
    parts, left = [HEAD], dict(recipes.packaged())
    for start, (heading, picture, source) in GROUPS.items():
        parts.append(f"## {heading}\n\n![{heading}: synthetic specimens](images/{picture})\n\nSource: {source}.\n")
        for name in sorted(name for name in left if name.startswith(start)):
            parts.append(_recipe(name, left.pop(name)))
    if left:
        raise KeyError(f"recipes in no group: {', '.join(left)}")
    return "\n".join(parts)


def _recipe(name: str, content: str) -> str:
    """One recipe: its comment, its command, what was measured with it."""
    comment = [line[1:].strip() for line in content.splitlines() if line.startswith("#")]
    first, rest = comment[0], " ".join(line for line in comment[1:] if line)
    lines = [f"### {name}\n", f"{first}.\n", f"```sh\nlamelle train DATA --recipe {name}\n```\n"]
    if rest:
        lines.append(f"{_marked(rest)}\n")
    if rows := measured().get(name):
        lines.append("| data, split | with | score | n |\n|---|---|---|---|")
        lines += [f"| {' | '.join(cells)} |" for cells in rows]
        lines.append("")
    else:
        lines.append("No score was measured with it on public data yet.\n")
    return "\n".join(lines)


def _marked(said: str) -> str:
    """Keys and options as code.

    Example:
        >>> _marked("Take data.group=patient, or --weights FILE.")
        'Take `data.group=patient`, or `--weights FILE`.'
    """
    return re.sub(r"--weights FILE|\b[a-z_]+(?:\.[a-z_]+)?=(?:\{[^}]*\}|\[[^\]]*\]|[\w./-]*\w)", r"`\g<0>`", said)


def measured() -> dict[str, list[tuple[str, ...]]]:
    """Rows of the table of results by recipe; `the same` and `…` are written out.

    Example:
        >>> measured()["covid-xray-strong"][0][0]
        'chest X-rays, 4 classes'
    """
    found: dict[str, list[tuple[str, ...]]] = {}
    data, name, count = "", "", ""
    for line in (ROOT / "docs" / "results.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if not line.startswith("| ") or len(cells) != 4 or cells[0].startswith("data, "):
            continue
        said, command, score, n = cells
        data = re.sub(r"^the same", data.partition(" (the same")[0], said) if said.startswith("the same") else said
        if match := re.search(r"--recipe ([\w-]+)", command):
            name = match[1]
        count = count if n == "the same" else n
        found.setdefault(name, []).append((data, command.replace("…", f"--recipe {name}"), score, count))
    return found
