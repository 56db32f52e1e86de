"""Wait for a server to start."""

import socket
import time

TIMEOUT_SECONDS = 30


def wait_until_listening(port: int) -> bool:
    """Return whether a local port accepts connections within SECONDS."""
    until = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return True
    return False
