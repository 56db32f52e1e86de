"""Serve an exported classifier over HTTP: a web page, and POST /predict for programs.

By default, only this machine can connect; --host 0.0.0.0 opens the server to the network. It needs
only the export folder, not TensorFlow or the training images. Uploaded images are neither stored
nor logged.
"""

import argparse
import sys

from tench.core.errors import TenchError
from tench.deploy.runtime.export_folder import RUNTIMES
from tench.deploy.serve.hosts import ANY_HOST, is_ip_address, parse_host
from tench.run.options import add_classifier_options, number_in_range
from tench.run.process_setup import pin_cpu_kernels

TIMEOUT = 60.0  # seconds


def allowed_host(text: str) -> str:
    """Parse --allowed-host, for argparse."""
    if text == ANY_HOST or is_ip_address(text):
        return text.lower()
    try:
        return parse_host(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: not a host name, an IP address or *") from None


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tench.serve",
        description=sys.modules[__name__].__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add_classifier_options(parser, RUNTIMES)
    add("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    add(
        "--port",
        type=number_in_range(int, 1, 65535),
        default=8000,
        help="port to listen on (default: %(default)s)",
    )
    add(
        "--allowed-host",
        metavar="NAME",
        action="append",
        default=[],
        type=allowed_host,
        help="also accept requests for this host name; * accepts any; may be repeated (always "
        "accepted: localhost, 127.0.0.1, ::1 and --host; with --host 0.0.0.0, any IP address)",
    )
    add(
        "--timeout",
        metavar="SECONDS",
        type=number_in_range(float, 0.01, 86400),
        default=TIMEOUT,
        help="time limit for the images of a request, after which it gets a 503 "
        "(default: %(default)g)",
    )
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    pin_cpu_kernels()  # before the import of NumPy, whose threads would compete for the cores
    from tench.deploy.serve.server import serve

    try:
        serve(
            args.model,
            args.runtime,
            host=args.host,
            port=args.port,
            allowed_hosts=args.allowed_host,
            timeout=args.timeout,
        )
    except TenchError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
