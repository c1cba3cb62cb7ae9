"""Who works on the parts of large wholes: this process, or Dask's workers, as the environment says.

What belongs here: reading the setting, and starting or reaching the cluster that it names. How parts are handed out is
`dask_compute.py`. Dask is imported where a cluster is used.
"""

import json
import os
import re
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mining_platform.computing import DASK_OPTIONS_VARIABLE, DASK_VARIABLE, HERE, Compute, ComputeError
from resources.dask_compute import DaskCompute

if TYPE_CHECKING:
    from distributed import Client

_SPELLING = (
    f"Write {DASK_VARIABLE}=local:2 (worker processes on this machine), tcp://host:8786 (a scheduler), or the dotted name of a "
    "cluster class such as dask_kubernetes.operator.KubeCluster; leave it empty for threads."
)
_ADDRESS = re.compile(r"(tcp|tls|ucx|ws|wss)://\S+:\d{1,5}/?")
_LOCAL = re.compile(r"local:([1-9]\d{0,2})")
_CLASS = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_NEEDS = {
    "tls": "Name certificates as Dask asks for them (DASK_DISTRIBUTED__COMM__TLS__CA_FILE, …CLIENT__CERT, …CLIENT__KEY). ",
    "ucx": "Install distributed-ucxx and UCX. ",
}
"""What an address needs besides a scheduler, by its kind."""
LOOPBACK = "127.0.0.1"
LOCAL_OPTIONS = {
    "processes": True,
    "threads_per_worker": 1,
    "host": LOOPBACK,
    "dashboard_address": f"{LOOPBACK}:0",
}
"""Of `local:N`, unless options say otherwise: nothing listens beyond this machine."""
SIZES = ("scale", "adapt")
"""Options that are no arguments of a cluster class: workers, a number, or {"minimum": 2, "maximum": 20}."""


@dataclass(frozen=True)
class Named:
    """The cluster that a setting names."""

    place: str
    """Address of a scheduler, `local:N`, or the dotted name of a class."""
    options: dict[str, Any]
    """Arguments of the class, and SIZES."""

    @property
    def wait_s(self) -> float:
        """How long its workers may take to come: machines of a cluster are started first."""
        return 600.0 if _CLASS.fullmatch(self.place) else 60.0


def compute() -> Compute:
    """Whoever the environment names, reached when first needed; ComputeError with the spelling for what names nobody."""
    named = named_cluster(os.environ.get(DASK_VARIABLE, ""), os.environ.get(DASK_OPTIONS_VARIABLE, ""))
    return DaskCompute(lambda: opened(named), wait_s=named.wait_s) if named else HERE


def named_cluster(place: str, options: str) -> Named | None:
    """The cluster of a setting, None where it is empty; ComputeError for what is none."""
    place = place.strip()
    if not place:
        return None
    if not any(form.fullmatch(place) for form in (_ADDRESS, _LOCAL, _CLASS)):
        raise ComputeError(f"{place!r} names no workers. {_SPELLING}")
    try:
        found = json.loads(options or "{}")
    except ValueError as error:
        raise ComputeError(f'{DASK_OPTIONS_VARIABLE} is no JSON: {error}. Write {{"memory_limit": "4GiB"}}.') from None
    if not isinstance(found, dict) or (found and _ADDRESS.fullmatch(place)):
        raise ComputeError(f"{DASK_OPTIONS_VARIABLE} is an object of options of a cluster that is started; {place} takes none.")
    return Named(place, found)


def opened(named: Named) -> tuple[Any, "Client"]:
    """The cluster, None where it was running before, and a client of it; ComputeError where there is none."""
    try:
        from distributed import Client
    except ImportError:
        raise ComputeError("Dask's distributed is not installed. Install it: pip install 'mining-platform[cluster]'.") from None
    cluster = None if _ADDRESS.fullmatch(named.place) else _started(named)
    here = True if _LOCAL.fullmatch(named.place) else None  # others may be out of reach: their results go by the scheduler
    try:
        return cluster, Client(cluster or named.place, timeout=named.wait_s, set_as_default=False, direct_to_workers=here)
    except OSError as error:
        problem = f"No scheduler answers at {named.place}: {error}"
        raise ComputeError(f"{problem}. Start one with `dask scheduler`, or correct {DASK_VARIABLE}.") from None
    except (TypeError, ValueError, ImportError) as error:  # what a kind of address lacks: certificates, a package, a valid port
        problem = f"{named.place} cannot be reached by this installation: {str(error).rstrip('.')}"
        raise ComputeError(f"{problem}. {_NEEDS.get(named.place.partition(':')[0], '')}Correct {DASK_VARIABLE}.") from None


def _started(named: Named) -> Any:
    """A new cluster of the class, at its size."""
    sizes = {name: named.options[name] for name in SIZES if name in named.options}
    own = {name: value for name, value in named.options.items() if name not in sizes}
    try:
        cluster = _local(named.place, own) if _LOCAL.fullmatch(named.place) else _class(named.place)(**own)
        if "scale" in sizes:
            cluster.scale(sizes["scale"])
        if "adapt" in sizes:
            cluster.adapt(**sizes["adapt"])
    except (TypeError, ValueError, OSError, RuntimeError) as error:
        raise ComputeError(f"{named.place} does not start: {str(error).rstrip('.')}. Correct {DASK_OPTIONS_VARIABLE}.") from error
    return cluster


def _local(place: str, options: dict[str, Any]) -> Any:
    from distributed import LocalCluster

    return LocalCluster(**{**LOCAL_OPTIONS, "n_workers": int(place.removeprefix("local:")), **options})


def _class(name: str) -> Any:
    module, _, last = name.rpartition(".")
    try:
        return getattr(import_module(module), last)
    except (ImportError, AttributeError) as error:
        raise ComputeError(f"There is no cluster class {name}: {error}. Install its package. {_SPELLING}") from None
