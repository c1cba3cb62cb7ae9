"""The commands `area sample`, `estimate` and `publish`: mining area with its uncertainty, from windows that people review."""

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from mining_platform.consoles import CommandError, console, print_rows

if TYPE_CHECKING:
    import pandas as pd

app = typer.Typer(
    no_args_is_help=True, help="Mining area in hectares with a 95 % interval, from a probability sample that people review."
)


@app.command()
def sample(  # noqa: PLR0913 - the options of a command
    source: Annotated[
        Path,
        typer.Argument(
            metavar="MAP|TABLE|REGION@YEAR",
            help="probability.tif of `predict`, a table of all windows, or a monitored region and year: its detections.",
        ),
    ],
    strata: Annotated[str, typer.Option(help="Scores that part the windows, such as 0.2,0.7, or a column of the table.")],
    n: Annotated[int, typer.Option("--n", min=2, help="Windows to review.")],
    out: Annotated[Path, typer.Option(help="File to write, .csv: people fill in its column share.")],
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same sample.")],
    threshold: Annotated[
        float | None, typer.Option(help="Scores at or above it are mapped as mining, for the map's accuracy.")
    ] = None,
    least: Annotated[int, typer.Option(min=2, help="Least windows in each stratum; a smaller one is reviewed whole.")] = 50,
    window_cells: Annotated[int, typer.Option(min=1, help="Of a map: side of a window in cells.")] = 1,
    window_m: Annotated[float | None, typer.Option(min=0.001, help="Of a table: side of its square windows in metres.")] = None,
    identifier: Annotated[str, typer.Option("--id", help="Of a table: column of ids. Default patch_id, window_id, id.")] = "",
    score: Annotated[str, typer.Option(help="Of a table: column of the score.")] = "score",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Draw windows for review: a stratified random sample, each with its inclusion probability.

    MAP or TABLE holds every window of the ground whose area is wanted: a balanced dataset does not.
    """
    from mining_platform.evaluations.review_samples import allocation, draw_review_sample
    from mining_platform.evaluations.review_windows import MAPPED, SAMPLE_ID, SHARE, facts_of_sample, sample_digest

    if out.suffix.lower() != ".csv":
        raise CommandError(f"{out} is no .csv. People fill in the sample in a spreadsheet.")
    source = _map_of_region(source)
    try:
        windows = _windows(source, strata, threshold, window_cells, (window_m, identifier, score))
        sizes = {str(name): int(count) for name, count in windows["stratum"].value_counts().items()}
        drawn = draw_review_sample(windows, allocation(sizes, n, least=least), seed=seed)
    except ValueError as error:
        raise CommandError(f"{source}: {error}") from None
    known = [name for name in windows if name not in (*drawn, "score")]
    told = drawn.merge(windows[["window_id", *known]], on="window_id", how="left", validate="1:1")
    if threshold is None:
        told = told.drop(columns=MAPPED, errors="ignore")
    _write(told.assign(**{SAMPLE_ID: sample_digest(drawn), SHARE: ""}), out)
    facts = {**facts_of_sample(drawn, windows), "seed": seed, "out": str(out)}
    if as_json:
        console.print_json(data=facts)
        return
    print_rows(facts["strata"], as_json=False)
    console.print(
        escape(f"{len(drawn)} of {len(windows)} windows. Fill in the column {SHARE} of {out}: the share that is mining, 0 to 1.")
    )


@app.command()
def estimate(
    reviewed: Annotated[Path, typer.Argument(metavar="SAMPLE.csv", help="The sample with its column share filled in.")],
    out: Annotated[Path | None, typer.Option(help="File for all facts, .json.")] = None,
    window_m: Annotated[
        float | None, typer.Option(min=0.001, help="Side of the windows in metres, where the sample does not tell it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Mining area with its 95 % interval, user's and producer's accuracy of the map, from a reviewed sample.

    Stratified estimator of Cochran 1977 as in Olofsson et al. 2014, doi:10.1016/j.rse.2014.02.015. Refuses tables without
    inclusion probabilities, samples that were altered, and windows without a review.
    """
    facts = _estimated(reviewed, window_m)[1]
    if out is not None:
        _put(out, (json.dumps(facts, indent=1, sort_keys=True, allow_nan=False) + "\n").encode())
    if as_json:
        console.print_json(data=facts)
        return
    _print(facts)


@app.command()
def publish(
    reviewed: Annotated[
        Path, typer.Argument(metavar="SAMPLE.csv", help="The sample of a region's map, its column share filled in.")
    ],
    region: Annotated[str, typer.Option(help="Id of the monitored region whose map the sample was drawn from.")],
    year: Annotated[int, typer.Option(help="Year of that map.")],
    reviewer: Annotated[str, typer.Option(help="Who reviewed the windows.")],
    window_m: Annotated[
        float | None, typer.Option(min=0.001, help="Side of the windows in metres, where the sample does not tell it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Publish a region's mining area of a year with its interval, as `estimate` computes it, for its annual report to tell."""
    from mining_platform.area_publishing import publish_area
    from mining_platform.sessions import open_session

    table, facts = _estimated(reviewed, window_m)
    with open_session() as session:
        try:
            made = publish_area(session.platform, region, year, table, facts, reviewer=reviewer)
        except ValueError as error:
            raise CommandError(f"{reviewed}: {error}") from None
        session.tell(made.ref, made.digest, made.facts)
    if as_json:
        console.print_json(data={"ref": str(made.ref), "digest": made.digest, "skipped": made.skipped, **made.facts})
        return
    _print(facts)
    console.print(f"Published: {made.ref}. The report of {year} tells it when it is made again.")


def _map_of_region(source: Path) -> Path:
    """The published map of a monitored region and year named `REGION@YEAR`; a file's own path otherwise."""
    from mining_platform.area_publishing import detections_map
    from mining_platform.sessions import open_session

    region_id, at, year = source.name.partition("@")
    if source.exists() or not at or not year.isdigit() or source.name != str(source):
        return source
    with open_session() as session:
        return detections_map(session.platform, region_id, int(year))


def _estimated(reviewed: Path, window_m: float | None) -> "tuple[pd.DataFrame, dict[str, Any]]":
    """A reviewed sample and its facts: area, interval, accuracy, and what is to be said of them."""
    from mining_platform.evaluations.area_estimates import estimated_area
    from mining_platform.evaluations.map_accuracy import map_accuracy
    from mining_platform.evaluations.review_windows import MAPPED, check_unaltered
    from mining_platform.evaluations.sample_files import read_sample, window_area_m2

    try:
        table = read_sample(reviewed)
        facts = estimated_area(table, window_area_m2=window_area_m2(table) if window_m is None else window_m**2)
        is_checked = check_unaltered(table)
    except ValueError as error:
        raise CommandError(f"{reviewed}: {error}") from None
    facts["accuracy"] = map_accuracy(table) if MAPPED in table else None
    facts["notes"] = _notes(facts, is_checked=is_checked)
    return table, facts


def _windows(
    source: Path, strata: str, threshold: float | None, window_cells: int, table: tuple[float | None, str, str]
) -> "pd.DataFrame":
    """All windows with stratum, window_area_m2 and, where a threshold is named, mapped_mining."""
    from mining_platform.evaluations.review_windows import MAPPED, WINDOW_AREA, strata_of_scores, windows_of_map
    from mining_platform.imports.image_files import TIFF_SUFFIXES

    window_m, identifier, score = table
    if source.suffix.lower() in TIFF_SUFFIXES:
        windows = windows_of_map(source, window_cells=window_cells)
    elif window_m is None:
        raise CommandError("A table does not tell the ground of its windows. Name their side by --window-m, in metres.")
    else:
        windows = _table_windows(source, identifier, score, strata).assign(**{WINDOW_AREA: window_m**2})
    if windows.empty:
        raise CommandError(f"{source} holds no window with a score.")
    if (cuts := _cuts(strata)) is not None:
        windows = windows.assign(stratum=strata_of_scores(windows["score"].to_numpy(float), cuts))
    if "stratum" not in windows:
        raise CommandError(f"--strata {strata!r}: a map has no columns. Name scores that part its windows, such as 0.2,0.7.")
    if threshold is None:
        return windows
    if "score" not in windows:
        raise CommandError(f"{source} has no column of scores for --threshold. Name it by --score.")
    return windows.assign(**{MAPPED: windows["score"] >= threshold})


def _table_windows(source: Path, identifier: str, score: str, strata: str) -> "pd.DataFrame":
    """window_id, and score and stratum as far as they are asked for or there."""
    import pandas as pd

    from mining_platform.patch_table_files import column_of, read_raw, text_of
    from mining_platform.patch_table_ids import ids_of, no_ids

    raw = read_raw(source)
    ids = ids_of(raw, identifier)
    if ids is None:
        raise no_ids(raw)
    rows = pd.DataFrame({"window_id": ids})
    has_cuts = _cuts(strata) is not None
    if has_cuts or score in raw.values:
        numbers = pd.to_numeric(raw.values[column_of(raw, score, ())], errors="coerce").reset_index(drop=True)
        if numbers.isna().any():
            raise CommandError(f"{source}, column {score}: {int(numbers.isna().sum())} rows hold no number. Fill them.")
        rows["score"] = numbers.astype(float)
    if not has_cuts:
        rows["stratum"] = text_of(raw.values[column_of(raw, strata, ())])
    return rows


def _cuts(strata: str) -> list[float] | None:
    """`0.2,0.7` -> numbers; None for anything else, which is a column's name."""
    try:
        return [float(word) for word in strata.split(",")]
    except ValueError:
        return None


def _notes(facts: dict[str, Any], *, is_checked: bool) -> list[str]:
    notes = []
    if not is_checked:
        notes.append(
            "The file does not tell which windows were drawn (sample_id): only their numbers in each stratum were checked."
        )
    if alike := facts["without_variation"]:
        notes.append(
            f"All reviewed windows of {', '.join(alike)} are alike, so they add nothing to the interval, which may be too narrow."
        )
    if facts["accuracy"] is None:
        notes.append(
            "The sample does not tell what is mapped as mining; name --threshold when it is drawn to have the map's accuracy."
        )
    return notes


def _print(facts: dict[str, Any]) -> None:
    half = (facts["high_ha"] - facts["low_ha"]) / 2
    span = f"{facts['low_ha']:,.1f} to {facts['high_ha']:,.1f} ha, 95 %"
    console.print(f"Mining: {facts['area_ha']:,.1f} ha ± {half:,.1f} ({span}) of {facts['ground_ha']:,.1f} ha of ground.")
    names = ("stratum", "windows", "reviewed", "with_mining", "mean_share", "standard_error")
    shown = [
        {name: f"{row[name]:.4f}" if isinstance(row[name], float) else row[name] for name in names} for row in facts["strata"]
    ]
    print_rows(shown, as_json=False)
    for name, told in (("user's", "users"), ("producer's", "producers"), ("overall", "overall")):
        found = (facts["accuracy"] or {}).get(told)
        if found:
            console.print(f"{name} accuracy {found['value']:.3f} ({found['low']:.3f} to {found['high']:.3f})")
    for note in facts["notes"]:
        console.print(f"[yellow]note[/yellow] {escape(note)}")


def _write(table: "pd.DataFrame", out: Path) -> None:
    from mining_platform.spreadsheets import FormulaError, write_csv

    content = io.BytesIO()
    try:
        write_csv(table, content, out.name)
    except FormulaError as error:
        raise CommandError(str(error)) from None
    _put(out, content.getvalue())


def _put(out: Path, content: bytes) -> None:
    from mining_platform.store import durable

    try:
        durable.write(out.absolute(), content)
    except OSError as error:
        raise CommandError(f"{out} cannot be written: {error.strerror or error}.") from None
