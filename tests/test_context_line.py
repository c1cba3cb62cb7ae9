"""A dataset of 17 channels from its row to its package: Sentinel-2 and OpenStreetMap context through the same assets."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mining_platform import patches, profiles
from mining_platform.artifacts import ArtifactStore, Ref, open_artifact, records
from mining_platform.stages.files import MANIFEST_FILE
from tests.conftest import SMALL, Installation, Line, small_regions
from tests.mining_platform.osm_extracts import SOUTH, STEP, WEST, Way, square, write_pbf

pytestmark = pytest.mark.slow
ROADS_APART = 0.005  # degrees
KEY, YEAR = "sim-igarape|2024", "2024"
LIVING = ("--assets", "sim_context/manifest,sim_context/package", "--years", YEAR)


def place(lon: float, lat: float) -> tuple[float, float]:
    return (lon - WEST) / STEP, (lat - SOUTH) / STEP


def write_extract(folder: Path) -> Path:
    """Roads from edge to edge through either region, half a kilometre apart; a building and an airstrip in one of them."""
    ways = []
    for region, (west, south, east, north) in enumerate(SMALL.values(), start=1):
        for number, latitude in enumerate(np.arange(south, north, ROADS_APART)):
            ends = [place(west - 0.01, latitude), place(east + 0.01, latitude)]
            ways.append(Way(100 * region + number, ends, {"highway": "track"}))
    west, south, *_ = SMALL["sim-igarape"]
    left, bottom = place(west + 0.03, south + 0.03)
    ways.append(Way(901, square(left, bottom, 2), {"building": "yes"}))
    ways.append(Way(902, [(left + 8, bottom), (left + 8, bottom + 9)], {"aeroway": "runway"}))
    return write_pbf(folder / "osm_2024.osm.pbf", ways, box=(-56.0, -9.0, -50.0, -5.0), time="2024-07-01T00:00:00Z")


@pytest.fixture(scope="module")
def home(line: Line, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    folder = tmp_path_factory.mktemp("context")
    (folder / "home").mkdir()
    (folder / "home" / "archive").symlink_to(line.installation.home / "archive")
    regions = small_regions(folder / "regions.geojson")
    content = json.loads(regions.read_text())
    write_extract(folder)
    for feature in content["features"]:
        if feature["properties"]["id"] in SMALL:
            context = {"source": "openstreetmap", "href": f"{folder}/osm_{{year}}.osm.pbf", "simulated": True}
            feature["properties"] |= {"osm_context": context}
    regions.write_text(json.dumps(content))
    made = Installation(folder / "home", regions)
    outcomes = made.states(*LIVING)
    assert {row["state"] for row in outcomes.values()} == {"made"}
    assert {ref for ref in outcomes if ref.startswith("osm_context@")} == {
        "osm_context@sim-igarape|2024",
        "osm_context@sim-serra|2024",
    }
    return made


@pytest.fixture
def store(home: Installation) -> ArtifactStore:
    return ArtifactStore(home.home / "artifacts")


def test_the_patches_have_seventeen_channels_and_the_last_five_are_0_and_1(store: ArtifactStore) -> None:
    artifact = open_artifact(store, Ref("sim_context/patches", KEY))
    channels = list(profiles.profile("s2-12+osm-5").channels)
    assert artifact.facts["channels"] == channels
    images = patches.read_images(artifact.path, range(artifact.facts["patches"]))
    assert images.shape[1:] == (17, 48, 48)
    assert set(np.unique(images[:, 12:]).tolist()) == {1, 2}
    road = images[:, channels.index("OSM-highway")] == 2
    assert 0.5 < road.any(axis=(1, 2)).mean() < 1
    crossing = road[road.any(axis=(1, 2))].any(axis=1)
    assert crossing.all(axis=1).mean() > 0.8, "a road from edge to edge crosses every column of the patches that it meets"


def test_lineage_leads_to_the_extract_and_its_date(store: ArtifactStore) -> None:
    record = records(store, Ref("sim_context/patches", KEY))[-1]
    assert ("osm_context", KEY) in {(each.asset, each.partition) for each in record.inputs}
    context = records(store, Ref("osm_context", KEY))[-1]
    assert len(context.configuration["outside"]["blake3"]) == 64
    assert open_artifact(store, Ref("osm_context", KEY)).facts["date"].startswith("2024-07-01")


def test_a_new_extract_makes_context_and_patches_stale_and_neither_mosaic_nor_label(home: Installation) -> None:
    folder = home.regions.parent
    before = (folder / "osm_2024.osm.pbf").read_bytes()
    write_pbf(folder / "osm_2024.osm.pbf", [Way(1, [(0, 0), (1, 1)], {"highway": "path"})], time="2024-08-01T00:00:00Z")
    try:
        printed = home.run("status", "--years", YEAR, "--json")
    finally:
        (folder / "osm_2024.osm.pbf").write_bytes(before)
    states = {f"{row['asset']}@{row['partition']}": row["state"] for row in json.loads(printed)}
    assert states[f"osm_context@{KEY}"] == states[f"sim_context/patches@{KEY}"] == "stale"
    assert states[f"mosaic@{KEY}"] == states[f"label@{KEY}"] == "fresh"


def test_the_package_and_the_manifest_name_the_profile(store: ArtifactStore) -> None:
    manifest = pd.read_parquet(open_artifact(store, Ref("sim_context/manifest", YEAR)).path / MANIFEST_FILE)
    assert set(manifest["profile"]) == {"s2-12+osm-5"}
    assert manifest["simulated"].all()


def test_a_region_without_context_leaves_the_dataset_out_and_says_why(tmp_path: Path) -> None:
    path = small_regions(tmp_path / "regions.geojson")
    content = json.loads(path.read_text())
    for feature in content["features"]:
        feature["properties"].pop("osm_context", None)
    path.write_text(json.dumps(content))
    rows = {row["id"]: row["inactive"] for row in json.loads(Installation(tmp_path, path).run("datasets", "--json"))}
    assert rows["sim_context"] == "region sim-igarape has no osm_context"
    assert rows["sim_ranges"] is rows["sim_smallmines"] is None
