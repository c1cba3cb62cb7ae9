"""What the planner takes at 100,000 partitions: 1,000 regions x 10 years x 10 assets, before anything is made and after.

Run with `make bench`, or `python -m benchmarks.planner --quick`. Aims: a plan, and a status, in at most 30 s each, with at most
1 GB of memory. The regions come from a generated region file, the steps are those of the graph; one dataset over all
regions is added for the run. What is published is written here without being computed: its files are small, its records,
manifests and pointers are the real ones.
"""

import argparse
import gc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.comparison import ROOT, Row, enough, print_table, resident_bytes
from mining_platform import environments, lineage, plans, staleness
from mining_platform.artifacts import ArtifactStore, Ref
from mining_platform.datasets import DATASETS
from mining_platform.graph import build_steps
from mining_platform.pipeline import Platform, Step
from mining_platform.region_files import load_regions
from mining_platform.sources import router
from mining_platform.sources.protocol import NotAskedError
from mining_platform.store import digests, versions

YEARS = tuple(range(2015, 2025))
ASSETS = (
    *("land_cover", "scenes", "mosaic", "label", "mosaic_quality", "detections", "changes"),
    *("scale/candidates", "scale/sample", "scale/patches"),
)
"""Ten assets with a partition for each region and year."""
COLUMNS, STEP_DEG, SIDE_DEG = 40, 0.125, 0.1
REGIONS, QUICK_REGIONS = 1000, 100
LIMIT_S = 30.0
LIMIT_BYTES = 1e9
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
FACTS = {"simulated": True, "scene_count": 73, "windows": 72, "patches": 10, "computed_pixels": 1_200_000}


def region_file(path: Path, count: int) -> Path:
    """A region file of so many squares of 0.1 degree that do not touch, monitored by their map."""
    template = next(
        each
        for each in json.loads((ROOT / "regions.geojson").read_text())["features"]
        if each["properties"]["id"] == "legal-amazon-21"
    )
    features = []
    for number in range(count):
        west, south = -60 + STEP_DEG * (number % COLUMNS), -10 + STEP_DEG * (number // COLUMNS)
        ring = [[west, south], [west + SIDE_DEG, south], [west + SIDE_DEG, south + SIDE_DEG], [west, south + SIDE_DEG]]
        told = {**template["properties"], "id": f"scale-{number:04d}", "name": f"Square {number}", "years": list(YEARS)}
        told["monitoring"] = {"source": "land-cover", "min_area_ha": 1}
        features.append(
            {"type": "Feature", "properties": told, "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}}
        )
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def made_up_platform(folder: Path, regions: int) -> tuple[Platform, dict[str, Step]]:
    """An installation without artifacts over generated regions, with the dataset `scale` over all of them, asking no service."""
    known = load_regions(region_file(folder / "regions.geojson", regions))
    DATASETS["scale"] = replace(DATASETS["ranges"], id="scale", regions=tuple(known), years=YEARS)
    store = ArtifactStore(folder / "artifacts")
    return staleness.offline(Platform(folder, known, store, router, router)), build_steps(known)


def publish(platform: Platform, steps: dict[str, Step], refs: Sequence[Ref]) -> None:
    """A version, a record and a pointer of each partition, in an order in which inputs come first; nothing is synced."""
    digests_of: dict[Ref, str] = {}
    for ref in refs:
        step = steps[ref.asset]
        inputs = tuple(sorted(each for each in step.inputs(platform, ref.partition) if each in digests_of))
        digests_of[ref] = _publish(platform, step, ref, [lineage.Input(e.asset, e.partition, digests_of[e]) for e in inputs])


def _publish(platform: Platform, step: Step, ref: Ref, inputs: Sequence[lineage.Input]) -> str:
    facts = digests.canonical_json({**FACTS, "regions": list(platform.regions), "of": str(ref)}, "facts")
    manifest = digests.manifest_bytes([digests.Entry(versions.FACTS_NAME, len(facts), digests.digest_of(facts))])
    digest = digests.digest_of(manifest)
    folder = versions.version_directory(platform.artifacts, ref, digest)
    folder.mkdir(parents=True)
    (folder / versions.FACTS_NAME).write_bytes(facts)
    (folder / digests.MANIFEST_NAME).write_bytes(manifest)
    try:
        config = digests.plain(step.config(platform, ref.partition), str(ref))
    except NotAskedError:
        config = {}
    made = lineage.Production(
        ref.asset, ref.partition, digest, tuple(inputs), digests.digest_of(facts), step.version, config, "", MOMENT, MOMENT
    )
    record = _record(made)
    path = lineage.record_path(versions.records_directory(platform.artifacts, ref), 1)
    path.parent.mkdir()
    path.write_bytes(digests.canonical_json(record, "record"))
    pointer = {"digest": digest, "record": 1, "record_hash": record["hash"]}
    (versions.partition_directory(platform.artifacts, ref) / versions.POINTER_NAME).write_bytes(
        digests.canonical_json(pointer, "pointer")
    )
    return digest


def _record(made: lineage.Production) -> dict[str, object]:
    """A first record, as `lineage.append_record` makes it."""
    moments = {"started": made.started.isoformat(), "finished": made.finished.isoformat()}
    content = {**asdict(made), **asdict(environments.environment()), **moments, "number": 1, "previous": ""}
    return {**content, "hash": digests.digest_of(digests.canonical_json(content, "record"))}


def planned_and_told(folder: Path, regions: int) -> dict[str, float]:
    """CPU seconds of a plan of partitions before any is made, and of a status once all are; their number, peak bytes."""
    platform, steps = made_up_platform(folder, regions)
    gc.freeze()  # as a session does
    selection = plans.Selection(assets=ASSETS)
    plan_s, planned = _timed(lambda: plans.plan(platform, steps, selection))
    assert {item.state for item in planned} == {"missing"}
    publish(platform, steps, [item.ref for item in planned])
    status_s, told = _timed(lambda: plans.standings(platform, steps, selection))
    assert {item.state for item in told} == {"fresh", "not asked"}
    assert len(told) == len(planned)
    return {"partitions": len(planned), "plan_s": plan_s, "status_s": status_s, "peak_bytes": resident_bytes("VmHWM")}


def _timed(work: Callable[[], list[staleness.Planned]]) -> tuple[float, list[staleness.Planned]]:
    started = time.process_time()
    done = work()
    return time.process_time() - started, done


def measure(*, quick: bool = False) -> list[Row]:
    """The rows of the table; quick: a tenth of the regions within a tenth of the time."""
    regions = QUICK_REGIONS if quick else REGIONS
    command = [sys.executable, "-m", "benchmarks.planner", "--regions", str(regions)]
    found = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
    limit_s = LIMIT_S * regions / REGIONS
    looks = {"plan of {} partitions, none made": found["plan_s"], "status of {} partitions, all published": found["status_s"]}
    return [
        *(
            Row(what.format(found["partitions"]), f"{limit_s:.0f} CPU s", limit_s / taken, 1.0, f"{taken:.1f} CPU s")
            for what, taken in looks.items()
        ),
        Row("memory of both", f"{LIMIT_BYTES / 1e9:.0f} GB", LIMIT_BYTES / found["peak_bytes"], 1.0, _mb(found["peak_bytes"])),
    ]


def _mb(size: float) -> str:
    return f"{size / 1e6:.0f} MB"


def main() -> int:
    """Print the table, exit code 1 below the failing share of an aim; with --regions one run of this process, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--regions", type=int)
    arguments = parser.parse_args()
    if arguments.regions:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(planned_and_told(Path(folder), arguments.regions)))
        return 0
    rows = measure(quick=arguments.quick)
    print_table(rows)
    return bool(enough(rows))


if __name__ == "__main__":
    sys.exit(main())
