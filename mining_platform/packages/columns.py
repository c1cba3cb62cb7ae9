"""TABLE of the columns of all tables of all packages: type, unit, meaning, limits; the data dictionary comes from it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mining_platform.manifests import SPLITS
from mining_platform.negatives import NEGATIVES
from mining_platform.ranges import RANGES
from mining_platform.reviews.decisions import DECISIONS


@dataclass(frozen=True)
class Column:
    """What a column holds, whichever table it stands in; an empty cell is a missing value."""

    type: str
    """Field type of Frictionless Table Schema: `string`, `integer`, `number`, `boolean`, `geojson`."""
    unit: str
    """`m`, `m2`, `degree`, `px`, `share` (0 to 1), `per cent`, or empty."""
    description: str
    constraints: Mapping[str, Any] = field(default_factory=dict)
    """Constraints of Frictionless Table Schema."""


_REQUIRED = {"required": True}
_COUNT = {"minimum": 0}
_SHARE = {"minimum": 0, "maximum": 1}


def _text(description: str, **constraints: Any) -> Column:
    return Column("string", "", description, constraints)


def _count(unit: str, description: str) -> Column:
    return Column("integer", unit, description, {**_REQUIRED, **_COUNT})


def _share(description: str) -> Column:
    return Column("number", "share", description, _SHARE)


def _degrees(description: str, limit: int) -> Column:
    return Column("number", "degree", description, {**_REQUIRED, "minimum": -limit, "maximum": limit})


def _metres(description: str) -> Column:
    return Column("integer", "m", description, _REQUIRED)


_PLACES = {
    "patch_id": _text("Name of the patch: its window and year, or its window and scene.", required=True, unique=True),
    "window_id": _text(
        "Place of the patch: EPSG code, left and upper edge in tens of metres, pixels a side; the same in every year.",
        required=True,
        pattern=r"^\d{4,6}_-?\d+_-?\d+_\d+$",
    ),
    "region": _text("Study region.", required=True, pattern="^[a-z0-9-]{1,64}$"),
    "country": _text("Country of the region, ISO 3166-1 alpha-2.", required=True, pattern="^[A-Z]{2}$"),
    "year": Column("integer", "", "Year of image and label.", {**_REQUIRED, "minimum": 1900, "maximum": 2200}),
    "epsg": Column("integer", "", "EPSG code of the patch's grid.", _REQUIRED),
    "minx": _metres("Left edge in the CRS `epsg`."),
    "miny": _metres("Lower edge in the CRS `epsg`."),
    "maxx": _metres("Right edge in the CRS `epsg`."),
    "maxy": _metres("Upper edge in the CRS `epsg`."),
    "x0": Column("number", "m", "Left edge of the patch's pixels in the CRS `epsg`.", _REQUIRED),
    "y0": Column("number", "m", "Upper edge of the patch's pixels in the CRS `epsg`.", _REQUIRED),
    "pixel_m": Column("integer", "m", "Ground size of a pixel.", {**_REQUIRED, "minimum": 1}),
    "lon": _degrees("Longitude of the centre, EPSG:4326.", 180),
    "lat": _degrees("Latitude of the centre, EPSG:4326.", 90),
    "west": _degrees("Least longitude of the footprint, EPSG:4326.", 180),
    "south": _degrees("Least latitude of the footprint, EPSG:4326.", 90),
    "east": _degrees("Greatest longitude of the footprint, EPSG:4326.", 180),
    "north": _degrees("Greatest latitude of the footprint, EPSG:4326.", 90),
    "geometry": Column("geojson", "degree", "Footprint, EPSG:4326; in the GeoParquet file only."),
}
_LABELS = {
    "share": _share("Exact area share of mining in the valid ground of the patch, by the land-cover map."),
    "share_nn": _share("Share of mining among the patch's pixels that are mining or other, resampled nearest."),
    "range": _text(
        "Range of `share` in per cent: exactly 0, then left-open and right-closed; the reviewer's where `review` is `relabel`; "
        "empty where no map tells.",
        enum=list(RANGES),
    ),
    "is_mining": Column("boolean", "", "Whether there is mining in the patch.", _REQUIRED),
    "negative": _text("Rule by which a patch without mining was drawn; empty where there is mining.", enum=list(NEGATIVES)),
    "point_id": _text("Point that the patch is centred on; empty where there is none."),
    "mining_distance_m": Column(
        "number", "m", "Distance to the nearest footprint with mining in the region; missing where there is none.", _COUNT
    ),
    "dominant_class": _count("", "Code of the most frequent class but mining in the patch; 0 for none."),
    "dominant_share": _share("Area share of `dominant_class` in the patch."),
    "around_class": _count("", "Code of the most frequent class but mining in the 8 windows around; 0 for none."),
    "around_share": _share("Area share of `around_class` in the 8 windows around."),
    "class_px": _count("px", "Pixels of mining of the land-cover map's own grid, centre in the patch."),
    "valid_px": _count("px", "Pixels with a class of the land-cover map's own grid, centre in the patch."),
    "class_area_m2": Column("number", "m2", "Ellipsoidal area of mining.", {**_REQUIRED, **_COUNT}),
    "valid_area_m2": Column("number", "m2", "Ellipsoidal area of ground with a class.", {**_REQUIRED, **_COUNT}),
    "valid_share": _share("Area share of ground with a class in the patch."),
    "label_collection": _text("Collection of the land-cover map; `none` without a map.", required=True),
    "recipe": _text("Rule by which classes count as mining.", required=True),
}
_IMAGES = {
    "profile": _text("Channels of the patch store that the images come from.", required=True),
    "masked_share": Column("number", "share", "Share of pixels without a clear observation.", {**_REQUIRED, **_SHARE}),
    "clear_min": Column("number", "", "Least number of clear observations of a pixel.", {**_REQUIRED, **_COUNT}),
    "clear_median": Column("number", "", "Median number of clear observations of the pixels.", {**_REQUIRED, **_COUNT}),
    "acquired": _text("Moment of the scene, UTC, where the patch is of one scene; empty for a mosaic of a year."),
    "scene_count": _count("", "Scenes of the region's mosaic; 1 where the patch is of one scene."),
    "scene_ids": _text("Scenes whose footprint touches the patch, sorted, joined by blanks; or the scene that it is of."),
    "store_row": Column(
        "integer", "", "Row in the patch store that the package was cut from; -1 if dropped.", {**_REQUIRED, "minimum": -1}
    ),
}
_RELEASE = {
    "split": _text("Side of the split; `buffer` is on none.", required=True, enum=list(SPLITS)),
    "dropped": Column("boolean", "", "Whether the patch was left out.", _REQUIRED),
    "drop_reason": _text("Why the patch was left out; empty if it was not."),
    "simulated": Column(
        "boolean", "", "Whether the patch rests on SIMULATED data, which says nothing of a real place.", _REQUIRED
    ),
    "review": _text("Decision of a person who looked at the patch; empty where nobody did.", enum=list(DECISIONS)),
    "reviewer": _text("Who decided."),
    "review_reason": _text("Why, in the reviewer's words."),
}
_FILES = {
    "image_path": _text("Path of the image in the package.", required=True),
    "label_path": _text("Path of the label in the package.", required=True),
    "bands_path": _text("Path of the stack of all channels in the package.", required=True),
    "rgb_path": _text("Path of the true-colour picture in the package.", required=True),
    "tile": _text("Number of the ground, the same in every year.", required=True, pattern=r"^\d{4,}$"),
    "site": _text("Folder of patches that the split took to one side as a whole.", required=True),
    "index": _count("", "Number of the patch within its split and site, from 0."),
}
_OTHER_TABLES = {
    "wanted": _count("", "Patches wanted of the range and negative rule."),
    "found": _count("", "Eligible windows found."),
    "taken": _count("", "Windows taken."),
    "short": Column("integer", "", "Windows that are lacking: wanted less taken.", _REQUIRED),
    "patch_name": _text("File name of the patch's image without its suffix.", required=True, unique=True),
    "class_percentage": Column(
        "number", "per cent", "Mining among the pixels of the mask that have a class.", {"minimum": 0, "maximum": 100}
    ),
    "bin": _text("Range of the patch's mining share in per cent; empty where no map tells.", enum=list(RANGES)),
    "original": _text("Name of the file before it was numbered: the patch_id with a suffix.", required=True),
    "new": _text("Name of the numbered file.", required=True),
}

COLUMNS: dict[str, Column] = {**_PLACES, **_LABELS, **_IMAGES, **_RELEASE, **_FILES, **_OTHER_TABLES}
"""Every column of manifests.PATCH_TABLE, of the layouts and of the tables beside the manifest, by name."""


def column(name: str) -> Column:
    """The row of a column; KeyError with the remedy for one that is not described."""
    try:
        return COLUMNS[name]
    except KeyError:
        raise KeyError(
            f"The column {name!r} has no description, so a package cannot hold it. "
            "Add a row to COLUMNS in mining_platform/packages/columns.py."
        ) from None


def data_dictionary(names: Iterable[str]) -> str:
    """Markdown table of columns in the order given; KeyError as `column`."""
    lines = ["| column | type | unit | meaning | values |", "| --- | --- | --- | --- | --- |"]
    for name in names:
        row = column(name)
        cells = (f"`{name}`", row.type, row.unit, row.description, _values(row.constraints))
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def _values(constraints: Mapping[str, Any]) -> str:
    """Constraints as people read them: `0 to 1, never empty`."""
    low, high = constraints.get("minimum"), constraints.get("maximum")
    parts = [
        ", ".join(f"`{value}`" for value in constraints.get("enum", ())),
        f"`{constraints['pattern']}`" if "pattern" in constraints else "",
        f"{low} to {high}" if high is not None else f"at least {low}" if low is not None else "",
        "each once" if constraints.get("unique") else "",
        "never empty" if constraints.get("required") else "",
    ]
    return "; ".join(part for part in parts if part)
