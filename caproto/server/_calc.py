"""Expressions of access security rules: the numbers and operators of EPICS CALC, over the inputs A..U."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from .._errors import CaprotoValueError

__all__ = ["Expression", "inputs_of", "parse_expression"]

Expression = Callable[[Mapping[str, float]], float]

_TOKEN = re.compile(
    r"\s*(?:(0[xX][0-9a-fA-F]+|\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)|([A-Za-z][A-Za-z0-9]*)"
    r"|(\*\*|&&|\|\||==|!=|<=|>=|<<|>>|[-+*/%^()!~<>=#&|?:,]))"
)
#: Deepest nesting; an expression fits one line of 40 characters in a record.
DEPTH = 50


def _whole(function: Callable[[int, int], int]) -> Callable[[float, float], float]:
    """Return an operator on integers of 32 bits."""
    return lambda left, right: float((function(int(left), int(right)) + 2**31 & 0xFFFFFFFF) - 2**31)


def _power(left: float, right: float) -> float:
    try:
        return math.pow(left, right)
    except ValueError:
        return math.nan if left else math.inf
    except OverflowError:
        return math.inf


def _divide(left: float, right: float) -> float:
    if right:
        return left / right
    return math.copysign(math.inf, left) * math.copysign(1.0, right) if left and left == left else math.nan


def _modulo(left: float, right: float) -> float:
    return float(math.fmod(int(left), int(right))) if int(right) else math.nan


class _Operator(NamedTuple):
    level: int
    apply: Callable[[float, float], float]


def _compare(function: Callable[[float, float], bool]) -> Callable[[float, float], float]:
    return lambda left, right: float(function(left, right))


_EQUAL, _DIFFERENT = _compare(operator.eq), _compare(operator.ne)
_OR, _AND = _Operator(1, _whole(operator.or_)), _Operator(2, _whole(operator.and_))
#: Levels are those of EPICS, not those of C: all comparisons bind alike, and so do ``|`` and ``||``.
_BINARY = {
    "||": _Operator(1, lambda left, right: float(bool(left) or bool(right))),
    "|": _OR, "OR": _OR, "XOR": _Operator(1, _whole(operator.xor)),
    "&&": _Operator(2, lambda left, right: float(bool(left) and bool(right))),
    "&": _AND, "AND": _AND,
    "<<": _Operator(2, _whole(lambda left, right: left << (right & 31))),
    ">>": _Operator(2, _whole(lambda left, right: left >> (right & 31))),
    "=": _Operator(3, _EQUAL), "==": _Operator(3, _EQUAL),
    "#": _Operator(3, _DIFFERENT), "!=": _Operator(3, _DIFFERENT),
    "<": _Operator(3, _compare(operator.lt)), "<=": _Operator(3, _compare(operator.le)),
    ">": _Operator(3, _compare(operator.gt)), ">=": _Operator(3, _compare(operator.ge)),
    "+": _Operator(4, operator.add), "-": _Operator(4, operator.sub),
    "*": _Operator(5, operator.mul), "/": _Operator(5, _divide), "%": _Operator(5, _modulo),
    "^": _Operator(6, _power), "**": _Operator(6, _power),
}  # fmt: skip
#: Functions of one argument are operators to EPICS: ``ABS A`` is ``ABS(A)``.
_UNARY: dict[str, Callable[[float], float]] = {
    "-": operator.neg,
    "+": operator.pos,
    "!": lambda value: float(not value),
    "~": lambda value: float(~int(value)),
    "NOT": lambda value: float(~int(value)),
    "ABS": abs,
    "SQR": math.sqrt, "SQRT": math.sqrt, "EXP": math.exp,
    "LOG": math.log10, "LOGE": math.log, "LN": math.log,
    "CEIL": lambda value: float(math.ceil(value)), "FLOOR": lambda value: float(math.floor(value)),
    "NINT": lambda value: float(math.trunc(value + math.copysign(0.5, value))),
    "SIN": math.sin, "COS": math.cos, "TAN": math.tan,
    "ASIN": math.asin, "ACOS": math.acos, "ATAN": math.atan,
    "SINH": math.sinh, "COSH": math.cosh, "TANH": math.tanh,
    "ISINF": lambda value: float(math.isinf(value)),
}  # fmt: skip
#: Of any number of arguments.
_FUNCTIONS: dict[str, Callable[[list[float]], float]] = {
    "MIN": lambda values: math.nan if any(map(math.isnan, values)) else min(values),
    "MAX": lambda values: math.nan if any(map(math.isnan, values)) else max(values),
    "ISNAN": lambda values: float(any(map(math.isnan, values))),
    "FINITE": lambda values: float(all(map(math.isfinite, values))),
}
_CONSTANTS = {"PI": math.pi, "D2R": math.pi / 180, "R2D": 180 / math.pi}


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


def inputs_of(text: str) -> frozenset[str]:
    """Return the letters of the inputs that an expression uses."""
    return frozenset(re.findall(r"\b[A-U]\b", text.upper()))


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
        self.token = match[0].strip().upper()

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
        if token in _FUNCTIONS:
            self.step()
            return _called(_FUNCTIONS[token], self.arguments())
        if token[:1].isdigit() or token[:1] == "." or token in _CONSTANTS:
            self.step()
            number = _CONSTANTS[token] if token in _CONSTANTS else _number(token)
            return lambda inputs: number
        if len(token) == 1 and "A" <= token <= "U":
            self.step()
            return lambda inputs: inputs[token]
        raise self.wrong()

    def arguments(self) -> list[Expression]:
        self.expect("(")
        found = [self.choice()]
        while self.token == ",":
            self.step()
            found.append(self.choice())
        self.expect(")")
        return found


def _number(token: str) -> float:
    return float(int(token, 16)) if token.startswith("0X") else float(token)


def _called(apply: Callable[[list[float]], float], arguments: list[Expression]) -> Expression:
    return lambda inputs: apply([argument(inputs) for argument in arguments])


def _joined(apply: Callable[[float, float], float], left: Expression, right: Expression) -> Expression:
    return lambda inputs: apply(left(inputs), right(inputs))
