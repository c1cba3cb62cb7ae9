"""The command `label`: a label for anyone's image by a recipe, without an installation."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rich.markup import escape

from mining_platform.consoles import CommandError, console, print_rows
from mining_platform.labels.class_sets import ClassSet, parsed_classes
from mining_platform.labels.recipes import RECIPES, LabelRecipe, recipe
from mining_platform.options import words

if TYPE_CHECKING:
    from mining_platform.ingest.cloud_stacks import CloudStack
    from mining_platform.labels.image_labels import Choice

TIFF_SUFFIXES = (".tif", ".tiff")
SUFFIXES = (".png", *TIFF_SUFFIXES)
CLASS_NAMES: Mapping[int, str] = {0: "background", 1: "cloud", 2: "mining", 255: "no class"}
AGREEMENT_NAMES: Mapping[int, str] = {0: "no source", 1: "some sources", 2: "all sources", 255: "no class in a source"}


def label(  # noqa: PLR0913 - the options of a command
    image: Annotated[Path, typer.Argument(help="GeoTIFF whose grid the label gets.")],
    recipe_id: Annotated[str, typer.Option("--recipe", help=f"One of {', '.join(RECIPES)}.")],
    out: Annotated[Path, typer.Option(help="Label to write: .png (palette) or .tif.")],
    polygons: Annotated[Path | None, typer.Option(help="KML, KMZ, GeoJSON or GeoPackage of polygons.")] = None,
    site: Annotated[str, typer.Option(help="The image's site, as its polygons are named.")] = "",
    site_field: Annotated[str, typer.Option(help="Property that names the site; default site, else name.")] = "",
    aliases: Annotated[Path | None, typer.Option(help="CSV with alias,site: other names of sites.")] = None,
    where: Annotated[list[str] | None, typer.Option(help="Only polygons with class=mining, year<=2022, … Repeat it.")] = None,
    day: Annotated[str, typer.Option(help="Only polygons that hold on this day, YYYY-MM-DD.")] = "",
    bands: Annotated[str, typer.Option(help="Order of the bands: landsat-4-7, landsat-8-9, a profile, or red=3,nir=4.")] = "",
    cloud_band: Annotated[int | None, typer.Option(min=0, help="Number of the cloud band; 0 for none.")] = None,
    scale: Annotated[float | None, typer.Option(help="Reflectance = scale x number + offset; default as the file says.")] = None,
    offset: Annotated[float, typer.Option(help="See --scale.")] = 0.0,
    sources: Annotated[
        str, typer.Option(help="Maps and polygons, separated by commas: for agreement, or the map to label by.")
    ] = "",
    classes: Annotated[str, typer.Option(help="agreement: classes of maps that are mining, such as 30 or mining.")] = "",
    year: Annotated[int | None, typer.Option(help="The year whose band of a map is meant.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Write the label of an image on its own grid: 0 background, 1 cloud, 2 mining, 255 no class.

    With agreement: 0 no source has mining, 1 some, 2 all, 255 one has no class.
    """
    from mining_platform.ingest.cloud_stacks import opened_image
    from mining_platform.labels.image_labels import Choice

    try:
        row = recipe(recipe_id)
    except KeyError as error:
        raise CommandError(str(error.args[0])) from None
    _check(row, out, polygons, sources, classes, scale=scale, offset=offset)
    choice = Choice(polygons, site, site_field, aliases, tuple(where or ()), _day(day)) if polygons else None
    with opened_image(image) as stack:
        table: list[dict[str, Any]] = []
        if choice is not None:
            scaling = None if scale is None else (scale, offset)
            made, notes = _of_polygons(stack, choice, row, bands, cloud_band, scaling)
        elif row.kind == "agreement":
            made, notes, table = _agreement(stack.grid, words(sources), row, classes, year, tuple(where or ()))
        else:
            made, notes = _of_map(stack.grid, Path(sources), row, year)
        grid = stack.grid
    _write(out, made, grid, row)
    _print(out, made, row, notes, table, as_json=as_json)


def _check(
    row: LabelRecipe, out: Path, polygons: Path | None, sources: str, classes: str, *, scale: float | None, offset: float
) -> None:
    if out.suffix.lower() not in SUFFIXES:
        raise CommandError(f"{out} is neither {' nor '.join(SUFFIXES)}. Name the label so.")
    if not out.absolute().parent.is_dir():
        raise CommandError(f"There is no folder {out.absolute().parent} to write {out.name} in.")
    by_polygons = row.kind in ("polygons", "three-class", "detections")
    if by_polygons != (polygons is not None) or by_polygons == bool(sources):
        wanted = "polygons of one file: name it with --polygons" if by_polygons else "--sources"
        raise CommandError(f"The recipe {row.id} is made of {wanted}, and takes no others.")
    if row.kind == "mapbiomas" and len(words(sources)) != 1:
        raise CommandError(f"The recipe {row.id} is made of one map. Name it with --sources.")
    if classes and row.kind != "agreement":
        raise CommandError(f"--classes is for agreement; {row.id} has its own. Leave it out.")
    if scale is None and offset:
        raise CommandError("--offset goes with --scale: reflectance = scale x number + offset. Name both.")


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise CommandError(f"{text!r} is no day. Write it as 2022-05-31.") from None


def _of_polygons(
    stack: "CloudStack",
    choice: "Choice",
    row: LabelRecipe,
    order: str,
    cloud_band: int | None,
    scaling: tuple[float, float] | None,
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    from mining_platform.ingest.cloud_stacks import bands_of
    from mining_platform.labels.image_labels import chosen_polygons, polygons_label, three_class_label

    chosen, notes = chosen_polygons(choice, row)
    if row.kind != "three-class":
        made, more = polygons_label(stack, chosen, row, choice.file.name)
    else:
        told = bands_of(stack, order, cloud_band)
        made, more = three_class_label(stack, told, chosen, row, choice.file.name, scaling=scaling)
    return made, (*notes, *more)


def _agreement(
    grid: GeoBox, paths: tuple[str, ...], row: LabelRecipe, classes: str, year: int | None, conditions: tuple[str, ...]
) -> tuple[NDArray[np.uint8], tuple[str, ...], list[dict[str, Any]]]:
    from mining_platform.labels.agreement import agreement
    from mining_platform.labels.source_masks import source_mask

    wanted = parsed_classes(classes) if classes else None
    found = [source_mask(Path(path), grid, classes=wanted, year=year, conditions=conditions, recipe=row) for path in paths]
    compared = agreement([mask for mask, _ in found], grid)
    return compared.map, tuple(note for _, notes in found for note in notes), compared.table


def _of_map(grid: GeoBox, path: Path, row: LabelRecipe, year: int | None) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    from mining_platform.labels.image_labels import map_label
    from mining_platform.labels.mapbiomas import NO_CLASS_CODES
    from mining_platform.labels.source_masks import source_mask

    wanted = ClassSet(row.id, row.mining_codes, NO_CLASS_CODES, row.description)
    mask, notes = source_mask(path, grid, classes=wanted, year=year, conditions=(), recipe=row)
    return map_label(mask.is_mining, mask.has_class), notes


def _write(out: Path, made: NDArray[np.uint8], grid: GeoBox, row: LabelRecipe) -> None:
    """The whole label in place of what was there, or nothing."""
    from mining_platform.labels.label_rasters import label_tiff
    from mining_platform.labels.palette_pngs import palette_png
    from mining_platform.store import durable

    told = f"Label by the recipe {row.id}, version {row.version}"
    content = label_tiff(made, grid, row) if out.suffix.lower() in TIFF_SUFFIXES else palette_png(made, told)
    try:
        durable.write(out.absolute(), content)
    except OSError as error:
        raise CommandError(f"{out} cannot be written: {error.strerror or error}.") from None


def _print(
    out: Path, made: NDArray[np.uint8], row: LabelRecipe, notes: tuple[str, ...], table: list[dict[str, Any]], *, as_json: bool
) -> None:
    names = AGREEMENT_NAMES if row.kind == "agreement" else CLASS_NAMES
    counts = {names[value]: int((made == value).sum()) for value in names}
    if as_json:
        facts = {"recipe": row.id, "version": row.version, "kind": row.kind, "pixels": counts, "table": table}
        console.print_json(data={**facts, "notes": list(notes), "out": str(out)})
        return
    rows = table or [{"what": name, "pixels": count} for name, count in counts.items() if count]
    print_rows(rows, as_json=False)
    for note in notes:
        console.print(f"[yellow]note[/yellow] {escape(note)}")
    console.print(f"Recipe {row.id}, version {row.version}. Written to {escape(str(out))}.")
