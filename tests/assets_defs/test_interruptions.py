"""A person who interrupts the planner ends it: the partition under way fails, and no other is begun."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT, Installation

INTERRUPTED = """
import signal, sys
from mining_platform import runs
from mining_platform.artifacts import Ref
from mining_platform.sessions import open_session
from mining_platform.sources import router

refs = [Ref("land_cover", f"{region}|2022") for region in ("alto", "baixo")]
told = router.fingerprint_land_cover
router.fingerprint_land_cover = lambda region, year: (signal.raise_signal(signal.Signals[sys.argv[1]]), told(region, year))[1]
with open_session() as session, session.crew(1) as crew:
    try:
        runs.run(session.platform, session.steps, refs, crew, lambda done: print(done.ref, done.state))
    except KeyboardInterrupt:
        print("interrupted")
"""


@pytest.mark.parametrize("sent", ["SIGINT", "SIGTERM"])
def test_an_interruption_ends_the_planner_and_publishes_nothing(mapped: Installation, sent: str) -> None:
    command = [sys.executable, "-c", INTERRUPTED, sent]
    environment = mapped.environment
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100, check=False)
    assert done.stdout.splitlines()[-1:] == ["interrupted"], done.stderr[-2000:]
    assert " made" not in done.stdout
    assert mapped.digests() == {}
    states = mapped.states("--assets", "land_cover", "--years", "2022")
    assert {row["state"] for row in states.values()} == {"made"}
