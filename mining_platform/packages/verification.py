"""Whether a package is what it says: every file as listed, tables by their schema, every picture whole, every range by its label.

Nothing of the package is trusted: the range of a patch is computed again from its label file alone.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
from PIL import Image

from mining_platform.grids import PIXEL_M
from mining_platform.manifests import PATCH_TABLE, validate_manifest
from mining_platform.packages.checksums import ChecksumError, file_problems
from mining_platform.packages.contents import MANIFEST_CSV, MANIFEST_PARQUET, FileKind
from mining_platform.packages.layouts import LAYOUTS, Layout
from mining_platform.packages.package_facts import PackageFacts, read_facts
from mining_platform.packages.patch_files import GEOTIFF
from mining_platform.ranges import range_of

SHARE_ERROR = 1e-9  # of a share computed again: the same arithmetic on the same pixels
RELABELLED = "relabel"
MOST_PIXELS = 4096**2  # of a file of one patch; a larger claim is not decoded


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


def verify_package(package: Path) -> Verification:
    """Check a package in full; what is wrong is told, not raised.

    ChecksumError where the folder is no package at all: it has no readable `checksums.txt`.
    """
    problems = [Problem(name, problem) for name, problem in file_problems(package).items()]
    try:
        facts = read_facts(package)
        table = _table(package)
    except ChecksumError:
        raise
    except (ValueError, OSError) as error:
        name = getattr(error, "file", None) or MANIFEST_PARQUET
        return Verification("unknown", 0, 0, 0, 0, (*problems, Problem(name, f"cannot be used: {error}")))
    row = LAYOUTS[facts.layout]
    problems += [*_table_problems(package, facts, table), *_stray_files(package, facts, table)]
    known = {problem.file for problem in problems}
    of_patches, recomputed = _patch_problems(package, facts, row, table, known)
    relabelled = int((table.get("review", pd.Series("", index=table.index)) == RELABELLED).sum())
    every = tuple(sorted({*problems, *of_patches}))
    return Verification(facts.layout, len(table), len(table) * len(facts.kinds), recomputed, relabelled, every)


def _table(package: Path) -> gpd.GeoDataFrame:
    try:
        return gpd.read_parquet(package / MANIFEST_PARQUET)
    except Exception as error:  # whatever a damaged file makes the reader raise
        raise ValueError(f"{MANIFEST_PARQUET} is no GeoParquet ({type(error).__name__}: {error})") from None


def _table_problems(package: Path, facts: PackageFacts, table: gpd.GeoDataFrame) -> Iterator[Problem]:
    lacking = [name for name in (*PATCH_TABLE.columns, *(kind.column for kind in facts.kinds)) if name not in table]
    if lacking:
        yield Problem(MANIFEST_PARQUET, f"lacks the columns {', '.join(lacking)}")
        return
    try:
        validate_manifest(table[list(PATCH_TABLE.columns)])
    except ValueError as error:
        yield Problem(MANIFEST_PARQUET, f"breaks its rules: {error}")
    columns = [name for name in table.columns if name != "geometry"]
    try:
        text = pd.read_csv(package / MANIFEST_CSV, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        yield Problem(MANIFEST_CSV, f"cannot be read: {error}")
        return
    same = pd.read_csv(_csv_of(table[columns]), dtype=str, keep_default_na=False)
    if not text.equals(same):
        yield Problem(MANIFEST_CSV, f"is not the table of {MANIFEST_PARQUET}")


def _csv_of(table: pd.DataFrame) -> Any:
    from io import StringIO

    return StringIO(pd.DataFrame(table).to_csv(index=False, lineterminator="\n"))


def _stray_files(package: Path, facts: PackageFacts, table: gpd.GeoDataFrame) -> Iterator[Problem]:
    """Files of patches that no row names, such as renamed ones."""
    for kind in facts.kinds:
        named = set(table.get(kind.column, ()))
        found = {path.relative_to(package).as_posix() for path in package.glob(kind.pattern)}
        yield from (Problem(name, "is of no patch of the manifest") for name in sorted(found - named))


def _patch_problems(
    package: Path, facts: PackageFacts, row: Layout, table: gpd.GeoDataFrame, known: set[str]
) -> tuple[list[Problem], int]:
    """What is wrong with the files of patches, but for those already `known`, and how many ranges were computed again."""
    problems, recomputed = [], 0
    for patch in table.itertuples(index=False):
        for kind in facts.kinds:
            path = str(getattr(patch, kind.column, ""))
            if path not in known and (wrong := _file_problem(package, path, kind, facts)):
                problems.append(Problem(path, wrong))
                known.add(path)
        label = str(getattr(patch, "label_path", ""))
        if label in known:
            continue
        wrong_range = _range_problem(package, patch, row, facts)
        recomputed += 1
        if wrong_range:
            problems.append(Problem(label, wrong_range))
    return problems, recomputed


def _file_problem(package: Path, path: str, kind: FileKind, facts: PackageFacts) -> str | None:
    """What keeps a file from being what its kind says, in words."""
    parts = PurePosixPath(path)
    if not path or parts.is_absolute() or ".." in parts.parts:
        return f"is no path inside the package (column {kind.column})"
    if not (package / path).is_file():
        return "is missing"
    try:
        shape, dtype, values = _opened(package / path, kind)
    except (OSError, ValueError, rasterio.errors.RasterioError) as error:
        return f"cannot be opened: {error}"
    bands = len(kind.channels) or 1
    if kind.on_patch_grid and shape != (bands, facts.px, facts.px):
        return f"is {shape[0]} x {shape[1]} x {shape[2]}, not {bands} x {facts.px} x {facts.px}"
    if shape[0] != bands or dtype != kind.dtype:
        return f"has {shape[0]} bands of {dtype}, not {bands} of {kind.dtype}"
    unknown = sorted(values - set(facts.label_values)) if kind.on_patch_grid and "labels" in kind.roles else []
    return f"has the label values {unknown}, not only {facts.label_values}" if unknown else None


def _opened(path: Path, kind: FileKind) -> tuple[tuple[int, ...], str, set[int]]:
    """Shape (band, y, x), dtype and, of labels, the values of a file, every pixel decoded."""
    if kind.media_type == GEOTIFF:
        with rasterio.open(path, driver="GTiff") as raster:
            _check_size(raster.width, raster.height)
            if kind.on_patch_grid and raster.res != (PIXEL_M, PIXEL_M):
                raise ValueError(f"its pixels are {raster.res} m, not {PIXEL_M} m")
            pixels = raster.read()
    else:
        with Image.open(path, formats=("PNG",)) as picture:
            _check_size(*picture.size)
            pixels = np.asarray(picture)
        pixels = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)  # noqa: PLR2004 - (y, x) or (y, x, band)
    values = set(np.unique(pixels).tolist()) if "labels" in kind.roles else set()
    return pixels.shape, str(pixels.dtype), values


def _check_size(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise ValueError(f"it claims {width} x {height} pixels, a patch has at most {MOST_PIXELS}")


def _range_problem(package: Path, patch: Any, row: Layout, facts: PackageFacts) -> str | None:
    """Why a patch does not fall into its own range by its label, in words."""
    try:
        share = row.share_of(package, patch, facts.mining_codes)
    except (OSError, ValueError, rasterio.errors.RasterioError) as error:
        return f"gives no mining share: {error}"
    told = float(getattr(patch, row.share_column))
    if getattr(patch, "review", "") == RELABELLED or math.isnan(share) or math.isnan(told):
        return None if math.isnan(share) == math.isnan(told) or getattr(patch, "review", "") == RELABELLED else "has no class"
    if abs(share - told) <= SHARE_ERROR:
        return None  # the range is that of the exact share, which the schema of the manifest holds
    if range_of(share) != patch.range:
        return f"gives range {range_of(share)} (share {share:.6f}), the manifest says {patch.range}"
    return f"gives a mining share of {share:.9f}, the manifest says {told:.9f}"


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
