"""The incumbent to compare with: caproto 1.3.0 in a virtual environment of its own, used only from outside.

``CAPROTO_PEERS`` names the directory that holds it (default: a directory in the user's cache). Run this file
to create it and print what it contains.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

REQUIREMENTS = ("caproto==1.3.0", "numpy")


def peers_directory() -> Path:
    given = os.environ.get("CAPROTO_PEERS")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    version = "{}.{}".format(*sys.version_info)
    return (Path(given) if given else cache / "caproto-peers") / f"python{version}"


def incumbent_python() -> Path:
    """The interpreter that imports caproto 1.3.0; installs it on first use."""
    directory = peers_directory()
    python = directory / "bin" / "python"
    done = directory / "installed"
    if not done.exists():
        print(f"installing {', '.join(REQUIREMENTS)} into {directory}", file=sys.stderr)
        make = [sys.executable, "-m", "venv", "--clear", str(directory)]
        subprocess.run(make, check=True, stdout=sys.stderr)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *REQUIREMENTS], check=True, stdout=sys.stderr)
        done.touch()
    return python


def versions(python: Path | str) -> str:
    done = subprocess.run([str(python), "-m", "pip", "freeze"], check=True, capture_output=True, text=True)
    return ", ".join(done.stdout.split())


if __name__ == "__main__":
    print(versions(incumbent_python()))
