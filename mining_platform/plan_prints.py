"""How plans are printed: partition by partition, by asset, and what all of it is expected to take."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mining_platform.artifacts import Ref
from mining_platform.consoles import console, print_costs, print_rows, shortened
from mining_platform.costs import Estimate, total
from mining_platform.forecasts import Duration, Forecast
from mining_platform.sources.protocol import Cost
from mining_platform.staleness import Planned

HOUR_S = 3600


@dataclass(frozen=True)
class Told:
    """A plan and all that is known about it."""

    planned: Sequence[Planned]
    """What is not fresh, in order."""
    windows: Mapping[Ref, int | None]
    """Windows that a partition looks at, at most."""
    scenes: Mapping[Ref, int]
    """Scenes that a mosaic is made of, listed or expected."""
    costs: Mapping[Ref, Estimate]
    forecasts: Mapping[Ref, Forecast]
    duration: Duration
    workers: int


def print_partitions(told: Told, *, as_json: bool) -> None:
    """A row a partition; as JSON with everything that is known of it."""
    rows = [_json_row(told, item) if as_json else _row(told, item) for item in told.planned]
    if rows or as_json:
        print_rows(rows, as_json=as_json)


def _row(told: Told, item: Planned) -> dict[str, Any]:
    forecast = told.forecasts.get(item.ref)
    return {
        "asset": item.ref.asset,
        "partition": item.ref.partition,
        "state": item.state,
        "windows at most": told.windows.get(item.ref),
        "expected": _spoken(forecast.seconds) if forecast else None,
        "writes MB": _megabytes(forecast.written_bytes) if forecast else None,
        "why": item.problem or "; ".join(shortened(item.reasons)),
    }


def _json_row(told: Told, item: Planned) -> dict[str, Any]:
    estimate, forecast = told.costs.get(item.ref), told.forecasts.get(item.ref)
    cost = estimate.cost if estimate else Cost()
    return {
        "asset": item.ref.asset,
        "partition": item.ref.partition,
        "state": item.state,
        "windows": told.windows.get(item.ref),
        "scenes": told.scenes.get(item.ref),
        "why": item.problem or "; ".join(item.reasons),
        "requests": cost.requests,
        "bytes": cost.bytes,
        "eecu_s": cost.eecu_s,
        "at_most": bool(estimate and estimate.at_most),
        "expected_only": bool(estimate and estimate.expected),
        "size": forecast.size if forecast else None,
        "unit": forecast.unit if forecast else None,
        "seconds": forecast.seconds if forecast else None,
        "read_bytes": forecast.read_bytes if forecast else None,
        "written_bytes": forecast.written_bytes if forecast else None,
        "rate": _basis(forecast) if forecast else None,
    }


def _basis(forecast: Forecast) -> str:
    if forecast.rate is None:
        return "none"
    return forecast.rate.reference or f"measured here, {forecast.rate.count} of {forecast.rate.kind}"


def summary(told: Told) -> list[dict[str, Any]]:
    """A row an asset, in the order of the plan, and one of all."""
    assets = dict.fromkeys(item.ref.asset for item in told.planned)
    rows = [_sum(told, asset, [item.ref for item in told.planned if item.ref.asset == asset]) for asset in assets]
    return [*rows, _sum(told, "in all", [item.ref for item in told.planned])]


def _sum(told: Told, asset: str, refs: Sequence[Ref]) -> dict[str, Any]:
    taken = [told.costs[ref] for ref in refs if ref in told.costs]
    cost = total(taken)
    foreseen = [told.forecasts[ref] for ref in refs if ref in told.forecasts]
    return {
        "asset": asset,
        "partitions": len(refs),
        "windows": sum(told.windows.get(ref) or 0 for ref in refs if ref.asset.endswith("/candidates")),
        "scenes": sum(told.scenes.get(ref, 0) for ref in refs),
        "requests": cost.requests,
        "service_bytes": cost.bytes,
        "eecu_s": cost.eecu_s,
        "at_most": any(each.at_most for each in taken),
        "read_bytes": sum(each.read_bytes for each in foreseen),
        "written_bytes": sum(each.written_bytes or 0.0 for each in foreseen),
        "seconds": sum(each.seconds or 0.0 for each in foreseen),
    }


def print_summary(told: Told, *, as_json: bool) -> None:
    """By asset and in all; as JSON also how long some workers take."""
    rows = summary(told)
    if as_json:
        least, most = told.duration.bounds_s(told.workers)
        whole = {"path_s": told.duration.path_s, "workers": told.workers, "least_s": least, "most_s": most}
        console.print_json(data={"assets": rows[:-1], "in_all": rows[-1], "duration": whole, "rates": rates_used(told)})
        return
    print_rows([_spelled(row) for row in rows], as_json=False)


def _spelled(row: Mapping[str, Any]) -> dict[str, Any]:
    bound = "≤ " if row["at_most"] else ""
    return {
        **{name: row[name] or None for name in ("asset", "partitions", "windows", "scenes")},
        "requests": f"{bound}{row['requests']}",
        "GB from services": f"{bound}{row['service_bytes'] / 1e9:.2f}",
        "EECU-hours": f"{bound}{row['eecu_s'] / HOUR_S:.2f}",
        "GB read": f"{row['read_bytes'] / 1e9:.2f}",
        "GB written": f"{row['written_bytes'] / 1e9:.2f}",
        "expected": _spoken(row["seconds"]),
    }


def rates_used(told: Told) -> dict[str, Any]:
    """How many partitions' times rest on what: measured here, shipped, nothing; and how many are far beyond what was measured."""
    known = [each.rate for each in told.forecasts.values() if each.rate]
    shipped = [rate for rate in known if rate.reference]
    return {
        "here": len(known) - len(shipped),
        "reference": len(shipped),
        "reference_machine": shipped[0].reference if shipped else None,
        "none": sorted({each.ref.asset for each in told.forecasts.values() if each.rate is None}),
        "far": sum(each.far for each in told.forecasts.values()),
    }


def print_expectation(told: Told) -> None:
    """What services are asked for, and lines on time and bytes of all, and on what they rest; nothing for an empty plan."""
    print_costs(list(told.costs.values()))
    if not told.forecasts:
        return
    whole, used = summary(told)[-1], rates_used(told)
    least, most = told.duration.bounds_s(told.workers)
    by_workers = f"; by {told.workers} workers {_spoken(least)} to {_spoken(most)}" if told.workers > 1 else ""
    console.print(
        f"\nExpected: {_spoken(told.duration.total_s)} one after another{by_workers}; "
        f"{whole['read_bytes'] / 1e9:.2f} GB read, {whole['written_bytes'] / 1e9:.2f} GB written."
    )
    console.print(f"Times of {used['here']} partitions rest on what was measured here" + _borrowed(used) + ".")
    if used["none"]:
        console.print(f"Not counted, as nothing like them was ever measured: {', '.join(used['none'])}.")
    if used["far"]:
        console.print(f"{used['far']} are more than ten times larger than all that was measured: take their times with care.")


def _borrowed(used: Mapping[str, Any]) -> str:
    there = f"{used['reference']} on rates of another machine ({used['reference_machine']}), without the time that services take"
    return f", of {there}" if used["reference"] else ""


def _spoken(seconds: float | None) -> str | None:
    """A duration for people, in its largest fitting unit."""
    if seconds is None:
        return None
    minute_s = 60
    if seconds < minute_s:
        return f"{seconds:.1f} s"
    return f"{seconds / minute_s:.1f} min" if seconds < 2 * HOUR_S else f"{seconds / HOUR_S:.1f} h"


def _megabytes(size: float | None) -> str | None:
    return None if size is None else f"{size / 1e6:.1f}"
