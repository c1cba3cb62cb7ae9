"""The README of a package: what is in it, in numbers, where it comes from, under which terms, and how to cite and check it."""

import pandas as pd

from mining_platform import figures
from mining_platform.packages import citation
from mining_platform.packages.contents import Contents, Release
from mining_platform.packages.credits import licence_of
from mining_platform.ranges import RANGES
from mining_platform.splits.rules import SPLIT_ORDER

BANNER = (
    "> **SIMULATED.** These patches rest on simulated data. They show how the platform works and say nothing about any real\n"
    "> place; do not train, map or cite with them.\n"
)
LIMITS = (
    "- Labels come from a map or from people's polygons, not from visits to the ground; the source's errors are theirs.\n"
    "- Patches are drawn by range of mining or by class, so their numbers say nothing about how common mining is.\n"
    "- A picture is a yearly composite of clear observations, not a moment; what changed within the year is blended.\n"
)


def dataset_card(contents: Contents, shortage: pd.DataFrame, *, files: str, pictures: dict[str, str]) -> str:
    """Markdown text; the SIMULATED banner leads where it applies.

    `shortage` as in the package, `files` the layout's list of files, `pictures` the caption of each figure by its path.
    """
    release, table = contents.release, contents.table
    parts = [
        f"# {figures.mark_title(release.title, simulated=release.simulated)}\n",
        BANNER if release.simulated else "",
        _overview(release, table),
        "".join(f"![{caption}]({path})\n\n" for path, caption in pictures.items()),
        "## Patches per range and split\n\nRanges are left-open and right-closed, in per cent of the patch; 0 is its own.\n\n"
        + _table(_counts(table)),
        "## Wanted, found, taken\n\n" + _table(shortage) + "\nTaken windows that turn out too cloudy are dropped afterwards.\n",
        "## Files\n\n" + files + _common_files(),
        "## Limits\n\n" + LIMITS + (f"- {release.recipe.caveat}.\n" if release.recipe.caveat else ""),
        _check(),
        _terms(release),
        f"## How to cite\n\n{citation.text(release)}\n\n```bibtex\n{citation.bibtex(release).rstrip()}\n```\n",
    ]
    return "\n".join(part for part in parts if part)


def _overview(release: Release, table: pd.DataFrame) -> str:
    regions = ", ".join(f"{region} ({number})" for region, number in table["region"].value_counts().sort_index().items())
    size = int((table["maxx"] - table["minx"]).iloc[0])
    collections = ", ".join(sorted(table["label_collection"].unique()))
    years = ("year " if len(release.years) == 1 else "years ") + ", ".join(map(str, release.years))
    return (
        f"{len(table)} patches of {size} m a side ({release.px} pixels of 10 m), {years}. Regions: {regions}.\n"
        f"Labels: land-cover collection {collections}, recipe `{release.recipe.id}` ({release.recipe.description}); "
        f"image profile `{release.profile}`.\n"
        f"Dataset `{release.dataset}`, layout `{release.layout}`, version {release.version}, {release.date} "
        f"(the nominal date of the release), made with mining-platform {release.code_version}.\n"
    )


def _counts(table: pd.DataFrame) -> pd.DataFrame:
    """Patches per range (rows) and split (columns), with totals."""
    names = [name for name in SPLIT_ORDER if (table["split"] == name).any()]
    known = [*RANGES, *([""] if (table["range"] == "").any() else [])]
    counts = pd.crosstab(table["range"], table["split"]).reindex(index=known, columns=names, fill_value=0)
    counts["all"] = counts.sum(axis=1)
    counts.loc["all"] = counts.sum()
    return counts.rename_axis("range").reset_index().replace({"range": {"": "not known"}})


def _table(frame: pd.DataFrame) -> str:
    rows = [list(map(str, frame.columns)), ["---"] * len(frame.columns), *(list(map(str, row)) for row in frame.to_numpy())]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _common_files() -> str:
    return (
        "- `manifest.csv`, `manifest.parquet` (GeoParquet): one row a patch, with the paths of its files. `share` is exact, "
        "`share_nn` that of 10 m pixels resampled nearest. `DATA_DICTIONARY.md` says what each column of each table is.\n"
        "- `datapackage.json` (Frictionless), `croissant.json`, `ro-crate-metadata.json`, `stac/`: the same for programs; "
        "`CITATION.cff`: for citation.\n"
        "- `checksums.txt`: BLAKE3 of every file.\n"
    )


def _check() -> str:
    return (
        "## How to check\n\n`b3sum --check checksums.txt` tells whether every file is as published. `mining-platform verify .` "
        "does that, opens every file, and computes the range of every patch again from its label.\n"
    )


def _terms(release: Release) -> str:
    licence, url = licence_of(release.credits)
    whole = f"The package as a whole: {licence} ({url})." if licence else "Ask the authors of the labels before you use them."
    lines = "".join(f"- {credit.line}{f' {credit.licence_url}' if credit.licence_url else ''}\n" for credit in release.credits)
    return f"## Sources, licence, attribution\n\n{lines}\n{whole}\n"
