"""Parts handed out to Dask's workers a few at a time, and their results taken in order.

What belongs here: the sliding window, what is done where a worker dies, and what the log says. No graph is built: each part is
a task of its own, and as many are under way as keep the workers busy.
"""

import atexit
import logging
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from mining_platform.computing import ComputeError
from mining_platform.worker_checks import check_here, common_ground

if TYPE_CHECKING:
    from distributed import Client, Future

Item = TypeVar("Item")
Result = TypeVar("Result")
LOG = logging.getLogger("mining_platform.dask")
PARTS_A_THREAD = 2  # under way for each thread of a worker: one it works on, one it has at hand
MOST_PARTS = 1_000  # under way, however many workers there are
RETRIES = 2  # of a part that fails for another reason than its data, as where a file system hiccups
LOOK_S = 2.0  # between looks at the workers while a part is waited for
PROGRESS_S = 15.0  # between lines in the log


@dataclass(frozen=True)
class Refused:
    """What a function raised because of its data: it would again."""

    error: ValueError


def worked(asked_by: tuple[tuple[str, str], ...], function: Callable[[Any], Any], item: Any) -> Any:
    """On a worker: the function's result, or Refused; any other error is raised, for Dask to try again."""
    try:
        check_here(asked_by)
        return function(item)
    except ValueError as error:
        return Refused(error)


class DaskCompute:
    """Workers of a cluster, which is reached when first needed and left when the process ends; as `computing.Compute`."""

    is_elsewhere = True

    def __init__(self, opened: Callable[[], tuple[Any, "Client"]], *, wait_s: float) -> None:
        """`opened` gives a cluster, None where others started it, and a client of it; `wait_s` is how long workers may take."""
        self._opened, self._wait_s = opened, wait_s
        self._cluster: Any = None
        self._client: Client | None = None
        self._lock = Lock()
        self._lost: deque[tuple[str, int]] = deque(maxlen=1_000)
        self._alone_since: float | None = None

    @property
    def dashboard(self) -> str | None:
        """See Compute. Without bokeh Dask has no page `status`, and its plain page of workers is named."""
        if self._client is None:
            return None
        link = str(self._client.dashboard_link)
        try:
            import bokeh  # noqa: F401
        except ImportError:
            return link.removesuffix("/status") + "/info/main/workers.html"
        return link

    def results(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        *,
        what: str,
        threads: int = 1,  # noqa: ARG002
    ) -> Generator[Result, None, None]:
        """See Compute."""
        client, asked_by = self.reached(), tuple(common_ground().items())
        name = f"{what.replace(' ', '_')}-{uuid4().hex}"
        waiting: deque[Future] = deque()
        done, told = 0, time.monotonic()
        try:
            for number, item in enumerate(items):
                if len(waiting) >= self._at_once(client):
                    yield self._taken(client, waiting, what)
                    done += 1
                key = (name, number)
                waiting.append(client.submit(worked, asked_by, function, item, key=key, pure=False, retries=RETRIES))
                if time.monotonic() - told > PROGRESS_S:
                    told = time.monotonic()
                    LOG.info("%d %s done, %d under way with %s", done, what, len(waiting), self._workers_now(client))
            while waiting:
                yield self._taken(client, waiting, what)
        finally:
            if waiting:
                client.cancel(list(waiting))
            self._tell_lost(what)
        LOG.info("All %s done with %s", what, self._workers_now(client))

    def close(self) -> None:
        """Leave the cluster, and end it where it was started for this."""
        client, cluster, self._client, self._cluster = self._client, self._cluster, None, None
        if client is not None:
            with suppress(OSError, TimeoutError):  # the scheduler may be gone already
                client.unsubscribe_topic("all")
            client.close()
        if cluster is not None:
            cluster.close()

    def reached(self) -> "Client":
        """A client of the cluster, which has a worker at least; ComputeError where none comes."""
        with self._lock:
            if self._client is None or self._client.status != "running":
                self.close()
                self._cluster, self._client = self._opened()
                atexit.register(self.close)
                self._client.subscribe_topic("all", self._hear)
                LOG.info("Parts are worked on by Dask's workers: %s", self.dashboard)
            client = self._client
        try:
            client.wait_for_workers(1, timeout=self._wait_s)
        except TimeoutError:
            raise self._nobody() from None
        return client

    def _hear(self, event: tuple[float, Any]) -> None:
        """Note workers that are gone; in Dask's own thread, so that the log is written by the one that takes results."""
        _, told = event
        if isinstance(told, dict) and told.get("action") == "remove-worker" and not told.get("expected"):
            self._lost.append((str(told.get("worker")), len(told.get("processing-tasks", ()))))

    def _taken(self, client: "Client", waiting: "deque[Future]", what: str) -> Any:
        """The result of the first part under way."""
        from distributed import KilledWorker
        from distributed.client import FutureCancelledError, FuturesCancelledError

        future = waiting[0]
        try:
            while not _is_done(client, future):
                self._look(client, what)
            self._tell_lost(what)
            result = future.result()
        except KilledWorker as error:
            problem = f"One of the {what} was lost with {error.allowed_failures + 1} workers, one after another"
            remedy = "Look at the workers' logs; where memory was short, give them more of it, or fewer threads"
            raise ComputeError(f"{problem}. {remedy}.") from None
        except (FutureCancelledError, FuturesCancelledError) as error:
            remedy = "Look whether it still runs, and start this again"
            raise ComputeError(f"The scheduler lost the {what}: {error}. {remedy}.") from None
        waiting.popleft()
        if isinstance(result, Refused):
            raise result.error
        return result

    def _look(self, client: "Client", what: str) -> None:
        """Tell of workers that are gone; ComputeError where none has been there for long."""
        self._tell_lost(what)
        if client.nthreads():
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = time.monotonic()
            LOG.warning("No worker is left for %s; waiting %g s for one", what, self._wait_s)
        elif time.monotonic() - self._alone_since > self._wait_s:
            raise self._nobody()

    def _tell_lost(self, what: str) -> None:
        while self._lost:
            worker, parts = self._lost.popleft()
            LOG.warning("Worker %s is gone; the parts it had of %s (%d under way) are made again by others", worker, what, parts)

    def _nobody(self) -> ComputeError:
        remedy = "Start workers with `dask worker`, or look at the cluster's logs why none comes."
        return ComputeError(f"No worker came within {self._wait_s:g} s. {remedy}")

    def _at_once(self, client: "Client") -> int:
        return max(min(PARTS_A_THREAD * sum(client.nthreads().values()), MOST_PARTS), PARTS_A_THREAD)

    def _workers_now(self, client: "Client") -> str:
        return f"{len(client.nthreads())} workers ({self.dashboard})"


def _is_done(client: "Client", future: "Future") -> bool:
    """Whether a part is done or lost, after a while at most."""
    from distributed import wait

    with client.as_current():
        try:
            wait(future, timeout=LOOK_S)
        except TimeoutError:
            return False
    return True
