"""Searching: which names go into which datagrams, and when (section 8.1)."""

from __future__ import annotations

import pytest

import caproto as ca
from caproto.client._search import Searcher, reply_address


def test_search_gaps_double_up_to_the_longest() -> None:
    searcher = Searcher(60.0)
    searcher.add(1, "pv", 0.0)
    times = []
    now = 0.0
    while now < 400:
        assert searcher.due(now)
        times.append(now)
        now = searcher.next_time
    gaps = [later - earlier for earlier, later in zip(times, times[1:], strict=False)]
    assert gaps[:4] == pytest.approx([0.032, 0.064, 0.128, 0.256])
    assert 30 < gaps[-1] <= 60


def test_many_names_share_datagrams_of_limited_size_and_number() -> None:
    searcher = Searcher(300.0)
    for cid in range(5000):
        searcher.add(cid, f"name:{cid:032}", 0.0)
    first = searcher.due(0.0)
    assert all(sum(map(len, datagram)) <= 1024 for datagram in first)
    assert len(first) <= 40
    assert [datagram[0].sequence for datagram in first] == list(range(1, len(first) + 1))
    assert searcher.next_time > 0
    asked = {command.cid for command in first[0][1:]} | {command.cid for command in searcher.due(0.5)[0][1:]}
    assert len(asked) == 2 * len(first[0][1:])


def test_rounds_grow_while_all_is_answered_and_shrink_when_something_is_not() -> None:
    searcher = Searcher(300.0)
    for cid in range(10_000):
        searcher.add(cid, f"name:{cid:032}", 0.0)
    now, sizes = 0.0, []
    for number in range(9):
        datagrams = searcher.due(now)
        sizes.append(len(datagrams))
        asked = [command.cid for datagram in datagrams for command in datagram[1:]]
        for cid in asked[number == 3 :]:
            searcher.answered(cid, datagrams[0][0].sequence, now)
        now = max(now, searcher.next_time)
    # Doubled up to the most; after a loss from the beginning, doubled up to half of what was too much, then by one.
    assert sizes == [8, 16, 32, 64, 8, 16, 32, 33, 34]


def test_names_that_were_opened_one_after_the_other_keep_their_own_gaps() -> None:
    searcher = Searcher(60.0)
    for cid in range(100):
        searcher.add(cid, f"name:{cid}", 0.07 * cid)
    asked: list[list[float]] = [[] for _ in range(100)]
    now = 0.0
    while now < 300:
        for datagram in searcher.due(now):
            for command in datagram[1:]:
                asked[command.cid].append(now)
        now = searcher.next_time
    for times in asked:
        for level, (earlier, later) in enumerate(zip(times, times[1:], strict=False)):
            assert later - earlier >= 0.75 * 0.032 * 2 ** min(level, 10) - 1e-6


@pytest.mark.parametrize(
    ("ip", "version", "tcp", "expected"),
    [
        (None, 13, False, ("1.1.1.1", 99)),
        ("2.2.2.2", 13, False, ("2.2.2.2", 99)),
        ("2.2.2.2", 7, False, ("1.1.1.1", 99)),
        (None, 4, False, ("1.1.1.1", 5064)),
        (None, None, True, ("1.1.1.1", 1)),
        ("2.2.2.2", None, True, ("2.2.2.2", 99)),
    ],
)
def test_where_the_server_is(ip: str | None, version: int | None, tcp: bool, expected: tuple[str, int]) -> None:
    reply = ca.SearchResponse(99, ip, 0, version)
    assert reply_address(reply, ("1.1.1.1", 1), 5064, tcp=tcp) == expected
