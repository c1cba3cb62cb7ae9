"""What layers take: no less than a service is asked for, nothing where files are at hand, and known before a run."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely.geometry import Point

from mining_platform import costs
from mining_platform.artifacts import ArtifactStore, Ref, produce
from mining_platform.chunks import all_blocks
from mining_platform.datasets import DATASETS
from mining_platform.graph import build_steps
from mining_platform.layers import write_layer
from mining_platform.pipeline import Platform
from mining_platform.ranges import RANGES
from mining_platform.region_files import load_regions
from mining_platform.regions import LAYERS_BESIDE, Region
from mining_platform.runs import Outcome
from mining_platform.sources import beside, router
from mining_platform.sources.earth_engine_api import requests as earth_engine_requests
from mining_platform.sources.offline import OfflineBeside
from mining_platform.sources.protocol import Cost, NotAskedError
from mining_platform.sources.remote.costs import cost_of_values
from mining_platform.sources.remote.network import HOSTS_VARIABLE
from mining_platform.sources.value_rasters import read_values
from mining_platform.staleness import Planned
from tests.mining_platform.layer_catalogues import Held, LayerPixels, hold, outline_of, write_layer_catalogue
from tests.mining_platform.radar_scenes import RADAR, SCENES
from tests.mining_platform.terrain_tiles import ELEVATION
from tests.stac_api import stac_api
from tests.synthetic import EPSG, LEFT_M, TOP_M

REGIONS = load_regions(Path(__file__).parents[2] / "regions.geojson")
STEPS = build_steps(REGIONS)
FULL, SAMPLED = "sim-igarape|2024", "sim-serra|2024"
CHANNELS = {"radar": ("S1-VV", "S1-VH"), "elevation": ("DEM", "SLOPE")}
SERVICES = [(pixels, kind) for pixels in (RADAR, ELEVATION) for kind in ("api", "earth_engine")]


@pytest.fixture(params=SERVICES, ids=lambda param: f"{param[0].layer}-{param[1]}")
def served(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[LayerPixels, str, Held]]:
    pixels, kind = request.param
    with ExitStack() as stack:
        yield pixels, kind, hold(pixels, kind, tmp_path, stack, monkeypatch)


def test_a_layer_is_made_with_no_more_requests_than_were_foreseen(served: tuple[LayerPixels, str, Held], tmp_path: Path) -> None:
    pixels, kind, held = served
    (foreseen,) = beside.costs(pixels.layer, held.region, 2024, [held.region.geobox])
    assert held.asked() == 0, "what it takes is told before anything is read"
    channels = CHANNELS[pixels.layer]
    reading = beside.open_layer(pixels.layer, held.region, 2024, channels)
    write_layer(tmp_path / "out.zarr", held.region.geobox, channels, reading.compute, blocks=None, simulated=False)
    assert 0 < held.asked() <= foreseen.requests
    assert foreseen.bytes > 4 * 60 * 60
    assert (foreseen.eecu_s > 0) == (kind == "earth_engine")


def test_earth_engine_is_asked_exactly_as_often_as_foreseen_though_requests_are_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(earth_engine_requests, "MAX_REQUEST_BYTES", 5 * 66 * 40)
    with ExitStack() as stack:
        held = hold(RADAR, "earth_engine", tmp_path, stack, monkeypatch)
        (foreseen,) = beside.costs("radar", held.region, 2024, [held.region.geobox])
        beside.open_layer("radar", held.region, 2024, ("S1-VV",)).compute(held.region.geobox)
        polarisations, padded_px = sum(len(scene.pixels) for scene in SCENES), 66**2
        assert held.asked() == foreseen.requests == 2 * polarisations
        assert foreseen.bytes == 4 * padded_px * polarisations
        assert foreseen.eecu_s == pytest.approx(60 * padded_px * polarisations / 1e9)


def test_an_orbit_takes_the_scenes_of_that_orbit_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ExitStack() as stack:
        region = hold(RADAR, "earth_engine", tmp_path, stack, monkeypatch).region
        named = replace(region, beside={"radar": replace(region.beside["radar"], orbit="descending")})
        every, some = (beside.costs("radar", each, 2024, [region.geobox])[0] for each in (region, named))
    assert every.requests == 7  # of four scenes, one without VH
    assert some.requests == 3


def test_scenes_and_tiles_that_lie_elsewhere_are_not_counted(served: tuple[LayerPixels, str, Held]) -> None:
    pixels, _, held = served
    far = held.region.geobox.translate_pix(3_000, 0)
    here, there = beside.costs(pixels.layer, held.region, 2024, [held.region.geobox, far])
    assert here.requests > 0
    assert there == Cost()


@pytest.mark.parametrize("pixels", [RADAR, ELEVATION], ids=lambda pixels: pixels.layer)
@pytest.mark.parametrize("source", ["stac", "archive"])
def test_files_at_hand_take_nothing_and_are_not_even_listed(pixels: LayerPixels, source: str, tmp_path: Path) -> None:
    place = {"stac": tmp_path / "catalog.json", "archive": tmp_path}[source]
    region = pixels.region(source, str(place))
    assert beside.costs(pixels.layer, region, 2024, [region.geobox] * 2) == [Cost(), Cost()]


def test_a_plan_without_a_network_does_not_list_what_a_service_has() -> None:
    region = RADAR.region("stac", "")
    with pytest.raises(NotAskedError, match="Region tiny, source stac: the service was not asked"):
        OfflineBeside(beside).costs("radar", region, 2024, [region.geobox])


@pytest.mark.parametrize("block_px", [256, 512, 1024])
def test_blocks_of_any_size_are_fetched_with_no_more_requests_than_foreseen(
    block_px: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chunk with the margin of a speckle filter where most blocks meet; blocks of 1,024 are fetched one by one."""
    power = np.random.default_rng(1).gamma(4, 0.02, (1100, 1100)).astype(np.float32)
    affine = Affine(10, 0, LEFT_M, 0, -10, TOP_M)
    item = {"id": "x", "outline": outline_of(affine, power.shape), "properties": {}, "assets": {"vv": "vv.tif"}}
    chunk = GeoBox((518, 518), affine * Affine.translation(509, 509), f"EPSG:{EPSG}")
    foreseen = cost_of_values(chunk, 10)
    catalogue = write_layer_catalogue(tmp_path, "c", [item])
    shape = {"count": 1, "height": 1100, "width": 1100, "dtype": "float32", "crs": f"EPSG:{EPSG}", "transform": affine}
    with rasterio.open(
        tmp_path / "c" / "x" / "vv.tif", "w", driver="COG", blocksize=block_px, compress="deflate", overviews="none", **shape
    ) as out:
        out.write(power, 1)
    with stac_api(catalogue) as api:
        monkeypatch.setenv(HOSTS_VARIABLE, api.host)
        found = read_values([f"{api.url}/files/container/c/x/vv.tif"], chunk)
        assert 1 < len(api.files_asked()) <= foreseen.requests
    np.testing.assert_allclose(found, power[509:1027, 509:1027], rtol=1e-6)
    touched = -(-1027 // block_px) - 509 // block_px
    assert foreseen.bytes >= 4 * (touched * block_px) ** 2


class Counting:
    """A source of layers that takes a request a grid and a byte a pixel."""

    def costs(self, _layer: str, _region: Region, _year: int, geoboxes: Sequence[GeoBox]) -> list[Cost]:
        return [Cost(1, box.shape[0] * box.shape[1]) for box in geoboxes]

    def fingerprint(self, _layer: str, _region: Region, _year: int) -> dict[str, Any]:
        return {"edition": 1}


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    counting: Any = Counting()
    return Platform(tmp_path, REGIONS, ArtifactStore(tmp_path / "artifacts"), router, router, counting)


@pytest.mark.parametrize("layer", LAYERS_BESIDE)
def test_a_full_region_takes_every_chunk_of_every_layer(platform: Platform, layer: str) -> None:
    found = costs.estimate(platform, STEPS[layer], FULL)
    box = REGIONS["sim-igarape"].geobox
    assert found == costs.Estimate(Ref(layer, FULL), Cost(len(all_blocks(box)), box.shape[0] * box.shape[1]), False)


def draw(platform: Platform, dataset: str) -> None:
    """Publish a sample of one window, in the region's upper left chunk."""
    box = REGIONS["sim-serra"].geobox.boundingbox
    bounds = {"minx": [box.left], "miny": [box.top - 480], "maxx": [box.left + 480], "maxy": [box.top]}
    table = gpd.GeoDataFrame(bounds, geometry=[Point(0, 0)], crs=4326)

    def compute(_inputs: Any, out: Path) -> dict[str, Any]:
        table.to_parquet(out / "sample.parquet")
        return {}

    produce(platform.artifacts, Ref(f"{dataset}/sample", SAMPLED), inputs=[], code_version="1", config={}, compute=compute)


def test_drawn_windows_say_which_chunks_are_read_and_before_that_it_is_an_upper_bound(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DATASETS, "sim_context", replace(DATASETS["sim_context"], quotas=dict.fromkeys(RANGES, 0) | {"000": 1}))
    asking = [ref.asset for ref in STEPS["osm_context"].inputs(platform, SAMPLED)]
    assert asking == ["sim_context/sample"]
    before = costs.estimate(platform, STEPS["osm_context"], SAMPLED)
    assert (before.at_most, before.cost) == (True, Cost(4, 4 * 512**2))
    draw(platform, "sim_context")
    assert costs.estimate(platform, STEPS["osm_context"], SAMPLED) == replace(before, at_most=False, cost=Cost(1, 512**2))


def test_limits_count_layers(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "assess", lambda _platform, _steps, ref: Planned(ref, ("not made yet",)))
    chunks = len(all_blocks(REGIONS["sim-igarape"].geobox))
    limited = costs.limited(lambda ref: Outcome(ref, "made", "d", 0.0), platform, STEPS, costs.Budget(2 * chunks - 1, None))
    first, second = (limited(Ref(layer, FULL)) for layer in ("radar", "elevation"))
    assert (first.state, second.state) == ("made", "failed")
    assert f"elevation@{FULL} would bring this run to {2 * chunks} requests" in second.message


@pytest.mark.parametrize("named", [{"recipe": "mean"}, {"orbit": "ascending"}])
def test_another_recipe_or_orbit_makes_the_radar_stale(platform: Platform, named: dict[str, str]) -> None:
    region = REGIONS["sim-igarape"]
    changed = replace(region, beside={**region.beside, "radar": replace(region.beside["radar"], **named)})
    other = replace(platform, regions={**REGIONS, region.id: changed})
    before, after = (STEPS["radar"].config(each, FULL) for each in (platform, other))
    assert before["recipe"] == {**before["recipe"], "id": "refined-lee-7", "orbit": ""}
    assert {name: after["recipe"][{"recipe": "id"}.get(name, name)] for name in named} == named
    assert {name: value for name, value in after.items() if name not in ("recipe", "source")} == {
        name: value for name, value in before.items() if name not in ("recipe", "source")
    }
    assert after["source"] == before["source"] | named
