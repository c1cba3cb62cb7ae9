"""What orchestration costs: loading the definitions, a run of one partition by each executor, and skipping a fresh one.

Run with `make bench`. Aims: definitions load in at most 10 s without torch; a skip takes at most 0.3 s. The planner runs
partitions in its own process, since a process for each costs more than most partitions do; the table tells by how much.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import dagster as dg

from mining_platform.artifacts import Ref

LOADS = 3
ROUNDS = 5
PROCESSES = 3
LOAD_LIMIT_S = 10.0
SKIP_LIMIT_S = 0.3


def load_seconds() -> float:
    """Wall seconds of a new Python that loads the definitions; fails if torch comes with them."""
    code = "import sys, assets_defs.definitions; sys.exit('torch' in sys.modules)"
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - started


def partition_seconds(home: Path) -> tuple[list[float], list[float]]:
    """Wall seconds of each first run and each skip over four land-cover and candidate partitions."""
    os.environ["MINING_PLATFORM_HOME"] = str(home)
    from assets_defs.runner import open_session
    from mining_platform import plans, runs
    from mining_platform.simulation.archive import write_archive

    with open_session() as session:
        regions = [session.platform.regions[name] for name in ("sim-igarape", "sim-serra")]
        write_archive(home / "archive", regions, (2024,), seed=7, dates_per_year=4)
        selection = plans.Selection(
            assets=("land_cover", "sim_ranges/candidates"), regions=("sim-igarape", "sim-serra"), years=(2024,)
        )
        refs = plans.select(session.platform, session.steps, selection)
        rounds = [runs.run(session.platform, session.steps, refs, session.execute) for _ in range(ROUNDS)]
    assert {done.state for done in rounds[0]} == {"made"}
    assert {done.state for later in rounds[1:] for done in later} == {"skipped"}
    return [done.seconds for done in rounds[0]], [done.seconds for later in rounds[1:] for done in later]


def job_by_processes(asset: str) -> dg.JobDefinition:
    """A job of one asset, each step in a process of its own, which finds this function by its module and name."""
    from assets_defs.definitions import defs
    from assets_defs.partitions import asset_key

    job = dg.define_asset_job("by_processes", selection=[asset_key(asset)], executor_def=dg.multiprocess_executor)
    return dg.Definitions.merge(defs, dg.Definitions(jobs=[job])).resolve_job_def("by_processes")


def multiprocess_run(instance: dg.DagsterInstance, ref: Ref) -> None:
    """Make a partition by a run with the multiprocess executor; fails where the run does."""
    from assets_defs.partitions import STEPS

    names = STEPS[ref.asset].dimensions.split("|")
    parts = {f"dagster/partition/{name}": part for name, part in zip(names, ref.partition.split("|"), strict=True)}
    tags = {"dagster/partition": ref.partition, **(parts if len(names) > 1 else {})}
    job = dg.build_reconstructable_job("benchmarks.orchestration", "job_by_processes", reconstructable_args=(ref.asset,))
    assert dg.execute_job(job, instance=instance, tags=tags).success, ref


def process_seconds(home: Path) -> list[float]:
    """Wall seconds of runs of fresh light partitions whose step runs in a process of its own."""
    os.environ["MINING_PLATFORM_HOME"] = str(home)
    from assets_defs.instances import opened_instance

    seconds = []
    with opened_instance() as instance:
        for _ in range(PROCESSES):
            started = time.perf_counter()
            multiprocess_run(instance, Ref("land_cover", "sim-igarape|2024"))
            seconds.append(time.perf_counter() - started)
    return seconds


def main() -> None:
    """Print the table; exit code 1 where an aim is missed."""
    loads = [load_seconds() for _ in range(LOADS)]
    with tempfile.TemporaryDirectory() as folder:
        made, skipped = partition_seconds(Path(folder))
        apart = process_seconds(Path(folder))
    rows = (
        ("load the definitions in a new process", loads, LOAD_LIMIT_S),
        ("run of one light partition (land cover, candidates)", made, None),
        ("run of a fresh one by the multiprocess executor", apart, None),
        ("skip of a fresh partition in the planner", skipped, SKIP_LIMIT_S),
    )
    missed = False
    print(f"{'orchestration':<56}{'median s':>10}{'max s':>10}{'aim s':>8}")
    for name, seconds, limit in rows:
        median = statistics.median(seconds)
        missed |= limit is not None and median > limit
        print(f"{name:<56}{median:>10.3f}{max(seconds):>10.3f}{limit if limit is not None else '-':>8}")
    sys.exit(missed)


if __name__ == "__main__":
    main()
