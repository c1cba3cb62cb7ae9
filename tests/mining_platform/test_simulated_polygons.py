"""Simulated outlines of mines: sites with names, islands and parts, as KML of a year, and the names that only aliases join."""

from datetime import date
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest

from mining_platform.kml_files import read_kml
from mining_platform.labels.label_errors import LabelError
from mining_platform.labels.polygon_labels import of_site, on_day, polygon_mask
from mining_platform.labels.site_names import normalised_site, read_aliases
from mining_platform.simulation.landscape import MINING
from mining_platform.simulation.mine_polygons import finish_polygons, write_polygons
from mining_platform.simulation.mine_sites import drawn, mine_sites
from tests.mining_platform.simulated_places import YEARS, middle_place

JULY_2024 = date(2024, 7, 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("polygons")
    finish_polygons(out, write_polygons(out, middle_place()))
    return out / "polygons"


def sites(folder: Path, year: int = 2024) -> gpd.GeoDataFrame:
    return read_kml(folder / f"sites_{year}.kml")


def test_the_outlines_cover_what_the_map_calls_mining_and_little_else(folder: Path) -> None:
    mask, _ = polygon_mask(sites(folder), middle_place().canvas, "sites_2024.kml", outside="report")
    mined = middle_place().years[2024].classes == MINING
    assert (mask & mined).sum() / (mask | mined).sum() > 0.9
    assert 0 < (mask & ~mined).sum() < 0.05 * mined.sum()


def test_large_islands_are_inner_rings_and_parts_one_placemark(folder: Path) -> None:
    shapes = sites(folder).geometry
    parts = [part for shape in shapes for part in getattr(shape, "geoms", [shape])]
    assert any(len(part.interiors) for part in parts)
    assert "MultiPolygon" in set(shapes.geom_type)
    assert shapes.is_valid.all()


def test_a_block_of_pixels_is_drawn_around_with_its_hole_and_without_specks() -> None:
    mined = np.zeros((60, 60), dtype=bool)
    mined[10:50, 10:50] = True
    mined[20:32, 20:32] = False
    mined[2:5, 2:5] = True
    outline = drawn(mined, (slice(100, 160), slice(200, 260)))
    (part,) = outline.geoms
    assert outline.bounds == pytest.approx((210, 110, 250, 150), abs=1.6)
    assert outline.area == pytest.approx(40 * 40 - 12 * 12, rel=0.06)
    assert len(part.interiors) == 1


def test_a_site_has_more_mining_each_year_and_its_own_file_a_year(folder: Path) -> None:
    early, late = ({row["name"]: row.geometry.area for _, row in sites(folder, year).iterrows()} for year in YEARS)
    assert set(early) <= set(late)
    assert all(early[name] < late[name] for name in early)


def test_placemarks_say_simulated_and_hold_for_their_year(folder: Path) -> None:
    found = sites(folder)
    assert set(found["simulated"]) == {"true"}
    assert set(found["class"]) == {"mining"}
    assert set(found["folder"]) == {"middle"}
    assert len(on_day(found, JULY_2024, "sites_2024.kml")) == len(found)
    with pytest.raises(LabelError, match="no polygon that holds on"):
        on_day(found, JULY_2024.replace(year=2023), "sites_2024.kml")


def test_image_names_lead_to_their_polygons_by_spelling_or_by_alias(folder: Path) -> None:
    aliases = read_aliases(folder / "aliases.csv")
    all_sites = mine_sites(middle_place())
    joined = [site for site in all_sites if site.drawn_name != site.name]
    assert joined
    assert len(joined) < len(all_sites)
    assert set(aliases) == {normalised_site(site.name) for site in joined}
    for site in all_sites:
        assert len(of_site(sites(folder), f"{site.base}_2", aliases, "sites_2024.kml")) == 1
    with pytest.raises(LabelError, match="has no site"):
        of_site(sites(folder), joined[0].base, {}, "sites_2024.kml")


def test_names_of_files_are_plain_letters_and_carry_the_region() -> None:
    bases = [site.base for site in mine_sites(middle_place())]
    assert len(set(bases)) == len(bases)
    assert all(base.isascii() and base.endswith("_MEDIO_SIMULATED") and base == base.upper() for base in bases)
