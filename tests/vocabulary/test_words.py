"""Errors, constants, enumerations and status codes."""

from __future__ import annotations

import copy
import enum
import pickle
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caproto import _constants, _enums, _errors, _status
from caproto._enums import AccessRights, ChannelType, Sentinel
from caproto._status import CASeverity, CAStatus, status_from_code, status_hint, status_to_code

ERRORS = [getattr(_errors, name) for name in _errors.__all__ if name != "SkipWrite"]
SENTINELS = [thing for thing in vars(_enums).values() if isinstance(thing, Sentinel)]

# Numbers, severities and wire codes as the protocol reference prints them, for a sample of all severities.
PRINTED = {
    "ECA_NORMAL": (0, "SUCCESS", 1),
    "ECA_MAXIOC": (1, "ERROR", 10),
    "ECA_ALLOCMEM": (6, "WARNING", 48),
    "ECA_TOLARGE": (9, "WARNING", 72),
    "ECA_BADTYPE": (14, "ERROR", 114),
    "ECA_CHIDNOTFND": (15, "INFO", 123),
    "ECA_INTERNAL": (17, "FATAL", 142),
    "ECA_GETFAIL": (19, "WARNING", 152),
    "ECA_PUTFAIL": (20, "WARNING", 160),
    "ECA_BADCOUNT": (22, "WARNING", 176),
    "ECA_DISCONN": (24, "WARNING", 192),
    "ECA_BADMONID": (30, "ERROR", 242),
    "ECA_NEWCONN": (32, "INFO", 259),
    "ECA_DEFUNCT": (34, "FATAL", 278),
    "ECA_IODONE": (42, "INFO", 339),
    "ECA_PUTCBINPROG": (45, "ERROR", 362),
    "ECA_NOWTACCESS": (47, "WARNING", 376),
    "ECA_BADCHID": (51, "ERROR", 410),
    "ECA_16KARRAYCLIENT": (58, "WARNING", 464),
    "ECA_UNRESPTMO": (60, "WARNING", 480),
}
# Not marked as defunct in the reference.
CURRENT = """NORMAL ALLOCMEM TOLARGE TIMEOUT BADTYPE INTERNAL GETFAIL PUTFAIL BADCOUNT BADSTR DISCONN DBLCHNL
EVDISALLOW BADMONID BADMASK IODONE IOINPROGRESS BADSYNCGRP PUTCBINPROG NORDACCESS NOWTACCESS ANACHRONISM
NOSEARCHADDR NOCONVERT BADCHID BADFUNCPTR ISATTACHED UNAVAILINSERV CHANDESTROY BADPRIORITY NOTTHREADED
16KARRAYCLIENT CONNSEQTMO UNRESPTMO"""


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: e.__name__)
def test_every_error_is_a_caproto_error_and_shows_its_text(error: type[Exception]) -> None:
    assert issubclass(error, _errors.CaprotoError)
    assert str(error("PV 'x' is away")) == "PV 'x' is away"
    assert pickle.loads(pickle.dumps(error("a"))).args == ("a",)


@pytest.mark.parametrize("builtin", [AttributeError, KeyError, TypeError, ValueError, RuntimeError, TimeoutError])
def test_errors_are_what_their_names_say(builtin: type[Exception]) -> None:
    ours = getattr(_errors, f"Caproto{builtin.__name__}")
    with pytest.raises(builtin):
        raise ours("text")


def test_who_broke_the_rules_can_be_told_apart() -> None:
    assert not issubclass(_errors.LocalProtocolError, _errors.RemoteProtocolError)
    assert issubclass(_errors.LocalProtocolError, _errors.ProtocolError)
    assert issubclass(_errors.RemoteProtocolError, _errors.ProtocolError)
    assert not issubclass(_errors.SkipWrite, _errors.CaprotoError)


@pytest.mark.parametrize("module", [_constants, _enums, _errors, _status], ids=lambda m: m.__name__)
def test_all_lists_what_there_is(module: object) -> None:
    names = getattr(module, "__all__")  # noqa: B009 - the type of a module has no such attribute
    assert len(set(names)) == len(names)
    assert [name for name in names if not hasattr(module, name)] == []


def test_epochs_agree() -> None:
    assert _constants.EPICS_EPOCH.timestamp() == _constants.EPICS2UNIX_EPOCH


@pytest.mark.parametrize("sentinel", SENTINELS, ids=repr)
def test_a_sentinel_stays_itself(sentinel: Sentinel) -> None:
    assert getattr(_enums, repr(sentinel)) is sentinel
    assert pickle.loads(pickle.dumps(sentinel)) is sentinel
    assert copy.deepcopy([copy.copy(sentinel)])[0] is sentinel


def test_sentinels_have_different_names() -> None:
    assert len({repr(s) for s in SENTINELS}) == len(SENTINELS) >= 20


@given(st.sampled_from(ChannelType))
def test_native_type_follows_from_the_number(ftype: ChannelType) -> None:
    expected = ftype if ftype >= 35 else ChannelType(ftype % 7)
    assert _enums.native_type(ftype) is expected
    assert _enums.native_type(int(ftype)) is expected


@pytest.mark.parametrize("number", [-1, 39, 0xFFFF])
def test_native_type_of_no_type(number: int) -> None:
    with pytest.raises(_errors.CaprotoValueError, match=str(number)):
        _enums.native_type(number)


@pytest.mark.parametrize(
    ("word", "prefix"),
    [("native", ""), ("status", "STS_"), ("time", "TIME_"), ("graphic", "GR_"), ("control", "CTRL_")],
)
def test_field_types_lead_from_any_type_to_its_relatives(word: str, prefix: str) -> None:
    table = _enums.field_types[word]
    assert set(table) == set(ChannelType)
    for ftype, relative in table.items():
        if ftype >= 35:
            assert relative is ftype
        elif ftype.name.endswith("STRING") and word in ("graphic", "control"):
            # Strings have no limits; there is no structure of their own in these families.
            assert relative.name == {"graphic": "STS_STRING", "control": "TIME_STRING"}[word]
        else:
            assert relative.name == prefix + ChannelType(ftype % 7).name


def test_limits_families_leave_strings_out() -> None:
    assert {t.name for t in _enums.control_types} == {f"CTRL_{t}" for t in "INT FLOAT ENUM CHAR LONG DOUBLE".split()}
    assert {t.name for t in _enums.graphical_types} == {f"GR_{t}" for t in "INT FLOAT ENUM CHAR LONG DOUBLE".split()}


@pytest.mark.parametrize(
    ("rights", "text"),
    [
        (0, "<AccessRights.NO_ACCESS: 0>"),
        (1, "<AccessRights.READ: 1>"),
        (2, "<AccessRights.WRITE: 2>"),
        (3, "<AccessRights.WRITE|READ: 3>"),
        (7, "<AccessRights.WRITE|READ|4: 7>"),
    ],
)
def test_access_rights_look_the_same_on_every_python(rights: int, text: str) -> None:
    assert repr(AccessRights(rights)) == text


def test_status_codes_are_those_of_the_reference() -> None:
    assert [s.value.code for s in CAStatus] == list(range(61))
    for name, (number, severity, wire) in PRINTED.items():
        value = CAStatus[name].value
        assert (value.code, value.severity.name, value.code_with_severity) == (number, severity, wire)
    assert {s.name for s in CAStatus if not s.value.defunct} == {f"ECA_{name}" for name in CURRENT.split()}


@pytest.mark.parametrize("status", CAStatus, ids=lambda s: s.name)
def test_status_code_hangs_together(status: CAStatus) -> None:
    value = status.value
    assert value.name == status.name
    assert value.code_with_severity == value.code << 3 | value.severity
    assert value.success == (value.severity in (CASeverity.SUCCESS, CASeverity.INFO))
    assert value.description
    assert status_from_code(value.code_with_severity) is value
    assert status_to_code(status) == status_to_code(value) == status_to_code(value.code_with_severity)


def test_status_that_the_tutorial_prints() -> None:
    assert repr(CAStatus.ECA_NORMAL.value) == (
        "CAStatusCode(name='ECA_NORMAL', code=0, code_with_severity=1, "
        "severity=<CASeverity.SUCCESS: 1>, success=1, "
        "defunct=False, description='Normal successful completion')"
    )


@given(st.integers(0, 2**32 - 1))
def test_any_number_is_a_status(code: int) -> None:
    status = status_from_code(code)
    assert status.code_with_severity == code
    assert status.success == code & 1
    assert isinstance(status.severity, enum.IntEnum)
    assert status_to_code(status) == code
    if code not in _status.STATUS_BY_CODE:
        assert status.name == f"ECA_UNKNOWN_{code}"
        assert status_hint(code) == ""


@pytest.mark.parametrize("wrong", [-1, 2**32, "ECA_NORMAL", None, 1.0])
def test_what_is_no_status(wrong: object) -> None:
    with pytest.raises(_errors.CaprotoError, match=re.escape(str(wrong))):
        status_to_code(wrong)  # type: ignore[arg-type]


def test_hints_say_what_to_do() -> None:
    hint = status_hint(CAStatus.ECA_TOLARGE)
    assert "EPICS_CA_MAX_ARRAY_BYTES" in hint
    assert "server" in hint and "client" in hint
    assert all(name in CAStatus.__members__ for name in _status._HINTS)
    assert all(text.endswith(".") for text in _status._HINTS.values())


def test_subscription_types_are_the_bits_of_the_wire() -> None:
    kinds = _enums.SubscriptionType
    assert kinds.DBE_VALUE | kinds.DBE_LOG | kinds.DBE_ALARM | kinds.DBE_PROPERTY == 15
