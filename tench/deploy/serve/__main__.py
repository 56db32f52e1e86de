"""Serve an exported classifier: a page to drop images on, and POST /predict for programs.

Only this machine can reach it unless --host says otherwise (0.0.0.0: every machine in the
network). It needs no TensorFlow and no training images, only the export's folder. Nothing of a
image is kept or logged.
"""

import argparse
import sys

from tench.core.errors import TenchError
from tench.deploy.runtime.export_folder import RUNTIMES
from tench.deploy.serve.hosts import ANY, host_of, is_address
from tench.run.options import add_classifier_options, number_in_range
from tench.run.process_setup import pin_cpu_kernels

TIMEOUT = 60.0  # seconds


def allowed_host(text: str) -> str:
    """A host as --allowed-host takes it, for argparse."""
    if text == ANY or is_address(text):
        return text.lower()
    try:
        return host_of(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: not a host name, an IP address or *") from None


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tench.serve",
        description=sys.modules[__name__].__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add_classifier_options(parser, RUNTIMES)
    add("--host", default="127.0.0.1", help="address to listen at (%(default)s)")
    add("--port", type=number_in_range(int, 1, 65535), default=8000, help="(%(default)s)")
    text = (
        "answer requests for this host too, %(metavar)s = * for any; may be repeated (localhost, "
    )
    text += "127.0.0.1, ::1 and --host; with --host 0.0.0.0 any IP address)"
    add("--allowed-host", metavar="NAME", action="append", default=[], type=allowed_host, help=text)
    text = "seconds for the images of a request; later it gets a 503 (%(default)g)"
    add(
        "--timeout",
        metavar="SECONDS",
        type=number_in_range(float, 0.01, 86400),
        default=TIMEOUT,
        help=text,
    )
    return parser.parse_args()


def main() -> None:
    chosen = parse_args()
    pin_cpu_kernels()  # before NumPy is imported: its own threads would be in the way of ours
    from tench.deploy.serve.server import serve

    try:
        serve(
            chosen.model,
            chosen.runtime,
            host=chosen.host,
            port=chosen.port,
            allowed_hosts=chosen.allowed_host,
            timeout=chosen.timeout,
        )
    except TenchError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
