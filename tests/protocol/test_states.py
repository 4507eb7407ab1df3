"""Every (role, state, command) of the tables, against the rules of section 11 written out a second time."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

import caproto
from caproto import CLIENT, SERVER
from caproto._state import CHANNEL, CIRCUIT, INITIAL_CHANNEL, INITIAL_CIRCUIT, ON_CIRCUIT, CircuitState

CIRCUIT_COMMANDS = {cls.__name__ for cls in ON_CIRCUIT}
DATAGRAM_ONLY = {"RepeaterRegisterRequest", "RepeaterConfirmResponse", "Beacon"}

# role: {state: {command: next state}}; "*" is every command that may travel over TCP.
EXPECTED_CIRCUIT: dict[str, dict[str, dict[str, str]]] = {
    "CLIENT": {
        # Nothing goes out in front of our VERSION; the server's may come at any time.
        "SEND_VERSION_REQUEST": {"VersionRequest": "AWAIT_VERSION_RESPONSE", "VersionResponse": "GREETED"},
        "GREETED": {"VersionResponse": "GREETED", "VersionRequest": "CONNECTED"},
        # Some servers speak only after they heard the client, so it does not wait.
        "AWAIT_VERSION_RESPONSE": {"*": "AWAIT_VERSION_RESPONSE", "VersionResponse": "CONNECTED"},
        "CONNECTED": {"*": "CONNECTED"},
        "MUST_CLOSE": {},
        "DISCONNECTED": {},
    },
    "SERVER": {
        # Anything in front of the client's VERSION is answered with ERROR, and a later VERSION heals it.
        "IDLE": {
            "VersionRequest": "SEND_VERSION_RESPONSE",
            "VersionResponse": "GREETED",
            "ErrorResponse": "IDLE",
        },
        "GREETED": {"VersionResponse": "GREETED", "VersionRequest": "CONNECTED", "ErrorResponse": "GREETED"},
        "SEND_VERSION_RESPONSE": {"*": "SEND_VERSION_RESPONSE", "VersionResponse": "CONNECTED"},
        "CONNECTED": {"*": "CONNECTED"},
        "MUST_CLOSE": {},
        "DISCONNECTED": {},
    },
}

REQUESTS = {
    "ReadRequest", "ReadNotifyRequest", "WriteRequest", "WriteNotifyRequest", "EventAddRequest",
    "EventCancelRequest",
}  # fmt: skip
ANSWERS = {
    "ReadResponse", "ReadNotifyResponse", "WriteNotifyResponse", "EventAddResponse", "EventCancelResponse",
    "AccessRightsResponse", "ErrorResponse",
}  # fmt: skip
IN_USE = {
    **dict.fromkeys(REQUESTS | ANSWERS, "CONNECTED"),
    "CreateChanResponse": "CONNECTED",  # again: ignored, logged
    "ClearChannelRequest": "MUST_CLOSE",
    "ServerDisconnResponse": "CLOSED",
}
CLEARING = {
    **dict.fromkeys(ANSWERS, "MUST_CLOSE"),  # late ones are discarded
    "CreateChanResponse": "MUST_CLOSE",
    "ClearChannelResponse": "CLOSED",
    "ServerDisconnResponse": "CLOSED",
}
OPENING = {
    "CreateChanResponse": "CONNECTED",
    "CreateChFailResponse": "FAILED",
    "ServerDisconnResponse": "CLOSED",
    "ErrorResponse": "FAILED",
}
EXPECTED_CHANNEL: dict[str, dict[str, dict[str, str]]] = {
    "CLIENT": {
        "SEND_CREATE_CHAN_REQUEST": {"CreateChanRequest": "AWAIT_CREATE_CHAN_RESPONSE"},
        "AWAIT_CREATE_CHAN_RESPONSE": {"AccessRightsResponse": "AWAIT_CREATE_CHAN_RESPONSE", **OPENING},
        "CONNECTED": IN_USE,
        "MUST_CLOSE": CLEARING,
        "FAILED": {"CreateChanRequest": "AWAIT_CREATE_CHAN_RESPONSE"},
        "CLOSED": {},
    },
    "SERVER": {
        "IDLE": {"CreateChanRequest": "SEND_CREATE_CHAN_RESPONSE"},
        "SEND_CREATE_CHAN_RESPONSE": {"AccessRightsResponse": "SEND_CREATE_CHAN_RESPONSE", **OPENING},
        "CONNECTED": IN_USE,
        "MUST_CLOSE": CLEARING,
        "FAILED": {"CreateChanRequest": "SEND_CREATE_CHAN_RESPONSE"},
        "CLOSED": {},
    },
}
TABLES: dict[str, tuple[Any, dict[str, dict[str, dict[str, str]]]]] = {
    "circuit": (CIRCUIT, EXPECTED_CIRCUIT),
    "channel": (CHANNEL, EXPECTED_CHANNEL),
}
COMMANDS = {
    cls
    for cls in vars(caproto).values()
    if isinstance(cls, type) and issubclass(cls, caproto.Message) and cls.__name__ != "Message"
} | set(ON_CIRCUIT)
TRIPLES = [
    pytest.param(kind, role, state, command, id=f"{kind}-{role}-{state}-{command.__name__}")
    for kind, (_, expected) in TABLES.items()
    for role, states in expected.items()
    for state, command in itertools.product(states, sorted(COMMANDS, key=lambda cls: cls.__name__))
]


def named(states: dict[Any, Any], name: str) -> Any:
    (found,) = (state for state in states if repr(state) == name)
    return found


@pytest.mark.parametrize(("kind", "role", "state", "command"), TRIPLES)
def test_transition(kind: str, role: str, state: str, command: Any) -> None:
    table, expected = TABLES[kind]
    rules = expected[role][state]
    want = rules.get(command.__name__)
    if want is None and "*" in rules and command.__name__ in CIRCUIT_COMMANDS:
        want = rules["*"]
    states = table[named(table, role)]
    have = states[named(states, state)].get(command)
    assert (None if have is None else repr(have)) == want


@pytest.mark.parametrize("kind", TABLES)
def test_tables_have_no_other_states(kind: str) -> None:
    table, expected = TABLES[kind]
    have = {repr(role): {repr(state) for state in states} for role, states in table.items()}
    assert have == {role: set(states) for role, states in expected.items()}


@pytest.mark.parametrize(
    ("table", "initial", "from_outside"),
    [(CIRCUIT, INITIAL_CIRCUIT, {"MUST_CLOSE", "DISCONNECTED"}), (CHANNEL, INITIAL_CHANNEL, set())],
    ids=["circuit", "channel"],
)
def test_every_state_can_be_reached(table: Any, initial: Any, from_outside: set[str]) -> None:
    """MUST_CLOSE and DISCONNECTED of a circuit are entered by lost framing and by the end of the stream."""
    for role in (CLIENT, SERVER):
        reached, open_ends = set(), [initial[role]]
        while open_ends:
            state = open_ends.pop()
            if state not in reached:
                reached.add(state)
                open_ends += table[role][state].values()
        assert {repr(state) for state in set(table[role]) - reached} <= from_outside


def test_no_datagram_command_travels_over_a_circuit() -> None:
    assert not CIRCUIT_COMMANDS & DATAGRAM_ONLY
    recorded = {cls.__name__ for cls in COMMANDS}
    assert recorded - DATAGRAM_ONLY <= CIRCUIT_COMMANDS


def test_illegal_for_one_role_is_illegal() -> None:
    states = CircuitState()
    assert states.after(caproto.EchoRequest) is None
    after = states.after(caproto.VersionRequest)
    assert after is not None
    assert {repr(role): repr(state) for role, state in after.states.items()} == {
        "CLIENT": "AWAIT_VERSION_RESPONSE",
        "SERVER": "SEND_VERSION_RESPONSE",
    }
    assert states == INITIAL_CIRCUIT
