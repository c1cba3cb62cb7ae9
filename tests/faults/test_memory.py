"""Lack of memory: real kills by the kernel in a control group of our own, a real limit of address space, and how it is told."""

import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus

from assets_defs.labels import land_cover
from assets_defs.partitions import REGIONS
from mining_platform.artifacts import ArtifactStore
from mining_platform.memory_kills import MEMORY_TAG, count_now
from mining_platform.pipeline import Platform
from mining_platform.processes import HOST_TAG, PROCESS_TAG
from mining_platform.regions import Region
from mining_platform.sources.offline import OfflineScenes
from resources.run_failures import how_it_ended
from tests.conftest import COMMAND, ROOT, Installation, small_regions
from tests.ui.test_web_ui import LOADED, START_S, STATUS, asked, free_port, launch, stop, wait_for

MB = 1_000_000
GROUPS = Path("/sys/fs/cgroup")
RUN_S = 150


@dataclass(frozen=True)
class Group:
    """A control group whose memory can be limited, of either version."""

    directory: Path

    @property
    def is_first_version(self) -> bool:
        return (self.directory / "memory.limit_in_bytes").exists()

    def limit(self, most_bytes: int | None) -> None:
        """Set the limit of all that its processes take; None lifts it."""
        name, none = ("memory.limit_in_bytes", "-1") if self.is_first_version else ("memory.max", "max")
        (self.directory / name).write_text(none if most_bytes is None else str(most_bytes))

    def used(self) -> int:
        """Bytes."""
        name = "memory.usage_in_bytes" if self.is_first_version else "memory.current"
        return int((self.directory / name).read_text())

    def start(self, command: list[str], **options: object) -> subprocess.Popen:
        """A process that is in the group from its first instruction."""
        joining = f'echo $$ > "{self.directory}/cgroup.procs" && exec "$@"'
        return subprocess.Popen(["sh", "-c", joining, "sh", *command], cwd=ROOT, **options)  # type: ignore[call-overload]


@pytest.fixture
def group() -> Iterator[Group]:
    """A fresh control group; skips where none can be made."""
    top = GROUPS / "memory" if (GROUPS / "memory").is_dir() else GROUPS
    found = Group(top / f"mining-platform-test-{os.getpid()}")
    try:
        found.directory.mkdir()
        found.limit(None)
    except OSError as error:
        if found.directory.is_dir():
            found.directory.rmdir()
        pytest.skip(f"no control group with a limit of memory can be made in {top} ({error.strerror}); be root, on Linux")
    yield found
    wait_for(lambda: not (found.directory / "cgroup.procs").read_text(), 20, "the end of the group's processes")
    found.directory.rmdir()


HUNGRY = """
import os, sys
from mining_platform.memory_kills import memory_cause, tags_now
tags = tags_now()
child = os.fork()
if child == 0:
    open("/proc/self/oom_score_adj", "w").write("1000")
    if sys.argv[1] == "hungry":
        bytearray(200_000_000)
    os.kill(os.getpid(), 9)
_, status = os.waitpid(child, 0)
print(os.WTERMSIG(status), *[memory_cause(each) for each in tags.values()])
"""


def told_by_the_parent(group: Group, kind: str) -> str:
    """Signal and cause of the death of a process in a group of 100 MB, as told by its parent."""
    group.limit(100 * MB)
    told, _ = group.start([sys.executable, "-c", HUNGRY, kind], stdout=subprocess.PIPE, text=True).communicate(timeout=60)
    return told.strip()


def test_a_process_that_the_kernel_kills_for_memory_is_told_from_one_that_a_person_kills(group: Group) -> None:
    assert told_by_the_parent(group, "killed by hand") == "9 None"
    told = told_by_the_parent(group, "hungry")
    assert told.startswith("9 was killed by the kernel for lack of memory: it has killed 1 of its control group")
    assert "(limit 100 MB; most used 100 MB)" in told


CRASH = "[DagsterApiServer] Run execution process for 6e0b was terminated by signal 9 (SIGKILL). This usually indicates"


def test_a_signal_9_without_the_kernels_word_is_not_called_lack_of_memory() -> None:
    told = "The process of this run was killed (signal 9); nothing on record says that memory was short."
    assert how_it_ended(CRASH, {}) == told
    assert how_it_ended("GRPC server: Subprocess for 6e0b terminated unexpectedly with exit code -9", {}) == told


def test_a_signal_9_with_the_kernels_word_is_called_lack_of_memory() -> None:
    counted = count_now()
    if counted is None:
        pytest.skip("this kernel counts no kills for lack of memory")
    told = how_it_ended(CRASH, {MEMORY_TAG: replace(counted, kills=counted.kills - 1).told}) or ""
    assert "for lack of memory" in told
    assert "max_concurrent_runs in dagster.yaml" in told


def test_other_ends_of_a_runs_process_are_named_by_signal_or_code() -> None:
    prefix = "Run execution process for 6e0b "
    assert how_it_ended(f"{prefix}was terminated by signal 11 (SIGSEGV).", {}) == (
        "The process of this run was ended by signal 11 (SIGSEGV)."
    )
    assert "with code 3" in (how_it_ended(f"{prefix}unexpectedly exited with code 3.", {}) or "")
    assert how_it_ended("Started process for run (pid: 12).", {}) is None


DEAD = 2**22 + 1  # a number above the largest that Linux gives to a process


def second_look(home: Path, tags: dict[str, str]) -> CheckRunHealthResult:
    """What the launcher says, the second time it looks, of a run whose process was on this machine and is gone."""
    settings = {"run_launcher": {"module": "resources.launchers", "class": "WatchedRunLauncher"}}
    with dg.DagsterInstance.local_temp(str(home), overrides=settings) as instance:
        whose = {PROCESS_TAG: str(DEAD), HOST_TAG: socket.gethostname()}
        run = instance.create_run_for_job(dg.JobDefinition(name="idle", graph_def=dg.GraphDefinition("idle")), tags=whose | tags)
        launcher = instance.run_launcher
        assert launcher.check_run_worker_health(run).status == WorkerStatus.RUNNING
        return launcher.check_run_worker_health(run)


def test_a_run_found_dead_is_failed_for_lack_of_memory_only_where_the_kernel_has_counted_more(tmp_path: Path) -> None:
    counted = count_now()
    if counted is None:
        pytest.skip("this kernel counts no kills for lack of memory")
    silent = second_look(tmp_path, {MEMORY_TAG: counted.told})
    assert silent.status == WorkerStatus.FAILED
    assert silent.msg == f"Process {DEAD} of this run is gone: it was killed, or the machine."
    counting = second_look(tmp_path, {MEMORY_TAG: replace(counted, kills=counted.kills - 1).told})
    assert "for lack of memory" in (counting.msg or "")


class HugeMap:
    """A source of land cover whose map takes more memory than there is."""

    def fingerprint_land_cover(self, region: Region, year: int) -> dict[str, str]:
        del region, year
        return {"map": "huge"}

    def read_land_cover(self, region: Region, year: int, out: Path) -> dict[str, object]:
        del region, year, out
        return {"pixels": len(bytearray(2_000 * MB))}


def limited_run(home: Path) -> str:
    """What the failed step of a run says whose process may take 500 MB of addresses more than it has."""
    platform = Platform(home, REGIONS, ArtifactStore(home / "artifacts"), HugeMap(), OfflineScenes(None))  # type: ignore[arg-type]
    definitions = dg.Definitions(assets=[land_cover], resources={"platform": platform})
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + 500 * MB, resource.RLIM_INFINITY))
    key = dg.MultiPartitionKey({"region": "sim-igarape", "year": "2024"})
    with dg.DagsterInstance.ephemeral() as instance:
        run = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            partition_key=key, instance=instance, raise_on_error=False
        )
    (failure,) = [event for event in run.all_events if event.is_step_failure]
    return str(failure.step_failure_data.error.to_string())


def test_a_step_that_meets_a_limit_of_memory_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, limited_run(tmp_path).encode()[-30_000:])
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as told:
        words = told.read()
    os.waitpid(child, 0)
    assert "MemoryError" in words
    assert "The process ran out of memory (most used " in words
    assert "limit of its address space " in words
    left = [path for path in (tmp_path / "artifacts").rglob("*") if path.is_file() and path.name != "lease"]
    assert left == []
    assert list((tmp_path / "artifacts").rglob("tmp-*")) == []


FAILURES = """
query ($id: ID!) { logsForRun(runId: $id) { ... on EventConnection { events { ... on RunFailureEvent { message } } } } }
"""
RUNS = """query { runsOrError { ... on Runs { results { runId rootRunId status tags { key value } } } } }"""
STARTED = """
query ($id: ID!) { logsForRun(runId: $id) { ... on EventConnection { events { ... on EngineEvent { message } } } } }
"""


def process_of(url: str, run_id: str) -> int | None:
    """Number of the process of a run whose step has started."""
    if asked(url, STATUS, {"id": run_id})["runOrError"]["status"] != "STARTED":
        return None
    events = asked(url, STARTED, {"id": run_id})["logsForRun"]["events"]
    found = [event["message"] for event in events if event.get("message", "").startswith("Started process for run (pid: ")]
    return int(found[0].rpartition(" ")[2].rstrip(").")) if found else None


def starve(url: str, run_id: str, group: Group) -> None:
    """Leave the group next to no memory once a run has started, with its process the first to go."""
    process = wait_for(lambda: process_of(url, run_id), RUN_S, f"the start of {run_id}")
    Path(f"/proc/{process}/oom_score_adj").write_text("1000")
    while Path(f"/proc/{process}").exists():
        try:
            group.limit(group.used() + 2 * MB)
            return
        except OSError:
            time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_that_the_kernel_kills_for_memory_says_so_and_is_made_again(tmp_path: Path, group: Group) -> None:
    home = Installation(tmp_path / "home", small_regions(tmp_path / "regions.geojson"))
    home.run("simulate", "--regions", "sim-igarape", "--years", "2024", "--dates", "16")
    home.run("materialize", "--assets", "scenes", "--regions", "sim-igarape", "--years", "2024")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with (tmp_path / "ui.log").open("w") as log:
        command = [str(COMMAND), "ui", "--port", str(port)]
        process = group.start(command, env=home.environment, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_for(lambda: asked(url, LOADED)["repositoriesOrError"].get("nodes"), START_S, "the web UI's start")
        run_id = launch(url, "mosaic", "sim-igarape", "2024")
        starve(url, run_id, group)
        wait_for(lambda: asked(url, STATUS, {"id": run_id})["runOrError"]["status"] == "FAILURE", 60, "the end of the run")
        group.limit(None)
        (event,) = [each for each in asked(url, FAILURES, {"id": run_id})["logsForRun"]["events"] if each]
        assert "killed by the kernel for lack of memory" in event["message"]
        assert "limit " in event["message"]
        assert "max_concurrent_runs" in event["message"]
        rows = wait_for(
            lambda: [row for row in asked(url, RUNS)["runsOrError"]["results"] if row["rootRunId"] == run_id != row["runId"]],
            RUN_S,
            "the retry",
        )
        retry = rows[0]["runId"]
        wait_for(lambda: asked(url, STATUS, {"id": retry})["runOrError"]["status"] == "SUCCESS", RUN_S, "the retry's success")
    finally:
        group.limit(None)
        stop(process)
    assert MEMORY_TAG in {tag["key"] for tag in rows[0]["tags"]}
    assert "mosaic/@sim-igarape+2024" in home.digests()
