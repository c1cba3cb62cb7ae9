"""A static STAC catalogue of one collection: `catalog.json`, the collection's folder, and in it a folder an item."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from mining_platform.simulation.catalog import CREATED, rounded, write_json
from mining_platform.sources.listed_files import multihash

PROJECTION = "https://stac-extensions.github.io/projection/v1.1.0/schema.json"
RASTER = "https://stac-extensions.github.io/raster/v1.1.0/schema.json"
FILE = "https://stac-extensions.github.io/file/v2.1.0/schema.json"
COG = "image/tiff; application=geotiff; profile=cloud-optimized"


def file_fields(path: Path) -> dict[str, Any]:
    """Relative href, size and checksum of an asset that lies beside its item."""
    return {"href": f"./{path.name}", "file:size": path.stat().st_size, "file:checksum": multihash(path)}


def write_item(
    folder: Path,
    collection: str,
    outline: BaseGeometry,
    properties: Mapping[str, Any],
    assets: Mapping[str, Any],
    *,
    extensions: Sequence[str],
) -> dict[str, Any]:
    """Write the item named after its folder, with an outline in EPSG:4326 and relative links, and return it."""
    document = {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": list(extensions),
        "id": folder.name,
        "collection": collection,
        "bbox": [round(value, 7) for value in outline.bounds],
        "geometry": rounded(mapping(outline)),
        "properties": {
            "title": f"SIMULATED {folder.name}",
            "description": "Made by a computer; it shows no real ground.",
            "simulated": True,
            "created": CREATED,
            **properties,
        },
        "assets": dict(assets),
        "links": [
            {"rel": "root", "href": "../../catalog.json", "type": "application/json"},
            {"rel": "parent", "href": "../collection.json", "type": "application/json"},
            {"rel": "collection", "href": "../collection.json", "type": "application/json"},
        ],
    }
    write_json(folder / f"{folder.name}.json", document)
    return document


def write_catalog(folder: Path, collection: str, items: Sequence[Mapping[str, Any]], *, title: str, licence: str) -> None:
    """Write `catalog.json` and `<collection>/collection.json` over items that are there, in the order of their ids."""
    boxes = np.array([item["bbox"] for item in items])
    times = sorted(str(item["properties"]["datetime"]) for item in items)
    bbox = [*boxes[:, :2].min(axis=0).tolist(), *boxes[:, 2:].max(axis=0).tolist()]
    told = {"stac_version": "1.0.0", "simulated": True, "description": f"SIMULATED {title}; no real ground is shown."}
    children = [
        {"rel": "item", "href": f"./{each}/{each}.json", "type": "application/geo+json"}
        for each in sorted(i["id"] for i in items)
    ]
    write_json(
        folder / collection / "collection.json",
        told
        | {
            "type": "Collection",
            "id": collection,
            "title": f"SIMULATED {title}",
            "license": licence,
            "keywords": ["simulated", collection],
            "extent": {"spatial": {"bbox": [bbox]}, "temporal": {"interval": [[times[0], times[-1]]]}},
            "links": [
                {"rel": "root", "href": "../catalog.json", "type": "application/json"},
                {"rel": "parent", "href": "../catalog.json", "type": "application/json"},
                *children,
            ],
        },
    )
    write_json(
        folder / "catalog.json",
        told
        | {
            "type": "Catalog",
            "id": f"mining-platform-simulated-{collection}",
            "title": f"SIMULATED {title}",
            "links": [
                {"rel": "root", "href": "./catalog.json", "type": "application/json"},
                {"rel": "child", "href": f"./{collection}/collection.json", "type": "application/json"},
            ],
        },
    )
