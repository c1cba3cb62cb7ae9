"""The commands that publish a dataset as files, and that check such files."""

import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date as Date  # noqa: N812 - `date` is the option
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from mining_platform import datasets
from mining_platform.artifacts import open_artifact
from mining_platform.consoles import CommandError, console, errors, print_rows
from mining_platform.dataset_rows import Dataset
from mining_platform.options import numbers
from mining_platform.packages.archives import ARCHIVES
from mining_platform.packages.checksums import CHECKSUMS
from mining_platform.packages.layouts import LAYOUTS, layout
from mining_platform.packages.verification import Problem, Verification, summary, verify_package
from mining_platform.sessions import open_session
from mining_platform.stages import packages
from mining_platform.store import digests

MOST_PROBLEMS = 20  # that the command prints; JSON has all


def export(  # noqa: PLR0913 - the options of a command
    dataset: Annotated[str, typer.Option(help="Id of a dataset; `mining-platform datasets` lists them.")],
    year: Annotated[str, typer.Option(help="Year of the release, or of several for the layout smallmines: 2016,2022.")],
    out: Annotated[Path, typer.Option(help="Folder to make; it must not be there yet, or be empty.")],
    layout_id: Annotated[str, typer.Option("--layout", help=f"One of {', '.join(LAYOUTS)}; default the dataset's.")] = "",
    with_bands: Annotated[bool, typer.Option("--bands", help="proportion-ranges: also all bands, 16 bit.")] = False,
    author: Annotated[list[str] | None, typer.Option(help="Whom to cite: `Family, Given` or a body; repeat it.")] = None,
    date: Annotated[str, typer.Option(help="Day of publication, YYYY-MM-DD; default the first after the year.")] = "",
    as_zip: Annotated[bool, typer.Option("--zip", help="Also OUT.zip beside the folder.")] = False,
    as_tar: Annotated[bool, typer.Option("--tar", help="Also OUT.tar.gz beside the folder.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Write a published release as a package of files: pictures, labels, tables, and what archives and machines read.

    Equal releases give equal bytes, whoever exports them.
    """
    try:
        row, laid_out = datasets.dataset(dataset), layout(layout_id or datasets.dataset(dataset).layout)
    except KeyError as error:
        raise CommandError(str(error.args[0])) from None
    releases, out = _releases(row, numbers(year)), out.absolute()
    suffixes = [suffix for suffix, wanted in ((".zip", as_zip), (".tar.gz", as_tar)) if wanted]
    _check(out, with_bands and laid_out.id != "proportion-ranges", suffixes)
    authors, day = _authors(author), _day(date)
    with open_session() as session, _beside(out) as beside:
        refs = [each for release in releases for each in packages.package_refs(session.platform, row, laid_out, release)]
        inputs = {each: open_artifact(session.platform.artifacts, each) for each in refs}
        years = [each for release in releases for each in row.years_of(release)]
        release = packages.release_of(row, session.platform, years, laid_out.id, inputs, authors=authors, date=day)
        try:
            facts = packages.write(release, inputs, beside / out.name, with_bands=with_bands)
        except ValueError as error:
            raise CommandError(str(error)) from None
        for suffix in suffixes:
            ARCHIVES[suffix](beside / out.name, beside / f"{out.name}{suffix}")
        _put(beside, out, suffixes)
    if as_json:
        console.print_json(data={**facts, "out": str(out), "archives": [f"{out}{suffix}" for suffix in suffixes]})
        return
    console.print(f"{facts['patches']} patches in {facts['files']} files, layout {laid_out.id}, version {facts['version']}.")
    if facts["left_out"]:
        console.print(f"{facts['left_out']} patches of the split's buffer are not in this layout.")
    for path in (str(out), *(f"{out}{suffix}" for suffix in suffixes)):
        console.print(f"Written: {path}")


def _authors(given: list[str] | None) -> tuple[str, ...]:
    if any(not author.strip() for author in given or ()):
        raise CommandError("An --author has no name. Write `Family, Given` or the name of a body.")
    return tuple(given) if given else packages.AUTHORS


def _day(date: str) -> str | None:
    try:
        return Date.fromisoformat(date).isoformat() if date else None
    except ValueError:
        raise CommandError(f"{date!r} is no day. Write it as 2026-01-31.") from None


def _releases(row: Dataset, years: Sequence[int]) -> tuple[int, ...]:
    """The releases that years name, sorted; CommandError for no year, and for a year whose release is named by another."""
    if not years:
        raise CommandError("Name a year with --year.")
    releases = {row.release_of(year) for year in years}
    if unnamed := sorted(releases - set(years)):
        (release,) = unnamed
        held = ", ".join(map(str, row.years_of(release)))
        raise CommandError(f"{row.id} publishes {held} together, as the release of {release}. Ask for --year {release}.")
    return tuple(sorted(releases))


def _check(out: Path, useless_bands: bool, suffixes: list[str]) -> None:
    if useless_bands:
        raise CommandError("--bands is for the layout proportion-ranges; the others hold all bands already.")
    if not out.parent.is_dir():
        raise CommandError(f"There is no folder {out.parent} to make {out.name} in.")
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise CommandError(f"{out} is there already. Name another folder, or remove it.")
    for suffix in suffixes:
        if Path(f"{out}{suffix}").exists():
            raise CommandError(f"{out}{suffix} is there already. Name another folder, or remove it.")


@contextmanager
def _beside(out: Path) -> Iterator[Path]:
    """A folder beside the target, removed afterwards, so that the target is there whole or not at all."""
    beside = out.absolute().parent / f".{out.name}.{secrets.token_hex(4)}.tmp"
    try:
        beside.mkdir()
        yield beside
    except OSError as error:
        raise CommandError(f"{out} cannot be written: {error.strerror or error}.") from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _put(beside: Path, out: Path, suffixes: list[str]) -> None:
    """The folder first: where another export put its own meanwhile, this one fails and touches none of its files."""
    (beside / out.name).replace(out)
    for suffix in suffixes:
        (beside / f"{out.name}{suffix}").replace(f"{out}{suffix}")


def verify(
    folder: Annotated[Path, typer.Argument(help="A package, or a published version of an asset (its folder).")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Check files against what they say they are: checksums, tables, every picture, every range by its label.

    Exit code 1 where anything is wrong; each wrong file is named.
    """
    if (folder / digests.MANIFEST_NAME).is_file():
        found = _verified_version(folder)
    elif (folder / CHECKSUMS).is_file():
        found = verify_package(folder)
    else:
        raise CommandError(
            f"{folder} is no package (it has no {CHECKSUMS}) and no published version (no {digests.MANIFEST_NAME}). Name one."
        )
    if as_json:
        console.print_json(data=summary(found))
    else:
        _print(folder, found)
    if found.problems:
        raise typer.Exit(1)


def _verified_version(folder: Path) -> Verification:
    """A published version by its manifest and name, and the package in it."""
    problems = tuple(Problem(*_named(text)) for text in digests.problems(folder, folder.resolve().name, deep=True))
    package = folder / packages.PACKAGE_DIRECTORY
    inside = verify_package(package) if (package / CHECKSUMS).is_file() else Verification("version", 0, 0, 0, 0, ())
    prefixed = [Problem(f"{package.name}/{each.file}", each.problem) for each in inside.problems]
    known = {each.file for each in problems}
    every = (*problems, *(each for each in prefixed if each.file not in known))
    return Verification(inside.layout, inside.patches, inside.files, inside.recomputed, inside.relabelled, every)


def _named(text: str) -> tuple[str, str]:
    """`patches.zarr/label/c/0/0 was altered` as file and problem."""
    file, _, problem = text.partition(" ")
    return file, problem


def _print(folder: Path, found: Verification) -> None:
    if found.patches:
        console.print(
            f"{found.patches} patches, layout {found.layout}: {found.files} files opened, {found.recomputed} ranges computed "
            f"again from labels{f', {found.relabelled} of a reviewer' if found.relabelled else ''}."
        )
    if not found.problems:
        console.print(f"{folder} is whole.")
        return
    print_rows([{"file": each.file, "problem": each.problem} for each in found.problems[:MOST_PROBLEMS]], as_json=False)
    more = len(found.problems) - MOST_PROBLEMS
    errors.print(
        f"[red]not whole[/red] {escape(str(folder))}: {len(found.problems)} problems{f', {more} not shown' if more > 0 else ''}."
    )
