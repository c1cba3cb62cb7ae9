"""The command that audits anyone's split for leaks; needs no installation."""

from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from rich.markup import escape

from mining_platform.consoles import CommandError, console, print_rows
from mining_platform.leakage.audits import KINDS, LeakageReport, audit
from mining_platform.leakage.findings import Finding
from mining_platform.leakage.known_names import with_known_names
from mining_platform.leakage.pictures import read_pictures
from mining_platform.patch_table_files import named as column_names
from mining_platform.patch_table_files import read_raw, text_of
from mining_platform.patch_table_ids import ID_COLUMNS
from mining_platform.patch_tables import PatchTable, read_patch_table, side_names
from mining_platform.splits.published import attach_published
from mining_platform.store import durable

SHOWN_PAIRS = 5  # of each kind, on the terminal; JSON has more
NAMED_IDS = 5


def leakage(  # noqa: PLR0913 - the options of a command
    tables: Annotated[list[Path], typer.Argument(metavar="TABLE...", help="Tables of patches: .csv, .geojson, .parquet.")],
    split_column: Annotated[str, typer.Option(help="Default split.")] = "",
    splits: Annotated[Path | None, typer.Option(help="Another table with the splits, joined by patch_id.")] = None,
    buffer_m: Annotated[float, typer.Option(help="Footprints of different splits nearer than this are a leak.")] = 0,
    store: Annotated[list[Path] | None, typer.Option(help="Folder with patches.zarr, to look for near-duplicates.")] = None,
    images: Annotated[list[Path] | None, typer.Option(help="Folder of images called as the patches, for the same.")] = None,
    picture: Annotated[Path | None, typer.Option(help="Map of the splits and leaks to write, .png.")] = None,
    size_m: Annotated[float | None, typer.Option(help="Side of the square patches around points, in metres.")] = None,
    crs: Annotated[str, typer.Option(help="Projected CRS of x, y and of the patches; default the UTM zone of each.")] = "",
    id_column: Annotated[str, typer.Option(help="Default patch_id, window_id, patch_name or id.")] = "",
    place_column: Annotated[str, typer.Option(help="One name for the same ground in all years. Default place or tile.")] = "",
    year_column: Annotated[str, typer.Option(help="Default year.")] = "",
    site_column: Annotated[str, typer.Option(help="Default site.")] = "",
    region_column: Annotated[str, typer.Option(help="One map each in the picture. Default region.")] = "",
    scene_column: Annotated[str, typer.Option(help="One scene id, or several. Default scene_ids.")] = "",
    count_scenes: Annotated[
        bool | None,
        typer.Option("--count-scenes/--tell-scenes", help="Whether a shared scene is a leak. Default where a row has one."),
    ] = None,
    id_pattern: Annotated[str, typer.Option(help="Regular expression with groups place, year, searched in the ids.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Look for what stands on two sides of a split: ground, places of other years, scenes, sites, near-identical pictures.

    Exit code 0 without a leak, 1 with one, 2 where the table cannot be audited.
    """
    _check_picture(picture, [*tables, *([splits] if splits else [])])
    table = read_patch_table(
        tables,
        id_column=id_column,
        size_m=size_m,
        crs=crs,
        place_column=place_column,
        year_column=year_column,
        split_column="" if splits else split_column,
        site_column=site_column,
        region_column=region_column,
        scene_column=scene_column,
        id_pattern=id_pattern,
    )
    table, named = with_known_names(table) if not id_pattern else (table, "")
    table, joined = _with_splits(table, splits, split_column) if splits else (table, [])
    stores, folders = store or [], images or []
    pictures = read_pictures(stores, folders, table.rows["patch_id"]) if stores or folders else None
    report = audit(table, buffer_m=buffer_m, pictures=pictures, count_scenes=count_scenes)
    if picture:
        from mining_platform.leakage_figures import leakage_figure

        title = f"Leakage audit of {', '.join(path.name for path in tables)}"
        durable.write(picture, leakage_figure(table, report, title, simulated=_is_simulated(tables)))
    notes = [*([named] if named else []), *_unsplit(table, splits), *joined]
    if as_json:
        console.print_json(data={**report.facts(), "table_notes": notes, "picture": str(picture) if picture else None})
    else:
        print_report(report, notes)
    raise typer.Exit(int(report.leaks > 0))


def _check_picture(picture: Path | None, tables: list[Path]) -> None:
    if picture is None:
        return
    if picture.suffix.lower() != ".png":
        raise CommandError(f"{picture} must end in .png.")
    if not picture.parent.is_dir():
        raise CommandError(f"There is no folder {picture.parent} to write {picture.name} into.")
    if picture.resolve() in {path.resolve() for path in tables}:
        raise CommandError(f"{picture} is a table to audit; name another file with --picture.")


def _with_splits(table: PatchTable, path: Path, split_column: str) -> tuple[PatchTable, list[str]]:
    """The table with the splits of another one, joined by patch id, and in words what did not match."""
    raw = read_raw(path)
    id_column = next((name for name in ID_COLUMNS if name in raw.values), ID_COLUMNS[0])
    column = split_column or "split"
    if lacking := [name for name in (id_column, column) if name not in raw.values]:
        raise CommandError(f"{path} has no columns {lacking}; it has {column_names(raw)}. Name the splits with --split-column.")
    published = pd.DataFrame({"patch_id": text_of(raw.values[id_column]), "split": side_names(raw.values[column])})
    attached = attach_published(table, published)
    if len(attached.only_ours) == len(table.rows):
        theirs, ours = _named(attached.only_published), _named(attached.only_ours)
        raise CommandError(f"No patch of the table is in {path}: it has {theirs}; the table has {ours}.")
    rows = attached.rows.drop(columns="published_split").assign(split=attached.rows["published_split"])
    missing = {name: why for name, why in table.missing.items() if name != "split"}
    foreign = attached.only_published
    notes = [f"{len(foreign)} patches of {path.name} are not in the table: {_named(foreign)}"] if foreign else []
    return PatchTable(rows, table.footprints, missing), notes


def _unsplit(table: PatchTable, splits: Path | None) -> list[str]:
    """What to say of the patches that have no split; nothing where all have one."""
    lacking = tuple(table.rows.loc[table.rows["split"] == "", "patch_id"])
    where = f" in {splits.name}" if splits else ""
    return [f"{len(lacking)} patches have no split{where} and do not count: {_named(lacking)}"] if lacking else []


def _named(ids: tuple[str, ...]) -> str:
    return ", ".join(ids[:NAMED_IDS]) + (" …" if len(ids) > NAMED_IDS else "")


def _is_simulated(tables: list[Path]) -> bool:
    """Whether a column `simulated` of one of the tables says so of any row."""
    columns = [read_raw(path).values.get("simulated") for path in tables]
    return any((text_of(column).str.lower() == "true").any() for column in columns if column is not None)


def print_report(report: LeakageReport, notes: list[str]) -> None:
    """The report for a person: what was looked for, the worst pairs, and the verdict."""
    sides = ", ".join(f"{count:,} {name}" for name, count in report.by_split.items())
    console.print(f"{report.patches:,} patches: {escape(sides)}")
    for note in notes:
        console.print(f"[yellow]note[/yellow] {escape(note)}")
    print_rows([_row(report, kind) for kind in KINDS], as_json=False)
    for kind, finding in report.findings.items():
        if finding.worst and finding.counted:
            console.print(f"\nWorst of {kind}:")
            print_rows([_pair(pair) for pair in finding.worst[:SHOWN_PAIRS]], as_json=False)
    if report.nearest_m is not None:
        gap = f"are {report.nearest_m:,.0f} m apart" if report.nearest_m else "touch or overlap"
        console.print(f"\nThe nearest footprints of different splits {gap}.")
    if len(report.by_split) == 1:
        console.print("[yellow]note[/yellow] all patches are on one side, so that nothing can leak")
    if report.leaks:
        console.print(f"[red]LEAK[/red] {report.leaks:,} places stand on more than one side of the split.")
    else:
        looked = ", ".join(kind for kind, finding in report.findings.items() if finding.counted) or "nothing"
        console.print(f"[green]No leak[/green] by what was looked for: {looked}.")


def _row(report: LeakageReport, kind: str) -> dict[str, Any]:
    finding: Finding | None = report.findings.get(kind)
    if finding is None:
        return {"kind": kind, "places": None, "pairs": None, "remark": f"not looked for: {report.not_checked[kind]}"}
    return {"kind": kind, "places": f"{len(finding.places):,}", "pairs": f"{finding.pairs:,}", "remark": finding.note}


def _pair(pair: Any) -> dict[str, Any]:
    """A pair of `Finding.worst` as a row of a table."""
    ends = {end: f"{pair[end]} ({pair[f'split_{end}']}{_year(pair[f'year_{end}'])})" for end in ("a", "b")}
    metres = {name: None if pair[name] is None else f"{pair[name]:,.0f}" for name in ("distance_m", "overlap_m2")}
    return {**ends, **metres, **{name: pair[name] for name in ("shared", "likeness") if name in pair}}


def _year(year: int | None) -> str:
    return "" if year is None else f", {year}"
