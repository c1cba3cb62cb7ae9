"""The command that parts anyone's table of patches into training, validation and test; needs no installation."""

import io
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from mining_platform.consoles import CommandError, console, print_rows
from mining_platform.footprints import subset
from mining_platform.nearest_footprints import nearest_m
from mining_platform.patch_tables import PatchTable, read_patch_table
from mining_platform.splits.methods import METHODS, part
from mining_platform.splits.rules import BUFFER, SplitError, SplitRule
from mining_platform.splits.summaries import off_tolerance, realised_shares
from mining_platform.spreadsheets import FormulaError, write_csv
from mining_platform.store import durable

OUT_SUFFIXES = (".csv", ".parquet")
NAMES = {2: ("train", "test"), 3: ("train", "val", "test")}
"""Splits by the number of fractions."""


def split(  # noqa: PLR0913 - the options of a command
    tables: Annotated[list[Path], typer.Argument(metavar="TABLE...", help="Tables of patches: .csv, .geojson, .parquet.")],
    method: Annotated[str, typer.Option(help=f"One of {', '.join(METHODS)}.")],
    out: Annotated[Path, typer.Option(help="File to write, .csv or .parquet: patch_id, group, split.")],
    fractions: Annotated[str, typer.Option(help="train,val,test such as 70,15,15, or train,test such as 80,20.")] = "70,15,15",
    seed: Annotated[int, typer.Option(help="Same seed, same split.")] = 7,
    eps_m: Annotated[float, typer.Option(help="cluster: centres at most this far apart are neighbours.")] = 3_000,
    min_samples: Annotated[int, typer.Option(help="cluster: neighbours that a centre needs, itself included.")] = 1,
    block_m: Annotated[int, typer.Option(help="block: side of a block in metres.")] = 10_240,
    buffer_m: Annotated[float, typer.Option(help="Least distance between footprints of different splits.")] = 0,
    holdout: Annotated[str, typer.Option(help="region, time: the regions or years that are test, separated by commas.")] = "",
    tolerance: Annotated[float, typer.Option(help="Tell realised shares that are farther off than this.")] = 0.1,
    size_m: Annotated[float | None, typer.Option(help="Side of the square patches around points, in metres.")] = None,
    crs: Annotated[str, typer.Option(help="Projected CRS of x, y and of the patches; default the UTM zone of each.")] = "",
    id_column: Annotated[str, typer.Option(help="Default patch_id, window_id, patch_name or id.")] = "",
    place_column: Annotated[str, typer.Option(help="paired, time: same place, same side. Default place, window_id, tile.")] = "",
    year_column: Annotated[str, typer.Option(help="Default year.")] = "",
    site_column: Annotated[str, typer.Option(help="Default site.")] = "",
    region_column: Annotated[str, typer.Option(help="Default region.")] = "",
    range_column: Annotated[str, typer.Option(help="Mining-proportion range or any class to balance. Default range.")] = "",
    id_pattern: Annotated[str, typer.Option(help="Regular expression with groups place, year, searched in the ids.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Part a table of patches so that no ground, site, region or place is on two sides; whole groups go to one side."""
    _check_out(out, tables)
    rule = SplitRule(
        method=method,
        fractions=fractions_of(fractions),
        block_m=block_m,
        buffer_m=buffer_m,
        seed=seed,
        eps_m=eps_m,
        min_samples=min_samples,
        holdout=tuple(sorted({word.strip() for word in holdout.split(",") if word.strip()})),
        tolerance=tolerance,
    )
    table = read_patch_table(
        tables,
        id_column=id_column,
        size_m=size_m,
        crs=crs,
        place_column=place_column,
        year_column=year_column,
        site_column=site_column,
        region_column=region_column,
        range_column=range_column,
        id_pattern=id_pattern,
    )
    sides = part(table, rule)
    _write(sides, out)
    told = report(table, sides, rule)
    if as_json:
        console.print_json(data={**told, "out": str(out)})
    else:
        _print(told, out)


def fractions_of(text: str) -> dict[str, float]:
    """`70,15,15` or `0.7,0.15,0.15` -> {"train": 0.7, "val": 0.15, "test": 0.15}; two are train and test."""
    try:
        parts = [float(part) for part in text.split(",")]
    except ValueError:
        parts = []
    whole = 100 if sum(parts) > 2 else 1  # noqa: PLR2004 - between a sum of shares and one of per cent
    if len(parts) not in NAMES or not (abs(sum(parts) / whole - 1) < 1e-6 and min(parts) > 0):  # noqa: PLR2004 - rounding as typed
        raise SplitError(
            f"{text!r} are no fractions. Write two or three above 0 that sum to 100 or 1, such as 70,15,15 or 80,20."
        )
    return dict(zip(NAMES[len(parts)], [part / sum(parts) for part in parts], strict=True))


def report(table: PatchTable, sides: pd.DataFrame, rule: SplitRule) -> dict[str, Any]:
    """What a split came to: counts, realised shares of all rows and of each range, what is off tolerance, nearest sides.

    `nearest_m` is the distance between the nearest footprints of different splits, None without coordinates or with one split.
    """
    placed = table.rows.set_index("patch_id").loc[sides["patch_id"]]
    shares = realised_shares(sides, placed.get("range"), rule)
    off = off_tolerance(shares, rule.tolerance)
    counts = {name: int((sides["split"] == name).sum()) for name in (*rule.fractions, BUFFER)}
    return {
        "method": rule.method,
        "patches": len(sides),
        "groups": int(sides["group"].nunique()),
        "largest_group": int(sides["group"].value_counts().iloc[0]),
        "by_split": counts,
        "shares": shares.to_dict("records"),
        "off_tolerance": off.to_dict("records"),
        "tolerance": rule.tolerance,
        "empty": [name for name in rule.fractions if not counts[name]],
        "nearest_m": _nearest(table, sides),
    }


def _nearest(table: PatchTable, sides: pd.DataFrame) -> float | None:
    if table.footprints is None:
        return None
    split = table.rows["patch_id"].map(sides.set_index("patch_id")["split"]).to_numpy(object)
    kept = split != BUFFER
    return nearest_m(subset(table.footprints, kept), split[kept]) if kept.any() else None


def _check_out(out: Path, tables: list[Path]) -> None:
    if out.suffix.lower() not in OUT_SUFFIXES:
        raise CommandError(f"{out} must end in one of {', '.join(OUT_SUFFIXES)}.")
    if not out.parent.is_dir():
        raise CommandError(f"There is no folder {out.parent} to write {out.name} into.")
    if out.resolve() in {path.resolve() for path in tables}:
        raise CommandError(f"{out} is a table to part; name another file with --out.")


def _write(sides: pd.DataFrame, out: Path) -> None:
    """The file, whole or not at all."""
    content = io.BytesIO()
    if out.suffix.lower() == ".csv":
        try:
            write_csv(sides, content, out.name)
        except FormulaError as error:
            raise CommandError(f"{error} A .parquet file holds any words.") from None
    else:
        sides.to_parquet(content, index=False)
    durable.write(out, content.getvalue())


def _print(told: dict[str, Any], out: Path) -> None:
    console.print(f"{told['patches']} patches in {told['groups']} groups, the largest of {told['largest_group']}.")
    rows = pd.DataFrame(told["shares"]).assign(
        wanted=lambda table: table["wanted"].map("{:.1%}".format), share=lambda table: table["share"].map("{:.1%}".format)
    )
    rows = rows.assign(far=["far off" if _is_off(row, told) else "" for row in told["shares"]])
    rows = rows.rename(columns={"far": f"beyond {told['tolerance']:.0%}"})
    print_rows([{str(name): value for name, value in row.items()} for row in rows.to_dict("records")], as_json=False)
    if told["by_split"][BUFFER]:
        aside = told["by_split"][BUFFER]
        console.print(f"{aside} patches are set aside as {BUFFER}: they stand on the ground of another split, or near it.")
    if told["empty"]:
        console.print(f"Nothing is in {', '.join(told['empty'])}: there are too few groups, or one holds too much.")
    if told["nearest_m"] is not None:
        console.print(f"The nearest footprints of different splits are {told['nearest_m']:,.0f} m apart.")
    console.print(f"Written: {out}")


def _is_off(row: dict[str, Any], told: dict[str, Any]) -> bool:
    return any(row["range"] == off["range"] and row["split"] == off["split"] for off in told["off_tolerance"])
