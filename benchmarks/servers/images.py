"""18 MB images at 15 Hz, to a client that keeps up and to one that stops reading (protocol section 9.2)."""

from __future__ import annotations

import socket
import struct
import threading
import time

from benchmarks.servers import load
from benchmarks.servers.contenders import Contender, serving

SIZE, RATE, CHAR = 18_000_000, 15, 4
#: Seconds after which memory has to stay as it is, at most: by then the budget of the stalled client is full.
SETTLED = 10.0

PROGRAM = """
import time
from caproto.server import PVGroup, pvproperty
IMAGES = [bytes([shade]) * {size} for shade in range(1, 5)]
class Camera(PVGroup):
    image = pvproperty(value=IMAGES[0], max_length={size})
    frames = pvproperty(value=0)
    @frames.startup
    async def frames(self, instance, async_lib):
        while not instance.value:
            await async_lib.sleep(0.1)
        due = time.monotonic()
        for number in range(instance.value):
            await self.image.write(IMAGES[number % 4])
            due += 1 / {rate}
            await async_lib.sleep(max(0, due - time.monotonic()))
import caproto.{skin}.server
caproto.{skin}.server.run(Camera(prefix="bench:").pvdb)
"""


def _subscribe(port: int) -> socket.socket:
    """A circuit that has asked for all images and received nothing so far."""
    sock = load.connect(port)
    request = struct.pack(">HHHHIIII", 1, 0xFFFF, CHAR, 0, load.open_channel(sock, "bench:image"), 9, 16, SIZE)
    sock.sendall(request + struct.pack(">fffHH", 0, 0, 0, 1, 0))
    return sock


def measure(contender: Contender, seconds: float) -> dict[str, float]:
    """Images that were sent, received and lost, and megabytes of the server when settled and at most since then."""
    images, size = int(seconds * RATE), 24 + SIZE
    program = PROGRAM.format(skin=contender.name, size=SIZE, rate=RATE)
    received = [0]

    def read(sock: socket.socket) -> None:
        buffer = bytearray(1 << 20)
        while received[0] < images * size:
            part = sock.recv_into(buffer, len(buffer), load.DROP)
            if not part:
                return
            received[0] += part

    with serving(contender, program, "bench:image") as server:
        with _subscribe(server.port), _subscribe(server.port) as fast, load.connect(server.port) as starter:
            load.take(fast, size)
            fast.settimeout(5.0)
            reader = threading.Thread(target=read, args=(fast,), daemon=True)
            reader.start()
            starter.sendall(load.put(4, load.open_channel(starter, "bench:frames"), 1, float(images)))
            memory: list[float] = []
            begin = time.monotonic()
            while reader.is_alive():
                reader.join(0.5)
                if time.monotonic() - begin >= min(SETTLED, seconds / 3):
                    memory.append(server.resident())
    lost = images - received[0] // size
    return {"sent": images, "lost": lost, "settled": memory[0], "most": max(memory)}
