"""The section of the changelog that a tag is about: ``python .github/release_notes.py v0.2.0``.

Nothing is released unless tag, version and changelog say the same.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def sections(changelog: str) -> dict[str, str]:
    """What stands below each version of a changelog, by the version; ``Unreleased`` is one of them.

    Example:
        >>> sections("# Changelog" + chr(10) + "## [0.2.0] - 2027-01-31" + chr(10) + "- New.")
        {'0.2.0': '- New.'}
    """
    parts = re.split(r"^## \[([^\]]+)\].*$", changelog, flags=re.MULTILINE)
    return {name: body.strip() for name, body in zip(parts[1::2], parts[2::2], strict=True)}


def notes(tag: str, *, version: str, changelog: str) -> str:
    """The notes of a release.

    Raises:
        ValueError: If the tag is not the version, or the changelog has no section of it.
    """
    if tag != f"v{version}":
        raise ValueError(f"the tag is {tag}, but src/lamelle/version.py says {version}: the tag has to be v{version}")
    if not (said := sections(changelog).get(version)):
        raise ValueError(f"CHANGELOG.md has no section ## [{version}]: rename Unreleased, with the day behind it")
    return said


def main(tag: str) -> str:
    """The notes of this checkout."""
    found = re.search(r'__version__ = "(.+)"', (ROOT / "src/lamelle/version.py").read_text(encoding="utf-8"))
    assert found is not None
    return notes(tag, version=found[1], changelog=(ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    try:
        print(main(sys.argv[1]))
    except ValueError as error:
        sys.exit(str(error))
