"""Our detections beside another system's: hectares, places and maps with known answers."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray
from PIL import Image
from shapely.geometry import box

from mining_platform.comparisons.agreement_maps import BOTH, NO_DATA, Ours, write_agreement
from mining_platform.comparisons.figures import agreement_picture, stacked
from mining_platform.comparisons.places import COLUMNS, places_of
from mining_platform.comparisons.systems import NotCoveredError, Theirs, mapped, outlined, systems_fingerprint
from mining_platform.detection_maps import write_mapped
from mining_platform.first_years import write_first_years
from mining_platform.grids import project
from mining_platform.raster_files import opened_raster_file
from mining_platform.regions import OtherSystem
from mining_platform.sources.protocol import SourceError
from tests.conftest import REALDATA
from tests.mining_platform.polygon_files import write_geojson
from tests.synthetic import EPSG, LEFT_M, TOP_M, region, yearly_map

SIZE = 64


def mask(path: Path, cell_m: float, *boxes: tuple[slice, slice], unseen: tuple[slice, slice] | None = None) -> Path:
    values = np.zeros((SIZE, SIZE), np.uint8)
    for rows, columns in boxes:
        values[rows, columns] = 1
    if unseen:
        values[unseen] = 255
    return write(path, values, cell_m)


def write(path: Path, values: NDArray[np.uint8], cell_m: float) -> Path:
    place = {"crs": f"EPSG:{EPSG}", "transform": Affine(cell_m, 0, LEFT_M, 0, -cell_m, TOP_M)}
    with rasterio.open(
        path, "w", driver="GTiff", height=values.shape[0], width=values.shape[1], count=1, dtype="uint8", **place
    ) as raster:
        raster.write(values, 1)
    return path


def ours(folder: Path, cell_m: float, **masks: Any) -> Ours:
    """Maps of years, `y2023=[…]`; the last is the year's."""
    paths = {int(name[1:]): mask(folder / f"{name}.tif", cell_m, *boxes) for name, boxes in masks.items()}
    write_first_years(paths, folder / "first.tif", rejected={}, simulated=False)
    return Ours(paths[max(paths)], folder / "first.tif")


def ground(left_m: float, top_m: float, width_m: float, height_m: float) -> Any:
    """A rectangle that many metres right of and below the corner of the maps, EPSG:4326."""
    west, north = LEFT_M + left_m, TOP_M - top_m
    return project(box(west, north - height_m, west + width_m, north), EPSG, 4326)


def system(folder: Path, *shapes: Any, **changes: Any) -> OtherSystem:
    """A system whose file holds shapes, or (year, shape) pairs."""
    rows = [({"year": each[0]}, each[1]) if isinstance(each, tuple) else ({}, each) for each in shapes]
    path = write_geojson(folder / "theirs.geojson", rows)
    return replace(OtherSystem("watch", "Watch", str(path), "", "year", 240, "", "", simulated=False), **changes)


def met(folder: Path, mine: Ours, theirs: Theirs) -> dict[str, Any]:
    return write_agreement(mine, theirs, folder / "agreement.tif", simulated=False)


def watched(folder: Path, *shapes: Any, year: int = 2024, **changes: Any) -> Theirs:
    return outlined(system(folder, *shapes, **changes), year, f"EPSG:{EPSG}")


def test_hectares_of_a_large_square_and_a_small_mine_within_it_are_told_as_they_are(tmp_path: Path) -> None:
    mine = ours(tmp_path, 240.0, y2024=[(slice(2, 3), slice(2, 3))])

    far_away = box(120, 10, 121, 11)
    told = met(tmp_path, mine, watched(tmp_path, ground(480, 480, 120, 120), ground(2400, 2400, 60, 60), far_away))

    assert (told["our_cell_m"], told["grid_m"]) == (pytest.approx(240, rel=1e-3), pytest.approx(30, rel=2e-3))
    hectares = {"ours": 5.76, "theirs": 1.8, "both": 1.44, "only_ours": 4.32, "only_theirs": 0.36, "union": 6.12, "no_data": 0}
    assert {name: told[f"{name}_ha"] for name in hectares} == pytest.approx(hectares, rel=3e-3)
    with rasterio.open(tmp_path / "agreement.tif") as raster:
        values = raster.read(1)
    assert [int((values == value).sum()) for value in (1, 2, 3)] == [16, 48, 4]
    assert values[16:20, 16:20].tolist() == [[BOTH] * 4] * 4


def test_what_others_find_outside_of_the_outline_is_another_regions(tmp_path: Path) -> None:
    mine = ours(tmp_path, 30.0, y2024=[(slice(0, 4), slice(0, 4))])
    theirs = watched(tmp_path, ground(60, 0, 120, 120))  # two columns are ours, two lie beyond

    told = write_agreement(mine, theirs, tmp_path / "agreement.tif", simulated=False, within=ground(0, 0, 120, 300))

    assert [told[f"{name}_px"] for name in ("ours", "theirs", "both", "only_theirs", "no_data")] == [16, 8, 8, 0, 0]


def test_the_published_detections_and_mapbiomas_meet_at_lourenco_as_they_are_known_to(lourenco_map: Path, tmp_path: Path) -> None:
    path = REALDATA / "labels-amazon-mining-watch" / "lourenco_2018-2024.geojson"
    if not path.exists():
        pytest.skip(f"the real detections {path} are absent; set MINING_PLATFORM_REALDATA")
    with opened_raster_file(lourenco_map) as source:
        profile, codes = source.profile | {"count": 1}, source.read(38)
    with rasterio.open(tmp_path / "2022.tif", "w", **profile) as raster:
        raster.write(codes, 1)
    write_mapped(tmp_path / "2022.tif", [30], tmp_path / "detected.tif")
    write_first_years({2022: tmp_path / "detected.tif"}, tmp_path / "first.tif", rejected={}, simulated=False)
    published = OtherSystem("amw", "AMW", str(path), "file_year", "to-date", 260, "", "", simulated=False)

    told = met(
        tmp_path,
        Ours(tmp_path / "detected.tif", tmp_path / "first.tif"),
        outlined(published, 2022, profile["crs"].to_wkt()),
    )
    places = places_of(tmp_path / "agreement.tif", tmp_path, min_area_ha=1.0, simulated=False)

    assert [told[f"{name}_px"] for name in ("ours", "theirs", "both")] == [20_235, 64_393, 16_159]
    assert told["both_ha"] == pytest.approx(16_159 * 29.88**2 / 10_000, rel=1e-3)
    assert places.counts == {"our_places": 53, "our_places_known": 29, "their_places": 19, "their_places_found": 6}
    assert places.only_theirs["is_whole_place"].sum() == 13


def test_a_system_of_all_years_is_compared_with_all_that_we_found_so_far(tmp_path: Path) -> None:
    mine = ours(tmp_path, 30.0, y2023=[(slice(0, 2), slice(0, 2))], y2024=[(slice(10, 12), slice(0, 2))])
    shapes = ((2023, ground(0, 0, 60, 60)), (2024, ground(600, 0, 60, 60)), (2025, ground(900, 900, 300, 300)))

    of_year = met(tmp_path, mine, watched(tmp_path, *shapes, year_field="year"))
    to_date = met(tmp_path, mine, watched(tmp_path, *shapes, year_field="year", span="to-date"))

    assert [of_year[f"{name}_px"] for name in ("ours", "theirs", "both")] == [4, 4, 0]
    assert [to_date[f"{name}_px"] for name in ("ours", "theirs", "both")] == [8, 8, 4]


def test_mining_where_the_other_has_no_data_is_no_disagreement(tmp_path: Path) -> None:
    path = mask(tmp_path / "now.tif", 30.0, (slice(0, 4), slice(0, 4)), unseen=(slice(0, 64), slice(32, 64)))
    write_first_years({2024: path}, tmp_path / "first.tif", rejected={}, simulated=False)

    told = met(tmp_path, Ours(path, tmp_path / "first.tif"), watched(tmp_path, ground(0, 0, 120, 120), ground(1200, 0, 60, 60)))

    assert (told["both_px"], told["only_theirs_px"], told["no_data_px"], told["theirs_px"]) == (16, 0, 4, 20)
    with rasterio.open(tmp_path / "agreement.tif") as raster:
        assert (raster.read(1)[:, 32:] == NO_DATA).all()


def test_a_land_cover_map_is_compared_by_its_classes_of_mining(tmp_path: Path) -> None:
    codes = np.full((SIZE, SIZE), 3, np.uint8)
    codes[0:2, 0:4], codes[:, 60:] = 30, 0
    cover = write(tmp_path / "cover.tif", codes, 30.0)
    place = region(land_cover=yearly_map(cover))
    mine = ours(tmp_path, 30.0, y2024=[(slice(0, 2), slice(2, 6)), (slice(0, 2), slice(60, 62))])

    told = met(tmp_path, mine, mapped(cover, [30], place, system_id="land-cover", cell_m=30))

    assert [told[f"{name}_px"] for name in ("both", "only_ours", "only_theirs", "no_data")] == [4, 4, 4, 4]


def test_a_place_counts_as_found_where_the_other_finds_any_of_it(tmp_path: Path) -> None:
    mine = ours(
        tmp_path, 30.0, y2024=[(slice(0, 10), slice(0, 10)), (slice(30, 40), slice(0, 10)), (slice(60, 61), slice(60, 61))]
    )
    theirs = watched(tmp_path, ground(240, 0, 600, 300), ground(1500, 1500, 300, 300))
    met(tmp_path, mine, theirs)

    places = places_of(tmp_path / "agreement.tif", tmp_path, min_area_ha=1.0, simulated=True)

    assert places.counts == {"our_places": 2, "our_places_known": 1, "their_places": 2, "their_places_found": 1}
    assert places.only_ours["is_whole_place"].tolist() == [False, True]
    assert places.only_ours["area_ha"].tolist() == pytest.approx([7.2, 9.0], rel=2e-3)
    assert places.only_theirs["is_whole_place"].tolist() == [False, True]
    assert list(places.only_ours.columns) == [*COLUMNS, "geometry"]
    assert places.only_ours.crs.to_epsg() == 4326
    assert places.only_ours["simulated"].all()
    assert places.only_ours["place_id"].tolist()[1] == f"{EPSG}_{LEFT_M}_{TOP_M - 900}"


def test_where_nobody_finds_anything_all_tables_are_empty(tmp_path: Path) -> None:
    told = met(tmp_path, ours(tmp_path, 30.0, y2024=[]), watched(tmp_path, ground(60_000, 60_000, 60, 60)))
    places = places_of(tmp_path / "agreement.tif", tmp_path, min_area_ha=0.0, simulated=False)

    assert told["union_px"] == 0
    assert (len(places.only_ours), len(places.only_theirs), set(places.counts.values())) == (0, 0, {0})
    places.only_ours.to_parquet(tmp_path / "none.parquet")
    assert gpd.read_parquet(tmp_path / "none.parquet")["area_ha"].dtype == float


def test_a_file_that_is_absent_or_of_other_years_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(NotCoveredError, match=r"there is no file gone\.geojson") as absent:
        watched(tmp_path, ground(0, 0, 60, 60), href=str(tmp_path / "gone.geojson"))
    with pytest.raises(NotCoveredError, match="tells of 2018 to 2020") as other:
        watched(tmp_path, (2018, ground(0, 0, 60, 60)), (2020, ground(0, 0, 60, 60)), year_field="year", span="to-date")
    assert (absent.value.reason, other.value.reason) == ("no_file", "other_years")


@pytest.mark.parametrize(
    ("shapes", "field", "message"),
    [
        ([(2024, ground(0, 0, 60, 60))], "jahr", "has no property 'jahr'; it has year. Mend the system's year_field"),
        ([("soon", ground(0, 0, 60, 60))], "year", r"year of polygon 0 \(from 0\) is no year"),
    ],
)
def test_a_file_whose_years_cannot_be_told_is_refused(tmp_path: Path, shapes: list[Any], field: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        watched(tmp_path, *shapes, year_field=field)


def test_a_damaged_file_is_refused_with_the_systems_name(tmp_path: Path) -> None:
    broken = system(tmp_path, ground(0, 0, 60, 60))
    Path(broken.href).write_text("{")
    with pytest.raises(SourceError, match=r"Outlines of Watch: theirs\.geojson cannot be read"):
        outlined(broken, 2024, f"EPSG:{EPSG}")


def test_a_file_a_year_is_read_by_its_year_and_a_changed_one_is_noticed(tmp_path: Path) -> None:
    told = system(tmp_path, ground(0, 0, 60, 60))
    yearly = replace(told, href=str(tmp_path / "theirs_{year}.geojson"))
    assert systems_fingerprint([yearly], 2024)["watch"]["blake3"] is None
    Path(told.href).rename(tmp_path / "theirs_2024.geojson")

    before = systems_fingerprint([yearly], 2024)["watch"]["blake3"]
    assert before
    write_geojson(tmp_path / "theirs_2024.geojson", [({}, ground(0, 0, 90, 90))])

    assert systems_fingerprint([yearly], 2024)["watch"]["blake3"] != before
    assert systems_fingerprint([yearly], 2023)["watch"]["blake3"] is None


def test_equal_inputs_give_equal_bytes_and_a_simulated_one_says_so(tmp_path: Path) -> None:
    mine, theirs = ours(tmp_path, 30.0, y2024=[(slice(0, 4), slice(0, 4))]), watched(tmp_path, ground(60, 60, 120, 120))
    for name in ("a.tif", "b.tif"):
        write_agreement(mine, theirs, tmp_path / name, simulated=True)

    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()
    with rasterio.open(tmp_path / "a.tif") as raster:
        assert raster.tags()["TIFFTAG_IMAGEDESCRIPTION"].startswith("SIMULATED")


def test_a_picture_shows_both_sides_and_their_meeting_in_colours_of_their_own(tmp_path: Path) -> None:
    mine, theirs = ours(tmp_path, 30.0, y2024=[(slice(0, 32), slice(0, 32))]), watched(tmp_path, ground(480, 480, 960, 960))
    met(tmp_path, mine, theirs)
    png = agreement_picture(tmp_path / "agreement.tif", title="Here", simulated=False)
    (tmp_path / "one.png").write_bytes(png)
    (tmp_path / "two.png").write_bytes(stacked([png, png]))

    one, two = (Image.open(tmp_path / name).convert("RGB") for name in ("one.png", "two.png"))
    seen = {colour for count, colour in one.getcolors(1_000_000) if count > 2_000}
    assert {(0x3B, 0x2A, 0x4A), (0xC1, 0x12, 0x1F), (0x2F, 0x6D, 0xB5)} <= seen
    assert two.size == (one.width, 2 * one.height)
