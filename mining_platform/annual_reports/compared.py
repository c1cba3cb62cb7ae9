"""The section of an annual report that lays its detections beside those of other systems."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import geopandas as gpd
import pandas as pd

from mining_platform.annual_reports.contents import ComparedSystem, Contents
from mining_platform.comparisons.agreement_maps import BOTH, NO_DATA, ONLY_OURS, ONLY_THEIRS
from mining_platform.comparisons.figures import agreement_picture
from mining_platform.comparisons.rows import TABLE

LARGEST = 5
"""Places of each side that a page lists by region and system; the downloads hold all."""
TABLE_COLUMNS = ("region", "system", "year")
"""What leads a row of the downloads."""
PLACES_COLUMNS = ("place_id", *TABLE_COLUMNS, "area_ha", "is_whole_place", "simulated")
KEYS: Mapping[int, str] = {BOTH: "both", ONLY_OURS: "only_ours", ONLY_THEIRS: "only_theirs", NO_DATA: "no_data"}
"""Value of a map of agreement -> key of its words."""


def compared_section(contents: Contents, words: Mapping[str, str]) -> dict[str, Any]:
    """What the template shows, in one language: a row and a picture by region and system, and what was not compared."""
    names = {region.id: region.name for region in contents.regions}
    return {
        "systems": [_system(each, names[each.region], words) for each in contents.compared],
        "not_compared": [
            words[f"not_compared_{reason}"].format(system=name, region=names[region])
            for region, name, reason in contents.not_compared
        ],
    }


def _system(each: ComparedSystem, region: str, words: Mapping[str, str]) -> dict[str, Any]:
    row = each.row
    legend = {value: words[key] for value, key in KEYS.items()}
    title = f"{row['name']} · {region}"
    axes = (words["km_east"], words["km_north"])
    picture = agreement_picture(each.agreement, title=title, simulated=bool(row["simulated"]), words=legend, axes=axes)
    return {
        **row,
        "region": region,
        "picture": base64.b64encode(picture).decode(),
        "missed": [("only_ours", _largest(each.only_ours)), ("only_theirs", _largest(each.only_theirs))],
    }


def _largest(table: gpd.GeoDataFrame) -> list[dict[str, Any]]:
    """The largest places of which the other side finds nothing."""
    whole = table[table["is_whole_place"]].sort_values(["area_ha", "place_id"], ascending=[False, True]).head(LARGEST)
    inside = whole.geometry.representative_point()
    return [
        {"place_id": row.place_id, "area_ha": row.area_ha, "lon": point.x, "lat": point.y}
        for row, point in zip(whole.itertuples(), inside, strict=True)
    ]


def compared_table(contents: Contents) -> pd.DataFrame:
    """A row a region and system: TABLE_COLUMNS, and the columns of `comparisons.rows.TABLE` but the id."""
    rows = [
        {"region": each.region, "system": each.row["id"], "year": contents.year, **{name: each.row[name] for name in TABLE}}
        for each in contents.compared
    ]
    return pd.DataFrame(rows).drop(columns="id")


def missed_places(contents: Contents, side: str) -> gpd.GeoDataFrame:
    """Places that only one side (`only_ours`, `only_theirs`) finds: PLACES_COLUMNS and geometry, by region, system and id.

    `place_id` is led by the system's id, so that it names one row.
    """
    parts: Sequence[gpd.GeoDataFrame] = [
        getattr(each, side).assign(region=each.region, system=each.row["id"], year=contents.year) for each in contents.compared
    ]
    table = gpd.GeoDataFrame(pd.concat(parts, ignore_index=True), crs=4326)
    table["place_id"] = table["system"] + "_" + table["place_id"]
    return table.sort_values(["region", "place_id"], ignore_index=True)[[*PLACES_COLUMNS, "geometry"]]
