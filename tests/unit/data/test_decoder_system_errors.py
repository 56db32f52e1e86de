"""Reading images where the machine lacks something, which is no fault of theirs."""

import errno
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue

import pytest
from PIL import Image, ImageFile
from small_images import draw_quarters, temporarily_unreadable, unreadable_reason

from tench.core.errors import TenchError
from tench.data.decode import decoder
from tench.data.decode.decoder import PixelBudget, read_image

TESTS = Path(__file__).parents[2] / "support"


@contextmanager
def file_handles(more: int) -> Iterator[None]:
    """Let this process open so many files more than it has open."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    opened = os.dup(0)
    os.close(opened)
    resource.setrlimit(resource.RLIMIT_NOFILE, (opened + more, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_running_out_of_file_handles_is_no_fault_of_the_image(tmp_path: Path) -> None:
    draw_quarters().save(tmp_path / "a.png")
    with file_handles(0), pytest.raises(OSError, match="Too many open files") as caught:
        read_image(tmp_path / "a.png")
    assert (caught.value.errno, caught.value.filename) == (errno.EMFILE, str(tmp_path / "a.png"))


def test_the_first_image_takes_no_more_file_handles_than_its_own(tmp_path: Path) -> None:
    # Pillow would look for its decoders then, and take those it cannot open for missing
    draw_quarters().save(tmp_path / "a.jp2")
    program = (
        "from pathlib import Path\n"
        "from test_decoder_system_errors import file_handles, read_image\n"
        "with file_handles(1): print(read_image(Path('a.jp2')).size)"
    )
    folders = (TESTS.parents[1], TESTS, Path(__file__).parent)
    answer = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.stdout == "(48, 32)\n", answer.stderr


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO, errno.ENOMEM, errno.ESTALE])
def test_what_the_machine_refuses_on_the_way_is_no_fault_of_the_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refused(image: Image.Image) -> None:
        raise OSError(number, os.strerror(number))

    draw_quarters().save(tmp_path / "a.png")
    monkeypatch.setattr(ImageFile.ImageFile, "load", refused)
    with pytest.raises(OSError, match=os.strerror(number)):
        read_image(tmp_path / "a.png")


def test_too_little_memory_is_no_fault_of_the_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(image: Image.Image) -> None:
        raise MemoryError

    draw_quarters().save(tmp_path / "a.png")
    monkeypatch.setattr(ImageFile.ImageFile, "load", exhausted)
    with pytest.raises(TenchError, match="not enough memory") as caught:
        read_image(tmp_path / "a.png")
    assert str(caught.value).startswith(f"{tmp_path / 'a.png'}: ")


def test_a_file_that_may_not_be_read_is_no_fault_of_the_image(tmp_path: Path) -> None:
    draw_quarters().save(tmp_path / "a.png")
    with temporarily_unreadable(tmp_path / "a.png"), pytest.raises(PermissionError):
        read_image(tmp_path / "a.png")


def test_a_missing_file_is_no_image_at_fault(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_image(tmp_path / "gone.jpg")
    with pytest.raises(IsADirectoryError):
        read_image(tmp_path)


class WatchedBudget(PixelBudget):
    """A budget that lets images be decoded in pairs alone, and counts how many are at a time."""

    def __init__(self, pixels: int) -> None:
        super().__init__(pixels)
        self.pair = threading.Barrier(2)
        self.now = self.most = 0

    @contextmanager
    def acquire(self, pixels: float) -> Iterator[None]:
        with super().acquire(pixels):
            with self.changed:
                self.now += 1
                self.most = max(self.most, self.now)
            self.pair.wait(timeout=30)
            yield
            with self.changed:
                self.now -= 1


def in_eight_threads(files: list[Path]) -> int:
    """Read each file in one of eight threads; return how many came to their end."""
    waiting: SimpleQueue[Path] = SimpleQueue()
    for file in files:
        waiting.put(file)
    read = []

    def worker() -> None:
        with suppress(Empty):
            while True:
                read.append(read_image(waiting.get_nowait()))

    threads = [threading.Thread(target=worker, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 30
    for thread in threads:
        thread.join(timeout=max(0, end - time.monotonic()))
    return len(read)


def test_images_decoded_at_a_time_fit_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = WatchedBudget(2 * 48 * 32 + 1000)
    monkeypatch.setattr(decoder, "PIXEL_BUDGET", budget)
    draw_quarters().save(tmp_path / "a.png")
    assert in_eight_threads([tmp_path / "a.png"] * 16) == 16
    assert budget.most == 2
    assert budget.left == 2 * 48 * 32 + 1000


def test_an_image_that_takes_all_the_memory_gets_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder, "PIXEL_BUDGET", PixelBudget(48 * 32 * 9))
    draw_quarters().save(tmp_path / "small.png")
    draw_quarters().resize((48 * 3, 32 * 3)).save(tmp_path / "large.png")
    names = (["small"] * 3 + ["large"]) * 10
    assert in_eight_threads([tmp_path / f"{name}.png" for name in names]) == 40


def test_a_damaged_image_releases_its_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder, "PIXEL_BUDGET", PixelBudget(10_000))
    draw_quarters().save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(content[: len(content) // 2])
    assert unreadable_reason(tmp_path / "a.png").startswith("damaged")
    assert decoder.PIXEL_BUDGET.left == 10_000


def test_the_largest_image_that_is_read_fits_in_the_budget() -> None:
    assert decoder.PIXEL_BUDGET.left >= decoder.MAX_PIXELS
