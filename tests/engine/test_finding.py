"""Finding servers: searches over an hour, by a bad network and for many names, beacons, name servers (section 8)."""

from __future__ import annotations

import logging

import pytest

import caproto as ca
from caproto.client._beacons import Beacons, News
from tests.engine.world import BROADCAST, DATAGRAM_BYTES, REPEATER, Client, Server, World, searched_names

NAME_SERVER = ("10.0.2.1", 5064)


def gaps(client: Client) -> list[float]:
    times = [when for when, _ in searched_names(client)]
    return [later - earlier for earlier, later in zip(times, times[1:], strict=False)]


@pytest.mark.parametrize("longest", [60.0, 300.0, 3600.0])
def test_a_name_that_nobody_has_is_asked_for_less_and_less_up_to_the_longest_period(longest: float) -> None:
    world = World()
    client = world.client(max_search_period=longest)
    client.open("nobody")
    world.run(6 * 3600)
    found = gaps(client)
    assert found[:8] == pytest.approx([0.032 * 2**i for i in range(8)])
    assert all(later >= earlier - 1e-6 for earlier, later in zip(found, found[1:], strict=False))
    assert longest / 2 < found[-1] <= longest


def test_one_missing_name_costs_two_dozen_datagrams_an_hour() -> None:
    world = World()
    client = world.client()
    client.open("nobody")
    world.run(3600)
    assert 20 <= len(client.datagrams) <= 30


def test_a_late_answer_makes_no_gap_longer_than_the_longest_period() -> None:
    world = World()
    client = world.client(max_search_period=60.0)
    client.open("nobody")
    channel = client.open("pv")
    world.run(400)
    world.delay = (5.0, 5.0)
    world.server("pv")
    world.run(3600)
    assert channel.connected
    assert client.engine.discovery.searcher.round_trip > 1.0
    assert max(gaps(client)) <= 60.0 + 1e-6


@pytest.mark.parametrize("minutes", [0.1, 1, 30])
def test_a_server_that_starts_late_is_found_within_the_period(minutes: float) -> None:
    world = World()
    client = world.client(max_search_period=60.0)
    channel = client.open("pv")
    world.run(60 * minutes)
    world.server("pv")
    world.run(60.0)
    assert channel.connected


def test_a_late_server_that_sends_beacons_is_found_at_once() -> None:
    world = World()
    client = world.client()
    channel = client.open("pv")
    world.run(3600)
    server = world.server("pv")
    for pause in (0.02, 0.04, 0.08):
        server.beacon()
        world.run(pause)
    world.run(0.5)
    assert channel.connected


def test_an_answer_to_a_name_that_is_rarely_asked_for_has_the_others_asked_within_8_s() -> None:
    world = World()
    client = world.client()
    first = client.open("first")
    world.run(3600)
    second = client.open("second")
    world.run(100.0)
    world.server("first", "second")
    while not (first.connected or second.connected):
        world.run(0.1)
    assert first.connected != second.connected
    world.run(8.5)
    assert first.connected and second.connected


class TestTenThousandNames:
    """Datagrams are counted, have a size that crosses every network, and do not come as a storm."""

    names = [f"area{i % 100:03}:device{i:06}:value" for i in range(10_000)]

    def search(self, world: World, seconds: float) -> tuple[Client, list[tuple[float, list[str]]]]:
        client = world.client()
        for name in self.names:
            client.open(name)
        world.run(seconds)
        assert all(len(data) <= DATAGRAM_BYTES for _, data, _ in client.datagrams)
        return client, searched_names(client)

    def busiest(self, sent: list[tuple[float, list[str]]], window: float) -> int:
        times = [when for when, _ in sent]
        most, start = 0, 0
        for end, when in enumerate(times):
            while times[start] < when - window:
                start += 1
            most = max(most, end - start + 1)
        return most

    def connected(self, client: Client) -> int:
        return sum(channel.connected for channel in client.engine.channels.values())

    def test_all_found(self) -> None:
        world = World()
        world.server(*self.names)
        client, sent = self.search(world, 2.0)
        assert self.connected(client) == 10_000
        # Nobody is asked for twice.
        assert sum(len(names) for _, names in sent) == 10_000
        assert len(sent) <= 10_000 // 18

    def test_half_missing(self) -> None:
        world = World()
        world.server(*self.names[::2])
        client, sent = self.search(world, 60.0)
        assert self.connected(client) == 5_000
        assert self.busiest(sent, 0.030) <= 64
        assert self.busiest(sent, 1.0) <= 600
        # An hour later they cost next to nothing.
        before = len(sent)
        world.run(3600)
        assert len(searched_names(client)) - before <= 5_000 / 17 * 20

    def test_lossy_network(self) -> None:
        world = World(seed=3)
        world.loss, world.doubling, world.delay = 0.3, 0.2, (0.0002, 0.05)
        world.server(*self.names)
        client, sent = self.search(world, 120.0)
        assert world.lost > 100
        assert self.connected(client) == 10_000
        assert sum(len(names) for _, names in sent) <= 10 * 10_000
        assert self.busiest(sent, 0.030) <= 64


def test_an_answer_that_comes_twice_connects_once_and_is_not_reported(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.doubling = 1.0
    server, client = world.server("pv"), world.client()
    client.connected("pv")
    assert client.connects == 1
    assert server.session.names() == ["CreateChanRequest"]
    assert not caplog.records


def test_two_servers_with_one_name_are_reported_once_and_the_first_wins(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.doubling = 1.0
    world.server("pv")
    world.server("pv", address=("10.0.1.2", 5064))
    client = world.client()
    channel = client.connected("pv")
    assert channel.where == "10.0.1.1:5064"
    assert [record.getMessage() for record in caplog.records] == [
        "pv: offered by 10.0.1.2:5064, too; staying with 10.0.1.1:5064"
    ]


def test_an_address_that_cannot_be_sent_to_is_reported_once_and_the_others_go_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    world.server("pv")
    client = world.client(destinations=[("10.9.9.9", 5064), BROADCAST])
    channel = client.connected("pv")
    for _ in range(3):
        client.engine.datagram_sent(("10.9.9.9", 5064), OSError(101, "Network is unreachable"))
    assert channel.connected
    assert len(caplog.records) == 1
    assert "10.9.9.9:5064: Network is unreachable" in client.engine.asked()
    client.engine.datagram_sent(("10.9.9.9", 5064), None)
    assert "unreachable" not in client.engine.asked()


def test_a_server_that_is_found_but_refuses_connections_is_asked_less_and_less() -> None:
    world = World()
    server, client = world.server("pv"), world.client()
    server.refuses = True
    channel = client.open("pv")
    world.run(3600)
    assert client.connects < 200
    assert "Connection refused" in channel.waiting_for()
    server.refuses = False
    world.run(40)
    assert channel.connected


def test_garbage_in_a_datagram_harms_nobody() -> None:
    world = World(seed=5)
    world.server("pv")
    client = world.client()
    for size in range(200):
        client.engine.datagram_received(world.random.randbytes(size), ("10.0.1.1", 5064), world.now)
    client.connected("pv")


# Beacons


def heard(*periods: float, started: float = 0.0, first: float = 1000.0, step: int = 1) -> list[News]:
    """What beacons mean that come with these pauses between them."""
    beacons, now, number = Beacons(started), first, 0
    news = [beacons.heard(("10.0.1.1", 5064), number, now)]
    for period in periods:
        now, number = now + period, number + step
        news.append(beacons.heard(("10.0.1.1", 5064), number, now))
    return news


@pytest.mark.parametrize(
    ("row", "news"),
    [
        ("first beacon: the circuit, if any, trusts beacons no more", heard()[-1:]),
        ("second, of a server that was there before us", heard(15.0, first=1001.0, started=1000.0)[-1:]),
        ("period >= 1.25 of the average", heard(15.0, 19.0)[-1:]),
    ],
)
def test_beacons_that_say_something_about_the_circuit_only(row: str, news: list[News]) -> None:
    assert news == [News.CIRCUIT], row


@pytest.mark.parametrize(
    ("row", "news"),
    [
        ("second, of a new server", heard(0.02)[-1:]),
        ("period >= 3.25 of the average", heard(15.0, 49.0)[-1:]),
        ("period <= 0.80 of the average", heard(15.0, 12.0)[-1:]),
    ],
)
def test_beacons_that_restart_searches(row: str, news: list[News]) -> None:
    assert news == [News.CIRCUIT | News.NETWORK], row


@pytest.mark.parametrize(
    ("row", "news"),
    [
        ("advance 0", heard(15.0, 15.0, step=0)[1:]),
        ("advance 256 backwards", heard(15.0, 15.0, step=-256)[1:2]),
        ("advance 2", heard(15.0, 15.0, step=2)[1:]),
        ("advance 3", heard(15.0, 15.0, step=3)[1:]),
    ],
)
def test_beacons_that_took_another_route_or_were_lost_are_discarded(row: str, news: list[News]) -> None:
    assert set(news) == {News.NOTHING}, row


def test_a_steady_rhythm_is_healthy_and_the_average_follows_it() -> None:
    assert set(heard(15.0, *[15.0] * 20)[2:]) == {News.HEALTHY}
    # Slowly slower: each within 1.25 of the average so far.
    assert set(heard(15.0, *[15.0 + 0.2 * i for i in range(60)])[2:]) == {News.HEALTHY}


def test_beacon_numbers_wrap_around() -> None:
    beacons = Beacons(0.0)
    for i, number in enumerate((0xFFFFFFFE, 0xFFFFFFFF)):
        beacons.heard(("10.0.1.1", 5064), number, 15.0 * i)
    assert beacons.heard(("10.0.1.1", 5064), 0, 30.0) is News.HEALTHY


def test_a_lost_circuit_begins_a_new_rhythm() -> None:
    world = World()
    server, client = world.server("pv"), world.client()
    client.connected("pv")
    for _ in range(3):
        server.beacon()
        world.run(15.0)
    assert client.engine.discovery._beacons._seen
    server.kill()
    world.run(0.01)
    assert not client.engine.discovery._beacons._seen


def quiet_server(world: World) -> tuple[Server, Client]:
    """A circuit whose server has sent beacons so regularly that they are trusted."""
    server, client = world.server("pv"), world.client()
    client.connected("pv")
    for _ in range(4):
        server.beacon()
        world.run(15.0)
    # What made the first beacons suspect is over with the next message.
    server.session.send(ca.VersionResponse(13))
    world.run(0.0)
    return server, client


def test_healthy_beacons_stand_for_an_echo() -> None:
    world = World()
    server, _ = quiet_server(world)
    before = len(server.session.saw)
    for _ in range(100):
        server.beacon()
        world.run(15.0)
    assert len(server.session.saw) == before


def test_after_an_anomaly_beacons_stand_for_nothing_until_the_next_message() -> None:
    world = World()
    server, _ = quiet_server(world)
    world.run(14.0)
    server.beacon()
    for _ in range(3):
        server.beacon()
        world.run(9.0)
    assert server.session.names()[-1] == "EchoRequest"


def test_the_repeater_is_asked_until_it_confirms() -> None:
    world = World()
    client = world.client(repeater=REPEATER)
    world.run(10.0)
    asked = [data for _, data, destination in client.datagrams if destination == REPEATER]
    assert len(asked) == 11
    client.engine.datagram_received(bytes(ca.RepeaterConfirmResponse("127.0.0.1")), REPEATER, world.now)
    world.run(3600)
    assert len(client.datagrams) == 11


def test_a_repeater_that_is_missing_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.client(repeater=REPEATER)
    world.run(600.0)
    assert [record.getMessage() for record in caplog.records] == ["no repeater answers at port 5065"]


# Name servers


def with_name_server(world: World) -> tuple[Server, Server, Client]:
    """A name server that knows nothing itself, the server, and a client that asks nobody else."""
    name_server = Server(world, NAME_SERVER)
    server = world.server("pv")
    client = world.client(destinations=[], name_servers=[NAME_SERVER])
    return name_server, server, client


def test_a_name_server_that_has_the_pv_itself_needs_no_datagram() -> None:
    world = World()
    world.server("pv", address=NAME_SERVER)
    client = world.client(destinations=[], name_servers=[NAME_SERVER])
    client.connected("pv")
    assert not client.datagrams
    assert client.connects == 1


def test_a_name_server_is_asked_for_many_names_in_few_segments() -> None:
    world = World()
    names = [f"pv{i}" for i in range(1000)]
    world.server(*names, address=NAME_SERVER)
    client = world.client(destinations=[], name_servers=[NAME_SERVER])
    channels = [client.open(name) for name in names]
    world.run(5.0)
    assert all(channel.connected for channel in channels)


def test_a_name_server_that_is_down_is_tried_again_less_and_less() -> None:
    world = World()
    name_server, _, client = with_name_server(world)
    name_server.refuses = True
    channel = client.open("pv")
    world.run(3600)
    assert 3600 / 31 <= client.connects <= 3600 / 29 + 6
    name_server.refuses = False
    name_server.pvs["pv"] = world.servers["10.0.1.1", 5064].pvs["pv"]
    world.run(31.0)
    assert channel.connected
    assert "over TCP" in client.engine.asked()


def test_a_name_server_that_restarts_is_connected_and_asked_again() -> None:
    world = World()
    name_server, _, client = with_name_server(world)
    client.open("elsewhere")
    world.run(100.0)
    assert len(name_server.sessions) == 1
    for _ in range(3):
        name_server.kill()
        world.run(1.0)
        name_server.restart()
        world.run(5.0)
        assert len(name_server.sessions) == 1
    name_server.pvs["elsewhere"] = world.servers["10.0.1.1", 5064].pvs["pv"]
    world.run(300.0)
    assert [channel.connected for channel in client.engine.channels.values()] == [True]


def test_a_name_server_that_drops_every_connection_is_not_hammered() -> None:
    world = World()
    name_server, _, client = with_name_server(world)
    client.open("pv")
    for _ in range(600):
        world.run(0.1)
        for session in list(name_server.sessions):
            session.pipe.cut()
    assert client.connects <= 62


def test_a_name_server_stays_when_its_last_channel_is_closed() -> None:
    world = World()
    server = world.server("pv", address=NAME_SERVER)
    client = world.client(destinations=[], name_servers=[NAME_SERVER])
    client.engine.close(client.connected("pv"))
    world.run(1.0)
    assert len(server.sessions) == 1


@pytest.fixture(autouse=True)
def warnings_only(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
