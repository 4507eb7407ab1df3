"""The others to compare with, each in a virtual environment of its own and used only from outside.

``CAPROTO_PEERS`` names the directory that holds them (default: a directory in the user's cache). Run this file
to create them and print what they contain.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

#: caproto 1.x has this package's own name, so it never shares an environment with anybody.
REQUIREMENTS = ("caproto==1.3.0", "numpy")
#: The clients on libca; they get along with each other.
LIBCA_REQUIREMENTS = ("aioca", "cothread", "numpy", "pyepics")


def peers_directory() -> Path:
    given = os.environ.get("CAPROTO_PEERS")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    version = "{}.{}".format(*sys.version_info)
    return (Path(given) if given else cache / "caproto-peers") / f"python{version}"


def incumbent_python() -> Path:
    """The interpreter that imports caproto 1.3.0; installs it on first use."""
    return _python(peers_directory(), REQUIREMENTS)


def libca_python() -> Path:
    """The interpreter that imports aioca, cothread and pyepics; installs them on first use."""
    directory = peers_directory()
    return _python(directory.with_name(f"{directory.name}-libca"), LIBCA_REQUIREMENTS)


def _python(directory: Path, requirements: tuple[str, ...]) -> Path:
    python = directory / "bin" / "python"
    done = directory / "installed"
    if not done.exists():
        print(f"installing {', '.join(requirements)} into {directory}", file=sys.stderr)
        make = [sys.executable, "-m", "venv", "--clear", str(directory)]
        subprocess.run(make, check=True, stdout=sys.stderr)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *requirements], check=True, stdout=sys.stderr)
        done.touch()
    return python


def versions(python: Path | str) -> str:
    done = subprocess.run([str(python), "-m", "pip", "freeze"], check=True, capture_output=True, text=True)
    return ", ".join(done.stdout.split())


if __name__ == "__main__":
    for made in (incumbent_python(), libca_python()):
        print(versions(made))
