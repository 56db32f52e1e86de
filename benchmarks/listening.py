"""Waiting for a server to start."""

import socket
import time

TIMEOUT_SECONDS = 30


def wait_until_listening(port: int) -> bool:
    """Whether a server on this machine accepts connections at a port before SECONDS are over."""
    until = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return True
    return False
