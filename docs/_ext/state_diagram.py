"""Draw a state machine as SVG: states in a column, moves as arcs beside it."""

from __future__ import annotations

from html import escape

Edges = dict[tuple[str, str], list[str]]

BOX_WIDTH, BOX_HEIGHT, STEP = 250, 30, 84
LEFT, TOP, LANE = 20, 14, 46
STYLE = (
    "text{font:12px sans-serif;fill:currentColor}.box{fill:none;stroke:currentColor;stroke-width:1.5}"
    ".move{fill:none;stroke:currentColor;opacity:.6}.what{font-size:11px;opacity:.85}"
)
ARROW = (
    '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" '
    'orient="auto">'
    '<path d="M0 0 L8 4 L0 8 z" fill="currentColor"/></marker></defs>'
)


def draw(states: list[str], edges: Edges) -> str:
    """SVG of `states` from top to bottom; each edge runs in a lane of its own on the right."""
    row = {state: number for number, state in enumerate(states)}
    middle = {state: TOP + number * STEP + BOX_HEIGHT / 2 for state, number in row.items()}
    right = LEFT + BOX_WIDTH
    parts = []
    for state in states:
        top = middle[state] - BOX_HEIGHT / 2
        parts.append(
            f'<rect class="box" x="{LEFT}" y="{top}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="6"/>'
            f'<text x="{LEFT + BOX_WIDTH / 2}" y="{middle[state] + 4}" text-anchor="middle">'
            f"{escape(state)}</text>"
        )
    by_length = sorted(edges.items(), key=lambda item: abs(row[item[0][0]] - row[item[0][1]]))
    leaving: dict[str, int] = {}
    for lane, ((start, end), commands) in enumerate(by_length):
        leaving[start] = leaving.get(start, 0) + 1
        y1, y2 = middle[start] + 3 * leaving[start] - 6, middle[end] - 7
        x = right + 30 + lane * LANE
        label = ", ".join(commands)
        parts.append(
            f'<path class="move" d="M{right} {y1} H{x - 8} Q{x} {y1} {x} {y1 + (8 if y2 > y1 else -8)} '
            f'V{y2 - (8 if y2 > y1 else -8)} Q{x} {y2} {x - 8} {y2} H{right}" marker-end="url(#arrow)"/>'
            f'<text class="what" x="{x + 4}" y="{(y1 + y2) / 2 + 4}">{lane + 1}'
            f"<title>{escape(label)}</title></text>"
        )
    legend_x = right + 60 + len(edges) * LANE
    for lane, (_, commands) in enumerate(by_length):
        label = ", ".join(commands)
        parts.append(f'<text class="what" x="{legend_x}" y="{TOP + 14 + 18 * lane}">{lane + 1}: {escape(label)}</text>')
    longest = max((len(", ".join(commands)) for commands in edges.values()), default=0)
    width = legend_x + 30 + 7 * longest
    height = max(TOP * 2 + STEP * (len(states) - 1) + BOX_HEIGHT, TOP + 24 + 18 * len(edges))
    return (
        f'<div style="overflow-x:auto"><svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
        f'height="{height}" role="img"><style>{STYLE}</style>{ARROW}{"".join(parts)}</svg></div>'
    )
