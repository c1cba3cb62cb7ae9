"""Sites that people drew become windows: every site is covered, by names that keep it together."""

from pathlib import Path

import numpy as np
import pytest
import shapely
from pyproj import Transformer

from mining_platform.grids import PIXEL_M
from mining_platform.site_files import SitesFile
from mining_platform.sites import read_sites, site_places, sites_fingerprint
from mining_platform.sources.protocol import SourceError
from mining_platform.splits.named_groups import base_sites
from tests.mining_platform.polygon_files import EPSG, LEFT_M, TOP_M, kml, pixels, placemark, write_geojson

SMALL, LONG = pixels(slice(0, 10), slice(0, 10)), pixels(slice(40, 50), slice(0, 70))  # 300 m x 300 m; 2,100 m x 300 m
WINDOW_M = 960


@pytest.fixture
def drawn(tmp_path: Path) -> SitesFile:
    """A small site, and one of three windows' length with two names."""
    marks = [placemark("Água Branca", SMALL), placemark("Velho Garimpo", LONG)]
    (tmp_path / "sites_2023.kml").write_text(kml(marks))
    (tmp_path / "aliases.csv").write_text("alias,site\nTRACAJÁ_3,Velho Garimpo\n")
    return SitesFile(href=f"{tmp_path}/sites_{{year}}.kml", aliases=f"{tmp_path}/aliases.csv")


def centres_m(sites: SitesFile) -> dict[str, tuple[float, float]]:
    places = site_places(sites, 2023, EPSG, WINDOW_M)
    x, y = Transformer.from_crs(4326, EPSG, always_xy=True).transform(places.geometry.x, places.geometry.y)
    assert places["is_mining"].all()
    return {name: (round(east, 3), round(north, 3)) for name, east, north in zip(places["point_id"], x, y, strict=True)}


def test_a_small_site_is_in_the_middle_of_its_only_window(drawn: SitesFile) -> None:
    assert centres_m(drawn)["agua-branca_1"] == (LEFT_M + 150, TOP_M - 150)


def test_a_long_site_has_windows_side_by_side_that_cover_it(drawn: SitesFile) -> None:
    found = {name: place for name, place in centres_m(drawn).items() if not name.startswith("agua")}
    assert list(found) == ["tracaja_1", "tracaja_2", "tracaja_3"], "both names are one site, called by the first of them"
    boxes = [shapely.box(x - 480, y - 480, x + 480, y + 480) for x, y in found.values()]
    assert shapely.union_all(boxes).covers(shapely.box(LEFT_M, TOP_M - 1_500, LEFT_M + 2_100, TOP_M - 1_200))
    assert sum(each.area for each in boxes) == pytest.approx(shapely.union_all(boxes).area), "none shares ground with another"
    assert all((x - 480) % PIXEL_M == 0 and (y + 480) % PIXEL_M == 0 for x, y in found.values()), "all on the lattice"


def test_windows_without_a_polygon_are_left_out(tmp_path: Path) -> None:
    ends = [pixels(slice(0, 5), slice(0, 5)), pixels(slice(0, 5), slice(95, 100))]  # three windows long, empty in the middle
    (tmp_path / "sites.kml").write_text(kml([placemark("Sucuri", *ends)]))
    found = centres_m(SitesFile(f"{tmp_path}/sites.kml"))
    assert list(found) == ["sucuri_1", "sucuri_2"], "of four windows only those at the ends hold mining"
    assert np.diff([x for x, _ in found.values()]).tolist() == [3 * WINDOW_M]


def test_all_windows_of_a_site_are_one_group_of_the_split(drawn: SitesFile) -> None:
    names = site_places(drawn, 2023, EPSG, WINDOW_M)["point_id"]
    assert sorted(set(base_sites(names))) == ["agua-branca", "tracaja"]


def test_a_new_drawing_has_another_fingerprint(drawn: SitesFile) -> None:
    before = sites_fingerprint(drawn, 2023)
    drawn.path_of(2023).write_text(kml([placemark("Água Branca", LONG)]))
    after = sites_fingerprint(drawn, 2023)
    assert set(before) == {"sites_2023.kml", "aliases.csv"}
    assert before["aliases.csv"] == after["aliases.csv"]
    assert before["sites_2023.kml"] != after["sites_2023.kml"]


def test_conditions_choose_the_polygons(tmp_path: Path) -> None:
    rows = [({"site": "a", "class": "mining"}, SMALL), ({"site": "b", "class": "water"}, LONG)]
    path = write_geojson(tmp_path / "sites.geojson", rows)
    assert read_sites(SitesFile(str(path), conditions=("class=mining",)), 2023)["site"].tolist() == ["a"]


@pytest.mark.parametrize(
    ("marks", "told"),
    [
        (None, "There is no file of sites"),
        ([], "has no features|no polygon among them|cannot be read"),
        ([placemark("", SMALL)], r"polygons \[1\] name no site"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path: Path, marks: list[str] | None, told: str) -> None:
    if marks is not None:
        (tmp_path / "sites.kml").write_text(kml(marks))
    with pytest.raises(SourceError, match=told):
        site_places(SitesFile(f"{tmp_path}/sites.kml"), 2023, EPSG, WINDOW_M)
