"""The Python reference: a page made of signatures and docstrings: verbs, what they give back, errors."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator

import lamelle
from lamelle import errors
from lamelle.verbs import (
    explaining,
    folders,
    one_run,
    outcomes,
    recipes_and_store,
    run_listing,
    studies,
    study_outcomes,
    system,
)
from lamelle.verbs.outcome import Outcome

HEAD = """# Python

Everything that the command line does is a function of `lamelle`, with the same names: a *verb*. Its settings are
keywords (`epochs=2`), or pairs as on the command line (`overrides=["train.epochs=2"]`). What a verb gives back says
itself when it is printed, shows itself in a notebook, and has the attributes below.

```python
import lamelle

run = lamelle.train("data/", epochs=20)
print(run.scores["headline"])
```

This page is made of the docstrings; `help(lamelle.train)` shows the same.
"""
MODULES = (one_run, folders, explaining, run_listing, studies, recipes_and_store, system, outcomes, study_outcomes)
SECTIONS = ("Args", "Returns", "Raises", "Yields", "Example", "Attributes")
HIDDEN = {"text_lines", "closing_lines", "to_json"}


def page() -> str:
    """The whole page."""
    parts = [HEAD, "## Verbs\n"]
    verbs = [name for name in lamelle.__all__ if inspect.isfunction(getattr(lamelle, name))]
    parts += [function(f"lamelle.{name}", getattr(lamelle, name)) for name in sorted(verbs)]
    parts.append("## Results\n")
    parts += [record(name, kind) for name, kind in sorted(records().items())]
    parts.append("## Errors\n")
    for name, kind in vars(errors).items():
        if inspect.isclass(kind) and issubclass(kind, errors.LamelleError) and name in lamelle.__all__:
            parts.append(f"### lamelle.{name}\n\n{described(kind)}")
    return "\n".join(parts)


def records() -> dict[str, type]:
    """What verbs give back, and what that is made of, by name."""
    found: dict[str, type] = {}
    for module in MODULES:
        for name, kind in vars(module).items():
            if inspect.isclass(kind) and kind.__module__ == module.__name__ and not name.startswith("_"):
                found[name] = kind
    return found


def function(name: str, verb: Callable[..., object]) -> str:
    """One function: signature, what it does, arguments, errors, examples."""
    return f"### {name}\n\n```python\n{signature(name, verb)}\n```\n\n{described(verb)}"


def signature(name: str, verb: Callable[..., object]) -> str:
    """The signature as one writes it, an argument a line where it is long.

    Example:
        >>> def see(folder: str, *, loud: bool = False) -> None: ...
        >>> signature("see", see)
        'see(folder: str, *, loud: bool = False) -> None'
    """
    shown: list[str] = []
    written = inspect.signature(verb)
    for parameter in written.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not any(one.startswith("*") for one in shown):
            shown.append("*")
        shown.append(_argument(parameter))
    back = "" if written.return_annotation is written.empty else f" -> {written.return_annotation}"
    said = f"{name}({', '.join(shown)}){back}"
    return said if len(said) <= 100 else f"{name}(\n" + "".join(f"    {one},\n" for one in shown) + f"){back}"


def _argument(parameter: inspect.Parameter) -> str:
    kind = re.sub(r"^Annotated\[(.+), Cli\(.*\)\]$", r"\1", str(parameter.annotation))
    stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
    return f"{stars}{parameter.name}: {kind}{default}"


def record(name: str, kind: type) -> str:
    """One class: what it is, and its attributes and methods."""
    lines = [f"### {name}\n", described(kind)]
    rows = list(members(kind))
    if rows:
        lines.append("| attribute | what it is |\n|---|---|")
        lines += [f"| `{member}` | {said} |" for member, said in rows]
        lines.append("")
    return "\n".join(lines)


def members(kind: type) -> Iterator[tuple[str, str]]:
    """Fields with the text below them, properties and methods with the first line of their docstring."""
    bases = [base for base in reversed(kind.__mro__) if base.__module__.startswith("lamelle") and base is not Outcome]
    for base in bases:
        tree = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
        assert isinstance(tree, ast.ClassDef)
        for node, after in zip(tree.body, [*tree.body[1:], None], strict=True):
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                yield f"{node.target.id}: {ast.unparse(node.annotation)}", _cell(_text_below(after))
            elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and node.name not in HIDDEN:
                said = (ast.get_docstring(node) or "").partition("\n\n")[0]
                if not said:
                    continue
                marks = {ast.unparse(mark) for mark in node.decorator_list}
                back = f": {ast.unparse(node.returns)}" if node.returns and "property" in marks else ""
                yield node.name + (back if "property" in marks else "()"), _cell(said)


def _text_below(node: ast.stmt | None) -> str:
    """The text below a field, which says what it is."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return node.value.value
    return ""


def _cell(said: str) -> str:
    return " ".join(plain(said).split()).replace("|", "\\|")


def plain(said: str) -> str:
    """Names in code as Markdown writes them.

    Example:
        >>> plain("See ``scores.json`` and `lamelle.train`.")
        'See `scores.json` and `lamelle.train`.'
    """
    return said.replace("``", "`")


def described(thing: object) -> str:
    """A docstring as Markdown: paragraphs, arguments as a list, examples as code.

    Example:
        >>> print(described(described).splitlines()[0])
        A docstring as Markdown: paragraphs, arguments as a list, examples as code.
    """
    said = inspect.getdoc(thing) or ""
    parts = re.split(rf"^({'|'.join(SECTIONS)}):$", said, flags=re.MULTILINE)
    lines = [plain(parts[0]).strip(), ""]
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        body = textwrap.dedent(body).strip("\n")
        lines.append(f"**{name}**\n")
        if name == "Example":
            code = "\n".join(re.sub(r"\s*# doctest:.*$", "", line) for line in body.splitlines())
            lines += ["```pycon", code, "```", ""]
        elif name in ("Args", "Raises"):
            for item in re.split(r"\n(?=\S)", body):
                word, _, about = item.partition(": ")
                lines.append(f"- `{word}`: {' '.join(plain(about).split())}")
            lines.append("")
        else:
            lines += [plain(body), ""]
    return "\n".join(lines)
