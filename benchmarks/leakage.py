"""The leakage audit against plain ways to look for the same pairs, against its limits of time and memory, and its growth.

`python -m benchmarks.leakage` in the root of the project; exit code 1 where a ratio is below 60 % of its aim. The table has
100,000 patches of 1,280 m: 20,000 places in five years, in mining fields over two UTM zones, a third of them sliding windows
that overlap their neighbours; SIMULATED. The split is a random one, which leaks, and one by fields, which hardly does.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from benchmarks.comparison import Row, enough, interleaved_cpu, peak_memory, print_table
from mining_platform.footprints import subset
from mining_platform.leakage.audits import audit
from mining_platform.leakage.likeness import MAX_BITS, hash_pairs
from mining_platform.leakage.perceptual_hashes import hashes, patterns, thumbnails
from mining_platform.leakage.sides import split_windows_table
from mining_platform.patch_tables import PatchTable

PX = 128
YEARS = range(2018, 2023)
FIELD_PLACES = 40  # places of one mining field
ZONE_CELLS = 390  # aligned windows that fit into the 500 km of a zone
SIDES, FRACTIONS = ("train", "val", "test"), (0.7, 0.15, 0.15)
MOST_SECONDS = 60  # for 100,000 patches
MOST_BYTES = 300 * 2**20
MOST_GROWTH = 6  # times the seconds for four times the patches: near-linear, where all pairs would take 16 times
SJOIN_AIM, HASH_AIM = 1, 10
BRUTE_AIM = 1_000  # at 100,000 patches; of fewer, so much less: the time of all pairs grows with the square, the audit's does not


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    patches: int
    peer_patches: int
    """Patches that the brute force is given; its time is scaled by their square."""
    rounds: int


FULL = Size(100_000, 2_000, rounds=3)
QUICK = Size(20_000, 1_000, rounds=5)


def measure(quick: bool = False) -> list[Row]:
    """Rows of the table; AssertionError where the ways find different pairs, since then no ratio means anything."""
    size = QUICK if quick else FULL
    return [*_ground_rows(size), *_picture_rows(size), memory_row()]


def patch_table(patches: int, how: str) -> PatchTable:
    """A table of so many patches, split at random (`random`) or by fields (`fields`)."""
    rng = np.random.default_rng(7)
    places = patches // len(YEARS)
    fields = rng.integers(8, 2 * ZONE_CELLS - 8, (max(places // FIELD_PLACES, 1), 2))
    cells = np.repeat(fields, 3 * FIELD_PLACES, axis=0) + rng.normal(0, 5, (3 * FIELD_PLACES * len(fields), 2)).round()
    cells[::3] += rng.integers(0, 4, (len(cells[::3]), 2)) / 4  # sliding windows, by quarters of a window
    field = np.repeat(np.arange(len(fields)), 3 * FIELD_PLACES)
    inside = ((cells >= 0) & (cells < 2 * ZONE_CELLS)).all(axis=1)
    cells, first = np.unique(cells[inside], axis=0, return_index=True)
    chosen = rng.permutation(len(cells))[:places]
    cells, field = cells[chosen], field[inside][first[chosen]]
    zone, column = np.divmod(cells[:, 0], ZONE_CELLS)
    east, north = (25_000 + column * PX).astype(int), (900_000 + cells[:, 1] * PX).astype(int)
    ids = [f"{32721 + int(z)}_{x}_{y}_{PX}" for z, x, y in zip(zone, east, north, strict=True)]
    table = pd.concat([pd.DataFrame({"window_id": ids, "year": year, "field": field}) for year in YEARS], ignore_index=True)
    draws = rng.choice(len(SIDES), len(table) if how == "random" else len(fields), p=FRACTIONS)
    codes = draws if how == "random" else draws[table["field"]]
    return split_windows_table(table.assign(split=np.array(SIDES)[codes]))


def _ground_rows(size: Size) -> list[Row]:
    tables = {how: patch_table(size.patches, how) for how in ("random", "fields")}
    fourth = patch_table(size.patches // 4, "random")
    part = split_windows_part(tables["random"], size.peer_patches)
    functions: dict[str, Callable[[], object]] = {
        "random": lambda: audit(tables["random"]),
        "fields": lambda: audit(tables["fields"]),
        "fourth": lambda: audit(fourth),
        "sjoin": lambda: with_sjoin(tables["random"]),
        "brute": lambda: with_brute_force(part),
    }
    _check(tables["random"], part)
    seconds = interleaved_cpu(functions, size.rounds)
    slower, scale = max(seconds["random"], seconds["fields"]), size.patches / size.peer_patches
    what = f"audit of {size.patches:,} patches"
    told = f"{seconds['random']:.2f} CPU s at random, {seconds['fields']:.2f} by fields"
    part_note = f"{size.peer_patches:,} rows, scaled"
    growth = seconds["random"] / seconds["fourth"]
    return [
        Row(what, f"{MOST_SECONDS} s per 100,000 (limit)", MOST_SECONDS * size.patches / 100_000 / slower, 1, told),
        Row(what, f"{MOST_GROWTH} x a quarter of them (limit)", MOST_GROWTH / growth, 1, f"{growth:.1f} times the quarter"),
        Row(what, "geopandas.sjoin by zone", seconds["sjoin"] / slower, SJOIN_AIM, "pairs that share ground in one zone only"),
        Row(what, "shapely, every two rows", seconds["brute"] * scale**2 / slower, BRUTE_AIM * size.patches / 100_000, part_note),
    ]


def split_windows_part(table: PatchTable, count: int) -> PatchTable:
    """The first rows of a table, which are neighbours since its ids are sorted."""
    assert table.footprints is not None
    return PatchTable(table.rows.iloc[:count], subset(table.footprints, np.arange(count)), table.missing)


def with_sjoin(table: PatchTable) -> int:
    """Pairs of rows of different sides that share ground, by geopandas in each zone, in any year."""
    assert table.footprints is not None
    count = 0
    for epsg in np.unique(table.footprints.epsg).tolist():
        here = table.footprints.epsg == epsg
        frame = gpd.GeoDataFrame(table.rows[here][["split"]], geometry=table.footprints.geometry[here], crs=epsg)
        frame = frame.reset_index(drop=True)
        pairs = gpd.sjoin(frame, frame, predicate="intersects")
        pairs = pairs[(pairs.index < pairs["index_right"]) & (pairs["split_left"] != pairs["split_right"])]
        first, second = frame.geometry.loc[pairs.index], frame.geometry.loc[pairs["index_right"]]
        count += int((shapely.area(shapely.intersection(first.to_numpy(), second.to_numpy())) > 1).sum())
    return count


def with_brute_force(table: PatchTable) -> int:
    """The same by looking at every two rows; all must be in one zone."""
    assert table.footprints is not None
    geometry, split = table.footprints.geometry, table.rows["split"].to_numpy()
    count = 0
    for row in range(1, len(geometry)):
        shared = shapely.area(shapely.intersection(geometry[row], geometry[:row])) > 1
        count += int((shared & (split[:row] != split[row])).sum())
    return count


def _check(table: PatchTable, part: PatchTable) -> None:
    """AssertionError where the audit does not find the pairs that its peers find."""
    for rows, peer in ((table, with_sjoin), (part, with_brute_force)):
        ours = sum(finding.pairs for finding in audit(rows).findings.values())
        theirs = peer(rows)
        assert theirs > len(rows.rows) / 20, "hardly a pair leaks"
        assert ours == theirs, f"the audit finds {ours} pairs, {peer.__name__} {theirs}"


def _picture_rows(size: Size) -> list[Row]:
    rng = np.random.default_rng(3)
    count = size.patches
    found = hashes_of_scenery(rng, count)
    part = found[: size.peer_patches * 5]
    functions: dict[str, Callable[[], object]] = {"ours": lambda: near_pairs(found), "every two": lambda: every_two(part)}
    assert near_pairs(part) == every_two(part) > 0
    seconds = interleaved_cpu(functions, size.rounds)
    ratio = seconds["every two"] * (count / len(part)) ** 2 / seconds["ours"]
    note = f"{seconds['ours']:.2f} CPU s; {len(part):,} rows, scaled"
    return [Row(f"near-equal hashes among {count:,}", "numpy, every two", ratio, HASH_AIM, note)]


def hashes_of_scenery(rng: np.random.Generator, count: int) -> NDArray[np.uint64]:
    """Hashes of random pictures of blobs, of which each hundredth is a noisy copy of the one before."""
    found = []
    for first in range(0, count, 1_000):
        small = rng.normal(0, 1, (min(1_000, count - first), 8, 8)).repeat(4, axis=1).repeat(4, axis=2)
        small += rng.normal(0, 0.5, small.shape)
        small[99::100] = small[98::100] + rng.normal(0, 0.05, small[98::100].shape)
        found.append(hashes(patterns(thumbnails(small + 10))[0]))
    return np.concatenate(found)


def near_pairs(found: NDArray[np.uint64]) -> int:
    """Pairs of hashes that differ in few bits, by the audit's way."""
    return sum(len(i) for i, _ in hash_pairs(found, MAX_BITS))


def every_two(found: NDArray[np.uint64]) -> int:
    """The same by looking at every two."""
    return sum(int((np.bitwise_count(found[:row] ^ found[row]) <= MAX_BITS).sum()) for row in range(1, len(found)))


def memory_row() -> Row:
    """What the audit of 100,000 patches takes beside what the process and the table have."""
    used = peak_memory(f"{__spec__.name}:prepare_audit")
    note = f"{used / 2**20:.0f} MiB; resident peak of a fresh process above its table"
    return Row("memory of the audit of 100,000 patches", f"{MOST_BYTES / 2**20:.0f} MiB (limit)", MOST_BYTES / used, 1, note)


def prepare_audit() -> Callable[[], object]:
    """The audit of a random split of 100,000 patches."""
    table = patch_table(100_000, "random")
    audit(patch_table(1_000, "random"))
    return lambda: audit(table)


def main() -> None:
    """Print the table; exit code 1 where a ratio is below 60 % of its aim."""
    rows = measure()
    print_table(rows)
    sys.exit(bool(enough(rows)))


if __name__ == "__main__":
    main()
