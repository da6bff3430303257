"""Installs with pip and shows how far it is: what is large, and what takes long. Errors come as they are.

``python .ci/install.py -c constraints.txt -e ".[dev]"``: the arguments are those of ``pip install``.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator

_LARGE = 20.0  # megabytes
_SOME = 20  # packages


def shown(lines: Iterable[str]) -> Iterator[str]:
    """Of the lines of pip those that tell something.

    Example:
        >>> list(shown(["Collecting a", "  Downloading torch-2.15.0-cp311-cp311-linux.whl (539.1 MB)", "Collecting b"]))
        ['looking up packages', 'fetching torch-2.15.0 (539.1 MB)']
        >>> list(shown(["Installing collected packages: a, b"]))
        ['unpacking 2 packages: the longest silence, one to five minutes']
    """
    packages = 0
    for line in lines:
        if line.startswith("Collecting "):
            packages += 1
            if packages == 1:
                yield "looking up packages"
            elif packages % _SOME == 0:
                yield f"{packages} packages found"
        elif size := re.search(r"(?:Downloading|Using cached) (\S+) \(([\d.]+) (MB|GB)\)", line):
            if size[3] == "GB" or float(size[2]) >= _LARGE:
                yield f"fetching {'-'.join(size[1].rsplit('/')[-1].split('-')[:2])} ({size[2]} {size[3]})"
        elif line.startswith("Installing collected packages:"):
            yield f"unpacking {line.count(',') + 1} packages: the longest silence, one to five minutes"


def main(arguments: list[str]) -> int:
    """The exit code of pip."""
    command = [sys.executable, "-u", "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"]
    with subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, text=True) as pip:
        assert pip.stdout is not None
        for line in shown(pip.stdout):
            print(f"  {line}", flush=True)
    return pip.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
