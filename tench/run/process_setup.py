"""NumPy's arithmetic, the same on every x86-64 processor with AVX2 and FMA and any number of cores.

A float sum depends on the order in which it is added up, and that on the instruction set and on
how many threads share it. tench.model.network.keras_setup tells TensorFlow, tench.model.embed.engine LiteRT.
"""

import ctypes
import os
import sys
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
# malloc.h
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -2, -3, -8


def cpuinfo() -> str:
    """What Linux reports about the processor; empty where there is no such file or it is denied."""
    try:
        return CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def cpu_vector_extensions() -> set[str]:
    """Which of the instruction sets that matter here the processor has, where the system says."""
    return set(cpuinfo().split()) & {"avx2", "fma", "avx512f"}


def pin_cpu_kernels() -> None:
    """Choose the kernels that NumPy, SciPy and their BLAS use; call it before they are imported."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # what is worth it, Tench spreads over cores itself
    if {"avx2", "fma"} <= cpu_vector_extensions():
        os.environ["OPENBLAS_CORETYPE"] = "Haswell"
        os.environ["NPY_DISABLE_CPU_FEATURES"] = "X86_V4 AVX512_ICL AVX512_SPR"


def set_allocator(settings: dict[int, int]) -> None:
    """Give glibc's mallopt each value."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if sys.platform == "linux" and mallopt is not None:
        for name, value in settings.items():
            mallopt(name, value)


def limit_malloc_arenas() -> None:
    """Keep one heap for all threads; call it before there is a second one.

    With a heap a thread, what one has freed no other can use: evaluate's memory grew from 1.2 to
    1.7 GB with the images until each of TensorFlow's threads had held the largest tensors once.
    """
    set_allocator({M_ARENA_MAX: 1})


def keep_freed_memory() -> None:
    """Keep freed blocks instead of returning them to the system at once.

    TensorFlow allocates every tensor anew at every step; with glibc's defaults, half the time of a
    training step on CPU goes into page faults.
    """
    most = 32 * 2**20  # that it accepts as a threshold for mmap
    set_allocator({M_MMAP_THRESHOLD: most, M_TRIM_THRESHOLD: 2**31 - 1, M_TOP_PAD: 256 * 2**20})
