"""What benchmarks share: CPU time of several functions in one interleaved run, memory of one, and the table of ratios.

Only ratios of one run mean something: machines differ, and a busy one slows all functions of a round alike.
"""

import importlib
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
FAILING_SHARE = 0.6  # of an aim: machines differ more than code does, so only a ratio below this fails a test


@dataclass(frozen=True)
class Row:
    """One comparison, as a line of the table."""

    path: str
    """What is measured."""
    peer: str
    """What it is compared with: a library, a plain form, or a limit."""
    ratio: float
    """How many times cheaper the path is than the peer; for a limit, how many times it fits into it."""
    aim: float | None
    """The ratio to reach; None where the figure is only told."""
    note: str = ""

    @property
    def verdict(self) -> str:
        """What the ratio means."""
        if self.aim is None:
            return "-"
        return "reached" if self.ratio >= self.aim else "close" if self.ratio >= FAILING_SHARE * self.aim else "MISSED"


def interleaved_cpu(functions: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median CPU seconds of each function over rounds in which all take turns, after one call that is not counted.

    The time of all threads of this process counts; use peers that start none, or their work is added up.
    """
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for counted in [False] + [True] * rounds:
        for name, function in functions.items():
            started = time.process_time()
            function()
            if counted:
                seconds[name].append(time.process_time() - started)
    return {name: statistics.median(found) for name, found in seconds.items()}


def enough(rows: Sequence[Row], share: float = FAILING_SHARE) -> list[Row]:
    """The rows whose ratio is below that share of their aim: none when all is well."""
    return [row for row in rows if row.aim is not None and row.ratio < share * row.aim]


def table(rows: Sequence[Row]) -> str:
    """Aligned lines: path, peer, ratio, aim, verdict, note."""
    cells = [("path", "peer", "ratio", "aim", "verdict", "note")]
    cells += [
        (row.path, row.peer, f"{row.ratio:.1f}", f"{row.aim:.1f}" if row.aim else "-", row.verdict, row.note) for row in rows
    ]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    aligned = [
        (cell.rjust if column in (2, 3) else cell.ljust)(width)
        for line in cells
        for column, (cell, width) in enumerate(zip(line, widths, strict=True))
    ]
    step = len(widths)
    return "\n".join("  ".join(aligned[first : first + step]).rstrip() for first in range(0, len(aligned), step))


def print_table(rows: Sequence[Row]) -> None:
    """Print `table`."""
    print(table(rows))


def peak_memory(target: str) -> int:
    """Bytes by which the resident memory of a fresh process rises at its highest while a function runs.

    `target` is "module:prepare": prepare() makes the input, warms up what is compiled, and returns the function to
    measure. The peak is the operating system's (resident set), so native code counts; a peak that `prepare` leaves
    behind counts too, so the figure is never too small.
    """
    command = [sys.executable, "-m", "benchmarks.comparison", target]
    return int(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)


def _growth(target: str) -> int:
    module, _, name = target.partition(":")
    function = getattr(importlib.import_module(module), name)()
    before = resident_bytes("VmRSS")
    function()
    return resident_bytes("VmHWM") - before


def resident_bytes(field: str) -> int:
    """A field of /proc/self/status; where there is none, the highest resident size so far.

    On Linux `ru_maxrss` is no substitute: a process inherits it from the one that started it.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    (line,) = (line for line in status.read_text().splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(_growth(sys.argv[1]))
