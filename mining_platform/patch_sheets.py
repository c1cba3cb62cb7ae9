"""Sheets of patches in named rows, each patch with the outline of what its label calls mining."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mining_platform import bands, figures
from mining_platform.patch_conventions import CLOUD, LABEL_VALUES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TILE_PX = 128  # a patch is drawn at least so large, a pixel as a whole number of the sheet's, or every n-th pixel of a larger one
NAME_PX, GAP_PX, COLUMN_GAP_PX, EMPTY_PX, LINE_PX = 84, 6, 18, 24, 22
LETTER_PX = 11  # width of a wide letter of the title
OUTLINE = "#00e5ff"  # cyan stands apart from forest, bare ground and tailings, whose hues lie opposite
CLOUD_OUTLINE = "#ffab00"


@dataclass(frozen=True)
class SheetRow:
    """One row of a sheet."""

    name: str
    images: NDArray[np.uint8]
    """(n, y, x, 3) true colour."""
    labels: NDArray[np.uint8]
    """(n, y, x): what is 1 is outlined."""
    notes: Sequence[str]
    """A few characters on each picture."""


@dataclass(frozen=True)
class _Place:
    """Where a row lies on the canvas, in pixels from its upper left corner."""

    left: int
    top: int


def true_colour(image: NDArray[np.uint16], channels: Sequence[str]) -> NDArray[np.uint8]:
    """(band, y, x) stored numbers -> (y, x, 3) uint8: `figures.rgb_uint8` of reflectance, or a picture's own colours.

    KeyError where red, green or blue is missing.
    """
    names = [bands.band_of_role(role, tuple(channels)) for role in figures.RGB_ROLES]
    if bands.band(names[0]).unit == "display":
        shown = image[[list(channels).index(name) for name in names]].clip(0, 255).astype(np.uint8)
        return np.ascontiguousarray(shown.transpose(1, 2, 0))
    return figures.rgb_uint8(image, tuple(channels))


def patch_sheet(rows: Sequence[SheetRow], title: str, *, across: int, columns: int, simulated: bool) -> bytes:
    """PNG of rows of at most `across` patches, in `columns` of rows side by side; a row without patches says so in words.

    All patches have one size. Patches keep their pixels, drawn larger where they are small.
    """
    px = next((row.images.shape[1] for row in rows if len(row.images)), TILE_PX)
    side = _scaled(np.zeros((px, px), np.uint8)).shape[0]
    column = NAME_PX + across * (side + GAP_PX) + COLUMN_GAP_PX
    width = columns * column - COLUMN_GAP_PX + GAP_PX
    head = textwrap.wrap(figures.mark_title(title, simulated=simulated), int(width / LETTER_PX))
    places, height = _places(rows, per_column=-(-len(rows) // columns), side=side, column=column, top=(len(head) + 1) * LINE_PX)
    canvas = np.full((height, width, 3), 255, np.uint8)
    for row, place in zip(rows, places, strict=True):
        for number, image in enumerate(row.images):
            left = place.left + NAME_PX + number * (side + GAP_PX)
            canvas[place.top : place.top + side, left : left + side] = _scaled(image)
    with figures.styled():
        figure = figures.new_figure(width / figures.FIGURE_DPI, height / figures.FIGURE_DPI)
        figure.set_layout_engine("none")
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.imshow(canvas, interpolation="none", extent=(0, width, height, 0))
        axes.set(xlim=(0, width), ylim=(height, 0))
        clouds = any((row.labels == CLOUD).any() for row in rows)
        _head(axes, head, figures.SIMULATED_INK if simulated else figures.INK, clouds=clouds)
        for row, place in zip(rows, places, strict=True):
            _draw_row(axes, row, place, side)
        return figures.figure_png(figure)


def _scaled(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pixels (y, x, ...) enlarged a whole number of times to TILE_PX or somewhat more, or every n-th where there are more."""
    px = pixels.shape[0]
    if px > TILE_PX:
        step = px // TILE_PX
        return pixels[::step, ::step]
    times = -(-TILE_PX // px)
    return pixels.repeat(times, 0).repeat(times, 1)


def _places(rows: Sequence[SheetRow], *, per_column: int, side: int, column: int, top: int) -> tuple[list[_Place], int]:
    """Place of each row, the first rows in the first column, and the height of the sheet."""
    places, ends = [], [top + GAP_PX]
    for number, row in enumerate(rows):
        begins = ends[-1] if number % per_column else top + GAP_PX
        places.append(_Place(GAP_PX + number // per_column * column, begins))
        ends.append(begins + _height(row, side) + GAP_PX)
    return places, max(ends)


def _height(row: SheetRow, side: int) -> int:
    return side if len(row.images) else EMPTY_PX


def _head(axes: "Axes", title: Sequence[str], colour: str, *, clouds: bool) -> None:
    """Lines of the title, and what the marks on the patches mean."""
    for number, line in enumerate(title):
        middle = (number + 0.7) * LINE_PX
        axes.text(GAP_PX, middle, line, fontsize=10.5, fontweight="bold", color=colour, va="center")
    seen = " that is no cloud; amber line: cloud" if clouds else ""
    note = f"Line: what the label calls mining. Number: mining share of the area{seen}."
    axes.text(GAP_PX, (len(title) + 0.7) * LINE_PX, note, fontsize=8, color=figures.MUTED, va="center")


def _draw_row(axes: "Axes", row: SheetRow, place: _Place, side: int) -> None:
    """Name, notes and outlines of a row."""
    from matplotlib.collections import LineCollection
    from matplotlib.patheffects import withStroke

    middle = place.top + _height(row, side) / 2
    colour = figures.INK if len(row.images) else figures.MUTED
    axes.text(place.left, middle, row.name, fontsize=8.5, fontweight="bold", color=colour, va="center")
    if not len(row.images):
        axes.text(place.left + NAME_PX, middle, "no patches", fontsize=8.5, color=figures.MUTED, va="center")
    for number, (label, note) in enumerate(zip(row.labels, row.notes, strict=True)):
        left = place.left + NAME_PX + number * (side + GAP_PX)
        for inside, line in ((label == CLOUD, CLOUD_OUTLINE), (label == LABEL_VALUES["mining"], OUTLINE)):
            edges = outline(inside) * (side / label.shape[0]) + (left, place.top)
            axes.add_collection(LineCollection(list(edges), colors=line, linewidths=0.7, capstyle="projecting"))
        stroke = [withStroke(linewidth=2, foreground="#00000099")]
        axes.text(left + 5, place.top + side - 9, note, fontsize=7, color="white", va="center", path_effects=stroke)


def outline(inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Pixel edges between inside and outside as segments (n, 2, 2) of (x, y) in pixels; the border of the image is no edge."""
    y, x = np.nonzero(inside[:, 1:] != inside[:, :-1])
    upright = np.stack([np.stack([x + 1, y], -1), np.stack([x + 1, y + 1], -1)], 1)
    y, x = np.nonzero(inside[1:] != inside[:-1])
    level = np.stack([np.stack([x, y + 1], -1), np.stack([x + 1, y + 1], -1)], 1)
    return np.concatenate([upright, level]).astype(np.float64)
