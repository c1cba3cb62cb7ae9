"""Whether a package is what it says: every file as listed, tables by their rules, every picture whole, every range by its label.

What the files of a patch can tell is taken from them and not from the package's word: its place, its bands, its share of mining.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import geopandas as gpd

from mining_platform.packages.checksums import file_problems
from mining_platform.packages.contents import MANIFEST_PARQUET
from mining_platform.packages.file_checks import UNREADABLE, file_problem, told
from mining_platform.packages.layouts import LAYOUTS, Layout
from mining_platform.packages.manifest_checks import following_tables, manifest_problems, read_manifest
from mining_platform.packages.package_facts import PackageFacts, read_facts
from mining_platform.ranges import range_of
from mining_platform.store.digests import listing

SHARE_ERROR = 1e-9  # of a share computed again: the same arithmetic on the same pixels
NEAREST_ERROR = 0.1  # most between the exact share and that of 10 m pixels; 0.012 on windows of 480 m, where most is valid
MOSTLY_VALID = 0.5
RELABELLED = "relabel"


@dataclass(frozen=True, order=True)
class Problem:
    """What is wrong with one file."""

    file: str
    """Path in the package."""
    problem: str

    def __str__(self) -> str:
        """`labels/…tif was altered`."""
        return f"{self.file} {self.problem}"


@dataclass(frozen=True)
class Verification:
    """What was looked at, and what is wrong."""

    layout: str
    patches: int
    files: int
    """Files of patches that were opened."""
    recomputed: int
    """Patches whose range was computed again from their label."""
    relabelled: int
    """Patches whose range is a reviewer's, not the label's."""
    problems: tuple[Problem, ...]


@dataclass
class _Patches:
    """What the files of patches told so far."""

    problems: list[Problem] = field(default_factory=list)
    shares: dict[str, float] = field(default_factory=dict)
    """Share of mining by patch_id, NaN where a label has no class."""
    opened: int = 0


def verify_package(package: Path) -> Verification:
    """Check a package in full; what is wrong is told, not raised.

    ChecksumError where the folder is no package at all: it has no readable `checksums.txt`, or holds links.
    """
    problems = [Problem(name, problem) for name, problem in file_problems(package).items()]
    files, _ = listing(package)
    try:
        facts = read_facts(package)
        table = read_manifest(package, len(files))
    except (ValueError, OSError) as error:
        name = getattr(error, "file", None) or MANIFEST_PARQUET
        return Verification("unknown", 0, 0, 0, 0, (*problems, Problem(name, f"cannot be used: {error}")))
    row = LAYOUTS[facts.layout]
    problems += [Problem(*each) for each in manifest_problems(package, facts, table)]
    problems += _stray_files(files, facts, table)
    found = _patch_problems(package, facts, row, table, {problem.file for problem in problems})
    if not problems and not found.problems:
        problems += [Problem(*each) for each in following_tables(package, facts, table, found.shares)]
    relabelled = int((table["review"] == RELABELLED).sum()) if "review" in table else 0
    recomputed = sum(not math.isnan(share) for share in found.shares.values())
    every = tuple(sorted({*problems, *found.problems}))
    return Verification(facts.layout, len(table), found.opened, recomputed, relabelled, every)


def _stray_files(files: Mapping[str, int], facts: PackageFacts, table: gpd.GeoDataFrame) -> Iterator[Problem]:
    """Files in folders of patches that no row names, such as renamed ones, or files by which GDAL reads others differently."""
    named = {str(path) for kind in facts.kinds for path in table.get(kind.column, ())}
    folders = {pattern for kind in facts.kinds if "*" not in (pattern := kind.pattern.split("/")[0])}
    folders |= {path.split("/")[0] for path in named if "/" in path}
    yield from (
        Problem(name, "is of no patch of the manifest")
        for name in files
        if "/" in name and name.split("/")[0] in folders and name not in named
    )


def _patch_problems(package: Path, facts: PackageFacts, row: Layout, table: gpd.GeoDataFrame, known: set[str]) -> _Patches:
    """What the files of patches tell, but for those already `known` to be wrong."""
    found = _Patches()
    for patch in table.itertuples(index=False):
        for kind in facts.kinds:
            path = str(getattr(patch, kind.column, ""))
            found.opened += path not in known
            if path not in known and (wrong := file_problem(package, path, kind, facts, patch)):
                found.problems.append(Problem(path, wrong))
                known.add(path)
        label = str(getattr(patch, "label_path", ""))
        if label not in known and (wrong := _label_problem(package, patch, row, facts, found.shares)):
            found.problems.append(Problem(label, wrong))
    return found


def _label_problem(package: Path, patch: Any, row: Layout, facts: PackageFacts, shares: dict[str, float]) -> str | None:
    """Why a patch does not fall into its own range by its label, in words; its share joins `shares`."""
    try:
        share = row.share_of(package, patch, facts.mining_codes)
        said, exact = float(getattr(patch, row.share_column)), float(patch.share)
        shares[str(patch.patch_id)] = share
        if patch.review == RELABELLED and not row.clips_maps:
            return None if math.isnan(share) else "has classes, though a reviewer relabelled the patch"
        if math.isnan(share):
            return None if math.isnan(said) or said == patch.valid_px == 0 else "has no class"
        near = abs(share - exact) <= NEAREST_ERROR or patch.valid_share < MOSTLY_VALID
    except UNREADABLE as error:
        return f"gives no mining share: {told(error, package)}"
    if abs(share - said) <= SHARE_ERROR and near:
        return None  # the range is that of the exact share, which the schema of the manifest holds
    if range_of(share) != patch.range:
        return f"gives range {range_of(share)} (share {share:.6f}), the manifest says {patch.range} (share {exact:.6f})"
    return f"gives a mining share of {share:.9f}, the manifest says {said:.9f}"


def summary(found: Verification) -> Mapping[str, Any]:
    """A verification in JSON types."""
    return {
        "layout": found.layout,
        "patches": found.patches,
        "files": found.files,
        "recomputed": found.recomputed,
        "relabelled": found.relabelled,
        "whole": not found.problems,
        "problems": [{"file": each.file, "problem": each.problem} for each in found.problems],
    }
