"""What 100,000 partitions mean for Dagster: how its databases grow, and how long the web UI's questions about an asset take.

`python -m benchmarks.queue [--regions 300] [--home HOME]`. Partitions of `land_cover` (regions x 10 years) get an event each that
they were made, with metadata as the real asset has; then the questions of the asset page are put to Dagster's own GraphQL schema,
with half of the events and with all. With --home the databases of an installation that really worked tell what a whole run adds.
What is measured and what is extrapolated is said line by line.
"""

import argparse
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.comparison import ROOT
from benchmarks.planner import YEARS, region_file

QUEUE = 100_000
ROUNDS = 5
ASSET = "land_cover"
QUESTIONS = {
    "partitions of an asset, made or not": """query { assetNodeOrError(assetKey: {path: ["land_cover"]}) { ... on AssetNode {
        partitionStats { numPartitions numMaterialized numFailed }
        assetPartitionStatuses { ... on MultiPartitionStatuses { primaryDimensionName ranges { primaryDimStartKey } } } } } }""",
    "its newest 100 events": """query { assetOrError(assetKey: {path: ["land_cover"]}) { ... on Asset {
        assetMaterializations(limit: 100) { partition timestamp metadataEntries { label } } } } }""",
    "its partition keys": """query { assetNodeOrError(assetKey: {path: ["land_cover"]}) { ... on AssetNode {
        partitionKeysByDimension { name partitionKeys } } } }""",
}


def database_bytes(home: Path) -> int:
    """Bytes of all of Dagster's databases of an installation."""
    return sum(path.stat().st_size for path in (home / "dagster").rglob("*.db*"))


def bytes_a_run(home: Path) -> tuple[int, float]:
    """Runs of an installation, and what its databases hold for each."""
    with sqlite3.connect(home / "dagster" / "history" / "runs.db") as runs:
        (count,) = runs.execute("select count(*) from runs").fetchone()
    return count, database_bytes(home) / max(1, count)


def events(keys: tuple[str, ...]) -> Iterator[Any]:
    """A materialization of each partition, with the metadata that land cover has."""
    import dagster as dg

    for number, key in enumerate(keys):
        digest = f"{number:064x}"
        told: dict[str, Any] = {"digest": digest, "skipped": False, "pixels": 310_806, "year": 2024, "simulated": True}
        told |= {"collection": "10", "crs": "EPSG:4326", "reason": "not made yet", "seconds": 1.5, "path": f"land_cover/{digest}"}
        yield dg.AssetMaterialization(ASSET, partition=key, metadata=told, tags={"dagster/data_version": digest})


@contextmanager
def _asked(instance: Any) -> Iterator[Any]:
    """What answers questions as the web server does."""
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import ModuleTarget

    target = ModuleTarget("assets_defs.definitions", None, str(ROOT), "assets_defs")
    with WorkspaceProcessContext(instance, target) as process:
        yield process


def _answer_s(process: Any, question: str) -> float:
    """Median CPU seconds of this process for a question, each put to a new request; a busy machine does not count."""
    from dagster_graphql.test.utils import execute_dagster_graphql

    taken = []
    for _ in range(ROUNDS):
        context = process.create_request_context()
        started = time.process_time()
        answer = execute_dagster_graphql(context, question)
        taken.append(time.process_time() - started)
        assert not answer.errors, answer.errors
    return statistics.median(taken)


def measure(folder: Path, regions: int) -> dict[str, Any]:
    """Events, seconds and bytes an event, and seconds of each question with half of the events and with all."""
    os.environ["MINING_PLATFORM_HOME"] = str(folder)
    os.environ["MINING_PLATFORM_REGIONS"] = str(region_file(folder / "regions.geojson", regions))
    from assets_defs.instances import opened_instance
    from assets_defs.partitions import STEPS

    keys = STEPS[ASSET].keys
    assert len(keys) == regions * len(YEARS)
    half = len(keys) // 2
    answers: list[dict[str, float]] = []
    with opened_instance() as instance, _asked(instance) as process:
        before, started = database_bytes(folder), time.perf_counter()
        for number, event in enumerate(events(keys), start=1):
            instance.report_runless_asset_event(event)
            if number in (half, len(keys)):
                answers.append({name: _answer_s(process, question) for name, question in QUESTIONS.items()})
        seconds = time.perf_counter() - started
    grown = database_bytes(folder) - before
    return {"events": len(keys), "seconds": seconds, "bytes": grown, "half": answers[0], "all": answers[1]}


def lines(found: dict[str, Any]) -> list[str]:
    """What was measured, and what follows for QUEUE partitions if it goes on as between half and all."""
    count = found["events"]
    each = found["bytes"] / count
    more = f"extrapolated to {QUEUE}: {each * QUEUE / 1e9:.2f} GB"
    told = [f"measured: {count} events, {each / 1e3:.1f} kB of database each; {more}"]
    for name in QUESTIONS:
        half_s, all_s = found["half"][name], found["all"][name]
        later_s = all_s + max(0.0, all_s - half_s) / (count / 2) * (QUEUE / 10 - count)
        told.append(
            f"measured: {name}: {half_s:.2f} CPU s at {count // 2}, {all_s:.2f} s at {count}; "
            f"extrapolated to {QUEUE // 10} partitions of one asset: {later_s:.2f} s"
        )
    return told


def main() -> None:
    """Print the lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--regions", type=int, default=300)
    parser.add_argument("--home", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print("\n".join(lines(measure(Path(folder), arguments.regions))))
    if arguments.home:
        count, each = bytes_a_run(arguments.home)
        more = f"extrapolated to {QUEUE}: {each * QUEUE / 1e9:.0f} GB"
        print(f"measured: {count} real runs, {each / 1e3:.0f} kB of database each; {more}")


if __name__ == "__main__":
    main()
