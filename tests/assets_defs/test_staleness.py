"""Staleness in Dagster: a check after every run, and a sensor that tells what became stale since."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets_defs.labels import ASSETS
from assets_defs.partitions import STEPS
from assets_defs.staleness import NAME, Told, changes, freshness_check, staleness
from mining_platform.artifacts import ArtifactStore, Ref
from mining_platform.pipeline import Platform
from mining_platform.region_files import load_regions
from tests.assets_defs.test_checks import ROOT, Maps

KEY = "sim-serra|2024"
MAP, LABEL = Ref("land_cover", KEY), Ref("label", KEY)


class ChangingMaps(Maps):
    """A map whose source may be renewed."""

    edition = 1

    def fingerprint_land_cover(self, _region: Any, _year: int) -> dict[str, Any]:
        return {"edition": self.edition}


@pytest.fixture
def maps() -> ChangingMaps:
    return ChangingMaps()


@pytest.fixture
def platform(tmp_path: Path, maps: ChangingMaps) -> Platform:
    regions = load_regions(ROOT / "regions.geojson")
    return Platform(tmp_path, regions, ArtifactStore(tmp_path / "artifacts"), maps, maps)  # type: ignore[arg-type]


def made(platform: Platform, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    """Make the map with its check."""
    (asset,) = (each for each in ASSETS if each.key == dg.AssetKey("land_cover"))
    defs = dg.Definitions(
        [asset],
        asset_checks=[freshness_check("land_cover")],
        resources={"platform": platform},
        executor=dg.in_process_executor,
    )
    return defs.resolve_implicit_global_asset_job_def().execute_in_process(partition_key=KEY, instance=instance)


def looked(platform: Platform, cursor: str | None) -> dg.SensorResult:
    """One look of the sensor."""
    with dg.build_sensor_context(cursor=cursor, resources={"platform": platform}) as context:
        result = staleness(context)
    assert isinstance(result, dg.SensorResult)
    return result


def test_a_partition_that_was_just_made_is_fresh(platform: Platform) -> None:
    with dg.instance_for_test() as instance:
        (evaluation,) = made(platform, instance).get_asset_check_evaluations()
    assert (evaluation.check_name, evaluation.passed, evaluation.description) == (NAME, True, "fresh")
    assert evaluation.partition == KEY


def test_a_new_edition_of_the_map_is_told_once_and_that_it_was_made_again_too(platform: Platform, maps: ChangingMaps) -> None:
    with dg.instance_for_test() as instance:
        made(platform, instance)
        first = looked(platform, None)
        assert first.asset_events == []
        maps.edition = 2
        second = looked(platform, first.cursor)
        (event,) = second.asset_events
        assert isinstance(event, dg.AssetCheckEvaluation)
        assert (event.asset_key, event.partition, event.passed) == (dg.AssetKey("land_cover"), KEY, False)
        assert event.severity == dg.AssetCheckSeverity.WARN
        assert event.description == "configuration outside.edition changed: 1 -> 2"
        assert looked(platform, second.cursor).asset_events == []
        made(platform, instance)
        (event,) = looked(platform, second.cursor).asset_events
        assert isinstance(event, dg.AssetCheckEvaluation)
        assert (event.passed, event.description) == (True, "fresh")


def test_what_the_sensor_tells_is_kept_with_its_partition(platform: Platform, maps: ChangingMaps) -> None:
    key = dg.AssetCheckKey(dg.AssetKey("land_cover"), NAME)
    with dg.instance_for_test() as instance:
        made(platform, instance)
        maps.edition = 2
        for event in looked(platform, None).asset_events:
            instance.report_runless_asset_event(event)
        newest = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)[0]
    assert newest.partition == KEY
    assert newest.status.value == "FAILED"


def test_a_look_that_takes_too_long_goes_on_with_the_year_that_it_left(platform: Platform, maps: ChangingMaps) -> None:
    with dg.instance_for_test() as instance:
        made(platform, instance)
    maps.edition = 2
    told = Told()
    assert changes(platform, told, (2023, 2024), budget_s=-1) == []
    assert Told.read(told.written()).year == 2023
    told.year = 2024
    assert [item.ref for item in changes(platform, told, (2023, 2024))] == [MAP]
    assert told.year is None


def test_every_asset_that_is_made_here_has_the_check() -> None:
    from assets_defs.definitions import defs

    graph = defs.resolve_asset_graph()
    checked = {key.asset_key.to_user_string() for key in graph.asset_check_keys if key.name == NAME}
    assert checked == {step.asset for step in STEPS.values() if not step.external}
