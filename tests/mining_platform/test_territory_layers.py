"""Files of territories that people name."""

import json
from pathlib import Path
from typing import Any

import geopandas as gpd
import pytest
from shapely.geometry import Polygon, box

from mining_platform.sources.protocol import SourceError
from mining_platform.territory_layers import layers_fingerprint, read_territories, territory_layers

LAYER = {"kind": "municipality", "href": "places.geojson", "id": "code", "name": "title"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MINING_PLATFORM_HOME", str(tmp_path))
    monkeypatch.delenv("MINING_PLATFORM_TERRITORIES", raising=False)
    return tmp_path


def written(folder: Path, *layers: dict[str, Any]) -> None:
    told = [{**layer, "href": str(folder / layer["href"])} if "href" in layer else layer for layer in layers]
    (folder / "territories.json").write_text(json.dumps({"layers": told}))


def places(folder: Path, name: str = "places.geojson", crs: int = 4326, **columns: list[Any]) -> None:
    columns = columns or {"code": [2, 1], "title": ["Beta", None]}
    shapes = [box(0, 0, 1, 1), box(2, 0, 3, 1)][: len(next(iter(columns.values())))]
    gpd.GeoDataFrame(columns, geometry=shapes, crs=4326).to_crs(crs).to_file(folder / name)


def test_territories_come_in_degrees_sorted_by_kind_and_id(folder: Path) -> None:
    places(folder, "p.gpkg", crs=3857)
    places(folder, "q.geojson", code=["z"], title=["Park"])
    written(folder, {**LAYER, "href": "p.gpkg"}, {**LAYER, "kind": "a-park", "href": "q.geojson"})

    table = read_territories(territory_layers())

    assert table[["kind", "territory_id", "name"]].to_numpy().tolist() == [
        ["a-park", "z", "Park"],
        ["municipality", "1", ""],
        ["municipality", "2", "Beta"],
    ]
    assert table.geometry.iloc[2].bounds == pytest.approx((0, 0, 1, 1), abs=1e-9)


def test_without_a_file_there_are_no_territories(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert territory_layers() == ()
    assert read_territories(()).empty
    monkeypatch.setenv("MINING_PLATFORM_TERRITORIES", str(folder / "none.json"))
    with pytest.raises(
        SourceError, match=r"no file of territories .*none.json. Put it there, or unset MINING_PLATFORM_TERRITORIES"
    ):
        territory_layers()


def test_a_changed_file_has_another_fingerprint(folder: Path) -> None:
    places(folder)
    written(folder, LAYER)
    before = layers_fingerprint()
    places(folder, code=["9"], title=["Gamma"])

    after = layers_fingerprint()

    assert before[0]["blake3"] != after[0]["blake3"]
    assert {**before[0], "blake3": ""} == {**after[0], "blake3": ""}


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ({**LAYER, "kind": "Big Park"}, r"layer 0, field 'kind': 'Big Park' is no kind of territory"),
        ({"kind": "x", "href": "places.geojson", "name": "title"}, r"layer 0, field 'id': expected a text"),
        ({**LAYER, "colour": "red"}, r"layer 0: unknown fields 'colour'"),
        ({**LAYER, "id": "nr"}, r"places.geojson has no property nr; it has code, title"),
        ({**LAYER, "href": "none.geojson"}, r"no file of territories .*none.geojson. Put it there"),
    ],
)
def test_a_mistake_in_a_layer_is_refused(folder: Path, layer: dict[str, Any], message: str) -> None:
    places(folder)
    written(folder, layer)
    with pytest.raises(SourceError, match=message):
        read_territories(territory_layers())


@pytest.mark.parametrize("content", ["[]", "{", '{"layers": 3}'])
def test_a_file_that_holds_no_layers_is_refused(folder: Path, content: str) -> None:
    (folder / "territories.json").write_text(content)
    with pytest.raises(SourceError, match=r"territories.json is no file of layers"):
        territory_layers()


def test_ids_that_are_empty_or_used_twice_and_shapes_that_are_no_polygons_are_refused(folder: Path) -> None:
    written(folder, LAYER)
    places(folder, code=["a", "a"], title=["", ""])
    with pytest.raises(SourceError, match=r"id used twice: a"):
        read_territories(territory_layers())
    places(folder, code=["a", " "], title=["", ""])
    with pytest.raises(SourceError, match=r"1 territories have no id of their own: number 1"):
        read_territories(territory_layers())
    bow = Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])
    gpd.GeoDataFrame({"code": ["a"], "title": [""]}, geometry=[bow], crs=4326).to_file(folder / "places.geojson")
    with pytest.raises(SourceError, match=r"1 territories are no valid polygons: number 0 \(a\)"):
        read_territories(territory_layers())
