"""``python -m caproto.ioc_examples``: list the examples."""

from __future__ import annotations

import argparse
import ast
from pathlib import Path

HERE = Path(__file__).parent


def examples() -> dict[str, str]:
    """Return the examples by name, with what they say about themselves."""
    found = {}
    for path in sorted(HERE.rglob("[!_]*.py")):
        name = ".".join(path.relative_to(HERE).with_suffix("").parts)
        found[name] = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n")[0]
    return found


def main() -> None:
    """Print them."""
    argparse.ArgumentParser(prog="python -m caproto.ioc_examples", description="List the examples.").parse_args()
    lines = [f"  {name:34} {text}" for name, text in examples().items()]
    print("Run one by `python -m caproto.ioc_examples.NAME --list-pvs`:\n", *lines, sep="\n")


if __name__ == "__main__":
    main()
