"""The simulated archive: real formats, known relations between its maps, scenes and masks."""

import hashlib
import itertools
import json
import os
from functools import lru_cache
from pathlib import Path

import numpy as np
import pystac
import pytest
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.warp import transform_bounds
from shapely.geometry import box, shape

from mining_platform import bands, profiles
from mining_platform.labels.mapbiomas import LEGEND
from mining_platform.regions import Region
from mining_platform.simulation import calendar, catalog, landscape, painting, rasters, scenes, sky, spectra
from mining_platform.simulation.archive import ArchiveError, write_archive

SEED = 7
YEARS = (2016, 2024)
CLOUD_SCL = (8, 9)


def small_region(side_deg: float = 0.03, region_id: str = "tiny", west: float = -55.2, south: float = -6.4) -> Region:
    return Region(
        id=region_id,
        name="Tiny (SIMULATED)",
        country="BR",
        years=YEARS,
        epsg=32721,
        coverage="full",
        land_cover=None,
        scenes=None,
        geometry=box(west, south, west + side_deg, south + side_deg),
    )


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("simulated") / "archive"
    write_archive(out, [small_region()], YEARS, seed=SEED, dates_per_year=8)
    return out


CHANNELS = profiles.PROFILES["s2-12"].channels


def items_of(archive: Path) -> list[pystac.Item]:
    return sorted(pystac.Catalog.from_file(str(archive / "stac" / "catalog.json")).get_items(recursive=True), key=lambda i: i.id)


def read(item: pystac.Item, key: str) -> np.ndarray:
    with rasterio.open(item.assets[key].get_absolute_href()) as source:
        return source.read(1)


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def land_cover(archive: Path, year: int) -> np.ndarray:
    with rasterio.open(archive / "land_cover" / f"tiny_coverage_{year}.tif") as source:
        return source.read(1)


def added_dn(item: pystac.Item) -> int:
    return 1000 if float(item.properties["s2:processing_baseline"]) >= bands.S2_OFFSET_BASELINE else 0


@lru_cache(maxsize=1)
def clear_scene() -> tuple[np.ndarray, scenes.Scene, int]:
    """Class codes at 10 m and a cloudless dry-season scene of 8 km, with its added digital numbers."""
    size = (840, 840)
    land = landscape.make_landscape(size, SEED, "middle")
    classes = landscape.classes_in(land, 2024)
    textures = painting.make_textures(size, land.waters.relief, SEED, "middle")
    ground = painting.made_up_ground(land, classes, textures, 2024, (SEED, "middle"))
    specs = calendar.plan_scenes("middle", 2024, longitude=-55.0, latitude=-6.0, dates_per_year=16, seed=SEED)
    spec = min((spec for spec in specs if spec.swath is None), key=lambda spec: (spec.cover, spec.wetness))
    assert spec.cover == 0.0
    return classes, scenes.render(spec, ground, seed=SEED), spec.added_dn


def ndvi(scene: scenes.Scene, added: int) -> np.ndarray:
    red, nir = (scene.bands[name].astype(np.float64) - added for name in ("B04", "B08"))
    return (nir - red) / (nir + red)


def test_two_runs_give_the_same_bytes_in_every_file(archive: Path, tmp_path: Path) -> None:
    write_archive(tmp_path / "again", [small_region()], YEARS, seed=SEED, dates_per_year=8)
    assert digests(tmp_path / "again") == digests(archive)


def test_another_seed_gives_another_landscape() -> None:
    first, second = (landscape.make_landscape((240, 240), seed, "tiny").mining_since for seed in (1, 2))
    assert not np.array_equal(first, second)


def test_mining_only_ever_grows() -> None:
    land = landscape.make_landscape((600, 600), SEED, "growth")
    mined = [landscape.classes_in(land, year) == landscape.MINING for year in range(2015, 2025)]
    assert all(not (before & ~after).any() for before, after in itertools.pairwise(mined))
    assert mined[0].any()
    assert mined[-2].sum() < mined[-1].sum()


def test_the_yearly_maps_of_the_archive_show_more_mining_later(archive: Path) -> None:
    early, late = ((land_cover(archive, year) == landscape.MINING).sum() for year in YEARS)
    assert 0 < early < late


def test_windows_of_a_region_of_16_km_fill_every_mining_range_and_about_half_hold_none() -> None:
    land = landscape.make_landscape((1740, 1740), SEED, "sim-igarape")
    mining = landscape.classes_in(land, 2024)[38:1702, 38:1702] == landscape.MINING
    share = mining.reshape(13, 128, 13, 128).mean(axis=(1, 3))
    counts = np.bincount(np.ceil(share[share > 0] * 10).astype(int), minlength=11)[1:]
    assert 0.4 < (share == 0).mean() < 0.7
    assert counts.min() >= 1
    assert np.sort(counts)[1] >= 2


def test_map_codes_are_codes_of_the_legend_and_wear_its_colours(archive: Path) -> None:
    with rasterio.open(archive / "land_cover" / "tiny_coverage_2024.tif") as source:
        codes = np.unique(source.read(1)).tolist()
        colours = source.colormap(1)
    assert set(codes) <= set(LEGEND)
    assert {code: colours[code][:3] for code in codes} == {code: LEGEND[code].rgb for code in codes}


def test_the_map_lies_on_the_native_mapbiomas_lattice_and_covers_the_region_with_a_margin(archive: Path) -> None:
    west, south, east, north = small_region().geometry.bounds
    with rasterio.open(archive / "land_cover" / "tiny_coverage_2024.tif") as source:
        step = source.transform.a
        columns, rows = source.transform.c / step, source.transform.f / step
        profile, bounds = source.profile, source.bounds
    assert step == 0.00026949458523585647
    assert abs(columns - round(columns)) < 1e-6
    assert abs(rows - round(rows)) < 1e-6
    assert (profile["crs"].to_epsg(), profile["dtype"], profile["nodata"], profile["blockxsize"]) == (4326, "uint8", 0, 256)
    margin_deg = 300 / 111_000
    assert bounds.left <= west - margin_deg
    assert bounds.right >= east + margin_deg
    assert bounds.bottom <= south - margin_deg
    assert bounds.top >= north + margin_deg


def test_items_are_read_by_pystac_and_point_to_files_of_the_stated_size_and_checksum(archive: Path) -> None:
    items = items_of(archive)
    assert len(items) == 16
    wanted = {bands.BANDS[band_id].providers["earth-search"] for band_id in CHANNELS} | {"scl", "cloud"}
    for item in items:
        assert set(item.assets) == wanted
        for asset in item.assets.values():
            assert asset.href.startswith("./")
            path = Path(asset.get_absolute_href() or "")
            assert path.stat().st_size == asset.extra_fields["file:size"]
            assert asset.extra_fields["file:checksum"] == "1220" + hashlib.sha256(path.read_bytes()).hexdigest()


def test_every_link_of_the_catalogue_is_relative_and_leads_to_a_file(archive: Path) -> None:
    documents = sorted((archive / "stac").rglob("*.json"))
    assert len(documents) == 18
    for document in documents:
        for link in json.loads(document.read_text())["links"]:
            assert link["href"].startswith(".")
            assert (document.parent / link["href"]).resolve().is_file()


def test_bands_lie_on_60_m_multiples_at_their_native_pixel_size(archive: Path) -> None:
    item = items_of(archive)[0]
    for row in map(bands.band, CHANNELS):
        asset = item.assets[row.providers["earth-search"]]
        with rasterio.open(asset.get_absolute_href()) as source:
            assert source.profile["dtype"] == "uint16"
            assert source.crs.to_epsg() == 32721
            assert source.transform.a == row.gsd_m
            assert (source.transform.c % 60, source.transform.f % 60) == (0, 0)
            assert list(source.shape) == asset.extra_fields["proj:shape"]
            assert list(source.transform)[:6] == asset.extra_fields["proj:transform"]
            assert source.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"


def test_the_scenes_cover_the_region_and_its_footprint_is_in_degrees(archive: Path) -> None:
    region = small_region()
    whole = [item for item in items_of(archive) if item.properties["s2:nodata_pixel_percentage"] == 0]
    assert whole
    for item in whole:
        assert shape(item.geometry).contains(region.geometry)
        with rasterio.open(item.assets["red"].get_absolute_href()) as source:
            bounds = transform_bounds(source.crs, 4326, *source.bounds)
        assert np.allclose(item.bbox, bounds, atol=2e-4)


def test_the_offset_is_in_the_pixels_exactly_where_the_baseline_is_04_00_or_later(archive: Path) -> None:
    seen = set()
    for item in items_of(archive):
        red, scl = read(item, "red"), read(item, "scl")
        vegetation = (scl == 4).repeat(2, axis=0).repeat(2, axis=1)
        late = added_dn(item) == 1000
        if vegetation.mean() > 0.02:
            assert (np.percentile(red[vegetation], 5) > 1000) == late
        assert item.assets["red"].extra_fields["raster:bands"][0]["offset"] == (-0.1 if late else 0)
        seen.add((item.datetime.year, late))
    assert seen == {(year, late) for year in YEARS for late in (False, True)}


def test_no_observed_pixel_is_nodata_and_nothing_is_observed_beyond_the_swath(archive: Path) -> None:
    cut = 0
    for item in items_of(archive):
        outside = read(item, "scl") == 0
        cut += bool(outside.any())
        assert np.array_equal(read(item, "red") == 0, outside.repeat(2, axis=0).repeat(2, axis=1))
        assert np.array_equal(read(item, "swir16") == 0, outside)
        assert item.properties["s2:nodata_pixel_percentage"] == pytest.approx(100 * outside.mean(), abs=1e-3)
        assert shape(item.geometry).area < shape(items_of(archive)[0].geometry).envelope.area * 1.01
    assert cut >= 2


def test_cloud_is_bright_and_shadow_is_dark_against_clear_forest(archive: Path) -> None:
    cloud, shadow, clear = [], [], []
    for item in items_of(archive):
        blue = read(item, "blue")[::2, ::2].astype(float) - added_dn(item)
        nir, scl = read(item, "nir08").astype(float) - added_dn(item), read(item, "scl")
        cloud.append(blue[scl == 9])
        shadow.append(nir[scl == 3])
        clear.append(nir[scl == 4])
    assert np.median(np.concatenate(cloud)) > 3000
    assert np.median(np.concatenate(shadow)) < 0.75 * np.median(np.concatenate(clear))


def test_cloud_probability_agrees_with_the_classification(archive: Path) -> None:
    for item in items_of(archive):
        probability, scl = read(item, "cloud"), read(item, "scl")
        assert probability.max() <= 100
        assert (probability[scl == 0] == 0).all()
        if (scl == 9).sum() > 50:
            assert np.median(probability[scl == 9]) > 80
        if (scl == 4).sum() > 50:
            assert np.median(probability[scl == 4]) < 30


def test_the_classification_misses_thin_edges_and_takes_some_bright_ground_for_cloud() -> None:
    clear = np.zeros((400, 400), dtype=np.float32)
    thin = np.full_like(clear, 0.1)
    bare = np.full(clear.shape, 5, dtype=np.uint8)
    bright = np.full_like(clear, 1600)
    over = sky.Sky(clear, clear, clear, np.ones(clear.shape, dtype=bool))
    scl = sky.classify(over, bare, bright, np.random.default_rng(0))
    assert 0.001 < np.isin(scl, CLOUD_SCL).mean() < 0.1
    veiled = sky.Sky(thin, clear, clear, np.ones(clear.shape, dtype=bool))
    scl = sky.classify(veiled, bare, np.zeros_like(clear), np.random.default_rng(0))
    assert (scl == 5).mean() > 0.9


def test_shadow_falls_away_from_the_sun() -> None:
    rng = np.random.default_rng(3)
    over = sky.make_sky((300, 300), rng, cover=0.2, sun=(90.0, 45.0), swath=None)
    shifts = range(-95, -44)
    west = max(float((np.roll(over.cloud, shift, axis=1)[:, :200] * over.shadow[:, :200]).mean()) for shift in shifts)
    east = max(float((np.roll(over.cloud, -shift, axis=1)[:, 100:] * over.shadow[:, 100:]).mean()) for shift in shifts)
    assert west > 1.5 * east


def test_an_ndvi_threshold_alone_finds_mining_half_well() -> None:
    classes, scene, added = clear_scene()
    index, is_mining = ndvi(scene, added), classes == landscape.MINING
    scores = []
    for threshold in np.arange(-0.4, 0.9, 0.02):
        called = index < threshold
        scores.append(2 * (called & is_mining).sum() / (called.sum() + is_mining.sum()))
    assert 0.4 < max(scores) < 0.85


def test_mines_are_a_mixture_of_tailings_ponds_and_regrowth_and_look_alikes_lie_outside() -> None:
    classes, scene, added = clear_scene()
    index, is_mining = ndvi(scene, added), classes == landscape.MINING
    inside = index[is_mining]
    assert (inside < 0).mean() > 0.05
    assert ((inside > 0) & (inside < 0.2)).mean() > 0.3
    assert (inside > 0.3).mean() > 0.05
    outside = (index < 0.2) & ~is_mining
    assert outside.sum() > 0.05 * is_mining.sum()


def test_forest_is_greener_in_every_scene_than_bare_mining_ground() -> None:
    dry = dict(zip((m.id for m in spectra.MATERIALS), spectra.spectra("dry"), strict=True))
    red, nir = spectra.CHANNELS.index("B04"), spectra.CHANNELS.index("B08")
    value = {name: (row[nir] - row[red]) / (row[nir] + row[red]) for name, row in dry.items()}
    assert value["forest"] > 0.8
    assert value["bright_tailings"] < 0.2
    assert value["turquoise_pond"] < 0


def test_every_code_of_the_legend_has_materials_and_a_foreign_code_is_refused() -> None:
    for code in LEGEND:
        if code != landscape.MINING:
            assert sum(share for _, share in spectra.class_row(code)) == pytest.approx(1)
    with pytest.raises(ValueError, match="Class code 99 is not in the MapBiomas legend"):
        spectra.class_row(99)


def given_map(path: Path, codes: np.ndarray, years: tuple[int, ...] = (2022,), crs: str | None = "EPSG:32721") -> Path:
    """A map of 30 m pixels over the tiny region, one band a year named as MapBiomas names them."""
    canvas = landscape.canvas_of(small_region())
    grid = GeoBox(codes.shape, canvas.affine * canvas.affine.scale(3), canvas.crs)
    with rasterio.open(
        path, "w", driver="GTiff", width=codes.shape[1], height=codes.shape[0], count=len(years), dtype="uint8",
        crs=crs, transform=grid.affine, nodata=27,
    ) as target:  # fmt: skip
        for number, year in enumerate(years, start=1):
            target.write(codes, number)
            target.set_band_description(number, f"mapbiomas_cover_{year}")
    return path


def half_mined() -> np.ndarray:
    rows, columns = landscape.canvas_of(small_region()).shape
    codes = np.full((rows // 3 + 1, columns // 3 + 1), 3, dtype=np.uint8)
    codes[:, codes.shape[1] // 2 :] = landscape.MINING
    codes[:8] = 27
    return codes


def test_a_painted_archive_follows_the_given_map(tmp_path: Path) -> None:
    raster = given_map(tmp_path / "map.tif", half_mined(), years=(2021, 2022))
    facts = write_archive(tmp_path / "out", [small_region()], [2022], seed=SEED, dates_per_year=8, land_cover=raster)
    assert facts["painted_over"] == "map.tif"
    assert not (tmp_path / "out" / "land_cover").exists()
    whole = [item for item in items_of(tmp_path / "out") if item.properties["s2:nodata_pixel_percentage"] == 0]
    item = min(whole, key=lambda item: item.properties["eo:cloud_cover"])
    red, nir = (read(item, key).astype(float) - added_dn(item) for key in ("red", "nir"))
    index, half = (nir - red) / (nir + red), red.shape[1] // 2
    forest, mined, unmapped = index[60:, : half - 20], index[60:, half + 20 :], index[:20, half + 20 :]
    assert np.median(forest) > 0.75
    assert np.median(mined) < 0.3
    assert np.median(red[60:, half + 20 :]) > 3 * np.median(red[60:, : half - 20])
    assert np.median(unmapped) > 0.75


def test_a_given_map_without_the_year_or_the_crs_or_with_foreign_codes_is_refused(tmp_path: Path) -> None:
    region, codes = small_region(), half_mined()
    with pytest.raises(ValueError, match="has no band for 2022; its bands are mapbiomas_cover_2019, mapbiomas_cover_2020"):
        write_archive(
            tmp_path / "a",
            [region],
            [2022],
            seed=1,
            dates_per_year=4,
            land_cover=given_map(tmp_path / "a.tif", codes, (2019, 2020)),
        )
    with pytest.raises(ValueError, match="no CRS"):
        write_archive(
            tmp_path / "b", [region], [2022], seed=1, dates_per_year=4, land_cover=given_map(tmp_path / "b.tif", codes, crs=None)
        )
    codes[20, 20:30] = 99
    with pytest.raises(ValueError, match=r"codes \[99\] are not in the MapBiomas legend"):
        write_archive(tmp_path / "c", [region], [2022], seed=1, dates_per_year=4, land_cover=given_map(tmp_path / "c.tif", codes))
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_a_map_that_does_not_reach_the_region_is_refused(tmp_path: Path) -> None:
    raster = given_map(tmp_path / "map.tif", half_mined())
    far = small_region(west=-54.0)
    with pytest.raises(ValueError, match=r"map\.tif has no class within region tiny"):
        write_archive(tmp_path / "out", [far], [2022], seed=1, dates_per_year=4, land_cover=raster)


def test_real_map_of_lourenco_gives_forest_and_mines_where_it_shows_them() -> None:
    folder = Path(os.environ.get("MINING_PLATFORM_REALDATA", "../shared/realdata")) / "mapbiomas-lourenco-col8"
    raster = folder / "lorenco_85a22.tif"
    if not raster.is_file():
        pytest.skip(f"{raster} is absent: set MINING_PLATFORM_REALDATA to the folder of real data")
    region = Region(
        id="heart", name="Heart of Lourenço", country="BR", years=(2022,), epsg=32622, coverage="full", land_cover=None,
        scenes=None, geometry=box(-51.66, 2.29, -51.62, 2.33),
    )  # fmt: skip
    canvas = landscape.canvas_of(region)
    classes = painting.painted_classes(raster, 2022, canvas, SEED, "heart")
    assert (classes == landscape.MINING).sum() > 1000
    ground = painting.painted_ground(classes, SEED, "heart")
    bare = {spectra.INDEX[name] for name in ("bright_tailings", "clay_tailings", "turquoise_pond", "ochre_pond")}
    assert np.isin(ground.materials[classes == landscape.MINING], list(bare)).mean() > 0.5
    assert not np.isin(ground.materials[classes == landscape.FOREST], list(bare)).any()


def test_everything_is_marked_simulated(archive: Path) -> None:
    assert json.loads((archive / "archive.json").read_text())["simulated"] is True
    collection = pystac.Collection.from_file(str(archive / "stac" / catalog.COLLECTION / "collection.json"))
    assert collection.extra_fields["simulated"] is True
    assert "SIMULATED" in (collection.title or "")
    for item in items_of(archive):
        assert item.properties["simulated"] is True
        assert "SIMULATED" in item.properties["title"]
    for path in sorted(archive.rglob("*.tif")):
        with rasterio.open(path) as source:
            assert source.tags()["TIFFTAG_IMAGEDESCRIPTION"].startswith("SIMULATED"), path


def test_no_file_of_the_archive_holds_a_path_of_this_machine(archive: Path) -> None:
    for path in archive.rglob("*.json"):
        assert str(archive) not in path.read_text()


def test_the_same_parameters_are_not_made_twice_and_a_damaged_archive_is_made_again(tmp_path: Path) -> None:
    arguments = {"seed": 3, "dates_per_year": 4}
    region = small_region(0.01)
    first = write_archive(tmp_path / "out", [region], [2023], **arguments)
    again = write_archive(tmp_path / "out", [region], [2023], **arguments)
    assert (first["reused"], again["reused"]) == (False, True)
    assert {**again, "reused": False} == first
    next((tmp_path / "out").rglob("B04.tif")).unlink()
    assert write_archive(tmp_path / "out", [region], [2023], **arguments)["reused"] is False
    assert write_archive(tmp_path / "out", [region], [2024], **arguments)["years"] == [2024]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_foreign_directory_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(ArchiveError, match="exists and is not a simulated archive; name another directory"):
        write_archive(tmp_path, [small_region()], [2024], seed=1, dates_per_year=4)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_run_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    def interrupt(_text: str, _share: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_archive(tmp_path / "out", [small_region(0.01)], [2024], seed=1, dates_per_year=4, progress=interrupt)
    assert not list(tmp_path.iterdir())


def test_the_litter_of_a_killed_run_is_swept_away(tmp_path: Path) -> None:
    dead = tmp_path / "out.tmp-4194999"
    (dead / "stac").mkdir(parents=True)
    write_archive(tmp_path / "out", [small_region(0.01)], [2024], seed=1, dates_per_year=4)
    assert not dead.exists()


def test_wrong_requests_are_refused_with_the_remedy(tmp_path: Path) -> None:
    region = small_region(0.01)
    with pytest.raises(ArchiveError, match="name each region and each year once"):
        write_archive(tmp_path / "out", [region, region], [2024], seed=1, dates_per_year=8)
    with pytest.raises(ArchiveError, match="ask for 4 to 60"):
        write_archive(tmp_path / "out", [region], [2024], seed=1, dates_per_year=2)
    with pytest.raises(ArchiveError, match="no land-cover raster"):
        write_archive(tmp_path / "out", [region], [2024], seed=1, dates_per_year=8, land_cover=tmp_path / "none.tif")
    with pytest.raises(ValueError, match="draws at most"):
        landscape.canvas_of(small_region(3.0))
    assert not list(tmp_path.iterdir())


def test_dates_are_spread_over_the_year_and_cloudier_in_the_rains() -> None:
    specs = [
        spec
        for seed in range(6)
        for spec in calendar.plan_scenes("x", 2023, longitude=-55.0, latitude=-6.0, dates_per_year=16, seed=seed)
    ]
    rains = [spec.cover for spec in specs if spec.wetness > 0.7]
    dry = [spec.cover for spec in specs if spec.wetness < 0.3]
    assert np.mean(dry) + 0.2 < np.mean(rains)
    assert max(spec.cover for spec in specs) > 0.88
    for seed in range(6):
        days = [spec.sensed.timetuple().tm_yday for spec in specs[16 * seed : 16 * seed + 16]]
        assert len(set(days)) == 16
        assert np.diff(days).max() <= 60
        assert {spec.sensed.year for spec in specs} == {2023}


def test_the_sun_stands_in_the_north_in_june_and_in_the_south_in_december_south_of_the_equator() -> None:
    june, december = (
        calendar.sun_position(calendar.dt.datetime(2023, month, 21, 14, 0, tzinfo=calendar.dt.UTC), -55.0, -6.0)
        for month in (6, 12)
    )
    assert 30 < june[0] < 60
    assert 100 < december[0] < 140
    assert 45 < june[1] < 75


def test_lattice_of_the_map_covers_the_bounds_it_was_asked_for() -> None:
    grid = rasters.mapbiomas_lattice((-55.2, -6.4, -55.1, -6.3))
    bounds = grid.boundingbox
    assert bounds.left <= -55.2 < bounds.left + rasters.MAPBIOMAS_STEP_DEG
    assert bounds.top >= -6.3 > bounds.top - rasters.MAPBIOMAS_STEP_DEG
