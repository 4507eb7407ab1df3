"""Make ``caproto/server/records/tables`` from the database definitions of EPICS Base.

Run it after an update of ``epicscorelibs``, then look at what changed::

    python scripts/record_tables.py [DIRECTORY OF .dbd FILES]

``motor`` and ``asyn`` are not part of Base; their tables are written by hand.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TABLES = ROOT / "caproto" / "server" / "records" / "tables"
HEAD = '"""{title}; made by scripts/record_tables.py from EPICS Base {version}, do not edit."""\n'

# Attributes that do not follow from the prompt, because users know them by another name.
ATTRIBUTES = {
    "ACKS": "alarm_acknowledge_severity",
    "ACKT": "alarm_acknowledge_transient",
    "DESC": "description",
    "DISS": "disable_alarm_severity",
    "DOL": "desired_output_loc",
    "FLNK": "forward_link",
    "PROC": "process_record",
    "SCAN": "scan_rate",
    "SEVR": "current_alarm_severity",
    "UDFS": "undefined_alarm_severity",
    "VAL": "value",
}
ATTRIBUTES_OF_TYPES = {
    ("calc", "HOPR"): "high_operating_range",
    ("calcout", "HOPR"): "high_operating_range",
    ("sel", "HOPR"): "high_operating_range",
    ("compress", "INX"): "compressed_array_inx",
}

LINE = 121  # with its end
Rows = list[tuple[object, ...]]


def dbd_directory() -> Path:
    """Where ``epicscorelibs`` keeps its definitions."""
    from epicscorelibs.path import base_path

    return Path(base_path) / "dbd"


def read(path: Path) -> str:
    """The text of a file without comments and C code, with what it includes."""
    lines = []
    for line in path.read_text().splitlines():
        include = re.match(r'\s*include\s+"(.+?)(?:\.pod)?"', line)
        if include:
            lines.append(read(path.parent / include[1]))
        elif not line.lstrip().startswith(("%", "#")):
            lines.append(re.sub(r'#[^"]*$', "", line))
    return "\n".join(lines)


def blocks(text: str, word: str) -> list[tuple[str, str]]:
    """(argument, body) of every ``word(argument) { body }``."""
    found = []
    for match in re.finditer(rf"\b{word}\s*\(\s*([^)]*?)\s*\)\s*\{{", text):
        depth, end = 1, match.end()
        quoted = False
        while depth:
            character = text[end]
            quoted ^= character == '"'
            depth += 0 if quoted else {"{": 1, "}": -1}.get(character, 0)
            end += 1
        found.append((match[1], text[match.end() : end - 1]))
    return found


def options(body: str) -> dict[str, str]:
    """What stands in a field: ``word(value)``, with or without quotes."""
    return {
        word: quoted or plain
        for word, quoted, plain in re.findall(r'(\w+)\s*\(\s*(?:"((?:[^"\\]|\\.)*)"|([^")]*?))\s*\)', body)
    }


def attribute(record: str, field: str, prompt: str) -> str:
    """The Python name of a field."""
    name = ATTRIBUTES_OF_TYPES.get((record, field)) or ATTRIBUTES.get(field)
    if name is None:
        name = re.sub(r"\W+", "_", re.sub(r"\(.*?\)", "", prompt).lower()).strip("_")
    return f"{field.lower()}_{name}" if name[:1].isdigit() or not name else name


def fields(record: str, text: str) -> Rows:
    """(name, attribute, type, menu, initial, size, flags, prompt) of every field, in their order."""
    rows: Rows = []
    taken: set[str] = set()
    for argument, body in blocks(text, "field"):
        name, kind = (part.strip() for part in argument.split(","))
        have = options(body)
        special = have.get("special", "").removeprefix("SPC_")
        if kind == "DBF_NOACCESS" and special != "DBADDR" and name != "TIME":
            continue  # inside of the record only, no client can reach it
        flags = [special] if special else []
        flags += [word.upper() for word, on in (("pp", "TRUE"), ("prop", "YES")) if have.get(word) == on]
        flags += ["ASL0"] if have.get("asl") == "ASL0" else []
        attr = attribute(record, name, have.get("prompt", name))
        if attr in taken:
            attr = f"{attr}_{name.lower()}"
        taken.add(attr)
        size = int(have.get("size", 0))
        initial = have.get("initial", "")
        kind = kind.removeprefix("DBF_")
        rows.append((name, attr, kind, have.get("menu", ""), initial, size, " ".join(flags), have.get("prompt", "")))
    return rows


def member(menu: str, identifier: str, label: str) -> str:
    """The Python name of a menu's choice."""
    name = identifier[len(menu) :] if identifier.startswith(menu) else re.sub(r"\W", "_", label)
    if menu == "menuScan":
        name = re.sub(r"^_(?=\d)", "point_", name)
        return f"scan_{name}" if "second" in name else name
    return name.lstrip("_")


def version() -> str:
    """The version of EPICS Base that the definitions come from."""
    from epicscorelibs.version import version as text

    return ".".join(str(text).split(".")[:3])


def lines(name: str, rows: Rows) -> str:
    """An assignment of one row per line, broken where the formatter breaks it."""
    body = ""
    for row in rows:
        items = [quote(item) for item in row]
        line = f"    ({', '.join(items)}),\n"
        body += line if len(line) <= LINE else "    (\n" + "".join(f"        {item},\n" for item in items) + "    ),\n"
    return f"{name} = (\n{body})\n" if rows else f"{name} = ()\n"


def quote(item: object) -> str:
    """A literal in the way the formatter writes it."""
    if not isinstance(item, str):
        return repr(item)
    text = item.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def render(directory: Path) -> dict[str, str]:
    """The text of every generated file, by its name."""
    where = version()
    common = fields("common", read(directory / "dbCommon.dbd"))
    own = {row[0] for row in common}
    files = {"common.py": HEAD.format(title="Fields that every record has", version=where)}
    files["common.py"] += "\n" + lines("FIELDS", common)
    everything = "\n".join(read(path) for path in sorted(directory.glob("*.dbd")) if path.name != "qsrv.dbd")
    devices: dict[str, list[str]] = {}
    soft = read(directory / "devSoft.dbd")
    for record, label in re.findall(r'device\(\s*(\w+)\s*,[^"]*"(.*?)"\s*\)', soft):
        devices.setdefault(record, []).append(label)
    for path in sorted(directory.glob("*Record.dbd")):
        if path.name == "dbCommonRecord.dbd":
            continue
        text = read(path)
        ((record, body),) = blocks(text, "recordtype")
        rows = [row for row in fields(record, body) if row[0] not in own]
        title = f"Fields of a {record} record" if record[0] not in "aeio" else f"Fields of an {record} record"
        choices = ", ".join(quote(label) for label in devices.get(record, []))
        comma = "," if len(devices.get(record, [])) == 1 else ""
        text = HEAD.format(title=title, version=where) + "\n" + lines("FIELDS", rows)
        files[f"{record}.py"] = text + f"DEVICES: tuple[str, ...] = ({choices}{comma})\n"
    menus: Rows = []
    for menu, body in dict(blocks(everything, "menu")).items():
        choices_of = re.findall(r'choice\(\s*(\w+)\s*,\s*"(.*?)"\s*\)', body)
        menus.append((menu, *(pair for name, label in choices_of for pair in (member(menu, name, label), label))))
    text = HEAD.format(title="Menus", version=where)
    text += "\n# Name, then for each choice its Python name and its text.\n"
    files["menus.py"] = text + menu_lines(menus)
    return files


def menu_lines(menus: Rows) -> str:
    """One menu per entry, one choice per line, as the formatter likes it."""
    parts = []
    for name, *rest in sorted(menus, key=str):
        pairs = [f"({quote(a)}, {quote(b)})" for a, b in zip(rest[::2], rest[1::2], strict=True)]
        parts.append(f"    {quote(name)}: (\n" + "".join(f"        {pair},\n" for pair in pairs) + "    ),\n")
    return "MENUS = {\n" + "".join(parts) + "}\n"


def main() -> None:
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else dbd_directory()
    for name, text in render(directory).items():
        (TABLES / name).write_text(text)


if __name__ == "__main__":
    main()
