"""The rows of the table: what runs, how its outcome reads, and what was to be reached."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

Outcome = Mapping[str, Any]
Outcomes = Mapping[str, Outcome]

OURS = ("threading", "asyncio", "trio")

#: Updates per second that each client manages, roughly: how many it is sent, so that it is busy as long as the others.
EXPECTED = {
    "scalar": {
        "threading": 800_000,
        "asyncio": 800_000,
        "trio": 800_000,
        "aioca": 50_000,
        "pyepics": 40_000,
        "cothread": 60_000,
        "1.3.0": 20_000,
        "1.3.0 asyncio": 8_000,
    },
    "block": {"threading": 12_000_000, "asyncio": 12_000_000, "trio": 12_000_000, "aioca": 50_000},
    "array:1000": {"threading": 100_000, "asyncio": 100_000, "trio": 100_000, "aioca": 25_000, "sockets": 300_000},
    "array:1000000": {"threading": 200, "asyncio": 200, "trio": 200, "aioca": 150, "1.3.0": 100, "sockets": 250},
}


@dataclasses.dataclass(frozen=True)
class Row:
    """One line.

    Parameters
    ----------
    name : str
        For ``--only``.
    what, target : str
    scenario : callable
        ``scenario(client)`` returns the scenario for this client and its arguments, without those of `timed`.
    clients : tuple of str
    server : str
        ``flood:COUNT``, or the database of an IOC.
    key : str
        The figure that tells which round was best, the greatest if `rising`.
    show : callable
        ``show(outcome, all of this row)`` returns the text of a cell.
    met : callable
        ``met(outcome, all of this row)`` returns whether one of ours reached the target, None without anything
        to compare with.
    """

    name: str
    what: str
    target: str
    scenario: Callable[[str], tuple[str, dict[str, Any]]]
    clients: tuple[str, ...]
    server: str
    key: str
    rising: bool
    show: Callable[[Outcome, Outcomes], str]
    met: Callable[[Outcome, Outcomes], bool | None]


def ratio(outcome: Outcome, outcomes: Outcomes, peer: str, key: str) -> float | None:
    """How the figure of an outcome compares with the one of a peer."""
    return outcome[key] / outcomes[peer][key] if peer in outcomes and outcomes[peer][key] else None


def beside(value: float | None, peer: str) -> str:
    return "" if value is None else f" ({value:.3g}x {peer})"


def amount(rate: float) -> str:
    return f"{rate / 1e6:.3g} M/s" if rate >= 1e6 else f"{rate / 1e3:.3g} k/s"


def losses(outcome: Outcome) -> str:
    return f"{outcome['lost']:,} lost" + (f", {outcome['wrong']} out of order" if outcome["wrong"] else "")


def show_scalars(outcome: Outcome, outcomes: Outcomes) -> str:
    text = amount(outcome["rate"]) + beside(ratio(outcome, outcomes, "aioca", "rate"), "aioca")
    return f"{text}, {losses(outcome)}, {outcome['peak_mb']:.0f} MB, {outcome['cpu_us']:.3g} us CPU"


def show_arrays(count: int) -> Callable[[Outcome, Outcomes], str]:
    def show(outcome: Outcome, outcomes: Outcomes) -> str:
        text = f"{outcome['rate'] * count * 8 / 1e6:,.0f} MB/s"
        text += beside(ratio(outcome, outcomes, "sockets", "rate"), "bare")
        text += f", {outcome['cpu_us'] * 1e3 / (count * 8):.2f} s CPU/GB"
        return text if clean(outcome) else f"{text}, {losses(outcome)}"

    return show


def clean(outcome: Outcome) -> bool:
    return not outcome["lost"] and not outcome["wrong"]


def at_least(factor: float, peer: str, *, memory: float | None = None) -> Callable[[Outcome, Outcomes], bool | None]:
    def met(outcome: Outcome, outcomes: Outcomes) -> bool | None:
        reached = ratio(outcome, outcomes, peer, "rate")
        if reached is None:
            return None
        return reached >= factor and clean(outcome) and (memory is None or outcome["peak_mb"] <= memory)

    return met


def at_most(factor: float, key: str, *peers: str) -> Callable[[Outcome, Outcomes], bool | None]:
    def met(outcome: Outcome, outcomes: Outcomes) -> bool | None:
        reached = [ratio(outcome, outcomes, peer, key) for peer in peers]
        return None if None in reached else all(each <= factor for each in reached if each is not None)

    return met


def flooded(pv: str, expected: str, scenario: str, stamped: bool) -> Callable[[str], tuple[str, dict[str, Any]]]:
    def arguments(client: str) -> tuple[str, dict[str, Any]]:
        # Who has no blocks is sent the same one by one.
        chosen = "flood" if client not in OURS else scenario
        return chosen, {"pv": pv, "updates": EXPECTED[expected][client], "stamped": stamped}

    return arguments


def fixed(scenario: str, **arguments: Any) -> Callable[[str], tuple[str, dict[str, Any]]]:
    return lambda client: (scenario, arguments)


def show_figure(form: str, key: str, peer: str) -> Callable[[Outcome, Outcomes], str]:
    return lambda outcome, outcomes: form.format(**outcome) + beside(ratio(outcome, outcomes, peer, key), peer)


def read_many(number: int) -> Row:
    return Row(
        f"read{number}",
        f"connect and read {number:,} PVs of one server".replace(",", " "),
        ">= 5x faster than aioca and pyepics",
        fixed("read_many", names=number),
        (*OURS, "aioca", "pyepics", "sockets"),
        "ai",
        "seconds",
        False,
        lambda outcome, outcomes: f"{outcome['seconds']:.2f} s",
        at_most(1 / 5, "seconds", "aioca", "pyepics"),
    )


ROWS = (
    Row(
        "scalars",
        "flood of TIME_DOUBLE scalars, `add_callback`",
        ">= 20x aioca, none lost, <= 150 MB",
        flooded("scalar", "scalar", "flood", True),
        (*OURS, "aioca", "pyepics", "cothread", "1.3.0", "1.3.0 asyncio"),
        "flood:1",
        "rate",
        True,
        show_scalars,
        at_least(20, "aioca", memory=150),
    ),
    Row(
        "blocks",
        "the same, block delivery",
        ">= 200x aioca",
        flooded("scalar", "block", "blocks", True),
        (*OURS, "aioca"),
        "flood:1",
        "rate",
        True,
        show_scalars,
        at_least(200, "aioca"),
    ),
    Row(
        "arrays",
        "flood of TIME_DOUBLE[1000], `add_callback`",
        ">= 0.5 of a bare `recv_into` loop",
        flooded("array:1000", "array:1000", "flood", True),
        (*OURS, "aioca", "sockets"),
        "flood:1000",
        "rate",
        True,
        show_arrays(1000),
        at_least(0.5, "sockets"),
    ),
    Row(
        "large",
        "DOUBLE[1 M], `add_callback`",
        ">= 0.85 of a bare `recv_into` loop",
        flooded("array:1000000", "array:1000000", "flood", False),
        (*OURS, "aioca", "1.3.0", "sockets"),
        "flood:1000000",
        "rate",
        True,
        show_arrays(1_000_000),
        at_least(0.85, "sockets"),
    ),
    Row(
        "steady",
        "1000 PVs at 10 Hz of a real IOC, CPU per update",
        "<= 1/10 of aioca",
        fixed("steady", names=1000, timed=True),
        (*OURS, "aioca", "pyepics", "cothread", "1.3.0"),
        "calc",
        "cpu_us",
        False,
        lambda outcome, outcomes: (
            f"{outcome['cpu_us']:.1f} us{beside(ratio(outcome, outcomes, 'aioca', 'cpu_us'), 'aioca')}"
            + (f", {outcome['per_second']:,.0f} of 10,000/s" if outcome["per_second"] < 9_500 else "")
        ),
        at_most(1 / 10, "cpu_us", "aioca"),
    ),
    read_many(1_000),
    read_many(10_000),
    Row(
        "round_trip",
        "read round trip, one at a time",
        "no slower than pyepics",
        fixed("round_trip", pv="bench:0", timed=True),
        (*OURS, "aioca", "pyepics"),
        "ai",
        "us",
        False,
        show_figure("{us:.0f} us", "us", "pyepics"),
        at_most(1, "us", "pyepics"),
    ),
    Row(
        "idle",
        "idle context with 1 000 subscriptions",
        "<= 1 wake-up/s, < 0.1 % CPU",
        fixed("idle", names=1000, seconds=15.0),
        (*OURS, "aioca", "pyepics"),
        "ai",
        "wake_ups",
        False,
        lambda outcome, outcomes: f"{outcome['cpu']:.2%} CPU, {outcome['wake_ups']:.1f} wake-ups/s",
        lambda outcome, outcomes: outcome["cpu"] < 0.001 and outcome["wake_ups"] <= 1.0,
    ),
    Row(
        "memory",
        "memory per idle PV / per subscription, of 10 000",
        "written down",
        fixed("memory", names=10_000),
        ("threading", "asyncio", "trio", "aioca", "pyepics"),
        "ai",
        "pv",
        False,
        lambda outcome, outcomes: f"{outcome['pv'] / 1000:.1f} / {outcome['subscription'] / 1000:.1f} kB",
        lambda outcome, outcomes: None,
    ),
)
