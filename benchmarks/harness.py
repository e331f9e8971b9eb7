"""Races: contenders take turns in one process, so that noise hits all of them alike."""

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch


@dataclass(frozen=True)
class Result:
    """How one contender did.

    Attributes:
        benchmark: what was measured.
        case: at which size.
        contender: who.
        threads: how many of PyTorch's threads.
        milliseconds: median over the rounds.
        ratio: of time, to the first contender of the same round: median.
        low: lower quartile of that ratio.
        high: upper quartile.
        limit: share of the machine's limit that was reached, and of which, or the most memory;
            empty if not asked.
    """

    benchmark: str
    case: str
    contender: str
    threads: int
    milliseconds: float
    ratio: float
    low: float
    high: float
    limit: str = ""

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def seconds(function: Callable[[], object], device: str = "cpu") -> float:
    """How long one call takes, with everything that it started."""
    if device != "cpu":
        torch.cuda.synchronize()
    start = time.perf_counter()
    function()
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def race(
    benchmark: str,
    case: str,
    contenders: dict[str, Callable[[], object]],
    rounds: int,
    limits: dict[str, Callable[[float], str]] | None = None,
    device: str = "cpu",
) -> list[Result]:
    """Time contenders in turn; the first one is what the others are compared with.

    Args:
        benchmark: what is measured.
        case: at which size.
        contenders: functions by name.
        rounds: how often each runs, after one call to warm up.
        limits: for a contender, its share of a limit from its median seconds.
        device: where they run.
    """
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for function in contenders.values():
        seconds(function, device)
    turns = list(contenders)
    for _ in range(rounds):
        for name in turns:
            times[name].append(seconds(contenders[name], device))
        turns = [*turns[1:], turns[0]]  # nobody always runs after the same one
    first = times[next(iter(contenders))]
    results = []
    for name, own in times.items():
        ratios = [a / b for a, b in zip(own, first, strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
        median = statistics.median(own)
        limit = limits[name](median) if limits and name in limits else ""
        threads = torch.get_num_threads()
        result = Result(benchmark, case, name, threads, median * 1e3, middle, low, high, limit)
        results.append(result)
        print(
            f"{benchmark:<22} {case:<26} {name:<34} {result.milliseconds:>9.1f} ms"
            f"   × {middle:.2f} ({low:.2f} to {high:.2f})  {limit}",
            flush=True,
        )
    return results


def best_rate(function: Callable[[], object], amount: float, device: str = "cpu") -> float:
    """The highest rate, in amount per second, over some calls: a limit of the machine."""
    seconds(function, device)
    return max(amount / seconds(function, device) for _ in range(7))


def product_rate(device: str = "cpu") -> float:
    """Floating-point operations per second of a large matrix product."""
    matrix = torch.randn(3072, 3072, device=device)
    return best_rate(lambda: matrix @ matrix, 2 * 3072**3, device)


def read_rate(device: str = "cpu") -> float:
    """Bytes per second of reading an array that no cache holds."""
    array = torch.randn(64_000_000, device=device)
    return best_rate(array.sum, 4 * array.numel(), device)
