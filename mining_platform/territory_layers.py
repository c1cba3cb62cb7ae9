"""Territories that people name: a file of layers, each a file of polygons such as Indigenous territories or municipalities.

The file of layers is JSON, `territories.json` under the installation's home or the one named by `MINING_PLATFORM_TERRITORIES`:

    {"layers": [{"kind": "indigenous-territory", "href": "/maps/ti.gpkg", "id": "terrai_cod", "name": "terrai_nom",
                 "licence": "CC-BY-4.0", "credit": "FUNAI, 2024"}]}

Without it there are no territories.
"""

import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from mining_platform import homes
from mining_platform.region_fields import Fields
from mining_platform.regions import RegionError, expand
from mining_platform.sources.protocol import SourceError
from mining_platform.store.digests import file_digest
from mining_platform.territories import OUTSIDE
from mining_platform.vector_files import read_features

TERRITORIES_VARIABLE = "MINING_PLATFORM_TERRITORIES"
KIND = re.compile(r"[a-z][a-z0-9-]{0,63}")
COLUMNS = ("kind", "territory_id", "name")
NAMED = 5  # wrong territories that an error names


@dataclass(frozen=True)
class TerritoryLayer:
    """One file of territories of one kind."""

    kind: str
    """`[a-z][a-z0-9-]*`: `indigenous-territory`, `protected-area`, `municipality`, `country` or what people choose."""
    href: str
    """GeoJSON, GeoPackage, KML or KMZ of polygons; `${MINING_PLATFORM_...}` stands for that variable."""
    id: str
    """Property with a territory's identifier, used once in the layer."""
    name: str
    """Property with its name."""
    licence: str
    """SPDX identifier; empty where it is not known."""
    credit: str
    """Whom reports name; empty: the file."""
    simulated: bool


def territories_file() -> Path:
    """The file of layers, which need not be there."""
    named = os.environ.get(TERRITORIES_VARIABLE)
    return Path(named) if named else homes.platform_home() / "territories.json"


def territory_layers() -> tuple[TerritoryLayer, ...]:
    """The layers in the order of their file; none where there is no file. SourceError, naming layer, field and remedy."""
    path = territories_file()
    if not path.is_file():
        if TERRITORIES_VARIABLE in os.environ:
            raise SourceError(f"There is no file of territories {path}. Put it there, or unset {TERRITORIES_VARIABLE}.")
        return ()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return tuple(_layer(each, f"{path}, layer {number}") for number, each in enumerate(_layers_in(content)))
    except (OSError, ValueError, RecursionError) as error:
        raise SourceError(f"{error}" if isinstance(error, RegionError) else f"{path} is no file of layers ({error}).") from None


def _layers_in(content: Any) -> list[Any]:
    if not isinstance(content, dict) or not isinstance(content.get("layers"), list):
        raise ValueError('it has no list "layers"')
    return content["layers"]


def _layer(value: Any, where: str) -> TerritoryLayer:
    fields = Fields(value if isinstance(value, dict) else {}, where)
    kind = fields.text("kind")
    if not KIND.fullmatch(kind):
        raise fields.fail("kind", f"{kind!r} is no kind of territory", "Use a-z, 0-9 and '-', beginning with a letter.")
    told = {"id": fields.text("id"), "name": fields.text("name")}
    told |= {name: fields.text(name, default="") for name in ("licence", "credit")}
    layer = TerritoryLayer(kind, fields.href("href", with_year=False), **told, simulated=fields.flag("simulated"))
    fields.done()
    return layer


def layers_fingerprint() -> list[dict[str, Any]]:
    """What decides what the territories are: each layer's row and the blake3 of its file; SourceError where it is missing."""
    return [{**asdict(layer), "blake3": file_digest(_existing(layer))} for layer in territory_layers()]


def read_territories(layers: tuple[TerritoryLayer, ...]) -> gpd.GeoDataFrame:
    """All territories, in EPSG:4326: COLUMNS and geometry, sorted by kind and id; of a kind in several layers, those of all.

    SourceError, naming the file and the territories, for a file that cannot be read, properties that it lacks, ids that are
    empty, used twice or OUTSIDE, and shapes that are no valid polygons.
    """
    parts = [_read(layer) for layer in layers]
    if not parts:
        return gpd.GeoDataFrame({name: [] for name in COLUMNS}, geometry=[], crs=4326)
    table = gpd.GeoDataFrame(pd.concat(parts, ignore_index=True), crs=4326)
    twice = table.duplicated(["kind", "territory_id"], keep=False)
    if twice.any():
        shown = ", ".join(table.loc[twice, "territory_id"].unique()[:NAMED])
        raise SourceError(f"Territories of one kind have an id used twice: {shown}. Name another property as 'id'.")
    return table.sort_values(["kind", "territory_id"], ignore_index=True)


def _read(layer: TerritoryLayer) -> gpd.GeoDataFrame:
    path = _existing(layer)
    try:
        found = read_features(path)
    except (ValueError, OSError, RuntimeError) as error:
        raise SourceError(f"The territories of {path} cannot be read ({error}). Name a file of polygons.") from None
    if lacking := [name for name in (layer.id, layer.name) if name not in found.columns]:
        there = ", ".join(str(name) for name in found.columns if name != "geometry")
        raise SourceError(f"{path.name} has no property {', '.join(lacking)}; it has {there}. Mend the layer's id and name.")
    if not len(found) or found.crs is None:
        raise SourceError(f"{path.name} holds no territories with a CRS. Name a file of polygons.")
    ids = found[layer.id].astype("string").str.strip()
    shapes = found.geometry.to_crs(4326)
    _refuse(path, ids, (ids.isna() | (ids == "") | (ids == OUTSIDE)).to_numpy(bool), "have no id of their own")
    flat = shapes.geom_type.isin(["Polygon", "MultiPolygon"]) & shapes.is_valid & ~shapes.is_empty & ~shapes.isna()
    _refuse(path, ids, ~flat.to_numpy(bool), "are no valid polygons")
    names = found[layer.name].astype("string").fillna("").str.strip()
    told = {"kind": layer.kind, "territory_id": ids.astype(object), "name": names.astype(object)}
    return gpd.GeoDataFrame(told, geometry=shapely.force_2d(np.asarray(shapes, dtype=object)), crs=4326)


def _refuse(path: Path, ids: pd.Series, wrong: NDArray[np.bool_], problem: str) -> None:
    if wrong.any():
        shown = ", ".join(f"number {number} ({ids.iloc[number]})" for number in np.flatnonzero(wrong)[:NAMED])
        raise SourceError(f"{path.name}: {int(wrong.sum())} territories {problem}: {shown}. Mend the file.")


def _existing(layer: TerritoryLayer) -> Path:
    path = Path(expand(layer.href))
    if not path.is_file():
        raise SourceError(f"There is no file of territories {path}. Put it there, or mend {territories_file()}.")
    return path
