"""Running a command and measuring it: wall time, peak memory, both by stage of `dvc repro` too."""

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
SAMPLE_INTERVAL = 0.1  # seconds between two looks at the memory
BYTES_PER_MB = 1e6
STAGE_LINE = re.compile(r"Running stage '(?:.*:)?([^':]+)'")
EMBED_BAR_LINE = re.compile(r"embed +:.*?(\d+)/\1 \[.*?([\d.]+) images/s")  # at its end


class MemorySample(NamedTuple):
    """One look at the memory."""

    time: float
    largest: int  # resident bytes of the largest process
    tree: int  # of all of them together; what they share is counted for each
    processes: int


class MeasuredRun(NamedTuple):
    """One command, measured."""

    started: float
    ended: float
    samples: list[MemorySample]
    lines: list[tuple[float, str]]  # when it arrived, and what


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
    """Run a command, look at its memory every INTERVAL, keep its output; exit if it fails."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    if SHARED_IMAGENETTE.is_dir():  # the clone lies elsewhere and would not find it
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
    """The lines that come from a pipe, each with when its first character came. A bar's \\r ends
    one too, but comes with the next drawing of the bar, ten seconds later."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    came, text = 0.0, ""
    while content := os.read(descriptor, 2**16):
        now = time.perf_counter()
        *ended, rest = re.split("[\r\n]", decoder.decode(content))
        for part in ended:
            yield came if text else now, text + part
            text = ""
        came = came if text else now
        text += rest
    if text:
        yield came, text


def summarize_run(run: MeasuredRun) -> dict[str, float]:
    """Wall seconds and peak MB of a run."""
    return {
        "seconds": run.ended - run.started,
        "process_mb": max(sample.largest for sample in run.samples) / BYTES_PER_MB,
        "tree_mb": max(sample.tree for sample in run.samples) / BYTES_PER_MB,
    }


def stage_figures(run: MeasuredRun) -> dict[str, dict[str, float]]:
    """Per stage of a `dvc repro`: seconds up to the next stage (with DVC's own work), seconds until
    its first progress bar (0 if it has none) and in which its process was alive, peak MB."""
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
    """Images per second of embed: by the stage's wall time, and by its progress bar (which
    starts when the network is ready). ValueError where the bar did not come to its end."""
    ends = [bar for _, text in run.lines if (bar := EMBED_BAR_LINE.search(text))]
    if not ends:
        raise ValueError("no progress bar of embed that came to its end")
    images, rate = int(ends[-1][1]), float(ends[-1][2])
    return {"images": images, "by_stage": images / seconds, "by_bar": rate}
