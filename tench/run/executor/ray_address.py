"""Whether there is a cluster at the address that RAY_ADDRESS names. Needs no Ray."""

import socket

from tench.core.errors import TenchError

RAY_ADDRESS = "RAY_ADDRESS"
TIMEOUT_SECONDS = 5  # within which the cluster must answer
HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(
    (0, 0, 0, 4, 0, 0, 0, 0, 0)
)  # RFC 9113, 3.4
SETTINGS_FRAME = b"\4"  # the type of the first frame that a server sends


def check_reachable(address: str) -> None:
    """Raise TenchError unless something speaks HTTP/2 at HOST:PORT, as Ray does: if nobody answers,
    Ray itself tries for a minute, then ends the process."""
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal()) or "/" in host:
        raise TenchError(
            f"{RAY_ADDRESS} = {address}: must be HOST:PORT, as `ray start --head` says"
        )
    try:
        with socket.create_connection((host, int(port)), TIMEOUT_SECONDS) as connection:
            connection.sendall(HTTP2_PREFACE)
            if connection.recv(9)[3:4] != SETTINGS_FRAME:
                raise ConnectionError("something else than Ray answers there")
    except (OSError, OverflowError) as error:
        raise cluster_error(address, error) from None


def cluster_error(address: str, error: Exception) -> TenchError:
    """The error that the cluster cannot be used."""
    reason = " ".join(str(error).split()) or type(error).__name__
    return TenchError(
        f"{RAY_ADDRESS} = {address}: no Ray cluster that can be used: {reason}. Start one (`ray "
        f"start --head`), join it from here (`ray start --address=HOST:PORT`), or unset {RAY_ADDRESS} "
        "to work on this machine alone"
    )
