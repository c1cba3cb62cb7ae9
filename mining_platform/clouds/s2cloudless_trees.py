"""Sums of decision trees over many pixels: one pixel at a time, and the same to the last bit in groups of like pixels.

In groups: thresholds become ranks and reflectances uint8 bins, which loses nothing, because only the order of a value
among the thresholds matters. 512 pixels of like colour walk a tree together as a set of 512 bits. What a node asks of the
whole group is looked up, for one table holds the answer to each (feature, threshold) of the model; a branch that no pixel
takes is not entered. A group visits no node twice, so the work is bounded even where no two pixels are alike.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

_WORDS = 8  # uint64 words of a set of pixels: one vector register of 512 bits, two of 256
_GROUP_PX = 64 * _WORDS
_CELLS_PER_UNIT = 4096  # a power of two, so that scaling a reflectance is exact
_CELLS = 2 * _CELLS_PER_UNIT  # reflectances of 0 to 2; beyond, the search starts from the last cell
_KEY_BITS = 16  # four features by four bits each


class Trees(NamedTuple):
    """Trees end to end. A child >= 0 is a node, below 0 it is ~leaf; left is where the value is <= the threshold."""

    roots: NDArray[np.int64]
    """(tree,) first node of each tree."""
    feature: NDArray[np.uint8]
    threshold: NDArray[np.float64]
    question: NDArray[np.int32]
    """(node,) which of the model's questions it asks: feature * ranks + rank of the threshold among those of the feature."""
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    leaf_value: NDArray[np.float64]
    most_nodes: int
    """Nodes of the largest tree."""


class Thresholds(NamedTuple):
    """The distinct thresholds of each feature; the bin of a value is the number of thresholds below it."""

    values: NDArray[np.float64]
    """(feature, most + 1) ascending, filled up with infinity."""
    first_bin: NDArray[np.uint8]
    """(feature, cell) bin at the lower edge of a cell of 1 / 4096 of reflectance; 0 in the first, which holds all below."""


def table_of_thresholds(values: list[NDArray[np.float64]]) -> Thresholds:
    """The table of the sorted distinct thresholds of each feature, at most 255 each."""
    table = np.full((len(values), max(map(len, values)) + 1), np.inf)
    edges = np.arange(_CELLS) / _CELLS_PER_UNIT
    edges[0] = -np.inf
    for row, thresholds in zip(table, values, strict=True):
        row[: len(thresholds)] = thresholds
    return Thresholds(table, np.stack([np.searchsorted(row, edges) for row in values]).astype(np.uint8))


@njit(cache=True, nogil=True)
def sum_one_by_one(values, divisor, trees):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Sum of the leaves that values / divisor reaches, trees in order: (feature, n) -> (n,) float64; NaN counts as 0."""
    features, size = values.shape
    sums = np.zeros(size)
    pixel = np.empty(features)
    for n in range(size):
        for feature in range(features):
            value = values[feature, n] / divisor
            pixel[feature] = 0.0 if math.isnan(value) else value
        total = 0.0
        for root in trees.roots:
            node = root
            while node >= 0:
                node = trees.left[node] if pixel[trees.feature[node]] <= trees.threshold[node] else trees.right[node]
            total += trees.leaf_value[~node]
        sums[n] = total
    return sums


@njit(cache=True, nogil=True)
def bins_of(values, divisor, thresholds):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Bins of values / divisor: (feature, n) -> (n, feature) uint8; NaN counts as 0."""
    features, size = values.shape
    bins = np.empty((size, features), np.uint8)
    for feature in range(features):
        first_bin, row = thresholds.first_bin[feature], thresholds.values[feature]
        for n in range(size):
            value = np.float64(values[feature, n]) / divisor
            if math.isnan(value):
                value = 0.0
            bin_ = np.int64(first_bin[np.int64(min(max(value * _CELLS_PER_UNIT, 0.0), _CELLS - 1.0))])
            while row[bin_] < value:
                bin_ += 1
            bins[n, feature] = bin_
    return bins


@njit(cache=True, nogil=True)
def like_after_like(bins, features):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Order of pixels along a Morton curve through four features: (n, feature) uint8, (4,) -> (n,) int32; a stable sort.

    The curve interleaves the four high bits of the bins, first feature first (G. M. Morton, 1966).
    """
    size = len(bins)
    keys = np.empty(size, np.uint16)
    begins = np.zeros((1 << _KEY_BITS) + 1, np.int32)
    for n in range(size):
        key = 0
        for bit in range(7, 3, -1):
            for feature in features:
                key = key << 1 | (bins[n, feature] >> bit & 1)
        keys[n] = key
        begins[key + 1] += 1
    for key in range(1 << _KEY_BITS):
        begins[key + 1] += begins[key]
    order = np.empty(size, np.int32)
    for n in range(size):
        order[begins[keys[n]]] = n
        begins[keys[n]] += 1
    return order


@njit(cache=True, nogil=True)
def sum_in_groups(bins, order, ranks, trees):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """`sum_one_by_one`, from bins: (n, feature) uint8, (n,) order of grouping -> (n,) float64 in the order of the bins.

    `ranks` is the length of a feature's row of thresholds.
    """
    size, features = bins.shape
    sums = np.empty(size)
    group_sums = np.empty(_GROUP_PX)
    answers = np.empty((features * ranks, _WORDS), np.uint64)
    pending = np.empty(trees.most_nodes + 2, np.int64)
    sets = np.empty((trees.most_nodes + 2, _WORDS), np.uint64)
    for start in range(0, size, _GROUP_PX):
        members = order[start : start + _GROUP_PX]
        everyone = _answer_all(bins, members, ranks, answers)
        group_sums[:] = 0.0
        for root in trees.roots:
            pending[0] = root
            sets[0] = everyone
            _add_tree(trees, answers, pending, sets, group_sums)
        for lane in range(len(members)):
            sums[members[lane]] = group_sums[lane]
    return sums


@njit(cache=True, nogil=True)
def _answer_all(bins, members, ranks, answers):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Fill answers[feature * ranks + rank] with the set of members whose bin is <= rank; return the set of all members."""
    everyone = np.zeros(_WORDS, np.uint64)
    answers[:] = 0
    for lane in range(len(members)):
        word, bit = lane >> 6, np.uint64(1) << np.uint64(lane & 63)
        everyone[word] |= bit
        for feature in range(bins.shape[1]):
            answers[feature * ranks + bins[members[lane], feature], word] |= bit
    for feature in range(bins.shape[1]):
        for row in range(feature * ranks + 1, (feature + 1) * ranks):
            for word in range(_WORDS):
                answers[row, word] |= answers[row - 1, word]
    return everyone


@njit(cache=True, nogil=True)
def _add_tree(trees, answers, pending, sets, sums):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Add to each lane of `sums` the leaf its pixel reaches from node pending[0], of the pixels in sets[0].

    `pending` and `sets` are a stack of branches still to walk; sets[top + 1] serves as scratch.
    """
    top = 0
    while top >= 0:
        node = pending[top]
        while node >= 0:
            question = trees.question[node]
            some_left, some_right = np.uint64(0), np.uint64(0)
            for word in range(_WORDS):
                left = sets[top, word] & answers[question, word]
                sets[top + 1, word] = left
                some_left |= left
                some_right |= sets[top, word] ^ left
            if some_right == 0:
                node = trees.left[node]
            elif some_left == 0:
                node = trees.right[node]
            else:
                for word in range(_WORDS):
                    sets[top, word] ^= sets[top + 1, word]
                pending[top] = trees.right[node]
                node = trees.left[node]
                top += 1
        _add_leaf(sets[top], trees.leaf_value[~node], sums)
        top -= 1


@njit(cache=True, nogil=True)
def _add_leaf(members, leaf_value, sums):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Add `leaf_value` to the lanes in the set `members`.

    All 64 lanes of a word are written, which vectorises; adding +0.0 changes no sum, for none is ever -0.0.
    """
    for word in range(_WORDS):
        bits = members[word]
        if bits != 0:
            for lane in range(64):
                sums[64 * word + lane] += leaf_value if bits >> np.uint64(lane) & np.uint64(1) else 0.0


@njit(cache=True, nogil=True)
def sigmoid(sums):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """1 / (1 + exp(-sum)) with the exp of the C library, as LightGBM's binary objective computes it: (n,) -> (n,) float64."""
    out = np.empty_like(sums)
    for n in range(len(sums)):
        out[n] = 1.0 / (1.0 + math.exp(-sums[n]))
    return out
