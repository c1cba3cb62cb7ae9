"""The table of candidate windows, whichever way they are found: its columns, their places, and who gives way to whom."""

from collections.abc import Sequence

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from pyproj import Transformer

from mining_platform.footprints import close_pairs, window_footprints
from mining_platform.orders import window_order

OVERLAPS_HIGHER = "overlaps a window of a higher range"
OVERLAPS_EQUAL = "overlaps a window of its own range that comes first"

CANDIDATE_TYPES = {
    "window_id": "str",
    "region": "str",
    "year": "int64",
    "epsg": "int64",
    "px": "int64",
    **dict.fromkeys(("minx", "miny", "maxx", "maxy"), "int64"),
    **dict.fromkeys(("lon", "lat", "share", "share_nn"), "float64"),
    "range": "str",
    "is_mining": "bool",
    "negative": "str",
    "point_id": "str",
    "mining_distance_m": "float64",
    "dominant_class": "int64",
    "dominant_share": "float64",
    "around_class": "int64",
    "around_share": "float64",
    **dict.fromkeys(("class_area_m2", "valid_area_m2"), "float64"),
    **dict.fromkeys(("class_px", "valid_px"), "int64"),
    "valid_share": "float64",
    "eligible": "bool",
    "reason": "str",
    "order": "uint64",
}
CANDIDATE_COLUMNS = (*CANDIDATE_TYPES, "geometry")
"""Columns of candidates and samples.

minx to maxy in metres of `epsg`, lon and lat the centre in degrees, geometry in EPSG:4326. share: exact area share of mining,
share_nn: that of 10 m pixels; range: "" where no map tells. negative: recipe of a window without mining, else "". point_id: the
point that a window is centred on, else "". mining_distance_m: from the footprint to the nearest with mining of the region,
NaN where there is none. dominant and around: the most frequent class but mining in the window, and in the 8 around it (0: none),
and its share. reason: why a window is not eligible. order: place in the hash order.
"""


def window_polygons(windows: pd.DataFrame, epsg: int) -> NDArray[np.object_]:
    """Windows (minx to maxy in metres) as polygons in EPSG:4326: (n,) shapely."""
    boxes = window_boxes(windows)
    lon, lat = Transformer.from_crs(epsg, 4326, always_xy=True).transform(*shapely.get_coordinates(boxes).T)
    return np.asarray(shapely.set_coordinates(boxes, np.column_stack([lon, lat])), dtype=object)


def window_boxes(windows: pd.DataFrame) -> NDArray[np.object_]:
    """Windows as boxes in metres of their CRS: (n,) shapely."""
    minx, miny, maxx, maxy = (windows[name].to_numpy(dtype=float) for name in ("minx", "miny", "maxx", "maxy"))
    return np.asarray(shapely.box(minx, miny, maxx, maxy), dtype=object)


def candidate_table(windows: pd.DataFrame, *, region_id: str, year: int, epsg: int, px: int, seed: int) -> gpd.GeoDataFrame:
    """The windows with all CANDIDATE_COLUMNS, typed and sorted by window_id.

    `windows` lacks region, year, epsg, px, order, lon, lat, geometry and eligible, which is where `reason` is empty.
    """
    transformer = Transformer.from_crs(epsg, 4326, always_xy=True)
    lon, lat = transformer.transform((windows["minx"] + windows["maxx"]) / 2, (windows["miny"] + windows["maxy"]) / 2)
    table = windows.assign(
        region=region_id,
        year=year,
        epsg=epsg,
        px=px,
        lon=np.asarray(lon),
        lat=np.asarray(lat),
        order=window_order(windows["window_id"], seed),
        eligible=(windows["reason"] == "").to_numpy(),
    )
    typed = table[list(CANDIDATE_TYPES)].astype(CANDIDATE_TYPES)
    return gpd.GeoDataFrame(typed, geometry=window_polygons(windows, epsg), crs=4326).sort_values("window_id", ignore_index=True)


def thinned(
    table: gpd.GeoDataFrame,
    priority: Sequence[int] | NDArray[np.integer],
    reasons: tuple[str, str] = (OVERLAPS_HIGHER, OVERLAPS_EQUAL),
) -> gpd.GeoDataFrame:
    """The table with eligible windows that overlap an eligible one before them made ineligible, with the reason.

    Before comes who has the higher priority (a number a row), then the lower order, then the lower id. It looks at no quota,
    so a smaller sample is always a part of a larger one. `reasons` say that a window before has a higher priority, or the same.
    """
    rows = pd.DataFrame({"priority": -np.asarray(priority), "order": table["order"], "window_id": table["window_id"]})
    rows = rows[table["eligible"].to_numpy()].sort_values(["priority", "order", "window_id"])
    pairs = close_pairs(window_footprints(rows["window_id"].tolist()), 0)
    before: dict[int, list[int]] = {}
    for first, second in zip(pairs["a"].tolist(), pairs["b"].tolist(), strict=True):
        before.setdefault(second, []).append(first)
    rank, reason = rows["priority"].to_numpy(), np.full(len(rows), "", dtype=object)
    for place in sorted(before):
        in_the_way = [other for other in before[place] if not reason[other]]
        if in_the_way:
            reason[place] = reasons[not any(rank[other] < rank[place] for other in in_the_way)]
    told = table["reason"].copy()
    told.loc[rows.index[reason != ""]] = reason[reason != ""]
    return table.assign(reason=told, eligible=(told == "").to_numpy())
