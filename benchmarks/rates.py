"""The rates of installations as rows of `mining_platform/reference_rates.py`: what plans of others start from.

`MINING_PLATFORM_REGIONS=… python -m benchmarks.rates HOME [HOME …]` reads the lineage records of finished installations, such as
that of `make demo`, and prints the table with this machine and the day of the newest record; of a kind that several have made,
the first named counts.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

from mining_platform.artifacts import ArtifactStore
from mining_platform.environments import environment
from mining_platform.graph import build_steps
from mining_platform.pipeline import Platform
from mining_platform.rates import Line, Made, Rate, measured, rate
from mining_platform.region_files import load_regions
from mining_platform.sources import router
from mining_platform.staleness import offline

DIGITS = 4


def rates_of_home(home: Path) -> dict[str, Rate]:
    """Rates by kind of what one installation made."""
    regions = load_regions()
    store = ArtifactStore(home / "artifacts")
    made: dict[str, list[Made]] = {}
    for one in measured(offline(Platform(home, regions, store, router, router)), build_steps(regions)):
        made.setdefault(one.kind, []).append(one)
    return {kind: rate(kind, each) for kind, each in made.items()}


def _spelled(line: Line) -> str:
    return f"Line({line.fixed:.{DIGITS}g}, {line.slope:.{DIGITS}g})"


def table(rates: Mapping[str, Rate]) -> str:
    """The rows as Python."""
    return "\n".join(f"    _row({', '.join(_fields(kind, each))})," for kind, each in sorted(rates.items()))


def _fields(kind: str, each: Rate) -> tuple[str, ...]:
    lines = _spelled(each.seconds), _spelled(each.bytes)
    return f'"{kind}"', f'"{each.unit}"', *lines, str(each.count), f"{each.largest:.{DIGITS}g}"


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("homes", nargs="+", type=Path)
    found: dict[str, Rate] = {}
    for home in parser.parse_args().homes:
        found = {**rates_of_home(home), **found}
    print(f"# {environment().processor}, {environment().platform}")
    print(table(found))


if __name__ == "__main__":
    main()
