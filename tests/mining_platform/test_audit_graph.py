"""The row `lineage_audit`: which partitions it has, what it rests on, and when a selection takes it along."""

from pathlib import Path
from typing import Any

import pytest

from mining_platform.artifacts import ArtifactStore, Ref
from mining_platform.audits.since import changed_since
from mining_platform.audits.walk import audit, roots_of
from mining_platform.datasets import DATASETS
from mining_platform.graph import build_steps
from mining_platform.pipeline import Platform, inputs_now, may_be_left_out
from mining_platform.plans import Selection, select
from mining_platform.region_files import load_regions
from mining_platform.sources.protocol import SourceError
from tests.mining_platform.audited_stores import put

REGIONS = load_regions(Path(__file__).parents[2] / "regions.geojson")
STEPS = build_steps(REGIONS)
AUDIT = STEPS["lineage_audit"]
PACKAGE, OTHER = Ref("sim_ranges/package", "2024"), Ref("sim_ranges_48/package", "2024")


class Sources:
    """Land covers and scenes that say what identifies them."""

    collection = "8"

    def fingerprint_land_cover(self, _region: Any, _year: int) -> dict[str, Any]:
        if not self.collection:
            raise SourceError("the map is gone")
        return {"collection": self.collection}

    def fingerprint_scenes(self, region: Any, _year: int) -> dict[str, Any]:
        return {"region": region.id}


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    sources: Any = Sources()
    return Platform(tmp_path, REGIONS, ArtifactStore(tmp_path / "artifacts"), sources, sources)


def test_there_is_an_audit_of_every_year_of_every_dataset() -> None:
    active = {asset.split("/")[0] for asset in STEPS}
    assert set(AUDIT.keys) == {str(year) for row in DATASETS.values() if row.id in active for year in row.years}


def test_it_rests_on_what_is_published_of_the_year_and_names_all_where_nothing_is(platform: Platform) -> None:
    declared = AUDIT.inputs(platform, "2024")
    assert {PACKAGE, OTHER, Ref("model", "sim-cnn|2024"), Ref("evaluation", "sim-cnn|2024")} <= set(declared)
    assert inputs_now(platform, AUDIT, "2024") == declared
    put(platform.artifacts, PACKAGE)
    assert inputs_now(platform, AUDIT, "2024") == (PACKAGE,)
    assert may_be_left_out(AUDIT, OTHER)


def test_a_selection_of_regions_takes_the_audits_of_the_years_of_their_datasets(platform: Platform) -> None:
    chosen = select(platform, STEPS, Selection(assets=("lineage_audit",), regions=("sim-serra",), upstream=False))
    years = {year for row in DATASETS.values() if "sim-serra" in row.regions for year in row.years}
    assert {int(ref.partition) for ref in chosen} == years != {int(key) for key in AUDIT.keys}


def test_a_changed_source_changed_code_and_an_unknown_source_are_told_and_are_no_breaks(platform: Platform) -> None:
    ref, step = Ref("land_cover", "sim-serra|2024"), STEPS["land_cover"]
    put(platform.artifacts, ref, version=step.version, config=step.config(platform, ref.partition))

    def told() -> tuple[str, ...]:
        found = audit(platform.artifacts, roots_of(platform.artifacts), deep=False, since=changed_since(platform, STEPS))
        assert found.breaks == []
        return next(iter(found.nodes.values())).since

    assert told() == ()
    platform.land_covers.collection = "9"  # type: ignore[attr-defined]
    assert told() == ('configuration outside.collection changed: "8" -> "9"',)
    platform.land_covers.collection = ""  # type: ignore[attr-defined]
    assert told() == ("whether it changed is not known: the map is gone",)
    platform.land_covers.collection = "8"  # type: ignore[attr-defined]
    put(platform.artifacts, ref, version="0", config=step.config(platform, ref.partition))
    assert told() == (f"code version 0 -> {step.version}",)


def test_inputs_that_came_or_went_since_are_told(platform: Platform) -> None:
    put(platform.artifacts, PACKAGE, config={})
    put(platform.artifacts, Ref("lineage_audit", "2024"), [PACKAGE], version=AUDIT.version)
    put(platform.artifacts, OTHER)
    roots = roots_of(platform.artifacts, "lineage_audit")
    found = audit(platform.artifacts, roots, deep=False, since=changed_since(platform, STEPS))
    assert found.nodes[found.roots[0]].since == ("input sim_ranges_48/package@2024 is new",)


def test_a_partition_that_is_not_declared_any_more_says_so(platform: Platform) -> None:
    put(platform.artifacts, Ref("land_cover", "atlantis|2024"))
    found = audit(platform.artifacts, roots_of(platform.artifacts), deep=False, since=changed_since(platform, STEPS))
    assert found.nodes[found.roots[0]].since == ("the partition is not declared any more",)
