"""Options that several commands share, and how their texts are read."""

from typing import Annotated

import typer

from mining_platform.consoles import CommandError
from mining_platform.sessions import LIMITS, WORKERS_VARIABLE


def _variable(option: str) -> str:
    """Where the environment says an option that is not given."""
    return LIMITS[option][0]


Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
AskServices = Annotated[bool, typer.Option("--ask", help="Ask services whether their scenes or maps changed.")]
Assets = Annotated[str, typer.Option("--assets", help="Asset keys, dataset ids or patterns, separated by commas.")]
Regions = Annotated[
    str, typer.Option("--regions", "--region", help="Region ids or patterns such as 'legal-amazon-*', separated by commas.")
]
Years = Annotated[str, typer.Option("--years", "--year", help="Years such as 2024, 2020,2022 or 2016-2022.")]
Experiments = Annotated[str, typer.Option("--experiments", help="Experiment ids, separated by commas.")]
MaxRequests = Annotated[
    int | None, typer.Option(envvar=_variable("max_requests"), help="Most requests to services that a run may take.")
]
MaxBytes = Annotated[
    int | None, typer.Option(envvar=_variable("max_bytes"), help="Most bytes from services that a run may take, uncompressed.")
]
MaxEecuHours = Annotated[
    float | None,
    typer.Option(
        envvar=_variable("max_eecu_hours"),
        min=0,
        help="Most compute unit hours of Earth Engine that a run may take, as estimated.",
    ),
]
MaxHours = Annotated[
    float | None,
    typer.Option(envvar=_variable("max_hours"), min=0, help="Most hours of a run: it stops before what would take longer."),
]
EecuRate = Annotated[
    float,
    typer.Option(
        envvar=_variable("eecu_rate"),
        min=0,
        help="Compute unit seconds of Earth Engine for 10^9 values, where your project knows its own.",
    ),
]
Workers = Annotated[
    int, typer.Option(min=1, envvar=WORKERS_VARIABLE, help="Partitions made at once, each by a process of its own.")
]
DemoWorkers = Annotated[
    int | None, typer.Option(min=1, envvar=WORKERS_VARIABLE, help="Partitions made at once; default 2, or 1 on a single core.")
]
Offline = Annotated[bool, typer.Option("--offline", help="Ask no service; what only it knows is not told.")]
Epochs = Annotated[int | None, typer.Option(min=1, help="A small trial: most epochs of each experiment.")]
MaxPatches = Annotated[int | None, typer.Option(help="A small trial: most patches of each experiment, over all splits.")]
Only = Annotated[bool, typer.Option("--only", help="Just these assets, not what they rest on.")]


_YEARS = "Write 2024, 2020,2022 or 2016-2022."


def words(text: str) -> tuple[str, ...]:
    """`a, b` -> ("a", "b")."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def numbers(text: str) -> tuple[int, ...]:
    """`2016-2018, 2022` -> (2016, 2017, 2018, 2022); nothing for an empty text. CommandError for what names no years."""
    years: list[int] = []
    for word in words(text):
        first, dash, last = word.partition("-")
        try:
            span = range(int(first), int(last if dash else first) + 1)
        except ValueError:
            raise CommandError(f"{word!r} is not a year or a span of years. {_YEARS}") from None
        if not span:
            raise CommandError(f"{word!r} ends before it begins. {_YEARS}")
        years += span
    if text.strip() and not years:
        raise CommandError(f"{text!r} names no year. {_YEARS}")
    return tuple(years)
