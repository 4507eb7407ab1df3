"""The skins are thin: what two of them would both say is said once, below them."""

from __future__ import annotations

import ast
import itertools
from collections import Counter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "caproto"
CLIENTS = {
    flavour: [PACKAGE / flavour / name for name in ("_driver.py", "client.py")]
    for flavour in ("sync", "threading", "asyncio", "trio")
}
SERVERS = {flavour: [PACKAGE / flavour / "server.py"] for flavour in ("asyncio", "trio")}


SILENT = (
    ast.Import, ast.ImportFrom, ast.Pass, ast.Break, ast.Continue, ast.Try,
    ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef,
)  # fmt: skip


class Anonymous(ast.NodeTransformer):
    """Takes away how things are called, and that they are awaited."""

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.copy_location(ast.Name("name", node.ctx), node)

    def visit_Await(self, node: ast.Await) -> ast.AST:
        return self.visit(node.value)  # type: ignore[no-any-return]


def statements(path: Path) -> list[str]:
    """What a module does, without the names of variables; blocks by their heads.

    Definitions are left out, as skins of one interface have the same methods; so are imports and documentation, and
    what says nothing by itself.
    """
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.stmt) or isinstance(node, SILENT):
            continue
        if isinstance(node, (ast.Expr, ast.Return)) and (node.value is None or isinstance(node.value, ast.Constant)):
            continue
        head = Anonymous().visit(ast.parse(ast.unparse(node)).body[0])
        for field in ("body", "orelse", "finalbody", "handlers"):
            if hasattr(head, field) and not isinstance(head, ast.Expr):
                setattr(head, field, [])
        found.append(ast.dump(head))
    return found


PAIRS = [
    pytest.param(side[one], side[other], id=f"{name}-{one}-{other}")
    for name, side in (("client", CLIENTS), ("server", SERVERS))
    for one, other in itertools.combinations(side, 2)
]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_two_skins_share_less_than_a_quarter_of_their_statements(one: list[Path], other: list[Path]) -> None:
    first, second = (Counter(s for path in paths for s in statements(path)) for paths in (one, other))
    shared = (first & second).total()
    smaller = min(first.total(), second.total())
    assert smaller > 50
    assert shared < smaller / 4, f"{shared} of {smaller}: {list(first & second)}"


def test_the_measure_sees_the_same_statements_under_other_names(tmp_path: Path) -> None:
    one, other = tmp_path / "one.py", tmp_path / "other.py"
    one.write_text("async def f(self):\n    x = await g(y)\n    if x:\n        return x.a\n")
    other.write_text("def f(self):\n    z = g(w)\n    if z:\n        return z.a\n")
    assert statements(one) == statements(other)
    other.write_text("def f(self):\n    z = g(w)\n    if not z:\n        return z.b\n")
    assert len(set(statements(one)) & set(statements(other))) == 1
