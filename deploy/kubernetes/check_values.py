"""Whether Dagster takes the settings that its chart would make of values.yaml; run where dagster-k8s is installed (../check.sh).

The chart's templates are written in Helm's language, which nothing here reads: what they make of the keys that values.yaml
uses is said again below, after helm/dagster/templates/configmap-instance.yaml and its helpers.
"""

import os
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from dagster._config import process_config, resolve_to_config_type
from dagster._core.instance.config import dagster_instance_config
from dagster._serdes import ConfigurableClass

VALUES = Path(__file__).with_name("values.yaml")
os.environ.setdefault("DAGSTER_PG_PASSWORD", "")


def database(values: dict[str, Any]) -> dict[str, Any]:
    """`dagsterYaml.postgresql.config`."""
    told = values["postgresql"]
    return {
        "postgres_db": {
            "username": told["postgresqlUsername"],
            "password": {"env": "DAGSTER_PG_PASSWORD"},
            "hostname": told["postgresqlHost"],
            "db_name": told["postgresqlDatabase"],
            "port": told["service"]["port"],
            "params": {},
        }
    }


def launcher(values: dict[str, Any]) -> dict[str, Any]:
    """`dagsterYaml.runLauncher.k8s`, in a release called `dagster`."""
    told = values["runLauncher"]["config"]["k8sRunLauncher"]
    names = {"jobSpecConfig": "job_spec_config", "podSpecConfig": "pod_spec_config", "containerConfig": "container_config"}
    config = {
        "load_incluster_config": told["loadInclusterConfig"],
        "job_namespace": "default",
        "image_pull_policy": told["imagePullPolicy"],
        "service_account_name": "dagster",
        "dagster_home": values["global"]["dagsterHome"],
        "instance_config_map": "dagster-instance",
        "postgres_password_secret": values["global"]["postgresqlSecretName"],
        "resources": told["resources"],
        "run_k8s_config": {names[key]: value for key, value in told["runK8sConfig"].items()},
    }
    return {"module": "dagster_k8s", "class": "K8sRunLauncher", "config": config}


def settings(values: dict[str, Any]) -> dict[str, Any]:
    """`dagster.yaml` as the chart's config map has it."""
    daemon = values["dagsterDaemon"]
    storages = {"schedule_storage": "Schedule", "run_storage": "Run", "event_log_storage": "EventLog"}
    modules = {"schedule_storage": "schedule_storage", "run_storage": "run_storage", "event_log_storage": "event_log"}
    monitoring = daemon["runMonitoring"]
    limit = daemon["runCoordinator"]["config"]["queuedRunCoordinator"]["maxConcurrentRuns"]
    return {
        "scheduler": {"module": "dagster._core.scheduler", "class": "DagsterDaemonScheduler"},
        **{
            key: {"module": f"dagster_postgres.{modules[key]}", "class": f"Postgres{name}Storage", "config": database(values)}
            for key, name in storages.items()
        },
        "run_launcher": launcher(values),
        "run_coordinator": {
            "module": "dagster._core.run_coordinator",
            "class": "QueuedRunCoordinator",
            "config": {"max_concurrent_runs": limit} if limit is not None else {},
        },
        "compute_logs": {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"},
        "python_logs": {
            "python_log_level": values["pythonLogs"]["pythonLogLevel"],
            "managed_python_loggers": values["pythonLogs"]["managedPythonLoggers"],
        },
        "run_monitoring": {
            "enabled": monitoring["enabled"],
            "start_timeout_seconds": monitoring["startTimeoutSeconds"],
            "cancel_timeout_seconds": monitoring["cancelTimeoutSeconds"],
            "max_resume_run_attempts": monitoring["maxResumeRunAttempts"],
            "poll_interval_seconds": monitoring["pollIntervalSeconds"],
            "free_slots_after_run_end_seconds": monitoring["freeSlotsAfterRunEndSeconds"],
        },
        "sensors": {"use_threads": True, "num_workers": 4},
        "schedules": {"use_threads": True, "num_workers": 4},
        "telemetry": {"enabled": values["telemetry"]["enabled"]},
        **values["additionalInstanceConfig"],
    }


def parts(told: dict[str, Any]) -> Iterator[tuple[str, type[ConfigurableClass], dict[str, Any]]]:
    """Settings that name a class of Dagster's or ours, with it and what it is given."""
    for key, value in told.items():
        if key != "instance_class" and isinstance(value, dict) and {"module", "class"} <= set(value):
            yield key, getattr(import_module(value["module"]), value["class"]), value.get("config", {})


def main() -> None:
    """Read the settings as an instance would, reaching no database and no cluster; fail with its words on what it refuses."""
    told = settings(yaml.safe_load(VALUES.read_text()))
    with TemporaryDirectory() as home:
        (Path(home) / "dagster.yaml").write_text(yaml.safe_dump(told))
        dagster_instance_config(home)
    for key, configured, config in parts(told):
        found = process_config(resolve_to_config_type(configured.config_type()), config)
        if not found.success:
            sys.exit(f"{key}: {[error.message for error in found.errors or ()]}")
    taken = ", ".join(f"{key} {configured.__name__}" for key, configured, _ in parts(told))
    sys.stdout.write(f"Dagster takes what the chart makes of values.yaml: {taken}\n")


if __name__ == "__main__":
    main()
