"""Where the parts of a large whole are worked on: here, or by workers elsewhere.

The parts of a mosaic, of a pass over a map, of a patch store and of a map of scores are independent of each other. A function
makes one of an item, and whoever writes the whole takes them in the order of the items. So bytes do not depend on who worked
on them, with how many threads, nor on how often a part had to be made again.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

DASK_VARIABLE = "MINING_PLATFORM_DASK"
"""Environment variable that names workers elsewhere, such as `local:2` or `tcp://10.0.0.5:8786`; empty: everything here."""
DASK_OPTIONS_VARIABLE = "MINING_PLATFORM_DASK_OPTIONS"
"""Environment variable with options for a cluster that is started, a JSON object."""


class ComputeError(ValueError):
    """Workers cannot do what is asked, or cannot be reached; the message says why and what to do."""


class Compute(Protocol):
    """Whoever works on parts.

    1. Results come in the order of the items, whoever makes them and in whatever order they are done.
    2. Few items are under way at once, however many there are: items are drawn as results are taken, and memory is bounded.
    3. A part whose worker dies is made again; nothing of it is seen in the results.
    4. What the function raises is raised, first item first, and what is under way is given up.
    """

    @property
    def is_elsewhere(self) -> bool:
        """Whether other processes do the work, which see the same files by the same paths: a whole is then cut into parts."""
        ...

    @property
    def dashboard(self) -> str | None:
        """Where people can watch the workers; None where there are none, or none yet."""
        ...

    def results(
        self, function: Callable[[Item], Result], items: Iterable[Item], *, what: str, threads: int = 1
    ) -> Generator[Result, None, None]:
        """The function's results, in the order of the items.

        `what` names the items in the log, such as "chunks of mosaics". `threads` is how many are worked on at once here; workers
        elsewhere have their own number. A function for these is one of a module, or a `partial` of one. Close the iterator
        where it is not taken to its end. ComputeError where workers cannot do it.
        """
        ...


@dataclass(frozen=True)
class Here:
    """This process: with one thread one item after another, else some threads, see Compute."""

    is_elsewhere = False
    dashboard = None

    def results(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        *,
        what: str,  # noqa: ARG002
        threads: int = 1,
    ) -> Generator[Result, None, None]:
        """See Compute."""
        return (function(item) for item in items) if threads == 1 else _by_threads(function, items, threads)


def _by_threads(function: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Generator[Result, None, None]:
    """Results in order; `threads` items are under way while one result is taken."""
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                if len(waiting) == threads:
                    done = waiting.popleft().result()
                    waiting.append(pool.submit(function, item))
                    yield done
                else:
                    waiting.append(pool.submit(function, item))
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


HERE = Here()
