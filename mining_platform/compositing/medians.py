"""Median over dates of masked uint16 stacks: a plain reference, and the same, as any percentile, by selection networks.

Values are digital numbers; 0 means that a date has no value there.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

WHOLE = 10_000  # percentiles are counted in hundredths of a percent, so that ranks and weights are integers

_LANES = 128  # pixels side by side: enough to read memory in streams, few enough that clouds mask whole runs of them
_AHEAD_PX = 4 * _LANES  # how far ahead of its use a date is asked from memory: about what arrives while a run is sorted
_LINE_PX = 32  # in a cache line of 64 bytes
_SIZES = 32  # networks are made for a multiple of this many dates, so that stacks of about equal length share them
_NONE = np.uint16(0)
_MOST = np.uint16(0xFFFF)


def masked_median(stack: NDArray[np.uint16], clear: NDArray[np.bool_]) -> NDArray[np.uint16]:
    """Median over dates of the clear values above 0: (t, y, x) uint16 and bool -> (y, x) uint16; 0 where there is none.

    Equal to numpy.nanmedian, rounded half up: the mean of the two middle values where their number is even.
    """
    valid = clear & (stack != 0)
    empty = np.full((1, *stack.shape[1:]), _MOST)
    ordered = np.sort(np.concatenate([np.where(valid, stack, _MOST), empty]), axis=0).astype(np.uint32)
    count = valid.sum(axis=0)
    low = np.take_along_axis(ordered, np.maximum(count - 1, 0)[None] // 2, axis=0)[0]
    high = np.take_along_axis(ordered, count[None] // 2, axis=0)[0]
    return np.where(count > 0, (low + high + 1) // 2, 0).astype(np.uint16)


def median_of_values(stack: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """`masked_median(stack, stack != 0)`, some forty times faster: (t, y, x) uint16 -> (y, x) uint16.

    Raises as `selected_values`.
    """
    return selected_values(stack, WHOLE // 2)


def selected_values(stack: NDArray[np.uint16], hundredths: int) -> NDArray[np.uint16]:
    """A percentile, in hundredths of a percent, over dates of the values above 0: (t, y, x) uint16 -> (y, x) uint16.

    Linear between the values at the two ranks about (count - 1) x hundredths / WHOLE, rounded half up; 0 where there is
    no value. Beside the output it takes some hundred kilobytes; a stack that is not C-contiguous is copied first.
    ValueError for a stack that is not (t, y, x) uint16, and for hundredths outside 0 to WHOLE.
    """
    if stack.dtype != np.uint16 or stack.ndim != 3:  # noqa: PLR2004
        raise ValueError(
            f"A stack of dates must be (t, y, x) uint16, this one is {stack.shape} {stack.dtype}. "
            "Convert it to digital numbers, 0 where there is no value."
        )
    if not 0 <= hundredths <= WHOLE:
        raise ValueError(f"Percentile of {hundredths} hundredths of a percent: give 0 to {WHOLE}.")
    dates, size = len(stack), stack[0].size if len(stack) else 0
    if size == 0:
        return np.zeros(stack.shape[1:], np.uint16)
    flat = np.ascontiguousarray(stack).reshape(dates, size)
    if size < _LANES:
        flat = np.pad(flat, ((0, 0), (0, _LANES - size)))
    pairs, begins = _networks(-(-dates // _SIZES) * _SIZES, hundredths)
    return _select(flat, pairs, begins, hundredths)[:size].reshape(stack.shape[1:])


@lru_cache(maxsize=32)
def _networks(most: int, hundredths: int) -> tuple[NDArray[np.uint16], NDArray[np.int64]]:
    """Comparators (c, 2) of the selection networks for 0, 1 ... `most` values, and where each begins (most + 2,)."""
    networks = [_selection_network(size, hundredths) for size in range(most + 1)]
    return np.concatenate(networks), np.cumsum([0, *(len(network) for network in networks)])


def _selection_network(size: int, hundredths: int) -> NDArray[np.uint16]:
    """Comparators (c, 2) that bring the values at the two ranks wanted of `size` values to their places.

    Of a sorting network, those on which these two places depend.
    """
    needed = np.zeros(size + 1, bool)
    rank = max(size - 1, 0) * hundredths // WHOLE
    needed[[rank, rank + 1 if rank + 1 < size else rank]] = True
    kept = [np.empty((0, 2), np.int64)]
    for pairs in reversed(_odd_even_merge_sort(size)):
        used = needed[pairs].any(axis=1)
        needed[pairs[used]] = True
        kept.append(pairs[used])
    return np.concatenate(kept[::-1]).astype(np.uint16)


def _odd_even_merge_sort(size: int) -> list[NDArray[np.int64]]:
    """Layers of comparators (c, 2), low and high place, that sort `size` values; no place twice in a layer.

    After K. E. Batcher (1968), Sorting networks and their applications: the network of the next power of two, without
    the comparators that touch what lies beyond `size`.
    """
    layers, width = [], 1
    while width < size:
        step = width
        while step >= 1:
            low = np.arange(step % width, size - step)
            pairs = np.stack([low, low + step], axis=1)
            merged = pairs // (2 * width)
            layers.append(pairs[((low - step % width) // step % 2 == 0) & (merged[:, 0] == merged[:, 1])])
            step //= 2
        width *= 2
    return layers


@intrinsic
def _prefetch(_typing, array, row, column):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Ask the memory for array[row, column] ahead of its use: forty dates are more streams than a processor foresees.

    LLVM Language Reference, llvm.prefetch: a hint to read (0), keep in a near cache (2), as data (1); results stay the same.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind, number, pointer = signature.args[0], ir.IntType(32), ir.IntType(8).as_pointer()
        view = context.make_array(kind)(context, builder, arguments[0])
        place = cgutils.get_item_pointer(context, builder, kind, view, arguments[1:], wraparound=False)
        hint = ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
        function = cgutils.get_or_insert_function(builder.module, hint, "llvm.prefetch.p0")
        builder.call(function, [builder.bitcast(place, pointer), number(0), number(2), number(1)])
        return context.get_dummy_value()

    return types.void(array, row, column), generate


@njit(cache=True, nogil=True)
def _select(flat, pairs, begins, hundredths):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """(t, n) uint16 with n >= _LANES -> (n,): by runs of pixels, whose dates without a value are left out.

    The last run overlaps the one before it.
    """
    dates, size = flat.shape
    out = np.zeros(size, np.uint16)
    lanes = np.empty((dates + 1, _LANES), np.uint16)
    phase = np.empty(_LANES, np.uint16)
    seen = np.empty(_LANES, np.uint16)
    for first in range(0, size, _LANES):
        start, ahead = min(first, size - _LANES), min(first + _AHEAD_PX, size - _LANES)
        used = 0
        for date in range(dates):
            run, row, found = flat[date, start : start + _LANES], lanes[used], _NONE
            for lane in range(0, _LANES, _LINE_PX):
                _prefetch(flat, date, ahead + lane)  # type: ignore[call-arg]
            for lane in range(_LANES):
                found |= run[lane]
                row[lane] = run[lane]
            used += found != 0
        if used == 0:
            continue
        rank, rest = (used - 1) * hundredths // WHOLE, (used - 1) * hundredths % WHOLE
        _fill(lanes[:used], phase, seen, np.uint16(hundredths), np.uint16(WHOLE - 1 - rest))
        for pair in range(begins[used], begins[used + 1]):
            low, high = lanes[pairs[pair, 0]], lanes[pairs[pair, 1]]
            for lane in range(_LANES):
                a, b = low[lane], high[lane]
                low[lane], high[lane] = min(a, b), max(a, b)
        _interpolate(out[start : start + _LANES], lanes[rank], lanes[min(rank + 1, used - 1)], phase, seen)
    return out


@njit(cache=True, nogil=True)
def _fill(lanes, phase, seen, hundredths, begin):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Replace each 0 of (u, _LANES) by the least or the greatest number, so that every lane has its percentile at one rank.

    A lane with c values has it at rank floor((c - 1) p) among them, and floor((u - 1) p) of all u when the difference is
    put below. Going from u values to c that difference grows, with each value less, where (u - 1) p - (values less) p
    passes below an integer: `phase` counts the distance to it, in units of 1 / WHOLE. What is left of it at the end
    is the fraction of (c - 1) p. `seen` becomes non-zero in lanes with a value.
    """
    phase[:] = begin
    seen[:] = _NONE
    for place in range(len(lanes)):
        row = lanes[place]
        for lane in range(_LANES):
            value = row[lane]
            seen[lane] |= value
            masked = _MOST if value == 0 else _NONE
            ahead = np.uint16(phase[lane] + np.uint16(masked & hundredths))
            behind = np.uint16(ahead - np.uint16(WHOLE))  # wraps to above `ahead` unless an integer was passed
            phase[lane] = min(ahead, behind)
            row[lane] = np.uint16(value | (masked if ahead < behind else _NONE))


@njit(cache=True, nogil=True)
def _interpolate(out, low, high, phase, seen):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Between the values of two ranks by the fraction left in `phase`, rounded half up; 0 where nothing was seen."""
    whole = np.uint32(WHOLE)
    for lane in range(_LANES):
        weight = np.uint32(whole - np.uint32(1) - np.uint32(phase[lane]))
        scaled = np.uint32(np.uint32(low[lane]) * np.uint32(whole - weight) + np.uint32(high[lane]) * weight)
        value = np.uint32(scaled + whole // np.uint32(2)) // whole
        out[lane] = np.uint16(value) if seen[lane] != 0 else _NONE
