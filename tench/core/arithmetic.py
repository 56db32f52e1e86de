"""NumPy's arithmetic, the same on every x86-64 processor with AVX2 and FMA and any number of cores.

A float sum depends on the order in which it is added up, and that on the instruction set and on
how many threads share it. tench.network.runtime tells TensorFlow, tench.embedding.engine LiteRT.
"""

import os
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")


def cpuinfo() -> str:
    """What Linux reports about the processor; empty where there is no such file or it is denied."""
    try:
        return CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def vector_instructions() -> set[str]:
    """Which of the instruction sets that matter here the processor has, where the system says."""
    return set(cpuinfo().split()) & {"avx2", "fma", "avx512f"}


def fix_arithmetic() -> None:
    """Choose the kernels that NumPy, SciPy and their BLAS use; call it before they are imported."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # what is worth it, Tench spreads over cores itself
    if {"avx2", "fma"} <= vector_instructions():
        os.environ["OPENBLAS_CORETYPE"] = "Haswell"
        os.environ["NPY_DISABLE_CPU_FEATURES"] = "X86_V4 AVX512_ICL AVX512_SPR"
