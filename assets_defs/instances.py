"""Dagster's own home: its settings file, and a first start that cannot go wrong.

What belongs here: `dagster.yaml` and opening the instance. A first start of several processes on an empty
home can corrupt the SQLite databases for good, so the first opening happens once, under a file lock; on a
Postgres server, which several homes may share, under a lock of that server too.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from assets_defs.databases import check_settings, first_start_alone, storage_yaml, usable_databases
from assets_defs.home_disks import writable_home
from assets_defs.pool_slots import set_limits
from mining_platform.homes import dagster_home

DAGSTER_YAML = """\
# Written by `mining-platform init`; edit freely, it is not overwritten.
telemetry:
  enabled: false
nux:
  enabled: false
run_coordinator:
  module: dagster.core.run_coordinator
  class: QueuedRunCoordinator
concurrency:
  runs:
    max_concurrent_runs: 2
    # One refresh at a time: two would want the same partitions.
    tag_concurrency_limits:
      - key: mining_platform/refresh
        limit: 1
  # Steps of a pool (earth_engine, training, disk) wait for each other, in whatever run they are, those of the command line
  # included. How many go at once is set in the UI: Deployment, Concurrency.
  pools:
    granularity: op
# What stages log, such as a line for each epoch of training, is read in the log of their run.
python_logs:
  python_log_level: INFO
  managed_python_loggers:
    - mining_platform
# A run whose process was killed is marked as failed and made once more; an error in a step is not, it would come again.
# The cause of its death is named where the system tells it.
run_launcher:
  module: resources.launchers
  class: WatchedRunLauncher
instance_class:
  module: resources.run_failures
  class: WatchedInstance
# The daemon that makes a run again looks every 5 seconds, and misses one that is failed in that very moment: so the two keep
# other times, for all daemons start together.
run_monitoring:
  enabled: true
  poll_interval_seconds: 13
  max_resume_run_attempts: 0
  # What a killed run holds of a pool is free a minute after it was failed.
  free_slots_after_run_end_seconds: 60
run_retries:
  enabled: true
  max_retries: 1
  retry_on_asset_or_op_failure: false
"""


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def prepare_instance() -> Path:
    """Make Dagster's home ready for any number of processes; returns its path and sets `DAGSTER_HOME`.

    Raises UnwritableHome where its disk is full or failing, UnreachableDatabase where its Postgres server does not answer,
    DatabaseSettingError where `dagster.yaml` and the environment do not agree on that.
    """
    home = dagster_home()
    with usable_databases(), writable_home():
        _prepare(home)
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def _prepare(home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True)
    with _locked(home / ".first-start"):
        settings = home / "dagster.yaml"
        if not settings.exists():
            beside = home / ".dagster.yaml.new"
            beside.write_text(DAGSTER_YAML + storage_yaml())
            beside.replace(settings)
        check_settings(settings)
        with first_start_alone(), dg.DagsterInstance.from_config(str(home)) as instance:
            _touch_databases(instance)


def _touch_databases(instance: dg.DagsterInstance) -> None:
    """Ask each storage something, so that every database file has its tables; pools without a limit get theirs."""
    instance.get_runs(limit=1)
    instance.all_asset_keys()
    instance.all_instigator_state()
    instance.get_daemon_heartbeats()
    set_limits(instance)


@contextmanager
def opened_instance() -> Iterator[dg.DagsterInstance]:
    """The installation's instance, prepared."""
    with dg.DagsterInstance.from_config(str(prepare_instance())) as instance:
        yield instance
