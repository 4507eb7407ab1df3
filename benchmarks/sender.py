"""Write one waveform update to an inherited socket as often as asked: sender.py FD ELEMENTS UPDATES."""

from __future__ import annotations

import socket
import sys

import wire


def main(fd: int, elements: int, updates: int) -> None:
    message = memoryview(wire.waveform_update(elements))
    with socket.socket(fileno=fd) as sock:
        sock.sendall(b"r")
        sock.recv(1)
        for _ in range(updates):
            sock.sendall(message)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
