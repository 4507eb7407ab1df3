"""A formula that clients write."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import Any

from caproto import CaprotoValueError, ChannelType
from caproto.server import PVGroup, ioc_arg_parser, pvproperty, run

OPERATORS: dict[type, Callable[..., float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.USub: operator.neg,
}


def evaluate(node: Any, variables: dict[str, float]) -> float:
    """Return the value of a formula; it may hold numbers, variables and the four operations, nothing else."""
    if isinstance(node, ast.Expression):
        return evaluate(node.body, variables)
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return float(node.value)
    if isinstance(node, ast.Name) and node.id in variables:
        return variables[node.id]
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        return OPERATORS[type(node.op)](evaluate(node.left, variables), evaluate(node.right, variables))
    if isinstance(node, ast.UnaryOp) and type(node.op) in OPERATORS:
        return OPERATORS[type(node.op)](evaluate(node.operand, variables))
    raise CaprotoValueError(f"formula: {ast.unparse(node)!r} is not understood")


class DynamicCalc(PVGroup):
    """``output`` is the value of ``formula`` with ``variables`` such as ``a=1``; write to ``formula.PROC``."""

    formula = pvproperty(value="a + b", dtype=ChannelType.STRING, doc="The formula")
    process = pvproperty(value=0, name="formula.PROC", doc="Write to calculate")
    output = pvproperty(value=0.0, doc="The result")
    variables = pvproperty(value=["a=1", "b=2"], dtype=ChannelType.STRING, max_length=100, doc="Names and values")

    @process.putter
    async def process(self, instance: Any, value: Any) -> int:
        """Calculate."""
        pairs = [text.partition("=") for text in self.variables.value]
        variables = {name.strip(): float(number) for name, _, number in pairs}
        try:
            tree = ast.parse(self.formula.value.strip(), mode="eval")
        except SyntaxError as error:
            raise CaprotoValueError(f"formula {self.formula.value!r}: {error.msg}") from error
        await self.output.write(evaluate(tree, variables))
        return 0


if __name__ == "__main__":
    ioc_options, run_options = ioc_arg_parser(default_prefix="dyncalc:", desc=DynamicCalc.__doc__ or "")
    ioc = DynamicCalc(**ioc_options)
    run(ioc.pvdb, **run_options)
