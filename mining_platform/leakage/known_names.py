"""What the names of patches tell in published layouts, for tables that have no columns for it."""

from collections.abc import Mapping
from types import MappingProxyType

from mining_platform.footprints import is_in_metres, window_footprints
from mining_platform.patch_tables import PatchTable

OURS = "<window_id>_<year>"
KNOWN_NAMES: Mapping[str, str] = MappingProxyType(
    {
        OURS: r"^(?P<place>\d{4,6}_-?\d+_-?\d+_[1-9]\d*)_(?P<year>\d{4})$",
        "SmallMinesDS": r"^(?:IMG|MASK)_(?:GH_)?(?P<place>\d+)_(?P<year>\d{4})(?:\.tif)?$",
    }
)
"""Patterns of patch names by layout. In SmallMinesDS one tile number is the same ground in both years, with or without `GH`."""


def with_known_names(table: PatchTable) -> tuple[PatchTable, str]:
    """The table with the places and years that its patch names tell, and in words what was done; "" where nothing was.

    Nothing is done where years are known already or a name is of no known form. Ground is added where the places are window
    ids and there is none.
    """
    if "year" in table.rows:
        return table, ""
    for layout, pattern in KNOWN_NAMES.items():
        told = table.rows["patch_id"].str.extract(pattern)
        if told["place"].isna().any():
            continue
        rows = table.rows.assign(place=table.rows.get("place", told["place"]), year=told["year"].astype("int64"))
        grounds = table.footprints
        if (
            grounds is None
            and layout == OURS
            and all(is_in_metres(int(code)) for code in told["place"].str.split("_").str[0].unique())
        ):
            grounds = window_footprints(told["place"].tolist())
        known = {"place", "year", *([] if grounds is None else ["footprints"])}
        missing = {name: why for name, why in table.missing.items() if name not in known}
        return PatchTable(rows, grounds, MappingProxyType(missing)), f"places and years are those in the names ({layout})"
    return table, ""
