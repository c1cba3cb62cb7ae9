"""A step that asks a service is made again after an outage; nothing else is, and no secret is told on the way."""

import json
import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from assets_defs import retries
from assets_defs.labels import land_cover
from assets_defs.partitions import REGIONS
from mining_platform.artifacts import ArtifactStore
from mining_platform.pipeline import Platform
from mining_platform.region_files import load_regions
from mining_platform.sources import router
from mining_platform.sources.remote import files, network
from mining_platform.sources.remote.network import HOSTS_VARIABLE, MAX_TRIES
from tests.file_service import FileService, file_service
from tests.monitored_regions import monitored, write_map

KEY = "sim-serra|2024"
"""A partition that the definitions have; its map is that of the test."""


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileService]:
    monkeypatch.setattr(network, "BACKOFF_S", 0.0)
    monkeypatch.setattr(network, "_OWN", threading.local())
    monkeypatch.setattr(files, "_heads", OrderedDict())
    monkeypatch.setattr(retries, "FIRST_WAIT_S", 0.0)
    with file_service() as served:
        monkeypatch.setenv(HOSTS_VARIABLE, served.host)
        monkeypatch.setenv("MINING_PLATFORM_MAP_SIGNATURE", "canary-5f3a9c1e")
        write_map(tmp_path, "alto", 2024, 10)
        served.files["/alto_2024.tif?sig=canary-5f3a9c1e"] = (tmp_path / "alto_2024.tif").read_bytes()
        yield served


def run(service: FileService, folder: Path) -> dg.ExecuteInProcessResult:
    feature = monitored(folder, "alto")
    feature["properties"] |= {"id": "sim-serra", "years": [2024]}
    feature["properties"]["land_cover"]["href"] = f"{service.url}/alto_{{year}}.tif?sig=${{MINING_PLATFORM_MAP_SIGNATURE}}"
    (folder / "regions.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    regions = load_regions(folder / "regions.geojson")
    platform = Platform(folder, {**REGIONS, **regions}, ArtifactStore(folder / "artifacts"), router, router)
    defs = dg.Definitions([land_cover], resources={"platform": platform}, executor=dg.in_process_executor)
    with dg.DagsterInstance.ephemeral() as instance:
        job = defs.resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(partition_key=KEY, instance=instance, raise_on_error=False)
        told = "\n".join(entry.to_json() for entry in instance.all_logs(result.run_id))
    assert "canary" not in told
    return result


def events(result: dg.ExecuteInProcessResult, kind: dg.DagsterEventType) -> int:
    return sum(event.event_type == kind for event in result.all_events)


def test_a_service_that_fails_twice_and_then_answers_is_asked_a_third_time(service: FileService, tmp_path: Path) -> None:
    service.statuses += [503] * (2 * MAX_TRIES)
    result = run(service, tmp_path)
    assert result.success
    assert events(result, dg.DagsterEventType.STEP_UP_FOR_RETRY) == 2
    assert len(result.get_asset_materialization_events()) == 1


def test_a_service_that_stays_out_of_order_fails_the_step_with_its_own_words(service: FileService, tmp_path: Path) -> None:
    service.statuses += [503] * (10 * MAX_TRIES)
    result = run(service, tmp_path)
    assert events(result, dg.DagsterEventType.STEP_UP_FOR_RETRY) == retries.MOST_RETRIES
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    assert "is held back by a busy service (HTTP 503" in failed.step_failure_data.error.to_string()


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_bad_file_is_not_asked_for_again(service: FileService, tmp_path: Path, damage: str) -> None:
    (path,) = service.files
    service.files[path] = service.files[path][:300]
    if damage == "gone":
        service.files.clear()
    result = run(service, tmp_path)
    assert not result.success
    assert events(result, dg.DagsterEventType.STEP_UP_FOR_RETRY) == 0


def test_waits_grow_and_differ() -> None:
    for number in range(retries.MOST_RETRIES):
        waits = {retries.waits_s(number) for _ in range(20)}
        assert len(waits) > 1
        assert all(retries.FIRST_WAIT_S * 2**number <= each <= 1.5 * retries.FIRST_WAIT_S * 2**number for each in waits)
