"""A reader for the JSON5 subset that EPICS accepts in channel names; short, and safe on any text.

Beyond JSON: keys without quotes, single quotes, trailing commas, a sign or a bare point in numbers, numbers with
``0x``, and comments.
"""

from __future__ import annotations

import re
from typing import TypeAlias, Union

from ._errors import CaprotoValueError

__all__ = ["JSONValue", "parse_json5"]

# Python 3.10 cannot join a text and a type with "|".
JSONValue: TypeAlias = Union["dict[str, JSONValue]", "list[JSONValue]", str, int, float, bool, None]

_MAX_DEPTH = 20  # deeper than any filter, far from the recursion limit
_MAX_TEXT = 65536

_SPACE = re.compile(r"(?:[ \t\r\n]|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_WORD = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_NUMBER = re.compile(
    r"[+-]?(?:(0[xX][0-9a-fA-F]{1,16})|(\d{1,20})(?![\d.eE])|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|Infinity|NaN)"
)
_STRING = re.compile(r"""\"((?:[^"\\\n]|\\.)*)\"|'((?:[^'\\\n]|\\.)*)'""", re.DOTALL)
# Characters beyond 16 bits are written as two escapes, a surrogate pair.
_ESCAPE = re.compile(
    r"\\(?:(u[dD][89abAB][0-9a-fA-F]{2})\\(u[dD][c-fC-F][0-9a-fA-F]{2})"
    r"|(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.))",
    re.DOTALL,
)
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0", "\n": ""}
_WORDS: dict[str, JSONValue] = {"true": True, "false": False, "null": None}


def _unescape(match: re.Match[str]) -> str:
    if match[1]:
        high, low = int(match[1][1:], 16) & 0x3FF, int(match[2][1:], 16) & 0x3FF
        return chr(0x10000 + (high << 10 | low))
    code = match[3]
    if len(code) > 1:
        return chr(int(code[1:], 16))
    return _LETTERS.get(code, code)


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def fail(self, expected: str) -> CaprotoValueError:
        return CaprotoValueError(f"{self.text!r}: expected {expected} at character {self.at + 1}")

    def skip(self, char: str = "") -> bool:
        """Step over blanks and comments, and over `char` if it is next."""
        match = _SPACE.match(self.text, self.at)
        if match:
            self.at = match.end()
        if char and self.text.startswith(char, self.at):
            self.at += 1
            return True
        return False

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        match = pattern.match(self.text, self.at)
        if match:
            self.at = match.end()
        return match

    def string(self) -> str | None:
        match = self.take(_STRING)
        return match and _ESCAPE.sub(_unescape, match[1] if match[2] is None else match[2])

    def value(self, depth: int = 0) -> JSONValue:
        if depth > _MAX_DEPTH:
            raise self.fail(f"no more than {_MAX_DEPTH} levels")
        if self.skip("{"):
            return self.items(depth)
        if self.skip("["):
            return self.elements(depth)
        text = self.string()
        if text is not None:
            return text
        number = self.take(_NUMBER)
        if number:
            if number[1]:
                return int(number[0], 16)
            return int(number[0]) if number[2] else float(number[0])
        start = self.at
        word = self.take(_WORD)
        if word and word[0] in _WORDS:
            return _WORDS[word[0]]
        self.at = start
        raise self.fail("a value")

    def items(self, depth: int) -> dict[str, JSONValue]:
        found: dict[str, JSONValue] = {}
        while not self.skip("}"):
            key = self.string()
            if key is None:
                word = self.take(_WORD)
                if not word:
                    raise self.fail("a key or '}'")
                key = word[0]
            if not self.skip(":"):
                raise self.fail("':'")
            if key in found:
                raise CaprotoValueError(f"{self.text!r}: {key!r} is given twice")
            found[key] = self.value(depth + 1)
            if not self.skip(",") and not self.text.startswith("}", self.at):
                raise self.fail("',' or '}'")
        return found

    def elements(self, depth: int) -> list[JSONValue]:
        found: list[JSONValue] = []
        while not self.skip("]"):
            found.append(self.value(depth + 1))
            if not self.skip(",") and not self.text.startswith("]", self.at):
                raise self.fail("',' or ']'")
        return found


def parse_json5(text: str) -> JSONValue:
    """Return the value that `text` holds; raises :class:`CaprotoValueError` with the place if it is none."""
    if len(text) > _MAX_TEXT:
        raise CaprotoValueError(f"{text[:40]!r}... is longer than {_MAX_TEXT} characters")
    reader = _Reader(text)
    value = reader.value()
    reader.skip()
    if reader.at != len(text):
        raise reader.fail("the end")
    return value
