"""A package of this platform read back: the manifest it holds, the numbers of its images, its labels on the 10 m grid.

Labels of the layout proportion-ranges are clips of the map: they are resampled by the nearest native pixel and become labels by
the package's recipe, as `labels.mapbiomas` and `labels.recipes` did it when the patches were cut.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mining_platform import profiles
from mining_platform.grids import window_geobox
from mining_platform.imports.findings import PatchImportError, found, named
from mining_platform.imports.found import ROW_DEFAULTS, Found, Request
from mining_platform.imports.image_files import read_image, read_picture
from mining_platform.labels.recipes import LabelRecipe, label_of
from mining_platform.manifests import PATCH_TABLE, validate_manifest
from mining_platform.packages.contents import MANIFEST_PARQUET
from mining_platform.packages.package_facts import PackageError, PackageFacts, read_facts
from mining_platform.packages.patch_files import platform_label
from mining_platform.packages.verification import RELABELLED, verify_package
from mining_platform.sources.rasters import RasterError, opened_raster, reading

LabelOf = Callable[[Path, Any, LabelRecipe], NDArray[np.uint8]]
BANDS_PATH = "bands_path"
PICTURES_ONLY = "proportion-ranges"
"""Layout whose images are pictures, unless it was exported with all bands."""


def read_package(request: Request) -> Found:
    """The patches of a package, not yet verified; PatchImportError for another layout, region or year than it has."""
    try:
        facts = read_facts(request.folder)
        table = gpd.read_parquet(request.folder / MANIFEST_PARQUET)
        manifest = validate_manifest(table[list(PATCH_TABLE.columns)])
    except (PackageError, OSError, ValueError, KeyError) as error:
        raise PatchImportError(f"{request.source} is no package that can be read: {error}. Export or fetch it anew.") from None
    _check_asked(request, facts, manifest)
    column = BANDS_PATH if BANDS_PATH in table else "image_path"
    is_picture = facts.layout == PICTURES_ONLY and column != BANDS_PATH
    rows = _rows(table, column)
    recipe = LabelRecipe(facts.recipe, facts.mining_codes, "as the package says", 0)
    patches = list(table.itertuples(index=False))

    def label(number: int) -> NDArray[np.uint8] | None:
        patch = patches[number]
        return None if getattr(patch, "review", "") == RELABELLED else _LABELS[facts.layout](request.folder, patch, recipe)

    text = "images are 8-bit pictures: they are stored as shown and are no reflectance; export with all bands to have it"
    return Found(
        rows=rows,
        channels=profiles.profile("rgb-display").channels if is_picture else facts.channels,
        image=lambda number: read_image(request.folder, str(getattr(patches[number], column))),
        label=label,
        findings=found("pictures", text, table[column]) if is_picture else (),
        are_numbers=True,
        manifest=gpd.GeoDataFrame(manifest, geometry="geometry", crs=table.crs),
        recipe=facts.recipe,
    )


def verify(request: Request) -> int:
    """Pixels a side of the patches of a package that is whole; PatchImportError naming what is wrong with which files."""
    problems = [str(problem) for problem in verify_package(request.folder).problems]
    if problems:
        raise PatchImportError(
            f"{request.source}: {len(problems)} problems: {named(problems)}. Fetch or export the package anew."
        )
    return read_facts(request.folder).px


def _check_asked(request: Request, facts: PackageFacts, manifest: pd.DataFrame) -> None:
    if facts.layout != request.layout:
        raise PatchImportError(f"{request.source} has the layout {facts.layout}. Name it with --layout {facts.layout}.")
    if request.region and (other := sorted(set(manifest["region"]) - {request.region})):
        raise PatchImportError(f"{request.source} tells its regions itself: {', '.join(other)}. Leave --region out.")
    if request.year is not None and (years := sorted(set(manifest["year"]) - {request.year})):
        raise PatchImportError(f"{request.source} tells its years itself: {', '.join(map(str, years))}. Leave --year out.")
    if request.channels:
        raise PatchImportError(f"{request.source} tells its channels itself: {', '.join(facts.channels)}. Leave --channels out.")


def _rows(table: gpd.GeoDataFrame, column: str) -> pd.DataFrame:
    """Rows as readers of other layouts give them, in the order of the package's table."""
    known = {name: table[name] for name in ("patch_id", "region", "year", "split", "lon", "lat", "is_mining")}
    known |= {"place": table["window_id"], "published_split": table["split"], "published_range": table["range"]}
    known |= {"site": table.get("site", ""), "image_file": table[column], "label_file": table["label_path"]}
    return pd.DataFrame({name: known.get(name, value) for name, value in ROW_DEFAULTS.items()}, index=table.index)


def _clip_label(folder: Path, patch: Any, recipe: LabelRecipe) -> NDArray[np.uint8]:
    from mining_platform.resampling import read_on_grid

    try:
        with opened_raster(str(folder / patch.label_path)) as (source, _), reading():
            return label_of(read_on_grid(source, window_geobox(patch.window_id), nearest=True).astype(np.uint8), recipe)
    except RasterError as error:
        raise PatchImportError(f"{patch.label_path}: {error}. Fetch or export the package anew.") from None


def _mask_label(folder: Path, patch: Any, _recipe: LabelRecipe) -> NDArray[np.uint8]:
    return read_image(folder, patch.label_path).values[0].astype(np.uint8)


def _site_label(folder: Path, patch: Any, _recipe: LabelRecipe) -> NDArray[np.uint8]:
    return platform_label(read_picture(folder, patch.label_path))


_LABELS: Mapping[str, LabelOf] = MappingProxyType(
    {"proportion-ranges": _clip_label, "smallmines": _mask_label, "sites": _site_label}
)
"""How a label (y, x) is read, by layout."""
