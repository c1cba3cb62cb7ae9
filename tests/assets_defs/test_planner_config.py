"""What jobs over the planner may take: refused before anything is made, or stopped, and people are told."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets_defs import automation, planner_config
from assets_defs.planner_config import PlannerConfig
from assets_defs.summaries import concluded
from mining_platform import costs
from mining_platform.artifacts import ArtifactStore, Ref
from mining_platform.pipeline import Platform
from mining_platform.runs import Outcome, Session
from mining_platform.sessions import LIMITS, RunnerError
from mining_platform.staleness import Planned
from tests.file_service import FileService
from tests.mining_platform.test_costs import FULL, REGIONS, SAMPLED, STEPS, Counting

MAPS = [Ref("land_cover", FULL), Ref("land_cover", SAMPLED)]


@pytest.fixture
def made() -> list[Ref]:
    return []


@pytest.fixture
def session(tmp_path: Path, made: list[Ref], monkeypatch: pytest.MonkeyPatch) -> Session:
    """An installation whose maps take 7 requests each."""
    sources: Any = Counting()
    platform = Platform(tmp_path, REGIONS, ArtifactStore(tmp_path / "artifacts"), sources, sources)

    def execute(ref: Ref) -> Outcome:
        made.append(ref)
        return Outcome(ref, "made", "d", 0.0)

    def missing(_platform: Any, _steps: Any, ref: Ref) -> Planned:
        return Planned(ref, ("not made yet",))

    monkeypatch.setattr(costs, "assess", missing)
    monkeypatch.setattr("mining_platform.plans.assess", missing)
    return Session(platform, STEPS, execute, lambda *_: None)


def refresh(session: Session, **limits: Any) -> dg.ExecuteInProcessResult:
    """A job over the planner that makes MAPS within limits."""

    @dg.op
    def work(context: dg.OpExecutionContext) -> None:
        outcomes, budget = planner_config.make(context, session, MAPS, PlannerConfig(**limits), "Refresh of 2024")
        concluded(context, "Refresh of 2024", STEPS, outcomes, stopped=budget.stopped)

    @dg.job
    def refreshing() -> None:
        work()

    with dg.DagsterInstance.ephemeral() as instance:
        return refreshing.execute_in_process(instance=instance, raise_on_error=False)


def told(chat: FileService) -> list[tuple[str, str]]:
    return [(each["subject"], each["text"]) for each in (json.loads(body) for _, body in chat.posted)]


def test_a_refresh_within_its_limits_is_made(session: Session, made: list[Ref], chat: FileService) -> None:
    assert refresh(session, max_requests=14, max_hours=1.0).success
    assert made == MAPS
    assert told(chat) == []


@pytest.mark.parametrize(
    ("limits", "words"),
    [({"max_requests": 13}, "to 14 requests, more than the 13"), ({"max_hours": 0.0}, "hours, more than the 0 it may take")],
)
def test_a_refresh_that_is_known_to_take_more_makes_nothing_and_people_are_told(
    session: Session, made: list[Ref], chat: FileService, limits: dict[str, float], words: str
) -> None:
    assert not refresh(session, **limits).success
    assert made == []
    ((subject, text),) = told(chat)
    assert subject == "Refresh of 2024: a limit kept partitions from being made"
    assert words in text


def test_a_refresh_that_runs_out_of_time_is_stopped_and_people_are_told(
    session: Session, made: list[Ref], chat: FileService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planner_config, "expected_seconds", lambda *_: {MAPS[0]: 1.0, MAPS[1]: 7200.0})
    assert not refresh(session, max_hours=1.0).success
    assert made == MAPS[:1]
    ((subject, text),) = told(chat)
    assert subject == "Refresh of 2024: a limit kept partitions from being made"
    assert "land_cover@sim-serra|2024 is expected to bring this run to 2.00 hours" in text


def test_the_schedule_takes_the_limits_that_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, (variable, _) in LIMITS.items():
        monkeypatch.setenv(variable, "2.5" if name in ("max_hours", "max_eecu_hours", "eecu_rate") else "1000")
    request = automation.refresh_request(datetime(2025, 9, 15, 6, tzinfo=UTC))
    assert isinstance(request, dg.RunRequest)
    config = request.run_config["ops"]["refresh"]["config"]
    assert [config[name] for name in LIMITS] == [1000, 1000, 2.5, 2.5, 2.5]
    assert PlannerConfig(**{name: config[name] for name in LIMITS}).budget() == costs.Budget(1000, 1000, 2.5, 2.5, 2.5)


@pytest.mark.parametrize("told", ["many", "-1", "inf", "1.5"])
def test_a_limit_that_is_no_number_is_refused(monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    monkeypatch.setenv(LIMITS["max_requests"][0], told)
    with pytest.raises(RunnerError, match=f"MINING_PLATFORM_MAX_REQUESTS is '{told}', no number of at least 0"):
        planner_config.wanted()
