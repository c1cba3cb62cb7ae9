"""The command `proportions`: class shares of windows of anyone's raster, without an installation."""

import math
from pathlib import Path
from typing import Annotated

import typer

from mining_platform.consoles import CommandError, console, print_rows, progress_bar
from mining_platform.labels.class_sets import CLASS_SETS, parsed_classes

SUFFIXES = (".parquet", ".csv")


def proportions(  # noqa: PLR0913 - the options of a command
    raster: Annotated[Path, typer.Argument(help="GeoTIFF of class codes, north-up, in any geographic or projected CRS.")],
    classes: Annotated[str, typer.Option(help=f"Codes such as 30 or 101-130,215, or names: {', '.join(CLASS_SETS)}.")],
    window_m: Annotated[float, typer.Option(help="Side of the square windows in metres, a multiple of 10.")],
    out: Annotated[Path, typer.Option(help="Table to write: .parquet or .csv.")],
    crs: Annotated[str, typer.Option(help="CRS of the windows, in metres; default the raster's, or its UTM zone.")] = "",
    year: Annotated[int | None, typer.Option(help="The year whose band is meant, where bands are named by year.")] = None,
    no_class: Annotated[
        str, typer.Option(help="Codes that say nothing about the ground, beside the raster's nodata value.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Exact area share of classes in every window, clipped on the raster's own pixels, by ellipsoidal area."""
    from mining_platform import proportion_tables
    from mining_platform.shares.class_rasters import band_of_year

    if out.suffix.lower() not in SUFFIXES:
        raise CommandError(f"{out} is neither {' nor '.join(SUFFIXES)}. Name the table so.")
    chosen = parsed_classes(classes)
    without = parsed_classes(no_class).codes if no_class.strip() else chosen.no_class
    band = band_of_year(raster, year)
    grid, notes = proportion_tables.grid_over(raster, chosen.codes, band, window_m, crs)
    with progress_bar(disable=as_json) as bar:
        task = bar.add_task("proportions", total=1.0)
        try:
            tally = proportion_tables.write_shares(
                raster,
                grid,
                chosen.codes,
                out,
                band=band,
                no_class=without,
                progress=lambda share: bar.update(task, completed=share),
            )
        except proportion_tables.OutputError as error:
            raise CommandError(str(error)) from None
    nodata = proportion_tables.declared_nodata(raster, band)
    if not tally.class_px:
        notes.append(f"No pixel of the raster is of the classes {classes}.")
    if nodata is None and not without:
        notes.append("The raster declares no nodata value, so every pixel counts as valid; name others with --no-class.")
    shown = "NaN" if nodata is not None and math.isnan(nodata) else nodata  # JSON knows no such number
    facts = {"classes": sorted(chosen.codes), "no_class": sorted(without), "nodata": shown, "band": band, "epsg": grid.epsg}
    if as_json:
        console.print_json(data={**facts, **tally.facts, "out": str(out), "notes": notes})
        return
    print_rows([{"range": name, "windows": count} for name, count in tally.facts["windows_by_range"].items()], as_json=False)
    console.print(
        f"{tally.windows} windows of {window_m:g} m in EPSG:{grid.epsg}, {tally.with_class} with the classes: "
        f"{tally.class_px} pixels, {tally.class_area_m2 / 1e4:,.1f} ha. {tally.partly_valid} are only partly valid, "
        f"{tally.without_class} not at all. Written to {out}."
    )
    for note in notes:
        console.print(f"[yellow]note[/yellow] {note}")
