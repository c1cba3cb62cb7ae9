"""A row of pixels against a grid of windows, compiled: whose centre lies in which window, and how much ground is where.

Pixels wholly inside a window are counted; pixels on a window's edge are clipped as quadrilaterals with straight edges, as
`pixel_areas.overlaps` does. Along a row, u and v are cubic polynomials of s, which runs from 0 to 1 over the tile.

numba keeps the machine code of kernels.py until that file's text changes, so it states the digest of this one.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

V_MARGIN = 1e-3  # window units: a row of pixels nearer than this to a window's edge is looked at pixel by pixel
NO_ROW = -(2**40)
MIDDLE_U, MIDDLE_V, TOP_U, TOP_V, LOW_U, LOW_V, GROUND = range(7)
"""Lines of a row of pixels: through the centres, along the upper and the lower edge; and the ground (m2) of its pixels."""
LINES = 7
Corners = tuple[float, float, float, float]
"""One coordinate of the corners of a pixel, in turn around it."""


@njit(cache=True, nogil=True)
def put_line(coefficients: NDArray, t: float, out: NDArray) -> None:
    """Coefficients of s**k along the line t of a tile: (4, 4) -> out (4,)."""
    for k in range(4):
        c = coefficients[k]
        out[k] = c[0] + t * (c[1] + t * (c[2] + t * c[3]))


@njit(cache=True, nogil=True, inline="always")
def value_at(line: NDArray, s: float) -> float:
    """A line's value."""
    return line[0] + s * (line[1] + s * (line[2] + s * line[3]))


@njit(cache=True, nogil=True)
def find_edges(line: NDArray, first: int, edges: NDArray, width: int) -> None:
    """First pixel whose centre has u >= first + k, for each k; `edges` holds those of a row near by."""
    step, moved = 1.0 / width, False
    for k in range(edges.size):  # most rows have the edges of the row above; this loop is vectorised
        e, limit = float(edges[k]), float(first + k)
        moved |= (value_at(line, (e - 0.5) * step) >= limit) | (value_at(line, (e + 0.5) * step) < limit)
    if moved:
        for k in range(edges.size):
            edges[k] = edge_near(line, float(first + k), edges[k], width)


@njit(cache=True, nogil=True)
def edge_near(line: NDArray, limit: float, near: int, width: int) -> int:
    """First pixel whose centre has u >= limit, looked for from `near` on."""
    e, step = near, 1.0 / width
    while e > 0 and value_at(line, (e - 0.5) * step) >= limit:
        e -= 1
    while e < width and value_at(line, (e + 0.5) * step) < limit:
        e += 1
    return e


@njit(cache=True, nogil=True)
def _bend(line: NDArray, span: float) -> float:
    """How far a line may lie off the chord over a span of s within 0 and 1: span**2 / 8 times its most second derivative."""
    return (abs(line[2]) + 3 * abs(line[3])) * span * span / 4


@njit(cache=True, nogil=True)
def row_of(v_line: NDArray, start: int, end: int, step: float) -> int:
    """The row of windows that the centres of pixels `start` to `end` - 1 all lie in, or NO_ROW where they may lie in several."""
    one, other = value_at(v_line, (start + 0.5) * step), value_at(v_line, (end - 0.5) * step)
    margin = V_MARGIN + _bend(v_line, (end - start) * step)
    i = int(np.floor(min(one, other) - margin))
    return i if i == int(np.floor(max(one, other) + margin)) else NO_ROW


@njit(cache=True, nogil=True)
def _count(mask: NDArray, start: int, end: int) -> int:
    """Ones among pixels `start` to `end` - 1, counted in bytes, which is vectorised."""
    total = 0
    for first in range(start, end, 255):
        part = np.uint8(0)
        for c in range(first, min(first + 255, end)):
            part = np.uint8(part + mask[c])
        total += int(part)
    return total


@njit(cache=True, nogil=True)
def add_centres(mask: NDArray, full: bool, lines: NDArray, first: int, edges: NDArray, first_row: int, pixels: NDArray) -> None:
    """Add the number of a row's masked pixels (all where `full`) to the windows that hold their centres."""
    width = mask.size
    step, rows, middle_v = 1.0 / width, pixels.shape[0], lines[MIDDLE_V]
    for k in range(edges.size - 1):
        start, end, j = edges[k], edges[k + 1], first + k
        if end <= start:
            continue
        i = row_of(middle_v, start, end, step)
        if i != NO_ROW:
            if 0 <= i - first_row < rows:
                pixels[i - first_row, j] += end - start if full else _count(mask, start, end)
            continue
        for c in range(start, end):
            i = int(np.floor(value_at(middle_v, (c + 0.5) * step))) - first_row
            if (full or mask[c]) and 0 <= i < rows:
                pixels[i, j] += 1


@njit(cache=True, nogil=True)
def _under_edge(u0: float, v0: float, u1: float, v1: float) -> tuple[float, float]:
    """Integral of v over u along a quadrilateral's edge; and the same of v held within 0 and 1, over u within 0 and 1."""
    whole = (u1 - u0) * (v0 + v1) / 2
    from_u, to_u = min(max(u0, 0.0), 1.0), min(max(u1, 0.0), 1.0)
    if from_u == to_u:
        return whole, 0.0
    slope = (v1 - v0) / (u1 - u0)
    start, end = v0 + (from_u - u0) * slope, v0 + (to_u - u0) * slope
    low, high = min(start, end), max(start, end)
    mean = held_low = min(max(low, 0.0), 1.0)
    if high > low:
        held_high, above = min(max(high, 0.0), 1.0), max(high - max(low, 1.0), 0.0)
        mean = (above + (held_high - held_low) * (held_low + held_high) / 2) / (high - low)
    return whole, (to_u - from_u) * mean


@njit(cache=True, nogil=True)
def _fraction(u: Corners, v: Corners, i: int, j: int) -> float:
    """Share of a quadrilateral that lies in window (i, j), by Green's theorem; see `pixel_areas.overlaps`."""
    (u0, u1, u2, u3), (v0, v1, v2, v3) = u, v
    u0, u1, u2, u3 = u0 - j, u1 - j, u2 - j, u3 - j
    v0, v1, v2, v3 = v0 - i, v1 - i, v2 - i, v3 - i
    area_a, inside_a = _under_edge(u0, v0, u1, v1)
    area_b, inside_b = _under_edge(u1, v1, u2, v2)
    area_c, inside_c = _under_edge(u2, v2, u3, v3)
    area_d, inside_d = _under_edge(u3, v3, u0, v0)
    area, inside = area_a + area_b + area_c + area_d, inside_a + inside_b + inside_c + inside_d
    return min(max(inside / area, 0.0), 1.0)


@njit(cache=True, nogil=True)
def _add_pixel(c: int, step: float, lines: NDArray, ground: float, first_row: int, only: NDArray, area: NDArray) -> None:
    """Add the parts of pixel `c` to each window it touches, where `only` says so."""
    left, right = c * step, (c + 1) * step
    u0, u1 = value_at(lines[TOP_U], left), value_at(lines[TOP_U], right)
    u2, u3 = value_at(lines[LOW_U], right), value_at(lines[LOW_U], left)
    v0, v1 = value_at(lines[TOP_V], left), value_at(lines[TOP_V], right)
    v2, v3 = value_at(lines[LOW_V], right), value_at(lines[LOW_V], left)
    j0, j1 = int(np.floor(min(u0, u1, u2, u3))), int(np.ceil(max(u0, u1, u2, u3))) - 1
    i0, i1 = int(np.floor(min(v0, v1, v2, v3))) - first_row, int(np.ceil(max(v0, v1, v2, v3))) - 1 - first_row
    rows, columns = area.shape
    alone = j0 == j1 and i0 == i1
    for i in range(max(i0, 0), min(i1, rows - 1) + 1):
        for j in range(max(j0, 0), min(j1, columns - 1) + 1):
            if only[i, j]:
                area[i, j] += ground if alone else ground * _fraction((u0, u1, u2, u3), (v0, v1, v2, v3), i + first_row, j)


@njit(cache=True, nogil=True)
def _add_pixels(
    mask: NDArray, start: int, end: int, lines: NDArray, row_ground: float, first_row: int, only: NDArray, area: NDArray
) -> None:
    """`_add_pixel` for the masked pixels from `start` to `end` - 1."""
    step = 1.0 / mask.size
    for c in range(start, end):
        if mask[c]:
            ground = row_ground if row_ground > 0 else value_at(lines[GROUND], (c + 0.5) * step)
            _add_pixel(c, step, lines, ground, first_row, only, area)


@njit(cache=True, nogil=True)
def _whole_ground(mask: NDArray, full: bool, start: int, end: int, ground_line: NDArray, row_ground: float) -> float:
    """Ground of the masked pixels from `start` to `end` - 1."""
    if row_ground > 0:
        return row_ground * (end - start if full else _count(mask, start, end))
    total, step = 0.0, 1.0 / mask.size
    for c in range(start, end):
        if mask[c]:
            total += value_at(ground_line, (c + 0.5) * step)
    return total


@njit(cache=True, nogil=True)
def _inside(lines: NDArray, j: int, start: int, end: int, step: float) -> tuple[int, int]:
    """The pixels from `start` to `end` - 1 that lie between the sides of column j of windows; equal where there are none."""
    while start < end and (value_at(lines[TOP_U], start * step) < j or value_at(lines[LOW_U], start * step) < j):
        start += 1
    while end > start and (value_at(lines[TOP_U], end * step) > j + 1 or value_at(lines[LOW_U], end * step) > j + 1):
        end -= 1
    return start, end


@njit(cache=True, nogil=True)
def _window_row(lines: NDArray, start: int, end: int, step: float) -> int:
    """The row of windows that pixels `start` to `end` - 1 lie in wholly, or NO_ROW."""
    left, right = start * step, end * step
    margin = V_MARGIN + max(_bend(lines[TOP_V], right - left), _bend(lines[LOW_V], right - left))
    low = min(value_at(lines[TOP_V], left), value_at(lines[TOP_V], right)) - margin
    high = max(value_at(lines[LOW_V], left), value_at(lines[LOW_V], right)) + margin
    i = int(np.floor(low))
    return i if i == int(np.floor(high)) else NO_ROW


@njit(cache=True, nogil=True)
def add_ground(
    mask: NDArray,
    full: bool,
    lines: NDArray,
    row_ground: float,
    first: int,
    edges: NDArray,
    first_row: int,
    only: NDArray,
    area: NDArray,
) -> None:
    """Add the ground of a row's masked pixels (all where `full`) to the windows they lie in, where `only` says so.

    `edges` are the pixels at which columns of windows begin, from column `first` on; `only` and `area` (rows, columns) begin at
    the row of windows `first_row`. `row_ground` (m2) is that of every pixel of the row; where it is 0, the line GROUND tells.
    """
    step = 1.0 / mask.size
    lean = abs(value_at(lines[TOP_U], 0.5) - value_at(lines[LOW_U], 0.5))
    lean /= value_at(lines[TOP_U], 0.5 + step) - value_at(lines[TOP_U], 0.5)
    reach = int(lean) + 2  # pixels whose centre is farther than this from a window do not touch it
    done, last = max(edges[0] - reach, 0), min(edges[-1] + reach, mask.size)  # other pixels touch no window
    while not full and done < last and not mask[done]:
        done += 1
    while not full and last > done and not mask[last - 1]:
        last -= 1
    for k in range(edges.size - 1):  # pixels before `done` are added
        if edges[k + 1] + reach <= done or edges[k] - reach >= last:
            continue
        start, end = _inside(lines, first + k, max(edges[k], done), max(edges[k + 1], done), step)
        i = _window_row(lines, start, end, step) if end > start else NO_ROW
        if i == NO_ROW:  # the row crosses from one row of windows to the next
            start = end = max(edges[k + 1], done)
        elif 0 <= i - first_row < area.shape[0] and only[i - first_row, first + k]:
            area[i - first_row, first + k] += _whole_ground(mask, full, start, end, lines[GROUND], row_ground)
        _add_pixels(mask, done, start, lines, row_ground, first_row, only, area)
        done = end
    _add_pixels(mask, done, last, lines, row_ground, first_row, only, area)
