"""Whether a process is still the one that was seen."""

import os
import subprocess
import sys
import time

import pytest

from mining_platform import processes
from mining_platform.processes import is_alive

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]


def test_this_process_is_alive() -> None:
    assert is_alive(os.getpid(), time.time())


def test_a_killed_process_is_dead_before_and_after_its_parent_knows() -> None:
    process = subprocess.Popen(SLEEPER)
    seen = time.time()
    assert is_alive(process.pid, seen)
    process.kill()
    deadline = time.monotonic() + 10
    while is_alive(process.pid, seen) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_alive(process.pid, seen), "a process that nobody waited for is dead"
    process.wait()
    assert not is_alive(process.pid, seen)


def test_a_process_that_got_the_number_later_is_another_one() -> None:
    process = subprocess.Popen(SLEEPER)
    try:
        assert is_alive(process.pid, time.time())
        assert not is_alive(process.pid, time.time() - 3600)
    finally:
        process.kill()
        process.wait()


def test_a_name_with_parentheses_and_spaces_is_read_right(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN001
    fields = ["S", *["0"] * 18, "500", "0"]
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "stat").write_text(f"7 (a) (b c) {' '.join(fields)}\n")
    (tmp_path / "stat").write_text("cpu 1\nbtime 1000\n")
    monkeypatch.setattr(processes, "PROC", tmp_path)
    started = 1000 + 500 / os.sysconf("SC_CLK_TCK")
    assert is_alive(7, started + 1)
    assert not is_alive(7, started - 10)
