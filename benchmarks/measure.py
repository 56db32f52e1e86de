"""Measure wall time and peak memory of a command, and of each stage of `dvc repro`."""

import codecs
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

SHARED_IMAGENETTE = Path(__file__).resolve().parents[1] / "../shared/imagenette"
SAMPLE_INTERVAL = 0.1  # seconds
BYTES_PER_MB = 1e6
STAGE_LINE = re.compile(r"Running stage '(?:.*:)?([^':]+)'")
EMBED_BAR_LINE = re.compile(r"embed +:.*?(\d+)/\1 \[.*?([\d.]+) images/s")  # the finished bar


class MemorySample(NamedTuple):
    """Resident memory of a process tree at one time."""

    time: float
    largest: int  # resident bytes of the largest process
    tree: int  # sum over all processes; shared pages count for each
    processes: int


class MeasuredRun(NamedTuple):
    """Measurements of one command."""

    started: float
    ended: float
    samples: list[MemorySample]
    lines: list[tuple[float, str]]  # (seconds since the start, line)


def sample_memory(root: psutil.Process) -> MemorySample:
    """Sum up the resident memory of a process and its descendants."""
    sizes = []
    try:
        for process in [root, *root.children(recursive=True)]:
            try:
                sizes.append(process.memory_info().rss)
            except psutil.NoSuchProcess:
                continue
    except psutil.NoSuchProcess:
        pass
    return MemorySample(time.perf_counter(), max(sizes, default=0), sum(sizes), len(sizes))


def measure_command(command: list[str], folder: Path, log: Path) -> MeasuredRun:
    """Run a command, sample its memory and log its output. Raises SystemExit if it fails."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    if SHARED_IMAGENETTE.is_dir():  # the clone cannot find it by its relative path
        environment.setdefault("IMAGENETTE_DIR", str(SHARED_IMAGENETTE.resolve()))
    samples: list[MemorySample] = []
    lines: list[tuple[float, str]] = []
    over = threading.Event()
    started = time.perf_counter()
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as child:
        root = psutil.Process(child.pid)

        def watch() -> None:
            while not over.wait(SAMPLE_INTERVAL):
                samples.append(sample_memory(root))

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            assert child.stdout is not None
            lines.extend(read_timed_lines(child.stdout.fileno()))
            code = child.wait()
            ended = time.perf_counter()
        finally:
            over.set()
            watcher.join()
    log.write_text("".join(f"{at - started:8.2f}  {text}\n" for at, text in lines), "utf-8")
    if code:
        sys.exit(f"{' '.join(command)} failed; its output is in {log}")
    return MeasuredRun(started, ended, samples, lines)


def read_timed_lines(descriptor: int) -> Iterator[tuple[float, str]]:
    """Yield (time of the first character, line) of a pipe.

    A progress bar's \\r also ends a line, but arrives only with the next update of the bar.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    arrived, text = 0.0, ""
    while content := os.read(descriptor, 2**16):
        now = time.perf_counter()
        *complete, rest = re.split("[\r\n]", decoder.decode(content))
        for part in complete:
            yield arrived if text else now, text + part
            text = ""
        arrived = arrived if text else now
        text += rest
    if text:
        yield arrived, text


def summarize_run(run: MeasuredRun) -> dict[str, float]:
    """Return wall seconds and peak MB of a run."""
    return {
        "seconds": run.ended - run.started,
        "process_mb": max(sample.largest for sample in run.samples) / BYTES_PER_MB,
        "tree_mb": max(sample.tree for sample in run.samples) / BYTES_PER_MB,
    }


def stage_figures(run: MeasuredRun) -> dict[str, dict[str, float]]:
    """Return the figures of each stage of a `dvc repro`.

    Seconds until the next stage starts (with DVC's own work), until the first progress bar (0
    without one), and of the process; peak MB.
    """
    marks = [(at, match[1]) for at, text in run.lines if (match := STAGE_LINE.match(text))]
    marks = [(run.started, "(DVC starts)"), *marks]
    ends = [at for at, _ in marks[1:]] + [run.ended]
    stages = {}
    for (start, name), end in zip(marks, ends, strict=True):
        samples = [sample for sample in run.samples if start <= sample.time < end]
        bars = (at for at, text in run.lines if start <= at < end and "%|" in text)
        alive = [sample.time for sample in samples if sample.processes > 1]
        stages[name] = {
            "seconds": end - start,
            "start_seconds": next(bars, start) - start,
            "own_seconds": alive[-1] - alive[0] + SAMPLE_INTERVAL if alive else 0.0,
            "process_mb": max((sample.largest for sample in samples), default=0) / BYTES_PER_MB,
            "tree_mb": max((sample.tree for sample in samples), default=0) / BYTES_PER_MB,
        }
    return stages


def embed_rates(run: MeasuredRun, seconds: float) -> dict[str, float]:
    """Return images per second of embed, by the stage's wall time and by its progress bar.

    The bar starts when the network is ready. Raises ValueError if it is incomplete.
    """
    ends = [bar for _, text in run.lines if (bar := EMBED_BAR_LINE.search(text))]
    if not ends:
        raise ValueError("embed has no complete progress bar")
    images, rate = int(ends[-1][1]), float(ends[-1][2])
    return {"images": images, "by_stage": images / seconds, "by_bar": rate}
