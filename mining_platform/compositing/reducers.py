"""What a pixel's days become: percentiles of each band, or the medoid, which takes all bands from one day.

Stacks are digital numbers in order of day, (t, y, x) uint16; 0 means that a day has no value there. Each reduction has a
plain form that says what it is, and a fast one that equals it to the last count.
"""

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from mining_platform.compositing.medians import WHOLE, selected_values

NO_DAY = -1
_FAR = np.uint32(0xFFFFFFFF)
_DECIMALS_TOLERANCE = 1e-6  # of a hundredth of a percent
_RUN_PX = 2048  # pixels whose running results stay in the nearest cache while the days pass by
_STRIP_BYTES = 8 * 2**20  # distances of all days that `medoid` holds at a time


def percentile_of_values(stack: NDArray[np.uint16], percentile: float) -> NDArray[np.uint16]:
    """Percentile (0 to 100, at most two decimals) over days of the values above 0: (t, y, x) uint16 -> (y, x) uint16.

    As numpy.nanpercentile with method="linear", in exact arithmetic, rounded half up; 0 where there is no value.
    ValueError for another percentile, and as `medians.selected_values`.
    """
    return selected_values(stack, _hundredths(percentile))


def plain_percentile(stack: NDArray[np.uint16], percentile: float) -> NDArray[np.uint16]:
    """What `percentile_of_values` returns, by sorting."""
    ordered = np.sort(np.where(stack != 0, stack, np.uint16(0xFFFF)), axis=0)
    ordered = np.concatenate([ordered, np.zeros((2, *stack.shape[1:]), np.uint16)]).astype(np.int64)
    count = (stack != 0).sum(axis=0)
    rank, rest = np.divmod(np.maximum(count - 1, 0) * _hundredths(percentile), WHOLE)
    low, high = (np.take_along_axis(ordered, place[None], axis=0)[0] for place in (rank, rank + 1))
    return np.where(count > 0, (low * (WHOLE - rest) + high * rest + WHOLE // 2) // WHOLE, 0).astype(np.uint16)


def medoid(stack: NDArray[np.uint16]) -> NDArray[np.int16]:
    """Day of each pixel's medoid: (band, t, y, x) uint16 -> (y, x) int16, NO_DAY where no day has a value in all bands.

    Of the days with a value in all bands, the one whose sum over bands of |value - median| is least, the earliest of
    equals; a band's median is over all days on which that band has a value. N. Flood (2013), Seasonal composite Landsat
    TM/ETM+ images using the medoid, doi 10.3390/rs5126481, takes the day with the least sum of Euclidean distances to all
    others; this variant, nearest to the median and in city-block distance, costs t instead of t^2 a pixel.
    ValueError for a stack that is not (band, t, y, x) uint16.
    """
    if stack.ndim != 4 or stack.dtype != np.uint16:  # noqa: PLR2004
        raise ValueError(
            f"A medoid needs a (band, t, y, x) uint16 stack, this one is {stack.shape} {stack.dtype}. Stack whole bands."
        )
    bands, days, height, width = stack.shape
    chosen = np.full((height, width), NO_DAY, np.int16)
    rows = max(_STRIP_BYTES // max(days * width * _FAR.itemsize, 1), 1)
    for top in range(0, height, rows):
        strip = stack[:, :, top : top + rows]
        distance, valid = np.zeros(strip.shape[1:], np.uint32), np.full(strip.shape[1:], bands > 0)
        for band in strip:
            add_distance(distance, valid, band, percentile_of_values(band, 50))
        chosen[top : top + rows] = nearest_day(distance, valid)
    return chosen


def plain_medoid(stack: NDArray[np.uint16]) -> NDArray[np.int16]:
    """What `medoid` returns, all distances at once."""
    medians = np.array([plain_percentile(band, 50) for band in stack]).reshape(len(stack), 1, *stack.shape[2:])
    distance = np.abs(stack.astype(np.int64) - medians).sum(axis=0)
    valid = (stack != 0).all(axis=0) & (len(stack) > 0)
    never = np.full((1, *distance.shape[1:]), np.iinfo(np.int64).max)
    nearest = np.concatenate([np.where(valid, distance, never), never]).argmin(axis=0)
    return np.where(valid.any(axis=0), nearest, NO_DAY).astype(np.int16)


def add_distance(
    distance: NDArray[np.uint32], valid: NDArray[np.bool_], stack: NDArray[np.uint16], median: NDArray[np.uint16]
) -> None:
    """Add a band's |value - median| to `distance` (t, y, x) uint32, and clear `valid` (t, y, x) where the band has no value.

    Both are changed in place, so that a caller holds one band at a time: they begin as zeros and as ones, and take up
    to 65,536 bands. `median` is (y, x). ValueError where a shape or type differs, and where `distance` or `valid` is
    not C-contiguous.
    """
    _check("distance", distance, stack.shape, np.uint32)
    _check("valid", valid, stack.shape, np.bool_)
    _check("stack", stack, stack.shape, np.uint16, contiguous=False)
    _check("median", median, stack.shape[1:], np.uint16, contiguous=False)
    flat = (len(stack), median.size)
    values, middle = np.ascontiguousarray(stack).reshape(flat), np.ascontiguousarray(median).reshape(-1)
    _add_distance(distance.reshape(flat), valid.reshape(flat), values, middle)


def nearest_day(distance: NDArray[np.uint32], valid: NDArray[np.bool_]) -> NDArray[np.int16]:
    """The valid day at the least distance, the earliest of equals: (t, y, x) twice -> (y, x) int16, NO_DAY without one.

    ValueError where a shape or type differs, an array is not C-contiguous, or there are more than 32,767 days.
    """
    _check("distance", distance, distance.shape, np.uint32)
    _check("valid", valid, distance.shape, np.bool_)
    most = np.iinfo(np.int16).max
    if len(distance) > most:
        raise ValueError(f"Nearest day among {len(distance)} days: int16 counts to {most}. Reduce fewer days at a time.")
    shape = distance.shape[1:]
    flat = (len(distance), math.prod(shape))
    return _nearest_day(distance.reshape(flat), valid.reshape(flat)).reshape(shape)


def values_of_day(stack: NDArray[np.uint16], day: NDArray[np.int16]) -> NDArray[np.uint16]:
    """Each pixel's value on its day: (..., t, y, x) uint16 and (y, x) int16 -> (..., y, x) uint16; 0 where it is NO_DAY."""
    if stack.shape[-3] == 0:
        return np.zeros((*stack.shape[:-3], *day.shape), np.uint16)
    rows, columns = np.ogrid[: day.shape[0], : day.shape[1]]
    return np.where(day == NO_DAY, np.uint16(0), stack[..., day, rows, columns])


def _hundredths(percentile: float) -> int:
    whole = round(percentile * 100) if math.isfinite(percentile) else -1
    if not 0 <= whole <= WHOLE or abs(whole - percentile * 100) > _DECIMALS_TOLERANCE:
        raise ValueError(f"Percentile {percentile}: give a number from 0 to 100 with at most two decimals.")
    return whole


def _check(name: str, found: NDArray[Any], shape: tuple[int, ...], dtype: type, *, contiguous: bool = True) -> None:
    right = found.shape == shape and found.dtype == dtype and len(shape) > 1
    if not right or (contiguous and not found.flags.c_contiguous):
        order = "C-contiguous" if found.flags.c_contiguous else "not C-contiguous"
        raise ValueError(
            f"Distances to a median: {name} is {found.shape} {found.dtype}, {order}; {shape} {np.dtype(dtype)} is needed. "
            "Give whole arrays over one set of days and pixels."
        )


@njit(cache=True, nogil=True)
def _add_distance(distance, valid, stack, median):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """`add_distance` on (t, n) arrays and an (n,) median."""
    days, size = stack.shape
    for start in range(0, size, _RUN_PX):
        stop = min(start + _RUN_PX, size)
        middle = median[start:stop]
        for day in range(days):
            run, far, known = stack[day, start:stop], distance[day, start:stop], valid[day, start:stop]
            for lane in range(len(run)):
                value, mean = run[lane], middle[lane]
                far[lane] += np.uint16(max(value, mean) - min(value, mean))
                known[lane] &= value != 0


@njit(cache=True, nogil=True)
def _nearest_day(distance, valid):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """`nearest_day` on (t, n) arrays."""
    days, size = distance.shape
    chosen = np.full(size, np.int16(NO_DAY), np.int16)
    least = np.empty(_RUN_PX, np.uint32)
    for start in range(0, size, _RUN_PX):
        stop = min(start + _RUN_PX, size)
        least[:] = _FAR
        best = chosen[start:stop]
        for day in range(days):
            far, known = distance[day, start:stop], valid[day, start:stop]
            for lane in range(len(best)):
                nearer = known[lane] and far[lane] < least[lane]
                least[lane] = far[lane] if nearer else least[lane]
                best[lane] = np.int16(day) if nearer else best[lane]
    return chosen
