"""What the yearly refresh takes: a new year of the demonstration's two regions from land cover to report, nothing trained.

Run as `python -m benchmarks.refresh --home DIR` on the home of a demonstration (`mining-platform demo`), which stays as it is:
each way of orchestrating works on a copy of its own, whose files are hard links. Without --home a small home is made first.
The archive of the copies has one more year; that, and making the home, is not counted.

Ways: `planner`, the planner in one process (`mining-platform refresh`); `two-workers`, the same with `--workers 2`; `job`, the
schedule's job, whose only op is the planner; `multiprocess`, a run of its own with Dagster's multiprocess executor for each
partition (only when named: it takes long).
Aim: at most 180 s on two cores.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from benchmarks.comparison import ROOT
from benchmarks.orchestration import multiprocess_run
from mining_platform.artifacts import ArtifactStore
from mining_platform.demos import SIMULATED_PARTS, SIMULATED_REGIONS, SIMULATED_YEARS
from mining_platform.lineage import Record
from mining_platform.store.versions import all_refs, records

NEW_YEAR = SIMULATED_YEARS[-1] + 1
AIM_S = 180.0
PARTS = tuple(part for part in SIMULATED_PARTS if part not in ("landsat", "polygons", "toa"))
"""Parts of the archive beside maps and scenes that the two regions have; the others are of regions that stay as they are."""
COMMAND = Path(sys.executable).with_name("mining-platform")
SMALL_SIDE_DEG = 0.09
"""Side of the regions of a home that is made for the benchmark, about 10 km."""


@dataclass(frozen=True)
class Measured:
    """One refresh."""

    way: str
    wall_s: float
    """From the start of its process to its end."""
    cpu_s: float
    """Of its process and those that it started, all threads: what the wall time cannot go below on one core."""
    made: tuple[Record, ...]
    """What it published."""

    @property
    def stages_s(self) -> float:
        """Time within stages, publishing included."""
        return sum(map(seconds_of, self.made))


def started_of(record: Record) -> datetime:
    return datetime.fromisoformat(record.started)


def seconds_of(record: Record) -> float:
    return (datetime.fromisoformat(record.finished) - started_of(record)).total_seconds()


def region_file(path: Path, *, years: Sequence[int], small: bool) -> Path:
    """The shipped region file, in which the demonstration's two regions declare some years; `small` cuts their outlines."""
    content = json.loads((ROOT / "regions.geojson").read_text())
    for feature in content["features"]:
        told = feature["properties"]
        if told["id"] in SIMULATED_REGIONS:
            told["years"] = list(years)
            told["land_cover"]["years"] = [years[0], years[-1]]
        if small and told["id"].startswith(SIMULATED_REGIONS):
            feature["geometry"]["coordinates"] = [small_ring(feature["geometry"]["coordinates"][0])]
    path.write_text(json.dumps(content))
    return path


def small_ring(ring: Sequence[Sequence[float]]) -> list[list[float]]:
    """The lower left corner of a rectangle, degrees."""
    west, south = (min(corner[axis] for corner in ring) for axis in (0, 1))
    east, north = west + SMALL_SIDE_DEG, south + SMALL_SIDE_DEG
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


def environment_of(home: Path) -> dict[str, str]:
    return {**os.environ, "MINING_PLATFORM_HOME": str(home), "MINING_PLATFORM_REGIONS": str(home / "regions.geojson")}


def command(home: Path, *arguments: str) -> None:
    subprocess.run([str(COMMAND), *arguments], cwd=ROOT, env=environment_of(home), check=True, stdout=subprocess.DEVNULL)


def simulate(home: Path, years: Iterable[int]) -> None:
    """The archive of a home's regions; files of years that there were before are the same again."""
    told = ["--regions", ",".join(SIMULATED_REGIONS), "--years", ",".join(map(str, years)), "--also", ",".join(PARTS)]
    command(home, "simulate", "--out", str(home / "archive"), *told)


def small_home(home: Path) -> Path:
    """A home with small regions, the deployed model and the reports of the demonstration's years."""
    home.mkdir()
    region_file(home / "regions.geojson", years=SIMULATED_YEARS, small=True)
    simulate(home, SIMULATED_YEARS)
    command(home, "materialize", "--assets", "annual_report", "--years", f"{SIMULATED_YEARS[0]}-{SIMULATED_YEARS[-1]}")
    return home


def prepared(home: Path, folder: Path) -> Path:
    """A home with the artifacts and events of another, whose archive and regions have one more year."""
    folder.mkdir()
    copied(home / "artifacts", folder / "artifacts")
    shutil.copytree(home / "dagster", folder / "dagster")
    years = (*SIMULATED_YEARS, NEW_YEAR)
    region_file(folder / "regions.geojson", years=years, small=(home / "regions.geojson").exists())
    simulate(folder, years)
    return folder


def copied(folder: Path, beside: Path) -> None:
    """A copy of immutable files as hard links; pointers are replaced, never written into."""
    shutil.copytree(folder, beside, copy_function=os.link)


def by_planner(year: int, workers: int = 1) -> None:
    """What `mining-platform refresh` does."""
    from mining_platform import plans, runs
    from mining_platform.refreshes import chosen_regions, refresh_selection
    from mining_platform.sessions import open_session

    with open_session() as session, session.crew(workers) as crew:
        selection = refresh_selection(chosen_regions(session.platform.regions, year), year)
        refs = plans.select(session.platform, session.steps, selection)
        outcomes = runs.run(session.platform, session.steps, refs, crew)
    lost = [f"{done.ref}: {done.message}" for done in outcomes if done.state in ("failed", "blocked")]
    assert not lost, lost


def by_job(year: int) -> None:
    """What the schedule's run does."""
    import dagster as dg

    from assets_defs.automation import RefreshConfig, yearly_refresh
    from assets_defs.instances import opened_instance
    from assets_defs.partitions import REGIONS
    from mining_platform.refreshes import chosen_regions

    config = dg.RunConfig(ops={"refresh": RefreshConfig(year=year, regions=list(chosen_regions(REGIONS, year)))})
    with opened_instance() as instance:
        assert yearly_refresh.execute_in_process(run_config=config, instance=instance).success


def by_multiprocess(year: int) -> None:
    """A run of its own for each partition, its step in another process."""
    from assets_defs.instances import opened_instance
    from mining_platform import plans
    from mining_platform.refreshes import chosen_regions, refresh_selection
    from mining_platform.sessions import open_session
    from mining_platform.staleness import assess

    with open_session() as session, opened_instance() as instance:
        selection = refresh_selection(chosen_regions(session.platform.regions, year), year)
        for ref in plans.select(session.platform, session.steps, selection):
            if assess(session.platform, session.steps, ref).state != "fresh":
                multiprocess_run(instance, ref)


WAYS: dict[str, Callable[[int], None]] = {
    "planner": by_planner,
    "two-workers": partial(by_planner, workers=2),
    "job": by_job,
    "multiprocess": by_multiprocess,
}


def measure(way: str, home: Path, folder: Path) -> Measured:
    """Refresh the new year of a copy of a prepared home in a process of its own."""
    folder.mkdir()
    copied(home / "artifacts", folder / "artifacts")
    shutil.copytree(home / "dagster", folder / "dagster")
    shutil.copy(home / "regions.geojson", folder / "regions.geojson")
    (folder / "archive").symlink_to(home / "archive")
    since, started, cpu_s = datetime.now(UTC), time.perf_counter(), children_cpu_s()
    subprocess.run(
        [sys.executable, "-m", "benchmarks.refresh", "--worker", way], cwd=ROOT, env=environment_of(folder), check=True
    )
    wall_s, cpu_s = time.perf_counter() - started, children_cpu_s() - cpu_s
    store = ArtifactStore(folder / "artifacts")
    made = [each for ref in all_refs(store) for each in records(store, ref) if started_of(each) >= since]
    return Measured(way, wall_s, cpu_s, tuple(sorted(made, key=started_of)))


def children_cpu_s() -> float:
    """CPU seconds of all ended processes that this one has started."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def print_stages(measured: Measured) -> None:
    """A line for each asset: how many partitions were made, and the time of all of them."""
    by_asset: dict[str, list[float]] = defaultdict(list)
    for record in measured.made:
        by_asset[record.asset].append(seconds_of(record))
    print(f"\n{'refresh of ' + str(NEW_YEAR) + ': asset':<44}{'partitions':>12}{'s':>10}")
    for asset, seconds in by_asset.items():
        print(f"{asset:<44}{len(seconds):>12}{sum(seconds):>10.2f}")


def print_ways(all_measured: Sequence[Measured]) -> None:
    """A line for each way: wall time, time within stages, what is left for orchestration, and the aim."""
    heads = ("partitions", "wall s", "CPU s", "stages s", "rest s", "a partition", "aim s")
    print(f"\n{'way of orchestrating':<24}" + "".join(f"{head:>13}" for head in heads))
    for each in all_measured:
        rest_s = each.wall_s - each.stages_s
        told = (each.wall_s, each.cpu_s, each.stages_s, rest_s, rest_s / max(1, len(each.made)), AIM_S)
        print(f"{each.way:<24}{len(each.made):>13}" + "".join(f"{value:>13.1f}" for value in told))


def main() -> None:
    """Print the tables; exit code 1 where a way that users have misses the aim."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, help="Home of a demonstration; it is not changed.")
    parser.add_argument("--ways", default="planner,two-workers,job", help=f"Some of {', '.join(WAYS)}.")
    parser.add_argument("--worker", choices=WAYS, help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.worker:
        WAYS[told.worker](NEW_YEAR)
        return
    with tempfile.TemporaryDirectory(dir=told.home and told.home.absolute().parent) as folder:
        home = told.home.absolute() if told.home else small_home(Path(folder) / "small")
        ready = prepared(home, Path(folder) / "ready")
        found = [measure(way, ready, Path(folder) / way) for way in told.ways.split(",")]
    print_stages(found[0])
    print_ways(found)
    sys.exit(any(each.wall_s > AIM_S for each in found if each.way != "multiprocess"))


if __name__ == "__main__":
    main()
