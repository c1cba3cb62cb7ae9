"""The annual report's section on territories: their names, kinds that no region touches, and the years that hectares are of."""

from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import pytest
from shapely.geometry import box

from mining_platform.annual_reports.contents import Contents, RegionYear
from mining_platform.annual_reports.words import LANGUAGES, WORDS
from mining_platform.territories import hectares_by_territory
from tests.mining_platform.test_annual_reports import contents, page, region, text

__all__ = ["contents", "region"]


def land(region: RegionYear, *rows: tuple[str, str, str]) -> gpd.GeoDataFrame:
    """Territories over the whole region: kind, id and name."""
    kind, ids, names = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [])
    shapes = [box(*region.bounds)] * len(rows)
    return gpd.GeoDataFrame({"kind": kind, "territory_id": ids, "name": names}, geometry=shapes, crs=4326)


def told_of(contents: Contents, outlines: gpd.GeoDataFrame, kinds: list[str], out: Path, language: str) -> str:
    """The section of a report on some territories."""
    region = contents.regions[0]
    table = hectares_by_territory(outlines, {"mining_ha": region.cumulative, "new_ha": region.new}, kinds=kinds)
    html = page(replace(contents, territories=table, outlines=outlines), out, language)
    words = WORDS[language]
    told = text(html)
    return told[told.rindex(words["territories"] + " ") : told.index(words["accuracy"])]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_territory_without_a_name_is_shown_by_its_id(contents: Contents, tmp_path: Path, language: str) -> None:
    outlines = land(contents.regions[0], ("a-land", "7b", ""), ("a-land", "8", "Terra"))

    told = told_of(contents, outlines, [], tmp_path / "out", language)

    assert " 7b a-land 13" in told
    assert " Terra a-land 13" in told
    assert told.count(WORDS[language]["outside"]) == 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_named_territories_that_lie_elsewhere_are_said_to_and_their_kind_has_its_row(
    contents: Contents, tmp_path: Path, language: str
) -> None:
    words = WORDS[language]

    told = told_of(contents, land(contents.regions[0]), ["a-park"], tmp_path / "far", language)

    assert words["territories_elsewhere"] in told
    assert words["no_territories"] not in told
    assert f"{words['outside']} a-park 13" in told
    assert words["no_territories"] in told_of(contents, land(contents.regions[0]), [], tmp_path / "none", language)


def test_of_two_kinds_the_one_that_no_region_touches_has_all_mining_outside(contents: Contents, tmp_path: Path) -> None:
    outlines = land(contents.regions[0], ("a-land", "1", "Terra"))

    told = told_of(contents, outlines, ["a-land", "b-park"], tmp_path / "out", "en")

    assert "in none of them a-land 0.0 0.0 – in none of them b-park 13." in told
    assert WORDS["en"]["territories_elsewhere"] not in told


@pytest.mark.parametrize(
    ("language", "since"), [("en", "found since 2023"), ("pt", "encontrada desde 2023"), ("es", "encontrada desde 2023")]
)
def test_hectares_of_all_years_are_not_told_as_those_of_the_year(
    contents: Contents, tmp_path: Path, language: str, since: str
) -> None:
    told = told_of(contents, land(contents.regions[0], ("a-land", "1", "Terra")), [], tmp_path / "out", language)

    assert f"{since}, ha" in told
    assert WORDS[language]["mining_ha"] not in told
    assert WORDS[language]["share"].format(first=2023) in told
    assert "2023" in WORDS[language]["share"].format(first=2023)


def test_the_download_of_all_places_says_up_to_which_year_they_are(contents: Contents, tmp_path: Path) -> None:
    page(contents, tmp_path / "out", "en")
    folder = tmp_path / "out" / "downloads"

    for name in ("geojson", "gpkg", "parquet"):
        read = gpd.read_parquet if name == "parquet" else gpd.read_file
        everything, new = (read(folder / f"mining-{which}-2024.{name}") for which in ("all", "new"))
        assert set(everything["up_to_year"]) == set(new["year"]) == {2024}
        assert "year" not in everything.columns
