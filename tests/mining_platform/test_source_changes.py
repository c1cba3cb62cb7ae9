"""Sources that are not what they were: which partitions that touches, and what is told where nobody answers."""

import json
import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mining_platform import homes, source_editions
from mining_platform.artifacts import ArtifactStore, Ref, open_artifact, produce
from mining_platform.graph import build_steps
from mining_platform.pipeline import Platform, inputs_now
from mining_platform.region_files import load_regions
from mining_platform.source_changes import look, probe_once
from mining_platform.source_editions import note_editions
from mining_platform.source_refreshes import affected, land_cover_versions, restated_classes
from mining_platform.sources import router
from mining_platform.sources.protocol import SourceError
from mining_platform.sources.remote import files, network, probes
from mining_platform.sources.remote.network import HOSTS_VARIABLE
from mining_platform.sources.remote.probes import ProbeError, edition_of
from mining_platform.staleness import assess
from tests.file_service import FileService, file_service
from tests.monitored_regions import monitored, write_map

HERE, THERE = "alto", "baixo"
"""A region whose maps are files at hand, and one whose maps are behind a URL."""


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileService]:
    monkeypatch.setattr(network, "BACKOFF_S", 0.0)
    monkeypatch.setattr(network, "_OWN", threading.local())
    monkeypatch.setattr(probes, "BACKOFF_S", 0.0)
    monkeypatch.setattr(files, "sleep", lambda _seconds: None)
    monkeypatch.setattr(files, "_heads", OrderedDict())
    with file_service() as served:
        monkeypatch.setenv(HOSTS_VARIABLE, served.host)
        yield served


@pytest.fixture
def platform(tmp_path: Path, service: FileService, monkeypatch: pytest.MonkeyPatch) -> Platform:
    """Two regions with published maps of 2022 and 2023."""
    monkeypatch.setenv(homes.HOME_VARIABLE, str(tmp_path / "home"))
    features = [monitored(tmp_path, region) for region in (HERE, THERE)]
    features[1]["properties"]["land_cover"]["href"] = f"{service.url}/{THERE}_{{year}}.tif"
    (tmp_path / "regions.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    regions = load_regions(tmp_path / "regions.geojson")
    made = Platform(tmp_path / "home", regions, ArtifactStore(tmp_path / "home" / "artifacts"), router, router)
    for region in (HERE, THERE):
        for year in (2022, 2023):
            put_map(service, tmp_path, region, year, 10)
            publish(made, Ref("land_cover", f"{region}|{year}"))
    return made


def put_map(service: FileService, folder: Path, region: str, year: int, mined: int) -> None:
    write_map(folder, region, year, mined)
    if region == THERE:
        service.files[f"/{region}_{year}.tif"] = (folder / f"{region}_{year}.tif").read_bytes()


def publish(platform: Platform, ref: Ref) -> bool:
    """Make one partition as a new process does: a map by its source, anything else as a list; whether it was made."""
    files._heads.clear()
    step = build_steps(platform.regions)[ref.asset]
    inputs = inputs_now(platform, step, ref.partition)

    def clipped(_given: Any, out: Path) -> dict[str, Any]:
        return platform.land_covers.read_land_cover(*platform.region_year(ref.partition), out)

    def listed(given: Any, out: Path) -> dict[str, Any]:
        (out / "inputs.json").write_text(json.dumps(sorted(each.digest for each in given.values())))
        return {}

    return not produce(
        platform.artifacts,
        ref,
        inputs=inputs,
        code_version=step.version,
        config=step.config(platform, ref.partition),
        compute=clipped if ref.asset == "land_cover" else listed,
    ).skipped


def changed(platform: Platform) -> dict[str, str]:
    return {str(change.ref): change.what for change in look(platform, build_steps(platform.regions)).changes}


def test_nothing_changed_right_after_the_maps_were_read(platform: Platform) -> None:
    seen = look(platform, build_steps(platform.regions))
    assert (seen.changes, seen.unasked, seen.of_services) == ((), (), 0)


def test_a_file_at_hand_with_other_content_is_told_and_no_other(platform: Platform, service: FileService, tmp_path: Path) -> None:
    put_map(service, tmp_path, HERE, 2022, 12)
    told = changed(platform)
    assert set(told) == {"land_cover@alto|2022"}
    assert "outside.blake3 changed" in told["land_cover@alto|2022"]


def test_a_file_that_was_written_anew_with_equal_content_did_not_change(
    platform: Platform, service: FileService, tmp_path: Path
) -> None:
    put_map(service, tmp_path, HERE, 2022, 10)
    assert changed(platform) == {}


def test_a_map_behind_a_url_is_held_by_its_entity_tag_without_being_read(
    platform: Platform, service: FileService, tmp_path: Path
) -> None:
    put_map(service, tmp_path, THERE, 2023, 14)
    service.asked.clear()
    told = changed(platform)
    assert set(told) == {"land_cover@baixo|2023"}
    assert "etag" in told["land_cover@baixo|2023"]
    assert sorted(service.asked) == ["HEAD /baixo_2022.tif", "HEAD /baixo_2023.tif"]


def test_the_planner_takes_a_new_edition_for_stale_once_it_is_noted_and_for_fresh_once_it_was_read(
    platform: Platform, service: FileService, tmp_path: Path
) -> None:
    steps, ref = build_steps(platform.regions), Ref("land_cover", "baixo|2023")
    put_map(service, tmp_path, THERE, 2023, 14)
    assert assess(platform, steps, ref).state == "fresh", "planning asks no network"
    (change,) = look(platform, steps).changes
    note_editions(change.editions)
    assert assess(platform, steps, ref).state == "stale"
    assert assess(platform, steps, Ref("land_cover", "baixo|2022")).state == "fresh"
    assert publish(platform, ref)
    assert assess(platform, steps, ref).state == "fresh"
    assert changed(platform) == {}
    facts = open_artifact(platform.artifacts, ref).facts
    assert facts["source"]["etag"] == change.editions[f"{service.url}/baixo_2023.tif"]["etag"]


@pytest.mark.usefixtures("platform")
def test_damaged_notes_of_editions_are_refused_with_the_remedy() -> None:
    note_editions({"a": {"etag": "1"}})
    source_editions.editions_path().write_text("{")
    with pytest.raises(SourceError, match=r"source_editions\.json is no table of editions\. Remove it"):
        source_editions.noted_editions()


@pytest.mark.usefixtures("platform")
def test_notes_of_editions_at_the_place_that_they_had_before_are_read_and_taken_along_by_the_next_note() -> None:
    before = homes.platform_home() / "source_editions.json"
    before.write_text(json.dumps({"a": {"etag": "1"}, "b": {"etag": "1"}}))
    assert source_editions.noted_editions() == {"a": {"etag": "1"}, "b": {"etag": "1"}}
    note_editions({"b": {"etag": "2"}})
    assert source_editions.noted_editions() == {"a": {"etag": "1"}, "b": {"etag": "2"}}
    assert not before.exists()
    before.write_text(json.dumps({"b": {"etag": "1"}, "c": {"etag": "1"}}))
    assert source_editions.noted_editions()["b"] == {"etag": "2"}, "the later note counts"
    before.write_text("{")
    with pytest.raises(SourceError, match=r"home/source_editions\.json is no table of editions\. Remove it"):
        source_editions.noted_editions()


def test_a_service_that_does_not_answer_is_named_once_and_keeps_nothing_else_from_being_told(
    platform: Platform, service: FileService, tmp_path: Path
) -> None:
    put_map(service, tmp_path, HERE, 2022, 12)
    service.statuses += [503] * 20
    seen = look(platform, build_steps(platform.regions))
    assert [str(change.ref) for change in seen.changes] == ["land_cover@alto|2022"]
    assert seen.unasked == (f"{service.host}: the service answers HTTP 503 (2 partitions)",)
    assert len([line for line in service.asked if line.startswith("HEAD")]) == 1


def test_a_map_that_is_gone_is_told_and_is_no_change(platform: Platform, service: FileService, tmp_path: Path) -> None:
    del service.files["/baixo_2022.tif"]
    (tmp_path / "alto_2022.tif").unlink()
    seen = look(platform, build_steps(platform.regions))
    assert seen.changes == ()
    assert f"{service.url}/baixo_2022.tif is not there any more (1 partition)" in seen.unasked
    assert any("there is no file" in told and "alto" in told for told in seen.unasked)


def test_a_look_ends_within_its_budget_whoever_is_slow(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    from mining_platform import source_changes

    forever = threading.Event()
    monkeypatch.setattr(source_changes, "edition_of", lambda _url: forever.wait(20))
    seen = look(platform, build_steps(platform.regions), budget_s=0.5)
    forever.set()
    assert "no answer within 0.5 s (2 partitions)" in seen.unasked


def test_a_url_is_asked_once_a_look(service: FileService) -> None:
    service.files["/a.tif"] = b"abc"
    probe = probe_once()
    assert probe(f"{service.url}/a.tif") == probe(f"{service.url}/a.tif")
    assert service.asked == ["HEAD /a.tif"]


def test_an_edition_is_that_of_the_file_as_it_is_read(service: FileService) -> None:
    service.files["/a.tif"] = b"abc"
    assert edition_of(f"{service.url}/a.tif") == files.RemoteFile(f"{service.url}/a.tif").identity
    service.knows_head = False
    assert edition_of(f"{service.url}/a.tif") == files.RemoteFile(f"{service.url}/a.tif").identity
    assert edition_of(f"{service.url}/none.tif") is None


@pytest.mark.parametrize("statuses", [[0, 0], [0, 0, 0, 0]])
def test_a_lost_connection_is_tried_twice_and_told(service: FileService, statuses: list[int]) -> None:
    service.statuses += statuses
    with pytest.raises(ProbeError, match="the service does not answer"):
        edition_of(f"{service.url}/a.tif?sig=secret")
    assert len(service.asked) == 2


def test_just_what_rests_on_a_changed_map_is_affected(platform: Platform) -> None:
    steps = build_steps(platform.regions)
    for region in (HERE, THERE):
        for year in (2022, 2023):
            publish(platform, Ref("detections", f"{region}|{year}"))
    for region in (HERE, THERE):
        for year in (2022, 2023):
            publish(platform, Ref("changes", f"{region}|{year}"))
    found = affected(platform, steps, [Ref("land_cover", "alto|2023")], ())
    assert [str(ref) for ref in found] == ["land_cover@alto|2023", "detections@alto|2023", "changes@alto|2023"]
    found = affected(platform, steps, [Ref("land_cover", "alto|2022")], ())
    assert [str(ref) for ref in found][-2:] == ["changes@alto|2022", "changes@alto|2023"], "a year's union rests on all before"


def test_a_restated_map_is_told_by_class_in_hectares(platform: Platform, service: FileService, tmp_path: Path) -> None:
    refs = [Ref("land_cover", f"alto|{year}") for year in (2022, 2023)]
    before = land_cover_versions(platform.artifacts, refs)
    put_map(service, tmp_path, HERE, 2022, 12)
    assert publish(platform, refs[0])
    forest, mining = restated_classes(platform.artifacts, before)
    assert (mining["partition"], mining["name"], mining["code"]) == ("alto|2022", "Mining", 30)
    assert (mining["pixels_before"], mining["pixels_after"]) == (400, 480)
    assert mining["ha_after"] / mining["ha_before"] == pytest.approx(1.2, rel=1e-3)
    assert mining["gained_ha"] == pytest.approx(mining["ha_after"] - mining["ha_before"], abs=0.02)
    assert (mining["lost_ha"], forest["lost_ha"]) == (0, mining["gained_ha"])
