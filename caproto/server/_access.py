"""Access security files of EPICS: who may do what with which PV (protocol section 7).

``UAG`` and ``HAG`` name groups of users and hosts, ``ASG`` groups of PVs with rules.  A rule grants READ or WRITE to
fields up to a level, if the user, the host and a calculation over PVs agree.  What no rule grants is denied.
"""

from __future__ import annotations

import logging
import re
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from .._data.subscription import Subscription
from .._data.view import Encoded
from .._enums import AccessRights, AlarmSeverity, ChannelType, SubscriptionType
from .._errors import CaprotoValueError
from ._calc import Expression, inputs_of, parse_expression
from ._names import find

if TYPE_CHECKING:
    from .._data import ChannelData

__all__ = ["DEFAULT", "AccessSecurity", "Group", "Rule", "group_changed", "parse_access_file"]

logger = logging.getLogger("caproto.server")

_TOKEN = re.compile(r'(?:\s|\#[^\n]*)*(?:"((?:\\.|[^"\\\n])*)"|([(){},])|([^\s(){},"#]+)|\Z)')
_RIGHTS = {"NONE": 0, "READ": int(AccessRights.READ), "WRITE": int(AccessRights.READ | AccessRights.WRITE)}
DEFAULT = "DEFAULT"
_ANY_CHANGE = sum(map(int, SubscriptionType))


class Rule(NamedTuple):
    """One rule; no users or no hosts means any, `calc` None means always; `letters` are the inputs of `calc`."""

    level: int
    rights: int
    users: tuple[str, ...]
    hosts: tuple[str, ...]
    calc: Expression | None
    letters: frozenset[str] = frozenset()


class Group(NamedTuple):
    """An access security group: its inputs (name of a PV by letter), and its rules."""

    inputs: dict[str, str]
    rules: tuple[Rule, ...]


class _File(NamedTuple):
    users: dict[str, frozenset[str]]
    hosts: dict[str, frozenset[str]]
    groups: dict[str, Group]
    # What was left out, for the log of the server.
    complaints: list[CaprotoValueError]


class _Tokens:
    def __init__(self, text: str, source: str) -> None:
        self.text, self.source = text, source
        self.taken = self.at = 0
        self.complaints: list[CaprotoValueError] = []
        self.token: str | None = None
        self.step()

    def step(self) -> str:
        """Return the present token and go to the next; None is the end."""
        present = self.token or ""
        match = _TOKEN.match(self.text, self.at)
        if match is None:
            raise self.wrong("a quote is not closed")
        self.taken, self.at = self.at, match.end()
        self.token = next((part for part in match.groups() if part is not None), None)
        return present

    def wrong(self, problem: str) -> CaprotoValueError:
        line = self.text.count("\n", 0, self.taken) + 1
        return CaprotoValueError(f"{self.source}, line {line}: {problem}")

    def complain(self, problem: str) -> None:
        """Note something that is no mistake, but left out."""
        self.complaints.append(self.wrong(problem))

    def expect(self, token: str) -> None:
        if self.token != token:
            raise self.wrong(f"{token!r} expected, found {self.token!r}")
        self.step()

    def items(self, begin: str, end: str) -> list[str]:
        """Words between brackets, separated by commas."""
        self.expect(begin)
        found = []
        while self.token != end:
            if self.token is None or self.token in "(){}":
                raise self.wrong(f"{end!r} expected, found {self.token!r}")
            word = self.step()
            if word != ",":
                found.append(word)
        self.step()
        return found


def parse_access_file(text: str, source: str = "access security file") -> _File:
    """Return the groups of users, hosts and PVs that an access security file defines.

    Raises
    ------
    CaprotoValueError
        If it is malformed, or names a group that it does not define; the message tells the line.
    """
    tokens = _Tokens(text, source)
    found = _File({}, {}, {}, tokens.complaints)
    known: dict[str, Mapping[str, Any]] = {"UAG": found.users, "HAG": found.hosts, "ASG": found.groups}
    if tokens.token is None:
        raise tokens.wrong("there is nothing in it")
    while tokens.token is not None:
        kind = tokens.step()
        defined = known.get(kind)
        if defined is None:
            _skip(tokens, kind, "the block")
            continue
        (name,) = _one(tokens)
        if name in defined:
            raise tokens.wrong(f"{kind}({name}) is defined twice")
        if kind == "ASG":
            found.groups[name] = _group(tokens, found)
            continue
        members = tokens.items("{", "}") if tokens.token == "{" else []
        if kind == "UAG":
            found.users[name] = frozenset(members)
        else:
            found.hosts[name] = frozenset(host.lower() for host in members)
    return found


def _skip(tokens: _Tokens, word: str, what: str) -> None:
    """Leave out what other versions of EPICS know, as EPICS does: ``METHOD("x509")``."""
    if tokens.token != "(":
        raise tokens.wrong(f"{word!r} is not understood")
    tokens.complain(f"{word} is not understood; {what} that has it is left out")
    tokens.items("(", ")")
    depth = 0
    while tokens.token == "{" or depth:
        depth += {"{": 1, "}": -1}.get(tokens.step(), 0)
        if tokens.token is None and depth:
            raise tokens.wrong("'}' expected, found the end")


def _one(tokens: _Tokens) -> list[str]:
    items = tokens.items("(", ")")
    if len(items) != 1:
        raise tokens.wrong(f"one name expected, found {items}")
    return items


def _group(tokens: _Tokens, file: _File) -> Group:
    inputs: dict[str, str] = {}
    rules = []
    if tokens.token != "{":
        return Group(inputs, ())
    tokens.step()
    while tokens.token != "}":
        word = tokens.step()
        if re.fullmatch("INP[A-U]", word):
            (inputs[word[3]],) = _one(tokens)
        elif word == "RULE":
            rule = _rule(tokens, file)
            rules += [rule] if rule is not None else []
        else:
            raise tokens.wrong(f"INPA..INPU, RULE or '}}' expected, found {word!r}")
    tokens.step()
    return Group(inputs, tuple(rules))


def _rule(tokens: _Tokens, file: _File) -> Rule | None:
    """Return a rule; None if there is something in it that is not understood."""
    head = tokens.items("(", ")")
    if len(head) not in (2, 3) or not (head[0].isascii() and head[0].isdecimal()):
        raise tokens.wrong(f"RULE(level, NONE, READ or WRITE) expected, found {head}")
    if head[2:] not in ([], ["TRAPWRITE"], ["NOTRAPWRITE"]):
        raise tokens.wrong(f"TRAPWRITE or NOTRAPWRITE expected, found {head[2]!r}")
    understood = head[1] in _RIGHTS
    if not understood:
        tokens.complain(f"{head[1]} is none of NONE, READ and WRITE; the rule is left out")
    named: dict[str, list[str]] = {"UAG": [], "HAG": []}
    calc, letters = None, frozenset[str]()
    if tokens.token == "{":
        tokens.step()
        if tokens.token == "}":  # as when all that was in it is a comment now
            raise tokens.wrong("UAG, HAG or CALC expected, found '}'")
        while tokens.token != "}":
            word = tokens.step()
            if word == "CALC":
                (text,) = _one(tokens)
                letters = inputs_of(text)
                try:
                    calc = parse_expression(text)
                except CaprotoValueError as error:
                    raise tokens.wrong(str(error)) from None
            elif word in named:
                named[word] += _defined(tokens, word, file.users if word == "UAG" else file.hosts)
            else:
                understood = False
                _skip(tokens, word, "the rule")
        tokens.step()
    if not understood:
        return None
    return Rule(int(head[0]), _RIGHTS[head[1]], tuple(named["UAG"]), tuple(named["HAG"]), calc, letters)


def _defined(tokens: _Tokens, kind: str, known: Mapping[str, Any]) -> list[str]:
    names = tokens.items("(", ")")
    if not names:  # which would be everybody
        raise tokens.wrong(f"{kind}() names no group")
    for name in names:
        if name not in known:
            raise tokens.wrong(f"{kind}({name}) is not defined")
    return names


class AccessSecurity:
    """What clients may do, by an access security file.

    Parameters
    ----------
    text : str
        The content of the file.
    source : str, optional
        Its name, for messages.
    resolve : callable, optional
        Turns the name of a host into its address; hosts are compared by address then, whatever clients claim.
        Without it the names that clients claim are believed.
    """

    def __init__(
        self, text: str, source: str = "access security file", resolve: Callable[[str], str] | None = None
    ) -> None:
        self._file = parse_access_file(text, source)
        for complaint in self._file.complaints:
            logger.warning("%s", complaint)
        self.by_address = resolve is not None
        self._hosts = {
            name: frozenset(hosts if resolve is None else _addresses(name, hosts, resolve))
            for name, hosts in self._file.hosts.items()
        }
        self._inputs: dict[str, dict[str, ChannelData | None]] = {
            name: dict.fromkeys(group.inputs) for name, group in self._file.groups.items()
        }
        self.changed: Callable[[], None] = _nothing
        self._pvdb: Mapping[str, ChannelData] = {}
        # For each rule of a group whether its calculation gives 1 at present.
        self._true: dict[str, tuple[bool, ...]] = {}
        self._calculate()

    def connect(self, pvdb: Mapping[str, ChannelData], changed: Callable[[], None]) -> None:
        """Follow the PVs that rules calculate with; `changed` is called when one of them gets a new value."""
        self.changed = changed
        self._pvdb = pvdb
        _connected.add(self)
        for name, group in self._file.groups.items():
            for letter, pv in group.inputs.items():
                target = find(pvdb, pv)
                if target is None:
                    logger.warning("INP%s of access security group %s: there is no %s here", letter, name, pv)
                else:
                    self._inputs[name][letter] = target.data
                    target.data.attach(Subscription(target.view, int(_DOUBLE), 1, _ANY_CHANGE, self))
        self._calculate()

    def put(self, subscription: Subscription, encoded: Encoded) -> None:
        """Take an update of an input; most of them change nothing for anybody."""
        if self._calculate():
            self.changed()

    def _calculate(self) -> bool:
        """Calculate all rules anew, and return whether that makes a difference."""
        before = self._true
        self._true = {
            name: tuple(_holds(rule, self._inputs[name]) for rule in group.rules)
            for name, group in self._file.groups.items()
        }
        return self._true != before

    def serves(self, data: Any) -> bool:
        """Whether a PV is one of those that the rules are for."""
        return any(pv is data for pv in list(self._pvdb.values()))

    def rights(self, data: ChannelData, host_name: str, address: str, user: str) -> int:
        """Return what a user on a host may do with a PV: the most that any rule grants.

        The PV says its group and level as ``asg`` and ``asl``; by default ``DEFAULT`` and 0.
        """
        name = getattr(data, "asg", None) or DEFAULT
        if name not in self._file.groups:
            name = DEFAULT
        group = self._file.groups.get(name)
        if group is None:
            return 0
        level = int(getattr(data, "asl", 0))
        host = address if self.by_address else host_name.lower()
        granted = 0
        for rule, true in zip(group.rules, self._true[name], strict=True):
            if true and rule.level >= level and rule.rights | granted != granted and self._concerns(rule, host, user):
                granted |= rule.rights
        return granted

    def _concerns(self, rule: Rule, host: str, user: str) -> bool:
        if rule.users and not any(user in self._file.users[name] for name in rule.users):
            return False
        return not rule.hosts or any(host in self._hosts[name] for name in rule.hosts)


def _holds(rule: Rule, inputs: Mapping[str, ChannelData | None]) -> bool:
    """Whether the calculation gives 1; it does not while an input of it is missing, invalid or no number."""
    if rule.calc is None:
        return True
    values = dict.fromkeys(rule.letters, 0.0)  # as EPICS has those that are no inputs
    for letter in rule.letters & inputs.keys():
        data = inputs[letter]
        if data is None or data.severity >= AlarmSeverity.INVALID_ALARM:
            return False
        try:
            elements = data.read_from_dbr(_DOUBLE)[1]
            values[letter] = float(elements[0]) if len(elements) else 0.0
        except CaprotoValueError:
            return False
    try:
        return abs(rule.calc(values) - 1) < 0.01
    except (ValueError, OverflowError):
        return False


def _addresses(name: str, hosts: Iterable[str], resolve: Callable[[str], str]) -> Iterable[str]:
    for host in sorted(hosts):
        try:
            yield resolve(host)
        except (OSError, ValueError) as error:  # as EPICS: a host that nobody knows matches nobody
            logger.warning("HAG(%s): no client is on %s, which has no address: %s", name, host, error)


def _nothing() -> None:
    pass


_connected: weakref.WeakSet[AccessSecurity] = weakref.WeakSet()


def group_changed(data: Any) -> None:
    """Have the rights of clients looked at again, as a PV has gone to another group."""
    for access in list(_connected):
        if access.serves(data):
            access.changed()


_DOUBLE = ChannelType.DOUBLE
