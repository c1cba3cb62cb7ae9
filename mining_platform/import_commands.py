"""The command that takes in patches that others made, or that were exported from here."""

import re
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from mining_platform import runs
from mining_platform.consoles import CommandError, console, print_rows, progress_bar
from mining_platform.imports.channels import wanted_channels
from mining_platform.imports.findings import KEEPABLE, checked_keep
from mining_platform.imports.found import Request
from mining_platform.imports.image_files import MAX_SIDE_PX
from mining_platform.imports.layouts import LAYOUTS
from mining_platform.imports.publishing import Imported, import_patches
from mining_platform.imports.table_columns import SYNONYMS
from mining_platform.imports.unpacking import ARCHIVE_SUFFIXES, opened_folder
from mining_platform.options import words
from mining_platform.sessions import open_session

NAME = re.compile(r"[a-z0-9_-]{1,64}")
REGION = re.compile(r"[a-z0-9-]{1,64}")


def import_folder(  # noqa: PLR0913 - the options of a command
    folder: Annotated[Path, typer.Argument(help=f"Folder of patches, or an archive of one ({', '.join(ARCHIVE_SUFFIXES)}).")],
    layout: Annotated[str, typer.Option(help=f"One of {', '.join(LAYOUTS)}.")],
    region: Annotated[str, typer.Option(help="Region of the patches; packages of this platform tell it themselves.")] = "",
    year: Annotated[
        int | None, typer.Option(help="Year of the patches, where the files do not tell it; else the only one.")
    ] = None,
    name: Annotated[str, typer.Option(help="What the import is called; default by the folder's name.")] = "",
    channels: Annotated[str, typer.Option(help="A profile, or band ids in the files' order; - leaves a band out.")] = "",
    keep: Annotated[str, typer.Option(help=f"Take in though it looks wrong: {', '.join(KEEPABLE)}.")] = "",
    scale: Annotated[float | None, typer.Option(help="Reflectance = scale x value + offset; default told by the values.")] = None,
    offset: Annotated[float, typer.Option(help="See --scale.")] = 0.0,
    pad_to: Annotated[
        int | None, typer.Option(min=1, max=MAX_SIDE_PX, help="Fill patches of different sizes up to this side in pixels.")
    ] = None,
    pixel_m: Annotated[
        float | None, typer.Option(min=0.1, help="Ground size of a pixel in metres, for files that do not tell their place.")
    ] = None,
    table: Annotated[str, typer.Option(help="The table of the folder, where there are several.")] = "",
    column: Annotated[list[str] | None, typer.Option(help=f"MEANING=NAME of a column: {', '.join(SYNONYMS)}. Repeat it.")] = None,
    leave_out_bad_rows: Annotated[bool, typer.Option(help="Leave out rows that cannot be used, instead of refusing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Read patches in a published layout into patch stores and a table, as versions with lineage; nothing changes twice."""
    if layout not in LAYOUTS:
        raise CommandError(f"There is no layout {layout!r} to import. Use one of {', '.join(LAYOUTS)}.")
    with opened_folder(folder) as opened:
        request = Request(
            folder=opened,
            source=folder.resolve().name,
            layout=layout,
            name=_name(name, folder),
            region=_region(region),
            year=year,
            channels=wanted_channels(channels),
            keep=checked_keep(words(keep)),
            leave_out_bad_rows=leave_out_bad_rows,
            scale=scale,
            offset=_offset(scale, offset),
            pad_to_px=pad_to,
            pixel_m=pixel_m,
            table=table,
            columns=_columns(column or []),
        )
        with open_session() as session:
            done = _imported(session, request, quiet=as_json)
    told = _told(done)
    if as_json:
        console.print_json(data=told)
    else:
        _print(done)


def _imported(session: runs.Session, request: Request, *, quiet: bool) -> Imported:
    """Import with a progress bar, and tell the orchestrator of each version."""
    with progress_bar(disable=quiet) as bar:
        task = bar.add_task("import", total=1.0)
        done = import_patches(
            session.platform.artifacts, request, lambda text, share: bar.update(task, completed=share, description=text)
        )
    for version in done.versions:
        session.tell(version.ref, version.digest, version.facts)
    return done


def _name(name: str, folder: Path) -> str:
    """The name as given, else the folder's in the letters that partitions have."""
    chosen = name or re.sub(r"[^a-z0-9_-]+", "-", folder.resolve().name.lower().split(".")[0]).strip("-")[:64]
    if not NAME.fullmatch(chosen):
        raise CommandError(f"{chosen!r} is no name of an import. Give one of a-z, 0-9, '_' and '-' with --name.")
    return chosen


def _region(region: str) -> str:
    if region and not REGION.fullmatch(region):
        raise CommandError(f"{region!r} is no region id. Use a-z, 0-9 and '-', at most 64 letters.")
    return region


def _offset(scale: float | None, offset: float) -> float:
    if scale is None and offset:
        raise CommandError("--offset goes with --scale: reflectance = scale x value + offset. Name both.")
    if scale is not None and not scale > 0:
        raise CommandError(f"--scale {scale:g} is no scale of reflectance; it is above 0.")
    return offset


def _columns(pairs: list[str]) -> dict[str, str]:
    """`lon=X` -> {"lon": "X"}."""
    columns = dict(pair.partition("=")[::2] for pair in pairs)
    if wrong := [pair for pair in pairs if not columns.get(pair.partition("=")[0]) or pair.partition("=")[0] not in SYNONYMS]:
        raise CommandError(f"--column {', '.join(wrong)}: write MEANING=NAME, where MEANING is one of {', '.join(SYNONYMS)}.")
    return columns


def _told(done: Imported) -> dict[str, Any]:
    versions = [
        {"ref": str(each.ref), "digest": each.digest, "skipped": each.skipped, "reason": each.reason, "path": str(each.path)}
        for each in done.versions
    ]
    tables = [each.facts for each in done.versions if each.ref.asset.endswith("/manifest")]
    return {"patches": done.patches, "versions": versions, "findings": tables[0]["findings"], "facts": tables}


def _print(done: Imported) -> None:
    for finding in done.findings:
        console.print(f"[yellow]note[/yellow] {escape(finding.line)}")
    print_rows(
        [
            {
                "version": str(each.ref),
                "patches": each.facts["patches"],
                "digest": each.digest[:12],
                "state": _state(each.skipped),
            }
            for each in done.versions
        ],
        as_json=False,
    )
    for each in done.versions:
        console.print(escape(f"{each.ref}: {each.path}"), soft_wrap=True)


def _state(skipped: bool) -> str:
    return "unchanged" if skipped else "imported"
