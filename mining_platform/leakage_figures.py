"""A picture of an audit: where the sides lie, which places leak, and the worst leak close up."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import NDArray

from mining_platform import figures
from mining_platform.footprints import Footprints, centres_deg, subset
from mining_platform.leakage.audits import LeakageReport
from mining_platform.leakage.sides import LeakageError, Sides, sides_of
from mining_platform.leakage_close_ups import LEAK, close_up, side_colour
from mining_platform.patch_tables import PatchTable
from mining_platform.splits.rules import SPLIT_ORDER

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_MAPS = 6
MIN_SHOWN_SHARE = (0.004, 0.012)  # of a map's side: smaller patches are drawn larger, so that they can be seen; many, and few
MANY_LEAKS = 120  # more leaking rows on a map are dots and no rings
KM_PER_DEGREE = 111.32


def leakage_figure(table: PatchTable, report: LeakageReport, title: str, *, simulated: bool) -> bytes:
    """PNG: patches by side on a map of each region (of all where there are none or too many), leaking places in red.

    Beside them the worst leak close up, with a scale bar, where there is one. LeakageError for a table without coordinates.
    """
    sides = sides_of(table)
    grounds = sides.table.footprints
    if grounds is None:
        raise LeakageError(f"There is no map to draw: {table.missing['footprints']}.")
    leaking = np.isin(sides.places, report.leaking)[sides.place]
    areas = _areas(sides)
    worst = _worst(report)
    columns = min(len(areas), 3 if len(areas) > 4 else 2)  # noqa: PLR2004 - four maps are a square
    rows = -(-len(areas) // columns)
    width = 4.6 if len(areas) == 1 else 3.1 * columns
    with figures.styled():
        figure = figures.new_figure(
            width + (3.9 if worst else 0.6), max(3.4 * rows, 4.6 if worst or len(areas) == 1 else 0) + 0.9
        )
        colour = figures.SIMULATED_INK if simulated else figures.INK
        figure.suptitle(figures.mark_title(title, simulated=simulated), fontsize=12, fontweight="bold", color=colour)
        halves: Any = figure.subfigures(1, 2 if worst else 1, width_ratios=[width, 3.9] if worst else None, squeeze=False)[0]
        axes = halves[0].subplots(rows, columns, squeeze=False).ravel()
        for axis in axes[len(areas) :]:
            axis.set_axis_off()
        for axis, (name, chosen) in zip(axes, areas.items(), strict=False):
            _map(axis, sides, grounds, chosen, leaking, name)
        if worst:
            close_up(halves[1].subplots(), sides, grounds, *worst)
        _legend(figure, sides, report)
        return figures.figure_png(figure)


def _areas(sides: Sides) -> dict[str, NDArray[np.int64]]:
    """Positions of the rows of each map, by its title."""
    regions = sides.table.rows.get("region")
    names = [] if regions is None else sorted(set(regions))
    if not 1 < len(names) <= MAX_MAPS:
        return {"": np.arange(len(sides.split))}
    return {name or "no region": np.flatnonzero((regions == name).to_numpy()) for name in names}


def _worst(report: LeakageReport) -> tuple[str, Mapping[str, Any]] | None:
    """Kind and pair of the leak to show: the first kind that counts, in the report's order."""
    return next(((kind, each.worst[0]) for kind, each in report.findings.items() if each.counted and each.worst), None)


def _map(axis: "Axes", sides: Sides, grounds: Footprints, rows: NDArray[np.int64], leaking: NDArray[np.bool_], name: str) -> None:
    """Patches of an area by side, one square for each side of a place, and over them the leaking ones."""
    _, once = np.unique(np.column_stack([sides.place, sides.split])[rows], axis=0, return_index=True)
    shown = np.random.default_rng(0).permutation(rows[once])  # so that no side lies on top of the others
    colours = [side_colour(name, sides.names) for name in sides.names]
    _draw_squares(axis, subset(grounds, shown), [colours[code] for code in sides.split[shown]])
    x, y = _positions_km(subset(grounds, shown))[leaking[shown]].T
    if len(x) > MANY_LEAKS:
        axis.scatter(x, y, s=np.clip(3_000 / len(x), 0.7, 12), color=LEAK, linewidths=0, zorder=3)
    else:
        axis.scatter(x, y, s=52, facecolors="none", edgecolors=LEAK, linewidths=1.1, zorder=3)
    places = len(np.unique(sides.place[rows[leaking[rows]]]))
    words = f"{len(rows):,} patches, {places:,} places leak" if places else f"{len(rows):,} patches, no leak"
    axis.set_title(f"{name}\n{words}" if name else words, fontsize=9.5)
    axis.set_aspect("equal", anchor="N")
    axis.set_xlabel("km east")
    axis.set_ylabel("km north")


def _draw_squares(axis: "Axes", grounds: Footprints, colours: Sequence[str]) -> None:
    """Squares of the footprints' areas around their centres, none too small to be seen, and the limits of the map."""
    from matplotlib.collections import PolyCollection

    centres, side_km = _positions_km(grounds), np.sqrt(shapely.area(grounds.geometry)) / 1000
    span = max(float(np.ptp(centres, axis=0).max()), float(side_km.max()) * 3)
    half = np.maximum(side_km, np.clip(0.5 / np.sqrt(len(centres)), *MIN_SHOWN_SHARE) * span) / 2
    outlines = centres[:, None] + half[:, None, None] * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    axis.add_collection(PolyCollection(outlines, facecolors=list(colours), edgecolors="none", alpha=0.8))
    margin = half.max() + 0.02 * span
    axis.set_xlim(*_limits(centres[:, 0], span, margin))
    axis.set_ylim(*_limits(centres[:, 1], span, margin))


def _positions_km(grounds: Footprints) -> NDArray[np.float64]:
    """(n, 2) kilometres east and north of the lower left corner, as long as degrees are in the middle of the map."""
    lon, lat = centres_deg(grounds).T
    lon = np.where(lon - lon.min() > 180, lon - 360, lon)  # noqa: PLR2004 - the turn of the globe
    degrees = np.column_stack([(lon - lon.min()) * np.cos(np.radians(lat.mean())), lat - lat.min()])
    return degrees * KM_PER_DEGREE


def _limits(values: NDArray[np.float64], span: float, margin: float) -> tuple[float, float]:
    """Ends of an axis: as far as the values go, but no strip thinner than a third of the other axis."""
    middle, half = (values.max() + values.min()) / 2, max(np.ptp(values), span / 3) / 2
    return middle - half - margin, middle + half + margin


def _legend(figure: Any, sides: Sides, report: LeakageReport) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    order = sorted(sides.names, key=lambda name: (SPLIT_ORDER.index(name) if name in SPLIT_ORDER else len(SPLIT_ORDER), name))
    handles: list[Any] = [
        Patch(color=side_colour(name, sides.names), label=f"{name} ({report.by_split[name]:,})") for name in order
    ]
    if report.leaks:
        ring: Any = {
            "marker": "o",
            "markerfacecolor": LEAK if report.leaks > MANY_LEAKS else "none",
            "markeredgecolor": LEAK,
            "linestyle": "none",
        }
        handles.append(Line2D([], [], label=f"leak ({report.leaks:,} places)", **ring))
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 6))
