"""Expressions of access security rules: the numbers and operators of EPICS CALC, over the inputs A..U."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from .._errors import CaprotoValueError

__all__ = ["Expression", "parse_expression"]

Expression = Callable[[Mapping[str, float]], float]

_TOKEN = re.compile(
    r"\s*(?:(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)|([A-Za-z]+)|(\*\*|&&|\|\||==|!=|<=|>=|<<|>>|[-+*/%^()!~<>=#&|?:,]))"
)
#: Deepest nesting; an expression fits one line of 40 characters in a record.
DEPTH = 50


def _whole(function: Callable[[int, int], int]) -> Callable[[float, float], float]:
    return lambda left, right: float(function(int(left), int(right)))


def _power(left: float, right: float) -> float:
    try:
        return float(math.pow(left, right))
    except (OverflowError, ValueError):
        return math.nan


def _divide(left: float, right: float) -> float:
    return left / right if right else math.nan


def _modulo(left: float, right: float) -> float:
    return float(math.fmod(int(left), int(right))) if int(right) else math.nan


class _Operator(NamedTuple):
    level: int
    apply: Callable[[float, float], float]


def _compare(function: Callable[[float, float], bool]) -> Callable[[float, float], float]:
    return lambda left, right: float(function(left, right))


_EQUAL, _DIFFERENT = _compare(operator.eq), _compare(operator.ne)
_BINARY = {
    "||": _Operator(1, lambda left, right: float(bool(left) or bool(right))),
    "&&": _Operator(2, lambda left, right: float(bool(left) and bool(right))),
    "|": _Operator(3, _whole(operator.or_)),
    "&": _Operator(4, _whole(operator.and_)),
    "=": _Operator(5, _EQUAL), "==": _Operator(5, _EQUAL),
    "#": _Operator(5, _DIFFERENT), "!=": _Operator(5, _DIFFERENT),
    "<": _Operator(6, _compare(operator.lt)), "<=": _Operator(6, _compare(operator.le)),
    ">": _Operator(6, _compare(operator.gt)), ">=": _Operator(6, _compare(operator.ge)),
    "+": _Operator(7, operator.add), "-": _Operator(7, operator.sub),
    "*": _Operator(8, operator.mul), "/": _Operator(8, _divide), "%": _Operator(8, _modulo),
    "^": _Operator(9, _power), "**": _Operator(9, _power),
}  # fmt: skip
_UNARY: dict[str, Callable[[float], float]] = {
    "-": operator.neg,
    "+": operator.pos,
    "!": lambda value: float(not value),
    "~": lambda value: float(~int(value)),
}


def parse_expression(text: str) -> Expression:
    """Return a function that computes an expression from the values of its inputs.

    Raises
    ------
    CaprotoValueError
        If it is malformed; the message quotes it.
    """
    parser = _Parser(text)
    expression = parser.choice()
    if parser.token:
        raise parser.wrong()
    return expression


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text.strip()
        self.at = 0
        self.depth = 0
        self.token = ""
        self.step()

    def wrong(self) -> CaprotoValueError:
        what = f"{self.token!r} does not belong there" if self.token else "it ends too early"
        return CaprotoValueError(f"CALC {self.text!r}: {what}")

    def step(self) -> None:
        if self.at >= len(self.text):
            self.token = ""
            return
        match = _TOKEN.match(self.text, self.at)
        if match is None:
            raise CaprotoValueError(f"CALC {self.text!r}: {self.text[self.at :]!r} is not understood")
        self.at = match.end()
        self.token = match[0].strip()

    def expect(self, token: str) -> None:
        if self.token != token:
            raise self.wrong()
        self.step()

    def choice(self) -> Expression:
        """``condition ? yes : no``, or anything simpler."""
        self.depth += 1
        if self.depth > DEPTH:
            raise CaprotoValueError(f"CALC {self.text!r}: nested too deeply")
        condition = self.binary(1)
        if self.token == "?":
            self.step()
            yes = self.choice()
            self.expect(":")
            no = self.choice()
            self.depth -= 1
            return lambda inputs: yes(inputs) if condition(inputs) else no(inputs)
        self.depth -= 1
        return condition

    def binary(self, level: int) -> Expression:
        left = self.unary()
        while self.token in _BINARY and _BINARY[self.token].level >= level:
            found = _BINARY[self.token]
            self.step()
            left = _joined(found.apply, left, self.binary(found.level + 1))
        return left

    def unary(self) -> Expression:
        if self.token in _UNARY:
            self.depth += 1
            if self.depth > DEPTH:
                raise CaprotoValueError(f"CALC {self.text!r}: nested too deeply")
            apply = _UNARY[self.token]
            self.step()
            operand = self.unary()
            self.depth -= 1
            return lambda inputs: apply(operand(inputs))
        return self.primary()

    def primary(self) -> Expression:
        token = self.token
        if token == "(":
            self.step()
            inner = self.choice()
            self.expect(")")
            return inner
        if token[:1].isdigit() or token[:1] == ".":
            self.step()
            number = float(token)
            return lambda inputs: number
        name = token.upper()
        if len(name) == 1 and "A" <= name <= "U":
            self.step()
            return lambda inputs: inputs[name]
        raise self.wrong()


def _joined(apply: Callable[[float, float], float], left: Expression, right: Expression) -> Expression:
    return lambda inputs: apply(left(inputs), right(inputs))
