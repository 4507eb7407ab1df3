"""Identifiers: unique while in use, on any number of requests, and free again afterwards."""

from __future__ import annotations

import pytest

import caproto
from tests.protocol.pair import connected, deliver, is_usable
from tests.protocol.test_circuit import message

MANY = 70_000


@pytest.mark.timeout(60)
def test_more_requests_outstanding_than_sixteen_bits() -> None:
    pair = connected()
    seen = set()
    for _ in range(MANY):
        request = caproto.ReadNotifyRequest(6, 1, 7, pair.client.new_ioid())
        pair.client.send(request)
        seen.add(request.ioid)
    assert len(seen) == MANY
    assert is_usable(pair)


@pytest.mark.timeout(60)
def test_more_channels_than_sixteen_bits() -> None:
    pair = connected()
    seen = {1}
    for _ in range(MANY):
        cid = pair.client.new_channel_id()
        pair.client.send(caproto.CreateChanRequest("pv", cid, 13))
        seen.add(cid)
    assert len(seen) == MANY + 1


@pytest.mark.timeout(60)
def test_identifiers_in_use_are_passed_over() -> None:
    taken = set(range(1, 100))
    counter = caproto.ThreadsafeCounter(dont_clash_with=taken)
    assert counter() not in taken
    assert counter() not in taken


@pytest.mark.timeout(60)
def test_all_of_them_in_use_does_not_hang() -> None:
    taken = set(range(caproto.MAX_ID + 10))
    counter = caproto.ThreadsafeCounter(dont_clash_with=taken)
    try:
        assert counter() not in taken
    except caproto.CaprotoError as error:
        assert str(error)


def test_identifiers_of_subscriptions_and_of_requests_are_unique() -> None:
    """The first of each is 0, as the tutorial has it; answers are told apart by their command."""
    pair = connected()
    subscriptions, requests = [], []
    for _ in range(50):
        subscriptions.append(pair.client.new_subscriptionid())
        pair.client.send(caproto.EventAddRequest(6, 1, 7, subscriptions[-1], 0, 0, 0, 1))
        requests.append(pair.client.new_ioid())
        pair.client.send(caproto.ReadNotifyRequest(6, 1, 7, requests[-1]))
    assert (subscriptions[0], requests[0]) == (0, 0)
    assert len(set(subscriptions)) == len(set(requests)) == 50


def test_finished_requests_are_forgotten() -> None:
    """Nothing of a request stays behind in the circuit once it was answered."""
    import tracemalloc

    pair = connected()

    def rounds(times: int) -> None:
        for number in range(times):
            pair.client.send(caproto.ReadNotifyRequest(6, 1, 7, number))
            deliver(pair.client, message(15, 6, 1, 1, number, bytes(8)))

    rounds(2000)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        rounds(10_000)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 400_000
