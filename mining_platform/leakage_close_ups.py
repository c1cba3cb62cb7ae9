"""One leak close up: the pair, its neighbours, and the ground in common."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import NDArray

from mining_platform import figures
from mining_platform.footprints import Footprints, centres_m, reprojected
from mining_platform.leakage.sides import Sides
from mining_platform.splits.rules import SPLIT_ORDER

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEAK = "#e4000f"
"""Colour of leaks; no split has it."""
OTHER_SIDES = ("#5b8c5a", "#8172b3", "#64b5cd", "#937860", "#4c4c4c")  # of splits that are called otherwise
ZOOM_SIDES = 2.2  # the close-up reaches this many sides of a patch to each direction
FAR_SIDES = 8  # a pair farther apart than this many sides is not shown whole
KINDS_IN_WORDS: Mapping[str, str] = {
    "overlap": "overlapping ground",
    "same_place_other_year": "one place, two years",
    "same_scene": "one scene",
    "near_duplicate": "near-identical pictures",
    "same_site": "one site",
}


def side_colour(side: str, names: Sequence[str]) -> str:
    """Colour of a side among the names of all sides."""
    if side in SPLIT_ORDER:
        return figures.PALETTE[side]
    others = [name for name in names if name not in SPLIT_ORDER]
    return OTHER_SIDES[others.index(side) % len(OTHER_SIDES)]


def close_up(axis: "Axes", sides: Sides, grounds: Footprints, kind: str, pair: Mapping[str, Any]) -> None:
    """The pair and its neighbours as they are, in metres, with the ground in common hatched."""
    ends = [int(np.flatnonzero(sides.ids == pair[end])[0]) for end in ("a", "b")]
    epsg = int(grounds.epsg[ends[0]])
    first, second = (_outline_in(grounds, end, epsg) for end in ends)
    (west, south, east, north), size = first.bounds, float(np.sqrt(first.area))
    if first.distance(second) < FAR_SIDES * size:
        west, south, east, north = shapely.union(first, second).bounds
    x, y = (west + east) / 2, (south + north) / 2
    reach = max(ZOOM_SIDES * size, 0.62 * max(east - west, north - south) + 0.4 * size)
    for row in _near(sides, grounds, ends[0], 2 * reach):
        outline = _outline_in(grounds, row, epsg)
        _outline(axis, outline, facecolor=side_colour(sides.names[sides.split[row]], sides.names), edgecolor="white", alpha=0.35)
    for end, outline in zip(ends, (first, second), strict=True):
        side = sides.names[sides.split[end]]
        _outline(axis, outline, facecolor="none", edgecolor=side_colour(side, sides.names), linewidth=2.6, zorder=4)
    common = shapely.intersection(first, second)
    _outline(axis, common, facecolor="none", edgecolor=LEAK, hatch="////", linewidth=1.2, zorder=5)
    axis.set_xlim(x - reach, x + reach)
    axis.set_ylim(y - reach, y + reach)
    axis.set_aspect("equal")
    axis.set_anchor("N")
    axis.set_xticks([])
    axis.set_yticks([])
    axis.grid(visible=False)
    near = kind == "overlap" and not pair["overlap_m2"]
    axis.set_title(f"The worst leak: {'nearer than the buffer' if near else KINDS_IN_WORDS[kind]}", color=LEAK)
    axis.set_xlabel(_pair_in_words(pair), loc="left", fontsize=8)
    _scale_bar(axis, reach)


def _near(sides: Sides, grounds: Footprints, row: int, distance_m: float) -> NDArray[np.int64]:
    """Positions of the rows whose centres are within a distance of that of a row, one for each side of a place."""
    centres = centres_m(grounds)
    rows = np.flatnonzero(((centres - centres[row]) ** 2).sum(axis=1) < distance_m**2)
    _, first = np.unique(np.column_stack([sides.place, sides.split])[rows], axis=0, return_index=True)
    return rows[np.sort(first)]


def _outline_in(grounds: Footprints, row: int, epsg: int) -> Any:
    return reprojected(grounds.geometry[[row]], int(grounds.epsg[row]), epsg)[0]


def _outline(axis: "Axes", outline: Any, **look: Any) -> None:
    """The polygons of a geometry, with their holes; nothing for lines and points."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    for part in shapely.get_parts(outline):
        if shapely.get_type_id(part) == shapely.GeometryType.POLYGON and not part.is_empty:
            rings = [part.exterior, *part.interiors]
            axis.add_patch(PathPatch(Path.make_compound_path(*(Path(np.asarray(ring.coords)) for ring in rings)), **look))


def _pair_in_words(pair: Mapping[str, Any]) -> str:
    """Ids, sides and measures of a pair, in three lines."""
    lines = []
    for end in ("a", "b"):
        name = pair[end] if len(pair[end]) <= 34 else f"{pair[end][:16]}…{pair[end][-16:]}"  # noqa: PLR2004 - what a line holds
        year = "" if pair[f"year_{end}"] is None else f", {pair[f'year_{end}']}"
        lines.append(f"{name}: {pair[f'split_{end}']}{year}")
    measures = [f"{pair['overlap_m2']:,.0f} m² in common" if pair["overlap_m2"] else f"{pair['distance_m']:,.0f} m apart"]
    measures += [f"{name} {pair[name]}" for name in ("likeness", "shared") if name in pair]
    return "\n".join([*lines, ", ".join(measures)])


def _scale_bar(axis: "Axes", reach: float) -> None:
    """A bar of a round length, at most half as long as the picture is wide, in its lower left corner."""
    length = max(digit * 10.0**power for power in range(-1, 7) for digit in (1, 2, 5) if digit * 10.0**power <= reach)
    left, low = 0.04, 0.045
    share = length / (2 * reach)
    axis.plot(
        [left, left + share],
        [low, low],
        color=figures.INK,
        linewidth=3,
        solid_capstyle="butt",
        transform=axis.transAxes,
        zorder=6,
    )
    text = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"  # noqa: PLR2004 - metres in a kilometre
    box = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1.5}
    axis.text(left, low + 0.025, text, transform=axis.transAxes, ha="left", va="bottom", fontsize=8, bbox=box, zorder=6)
