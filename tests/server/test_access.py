"""Access security files: groups, rules, calculations, and rights that change while clients are connected."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

import caproto._commands as ca
from caproto._data import ChannelDouble
from caproto._errors import CaprotoValueError
from caproto.server import PVGroup, pvproperty
from caproto.server._access import AccessSecurity
from caproto.server._calc import parse_expression
from caproto.server._engine import ServerEngine
from caproto.server._runtime import load_access
from tests.server.talk import Client, Loop, Pause

RULES = """
# operators may write unless the beam is on
UAG(operators) {alice, "bob"}
UAG(user) {user}
HAG(control) {ControlRoom, localhost}
ASG(DEFAULT) { RULE(1, READ) RULE(1, WRITE, TRAPWRITE) { UAG(operators) HAG(control) } }
ASG(closed)
ASG(beam) {
    INPA("beam:on.VAL")
    RULE(1, READ)
    RULE(0, WRITE) { UAG(operators, user) CALC("A=0") }
}
"""
HOSTS = {"controlroom": "10.0.0.5", "localhost": "127.0.0.1"}


class Pv(ChannelDouble):
    def __init__(self, asg: str | None = None, asl: int = 0) -> None:
        super().__init__(value=0.0)
        self.asg, self.asl = asg, asl


@pytest.mark.parametrize(
    ("asg", "host", "address", "user", "trusted", "rights"),
    [
        (None, "controlroom", "10.0.0.5", "alice", False, 3),
        (None, "controlroom", "10.0.0.6", "alice", False, 1),  # it only claims to be there
        (None, "ControlRoom", "10.0.0.6", "alice", True, 3),
        (None, "controlroom", "10.0.0.5", "eve", False, 1),
        ("unknown", "x", "127.0.0.1", "bob", False, 3),
        ("closed", "controlroom", "10.0.0.5", "alice", False, 0),
    ],
)
def test_rules(asg: str | None, host: str, address: str, user: str, trusted: bool, rights: int) -> None:
    access = AccessSecurity(RULES, resolve=None if trusted else HOSTS.__getitem__)
    assert access.rights(Pv(asg), host, address, user) == rights


def test_hosts_without_address_are_told(caplog: pytest.LogCaptureFixture) -> None:
    def resolve(host: str) -> str:
        if host == "gone":
            raise OSError("not known")
        return "10.0.0.5"

    access = AccessSecurity("HAG(a) {gone, here} ASG(DEFAULT) { RULE(1, READ) { HAG(a) } }", resolve=resolve)
    assert access.rights(Pv(), "gone", "10.0.0.5", "") == 1
    assert [record.message for record in caplog.records] == [
        "HAG(a): no client is on gone, which has no address: not known"
    ]


@pytest.mark.parametrize(("check", "rights"), [("", 1), ("YES", 1), ("NO", 3)])
def test_hosts_that_clients_claim_are_believed_if_the_ioc_is_asked_to(
    check: str, rights: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAPROTO_CHECK_CLIENT_IP", check)
    (tmp_path / "rules.acf").write_text("HAG(them) {host} ASG(DEFAULT) { RULE(1, READ) RULE(1, WRITE) { HAG(them) } }")
    access = load_access(tmp_path / "rules.acf")
    client = Client(ServerEngine({"x": ChannelDouble(value=0.0)}, port=5064, spawn=Loop().spawn, access=access))
    assert client.ask(ca.CreateChanRequest("x", 1, 13))[0] == ca.AccessRightsResponse(1, rights)


def test_what_other_versions_know_is_left_out_with_the_rule_that_has_it(caplog: pytest.LogCaptureFixture) -> None:
    access = AccessSecurity(
        """
        AUTHORITY(lab) { "Root" { "\\"Inner\\"" } }
        UAG(nobody)
        ASG(DEFAULT) {
            RULE(2, READ)
            RULE(1, WRITE) { METHOD("x509") AUTHORITY(lab) }
            RULE(1, RPC) RULE(1, WRITE) { UAG(nobody) }
        }
        """
    )
    assert access.rights(Pv(), "", "", "alice") == 1
    lines = [(record.levelname, int(record.message.split(":")[0].split()[-1])) for record in caplog.records]
    assert lines == [("WARNING", 2), ("WARNING", 6), ("WARNING", 6), ("WARNING", 7)]


def test_levels() -> None:
    access = AccessSecurity("ASG(DEFAULT) { RULE(1, READ) RULE(0, WRITE) }")
    assert [access.rights(Pv(asl=level), "", "", "") for level in (0, 1)] == [3, 1]


def test_without_default_group_nothing_is_granted() -> None:
    assert AccessSecurity("ASG(other) { RULE(1, WRITE) }").rights(Pv(), "", "", "") == 0


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("ASG(a) { RULE(1, READ, FLY) }", "line 1.*FLY"),
        ("\nASG(a) { RULE(-1, READ) }", "line 2"),
        ("# nothing\n", "nothing in it"),
        ("UAG(a) {b} UAG(a) {c}", r"UAG\(a\) is defined twice"),
        ("ASG(a) { RULE(1, WRITE) { UAG() } }", "names no group"),
        ("ASG(a) { RULE(1, WRITE) { # UAG(b)\n } }", "UAG, HAG or CALC expected"),
        ("METHOD(a) { b { c }", "the end"),
        ("ASG(a) { RULE(1, READ) { UAG(none) } }", r"UAG\(none\) is not defined"),
        ('ASG(a) { RULE(1, READ) { CALC("A+") } }', "line 1: .*ends too early"),
        ("UAG(a) {b", "'}' expected"),
        ("GAU a {b}", "GAU"),
        ('UAG("a) {b}', "quote"),
        ("ASG(a) { INPZ(x) }", "INPZ"),
    ],
)
def test_mistakes_are_told_with_their_line(text: str, problem: str) -> None:
    with pytest.raises(CaprotoValueError, match=problem):
        AccessSecurity(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [("A=1", 1), ("A = 2", 0), ("A<2 && B>=5", 1), ("(A+B)*2", 12), ("-A+2*B", 9), ("2^3^2", 64),
     ("!A||B", 1), ("A?B:3", 5), ("7%4", 3), ("1|1&&0", 1), ("B>2=A", 1), ("1<<4", 16),
     ("a OR 6", 7), ("NOT 0", -1), ("MAX(A,B,2)", 5), ("ABS -B", 5), ("NINT(2.5)", 3), ("ISNAN(0/0,A)", 1),
     ("0x10", 16), ("COS PI", -1), ("A/0>B", 1), ("A#1", 0), ("6&3", 2), ("1e3+.5", 1000.5), ("~0", -1), ("2--1", 3)],
)  # fmt: skip
def test_calculations(text: str, value: float) -> None:
    assert parse_expression(text)({"A": 1.0, "B": 5.0}) == value


@pytest.mark.parametrize("text", ["", "A B", "1 +", "(A", "A)", "foo", "A;B", "$", "(" * 100 + "A", "-" * 5000 + "A"])
def test_what_is_no_calculation(text: str) -> None:
    with pytest.raises(CaprotoValueError, match="CALC"):
        parse_expression(text)


@pytest.mark.parametrize("text", ["0/0", "A%0", "(0-A)^.5", "MIN(A,0/0)"])
def test_what_is_not_a_number(text: str) -> None:
    assert math.isnan(parse_expression(text)({"A": 1.0}))


@pytest.mark.parametrize(
    ("calc", "rights"),
    [("A=1", 3), ("A=1||B=0", 0), ("C=1", 0), ("A=1&&D=0", 3), ("E=2", 3)],
)
def test_only_the_inputs_of_a_rule_count(calc: str, rights: int) -> None:
    class Invalid(PVGroup):
        a = pvproperty(value=1.0, record="ao", precision=2)
        b = pvproperty(value=0.0, record="ao")

    group = Invalid(prefix="")
    with pytest.raises(StopIteration):
        group.b.write(0.0, severity=3).send(None)
    inputs = 'INPA(a) INPB(b) INPC(nowhere) INPE("a.PREC")'
    access = AccessSecurity(f'ASG(DEFAULT) {{ {inputs} RULE(1, WRITE) {{ CALC("{calc}") }} }}')
    access.connect(group.pvdb, lambda: None)
    assert access.rights(Pv(), "", "", "") == rights


def test_rights_follow_the_inputs_while_clients_are_connected() -> None:
    pvdb: Any = {"beam:on": ChannelDouble(value=0.0), "shutter": Pv("beam")}
    engine = ServerEngine(pvdb, port=5064, spawn=Loop().spawn, access=AccessSecurity(RULES, resolve=HOSTS.__getitem__))
    client = Client(engine)
    rights, created = client.ask(ca.CreateChanRequest("shutter", 5, 13))
    assert rights == ca.AccessRightsResponse(5, 3)
    write = ca.WriteNotifyRequest((1.0,), 6, 1, created.sid, 8)
    assert client.ask(write)[0].status.name == "ECA_NORMAL"
    with pytest.raises(StopIteration):
        pvdb["beam:on"].write(1.0).send(None)
    assert client.answers() == [ca.AccessRightsResponse(5, 1)]
    assert client.ask(write)[0].status.name == "ECA_NOWTACCESS"
    with pytest.raises(StopIteration):
        pvdb["beam:on"].write(0.0, severity=3).send(None)
    assert client.answers() == []  # an input that is not valid grants nothing
    with pytest.raises(StopIteration):
        pvdb["beam:on"].write(0.0, severity=0).send(None)
    assert client.answers() == [ca.AccessRightsResponse(5, 3)]


def test_reads_that_wait_for_a_hook_see_the_rights_of_their_turn() -> None:
    class Slow(ChannelDouble):
        async def read(self, data_type: Any) -> Any:
            await Pause()
            return await super().read(data_type)

    pvdb: Any = {"on": ChannelDouble(value=0.0), "slow": Slow(value=4.0)}
    loop = Loop()
    access = AccessSecurity('ASG(DEFAULT) { INPA(on) RULE(1, READ) { CALC("A=0") } }')
    client = Client(ServerEngine(pvdb, port=5064, spawn=loop.spawn, access=access))
    sid = client.create("slow")
    client.send(ca.ReadNotifyRequest(6, 1, sid, 1), ca.ReadNotifyRequest(6, 1, sid, 2))
    loop.step()
    with pytest.raises(StopIteration):
        pvdb["on"].write(1.0).send(None)
    for _ in range(3):
        loop.step()
    rights, *reads = client.answers()
    assert int(rights.access_rights) == 0
    assert [(read.ioid, read.status.name) for read in reads] == [(1, "ECA_NORMAL"), (2, "ECA_NORDACCESS")]


def test_inputs_that_make_no_difference_have_no_rights_looked_at_again() -> None:
    pvdb: Any = {"beam:on": ChannelDouble(value=0.0)}
    access = AccessSecurity(RULES, resolve=HOSTS.__getitem__)
    told: list[float] = []
    access.connect(pvdb, lambda: told.append(pvdb["beam:on"].value))
    for value in (2.0, 3.0, 4.0, 0.0):
        with pytest.raises(StopIteration):
            pvdb["beam:on"].write(value).send(None)
    assert told == [2.0, 0.0]
