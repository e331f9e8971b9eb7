"""Threads of the library's own, for compiled loops that let go of Python's lock."""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache


@cache
def pool(threads: int) -> ThreadPoolExecutor:
    """So many threads, kept: to begin one costs more than some of the work that it does."""
    return ThreadPoolExecutor(threads, thread_name_prefix="hopfield")


if hasattr(os, "register_at_fork"):  # a forked process inherits the pool, but not its threads
    os.register_at_fork(after_in_child=pool.cache_clear)
