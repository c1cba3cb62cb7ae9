"""Documents of static STAC catalogues of one collection: `catalog.json`, the collection's folder, and in it a folder an item.

All of them say that they are simulated, their links are relative, and none tells when it was made.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

STAC_VERSION = "1.0.0"
CREATED = "2000-01-01T00:00:00Z"
"""Stands for the time of making, which is left out so that equal archives have equal bytes."""
COG = "image/tiff; application=geotiff; profile=cloud-optimized"
_JSON = "application/json"


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a document with sorted keys, so that equal content gives equal bytes."""
    path.write_text(json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def item_document(
    item_id: str,
    collection: str,
    outline: BaseGeometry,
    properties: Mapping[str, Any],
    assets: Mapping[str, Any],
    *,
    extensions: Sequence[str],
) -> dict[str, Any]:
    """An item with an outline in EPSG:4326; its title is its id unless the properties have one."""
    return {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": list(extensions),
        "id": item_id,
        "collection": collection,
        "bbox": [round(value, 7) for value in outline.bounds],
        "geometry": _rounded(mapping(outline)),
        "properties": {
            "title": f"SIMULATED {item_id}",
            "description": "Made by a computer; it shows no real ground.",
            "simulated": True,
            "created": CREATED,
            **properties,
        },
        "assets": dict(assets),
        "links": [
            {"rel": "root", "href": "../../catalog.json", "type": _JSON},
            {"rel": "parent", "href": "../collection.json", "type": _JSON},
            {"rel": "collection", "href": "../collection.json", "type": _JSON},
        ],
    }


def collection_document(collection: str, items: Sequence[Mapping[str, Any]], **told: Any) -> dict[str, Any]:
    """The collection of the items, in the order of their ids; `told` has title, description, license and keywords."""
    boxes = np.array([item["bbox"] for item in items])
    times = sorted(str(item["properties"]["datetime"]) for item in items)
    bbox = [*boxes[:, :2].min(axis=0).tolist(), *boxes[:, 2:].max(axis=0).tolist()]
    return {
        "type": "Collection",
        "stac_version": STAC_VERSION,
        "id": collection,
        "simulated": True,
        **told,
        "extent": {"spatial": {"bbox": [bbox]}, "temporal": {"interval": [[times[0], times[-1]]]}},
        "links": [
            {"rel": "root", "href": "../catalog.json", "type": _JSON},
            {"rel": "parent", "href": "../catalog.json", "type": _JSON},
            *(
                {"rel": "item", "href": f"./{each}/{each}.json", "type": "application/geo+json"}
                for each in sorted(item["id"] for item in items)
            ),
        ],
    }


def catalog_document(catalog_id: str, collection: str, **told: Any) -> dict[str, Any]:
    """The catalogue above a collection; `told` has title and description."""
    return {
        "type": "Catalog",
        "stac_version": STAC_VERSION,
        "id": catalog_id,
        "simulated": True,
        **told,
        "links": [
            {"rel": "root", "href": "./catalog.json", "type": _JSON},
            {"rel": "child", "href": f"./{collection}/collection.json", "type": _JSON},
        ],
    }


def _rounded(geometry: Mapping[str, Any]) -> dict[str, Any]:
    """GeoJSON geometry with coordinates of seven digits, a centimetre."""

    def walk(value: Any) -> Any:
        return round(value, 7) if isinstance(value, float) else [walk(part) for part in value]

    return {"type": geometry["type"], "coordinates": walk(geometry["coordinates"])}
