"""Whether the kernel killed for lack of memory: its own counts, of a control group or the machine, held against earlier ones.

A process that is gone tells only its signal, and signal 9 is also what a person or a service sends. The kernel counts what it
killed for memory: `oom_kill` in `memory.events` (control groups, version 2) or `memory.oom_control` (version 1), and for the
whole machine in /proc/vmstat. See the kernel's admin-guide/cgroup-v2 and admin-guide/cgroup-v1/memory.
"""

import json
import re
import resource
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from mining_platform.processes import PROC

GROUPS = Path("/sys/fs/cgroup")
MEMORY_TAG = "mining_platform/memory_kills"
"""Tag of a run: what the kernel had counted when the run was launched, as `Count.told`."""
MB = 1_000_000
_UNLIMITED = 2**60  # bytes; version 1 writes the largest multiple of a page for "no limit"
_COUNT_FILES = ("memory.events.local", "memory.events", "memory.oom_control")
_LIMIT_FILES = ("memory.max", "memory.limit_in_bytes")
_PEAK_FILES = ("memory.peak", "memory.max_usage_in_bytes")


@dataclass(frozen=True)
class Count:
    """How many processes the kernel had killed for lack of memory at some moment."""

    host: str
    boot: str
    """The machine's own id of its present start."""
    group: str
    """Directory of the control group that is counted; empty for the whole machine."""
    kills: int

    @property
    def told(self) -> str:
        """As JSON, for a tag."""
        return json.dumps(asdict(self), sort_keys=True)


def read_count(told: str) -> Count | None:
    """The inverse of `Count.told`; None for anything else."""
    try:
        content = json.loads(told)
        return Count(str(content["host"]), str(content["boot"]), str(content["group"]), int(content["kills"]))
    except (ValueError, TypeError, KeyError):
        return None


def count_now() -> Count | None:
    """What the kernel counts for the control group of this process, else for the machine; None where neither can be read."""
    directory = _own_group()
    counted = _in_group(directory) if directory else None
    if directory and counted is not None:
        return Count(socket.gethostname(), _boot(), str(directory), counted)
    counted = _number(_text(PROC / "vmstat"), "oom_kill")
    return None if counted is None else Count(socket.gethostname(), _boot(), "", counted)


def tags_now() -> dict[str, str]:
    """The tag of a run that is launched now from a process of its control group; none where nothing can be counted."""
    counted = count_now()
    return {MEMORY_TAG: counted.told} if counted else {}


def memory_cause(told: str | None) -> str | None:
    """How a killed process ended, where the kernel has killed for lack of memory since what a tag tells; None without evidence.

    Counts of another machine, or from before its last start, are no evidence.
    """
    before = read_count(told) if told else None
    if before is None or (before.host, before.boot) != (socket.gethostname(), _boot()):
        return None
    now = _in_group(Path(before.group)) if before.group else _number(_text(PROC / "vmstat"), "oom_kill")
    if now is None or now <= before.kills:
        return None
    killed = now - before.kills
    if not before.group:
        return f"was killed, most likely for lack of memory: this machine's kernel has killed {killed} for that since its launch"
    known = "; ".join(_bounds(Path(before.group)))
    return (
        f"was killed by the kernel for lack of memory: it has killed {killed} of its control group {before.group} "
        f"for that since its launch{' (' + known + ')' if known else ''}"
    )


def own_bounds() -> Iterator[str]:
    """The most memory that this process has used and may take, in words."""
    yield f"most used {_most_used() / MB:,.0f} MB"
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    if most != resource.RLIM_INFINITY:
        yield f"limit of its address space {most / MB:,.0f} MB"
    directory = _own_group()
    if directory:
        yield from (f"{each} in its control group" for each in _bounds(directory))


REMEDY = "Give it more memory, or let fewer runs work at once (max_concurrent_runs in dagster.yaml)."


def _most_used() -> int:
    """Bytes of resident memory of this process at its highest; the count of getrusage begins with that of its parent."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", _text(PROC / "self" / "status") or "", re.MULTILINE)
    return (int(found[1]) if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * 1024


def _own_group() -> Path | None:
    """Directory of the control group that counts this process's memory."""
    for line in (_text(PROC / "self" / "cgroup") or "").splitlines():
        number, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            return _below(GROUPS / "memory", path)
        if number == "0" and not controllers and (GROUPS / "cgroup.controllers").exists():
            return _below(GROUPS, path)
    return None


def _below(top: Path, path: str) -> Path:
    """A group's directory; in a container that sees only its own group, that is the top."""
    directory = top / path.lstrip("/")
    return directory if directory.is_dir() else top


def _in_group(directory: Path) -> int | None:
    found = (_number(_text(directory / name), "oom_kill") for name in _COUNT_FILES)
    return next((number for number in found if number is not None), None)


def _bounds(directory: Path) -> Iterator[str]:
    """The tightest limit that a group is under, and the most that was used below it, in words."""
    limits = [(limit, each) for each in (directory, *directory.parents) if (limit := _bytes(each, _LIMIT_FILES)) is not None]
    if not limits:
        return
    limit, limited = min(limits, key=lambda found: found[0])
    yield f"limit {limit / MB:,.0f} MB"
    peak = _bytes(limited, _PEAK_FILES)
    if peak is not None:
        yield f"most used {peak / MB:,.0f} MB"


def _bytes(directory: Path, names: tuple[str, ...]) -> int | None:
    """The number in the first of these files that is there; None for none and for "no limit"."""
    found = next((text for name in names if (text := _text(directory / name)) is not None), "").strip()
    return int(found) if found.isdigit() and int(found) < _UNLIMITED else None


def _number(text: str | None, name: str) -> int | None:
    """The number in the line `name number` of a text."""
    found = re.search(rf"^{name} (\d+)$", text or "", re.MULTILINE)
    return int(found[1]) if found else None


def _boot() -> str:
    return (_text(PROC / "sys" / "kernel" / "random" / "boot_id") or "").strip()


def _text(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None
