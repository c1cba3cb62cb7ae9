"""The annual report: its numbers, words, map and downloads, on tiny maps with known answers."""

import json
import re
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import rasterio
from shapely.geometry import box

from mining_platform import changes
from mining_platform.annual_reports.change_maps import map_data
from mining_platform.annual_reports.contents import Accuracy, Contents, RegionYear, RestatedYear
from mining_platform.annual_reports.downloads import write_downloads
from mining_platform.annual_reports.new_sites import largest_sites
from mining_platform.annual_reports.pages import PAGES, write_pages
from mining_platform.annual_reports.words import LANGUAGES, WORDS, number
from mining_platform.grids import project
from mining_platform.regions import Monitoring
from mining_platform.stages.annual_reports import _f1_interval, data_credits
from mining_platform.territories import hectares_by_territory
from tests import synthetic
from tests.mining_platform.scored_mosaics import grid, write_mosaic
from tests.synthetic import EPSG, LEFT_M, TOP_M

SIZE = 192  # pixels of 10 m


def mask(path: Path, *boxes: tuple[slice, slice]) -> Path:
    values = np.zeros((SIZE, SIZE), np.uint8)
    for rows, columns in boxes:
        values[rows, columns] = 1
    place = {"crs": f"EPSG:{EPSG}", "transform": grid(SIZE, SIZE).affine}
    with rasterio.open(path, "w", driver="GTiff", width=SIZE, height=SIZE, count=1, dtype="uint8", **place) as raster:
        raster.write(values, 1)
    return path


@pytest.fixture
def region(tmp_path: Path) -> RegionYear:
    """4 ha since 2023; in 2024 new 9 ha, and a new quarter of a hectare."""
    old, new, tiny = (slice(0, 20), slice(0, 20)), (slice(100, 130), slice(100, 130)), (slice(50, 55), slice(150, 155))
    masks = {2023: mask(tmp_path / "2023.tif", old), 2024: mask(tmp_path / "2024.tif", old, new, tiny)}
    facts = changes.write_changes(masks, 2024, tmp_path, min_area_ha=1.0, rejected={}, simulated=True)
    image = np.full((3, SIZE, SIZE), 1500, np.uint16)
    mosaics = {year: write_mosaic(tmp_path / f"{year}.zarr", image + year - 2023, simulated=True) for year in (2023, 2024)}
    tables = [gpd.read_parquet(tmp_path / name) for name in (changes.NEW_NAME, changes.CUMULATIVE_NAME)]
    bounds = tuple(tables[1].total_bounds.tolist())
    return RegionYear(
        "here",
        "Here",
        EPSG,
        True,
        "model",
        "cnn|2022",
        240.0,
        bounds,
        facts,
        *tables,
        tmp_path / changes.FIRST_YEAR_NAME,
        mosaics,
    )


@pytest.fixture
def contents(region: RegionYear) -> Contents:
    west, south, east, north = region.cumulative.total_bounds
    land = gpd.GeoDataFrame(
        {"kind": ["land"], "territory_id": ["1"], "name": ["Território <b>"]}, geometry=[box(west, south, east, north)], crs=4326
    )
    table = hectares_by_territory(land, {"mining_ha": region.cumulative, "new_ha": region.new})
    accuracy = Accuracy("cnn|2022", 20, 30, 0.9, 0.8, 0.95, 0.847, 0.7, 0.93, b"")
    return Contents(
        2024, (region,), ("There",), table, land, (accuracy,), None, ("Scenes: SIMULATED.",), ("CC0-1.0", "https://cc0.example")
    )


def page(contents: Contents, out: Path, language: str) -> str:
    out.mkdir(exist_ok=True)
    write_pages(contents, write_downloads(contents, out), out)
    return (out / PAGES[language]).read_text(encoding="utf-8")


def text(html: str) -> str:
    """What a reader sees of a page's body, without scripts and tags."""
    body = re.sub(r"<(script|style|svg|noscript).*?</\1>", "", html[html.index("<main>") :], flags=re.S)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))


def test_numbers_are_written_as_each_language_writes_them() -> None:
    assert [number(1234567.25, language, 1) for language in LANGUAGES] == ["1,234,567.2", "1.234.567,2", "1.234.567,2"]
    assert number(0.5, "pt") == "0"


def test_every_language_fills_in_the_same_places() -> None:
    for key, english in WORDS["en"].items():
        for language in LANGUAGES:
            assert set(re.findall(r"{\w+}", WORDS[language][key])) == set(re.findall(r"{\w+}", english)), key


@pytest.mark.parametrize(
    ("language", "new"), [("en", "new mining in 2024"), ("pt", "nova mineração em 2024"), ("es", "nueva minería en 2024")]
)
def test_a_page_tells_the_headline_numbers_in_its_language(contents: Contents, tmp_path: Path, language: str, new: str) -> None:
    html = page(contents, tmp_path / "out", language)

    assert f'<html lang="{language}">' in html
    told = text(html)
    assert f"9 ha {new} 1 " in told
    assert "13 ha" in told
    assert WORDS[language]["left_out"].format(regions="There") in told
    assert WORDS[language]["simulated"] in html
    assert WORDS[language]["first_release"] in told
    assert "Território &lt;b&gt;" in html
    assert "Território <b>" not in html


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", "people confirmed 1 (9.0 ha) and left out 1 as false alarms (0.3 ha)"),
        ("pt", "pessoas confirmaram 1 (9,0 ha) e descartaram 1 como alarmes falsos (0,3 ha)"),
        ("es", "personas confirmaron 1 (9,0 ha) y descartaron 1 como falsas alarmas (0,3 ha)"),
    ],
)
def test_a_page_says_what_people_confirmed_and_left_out(
    contents: Contents, region: RegionYear, tmp_path: Path, language: str, said: str
) -> None:
    pit, speck = (project(shape, 4326, EPSG) for shape in region.new.sort_values("area_ha", ascending=False).geometry)
    masks = {year: tmp_path / f"{year}.tif" for year in (2023, 2024)}
    terms = {"rejected": {2024: [speck]}, "confirmed": {2024: [pit]}}
    facts = changes.write_changes(masks, 2024, tmp_path, min_area_ha=1.0, **terms, simulated=True)
    reviewed = replace(region, facts=facts, new=gpd.read_parquet(tmp_path / changes.NEW_NAME))

    told = text(page(replace(contents, regions=(reviewed,)), tmp_path / "out", language))

    assert said in told
    assert f"9{'.' if language == 'en' else ','}0 ha" in told
    assert WORDS[language]["confirmed"] in told
    assert WORDS[language]["not_reviewed"] not in told
    assert WORDS[language]["not_reviewed"] in text(page(contents, tmp_path / "before", language))


def test_scores_stand_beside_the_number_of_test_patches_with_mining(contents: Contents, tmp_path: Path) -> None:
    assert "cnn|2022 20 30 0.90 0.80 0.95 0.85 0.70–0.93" in text(page(contents, tmp_path / "out", "en"))


def test_a_deployed_model_without_scores_is_named(contents: Contents, tmp_path: Path) -> None:
    told = text(page(replace(contents, models=()), tmp_path / "out", "en"))

    assert WORDS["en"]["unscored"].format(models="cnn|2022") in told


def test_what_an_earlier_release_told_otherwise_is_said_with_the_cause(contents: Contents, tmp_path: Path) -> None:
    restated = (RestatedYear("here", 2023, 3.5, 4.0, ("label collection",)),)

    told = text(page(replace(contents, restated=restated), tmp_path / "out", "en"))

    assert "Here 2023 3.5 4.0 the maps are of another collection" in told
    assert WORDS["en"]["nothing_restated"] in text(page(replace(contents, restated=()), tmp_path / "none", "en"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_numbers_that_nothing_tells_any_more_are_no_restatement_and_no_equal_ones(
    contents: Contents, tmp_path: Path, language: str
) -> None:
    told = text(page(replace(contents, restated=(), unknown_before=("here",)), tmp_path / "out", language))

    assert WORDS[language]["unknown_before"].format(regions="Here") in told
    assert WORDS[language]["nothing_restated"] not in told


def test_credits_name_all_years_of_scenes_that_the_report_rests_on(tmp_path: Path) -> None:
    monitoring = Monitoring("model", "in-fields", 11.0, "sim-cnn-48|2023")
    scored = replace(synthetic.region(catalogue=tmp_path, years=(2021, 2023, 2024)), monitoring=monitoring)
    mapped = replace(scored, id="mapped", years=(1990, 2023), monitoring=Monitoring("land-cover", "", 11.0))

    (line,) = [each.line for each in data_credits([mapped, scored], 2023, ()) if each.kind == "Scenes"]

    assert "contains modified Copernicus Sentinel data 2021, 2023," in line


def test_the_map_holds_every_place_and_no_markup(contents: Contents, tmp_path: Path) -> None:
    html = page(contents, tmp_path / "out", "en")
    held = re.search(r'<script type="application/json" id="map-data">(.*?)</script>', html, re.S)
    assert held
    told = json.loads(held.group(1))

    assert "<" not in held.group(1)
    assert [feature["properties"]["told"].split(" ha")[0] for feature in told["new"]["features"]] == ["9.0", "0.3"]
    assert len(told["earlier"]["features"]) == 3
    assert told["bounds"] == pytest.approx(contents.regions[0].cumulative.total_bounds.tolist(), abs=2e-6)
    corner = project(box(LEFT_M, TOP_M - 1, LEFT_M + 1, TOP_M), EPSG, 4326).bounds
    assert told["backdrops"][0]["corners"][0] == pytest.approx([corner[0], corner[3]], abs=2e-5)


def test_a_page_asks_nobody_for_anything(contents: Contents, tmp_path: Path) -> None:
    html = page(contents, tmp_path / "out", "en")
    sources = re.findall(r'<(?:script|img|link|iframe)[^>]*(?:src|href)="([^"]{1,20})', html)

    assert sources
    assert all(source.startswith("data:") for source in sources)


def test_downloads_open_in_gdal_with_the_same_places(contents: Contents, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    files = {each.name for each in write_downloads(contents, out)}

    assert {each.name for each in (out / "downloads").iterdir()} == files
    tables = [pyogrio.read_dataframe(out / "downloads" / f"mining-new-2024.{kind}") for kind in ("geojson", "gpkg")]
    tables.append(gpd.read_parquet(out / "downloads" / "mining-new-2024.parquet"))
    for table in tables:
        assert table["place_id"].tolist() == tables[0]["place_id"].tolist()
        assert table["area_ha"].tolist() == pytest.approx([9.0, 0.25], rel=2e-3)
        assert table["is_large"].tolist() == [True, False]
        assert table.crs.to_epsg() == 4326
    with rasterio.open(out / "downloads" / "first-year-here-2024.tif") as raster:
        assert np.unique(raster.read(1)).tolist() == [0, 2023, 2024]
    assert pd.read_csv(out / "downloads" / "territories-2024.csv")["new_ha"].tolist() == pytest.approx([9.25, 0.0], rel=2e-3)
    assert (out / "downloads" / "LICENCE.txt").read_text().startswith("SIMULATED")


def test_equal_contents_give_equal_bytes(contents: Contents, tmp_path: Path) -> None:
    for name in ("a", "b"):
        page(contents, tmp_path / name, "en")
    written = [
        {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*") if path.is_file()}
        for name in "ab"
    ]

    assert written[0] == written[1]


def test_places_are_shown_largest_first_with_the_ground_before_and_after(region: RegionYear) -> None:
    new = region.new[region.new["is_large"]].assign(region="here")

    (site,) = largest_sites(new, {"here": EPSG}, {"here": region.mosaics})

    assert site.area_ha == pytest.approx(9.0, rel=2e-3)
    assert sorted(site.pictures) == [2023, 2024]
    assert site.side_m == 1_600
    assert site.outline.startswith("M") and site.outline.endswith("Z")  # noqa: PT018 - one fact
    numbers = np.array(re.findall(r"[\d.]+", site.outline), float)
    assert numbers.min() == pytest.approx(1000 * (800 - 150) / 1600, abs=1)
    assert numbers.max() == pytest.approx(1000 * (800 + 150) / 1600, abs=1)


AREA = {"area_ha": 900.0, "standard_error_ha": 30.0, "low_ha": 841.2, "high_ha": 958.8, "ground_ha": 10_000.0, "reviewed": 120}


def test_an_area_that_people_estimated_is_told_with_its_interval(contents: Contents, tmp_path: Path) -> None:
    without = text(page(contents, tmp_path / "without", "en"))
    assert "nobody has reviewed a sample" in without
    first = replace(contents.regions[0], area={**AREA, "reviewer": "Ana"})
    told = text(page(replace(contents, regions=(first,)), tmp_path / "with", "en"))
    assert "estimated from a reviewed sample: 900 ha (841 to 959, 95 %)" in told
    assert "841.2–958.8 120 Ana" in told
    assert "nobody has reviewed a sample" not in told


def test_the_interval_of_several_regions_adds_their_variances_and_needs_all_of_them(contents: Contents) -> None:
    first = replace(contents.regions[0], area=AREA)
    second = replace(contents.regions[0], id="b", area={**AREA, "standard_error_ha": 40.0})
    assert replace(contents, regions=(first, second)).estimated == pytest.approx(
        (1800, 1800 - 1.96 * 50, 1800 + 1.96 * 50), rel=1e-4
    )
    assert replace(contents, regions=(first, replace(second, area=None))).estimated is None


def test_what_one_model_finds_and_another_outlines_is_said_with_the_squares_that_have_no_outline(
    contents: Contents, tmp_path: Path
) -> None:
    row = replace(contents.regions[0], source="model", mapped_by="a|2023", outlined_by="b|2023", squares_without_outline=7)
    told = text(page(replace(contents, regions=(row,), models=()), tmp_path, "en"))
    assert "model a|2023, outlined by model b|2023" in told
    assert "Scores of these models are not published: a|2023, b|2023." in told
    assert "In 7 squares of" in told


def test_a_model_of_pixels_is_scored_by_pixel_with_its_interval(contents: Contents, tmp_path: Path) -> None:
    scores = {"precision": 0.87, "recall": 0.94, "specificity": None, "f1": 0.9}
    row = Accuracy("unet|2023", None, None, **scores, f1_low=0.85, f1_high=0.93, curve_png=b"", pixels=573_440)
    told = text(page(replace(contents, models=(row,)), tmp_path, "en"))
    assert "unet|2023 by pixel: 573,440 pixels of test patches 0.87 0.94 – 0.90 0.85–0.93" in told


def test_the_interval_of_f1_is_that_of_iou() -> None:
    interval = {"low": 0.5, "high": 1.0}
    assert _f1_interval({"bootstrap": {"by_patch": {"iou": {"mining": interval}}}}) == (pytest.approx(2 / 3), 1.0)
    assert _f1_interval({"bootstrap": {"by_cluster": {"iou": {"mining": None}}, "by_patch": {}}}) == (None, None)


@pytest.mark.parametrize("language", LANGUAGES)
def test_regions_that_cannot_be_compared_with_the_year_before_are_told_apart(
    contents: Contents, region: RegionYear, tmp_path: Path, language: str
) -> None:
    late = {**region.facts, "years": [2024], "found_ha": {"2024": 100.0}, "new_ha": 100.0, "cumulative_ha": 100.0}
    first = replace(region, id="late", name="Late", facts=late, new=region.new.iloc[:0], is_first_map=True)
    gap = replace(region, id="gap", name="Gap", facts={**region.facts, "years": [2019, 2022, 2024]})
    both = replace(contents, regions=(gap, region, first), ended=(("Old", 2022),), left_out_simulated=("Sim",))

    told, words = text(page(both, tmp_path / "out", language)), WORDS[language]

    assert f"{number(both.new_ha, language)} ha {words['new'].format(year=2024)} 2 " in told
    assert both.new_ha == pytest.approx(2 * region.facts["new_ha"])
    assert words["first_map_of"].format(region="Late", year=2024, ha="100") in told
    assert words["gap"].format(region="Gap", before=2022, year=2024) in told
    assert words["ended"].format(year=2024, regions="Old (2022)") in told
    assert words["left_out_simulated"].format(regions="Sim") in told
    assert f"Late {words['since'].format(first=2024)}" in told
    assert words["gap"].format(region="Here", before=2023, year=2024) not in told
    new = gpd.read_parquet(tmp_path / "out" / "downloads" / "mining-new-2024.parquet")
    assert set(new["region"]) == {"here", "gap"}
    earlier = json.loads(map_data(both, words, language))["earlier"]["features"]
    for year in (2019, 2023, 2024):
        assert any(words["total"].format(first=year) in each["properties"]["told"] for each in earlier)
