"""Directives that print what the package knows as tables, so that the documentation cannot disagree with it.

``{caproto-states} circuit|channel``: a diagram and the transitions of both roles, from ``caproto._state``.
``{caproto-layout}``: the bytes of every DBR type, from ``caproto._layout``.
``{caproto-environment}``: the environment variables, from ``caproto._environ``.
``{caproto-statuses}``: the ECA codes, from ``caproto._status``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from state_diagram import Edges, draw


def table(head: Sequence[str], rows: Iterable[Sequence[str]], code: Sequence[int] = ()) -> nodes.table:
    """A docutils table; the columns in `code` are set as code."""

    def line(cells: Sequence[str], as_code: Sequence[int]) -> nodes.row:
        made = nodes.row()
        for number, cell in enumerate(cells):
            text = nodes.literal(text=cell) if number in as_code and cell else nodes.Text(cell)
            made += nodes.entry("", nodes.paragraph("", "", text))
        return made

    group = nodes.tgroup(cols=len(head))
    group += [nodes.colspec(colwidth=1) for _ in head]
    group += nodes.thead("", line(head, ()))
    group += nodes.tbody("", *[line(cells, code) for cells in rows])
    return nodes.table("", group, classes=["colwidths-auto"])


class States(SphinxDirective):
    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        from caproto import _state

        machine = {"circuit": _state.CIRCUIT, "channel": _state.CHANNEL}[self.arguments[0]]
        made: list[nodes.Node] = []
        for role, states in machine.items():
            edges: Edges = {}
            stays: list[tuple[str, str]] = []
            for state, moves in states.items():
                for command, after in moves.items():
                    if after is state:
                        stays.append((repr(state), command.__name__))
                    else:
                        edges.setdefault((repr(state), repr(after)), []).append(command.__name__)
            names = [repr(state) for state in states]
            made += [
                nodes.paragraph("", "", nodes.strong(text=f"{role!r}")),
                nodes.raw("", draw(names, edges), format="html"),
                table(
                    ("state", "command", "next state"),
                    [(a, ", ".join(commands), b) for (a, b), commands in edges.items()],
                    code=(0, 2),
                ),
                table(("state", "also legal, and changes nothing"), self.grouped(stays), code=(0,)),
            ]
        return made

    @staticmethod
    def grouped(stays: list[tuple[str, str]]) -> list[tuple[str, str]]:
        by_state: dict[str, list[str]] = {}
        for state, command in stays:
            by_state.setdefault(state, []).append(command)
        return [(state, ", ".join(sorted(commands))) for state, commands in by_state.items()]


class Layout(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        from caproto import _layout

        layouts: Any = _layout.LAYOUTS
        rows = []
        for layout in layouts.values() if isinstance(layouts, dict) else layouts:
            members = ", ".join(f"{m.name} {m.format}@{m.offset}" for m in layout.members)
            rows.append((str(layout.dbr), layout.name, members, str(layout.value_offset), str(layout.item_size)))
        return [table(("id", "name", "metadata: name, format @ offset", "value at", "element bytes"), rows, (1,))]


class Environment(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        from caproto import _environ

        rows = []
        for name, variable in _environ.VARIABLES.items():
            rows.append((name, str(variable.default), variable.meaning))
        return [table(("variable", "default", "meaning"), rows, code=(0,))]


class Statuses(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        from caproto import CAStatus, status_hint

        rows = []
        for status in CAStatus:
            value = status.value
            text = f"{value.description} {status_hint(value)}".strip()
            rows.append((value.name, str(value.code_with_severity), value.severity.name, text))
        return [table(("name", "on the wire", "severity", "meaning"), rows, code=(0,))]


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("caproto-states", States)
    app.add_directive("caproto-layout", Layout)
    app.add_directive("caproto-environment", Environment)
    app.add_directive("caproto-statuses", Statuses)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
