"""Folders of GeoTIFF, NPY or PNG patches named after their class (EuroSAT's layout), or files alone, without any class.

The label is of a whole patch: mining or not; its pixels have no class. The layout: Helber et al. 2019, EuroSAT,
doi:10.1109/JSTARS.2019.2918242.
"""

from pathlib import PurePosixPath

from mining_platform.imports.channels import channels_of, left_out
from mining_platform.imports.findings import PatchImportError, named
from mining_platform.imports.found import SIDES, Found, Request, rows_of, side_of
from mining_platform.imports.image_files import IMAGE_SUFFIXES, files_below, read_header, read_image
from mining_platform.imports.labelled_folder import LABELS

LAYOUT = "class-folders"


def read_class_folders(request: Request) -> Found:
    """The patches of `[<split>/][<class>/]<patch>.tif|npy|png`; PatchImportError for folders that are no class, and no year."""
    names = files_below(request.folder, IMAGE_SUFFIXES)
    if not names:
        raise PatchImportError(f"{request.source} has no patches: no file ending in {', '.join(IMAGE_SUFFIXES)}.")
    if request.year is None:
        raise PatchImportError(f"{request.source}: files in folders do not tell their year. Name it with --year.")
    parts = [PurePosixPath(name).parent.parts for name in names]
    strange = {folder for each in parts for folder in each if folder.lower() not in LABELS and folder.lower() not in SIDES}
    if strange:
        raise PatchImportError(
            f"{request.source} has folders that are no class: {named(sorted(strange))}. Call them mining and other (or one of "
            f"{', '.join(LABELS)}), within train, val and test where there is a split."
        )
    ids = _ids(names)
    rows = rows_of([_row(request, name, patch_id, each) for name, patch_id, each in zip(names, ids, parts, strict=True)])
    files = rows["image_file"].tolist()
    channels = channels_of(request.channels, read_header(request.folder, files[0]).descriptions, (), files[0])
    return Found(
        rows=rows,
        channels=channels,
        image=lambda number: read_image(request.folder, files[number]),
        label=lambda _number: None,
        findings=left_out(channels),
        nan_is_nodata=False,
        one_dtype=True,
        recipe=LAYOUT,
    )


def _ids(names: list[str]) -> list[str]:
    """The files' own names without suffix, or with their folders where two are called alike."""
    stems = [PurePosixPath(name).stem for name in names]
    if len(set(stems)) == len(stems):
        return stems
    return [str(PurePosixPath(name).with_suffix("")).replace("/", "_") for name in names]


def _row(request: Request, name: str, patch_id: str, folders: tuple[str, ...]) -> dict[str, object]:
    sides = [folder for folder in folders if folder.lower() in SIDES]
    classes = [LABELS[folder.lower()] for folder in folders if folder.lower() in LABELS]
    return {
        "patch_id": patch_id,
        "place": patch_id,
        "region": request.region,
        "year": request.year,
        "split": side_of(sides[0]) if sides else "",
        "published_split": sides[0] if sides else "",
        "is_mining": classes[-1] if classes else None,
        "image_file": name,
    }
