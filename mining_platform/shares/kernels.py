"""Tiles of a raster against a grid of windows, compiled: the loops of `strips.py`."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from mining_platform.shares.row_kernels import (
    GROUND,
    LINES,
    LOW_U,
    LOW_V,
    MIDDLE_U,
    MIDDLE_V,
    NO_ROW,
    TOP_U,
    TOP_V,
    V_MARGIN,
    add_centres,
    add_ground,
    edge_near,
    find_edges,
    put_line,
    row_of,
    value_at,
)

WHOLE, PART = 1, 2
"""Marks of a window: ground of wholly valid tiles lies in it, or may; some of it may have no class, or lie beyond the raster."""
ALL_VALID, NO_VALID, MIXED = 1, 2, 3
"""What a tile holds: valid ground alone; none; both."""
MASKED, LEFT_OUT = np.array([1, 0], np.uint8), np.array([0, 1], np.uint8)
LEFT, TOP, RIGHT, BOTTOM = 1, 2, 4, 8
ROW_KERNELS = "a6e545ba"  # blake2s of row_kernels.py, see there
STRAIGHT = 1e-8  # window units a tile: a line of pixels that leans less is upright
FEW_CODES = 8  # up to so many codes are looked for one by one, which is quicker than a table


@njit(cache=True, nogil=True)
def _holds(row: NDArray, code: int) -> bool:
    nearest = np.uint8(255)  # least of code ^ pixel, a form that is vectorised
    for c in range(row.size):
        nearest = min(nearest, np.uint8(row[c] ^ code))
    return nearest == 0


@njit(cache=True, nogil=True)
def _look(row: NDArray, lookup: NDArray, class_codes: NDArray, nodata_codes: NDArray) -> tuple[bool, int]:
    """Whether a row holds the classes, and how many of its pixels have no class."""
    by_code = class_codes.size <= FEW_CODES and nodata_codes.size <= FEW_CODES
    found, empty = not by_code, not by_code
    if by_code:
        for code in class_codes:
            found |= _holds(row, code)
        for code in nodata_codes:
            empty |= _holds(row, code)
    if by_code and not empty:
        return found, 0
    classes, without = 0, 0
    for c in range(row.size):
        kind = lookup[row[c]]
        classes |= kind & 1
        without += kind >> 1
    return classes != 0, without


@njit(cache=True, nogil=True)
def _put_mask(row: NDArray, codes: NDArray, lookup: NDArray, bit: int, inside: NDArray, out: NDArray) -> None:
    """`inside[0]` where a pixel is one of the codes, which are those whose kind has the bit; else `inside[1]`."""
    yes, no = inside
    if codes.size > FEW_CODES:
        for c in range(row.size):
            out[c] = yes if lookup[row[c]] & bit else no
        return
    out[: row.size] = no
    for code in codes:
        for c in range(row.size):
            out[c] = yes if row[c] == code else out[c]


@njit(cache=True, nogil=True)
def _mark(bounds: NDArray, mark: int, first_row: int, marks: NDArray) -> None:
    rows, columns = marks.shape
    j0, j1 = max(int(np.floor(bounds[0])), 0), min(int(np.floor(bounds[1])), columns - 1)
    i0, i1 = max(int(np.floor(bounds[2])) - first_row, 0), min(int(np.floor(bounds[3])) - first_row, rows - 1)
    for i in range(i0, i1 + 1):
        for j in range(j0, j1 + 1):
            marks[i, j] |= mark


@njit(cache=True, nogil=True)
def _mark_border(sides: int, u: NDArray, v: NDArray, bounds: NDArray, margin: float, first_row: int, marks: NDArray) -> None:
    """Mark the windows that a tile's sides on the raster's border touch: part of them may lie beyond it."""
    line = np.empty(4)
    for side in range(4):
        if not sides & (1 << side):
            continue
        upright, end = side % 2 == 0, float(side >> 1)
        low, high = np.inf, -np.inf
        for k in range(3):
            put_line(u if upright else v, k / 2 if upright else end, line)
            value = value_at(line, end if upright else k / 2)
            low, high = min(low, value), max(high, value)
        box = bounds.copy()
        first = 0 if upright else 2
        box[first], box[first + 1] = low - margin, high + margin
        _mark(box, PART, first_row, marks)


@njit(cache=True, nogil=True)
def _first_edges(u: NDArray, first: int, count: int, width: int, height: int) -> NDArray:
    """A guess at the edges of a tile's first row, near enough to walk from."""
    line = np.empty(4)
    put_line(u, 0.5 / height, line)
    start, end = value_at(line, 0.0), value_at(line, 1.0)
    edges = np.empty(count, np.int64)
    for k in range(count):
        guess = (first + k - start) / (end - start) * width
        edges[k] = int(min(max(guess, 0.0), float(width)))
    return edges


@njit(cache=True, nogil=True)
def _put_lines(r: int, height: int, u: NDArray, v: NDArray, area: NDArray, lines: NDArray) -> None:
    """The lines of row `r` of a tile."""
    put_line(u, (r + 0.5) / height, lines[MIDDLE_U])
    put_line(v, (r + 0.5) / height, lines[MIDDLE_V])
    put_line(u, r / height, lines[TOP_U])
    put_line(v, r / height, lines[TOP_V])
    put_line(u, (r + 1) / height, lines[LOW_U])
    put_line(v, (r + 1) / height, lines[LOW_V])
    put_line(area, (r + 0.5) / height, lines[GROUND])


@njit(cache=True, nogil=True)
def _edge_in_row(u: NDArray, r: int, height: int, limit: float, near: int, width: int, line: NDArray) -> int:
    put_line(u, (r + 0.5) / height, line)
    return edge_near(line, limit, near, width)


@njit(cache=True, nogil=True)
def _turns(u: NDArray, s: float, start: float, end: float) -> bool:
    """Whether u grows at one end of the line from t = `start` to `end` and falls at the other, by more than rounding."""
    slope_1, slope_2, slope_3 = value_at(u[:, 1], s), 2 * value_at(u[:, 2], s), 3 * value_at(u[:, 3], s)
    at_start = slope_1 + start * (slope_2 + start * slope_3)
    return at_start * (slope_1 + end * (slope_2 + end * slope_3)) < -(STRAIGHT**2)


@njit(cache=True, nogil=True)
def _sum_of_edges(
    u: NDArray, r0: int, r1: int, height: int, limit: float, near: int, width: int, line: NDArray
) -> tuple[int, int]:
    """Sum over rows r0 to r1 of the first pixel whose centre has u >= limit, and that pixel in the last row.

    From row to row it moves one way, by some pixels in a tile, so that few rows have to be looked at; where it turns, as on
    the equator, all are. `line` is overwritten.
    """
    e = _edge_in_row(u, r0, height, limit, near, width, line)
    last = _edge_in_row(u, r1, height, limit, e, width, line)
    total, r = 0, r0
    if _turns(u, e / width, r0 / height, (r1 + 1) / height):
        for each in range(r0, r1 + 1):
            e = _edge_in_row(u, each, height, limit, e, width, line)
            total += e
        return total, e
    while e != last:
        low, high = r, r1  # the edge is at e in row `low`, and no longer in row `high`
        while high - low > 1:
            middle = (low + high) // 2
            if _edge_in_row(u, middle, height, limit, e, width, line) == e:
                low = middle
            else:
                high = middle
        total += (high - r) * e
        r = high
        e = _edge_in_row(u, r, height, limit, e, width, line)
    return total + (r1 - r + 1) * last, last


@njit(cache=True, nogil=True)
def _count_whole_tile(
    u: NDArray, v: NDArray, height: int, everywhere: NDArray, first: int, edges: NDArray, first_row: int, pixels: NDArray
) -> None:
    """Add the number of a tile's pixels to the windows that hold their centres; `everywhere` is a row of ones."""
    rows, width = pixels.shape[0], everywhere.size
    lines = np.empty((LINES, 4))
    r0 = 0
    while r0 < height:
        put_line(v, (r0 + 0.5) / height, lines[MIDDLE_V])
        i, r1 = row_of(lines[MIDDLE_V], 0, width, 1.0 / width), r0
        if i == NO_ROW:
            put_line(u, (r0 + 0.5) / height, lines[MIDDLE_U])
            find_edges(lines[MIDDLE_U], first, edges, width)
            add_centres(everywhere, True, lines, first, edges, first_row, pixels)
            r0 += 1
            continue
        while r1 + 1 < height:
            put_line(v, (r1 + 1.5) / height, lines[MIDDLE_V])
            if row_of(lines[MIDDLE_V], 0, width, 1.0 / width) != i:
                break
            r1 += 1
        if 0 <= i - first_row < rows:
            before = 0
            for k in range(edges.size):
                total, edges[k] = _sum_of_edges(u, r0, r1, height, float(first + k), edges[k], width, lines[0])
                if k:
                    pixels[i - first_row, first + k - 1] += total - before
                before = total
        r0 = r1 + 1


@njit(cache=True, nogil=True)
def add_part(
    values: NDArray, lookup: NDArray, class_codes: NDArray, nodata_codes: NDArray, at_border: NDArray, margin: float,
    row: NDArray, column: NDArray, height: NDArray, width: NDArray, u: NDArray, v: NDArray, area: NDArray, row_area: NDArray,
    bounds: NDArray, first_row: int, class_area: NDArray, valid_area: NDArray, class_px: NDArray, valid_px: NDArray,
    marks: NDArray, holds: NDArray,
) -> None:  # fmt: skip
    """Add a part of a raster, (y, x) uint8 `values` cut into n tiles, to windows; see `sums.Sums` and `tiles.Tiles`.

    `at_border` (n,) uint8 names the sides of tiles that are the raster's border (LEFT, TOP, RIGHT, BOTTOM). Writes to the sums
    and marks of the windows (rows, columns) that begin at window row `first_row`, and to `holds` (n,): what each tile is. The
    valid ground of wholly valid tiles is left to `add_valid_tiles`.
    """
    everything = np.ones(class_area.shape, np.uint8)
    everywhere = np.ones(width.max(), np.uint8)
    lines = np.empty((LINES, 4))
    with_class, empties = np.empty(height.max(), np.uint8), np.empty(height.max(), np.int64)
    class_row, valid_row = np.empty(width.max(), np.uint8), np.empty(width.max(), np.uint8)
    for n in range(row.size):
        h, w = height[n], width[n]
        empty = 0
        for r in range(h):
            pixels = values[row[n] + r, column[n] : column[n] + w]
            with_class[r], empties[r] = _look(pixels, lookup, class_codes, nodata_codes)
            empty += empties[r]
        holds[n] = NO_VALID if empty == h * w else ALL_VALID if empty == 0 else MIXED
        mixed = holds[n] == MIXED
        _mark(bounds[n], WHOLE if holds[n] == ALL_VALID else PART, first_row, marks)
        if holds[n] == ALL_VALID and at_border[n]:
            _mark_border(at_border[n], u[n], v[n], bounds[n], margin, first_row, marks)
        j0, j1 = max(int(np.floor(bounds[n, 0])), 0), min(int(np.floor(bounds[n, 1])), marks.shape[1] - 1)
        if holds[n] == NO_VALID or j1 < j0:
            continue
        edges = _first_edges(u[n], j0, j1 - j0 + 2, w, h)
        if not mixed:
            _count_whole_tile(u[n], v[n], h, everywhere[:w], j0, edges.copy(), first_row, valid_px)
        for r in range(h):
            if not (with_class[r] or (mixed and empties[r] < w)):
                continue
            _put_lines(r, h, u[n], v[n], area[n], lines)
            find_edges(lines[MIDDLE_U], j0, edges, w)
            ground = row_area[row[n] + r] if row_area.size else 0.0
            pixels = values[row[n] + r, column[n] : column[n] + w]
            if with_class[r]:
                _put_mask(pixels, class_codes, lookup, 1, MASKED, class_row)
                add_centres(class_row[:w], False, lines, j0, edges, first_row, class_px)
                add_ground(class_row[:w], False, lines, ground, j0, edges, first_row, everything, class_area)
            if mixed:
                full = empties[r] == 0
                _put_mask(pixels, nodata_codes, lookup, 2, LEFT_OUT, valid_row)
                add_centres(valid_row[:w], full, lines, j0, edges, first_row, valid_px)
                add_ground(valid_row[:w], full, lines, ground, j0, edges, first_row, everything, valid_area)


@njit(cache=True, nogil=True)
def add_valid_tiles(
    chosen: NDArray, row: NDArray, height: NDArray, width: NDArray, u: NDArray, v: NDArray, area: NDArray, row_area: NDArray,
    bounds: NDArray, first_row: int, only: NDArray, valid_area: NDArray,
) -> None:  # fmt: skip
    """Add the ground of the wholly valid tiles `chosen` to the valid area of the windows that `only` (rows, columns) names."""
    lines = np.empty((LINES, 4))
    for n in chosen:
        h, w = height[n], width[n]
        j0, j1 = max(int(np.floor(bounds[n, 0])), 0), min(int(np.floor(bounds[n, 1])), only.shape[1] - 1)
        i0, i1 = max(int(np.floor(bounds[n, 2])) - first_row, 0), min(int(np.floor(bounds[n, 3])) - first_row, only.shape[0] - 1)
        if j1 < j0 or i1 < i0 or not only[i0 : i1 + 1, j0 : j1 + 1].any():
            continue
        while not only[i0 : i1 + 1, j0].any():
            j0 += 1
        while not only[i0 : i1 + 1, j1].any():
            j1 -= 1
        everywhere = np.ones(w, np.uint8)
        edges = _first_edges(u[n], j0, j1 - j0 + 2, w, h)
        for r in range(h):
            _put_lines(r, h, u[n], v[n], area[n], lines)
            low = min(value_at(lines[TOP_V], 0.0), value_at(lines[TOP_V], 1.0)) - V_MARGIN
            high = max(value_at(lines[LOW_V], 0.0), value_at(lines[LOW_V], 1.0)) + V_MARGIN
            below = max(int(np.floor(high)) - first_row + 1, 0)
            if not only[max(int(np.floor(low)) - first_row, 0) : below, j0 : j1 + 1].any():
                continue
            find_edges(lines[MIDDLE_U], j0, edges, w)
            ground = row_area[row[n] + r] if row_area.size else 0.0
            add_ground(everywhere, True, lines, ground, j0, edges, first_row, only, valid_area)
