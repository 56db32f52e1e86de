"""Check that a server answers at RAY_ADDRESS, without importing Ray."""

import socket

from tench.core.errors import TenchError

RAY_ADDRESS = "RAY_ADDRESS"
TIMEOUT_SECONDS = 5
# RFC 9113, section 3.4: the client's preface with an empty SETTINGS frame
HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
SETTINGS_FRAME = b"\4"  # type of the first frame from a server


def check_reachable(address: str) -> None:
    """Raise TenchError unless a server speaks HTTP/2 at HOST:PORT, as Ray does.

    Without this check, Ray retries for a minute and then ends the process.
    """
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal()) or "/" in host:
        raise TenchError(
            f"{RAY_ADDRESS} = {address}: must be HOST:PORT, as printed by `ray start --head`"
        )
    try:
        with socket.create_connection((host, int(port)), TIMEOUT_SECONDS) as connection:
            connection.sendall(HTTP2_PREFACE)
            if connection.recv(9)[3:4] != SETTINGS_FRAME:
                raise ConnectionError("the server there is not Ray")
    except (OSError, OverflowError) as error:
        raise cluster_error(address, error) from None


def cluster_error(address: str, error: Exception) -> TenchError:
    """The error for a cluster that cannot be used."""
    reason = " ".join(str(error).split()) or type(error).__name__
    return TenchError(
        f"{RAY_ADDRESS} = {address}: no usable Ray cluster: {reason}. Start one (`ray start "
        "--head`), join it from here (`ray start --address=HOST:PORT`), or unset "
        f"{RAY_ADDRESS} to work on this machine only"
    )
