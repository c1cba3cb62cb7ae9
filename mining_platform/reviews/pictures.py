"""Pictures of stored patches for people to judge: true colour, and the outline of the mining pixels of the label."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mining_platform import bands, figures, patches
from mining_platform.patch_conventions import LABEL_VALUES
from mining_platform.patch_sheets import true_colour

JPEG_QUALITY = 88
OUTLINE_INK, OUTLINE_HALO = "#ff2bd6", "#ffffff"  # told apart from forest, water, bare soil and tailings


def picture_png(store: Path, row: int) -> bytes:
    """True colour of a stored patch as PNG bytes, one picture pixel a pixel; ArrayError where the store is damaged."""
    return figures.pixels_png(_pixels(store, row))


def picture_jpeg(store: Path, row: int) -> bytes:
    """True colour of a stored patch as JPEG bytes, about a fifth of the PNG; raises as `picture_png`."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(_pixels(store, row)).save(buffer, format="JPEG", quality=JPEG_QUALITY, subsampling=0)
    return buffer.getvalue()


def _pixels(store: Path, row: int) -> NDArray[np.uint8]:
    available = tuple(patches.read_attributes(store)["channels"])
    colours = tuple(bands.band_of_role(role, available) for role in figures.RGB_ROLES)
    (image,) = patches.read_images(store, [row], colours)
    return true_colour(image, colours)


def outline_svg(store: Path, row: int) -> bytes:
    """The outline of a stored patch's mining pixels as an SVG picture of the patch's shape; empty where it has none."""
    (label,) = patches.read_labels(store, [row])
    drawn = outline_path(label == LABEL_VALUES["mining"])
    strokes = ((OUTLINE_HALO, 3, 0.55), (OUTLINE_INK, 1.5, 1))
    lines = "".join(
        f'<path d="{drawn}" fill="none" stroke="{ink}" stroke-width="{width}" stroke-opacity="{opacity}" '
        'stroke-linecap="square" vector-effect="non-scaling-stroke"/>'
        for ink, width, opacity in strokes
    )
    height, width = label.shape
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">{lines}</svg>'.encode()


def outline_path(mask: NDArray[np.bool_]) -> str:
    """SVG path along the edges of the pixels of a mask (y, x), in pixels from the upper left corner."""
    rows = np.diff(np.pad(mask, ((1, 1), (0, 0))).astype(np.int8), axis=0) != 0
    columns = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1) != 0
    across = [f"M{start} {y}h{length}" for y, start, length in _runs(rows)]
    down = [f"M{x} {start}v{length}" for x, start, length in _runs(columns.T)]
    return "".join(across + down)


def _runs(edges: NDArray[np.bool_]) -> list[tuple[int, int, int]]:
    """Runs of true cells in each row: (row, first column, length)."""
    turns = np.diff(np.pad(edges, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    line, start = np.nonzero(turns == 1)
    _, end = np.nonzero(turns == -1)
    return [(int(y), int(x0), int(x1 - x0)) for y, x0, x1 in zip(line, start, end, strict=True)]
