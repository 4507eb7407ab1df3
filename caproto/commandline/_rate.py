"""How fast updates come: counters, and a table of them."""

from __future__ import annotations

import statistics
import sys
from collections import deque
from typing import Any

__all__ = ["Counter", "RateTable"]

#: Intervals that the usual time between two updates is taken from, and how many are needed to know it.
WINDOW = 31
ENOUGH = 5
HEADER_BYTES = 16


class Counter:
    """Updates of one PV.

    Channel Access does not number updates.  What was lost is therefore estimated from gaps between time
    stamps: one of three usual intervals stands for two lost updates.  For a PV that is not updated at regular
    intervals that means nothing.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.updates = 0
        self.bytes = 0
        self.lost = 0
        self.connected = False
        self._last_stamp: int | None = None
        self._intervals: deque[int] = deque(maxlen=WINDOW)
        self._shown = (0.0, 0, 0)

    def update(self, response: Any) -> None:
        """Count an update."""
        self.updates += 1
        self.bytes += response.payload_size + HEADER_BYTES
        stamp = getattr(response.metadata, "stamp", None)
        if stamp is None:
            return
        now = stamp.secondsSinceEpoch * 1_000_000_000 + stamp.nanoSeconds
        last, self._last_stamp = self._last_stamp, now
        if last is None or now <= last:
            return
        interval = now - last
        # The first update is the value at the time of the subscription, not one of the series.
        if self.updates > 2:
            if len(self._intervals) >= ENOUGH:
                usual = statistics.median(self._intervals)
                if interval > 1.5 * usual:
                    self.lost += round(interval / usual) - 1
            self._intervals.append(interval)

    def interrupted(self) -> None:
        """Begin a new series: the connection was lost."""
        self._last_stamp = None
        self._intervals.clear()

    def rates(self, now: float) -> tuple[float, float]:
        """Return updates/s and MB/s since the last call."""
        then, updates, size = self._shown
        self._shown = (now, self.updates, self.bytes)
        seconds = now - then
        if not then or seconds <= 0:
            return 0.0, 0.0
        return (self.updates - updates) / seconds, (self.bytes - size) / seconds / 1e6

    def start(self, now: float) -> None:
        """Begin to measure."""
        self._shown = (now, self.updates, self.bytes)


class RateTable:
    """Shows counters: as a table that stays in place on a terminal, as lines otherwise."""

    def __init__(self, counters: list[Counter], *, color: bool = True) -> None:
        self.counters = counters
        self._live: Any = None
        if sys.stdout.isatty():
            try:
                from rich.console import Console
                from rich.live import Live
            except ImportError:
                pass
            else:
                console = Console(no_color=not color)
                self._live = Live(console=console, auto_refresh=False)
                self._live.start()
        if self._live is None:
            print(f"{'PV':<30} {'updates/s':>10} {'MB/s':>9} {'lost':>6} {'updates':>9}", flush=True)

    def show(self, now: float) -> None:
        """Show the rates since the last call."""
        rows = [(counter, *counter.rates(now)) for counter in self.counters]
        if self._live is not None:
            self._live.update(_rich_table(rows), refresh=True)
            return
        for counter, updates, megabytes in rows:
            text = f"{updates:>10.1f} {megabytes:>9.2f} {counter.lost:>6} {counter.updates:>9}"
            print(f"{counter.name:<30} {text}{'' if counter.connected else '  not connected'}", flush=True)

    def close(self, seconds: float) -> None:
        """Leave the terminal in order and print the mean over the whole time."""
        if self._live is not None:
            self._live.stop()
        for counter in self.counters:
            rate, size = counter.updates / seconds, counter.bytes / seconds / 1e6
            print(
                f"{counter.name}: {counter.updates} updates in {seconds:.1f} s, {rate:.1f} updates/s, "
                f"{size:.2f} MB/s, {counter.lost} lost (estimated from time stamps)"
            )


def _rich_table(rows: list[tuple[Counter, float, float]]) -> Any:
    from rich.table import Table

    table = Table()
    table.add_column("PV")
    for title in ("updates/s", "MB/s", "lost", "updates"):
        table.add_column(title, justify="right")
    for counter, updates, megabytes in rows:
        lost = f"[red]{counter.lost}[/red]" if counter.lost else "0"
        style = None if counter.connected else "dim"
        table.add_row(counter.name, f"{updates:.1f}", f"{megabytes:.2f}", lost, str(counter.updates), style=style)
    return table
