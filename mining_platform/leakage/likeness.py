"""Leaks by picture: near-identical pixels of different places on two sides.

Candidates have hashes that differ in few bits; pictures are called near-duplicates only where they correlate as well.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mining_platform.leakage.findings import Finding, Tally
from mining_platform.leakage.perceptual_hashes import HASH_BITS
from mining_platform.leakage.pictures import Pictures
from mining_platform.leakage.sides import Sides

NEAR_DUPLICATE = "near_duplicate"
MAX_BITS = 6
"""Bits of 64 in which near-duplicates may differ. Noise of a tenth of a real picture's own contrast turns 1 to 4, and different
windows of one Sentinel-2 scene differ in 8 or more."""
MIN_LIKENESS = 0.95
"""Least correlation of near-duplicates, as thumbnails of 32 x 32 less their planes. Pictures with such noise correlate by 0.96
or more, different windows of one Sentinel-2 scene by 0.80 or less."""
BATCH_PAIRS = 4096


def likeness_finding(sides: Sides, pictures: Pictures) -> Finding:
    """Near-identical pictures of different places on different sides.

    Pictures of one place are left to `same_place_other_year`, flat ones match nothing, and mirrored or turned ones are not
    recognised.
    """
    position = pd.Series(np.arange(len(sides.ids)), index=sides.ids)
    rows = position.reindex(pictures.patch_ids).to_numpy(dtype=float)
    usable = np.flatnonzero(pictures.shows & ~np.isnan(rows))
    row, patterns = rows[usable].astype(np.int64), pictures.patterns[usable]
    tally = Tally(sides)
    for i, j in hash_pairs(pictures.hashes[usable], MAX_BITS):
        across = (sides.split[row[i]] != sides.split[row[j]]) & (sides.place[row[i]] != sides.place[row[j]])
        for first in range(0, int(across.sum()), BATCH_PAIRS):
            _add(tally, row, patterns, i[across][first : first + BATCH_PAIRS], j[across][first : first + BATCH_PAIRS])
    return tally.finding(note=_note(sides, rows, pictures))


def _add(
    tally: Tally, row: NDArray[np.int64], patterns: NDArray[np.floating], i: NDArray[np.int64], j: NDArray[np.int64]
) -> None:
    """Count the pairs of candidates that correlate."""
    likeness = np.einsum("nk,nk->n", *(patterns[each].reshape(len(each), -1).astype(np.float32) for each in (i, j)))
    alike = likeness >= MIN_LIKENESS
    ends = np.sort(np.column_stack([row[i], row[j]])[alike], axis=1)
    tally.add(pd.DataFrame({"a": ends[:, 0], "b": ends[:, 1], "likeness": likeness[alike].astype(float).round(4)}))


def _note(sides: Sides, rows: NDArray[np.float64], pictures: Pictures) -> str:
    lacking = len(sides.ids) - len(np.unique(rows[~np.isnan(rows)]))
    flat = int((~pictures.shows & ~np.isnan(rows)).sum())
    words = [
        f"{lacking} patches have no picture" if lacking else "",
        f"{flat} pictures are flat and match nothing" if flat else "",
    ]
    return "; ".join(word for word in words if word)


def hash_pairs(hashes: NDArray[np.uint64], max_bits: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Batches of pairs of positions whose hashes differ in at most `max_bits` bits, each pair once.

    Cut into max_bits + 1 parts, two such hashes have an equal part (the pigeonhole principle), so that only hashes with an
    equal part are compared.
    """
    edges = np.linspace(0, HASH_BITS, max_bits + 2).astype(int)
    cuts = zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    parts = [(hashes >> np.uint64(low)) & np.uint64(2 ** (high - low) - 1) for low, high in cuts]
    for number, part in enumerate(parts):
        order = np.argsort(part, kind="stable")
        key, sorted_hashes, here, step = part[order], hashes[order], np.arange(len(part)), 1
        while here.size:
            here = here[here + step < len(part)]
            here = here[key[here] == key[here + step]]
            near = here[np.bitwise_count(sorted_hashes[here] ^ sorted_hashes[here + step]) <= max_bits]
            i, j = order[near], order[near + step]
            first = np.ones(len(near), dtype=bool)  # part in which they are equal
            for earlier in parts[:number]:
                first &= earlier[i] != earlier[j]
            yield i[first], j[first]
            step += 1
