"""The server under load, beside what the export does without one: python -m benchmarks.serving

Clients on loopback send pictures one by one over kept connections, as fast as they are answered. In
the same run the same pictures go through the same reading, resizing and asking in this process.
"""

import argparse
import asyncio
import io
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

import psutil

from tench.core.arithmetic import fix_arithmetic

fix_arithmetic()  # before NumPy is imported

import numpy as np  # noqa: E402

from benchmarks.listening import listens  # noqa: E402
from tench.console.options import add_classifier  # noqa: E402
from tench.core.parallel import in_threads  # noqa: E402
from tench.exported.answers import answer, open_classifier  # noqa: E402
from tench.exported.folder import RUNTIMES, read_exported  # noqa: E402
from tench.pictures.reading import decode  # noqa: E402
from tench.predict.listing import below  # noqa: E402

PORT = 8765
WARM = 5  # seconds before counting
HEAD = "POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/jpeg\r\nContent-Length: {}"


class Load(NamedTuple):
    """What a load test saw."""

    seconds: float
    durations: list[float]  # of every request, in seconds
    statuses: Counter[int]
    memory: list[float]  # of the server's processes together, MB, once a second


def without_server(contents: list[bytes], folder: Path, runtime: str) -> float:
    """Pictures/s that this process names, reading and resizing included."""
    with open_classifier(read_exported(folder), runtime) as classifier:
        started = time.perf_counter()
        for _ in in_threads(lambda one: answer(classifier, decode(io.BytesIO(one))), contents):
            pass
        return len(contents) / (time.perf_counter() - started)


async def client(port: int, requests: "cycle[bytes]", until: float, load: Load) -> None:
    """Send one request after the other until then."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (before := time.perf_counter()) < until:
        writer.write(next(requests))
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        load.durations.append(time.perf_counter() - before)
        load.statuses[int(head.split(b" ", 2)[1])] += 1
    writer.close()


async def watch(server: psutil.Process, until: float, load: Load) -> None:
    """Note the server's memory once a second; what processes share counts for each."""
    while time.perf_counter() < until:
        processes = (server, *server.children(recursive=True))
        load.memory.append(sum(one.memory_info().rss for one in processes) / 1e6)
        await asyncio.sleep(1)


async def under_load(
    contents: list[bytes], port: int, pid: int, clients: int, seconds: float
) -> Load:
    """Let clients send pictures for so long."""
    heads = (HEAD.format(len(one)).encode() + b"\r\n\r\n" for one in contents)
    requests = cycle([head + one for head, one in zip(heads, contents, strict=True)])
    load = Load(seconds, [], Counter(), [])
    until = time.perf_counter() + seconds
    some = (client(port, requests, until, load) for _ in range(clients))
    await asyncio.gather(watch(psutil.Process(pid), until, load), *some)
    return load


def drive(contents: list[bytes], port: int, pid: int, clients: int, seconds: float) -> Load:
    """Let clients send pictures to a server on this machine for so long."""
    return asyncio.run(under_load(contents, port, pid, clients, seconds))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", type=Path, help="folder of pictures to send")
    add_classifier(parser, RUNTIMES)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60)
    chosen = parser.parse_args()
    files = list(below(chosen.pictures))
    contents = [file.read_bytes() for file in files[:: max(1, len(files) // 500)]]
    options = ("--model", str(chosen.model), "--runtime", chosen.runtime, "--port", str(PORT))
    own = [without_server(contents, chosen.model, chosen.runtime)]
    with subprocess.Popen([sys.executable, "-m", "tench.serve", *options]) as server:
        try:
            if not listens(PORT):
                sys.exit("error: the server did not start")
            drive(contents, PORT, server.pid, chosen.clients, WARM)
            load = drive(contents, PORT, server.pid, chosen.clients, chosen.seconds)
        finally:
            os.kill(server.pid, signal.SIGTERM)
    own.append(without_server(contents, chosen.model, chosen.runtime))
    rate, alone = len(load.durations) / load.seconds, sum(own) / 2
    print(f"without a server {alone:.0f} pictures/s ({own[0]:.0f} before, {own[1]:.0f} after)")
    print(
        f"{chosen.clients} clients, {load.seconds:.0f} s: {rate:.0f} pictures/s, {rate / alone:.0%}"
    )
    print("statuses:", dict(load.statuses))
    percentiles = np.percentile(load.durations, [50, 90, 99, 100]) * 1000
    print("milliseconds: median {:.0f}, 90 % {:.0f}, 99 % {:.0f}, most {:.0f}".format(*percentiles))
    print(f"memory of the server: {load.memory[0]:.0f} MB, at the end {load.memory[-1]:.0f} MB")


if __name__ == "__main__":
    main()
