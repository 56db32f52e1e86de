"""Memory of a process, the same for all of its threads."""

import ctypes
import sys

M_ARENA_MAX = -8  # malloc.h


def share_one_heap() -> None:
    """Tell glibc to keep one heap for all threads; call it before there is a second one.

    With a heap a thread, what one has freed no other can use: evaluate's memory grew from 1.2 to
    1.7 GB with the pictures until each of TensorFlow's threads had held the largest tensors once.
    Elsewhere than on glibc nothing happens.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if sys.platform == "linux" and mallopt is not None:
        mallopt(M_ARENA_MAX, 1)
