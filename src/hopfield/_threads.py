"""Threads of the library's own, for compiled loops that let go of Python's lock."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

T = TypeVar("T")


@cache
def pool(threads: int) -> ThreadPoolExecutor:
    """So many threads, kept: to begin one costs more than some of the work that it does."""
    return ThreadPoolExecutor(threads, thread_name_prefix="hopfield")


if hasattr(os, "register_at_fork"):  # a forked process inherits the pool, but not its threads
    os.register_at_fork(after_in_child=pool.cache_clear)


def spread(work: Callable[[T], object], jobs: Sequence[T], threads: int) -> None:
    """Do each job, on so many threads; where one is enough, on this one."""
    if min(threads, len(jobs)) > 1:
        list(pool(threads).map(work, jobs))
    else:
        for job in jobs:
            work(job)
