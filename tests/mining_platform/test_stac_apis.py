import json
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shapely.geometry import Point, box

from mining_platform.bands import BANDS
from mining_platform.compositing.recipes import RECIPES
from mining_platform.compositing.results import Composite
from mining_platform.regions import Region
from mining_platform.scenes import scenes_of
from mining_platform.sources.protocol import SourceError
from mining_platform.sources.remote import files as remote_files
from mining_platform.sources.remote import network
from mining_platform.sources.remote.network import HOSTS_VARIABLE
from mining_platform.sources.stac import check_scenes, composite, cost, fingerprint_scenes, list_scenes, parallel_composites
from mining_platform.sources.stac_metadata import apis
from mining_platform.sources.stac_metadata.apis import MAX_VERTICES, search_outline
from tests.stac_api import Fault, StacApi, stac_api
from tests.synthetic import ALL_BANDS, CLOUD, LEFT_M, NODATA, TinyScene, region, scenes_at, write_catalogue


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "BACKOFF_S", 0.0)
    monkeypatch.setattr(network, "_OWN", threading.local())
    monkeypatch.setattr(remote_files, "sleep", lambda _seconds: None)
    monkeypatch.setattr(remote_files, "_heads", OrderedDict())


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Serve scenes; gives the API's state and a region whose scenes come from it."""

    @contextmanager
    def started(*scenes: TinyScene, **state: Any) -> Iterator[tuple[StacApi, Region]]:
        with stac_api(write_catalogue(tmp_path / "stac", scenes or (TinyScene("S2_A"),)), **state) as api:
            monkeypatch.setenv(HOSTS_VARIABLE, api.host)
            yield api, replace(region(), scenes=scenes_at(api.url))

    return started


def test_all_pages_of_a_search_are_listed_by_id(serve: Any) -> None:
    scenes = [TinyScene(f"S2_{number:02}", when=f"2024-{number:02}-01T14:00:00Z") for number in range(1, 8)]
    with serve(*reversed(scenes), page_items=3) as (api, place):
        table = list_scenes(place, 2024)
    assert table["scene_id"].tolist() == [scene.id for scene in scenes]
    assert [search.get("token", 0) for search in api.searches] == [0, 3, 6]
    assert api.searches[0]["collections"] == ["sentinel-2-l2a"]
    assert api.searches[0]["datetime"].startswith("2024-01-01T00:00:00Z/2025-01-01")


def test_items_beside_the_outline_or_the_year_are_left_out_whatever_the_api_gives(serve: Any) -> None:
    beside = TinyScene("S2_FAR", left_m=LEFT_M + 60_000)
    late = TinyScene("S2_LATE", when="2025-01-01T00:00:00Z")
    with serve(TinyScene("S2_A"), beside, late, careless=True) as (_, place):
        assert list_scenes(place, 2024)["scene_id"].tolist() == ["S2_A"]


def test_the_same_page_again_and_again_is_an_error_rather_than_for_ever(serve: Any) -> None:
    with (
        serve(TinyScene("S2_A"), TinyScene("S2_B"), page_items=1, repeats=True) as (_, place),
        pytest.raises(SourceError, match="the API gives the same items again and again"),
    ):
        list_scenes(place, 2024)


def test_an_api_that_never_ends_is_an_error(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apis, "MAX_ITEMS", 2)
    with serve(*(TinyScene(f"S2_{letter}") for letter in "ABC"), page_items=1) as (api, place):
        with pytest.raises(SourceError, match=r"the API gives more than 2 items\. Cut the region into smaller ones"):
            list_scenes(place, 2024)
        assert len(api.searches) == 3


def test_a_storm_of_busy_answers_over_rasters_names_scene_and_band(serve: Any) -> None:
    with serve() as (api, place):
        scenes = scenes_of(list_scenes(place, 2024))
        api.faults.append(Fault("B04", 429, times=10_000))
        message = r"scene S2_A, band B04: the raster is held back by a busy service \(HTTP 429, 6 tries\).*Run it again"
        with pytest.raises(SourceError, match=message):
            composite(place, scenes, ALL_BANDS, place.geobox, RECIPES["all-median"])
        assert sum("B04" in line for line in api.files_asked()) == network.MAX_TRIES


def test_an_item_that_comes_twice_counts_once(serve: Any) -> None:
    with serve(TinyScene("S2_A"), TinyScene("S2_B")) as (api, place):
        api.items.append(api.items[0])
        api.page_items = 2
        assert list_scenes(place, 2024)["scene_id"].tolist() == ["S2_A", "S2_B"]


def test_busy_and_broken_answers_are_survived(serve: Any) -> None:
    with serve() as (api, place):
        api.faults += [Fault("/search", 429, {"Retry-After": "0"}, times=2), Fault("/search", 502), Fault("/$", 500)]
        assert len(list_scenes(place, 2024)) == 1


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault("/search", 429, times=99), "the API does not answer \\(HTTP 429"),
        (Fault("/search", 400, body=b"bad intersects " * 100), "the API does not answer \\(HTTP 400: bad intersects"),
        (Fault("/search", 200, body=b"<html>"), "the place is no STAC API with item search"),
        (Fault("/search", 200, body=b'{"features": [{"id": 7}]}'), "item 7 lacks the property datetime"),
        (Fault("/$", 200, body=b'{"type": "Catalog", "id": "x", "links": []}'), "the place is no STAC API with item search"),
        (Fault("/$", 404), "the API does not answer \\(HTTP 404"),
        (
            Fault("/search", 302, {"Location": "http://169.254.169.254/"}),
            r"http://169.254.169.254/ is refused: it is not encrypted\. Use an https address\.$",
        ),
        (Fault("/search", 307, {"Location": "https://example.org/"}), r"https://example\.org/ is refused.*add example\.org to"),
    ],
)
def test_an_api_that_does_not_answer_well_is_refused_with_region_and_year(serve: Any, fault: Fault, message: str) -> None:
    with serve() as (api, place):
        api.faults.append(fault)
        with pytest.raises(SourceError, match=rf"Region tiny, year 2024, source stac collection sentinel-2-l2a of .*{message}"):
            list_scenes(place, 2024)


@pytest.mark.parametrize(
    "href", ["https://example.org/search", "http://169.254.169.254/search", "file:///etc/passwd", "/etc/passwd"]
)
def test_a_page_or_search_link_to_a_forbidden_place_is_not_followed(serve: Any, href: str) -> None:
    with serve() as (api, place):
        following = {"rel": "next", "href": href, "method": "GET"}
        page = {"type": "FeatureCollection", "features": [api.items[0]], "links": [following]}
        api.faults.append(Fault("/search", 200, body=json.dumps(page).encode()))
        with pytest.raises(SourceError, match="is refused"):
            list_scenes(place, 2024)


def test_a_host_that_is_not_listed_is_not_asked(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with serve() as (api, place):
        monkeypatch.delenv(HOSTS_VARIABLE)
        with pytest.raises(SourceError, match=r"http://127\.0\.0\.1/? is refused: it is not encrypted"):
            list_scenes(place, 2024)
        assert not api.asked


@pytest.mark.parametrize(
    "href", ["file:///etc/passwd", "../../secret.tif", "http://169.254.169.254/B04.tif", "/vsicurl/https://example.org/B04.tif"]
)
def test_an_item_with_a_forbidden_asset_is_refused_at_listing(serve: Any, href: str) -> None:
    with serve() as (api, place):
        api.items[0]["assets"]["red"]["href"] = href
        with pytest.raises(SourceError, match=r"item S2_A may not be read in band B04: .* is refused"):
            list_scenes(place, 2024)
        assert not api.files_asked()


def test_a_year_without_scenes_is_refused_with_the_remedy(serve: Any) -> None:
    with serve() as (_, place):
        for ask in (list_scenes, fingerprint_scenes):
            with pytest.raises(SourceError, match=r"year 2023.*no scene touches the outline.*Ask for another year \(from 2023"):
                ask(place, 2023)


def test_the_fingerprint_follows_making_and_places_but_not_order(serve: Any) -> None:
    with serve(TinyScene("S2_A"), TinyScene("S2_B")) as (api, place):
        before = fingerprint_scenes(place, 2024)
        assert (before["items"], before["year"], before["href"], before["provider"]) == (2, 2024, api.url, "earth-search")
        api.items.reverse()
        assert fingerprint_scenes(place, 2024) == before
        api.items[0]["properties"]["updated"] = "2024-07-01T00:00:00Z"
        remade = fingerprint_scenes(place, 2024)
        assert remade["blake3"] != before["blake3"]
        api.items[0]["assets"]["red"]["href"] += "?moved"
        assert fingerprint_scenes(place, 2024)["blake3"] != remade["blake3"]


def test_a_signature_that_an_api_hands_out_is_neither_kept_nor_fingerprinted(serve: Any) -> None:
    with serve() as (api, place):
        before = fingerprint_scenes(place, 2024)
        api.items[0]["assets"]["red"]["href"] += "?se=2024-06-01&sig=secret"
        (scene,) = scenes_of(list_scenes(place, 2024))
        assert scene.hrefs["B04"] == f"{api.url}/files/container/s2/S2_A/B04.tif"
        assert fingerprint_scenes(place, 2024) == before


def test_an_outline_of_many_vertices_is_searched_by_a_simpler_one_around_it() -> None:
    circle = Point(-55, -6).buffer(1, quad_segs=1000)
    star = circle.union(box(-57, -6.1, -53, -5.9)).union(box(-55.1, -8, -54.9, -4))
    for geometry in (circle, star):
        outline = search_outline(geometry)
        assert outline.covers(geometry)
        assert len(outline.exterior.coords) <= MAX_VERTICES
    assert search_outline(box(0, 0, 1, 1)) == box(0, 0, 1, 1)


def varied_scenes() -> list[TinyScene]:
    """Two overpasses of two tiles and one more, with clouds, gaps, an offset and structure in every band."""
    noise = np.random.default_rng(3)

    def bands() -> dict[str, Any]:
        sizes = {"B01": 20, "B09": 20} | dict.fromkeys(("B05", "B06", "B07", "B8A", "B11", "B12"), 60)
        return {band: noise.integers(1200, 5000, (sizes.get(band, 120),) * 2) for band in ALL_BANDS}

    def scl() -> Any:
        codes = np.full((60, 60), 4)
        top, left = noise.integers(0, 40, 2)
        codes[top : top + 15, left : left + 15] = CLOUD
        codes[:, :4] = NODATA
        return codes

    days = (("A", "2024-03-01", "02.14", 20), ("B", "2024-03-01", "05.11", 10), ("C", "2024-06-09", "05.11", 30))
    return [
        TinyScene(name, f"{day}T14:00:00Z", float(cloud), baseline, bands(), scl())
        for name, day, baseline, cloud in (*days, ("D", "2024-07-19", "03.01", 5))
    ]


def mosaic_of(place: Region, recipe: str) -> Composite:
    scenes = scenes_of(list_scenes(place, 2024))
    return composite(place, scenes, ALL_BANDS, place.geobox, RECIPES[recipe])


@pytest.mark.parametrize("recipe", ["scl-median", "scl-medoid", "scl-median-bilinear"])
def test_the_mosaic_from_an_api_is_that_from_the_static_catalogue(serve: Any, tmp_path: Path, recipe: str) -> None:
    with serve(*varied_scenes(), page_items=2) as (_, place):
        over_the_network = mosaic_of(place, recipe)
    on_disk = mosaic_of(region(catalogue=tmp_path / "stac" / "catalog.json"), recipe)
    np.testing.assert_array_equal(over_the_network.image, on_disk.image)
    np.testing.assert_array_equal(over_the_network.clear_count, on_disk.clear_count)
    np.testing.assert_array_equal(over_the_network.observed_count, on_disk.observed_count)
    assert 0.5 < (on_disk.clear_count > 0).mean() < 1


def overpass(day: int, scene_id: str, left_m: int) -> TinyScene:
    """Half of the region on a day in May, of random pixels in every band."""
    noise = np.random.default_rng([day, left_m])
    values = {
        band_id: noise.integers(1, 9000, (1200 // BANDS[band_id].gsd_m, 600 // BANDS[band_id].gsd_m)) for band_id in ALL_BANDS
    }
    return TinyScene(scene_id, f"2024-05-{day:02}T14:00:00Z", values=values, width_px=60, left_m=left_m)


def test_the_median_of_all_scenes_is_that_of_odc_stac_and_numpy(tmp_path: Path) -> None:
    import odc.stac
    import pystac

    west = [overpass(day, f"S2_{day}_W", LEFT_M) for day in (1, 9, 17, 25)]
    east = [overpass(day, f"S2_{day}_E", LEFT_M + 600) for day in (1, 9, 25)]
    place = region(catalogue=write_catalogue(tmp_path / "stac", [*west, *east]))
    ours = mosaic_of(place, "all-median")
    items = [pystac.Item.from_file(path) for path in sorted((tmp_path / "stac" / "s2").rglob("S*.json"))]
    names = {band.id: band.providers["earth-search"] for band in (BANDS[band_id] for band_id in ALL_BANDS)}
    settings = {"*": {"assets": {"*": {"data_type": "uint16", "nodata": 0}}}}
    loaded = odc.stac.load(
        items, bands=list(names.values()), geobox=place.geobox, groupby="solar_day", resampling="nearest", stac_cfg=settings
    )
    assert loaded.sizes["time"] == len(west)
    for ours_of_band, name in zip(ours.image, names.values(), strict=True):
        numbers = loaded[name].to_numpy().astype(np.float64)
        median = np.nanmedian(np.where(numbers == 0, np.nan, numbers), axis=0)
        np.testing.assert_array_equal(ours_of_band, np.floor(median + 0.5))


def test_a_service_costs_requests_and_bytes_that_a_composite_does_not_exceed(serve: Any) -> None:
    with serve(*varied_scenes()) as (api, place):
        scenes = scenes_of(list_scenes(place, 2024))
        check_scenes(place, scenes, ALL_BANDS)
        assert not api.files_asked()
        foreseen = cost(place, len(scenes), ALL_BANDS, [place.geobox])
        composite(place, scenes, ALL_BANDS, place.geobox, RECIPES["scl-median"])
        assert 0 < len(api.files_asked()) <= foreseen.requests
        assert foreseen.bytes > sum(
            (api.folder / path.removeprefix("/files/container/")).stat().st_size for path in api.files_asked()
        )
        assert cost(place, 2 * len(scenes), ALL_BANDS, [place.geobox] * 3).requests > 5 * foreseen.requests
        assert 1 <= parallel_composites(place) <= 8
