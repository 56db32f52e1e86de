"""Measure the server under load, and the export without a server: python -m benchmarks.serving

Clients on loopback send images over persistent connections, each after the previous response. The
same images are also decoded, resized and predicted in this process, before and after.
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

from tench.run.process_setup import pin_cpu_kernels

pin_cpu_kernels()  # before NumPy is imported

import numpy as np  # noqa: E402

from benchmarks.listening import wait_until_listening  # noqa: E402
from tench.core.parallel import map_in_threads  # noqa: E402
from tench.data.decode.decoder import decode_image  # noqa: E402
from tench.deploy.predict.input_files import walk_files  # noqa: E402
from tench.deploy.runtime.export_folder import RUNTIMES, read_export  # noqa: E402
from tench.deploy.runtime.predictor import open_classifier, predict_image  # noqa: E402
from tench.run.options import add_classifier_options  # noqa: E402

PORT = 8765
WARMUP_SECONDS = 5  # before counting starts
REQUEST_HEAD = (
    "POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/jpeg\r\nContent-Length: {}"
)


class LoadResult(NamedTuple):
    """Measurements of a load test."""

    seconds: float
    durations: list[float]  # of every request, in seconds
    statuses: Counter[int]
    memory: list[float]  # of the server's processes together, MB, once a second


def measure_direct(contents: list[bytes], folder: Path, runtime: str) -> float:
    """Measure images/s of this process without a server, with decoding and resizing."""
    with open_classifier(read_export(folder), runtime) as classifier:
        started = time.perf_counter()
        for _ in map_in_threads(
            lambda one: predict_image(classifier, decode_image(io.BytesIO(one))), contents
        ):
            pass
        return len(contents) / (time.perf_counter() - started)


async def send_requests(
    port: int, requests: "cycle[bytes]", until: float, load: LoadResult
) -> None:
    """Send requests in sequence until a time of `time.perf_counter`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (before := time.perf_counter()) < until:
        writer.write(next(requests))
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        load.durations.append(time.perf_counter() - before)
        load.statuses[int(head.split(b" ", 2)[1])] += 1
    writer.close()


async def watch_memory(server: psutil.Process, until: float, load: LoadResult) -> None:
    """Record the server's memory once a second. Shared pages count for each process."""
    while time.perf_counter() < until:
        processes = (server, *server.children(recursive=True))
        load.memory.append(sum(one.memory_info().rss for one in processes) / 1e6)
        await asyncio.sleep(1)


async def measure_load(
    contents: list[bytes], port: int, pid: int, clients: int, seconds: float
) -> LoadResult:
    """Send images from several clients for some seconds."""
    heads = (REQUEST_HEAD.format(len(one)).encode() + b"\r\n\r\n" for one in contents)
    requests = cycle([head + one for head, one in zip(heads, contents, strict=True)])
    load = LoadResult(seconds, [], Counter(), [])
    until = time.perf_counter() + seconds
    clients_running = (send_requests(port, requests, until, load) for _ in range(clients))
    await asyncio.gather(watch_memory(psutil.Process(pid), until, load), *clients_running)
    return load


def run_clients(
    contents: list[bytes], port: int, pid: int, clients: int, seconds: float
) -> LoadResult:
    """Run client processes against a server on this machine for some seconds."""
    return asyncio.run(measure_load(contents, port, pid, clients, seconds))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("images", type=Path, help="folder of images to send")
    add_classifier_options(parser, RUNTIMES)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=60)
    chosen = parser.parse_args()
    files = list(walk_files(chosen.images))
    contents = [file.read_bytes() for file in files[:: max(1, len(files) // 500)]]
    options = ("--model", str(chosen.model), "--runtime", chosen.runtime, "--port", str(PORT))
    direct = [measure_direct(contents, chosen.model, chosen.runtime)]
    with subprocess.Popen([sys.executable, "-m", "tench.serve", *options]) as server:
        try:
            if not wait_until_listening(PORT):
                sys.exit("error: the server did not start")
            run_clients(contents, PORT, server.pid, chosen.clients, WARMUP_SECONDS)
            load = run_clients(contents, PORT, server.pid, chosen.clients, chosen.seconds)
        finally:
            os.kill(server.pid, signal.SIGTERM)
    direct.append(measure_direct(contents, chosen.model, chosen.runtime))
    rate, alone = len(load.durations) / load.seconds, sum(direct) / 2
    print(f"without a server {alone:.0f} images/s ({direct[0]:.0f} before, {direct[1]:.0f} after)")
    print(
        f"{chosen.clients} clients, {load.seconds:.0f} s: {rate:.0f} images/s, {rate / alone:.0%}"
    )
    print("statuses:", dict(load.statuses))
    percentiles = np.percentile(load.durations, [50, 90, 99, 100]) * 1000
    print("milliseconds: median {:.0f}, 90 % {:.0f}, 99 % {:.0f}, most {:.0f}".format(*percentiles))
    print(f"memory of the server: {load.memory[0]:.0f} MB, at the end {load.memory[-1]:.0f} MB")


if __name__ == "__main__":
    main()
