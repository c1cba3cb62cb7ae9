"""How a job over the planner works: how many partitions at once, and what it may take; and its work within that.

What belongs here: the run configuration that those jobs share. Whoever asks for a run without a person, a schedule or a sensor,
takes it from the environment, as commands do where an option is not given.
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from assets_defs.summaries import unmade
from mining_platform.artifacts import Ref
from mining_platform.costs import Budget, CostError
from mining_platform.limited_runs import expected_seconds, run_within
from mining_platform.runs import Outcome, Session
from mining_platform.sessions import limits_wanted, workers_wanted
from mining_platform.sources.earth_engine import EECU_S_PER_GIGAVALUE


class PlannerConfig(dg.Config):
    """What jobs over the planner share; a limit that is not given does not hold."""

    workers: int = 1
    """Partitions made at once, each by a process of its own."""
    max_requests: int | None = None
    max_bytes: int | None = None
    max_hours: float | None = None
    max_eecu_hours: float | None = None
    eecu_rate: float = EECU_S_PER_GIGAVALUE
    """Compute unit seconds of Earth Engine for 10^9 values."""

    def budget(self) -> Budget:
        """What the run may take."""
        return Budget(self.max_requests, self.max_bytes, self.max_hours, self.max_eecu_hours, self.eecu_rate)


def wanted() -> dict[str, Any]:
    """The fields of `PlannerConfig` that the environment names; RunnerError for what is no number."""
    return {"workers": workers_wanted(), **limits_wanted()}


def make(
    context: dg.OpExecutionContext, session: Session, refs: Sequence[Ref], config: PlannerConfig, what: str
) -> tuple[list[Outcome], Budget]:
    """Make partitions; the budget tells afterwards what it kept from being made.

    dg.Failure, after people were told, where all together is known to take more than the run may, and nothing was made.
    """
    budget = config.budget()
    try:
        expected_s = expected_seconds(session, refs, budget, config.workers)
    except CostError as error:
        raise unmade(context, what, str(error)) from None
    with session.crew(config.workers) as crew:
        return run_within(session, refs, crew, budget, lambda done: context.log.info(str(done)), expected_s), budget
