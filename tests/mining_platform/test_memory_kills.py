"""What the kernel counts as killed for lack of memory, on made-up files of both versions of control groups."""

from pathlib import Path

import pytest

from mining_platform import memory_kills
from mining_platform.memory_kills import MEMORY_TAG, count_now, memory_cause, read_count, tags_now

BOOT = "7d2f1f0e-0000-4000-8000-000000000001"
NO_LIMIT = "9223372036854771712\n"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine's /proc and /sys/fs/cgroup, without any group yet."""
    proc, groups = tmp_path / "proc", tmp_path / "cgroup"
    monkeypatch.setattr(memory_kills, "PROC", proc)
    monkeypatch.setattr(memory_kills, "GROUPS", groups)
    written(proc / "sys/kernel/random/boot_id", f"{BOOT}\n")
    written(proc / "vmstat", "pgfault 5\noom_kill 3\n")
    groups.mkdir()
    return tmp_path


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def second_version(machine: Path, kills: int) -> Path:
    """A group /jobs/night of version 2, which is itself without a limit; /jobs has one of 600 MB."""
    written(machine / "proc/self/cgroup", "0::/jobs/night\n")
    written(machine / "cgroup/cgroup.controllers", "memory\n")
    written(machine / "cgroup/jobs/memory.max", "600000000\n")
    written(machine / "cgroup/jobs/memory.peak", "599000000\n")
    written(machine / "cgroup/jobs/night/memory.max", "max\n")
    return written(machine / "cgroup/jobs/night/memory.events", f"low 0\noom 9\noom_kill {kills}\noom_group_kill 0\n")


def first_version(machine: Path, kills: int) -> Path:
    written(machine / "proc/self/cgroup", "9:name=systemd:/\n4:memory,hugetlb:/night\n0::/\n")
    written(machine / "cgroup/memory/memory.limit_in_bytes", NO_LIMIT)
    written(machine / "cgroup/memory/night/memory.limit_in_bytes", "512000000\n")
    written(machine / "cgroup/memory/night/memory.max_usage_in_bytes", "512000000\n")
    return written(machine / "cgroup/memory/night/memory.oom_control", f"oom_kill_disable 0\nunder_oom 0\noom_kill {kills}\n")


def test_a_kill_in_a_group_of_version_2_is_named_with_the_tightest_limit_above_it(machine: Path) -> None:
    counts = second_version(machine, 2)
    told = tags_now()[MEMORY_TAG]
    assert memory_cause(told) is None
    counts.write_text("oom 10\noom_kill 3\n")
    cause = memory_cause(told) or ""
    assert cause.startswith("was killed by the kernel for lack of memory: it has killed 1 of its control group")
    assert cause.endswith("(limit 600 MB; most used 599 MB)")


def test_what_was_killed_below_a_group_of_version_2_is_not_counted_as_its_own(machine: Path) -> None:
    counts = second_version(machine, 2)
    written(counts.with_name("memory.events.local"), "oom_kill 1\n")
    told = tags_now()[MEMORY_TAG]
    counts.write_text("oom_kill 3\n")
    assert memory_cause(told) is None


def test_a_kill_in_a_group_of_version_1_is_named_with_limit_and_peak(machine: Path) -> None:
    counts = first_version(machine, 0)
    told = tags_now()[MEMORY_TAG]
    assert memory_cause(told) is None
    counts.write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 2\n")
    assert "killed 2 of its control group" in (memory_cause(told) or "")
    assert "(limit 512 MB; most used 512 MB)" in (memory_cause(told) or "")


def test_without_groups_the_count_of_the_machine_makes_it_likely_and_no_more(machine: Path) -> None:
    told = tags_now()[MEMORY_TAG]
    counted = count_now()
    assert counted is not None
    assert (counted.group, counted.kills) == ("", 3)
    assert memory_cause(told) is None
    written(machine / "proc/vmstat", "oom_kill 4\n")
    assert (memory_cause(told) or "").startswith(
        "was killed, most likely for lack of memory: this machine's kernel has killed 1 "
    )


def test_counts_of_another_start_of_the_machine_or_of_another_machine_are_no_evidence(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = first_version(machine, 0)
    told = tags_now()[MEMORY_TAG]
    counts.write_text("oom_kill 5\n")
    assert memory_cause(told)
    boot = written(machine / "proc/sys/kernel/random/boot_id", "another\n")
    assert memory_cause(told) is None
    boot.write_text(f"{BOOT}\n")
    monkeypatch.setattr(memory_kills.socket, "gethostname", lambda: "elsewhere")
    assert memory_cause(told) is None


def test_a_group_that_is_gone_is_no_evidence(machine: Path) -> None:
    counts = first_version(machine, 0)
    told = tags_now()[MEMORY_TAG]
    counts.unlink()
    assert memory_cause(told) is None


def test_a_kernel_that_counts_nothing_gives_no_tag(machine: Path) -> None:
    written(machine / "proc/vmstat", "pgfault 5\n")
    assert tags_now() == {}


def test_a_group_that_a_container_cannot_see_is_its_own_top(machine: Path) -> None:
    written(machine / "proc/self/cgroup", "4:memory:/docker/0123\n")
    written(machine / "cgroup/memory/memory.oom_control", "oom_kill 1\n")
    counted = count_now()
    assert counted is not None
    assert (counted.group, counted.kills) == (str(machine / "cgroup/memory"), 1)


@pytest.mark.parametrize("told", [None, "", "5", "[]", "{}", '{"host": "a", "boot": "b", "group": "c", "kills": "many"}'])
def test_a_tag_that_tells_no_count_is_no_evidence(told: str | None) -> None:
    assert memory_cause(told) is None
    assert read_count(told or "") is None
