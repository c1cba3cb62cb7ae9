"""The static STAC catalogues of radar and heights, written beside their rasters."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mining_platform.simulation.stac_documents import catalog_document, collection_document, write_json
from mining_platform.sources.listed_files import multihash

PROJECTION = "https://stac-extensions.github.io/projection/v1.1.0/schema.json"
RASTER = "https://stac-extensions.github.io/raster/v1.1.0/schema.json"
FILE = "https://stac-extensions.github.io/file/v2.1.0/schema.json"


def file_fields(path: Path) -> dict[str, Any]:
    """Relative href, size and checksum of an asset that lies beside its item."""
    return {"href": f"./{path.name}", "file:size": path.stat().st_size, "file:checksum": multihash(path)}


def write_item(folder: Path, document: dict[str, Any]) -> dict[str, Any]:
    """Write an item into its folder, named after its id, and return it."""
    write_json(folder / f"{document['id']}.json", document)
    return document


def write_catalog(folder: Path, collection: str, items: Sequence[Mapping[str, Any]], *, title: str, licence: str) -> None:
    """Write `catalog.json` and `<collection>/collection.json` over items that are there."""
    told = {"title": f"SIMULATED {title}", "description": f"SIMULATED {title}; no real ground is shown."}
    above = catalog_document(f"mining-platform-simulated-{collection}", collection, **told)
    keywords = ["simulated", collection]
    of_items = collection_document(collection, items, license=licence, keywords=keywords, **told)
    write_json(folder / collection / "collection.json", of_items)
    write_json(folder / "catalog.json", above)
