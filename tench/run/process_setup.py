"""Process settings for equal floating-point results on every x86-64 processor with AVX2 and FMA.

A floating-point sum depends on the order of its terms, which depends on the instruction set and
the number of threads. This module sets up NumPy and SciPy; tench.model.network.keras_setup sets up
TensorFlow, tench.model.embed.engine LiteRT.
"""

import ctypes
import os
import sys
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
# from malloc.h
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -2, -3, -8


def cpuinfo() -> str:
    """The content of /proc/cpuinfo; "" if it cannot be read."""
    try:
        return CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def cpu_vector_extensions() -> set[str]:
    """Those of avx2, fma and avx512f that the processor supports, as far as Linux reports."""
    return set(cpuinfo().split()) & {"avx2", "fma", "avx512f"}


def pin_cpu_kernels() -> None:
    """Pin the kernels of NumPy, SciPy and OpenBLAS. Call it before they are imported."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # Tench itself uses the other cores
    if {"avx2", "fma"} <= cpu_vector_extensions():
        os.environ["OPENBLAS_CORETYPE"] = "Haswell"
        os.environ["NPY_DISABLE_CPU_FEATURES"] = "X86_V4 AVX512_ICL AVX512_SPR"


def set_allocator(settings: dict[int, int]) -> None:
    """Call glibc's mallopt with each setting."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if sys.platform == "linux" and mallopt is not None:
        for name, value in settings.items():
            mallopt(name, value)


def limit_malloc_arenas() -> None:
    """Use one malloc arena for all threads. Call it before a second thread starts.

    With one arena per thread, a thread cannot reuse memory that another one freed: the memory of
    evaluate grew from 1.2 to 1.7 GB with the number of images.
    """
    set_allocator({M_ARENA_MAX: 1})


def keep_freed_memory() -> None:
    """Keep freed memory in the process instead of returning it to the system at once.

    TensorFlow allocates every tensor again in each step; with glibc's defaults, half the time of a
    training step on a CPU is spent in page faults.
    """
    max_threshold = 32 * 2**20  # the largest mmap threshold that glibc accepts
    set_allocator(
        {M_MMAP_THRESHOLD: max_threshold, M_TRIM_THRESHOLD: 2**31 - 1, M_TOP_PAD: 256 * 2**20}
    )
