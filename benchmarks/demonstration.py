"""The whole demonstration in several ways: what each takes, and whether all publish the same digests.

`python -m benchmarks.demonstration`, or with `--ways threads,two-workers,cluster`; each runs some minutes in an empty home of its
own; exit code 1 where digests differ. Wall-clock time from the start of the command to its end, on an idle machine:

- `threads`: one partition after another in one process (`mining-platform demo --workers 1`)
- `two-workers`: two partitions at once (`--workers 2`), as `make demo` does it on two cores
- `cluster`: one after another, parts of each by two worker processes of Dask (`make demo CLUSTER=1`)
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.comparison import ROOT
from benchmarks.refresh import COMMAND, seconds_of
from mining_platform.artifacts import ArtifactStore, Ref, current_digest
from mining_platform.store.versions import all_refs, records

WAYS = {"threads": ("--workers", "1"), "two-workers": ("--workers", "2"), "cluster": ("--cluster", "2")}
TOLD = ("mosaic", "detections", "patches", "candidates", "model")
"""Kinds of assets whose time is told apart; parts of the first four are worked on by a cluster."""


@dataclass(frozen=True)
class Measured:
    """One demonstration."""

    way: str
    wall_s: float
    digests: Mapping[Ref, str]
    stages_s: Mapping[str, float]
    """Last part of an asset's key -> seconds of all its partitions, one added to another."""


def measure(way: str, home: Path) -> Measured:
    """Run the demonstration in an empty home."""
    started = time.perf_counter()
    environment = {**os.environ, "MINING_PLATFORM_HOME": str(home)}
    subprocess.run(
        [str(COMMAND), "demo", *WAYS[way]], cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=sys.stderr
    )
    wall_s = time.perf_counter() - started
    store = ArtifactStore(home / "artifacts")
    refs = all_refs(store)
    stages: dict[str, float] = {}
    for ref in refs:
        kind = ref.asset.rpartition("/")[2]
        stages[kind] = stages.get(kind, 0.0) + sum(map(seconds_of, records(store, ref)))
    return Measured(way, wall_s, {ref: current_digest(store, ref) or "" for ref in refs}, stages)


def print_table(found: Sequence[Measured]) -> None:
    """A line for each way: wall time, time of some kinds of assets, and how many digests are those of the first way."""
    print(f"{'way':<14}{'wall s':>9}" + "".join(f"{kind + ' s':>14}" for kind in TOLD) + f"{'equal digests':>16}")
    for each in found:
        equal = sum(each.digests.get(ref) == digest for ref, digest in found[0].digests.items())
        stages = "".join(f"{each.stages_s.get(kind, 0.0):>14.1f}" for kind in TOLD)
        print(f"{each.way:<14}{each.wall_s:>9.1f}{stages}{f'{equal} of {len(each.digests)}':>16}")


def differing(found: Sequence[Measured]) -> list[str]:
    """Partitions that not all ways published with the same digest."""
    refs = {ref for each in found for ref in each.digests}
    return sorted(str(ref) for ref in refs if len({each.digests.get(ref) for each in found}) > 1)


def main() -> None:
    """Print the table; exit code 1 where digests differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ways", default=",".join(WAYS))
    ways = parser.parse_args().ways.split(",")
    with tempfile.TemporaryDirectory() as folder:
        found = [measure(way, Path(folder) / way) for way in ways]
    print_table(found)
    unlike = differing(found)
    if unlike:
        print(json.dumps(unlike))
    sys.exit(bool(unlike))


if __name__ == "__main__":
    main()
