"""Waiting for a server to start."""

import socket
import time

SECONDS = 30


def listens(port: int) -> bool:
    """Whether a server on this machine accepts connections at a port before SECONDS are over."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return True
    return False
