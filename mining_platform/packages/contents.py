"""What a package holds, said once for every format that describes it: release, patches, kinds of files, tables."""

from dataclasses import dataclass

import geopandas as gpd

from mining_platform import bands
from mining_platform.grids import PIXEL_M
from mining_platform.labels.recipes import LabelRecipe
from mining_platform.packages.credits import Credit

MANIFEST_CSV, MANIFEST_PARQUET, SHORTAGE_CSV = "manifest.csv", "manifest.parquet", "shortage.csv"


@dataclass(frozen=True)
class Release:
    """A published state of a dataset, for one or several years."""

    dataset: str
    """Id of the dataset's row, e.g. `sim_ranges`."""
    title: str
    years: tuple[int, ...]
    layout: str
    """Row of packages.layouts.LAYOUTS."""
    channels: tuple[str, ...]
    """Band ids of the dataset's images, in order."""
    px: int
    """Pixels a side of a patch."""
    recipe: LabelRecipe
    profile: str
    credits: tuple[Credit, ...]
    """Sources with licence and attribution, sorted."""
    inputs: tuple[tuple[str, str, str], ...]
    """Published versions that the package rests on: asset, partition, digest; sorted."""
    code_version: str
    """Version of the software."""
    authors: tuple[str, ...]
    """People or bodies to cite."""
    date: str
    """Day of publication, YYYY-MM-DD; part of the input, so that equal input gives equal bytes."""
    simulated: bool
    pixel_m: int = PIXEL_M
    """Ground size of a patch's pixels, metres."""

    @property
    def version(self) -> str:
        """Version of the release: its years and the head of the manifests' digests, e.g. `2024.1f3a90c2`."""
        digests = "-".join(digest[:8] for asset, _, digest in self.inputs if asset.endswith("/manifest"))
        return ".".join(part for part in ("-".join(map(str, self.years)), digests) if part)


@dataclass(frozen=True)
class FileKind:
    """One kind of file that each patch has one of."""

    column: str
    """Column of the table with the file's path in the package, `/` between parts, e.g. `image_path`."""
    title: str
    description: str
    media_type: str
    """`image/png`, or `image/tiff; application=geotiff`."""
    roles: tuple[str, ...]
    """STAC roles: `data`, `labels`, `overview`."""
    pattern: str
    """Glob of all files of the kind, relative to the package, e.g. `images/*/*.png`."""
    channels: tuple[str, ...]
    """Band ids of its bands, in order; empty where the values are classes."""
    dtype: str
    nodata: float | None
    scale: float | None
    """Reflectance a digital number; None where the values are no measurement. Of other channels see `quantity`."""
    on_patch_grid: bool = True
    """Whether its pixels are the patch's own 10 m pixels; those of a clip of a land-cover map are the map's."""

    def quantity(self, channel: str) -> tuple[str, float, float]:
        """Unit, scale and offset of a band's numbers; files of floats hold what is no reflectance in its unit."""
        unit = bands.band(channel).unit
        if unit == "reflectance":
            return unit, self.scale or 1.0, 0.0
        return (unit, 1.0, 0.0) if self.dtype.startswith("float") else (unit, *bands.stored_as(channel))


@dataclass(frozen=True)
class TableFile:
    """A CSV table of the package."""

    path: str
    title: str
    description: str
    key: tuple[str, ...]
    """Columns that name a row; empty where there is none."""


@dataclass(frozen=True)
class Contents:
    """All that the descriptions of a package say."""

    release: Release
    table: gpd.GeoDataFrame
    """Published patches in order of patch_id (EPSG:4326): the columns of manifests.PATCH_TABLE, then those of the layout,
    among them one path a row for each of `kinds`. What `manifest.csv` and `manifest.parquet` of the package hold."""
    kinds: tuple[FileKind, ...]
    tables: tuple[TableFile, ...]
