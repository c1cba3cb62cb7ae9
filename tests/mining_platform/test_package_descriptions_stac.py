"""stac/ as pystac reads it: valid by the core schema it ships, every item on its ground, every file there.

The extensions' schemas are on the network; here stand their rules for the fields used, from the specifications of projection
2.0.0 and raster 2.0.0. That the published schemas agree was not tested.
"""

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pystac
import pytest
import rasterio
from pystac.validation import set_validator
from pystac.validation.stac_validator import JsonSchemaSTACValidator

from mining_platform.packages import descriptions
from mining_platform.packages.contents import Contents
from mining_platform.packages.credits import Credit
from mining_platform.packages.stac_records import PROJECTION, RASTER
from tests.mining_platform.described_packages import LAYOUTS, small_package

NUMBERS = {"type": "array", "items": {"type": "number"}}
FIELDS = {
    PROJECTION: {
        "proj:code": {"type": ["string", "null"], "pattern": "^[A-Z]+:[0-9]+$"},
        "proj:bbox": {**NUMBERS, "minItems": 4, "maxItems": 4},
        "proj:shape": {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2},
        "proj:transform": {**NUMBERS, "minItems": 6, "maxItems": 6},
    },
    RASTER: {"raster:scale": {"type": "number"}, "raster:offset": {"type": "number"}},
}


def reduced_schema(uri: str) -> dict[str, Any]:
    """Schema of an extension for the fields used here: their forms, and no other field of its prefix."""
    prefix = next(iter(FIELDS[uri])).split(":")[0]
    fields = {
        "type": "object",
        "properties": FIELDS[uri],
        "patternProperties": {f"^(?!{prefix}:)": {}},
        "additionalProperties": False,
    }
    assets = {"type": "object", "additionalProperties": fields}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": uri,
        "type": "object",
        "properties": {"properties": fields, "assets": assets, "item_assets": assets},
    }


@pytest.fixture(autouse=True)
def _offline_schemas() -> Iterator[None]:
    validator = JsonSchemaSTACValidator()
    validator.schema_cache |= {uri: reduced_schema(uri) for uri in FIELDS}
    set_validator(validator)
    yield
    set_validator(JsonSchemaSTACValidator())


@pytest.fixture(scope="module", params=LAYOUTS)
def described(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Contents]:
    out = tmp_path_factory.mktemp("package")
    contents = small_package(out, request.param)
    descriptions.write_descriptions(out, contents)
    return out, contents


def collection_of(out: Path) -> pystac.Collection:
    return pystac.Collection.from_file(str(out / "stac/collection.json"))


def test_collection_and_all_items_are_valid(described: tuple[Path, Contents]) -> None:
    assert collection_of(described[0]).validate_all() == 10


def test_a_wrong_transform_would_be_found(described: tuple[Path, Contents]) -> None:
    item = next(collection_of(described[0]).get_items())
    item.properties["proj:transform"] = [10, 0, 1]
    with pytest.raises(pystac.STACValidationError, match="is too short"):
        item.validate()


def test_every_asset_leads_to_the_file_of_its_patch(described: tuple[Path, Contents]) -> None:
    out, contents = described
    rows = contents.table.set_index("patch_id")
    for item in collection_of(out).get_items():
        paths = {key: Path(asset.get_absolute_href() or "") for key, asset in item.assets.items()}
        assert {f"{key}_path": str(path.relative_to(out)) for key, path in paths.items()} == {
            kind.column: rows.loc[item.id, kind.column] for kind in contents.kinds
        }
        assert all(path.exists() for path in paths.values())


def test_items_say_place_year_share_and_side(described: tuple[Path, Contents]) -> None:
    out, contents = described
    rows = contents.table.set_index("patch_id")
    for item in collection_of(out).get_items():
        row = rows.loc[item.id]
        assert item.bbox == pytest.approx(row[["west", "south", "east", "north"]].tolist(), abs=1e-12)
        assert item.datetime is None
        assert (item.properties["start_datetime"], item.properties["end_datetime"]) == (
            "2024-01-01T00:00:00Z",
            "2024-12-31T23:59:59Z",
        )
        assert (item.properties["mining:share"], item.properties["mining:range"]) == (row["share"], row["range"])
        assert (item.properties["split"], item.properties["mining:is_mining"]) == (row["split"], row["is_mining"])
        assert item.properties["proj:transform"] == [10, 0, row["minx"], 0, -10, row["maxy"]]


def test_the_grid_that_a_geotiff_has_is_the_one_its_asset_tells(described: tuple[Path, Contents]) -> None:
    out, _ = described
    for item in collection_of(out).get_items():
        for asset in item.assets.values():
            if asset.media_type == "image/png":
                continue
            told = {**item.properties, **asset.extra_fields}
            with rasterio.open(asset.get_absolute_href()) as raster:
                assert told["proj:code"] == f"EPSG:{raster.crs.to_epsg()}"
                assert told["proj:shape"] == list(raster.shape)
                assert told["proj:transform"] == list(raster.transform)[:6]
                assert told["proj:bbox"] == list(raster.bounds)


def test_assets_say_what_their_numbers_mean(described: tuple[Path, Contents]) -> None:
    out, contents = described
    item = next(collection_of(out).get_items()).to_dict()
    for kind in contents.kinds:
        asset = item["assets"][kind.column.removesuffix("_path")]
        assert asset["data_type"] == kind.dtype
        assert asset.get("nodata") == kind.nodata
        assert asset.get("raster:scale") == kind.scale
        assert ("unit" in asset) == (kind.scale is not None)
        assert [band["name"] for band in asset.get("bands", [])] == list(kind.channels)


def test_the_collection_spans_all_patches_and_names_its_sources(described: tuple[Path, Contents]) -> None:
    out, contents = described
    collection = collection_of(out)
    assert collection.extent.spatial.bboxes == [contents.table.total_bounds.tolist()]
    start, end = collection.extent.temporal.intervals[0]
    assert (start.isoformat(), end.isoformat()) == ("2024-01-01T00:00:00+00:00", "2024-12-31T23:59:59+00:00")
    assert collection.license == "CC-BY-4.0"
    assert [provider.name for provider in collection.providers][:2] == ["Silva, Ana", "Instituto do Ouro"]
    assert "MapBiomas" in collection.providers[2].name
    assert collection.summaries.get_list("split") == ["test", "train", "val"]


def test_footprints_run_counter_clockwise(described: tuple[Path, Contents]) -> None:
    for item in collection_of(described[0]).get_items():
        ring = item.geometry["coordinates"][0]
        assert sum((x1 - x0) * (y1 + y0) for (x0, y0), (x1, y1) in pairwise(ring)) < 0


def test_a_patch_whose_share_is_not_known_has_none(tmp_path: Path) -> None:
    contents = small_package(tmp_path, "smallmines")
    contents.table.loc[0, ["share", "range"]] = [float("nan"), ""]
    descriptions.write_descriptions(tmp_path, contents)
    item = json.loads((tmp_path / f"stac/items/{contents.table['patch_id'][0]}.json").read_text())
    assert item["properties"]["mining:share"] is None
    assert collection_of(tmp_path).validate_all() == 10


@pytest.mark.parametrize("name", ["../../etc/passwd", "a\\b", "line\nbreak", ""])
def test_a_patch_id_that_is_no_file_name_is_refused(tmp_path: Path, name: str) -> None:
    contents = small_package(tmp_path, "sites")
    contents.table.loc[3, "patch_id"] = name
    with pytest.raises(ValueError, match="cannot be the name of a file"):
        descriptions.write_descriptions(tmp_path, contents)


def test_unknown_terms_are_other_and_lead_to_the_card(tmp_path: Path) -> None:
    labels = Credit("Labels", "polygons of Ana, under the terms of their authors.", "", "", "")
    descriptions.write_descriptions(tmp_path, small_package(tmp_path, "smallmines", credits=(labels,)))
    collection = collection_of(tmp_path)
    assert collection.license == "other"
    assert collection.get_links("license")[0].href == "../README.md"
    assert collection.validate_all() == 10
