"""Files of territories that people name in a region's monitoring."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest
from shapely.geometry import Polygon, box

from mining_platform.region_files import load_regions
from mining_platform.regions import Monitoring, TerritoryLayer
from mining_platform.sources.protocol import SourceError
from mining_platform.territory_layers import layers_fingerprint, layers_of_regions, read_territories, territories_of_regions


def layer(folder: Path, name: str = "places.geojson", kind: str = "municipality", **changes: str) -> TerritoryLayer:
    return replace(TerritoryLayer(kind, str(folder / name), "code", "title", "", "", simulated=False), **changes)


def places(folder: Path, name: str = "places.geojson", crs: int = 4326, **columns: list[Any]) -> None:
    columns = columns or {"code": [2, 1], "title": ["Beta", None]}
    shapes = [box(0, 0, 1, 1), box(2, 0, 3, 1)][: len(next(iter(columns.values())))]
    gpd.GeoDataFrame(columns, geometry=shapes, crs=4326).to_crs(crs).to_file(folder / name)


def test_territories_come_in_degrees_sorted_by_kind_and_id(tmp_path: Path) -> None:
    places(tmp_path, "p.gpkg", crs=3857)
    places(tmp_path, "q.geojson", code=["z"], title=["Park"])

    table = read_territories((layer(tmp_path, "p.gpkg"), layer(tmp_path, "q.geojson", "a-park")))

    assert table[["kind", "territory_id", "name"]].to_numpy().tolist() == [
        ["a-park", "z", "Park"],
        ["municipality", "1", ""],
        ["municipality", "2", "Beta"],
    ]
    assert table.geometry.iloc[2].bounds == pytest.approx((0, 0, 1, 1), abs=1e-9)


def test_only_territories_that_share_ground_with_a_region_count_and_a_layer_of_two_regions_counts_once(tmp_path: Path) -> None:
    places(tmp_path)
    monitored = Monitoring("land-cover", "", 0.0, territories=(layer(tmp_path),))
    known = load_regions()["lourenco"]
    here, there = (
        replace(known, id=name, monitoring=monitored, geometry=box(*at))
        for name, at in (("a", (-1, 0, 0.5, 1)), ("b", (3, 0, 4, 1)))
    )

    assert layers_of_regions([here, there]) == (layer(tmp_path),)
    assert territories_of_regions([here, there])["territory_id"].tolist() == ["2"]
    assert territories_of_regions([replace(here, monitoring=None)]).empty


def test_a_changed_file_has_another_fingerprint(tmp_path: Path) -> None:
    places(tmp_path)
    before = layers_fingerprint([layer(tmp_path)])
    places(tmp_path, code=["9"], title=["Gamma"])

    after = layers_fingerprint([layer(tmp_path)])

    assert before[0]["blake3"] != after[0]["blake3"]
    assert {**before[0], "blake3": ""} == {**after[0], "blake3": ""}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": "nr"}, r"places.geojson has no property nr; it has code, title"),
        ({"href": "none.geojson"}, r"no file of territories none.geojson. Put it there, or mend the region's 'monitoring'"),
    ],
)
def test_a_layer_that_does_not_fit_its_file_is_refused(tmp_path: Path, changes: dict[str, str], message: str) -> None:
    places(tmp_path)
    with pytest.raises(SourceError, match=message):
        read_territories((layer(tmp_path, **changes),))


def test_ids_that_are_empty_or_used_twice_and_shapes_that_are_no_polygons_are_refused(tmp_path: Path) -> None:
    wanted = (layer(tmp_path),)
    places(tmp_path, code=["a", "a"], title=["", ""])
    with pytest.raises(SourceError, match=r"id used twice: a"):
        read_territories(wanted)
    places(tmp_path, code=["a", " "], title=["", ""])
    with pytest.raises(SourceError, match=r"1 territories have no id of their own: number 1"):
        read_territories(wanted)
    bow = Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])
    gpd.GeoDataFrame({"code": ["a"], "title": [""]}, geometry=[bow], crs=4326).to_file(tmp_path / "places.geojson")
    with pytest.raises(SourceError, match=r"1 territories are no valid polygons: number 0 \(a\)"):
        read_territories(wanted)


def test_coordinates_in_metres_without_their_crs_are_refused(tmp_path: Path) -> None:
    shape = box(721_342, 9_325_000, 732_000, 9_336_000)
    gpd.GeoDataFrame({"code": ["a"], "title": [""]}, geometry=[shape], crs=4326).to_file(tmp_path / "places.geojson")
    with pytest.raises(SourceError, match=r"places.geojson has coordinates that are no degrees, though its CRS is WGS 84"):
        read_territories((layer(tmp_path),))
