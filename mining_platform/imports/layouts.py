"""The layouts that can be imported: a table of rows."""

from collections.abc import Callable
from dataclasses import dataclass

from mining_platform.imports.class_folders import read_class_folders
from mining_platform.imports.found import Found, Request
from mining_platform.imports.labelled_folder import read_labelled
from mining_platform.imports.proportion_ranges import read_ranges
from mining_platform.imports.sites import read_sites
from mining_platform.imports.smallmines import read_smallmines

Reader = Callable[[Request], Found]


@dataclass(frozen=True)
class ImportLayout:
    """One way in which others lay out patches."""

    id: str
    read: Reader
    files: str
    """What lies where."""


LAYOUTS: dict[str, ImportLayout] = {
    row.id: row
    for row in (
        ImportLayout("proportion-ranges", read_ranges, "[images/]range_<range>/<patch>.png|tif, labels/, manifest.csv"),
        ImportLayout("smallmines", read_smallmines, "<year>/IMAGE/IMG_<tile>_<year>.tif, <year>/MASK/MASK_<tile>_<year>.tif"),
        ImportLayout("sites", read_sites, "<split>/{images,labels}/<site>/NNNNN.tif|png, filename_mapping.csv"),
        ImportLayout("class-folders", read_class_folders, "[<split>/][mining|other/]<patch>.tif|npy|png"),
        ImportLayout("labelled-folder", read_labelled, "GeoTIFF or NPY files and a table: id, lon, lat, date, label, split"),
    )
}
