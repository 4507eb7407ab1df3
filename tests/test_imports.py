"""The walls between the layers: a module imports only from its own row and the rows below it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "caproto"

# From the bottom up.  A module may import from its own row and the rows in front of it.
ROWS: tuple[tuple[str, ...], ...] = (
    ("_version", "_errors", "_constants", "_layout", "_complaints", "_ids", "_ipv4", "_json5", "_text"),
    ("_codec", "_codec_py", "_codec_py_sinks", "_codec_py_values", "_wire"),
    (
        "_enums", "_status", "_environ", "_filters", "_headers", "_dbr", "_convert", "_backend",
        "_numpy_backend", "_array_backend", "_commands", "_data", "_log", "_utils", "_net", "_batch",
        "_callbacks", "_text",
    ),
    ("_state", "_pending", "_channel", "_circuit", "_broadcaster"),
    ("client", "server"),
    ("sync", "threading", "asyncio", "trio"),
    ("commandline", "ioc_examples", "__main__"),
)  # fmt: skip
SKINS = {"sync", "threading", "asyncio", "trio", "commandline", "ioc_examples", "__main__"}
FORBIDDEN_BELOW_SKINS = {
    "socket", "select", "selectors", "threading", "asyncio", "trio", "time", "subprocess", "multiprocessing",
    "concurrent", "psutil",
}  # fmt: skip
# (module, import): walls with a door, and why.
DOORS = {
    ("_net", "socket"): "the one place that knows addresses of this machine",
    ("_net", "psutil"): "lists the network interfaces",
    ("_utils", "*"): "re-exports for code that imports by this path; nothing of ours imports it",
    ("_dbr", "time"): "TimeStamp.now",
    ("_data", "time"): "the time stamp of a value that was given without one",
    ("server._scan", "time"): "what a run takes is subtracted from the period",
    ("server.records._scanner", "time"): "when records are due",
    ("server.stats", "time"): "how long the process runs",
    ("server.stats", "psutil"): "what the process uses of the machine",
    ("server.stats", "threading"): "how many threads there are",
    ("server.autosave", "threading"): "a lock: saves run in threads that skins give",
}


def row(module: str) -> int | None:
    """Number of the row ``caproto.<module>...`` is in; None for the package itself, on top of all."""
    first = module.split(".")[0]
    for number, names in enumerate(ROWS):
        if first in names:
            return number
    return None


def imports(path: Path) -> set[str]:
    """Absolute names of what ``path`` imports outside ``if TYPE_CHECKING``, also inside functions."""
    own = ("caproto", *path.relative_to(PACKAGE).with_suffix("").parts)
    package = own if own[-1] == "__init__" else own
    found: set[str] = set()
    for node in runtime_nodes(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level]) if node.level else ""
            module = ".".join(part for part in (base, node.module or "") if part)
            submodules = [alias.name for alias in node.names if is_module(f"{module}.{alias.name}")]
            if module != "caproto" or len(submodules) < len(node.names):
                found.add(module)
            if module.split(".")[0] == "caproto":
                found.update(f"{module}.{name}" for name in submodules)
    return found


def is_module(name: str) -> bool:
    if not name.startswith("caproto."):
        return False
    where = PACKAGE.joinpath(*name.split(".")[1:])
    return where.is_dir() or any(where.with_suffix(suffix).exists() for suffix in (".py", ".pyx"))


def runtime_nodes(tree: ast.AST) -> list[ast.AST]:
    found: list[ast.AST] = []
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        found.append(node)
        found += runtime_nodes(node)
    return found


MODULES = sorted(PACKAGE.rglob("*.py"))
BELOW_SKINS = [path for path in MODULES if path.relative_to(PACKAGE).parts[0].removesuffix(".py") not in SKINS]


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_only_downwards(path: Path) -> None:
    own = name_of(path)
    level = row(own)
    if own == "__init__" or (own.split(".")[0], "*") in DOORS:
        return
    assert level is not None, f"{own} is in no row of the design"
    for imported in imports(path):
        parts = imported.split(".")
        if parts[0] != "caproto":
            continue
        target = parts[1] if len(parts) > 1 else ""
        if not target:  # `from caproto import X` inside the package
            assert own.split(".")[0] in SKINS, f"{own} imports the whole package"
            continue
        above = row(target)
        assert above is not None, f"{own} imports caproto.{target}, which is in no row"
        assert above <= level, f"{own} (row {level}) imports caproto.{target} (row {above})"


@pytest.mark.parametrize("path", BELOW_SKINS, ids=name_of)
def test_nothing_below_the_skins_waits(path: Path) -> None:
    own = name_of(path)
    first = own.split(".")[0]
    allowed = {name for module, name in DOORS if module == first or own == module}
    if "*" in allowed:
        return
    used = {name.split(".")[0] for name in imports(path)} & FORBIDDEN_BELOW_SKINS
    assert not used - allowed, f"{own} imports {sorted(used - allowed)}"


@pytest.mark.parametrize("path", [p for p in BELOW_SKINS if row(name_of(p)) in (0, 1, 3)], ids=name_of)
def test_protocol_does_not_know_the_machine(path: Path) -> None:
    assert not {name for name in imports(path) if name in ("caproto._net", "caproto._environ_socket")}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_star_imports(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert all(alias.name != "*" for alias in node.names), f"line {node.lineno}"


@pytest.mark.parametrize(
    "path", [p for p in MODULES if row(name_of(p)) is not None and row(name_of(p)) < 5], ids=name_of
)
def test_numpy_is_never_imported_with_the_module(path: Path) -> None:
    for node in ast.parse(path.read_text()).body:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        assert not [name for name in names if name.split(".")[0] == "numpy"], f"line {node.lineno}"


def run_python(code: str, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *flags, "-c", code], capture_output=True, text=True, timeout=60, check=False)


def test_import_starts_and_prints_nothing() -> None:
    code = """
import sys, threading
before = set(threading.enumerate())
import caproto
assert set(threading.enumerate()) == before
heavy = {"numpy", "asyncio", "psutil", "trio", "multiprocessing", "concurrent.futures"} & set(sys.modules)
assert not heavy, heavy
"""
    done = run_python(code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("wish", ["cython", "python", "nonsense"])
def test_a_codec_asked_for_is_never_replaced(wish: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPROTO_CODEC", wish)
    done = run_python("import caproto; print(caproto.codec_name)")
    if done.returncode == 0:
        assert done.stdout.strip() == wish
    else:
        assert wish != "python"
        assert wish in done.stderr
        assert "Error" in done.stderr


def test_runs_without_numpy_and_psutil() -> None:
    code = """
import sys
sys.modules["numpy"] = None
sys.modules["psutil"] = None
import caproto
command = caproto.ReadNotifyResponse((1.5, 2.5), 6, 2, 1, 7)
commands, _ = caproto.VirtualCircuit(caproto.CLIENT, ("127.0.0.1", 5064), 0).recv(bytes(command))
assert list(commands[0].data) == [1.5, 2.5], commands
assert type(commands[0].data).__name__ == "Array", type(commands[0].data)
"""
    done = run_python(code)
    assert (done.returncode, done.stderr) == (0, "")
