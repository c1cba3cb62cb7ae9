"""The annual report's section on other systems: its table, words, pictures and downloads."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pytest
import rasterio

from mining_platform.annual_reports.contents import ComparedSystem, Contents
from mining_platform.annual_reports.words import WORDS
from mining_platform.comparisons.agreement_maps import Ours, write_agreement
from mining_platform.comparisons.places import places_of
from mining_platform.comparisons.rows import row_of
from mining_platform.comparisons.systems import outlined
from mining_platform.detection_maps import MASK_NAME
from tests.mining_platform.test_annual_reports import contents, mask, page, region, text
from tests.mining_platform.test_comparisons import ground, system
from tests.synthetic import EPSG

__all__ = ["contents", "region"]


@pytest.fixture
def compared(contents: Contents, tmp_path: Path) -> Contents:
    """We found 13.25 ha in 2024; they have 9 ha over 4.5 ha of ours, and 4 ha elsewhere."""
    theirs = outlined(system(tmp_path, ground(1150, 1000, 300, 300), ground(0, 1500, 200, 200)), 2024, f"EPSG:{EPSG}")
    found = mask(
        tmp_path / MASK_NAME,
        (slice(0, 20), slice(0, 20)),
        (slice(100, 130), slice(100, 130)),
        (slice(50, 55), slice(150, 155)),
    )
    agreement = tmp_path / "agreement.tif"
    told = write_agreement(Ours(found, contents.regions[0].first_years), theirs, agreement, simulated=True)
    places = places_of(agreement, tmp_path, min_area_ha=1.0, simulated=True)
    row = row_of(theirs, told, places, simulated=True)
    each = ComparedSystem("here", row, agreement, places.only_ours, places.only_theirs)
    return replace(contents, compared=(each,), not_compared=(("here", "Sentry", "no_file"),))


def section(told: str, language: str) -> str:
    return told[told.index(WORDS[language]["compared"]) : told.index(WORDS[language]["caveats"])]


@pytest.mark.parametrize(("language", "hectares"), [("en", "13.0 13.3 4.5 8.8 8.5"), ("pt", "13,0 13,3 4,5 8,8 8,5")])
def test_a_page_tells_what_both_sides_find_and_what_only_one_does(
    compared: Contents, tmp_path: Path, language: str, hectares: str
) -> None:
    told = section(text(page(compared, tmp_path / "out", language)), language)

    assert f"Here Watch, {WORDS[language]['span_year']} {hectares}" in told
    assert "35 % 34 %" in told
    assert WORDS[language]["compared_truth"] in told
    assert WORDS[language]["not_compared_no_file"].format(system="Sentry", region="Here") in told
    assert f"{WORDS[language]['missed_theirs'].format(system='Watch')} 4" in told
    assert f"{WORDS[language]['missed_ours']} 4" in told


def test_a_page_without_comparisons_has_no_section(contents: Contents, tmp_path: Path) -> None:
    html = page(contents, tmp_path / "out", "en")
    assert WORDS["en"]["compared"] not in html
    assert not list((tmp_path / "out" / "downloads").glob("comparison*"))


def test_downloads_hold_the_comparison_and_the_places_that_only_one_side_has(compared: Contents, tmp_path: Path) -> None:
    html = page(compared, tmp_path / "out", "en")
    folder = tmp_path / "out" / "downloads"

    table = pd.read_csv(folder / "comparison-2024.csv")
    assert list(table.columns[:6]) == ["region", "system", "year", "name", "span", "our_cell_m"]
    assert table[["region", "system", "year", "their_places"]].to_numpy().tolist() == [["here", "watch", 2024, 2]]
    for name, whole in (("only-ours-2024", [4.0]), ("only-others-2024", [4.0])):
        places: Any = gpd.read_file(folder / f"{name}.geojson")
        assert places.loc[places["is_whole_place"], "area_ha"].tolist() == pytest.approx(whole, rel=2e-3)
        assert places["place_id"].str.startswith("watch_").all()
        assert places["place_id"].is_unique
        assert len(gpd.read_parquet(folder / f"{name}.parquet")) == len(places)
    with rasterio.open(folder / "agreement-here-watch-2024.tif") as raster:
        assert set(raster.read(1).ravel().tolist()) == {0, 1, 2, 3}
    assert 'href="downloads/agreement-here-watch-2024.tif"' in html
