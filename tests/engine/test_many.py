"""Many PVs on many servers in one client."""

from __future__ import annotations

from tests.engine.world import World

SERVERS = 50
PVS = 40


def test_thousands_of_pvs_over_many_circuits_connect_update_and_are_cleared() -> None:
    world = World()
    servers = [
        world.server(*(f"s{n}:{i}" for i in range(PVS)), address=(f"10.0.1.{n + 1}", 5064)) for n in range(SERVERS)
    ]
    client = world.client()
    engine = client.engine
    channels = [client.open(name) for server in servers for name in server.pvs]
    world.run(5.0)
    assert all(channel.connected for channel in channels)
    # One circuit for each server, however many PVs it has.
    assert len(engine.links) == SERVERS
    assert {len(link.channels) for link in engine.links.values()} == {PVS}
    subscribers = [client.subscribe(channel) for channel in channels]
    world.run(1.0)
    for server in servers:
        for name in server.pvs:
            server.put(name, 1000.0)
    world.run(1.0)
    assert {subscriber.values[-1] for subscriber in subscribers} == {1000.0}
    # Every name once, and hardly any twice: a datagram holds about 40 of these.
    assert engine.discovery.searcher.datagrams < 3 * SERVERS * PVS / 40
    for channel in channels:
        engine.close(channel)
    world.run(5.0)
    assert (len(engine.links), len(engine.channels), len(engine.discovery.searcher)) == (0, 0, 0)
