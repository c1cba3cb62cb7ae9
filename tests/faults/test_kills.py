"""SIGKILL at random times and between the steps of publishing, collecting and reconciling: the old version or the new one."""

import time
from pathlib import Path

import pytest

from benchmarks.kills import SITUATIONS, SMALL, SURVIVED, WRONG, die_before_step, in_child, kills_before_every_step, random_kills
from benchmarks.kills import produce as publish
from mining_platform.artifacts import FINISHED, ArtifactStore

SIZES = [(50, 400_000), pytest.param(200, 1_000_000, marks=pytest.mark.slow)]
"""Kills of each kind, bytes of each file."""


@pytest.mark.parametrize(("kills", "size"), SIZES)
def test_kills_of_a_first_write_leave_nothing_or_the_whole(tmp_path: Path, kills: int, size: int) -> None:
    outcomes = random_kills(tmp_path, kills, size, overwrite=False)
    assert outcomes[WRONG] == outcomes["refused"] == outcomes["old"] == 0, outcomes
    assert outcomes["absent"] + outcomes["new"] >= kills


@pytest.mark.parametrize(("kills", "size"), SIZES)
def test_kills_of_an_overwrite_leave_the_old_version_or_the_new(tmp_path: Path, kills: int, size: int) -> None:
    outcomes = random_kills(tmp_path, kills, size, overwrite=True)
    assert outcomes[WRONG] == outcomes["refused"] == outcomes["absent"] == 0, outcomes
    assert outcomes["old"] + outcomes["new"] >= kills


@pytest.mark.parametrize("name", SITUATIONS)
def test_a_kill_before_any_step_leaves_an_allowed_version_and_the_next_one_brings_order(tmp_path: Path, name: str) -> None:
    outcomes = kills_before_every_step(tmp_path, SITUATIONS[name])
    assert outcomes[WRONG] == 0, outcomes
    assert outcomes[SURVIVED] == 1
    least = 4 if name in ("garbage collection", "reconciliation") else 20
    assert outcomes.total() > least, "too few steps were seen: does the hook still see the store?"


def test_a_writer_killed_between_record_and_pointer_is_finished_by_the_next_without_computing(tmp_path: Path) -> None:
    finished = 0
    for number in range(60):
        store = ArtifactStore(tmp_path / f"store-of-kill-{number}")

        def dying(store: ArtifactStore = store, number: int = number) -> None:
            die_before_step(store.root, number)
            publish(store, SMALL, "2")

        killed = in_child(dying)
        finished += publish(store, SMALL, "2").reason == FINISHED
        if not killed:
            break
    assert finished >= 1


def test_a_child_that_fails_by_itself_is_not_taken_for_a_kill() -> None:
    def fail() -> None:
        raise ValueError

    with pytest.raises(RuntimeError, match="failed by itself"):
        in_child(fail)
    assert in_child(lambda: time.sleep(30), kill_after_s=0.05)
