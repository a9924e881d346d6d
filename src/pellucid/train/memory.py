"""Memory of a training: what one step frees, the next takes again.

The C library gives large freed blocks back to the system, which clears them before each new use; a training takes
and frees hundreds of them a step. Keeping them saves the clearing; `bench/train_translation.py --give-memory-back`
shows what that is worth.
"""

import ctypes
import platform

TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3  # of mallopt(3)
KEPT = 2**31 - 1  # bytes free at the end of the heap before any is given back
GROWTH = 64 * 2**20  # bytes by which the heap grows
LARGEST = 32 * 2**20  # bytes of the largest block taken from the heap; the C library allows no more


def keep_freed_memory() -> None:
    """Have this process keep what it frees, on Linux with glibc; elsewhere do nothing."""
    if platform.libc_ver()[0] != "glibc":
        return
    library = ctypes.CDLL(None)
    for setting, value in ((TRIM_THRESHOLD, KEPT), (TOP_PAD, GROWTH), (MMAP_THRESHOLD, LARGEST)):
        library.mallopt(setting, value)


def give_freed_memory_back() -> None:
    """Return to the system what is free at this moment, as when a training has ended."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
