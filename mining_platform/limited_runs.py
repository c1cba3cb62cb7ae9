"""A run within limits: refused where all of it is known to take more, and stopped before what would go over them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from mining_platform import costs, forecasts, plans, rates, runs
from mining_platform.artifacts import Ref
from mining_platform.costs import Budget
from mining_platform.reference_rates import REFERENCE_RATES
from mining_platform.runs import Crew, Outcome, Session
from mining_platform.staleness import Planned


def expected_seconds(session: Session, refs: Sequence[Ref], budget: Budget, workers: int) -> Mapping[Ref, float]:
    """Seconds that partitions are expected to take, where hours are limited; else nothing.

    CostError where all of them together are known to take more than the budget allows.
    """
    if not budget.limits and budget.max_hours is None:
        return {}
    planned, told = plans.planned(session.platform, session.steps, refs), []
    if budget.max_hours is not None:
        told = expected(session, planned)
    least_s, _ = forecasts.duration(session.platform, session.steps, told).bounds_s(workers)
    estimates = costs.estimates(session.platform, session.steps, planned) if budget.limits else []
    budget.check(estimates, least_s)
    return {each.ref: each.seconds or 0.0 for each in told}


def expected(session: Session, planned: Sequence[Planned]) -> list[forecasts.Forecast]:
    """What each partition of a plan that is to be made is expected to take; nothing where nothing like it was ever measured."""
    known = rates.rates(session.platform, session.steps, REFERENCE_RATES)
    return forecasts.forecasts(session.platform, session.steps, planned, known)


def run_within(
    session: Session,
    refs: Sequence[Ref],
    crew: Crew,
    budget: Budget,
    on_outcome: Callable[[Outcome], None],
    expected_s: Mapping[Ref, float],
) -> list[Outcome]:
    """As `runs.run`, within a budget, which tells afterwards what it refused and whether it stopped the run."""
    platform, steps = session.platform, session.steps
    within = replace(crew, execute=costs.limited(crew.execute, platform, steps, budget))
    return runs.run(platform, steps, refs, within, on_outcome, costs.clocked(budget, expected_s))
