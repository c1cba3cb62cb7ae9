"""The files of deploy/kubernetes hold together: keys that the chart has, names that lead to each other, doors that are closed."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from assets_defs import webserver
from assets_defs.instances import DAGSTER_YAML
from mining_platform import homes, source_editions
from mining_platform.artifacts import ArtifactStore
from mining_platform.homes import HOME_VARIABLE
from mining_platform.pipeline import Platform
from mining_platform.reviews import log_places
from mining_platform.sources import router
from tests.conftest import ROOT
from tests.deployed import DEPLOY

VALUES: dict[str, Any] = yaml.safe_load((DEPLOY / "kubernetes" / "values.yaml").read_text())


def manifests() -> list[dict[str, Any]]:
    """Kubernetes objects of web.yaml, lists taken apart."""
    found = list(yaml.safe_load_all((DEPLOY / "kubernetes" / "web.yaml").read_text()))
    return [item for each in found for item in (each["items"] if each["kind"] == "List" else [each])]


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [each for each in manifests() if each["kind"] == kind]


CHART = {
    "global": {"dagsterHome", "postgresqlSecretName", "serviceAccountName"},
    "generatePostgresqlPasswordSecret": None,
    "dagsterWebserver": {"replicaCount", "image", "env", "envSecrets", "resources", "volumes", "volumeMounts"},
    "dagster-user-deployments": {"enabled", "enableSubchart", "deployments", "imagePullSecrets"},
    "runLauncher": {"type", "config"},
    "dagsterDaemon": {
        *("enabled", "image", "runCoordinator", "env", "envConfigMaps", "envSecrets", "podSecurityContext", "securityContext"),
        *("resources", "runMonitoring", "runRetries", "sensors", "schedules", "volumeMounts", "volumes"),
    },
    "additionalInstanceConfig": None,
    "postgresql": {"enabled", "postgresqlHost", "postgresqlUsername", "postgresqlDatabase", "service", "image"},
    "rabbitmq": {"enabled"},
    "redis": {"enabled"},
    "flower": {"enabled"},
    "ingress": {"enabled"},
    "telemetry": {"enabled"},
    "pythonLogs": {"pythonLogLevel", "managedPythonLoggers"},
}
"""Keys of Dagster's chart that the values may use, from its values.yaml and values.schema.json,
https://github.com/dagster-io/dagster/tree/1.13.27/helm/dagster"""
DEPLOYMENT = {
    *("name", "image", "dagsterApiGrpcArgs", "includeConfigInLaunchedRuns", "port", "env", "envConfigMaps", "envSecrets"),
    *("podSecurityContext", "securityContext", "resources", "volumeMounts", "volumes"),
}
"""Keys of one of the chart's user deployments."""


def test_the_values_use_keys_that_the_chart_has() -> None:
    for key, value in VALUES.items():
        assert key in CHART, key
        allowed = CHART[key]
        assert allowed is None or set(value) <= allowed, key
    (deployment,) = VALUES["dagster-user-deployments"]["deployments"]
    assert set(deployment) <= DEPLOYMENT
    launcher = VALUES["runLauncher"]
    assert launcher["type"] == "K8sRunLauncher"
    assert set(launcher["config"]) == {"k8sRunLauncher"}
    assert set(launcher["config"]["k8sRunLauncher"]) <= {"imagePullPolicy", "loadInclusterConfig", "resources", "runK8sConfig"}


def test_the_chart_is_of_the_version_of_dagster_that_is_pinned() -> None:
    versions = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if line.count("==") == 1)
    assert f"version {versions['dagster']}," in (DEPLOY / "kubernetes" / "values.yaml").read_text()


def test_dagsters_settings_of_the_chart_are_found_where_the_platform_looks_for_them() -> None:
    (deployment,) = VALUES["dagster-user-deployments"]["deployments"]
    home = {each["name"]: each["value"] for each in deployment["env"]}[HOME_VARIABLE]
    assert VALUES["global"]["dagsterHome"] == f"{home}/dagster"
    for web in of_kind("Deployment"):
        (container,) = web["spec"]["template"]["spec"]["containers"]
        assert f"{home}/dagster/dagster.yaml" in [mount["mountPath"] for mount in container["volumeMounts"]]


def test_what_lasts_of_the_home_is_on_the_volume_of_the_code_location_and_of_its_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    (deployment,) = VALUES["dagster-user-deployments"]["deployments"]
    home = Path({each["name"]: each["value"] for each in deployment["env"]}[HOME_VARIABLE])
    monkeypatch.setenv(HOME_VARIABLE, str(home))
    platform = Platform(home, {}, ArtifactStore(homes.artifacts_root()), router, router)
    logs = [log_places.place_of(platform, folder, "any") for folder in ("", "detections")]
    files = [place for place in logs if isinstance(place, Path)] + [source_editions.editions_path()]
    lasting = (homes.artifacts_root(), *files, homes.archive_path(), homes.reports_path())
    folders = {path.relative_to(home).parts[0] for path in lasting}
    mounts = sorted(deployment["volumeMounts"], key=lambda mount: mount["mountPath"])
    assert mounts == [{"name": "artifacts", "mountPath": f"{home}/{name}", "subPath": name} for name in sorted(folders)]
    assert [volume["name"] for volume in deployment["volumes"]] == ["artifacts"]
    assert deployment["includeConfigInLaunchedRuns"] == {"enabled": True}


def test_the_charts_own_web_server_is_off_and_ours_are_guarded_and_behind_a_login() -> None:
    assert VALUES["dagsterWebserver"]["replicaCount"] == 0
    assert VALUES["ingress"]["enabled"] is False
    hosts = {each["metadata"]["name"]: each["spec"]["rules"][0]["host"] for each in of_kind("Ingress")}
    for web in of_kind("Deployment"):
        (container,) = web["spec"]["template"]["spec"]["containers"]
        assert container["command"] == ["python", "-P", "-m", "assets_defs.webserver"]
        told = webserver._parser().parse_args(container["args"])
        assert told.allow_host == [hosts[web["metadata"]["name"]]]
        assert told.read_only == web["metadata"]["name"].endswith("readonly")
    for ingress in of_kind("Ingress"):
        assert ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/auth-type"] == "basic"
        assert ingress["spec"]["tls"][0]["hosts"] == [ingress["spec"]["rules"][0]["host"]]
    assert {each["spec"].get("type", "ClusterIP") for each in of_kind("Service")} == {"ClusterIP"}


def test_our_web_servers_take_their_lock_in_the_database_that_the_chart_uses() -> None:
    told = VALUES["postgresql"]
    place = f"{told['postgresqlHost']}:{told['service']['port']}/{told['postgresqlDatabase']}"
    for web in of_kind("Deployment"):
        (container,) = web["spec"]["template"]["spec"]["containers"]
        env = {each["name"]: each for each in container["env"]}
        assert env["MINING_PLATFORM_POSTGRES"]["value"] == f"postgresql://{told['postgresqlUsername']}@{place}"
        assert env["PGPASSWORD"]["valueFrom"]["secretKeyRef"]["name"] == VALUES["global"]["postgresqlSecretName"]


def test_names_in_the_manifests_lead_to_each_other() -> None:
    labels = [web["spec"]["template"]["metadata"]["labels"] for web in of_kind("Deployment")]
    services = {each["metadata"]["name"]: each["spec"] for each in of_kind("Service")}
    for service in services.values():
        assert service["selector"] in labels
    for ingress in of_kind("Ingress"):
        backend = ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
        assert backend["port"]["name"] in [port["name"] for port in services[backend["name"]]["ports"]]
    (claim,) = of_kind("PersistentVolumeClaim")
    (deployment,) = VALUES["dagster-user-deployments"]["deployments"]
    assert deployment["volumes"][0]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]


def secrets_named(value: Any) -> set[str]:
    """Names of Secrets below a value: Ingress TLS, keys and sets of variables, the chart's and nginx's own names for them."""
    if isinstance(value, list):
        return {name for item in value for name in secrets_named(item)}
    if not isinstance(value, dict):
        return set()
    found = {each for key, each in value.items() if re.search(r"(?i)secretName$|/auth-secret$", key)}
    refs = [value.get("secretRef"), value.get("secretKeyRef"), *value.get("envSecrets", ()), *value.get("imagePullSecrets", ())]
    return found | {each["name"] for each in refs if each} | {name for item in value.values() for name in secrets_named(item)}


def test_every_secret_that_is_named_is_made_by_a_command_of_the_documentation() -> None:
    commands = re.findall(
        r"^kubectl create secret (generic|tls) (\S+)", (ROOT / "docs" / "deployment.md").read_text(), re.MULTILINE
    )
    own = {each["metadata"]["name"] for each in of_kind("Secret")}
    named = secrets_named([VALUES, manifests()])
    assert {"mining-platform-secrets", "mining-platform-database", "mining-platform-editors", "mining-platform-tls"} <= named
    assert named - own - {name for _, name in commands} == set()
    certificates = secrets_named([each["spec"]["tls"] for each in of_kind("Ingress")])
    assert {name for kind, name in commands if kind == "tls"} == certificates - own


def test_no_container_of_ours_runs_as_root() -> None:
    (deployment,) = VALUES["dagster-user-deployments"]["deployments"]
    pods = [deployment["podSecurityContext"], VALUES["dagsterDaemon"]["podSecurityContext"]]
    pods += [web["spec"]["template"]["spec"]["securityContext"] for web in of_kind("Deployment")]
    number = int(re.findall(r"useradd --uid (\d+)", (DEPLOY / "Dockerfile").read_text())[0])
    for pod in pods:
        assert pod["runAsNonRoot"] is True
        assert pod["runAsUser"] == number


def test_dagster_is_told_the_same_as_in_an_installation_without_kubernetes() -> None:
    ours, charts = yaml.safe_load(DAGSTER_YAML), VALUES["additionalInstanceConfig"]
    for key in ("instance_class", "run_retries", "nux"):
        assert charts[key] == ours[key], key
    assert charts["concurrency"]["pools"] == ours["concurrency"]["pools"]
    own = {key: value for key, value in charts["concurrency"]["runs"].items() if key != "max_concurrent_runs"}
    assert own == {key: value for key, value in ours["concurrency"]["runs"].items() if key != "max_concurrent_runs"}
    monitoring = VALUES["dagsterDaemon"]["runMonitoring"]
    assert monitoring["maxResumeRunAttempts"] == ours["run_monitoring"]["max_resume_run_attempts"]
    assert monitoring["freeSlotsAfterRunEndSeconds"] == ours["run_monitoring"]["free_slots_after_run_end_seconds"]
    assert VALUES["pythonLogs"]["managedPythonLoggers"] == ours["python_logs"]["managed_python_loggers"]
    assert VALUES["telemetry"] == ours["telemetry"]
