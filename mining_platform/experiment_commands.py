"""The command `experiments`: which there are, what is published of them, and their summary as files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from mining_platform.artifacts import Artifact, Ref, current_digest, open_artifact
from mining_platform.consoles import CommandError, console, print_rows
from mining_platform.datasets import DATASETS
from mining_platform.experiment_trials import trial_in
from mining_platform.experiments import Experiment
from mining_platform.graph import active_experiments, experiments_of_year
from mining_platform.options import Json
from mining_platform.pipeline import Platform
from mining_platform.sessions import open_session
from mining_platform.store import durable


def list_experiments(
    year: Annotated[int | None, typer.Option(help="Release year; default the last one with an evaluation.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the summary page, its tables and figures.")] = None,
    as_json: Json = False,
) -> None:
    """The experiments of a year with the scores of those that are evaluated; with --out the summary of them all.

    Nothing is made: the summary is of what is published, as the asset experiment_summary would have it.
    """
    with open_session() as session:
        platform = session.platform
        active = active_experiments(platform.regions)
        chosen = _year(platform, active, year)
        found = {row.id: published_evaluation(platform, row, chosen) for row in experiments_of_year(active, str(chosen))}
        if not found:
            years = sorted({release for row in active for release in DATASETS[row.dataset].releases})
            raise CommandError(f"No experiment has a release of {chosen}. There are {', '.join(map(str, years))}.")
        written = _write(platform, str(chosen), [each for each in found.values() if each], out) if out else []
    rows = [_row(row, found[row.id]) for row in active if row.id in found]
    if as_json:
        console.print_json(data={"year": chosen, "experiments": rows, "written": written})
        return
    console.print(f"{chosen}: {sum(each is not None for each in found.values())} of {len(found)} experiments are evaluated.")
    print_rows(rows, as_json=False)
    for path in written:
        console.print(f"Written: {escape(path)}")


def _year(platform: Platform, active: Sequence[Experiment], asked: int | None) -> int:
    """The year asked for, else the last one of which there is an evaluation, else the last one of all."""
    if asked is not None:
        return asked
    years = sorted({year for row in active for year in DATASETS[row.dataset].releases}, reverse=True)
    if not years:
        raise CommandError("No dataset of an experiment has all its regions. `mining-platform datasets` says what is missing.")
    return next((year for year in years if any(published_evaluation(platform, row, year) for row in active)), years[0])


def published_evaluation(platform: Platform, row: Experiment, year: int) -> Artifact | None:
    """The current evaluation of an experiment's release, None where there is none."""
    ref = Ref("evaluation", f"{row.id}|{year}")
    return open_artifact(platform.artifacts, ref) if current_digest(platform.artifacts, ref) else None


def _row(row: Experiment, found: Artifact | None) -> dict[str, Any]:
    """One experiment for a table: what it is and, where it is evaluated, how it does."""
    facts = found.facts if found else {}
    trial = trial_in(facts)
    return {
        "experiment": row.id,
        "dataset": row.dataset,
        "model": row.model,
        "channels": row.profile,
        "state": "not made" if found is None else trial.words if trial else "evaluated",
        "data": None if found is None else "SIMULATED" if facts["simulated"] else "real",
        "patches": facts.get("patches"),
        "positives": facts.get("positives"),
        "f1": _rounded(facts.get("f1")),
        "pr_auc": _rounded(facts.get("pr_auc")),
        "mean_iou": _rounded(facts.get("mean_iou")),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _write(platform: Platform, year: str, evaluations: Sequence[Artifact], out: Path) -> list[str]:
    from mining_platform.experiment_pages import summary_files
    from mining_platform.stages.experiments import summary_of

    if not evaluations:
        raise CommandError(f"No experiment of {year} is evaluated. Make some with `mining-platform demo experiments`.")
    files = summary_files(summary_of(platform, year, evaluations))
    try:
        out.mkdir(exist_ok=True)
        for name, content in files.items():
            durable.write(out.absolute() / name, content)
    except FileNotFoundError:
        raise CommandError(f"There is no folder {out.absolute().parent} to make {out.name} in.") from None
    except OSError as error:
        raise CommandError(f"{out} cannot be written: {error.strerror or error}.") from None
    return [str(out / name) for name in files]
