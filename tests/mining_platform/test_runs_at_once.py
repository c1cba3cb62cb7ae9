"""Several workers: what may be made at once is, in whatever order, and comes out as by one."""

import threading
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mining_platform.artifacts import ArtifactStore, Ref, current_digest
from mining_platform.costs import Budget, clocked
from mining_platform.graph import build_steps
from mining_platform.pipeline import Platform
from mining_platform.plans import Selection, select
from mining_platform.runs import Crew, Outcome, Session, run
from tests.mining_platform.test_plans import BOTH, REGIONS, Sources, maker, states

WITHOUT_FILES = {
    region.id: replace(region, monitoring=region.monitoring and replace(region.monitoring, territories=()))
    for region in REGIONS.values()
}
"""The regions without files of territories, which are not there, so that nothing fails that is not to fail."""
STEPS = build_steps(WITHOUT_FILES)
maker_of = partial(maker, steps=STEPS)
LEARNED = ("sim-cnn", "sim-cnn-48", "sim-unet")
ALL = Selection(("sim_ranges", "sim_ranges_48", "model", "annual_report"), BOTH, (2023, 2024), LEARNED)


def installed(home: Path) -> Platform:
    sources: Any = Sources()
    return Platform(home, WITHOUT_FILES, ArtifactStore(home / "artifacts"), sources, sources)


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    return installed(tmp_path)


class Watched:
    """Makes partitions and notes which are under way together."""

    def __init__(self, platform: Platform, failing: set[Ref]) -> None:
        self.made = maker_of(platform, failing)
        self.lock = threading.Lock()
        self.under_way: set[Ref] = set()
        self.together: list[frozenset[Ref]] = []
        self.begun: list[Ref] = []
        self.resolved: list[Ref] = []

    def __call__(self, ref: Ref) -> Outcome:
        with self.lock:
            self.begun.append(ref)
            self.under_way.add(ref)
            self.together.append(frozenset(self.under_way))
        outcome = self.made(ref)
        with self.lock:
            self.under_way.remove(ref)
            self.resolved.append(ref)
        return outcome


@pytest.mark.parametrize("failing", [set(), {Ref("land_cover", "sim-serra|2024")}, {Ref("sim_ranges/manifest", "2024")}])
def test_three_workers_make_what_one_makes(tmp_path: Path, failing: set[Ref]) -> None:
    alone, together = installed(tmp_path / "alone"), installed(tmp_path / "together")
    refs = select(alone, STEPS, ALL)
    expected = run(alone, STEPS, refs, Crew(maker_of(alone, failing)))
    found = run(together, STEPS, refs, Crew(maker_of(together, failing), workers=3))
    assert [done.ref for done in found] == refs
    assert states(found) == states(expected)
    assert {done.ref: done.digest for done in found} == {done.ref: done.digest for done in expected}
    blocked = {done.ref: done.message for done in found if done.state == "blocked"}
    assert blocked == {done.ref: done.message for done in expected if done.state == "blocked"}
    assert bool(blocked) == bool(failing)


def test_what_is_awaited_is_made_before_and_no_more_are_under_way_than_workers(platform: Platform) -> None:
    refs, watched = select(platform, STEPS, ALL), Watched(platform, set())
    lost = []

    def execute(ref: Ref) -> Outcome:
        awaited = {each for each in STEPS[ref.asset].awaited(platform, ref.partition) if each in refs}
        lost.extend(awaited - set(watched.resolved))
        return watched(ref)

    run(platform, STEPS, refs, Crew(execute, workers=3))
    assert lost == []
    assert max(map(len, watched.together)) == 3
    assert sorted(map(str, watched.begun)) == sorted(map(str, refs)), "each once"


def test_workers_are_at_work_at_the_same_time(platform: Platform) -> None:
    both = threading.Barrier(2, timeout=20)

    def execute(ref: Ref) -> Outcome:
        both.wait()
        return Outcome(ref, "made", "d", 0.0)

    refs = [Ref("scenes", f"{region}|2024") for region in BOTH]
    assert set(states(run(platform, STEPS, refs, Crew(execute, workers=2))).values()) == {"made"}


def test_a_pool_without_a_slot_is_waited_for_while_others_go_on(platform: Platform) -> None:
    refs, watched = select(platform, STEPS, ALL), Watched(platform, set())

    def has_room(ref: Ref, under_way: Any) -> bool:
        return ref.asset != "model" or all(each.asset != "model" for each in under_way)

    run(platform, STEPS, refs, Crew(watched, 3, has_room))
    assert max(Counter(each.asset for each in group)["model"] for group in watched.together) == 1
    assert set(watched.resolved) == set(refs)


def test_the_report_of_a_year_waits_for_that_of_the_year_before(platform: Platform) -> None:
    report = STEPS["annual_report"]
    assert report.awaited(platform, "2024")[-1] == Ref("annual_report", "2023")
    assert Ref("annual_report", "2023") not in report.inputs(platform, "2024")
    refs, watched = select(platform, STEPS, ALL), Watched(platform, set())
    run(platform, STEPS, refs, Crew(watched, workers=3))
    reports = [ref for ref in watched.resolved if ref.asset == "annual_report"]
    assert reports == [Ref("annual_report", "2023"), Ref("annual_report", "2024")]


def test_what_has_the_longest_chain_behind_it_is_begun_first(platform: Platform) -> None:
    watched = Watched(platform, set())
    refs = [Ref("scenes", "sim-igarape|2024"), *select(platform, STEPS, Selection(("sim_ranges/quotas",), BOTH, (2024,)))]
    run(platform, STEPS, refs, Crew(watched, workers=2))
    assert watched.begun[-1].asset in ("scenes", "sim_ranges/quotas")
    assert {ref.asset for ref in watched.begun[:2]} == {"land_cover"}


def test_where_there_is_no_time_for_the_next_those_under_way_are_finished(platform: Platform) -> None:
    refs = [Ref("scenes", f"{region}|{year}") for region in BOTH for year in (2023, 2024)]
    moments = iter([0.0, 0.0, 0.0, 3599.0])
    budget = Budget(None, None, max_hours=1.0)
    may_begin = clocked(budget, dict.fromkeys(refs, 1000.0), clock=lambda: next(moments))
    done = run(platform, STEPS, refs, Crew(maker_of(platform), workers=2), may_begin=may_begin)
    assert [each.state for each in done] == ["made", "made"]
    assert "more than the 1 it may take" in budget.stopped
    assert sum(current_digest(platform.artifacts, ref) is not None for ref in refs) == 2


def test_an_error_of_the_databases_ends_the_run_after_those_under_way(platform: Platform) -> None:
    def execute(ref: Ref) -> Outcome:
        if ref.partition.endswith("2023"):
            raise OSError("the database is gone")
        return maker_of(platform)(ref)

    refs = [Ref("scenes", f"sim-serra|{year}") for year in (2023, 2024)]
    with pytest.raises(OSError, match="the database is gone"):
        run(platform, STEPS, refs, Crew(execute, workers=2))
    assert current_digest(platform.artifacts, refs[1]) is not None


def test_one_worker_is_this_process_and_where_nobody_can_be_hired_too(platform: Platform) -> None:
    def never(_workers: int) -> Any:
        raise AssertionError("hired")

    execute = maker_of(platform)
    with Session(platform, STEPS, execute, print, hired=never).crew(1) as crew:
        assert (crew.execute, crew.workers) == (execute, 1)
    with Session(platform, STEPS, execute, print).crew(4) as crew:
        assert crew.workers == 1
