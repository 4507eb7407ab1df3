"""The rows of the table: what is measured, how the outcome reads, and what was to be reached."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.servers import images, load
from benchmarks.servers.contenders import Contender, environment, python_of, serving

Outcome = Mapping[str, float]
Outcomes = Mapping[str, Outcome]

OURS = ("asyncio", "trio")
PEERS = ("pcaspy", "pythonSoftIOC", "caproto 1.3.0")
EVERYBODY = (*OURS, *PEERS)
#: What is divided by a ratio of our figure to the best of some peers.
Demand = tuple[float, tuple[str, ...]]


@dataclasses.dataclass(frozen=True)
class Row:
    """One line.

    Parameters
    ----------
    name : str
        For ``--only``.
    what, target : str
    measure : callable
        ``measure(contender, seconds)`` returns the figures of one run; `seconds` are those of the images.
    show : callable
        ``show(outcome)`` returns the text of a cell.
    demands : tuple
        Factors, and the peers whose best figure times the factor is to be reached.
    contenders : tuple of str
    key : str
        The figure that is compared.
    rising : bool
        Whether more of it is better.
    sound : callable
        ``sound(outcome)`` returns whether what else was asked for is so.
    """

    name: str
    what: str
    target: str
    measure: Callable[[Contender, float], Outcome]
    show: Callable[[Outcome], str]
    demands: tuple[Demand, ...] = ()
    contenders: tuple[str, ...] = EVERYBODY
    key: str = "rate"
    rising: bool = True
    sound: Callable[[Outcome], bool] = lambda outcome: True

    def better(self, new: Outcome, old: Outcome) -> bool:
        """Return whether a run was better than another one."""
        return (new[self.key] > old[self.key]) == self.rising

    def verdict(self, outcomes: Outcomes) -> str:
        """Return what was reached by ours; nothing without anybody to compare with."""
        ratios: list[str] = []
        short: set[str] = set()
        for name in OURS:
            if name in outcomes and not self.sound(outcomes[name]):
                short.add(name)
        for factor, peers in self.demands:
            found = [outcomes[peer][self.key] for peer in peers if peer in outcomes]
            if not found:
                return "no ratio"
            best = max(found) if self.rising else min(found)
            told = []
            for name in OURS:
                if name in outcomes:
                    ratio = outcomes[name][self.key] / best
                    told.append(f"{ratio:.3g}x")
                    if (ratio < factor) if self.rising else (ratio > factor):
                        short.add(name)
            ratios.append(f"{' and '.join(told)} {peers[0] if len(peers) == 1 else 'the best'}")
        result = "**not met** by " + ", ".join(sorted(short)) if short else "met"
        return f"{result}: {'; '.join(ratios)}" if ratios else result


def amount(figure: float) -> str:
    return f"{figure / 1e6:.3g} M" if figure >= 1e6 else f"{figure / 1e3:.3g} k"


def show_rate(outcome: Outcome) -> str:
    return amount(outcome["rate"])


def show_updates(outcome: Outcome) -> str:
    return f"{amount(outcome['rate'])}, {outcome['lost'] / (load.UPDATES * load.CIRCUITS):.0%} lost"


def show_large(outcome: Outcome) -> str:
    return f"{outcome['rate']:.2f} GB/s, {outcome['cpu']:.2f} s CPU/GB"


def show_memory(outcome: Outcome) -> str:
    return f"{outcome['bytes']:,.0f} bytes, {outcome['declared']:,.0f} with a declaration of its own"


def show_images(outcome: Outcome) -> str:
    received = f"{outcome['sent'] - outcome['lost']:,.0f} of {outcome['sent']:,.0f} received"
    return f"{received}, server at {outcome['settled']:.0f} MB, later {outcome['most']:.0f} MB at most"


def loaded(function: Callable[[int, str, int], float], pv: str) -> Callable[[Contender, float], Outcome]:
    """Have a fresh server answer one circuit."""

    def measure(contender: Contender, seconds: float) -> Outcome:
        with serving(contender, contender.program, pv) as server:
            return {"rate": function(server.port, pv, contender.share)}

    return measure


def fan_out(contender: Contender, seconds: float) -> Outcome:
    with serving(contender, contender.program, "bench:double") as server:
        rate, lost = load.fan_out(server.port, "bench:double")
    return {"rate": rate, "lost": lost}


def large(function: Callable[..., float], *pvs: str) -> Callable[[Contender, float], Outcome]:
    """Have a fresh server send arrays, and count its CPU as well."""

    def measure(contender: Contender, seconds: float) -> Outcome:
        with serving(contender, contender.program, pvs[0]) as server:
            before = server.cpu()
            rate = function(server.port, *pvs)
            used = server.cpu() - before
        return {"rate": rate, "cpu": used / (load.LARGE * load.MILLION * 8 / 1e9)}

    return measure


def memory(record: str, count: int) -> Callable[[Contender, float], Outcome]:
    """Have PVs made in a fresh process."""

    def measure(contender: Contender, seconds: float) -> Outcome:
        found = {}
        for figure, kind in (("bytes", "group"), ("declared", "class")):
            command = [str(python_of(contender)), str(Path(__file__).with_name("memory.py")), kind, record, str(count)]
            done = subprocess.run(
                command, env=environment(contender), capture_output=True, check=True, text=True, timeout=300
            )
            found[figure] = float(done.stdout)
        return found

    return measure


_ONE_OF_OURS = ("asyncio", "caproto 1.3.0")
ROWS = (
    Row(
        "reads", "pipelined TIME_DOUBLE reads/s, one circuit", ">= 4x pcaspy",
        loaded(load.reads, "bench:double"), show_rate, ((4, ("pcaspy",)),),
    ),
    Row(
        "puts", "puts with notify/s, plain pvproperty", ">= 1x pcaspy, >= 5x pythonSoftIOC",
        loaded(load.puts, "bench:double"), show_rate, ((1, ("pcaspy",)), (5, ("pythonSoftIOC",))),
    ),
    Row(
        "hooked", "puts with notify/s through a user's async putter", ">= 5x caproto 1.3.0",
        loaded(load.puts, "bench:hooked"), show_rate, ((5, ("caproto 1.3.0",)),),
    ),
    Row(
        "creations", "channel creations/s", ">= 1x pcaspy",
        loaded(load.creations, "bench:double"), show_rate, ((1, ("pcaspy",)),),
    ),
    Row(
        "fan-out", f"one PV to {load.CIRCUITS} circuits, updates/s", ">= 15x pythonSoftIOC, none lost",
        fan_out, show_updates, ((15, ("pythonSoftIOC",)),), sound=lambda outcome: outcome["lost"] == 0,
    ),
    Row(
        "large-reads", "DOUBLE[1 M] reads", ">= 1.5x the best of the three",
        large(lambda port, pv: load.large_reads(port, pv), "bench:million"), show_large, ((1.5, PEERS),),
        (*EVERYBODY, "sockets"),
    ),
    Row(
        "large-updates", "DOUBLE[1 M] updates", ">= 1.5x the best of the three",
        large(load.large_updates, "bench:million", "bench:trigger"), show_large, ((1.5, PEERS),),
    ),
    Row(
        "images", f"18 MB images at {images.RATE} Hz, to a client that keeps up and one that is stopped",
        "memory flat, none lost", images.measure, show_images, contenders=OURS, key="lost", rising=False,
        sound=lambda outcome: outcome["lost"] == 0 and outcome["most"] <= outcome["settled"] + images.SIZE / 1e6,
    ),
    Row(
        "memory", "memory per idle pvproperty of many groups", "<= 1/5 of caproto 1.3.0",
        memory("", 10_000), show_memory, ((0.2, ("caproto 1.3.0",)),), _ONE_OF_OURS, "bytes", False,
    ),
    Row(
        "memory-records", "the same, record=\"ai\" with its fields untouched", "<= 1/5 of caproto 1.3.0",
        memory("ai", 1_000), show_memory, ((0.2, ("caproto 1.3.0",)),), _ONE_OF_OURS, "bytes", False,
    ),
)  # fmt: skip
