"""What a layout tells of the files it wrote."""

from dataclasses import dataclass

import geopandas as gpd

from mining_platform.packages.contents import FileKind, TableFile


@dataclass(frozen=True)
class Written:
    """The patches of a package with the paths of their files, the kinds of files, and the tables beside the manifest."""

    table: gpd.GeoDataFrame
    """The manifest with one column of paths for each of `kinds`, and what else the layout gives a patch."""
    kinds: tuple[FileKind, ...]
    tables: tuple[TableFile, ...]
