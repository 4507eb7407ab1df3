"""The rows of the table: which scenario runs where, and what its figures have to reach."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

#: Scenario -> contender -> arguments. The incumbent is quadratic in the messages of one recv: it gets fewer.
PLANS: dict[str, dict[str, dict[str, Any]]] = {
    "scalar_updates": {"incumbent": {}, "cython": {}, "python": {}},
    "steps_of_an_update": {"incumbent": {}, "cython": {}, "python": {}},
    "delivery": {"cython": {}, "python": {}},
    "messages_per_recv": {"incumbent": {"largest": 1_000}, "cython": {}, "python": {}},
    "keep_one_update": {"incumbent": {"updates": 50_000}, "cython": {}, "python": {}},
    "waveforms": {"incumbent": {}, "cython": {}, "python": {}},
    "waveforms_tcp": {"incumbent": {}, "cython": {}, "python": {}},
    "byte_swap": {"cython": {}, "python": {}},
    "encode": {"incumbent": {}, "cython": {}, "python": {}},
    "import_time": {"incumbent": {}, "cython": {}, "python": {}},
}
#: Figures that are better when larger.
RATES = ("codec", "astype")

Results = dict[str, dict[str, Any]]


class Line(NamedTuple):
    what: str
    codec: str
    incumbent: str
    measured: str
    ratio: str
    target: str
    met: bool


def judge(results: Results) -> list[Line]:
    lines: list[Line] = []
    for scenario, judge_one in JUDGES.items():
        for codec in ("cython", "python"):
            if scenario in results[codec]:
                old = results["incumbent"].get(scenario)
                lines.extend(judge_one(codec, results[codec][scenario], old))
    return lines


def scalar_updates(codec: str, new: dict[str, Any], old: dict[str, Any]) -> Iterator[Line]:
    least = 50 if codec == "cython" else 3
    before, now = old["us_per_update"], new["us_per_update"]
    yield Line(
        "TIME_DOUBLE scalar update, 4 KiB chunks",
        codec,
        f"{before:.1f} us",
        f"{now:.2f} us",
        f"{before / now:.1f}x",
        f">= {least}x",
        before / now >= least,
    )


def steps_of_an_update(codec: str, new: dict[str, Any], old: dict[str, Any]) -> Iterator[Line]:
    yield Line("of it: split / check / .data[0] / .metadata", codec, steps(old), steps(new), "-", "-", True)


def steps(figures: dict[str, Any]) -> str:
    """What each step adds to the ones before it."""
    totals = [cost for name, cost in figures.items() if name.startswith("us_to_")]
    return " ".join(f"{cost - before:.2f}" for cost, before in zip(totals, [0.0, *totals], strict=False))


def delivery(codec: str, new: dict[str, Any], old: object) -> Iterator[Line]:
    for what, least in (("commands", 0.2), ("columns", 0.04)):
        cost = new[f"us_as_{what}"]
        yield Line(
            f"update to its subscription as {what}, 64 KiB chunks",
            codec,
            "-",
            f"{cost:.3f} us",
            "-",
            f"<= {least} us" if codec == "cython" else "-",
            cost <= least or codec != "cython",
        )


def messages_per_recv(codec: str, new: dict[str, Any], old: dict[str, Any]) -> Iterator[Line]:
    def figures(costs: dict[str, float]) -> str:
        return " ".join(f"{cost:.2f}" for cost in costs.values())

    costs, peaks = new["us_per_message"], new["peak_bytes_per_byte"]
    growth = max(costs.values()) / min(costs.values())
    from_ten = [cost for size, cost in costs.items() if int(size) >= 10]
    later = max(from_ten) / min(from_ten)
    sizes = "/".join(costs)
    yield Line(
        f"us per message, {sizes} in one recv",
        codec,
        figures(old["us_per_message"]),
        figures(costs),
        f"max/min {growth:.2f}, from 10 on {later:.2f}",
        "<= 1.20",
        growth <= 1.2,
    )
    many = {size: peak for size, peak in peaks.items() if int(size) >= 1_000}
    spread = max(many.values()) / min(many.values())
    yield Line(
        "peak memory of a recv / bytes of the chunk",
        codec,
        figures(old["peak_bytes_per_byte"]),
        figures(peaks),
        f"{spread:.2f} from 1 000 on",
        "O(chunk): <= 1.20",
        spread <= 1.2,
    )


def keep_one_update(codec: str, new: dict[str, Any], old: dict[str, Any]) -> Iterator[Line]:
    kept = new["bytes_per_update_kept"]
    yield Line(
        "keep 1 update in 10 000: bytes held per update kept",
        codec,
        f"{old['bytes_per_update_kept']:.0f}",
        f"{kept:.0f}",
        f"{kept / new['chunk_bytes']:.3f} of a chunk",
        "<= 4096",
        kept <= 4096,
    )


def waveforms(codec: str, new: dict[str, Any], old: dict[str, Any], kind: str = "socket pair") -> Iterator[Line]:
    bare, ours = new["bare_gb_per_s"], new["circuit_gb_per_s"]
    yield Line(
        f"DOUBLE[1M] received, {kind}; bare loop {bare:.2f} GB/s",
        codec,
        f"{old['circuit_gb_per_s']:.2f} GB/s",
        f"{ours:.2f} GB/s",
        f"{ours / bare:.2f} of bare",
        ">= 0.90",
        ours / bare >= 0.9,
    )


def waveforms_tcp(codec: str, new: dict[str, Any], old: dict[str, Any]) -> Iterator[Line]:
    yield from waveforms(codec, new, old, "loopback TCP")


def byte_swap(codec: str, new: dict[str, Any], old: object) -> Iterator[Line]:
    for item_size in ("8", "4", "2"):
        mine = {size: rates for size, rates in new.items() if size.startswith(item_size + "x")}
        ratios = [rates["codec"] / rates["astype"] for rates in mine.values()]
        yield Line(
            f"in-place swap of {item_size}-byte items, 1k/10k/100k/1M, GB/s",
            codec,
            "astype " + " ".join(f"{rates['astype']:.1f}" for rates in mine.values()),
            " ".join(f"{rates['codec']:.1f}" for rates in mine.values()),
            f"{min(ratios):.1f}x at least",
            ">= 2x" if codec == "cython" else "-",
            min(ratios) >= 2 or codec != "cython",
        )


def encode(codec: str, new: dict[str, Any], old: dict[str, Any]) -> Iterator[Line]:
    for what, unit, figure, least in (
        ("EventAddResponse + bytes(), TIME_DOUBLE scalar", "us", "us_per_scalar", 15),
        ("EventAddResponse + bytes(), DOUBLE[1M]", "ms", "ms_per_waveform", 5),
    ):
        ratio = old[figure] / new[figure]
        yield Line(
            what,
            codec,
            f"{old[figure]:.2f} {unit}",
            f"{new[figure]:.2f} {unit}",
            f"{ratio:.1f}x",
            f">= {least}x" if codec == "cython" else "-",
            ratio >= least or codec != "cython",
        )


def import_time(codec: str, new: dict[str, Any], old: dict[str, Any]) -> Iterator[Line]:
    yield Line(
        "import caproto, no numpy",
        codec,
        f"{old['import_ms']:.0f} ms",
        f"{new['import_ms']:.0f} ms",
        f"{new['import_ms'] / new['bare_interpreter_ms']:.1f} bare starts",
        "<= 60 ms",
        new["import_ms"] <= 60,
    )


JUDGES: dict[str, Any] = {
    judge_one.__name__: judge_one
    for judge_one in (
        scalar_updates,
        steps_of_an_update,
        delivery,
        messages_per_recv,
        keep_one_update,
        waveforms,
        waveforms_tcp,
        byte_swap,
        encode,
        import_time,
    )
}
