"""A client in the world of the engine tests that is connected already, or nearly so."""

from __future__ import annotations

from typing import Any

from caproto.client._channel import CREATING
from tests.engine.world import Client, Server, World


def up(*names: str, **settings: Any) -> tuple[World, Server, Client]:
    """A client that is connected to all PVs of a server; ``pv`` if no names are given."""
    world = World()
    server, client = world.server(*(names or ("pv",))), world.client(**settings)
    for name in server.pvs:
        client.open(name)
    world.run(1.0)
    assert all(channel.connected for channel in client.engine.channels.values())
    return world, server, client


def only(client: Client) -> Any:
    (channel,) = client.engine.channels.values()
    return channel


def creating(server: Server, client: Client) -> Any:
    """A channel that was found, on a circuit that is up; its server has not read CREATE_CHAN so far."""
    server.frozen = True
    channel = client.open("pv")
    client.engine.found(channel.cid, server.address, None, client.world.now)
    assert channel.state == CREATING
    return channel


def told(client: Client, channel: Any, what: str) -> Any:
    """A read or a write with a callback."""
    if what == "read":
        return client.engine.read(channel, 6, 0, on_done=print)
    return client.engine.write(channel, [5.0], 6, notify=what == "write", on_done=print)
