"""Allocator settings of a stage: threads reuse each other's freed memory."""

import subprocess
import sys

import pytest
from pipeline_clones import CHECKOUT

HELD = """
import ctypes, threading
import stages
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
def hold():
    libc.free(libc.malloc(100_000))
for _ in range(3):
    thread = threading.Thread(target=hold)
    thread.start()
    thread.join()
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's")
def test_all_threads_of_a_stage_share_one_heap() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HELD], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    assert done.stdout.count("<heap nr=") == 1
