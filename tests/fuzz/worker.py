"""Feed bytes to the library and write down what came of it: one JSON line in, one JSON line out.

Run as a process of its own, because the codec is chosen once per process (``CAPROTO_CODEC``).
"""

from __future__ import annotations

import ctypes
import json
import sys
from collections.abc import Callable
from typing import Any

import caproto
from caproto._commands import read_datagram

ROLES = {"client": caproto.CLIENT, "server": caproto.SERVER}


def guarded(call: Callable[[], Any]) -> Any:
    """The result as text, or an error of our own tree as type and text; other exceptions pass."""
    try:
        return plain(call())
    except caproto.CaprotoError as error:
        return [type(error).__name__, str(error)]


def plain(value: Any) -> str:
    """A value as text that does not depend on which library holds it."""
    if isinstance(value, ctypes.Structure):
        value = bytes(value)
    if hasattr(value, "tolist"):
        value = value.tolist()
    return repr(value)


def describe(command: Any) -> dict[str, Any]:
    """All that a user can see of ``command``."""
    header = command.header
    parts = ("command", "payload_size", "data_type", "data_count", "parameter1", "parameter2")
    seen: dict[str, Any] = {
        "class": type(command).__name__,
        "header": [getattr(header, part) for part in parts],
        "bytes": bytes(command).hex(),
        "length": len(command),
        "repr": guarded(lambda: repr(command)),
    }
    for name in sorted(name for name in dir(type(command)) if not name.startswith("_")):
        if name in ("header", "buffers") or callable(getattr(type(command), name, None)):
            continue
        seen[name] = guarded(lambda name=name: getattr(command, name))
    metadata = seen.get("metadata") not in (None, "None") and guarded_object(command, "metadata")
    if metadata:
        names = sorted(name for name in dir(metadata) if not name.startswith("_"))
        seen["metadata"] = {name: member(metadata, name) for name in names if not name.startswith("_")}
    seen["metadata"] = seen.get("metadata")
    return seen


def guarded_object(command: Any, name: str) -> Any:
    try:
        return getattr(command, name)
    except caproto.CaprotoError:
        return None


def member(metadata: Any, name: str) -> Any:
    try:
        value = getattr(metadata, name)
    except AttributeError as error:
        return ["AttributeError", str(error)]
    return None if callable(value) else plain(value)


def stream(role: str, pieces: list[bytes], process: bool) -> dict[str, Any]:
    """``pieces`` sent by ``role``, received one after the other."""
    mine = caproto.SERVER if role == "client" else caproto.CLIENT
    circuit = caproto.VirtualCircuit(our_role=mine, address=("127.0.0.1", 5064), priority=0)
    commands: list[Any] = []
    processed: list[Any] = []
    error: Any = None
    needed = 0
    for piece in [*pieces, None]:
        try:
            if piece is None:
                piece = bytes(16)  # a message more shows an error that was put off until the next chunk
            received, needed = circuit.recv(piece)
        except caproto.CaprotoError as failure:
            error = [type(failure).__name__, str(failure)]
            break
        commands += received
        if process:
            processed += [guarded(lambda command=command: circuit.process_command(command)) for command in received]
    states = [repr(circuit.states[caproto.CLIENT]), repr(circuit.states[caproto.SERVER])]
    return {
        "commands": [describe(command) for command in commands if command is not caproto.DISCONNECTED],
        "processed": processed,
        "error": error,
        "needed": needed,
        "states": states,
    }


def datagram(role: str, data: bytes) -> dict[str, Any]:
    address = ("127.0.0.1", 5064)
    try:
        commands = list(read_datagram(data, address, ROLES[role]))
    except caproto.CaprotoError as error:
        return {"error": [type(error).__name__, str(error)]}
    other = caproto.Broadcaster(our_role=caproto.SERVER if role == "client" else caproto.CLIENT)
    processed = guarded(lambda: other.process_commands(other.recv(data, address)))
    return {"commands": [describe(command) for command in commands], "processed": processed, "error": None}


def answer(case: dict[str, Any]) -> dict[str, Any]:
    if case["what"] == "datagram":
        return datagram(case["role"], bytes.fromhex(case["data"]))
    return stream(case["role"], [bytes.fromhex(piece) for piece in case["pieces"]], case["process"])


def main() -> None:
    print(json.dumps({"codec": caproto.codec_name}), flush=True)
    for line in sys.stdin:
        try:
            result = answer(json.loads(line))
        except Exception as error:  # noqa: BLE001 - reported to the test, which fails on it
            import traceback

            result = {"foreign": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()}
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
