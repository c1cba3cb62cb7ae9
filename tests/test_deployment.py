"""The files of deploy/ for Docker hold together: what it would read of them, without it at hand."""

import json
import os
import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from assets_defs import webserver
from mining_platform.homes import HOME_VARIABLE
from tests.conftest import ROOT
from tests.deployed import DEPLOY, WORKSPACE, compose
from tests.test_deployment_kubernetes import VALUES, manifests

CONTENT = compose()
SERVICES: dict[str, dict[str, Any]] = CONTENT["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "mining-platform:local"}
SERVING = sorted(name for name, service in SERVICES.items() if service["restart"] != "no")
DOCKERFILE = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")


def texts(value: Any) -> list[tuple[str, str]]:
    """Each text below a value with the name that it has."""
    if isinstance(value, dict):
        named = [(str(key), item) for key, item in value.items()]
        return [pair for key, item in named for pair in ([(key, item)] if isinstance(item, str) else texts(item))]
    return [pair for item in value for pair in texts(item)] if isinstance(value, list) else []


def test_only_the_proxy_has_ports_and_they_are_on_loopback_unless_somebody_says_otherwise() -> None:
    assert {name for name, service in SERVICES.items() if service.get("ports")} == {"proxy"}
    assert all(port.startswith("127.0.0.1:") for port in SERVICES["proxy"]["ports"])
    assert "network_mode" not in json.dumps(CONTENT)


def test_what_has_no_login_is_on_the_inner_network_alone() -> None:
    assert CONTENT["networks"]["inside"] == {"internal": True}
    for name in ("postgres", "web", "web-readonly", "daemon", "dask-scheduler", "init"):
        assert SERVICES[name]["networks"] == ["inside"], name


def test_networks_and_volumes_that_services_use_are_declared() -> None:
    named = [volume.partition(":")[0] for service in SERVICES.values() for volume in service.get("volumes", ())]
    assert {name for name in named if not name.startswith("./")} == set(CONTENT["volumes"])
    assert {name for service in SERVICES.values() for name in service["networks"]} == set(CONTENT["networks"])
    assert all((DEPLOY / name).is_file() for name in named if name.startswith("./"))


def test_what_others_wait_for_exists_and_what_serves_is_checked_and_started_again() -> None:
    for name, service in SERVICES.items():
        for other, wanted in service.get("depends_on", {}).items():
            assert wanted["condition"] == "service_completed_successfully" or "healthcheck" in SERVICES[other], (name, other)
    assert set(SERVICES) - set(SERVING) == {"init"}
    for name in SERVING:
        assert SERVICES[name]["restart"] == "unless-stopped", name
        assert SERVICES[name]["healthcheck"]["test"][0] == "CMD", name


def test_images_of_others_are_named_by_an_exact_version() -> None:
    bases = re.findall(r"^ARG BASE=(\S+)", DOCKERFILE, re.MULTILINE)
    others = [service["image"] for service in SERVICES.values() if service not in OURS.values()]
    assert len(bases) == 1
    assert others
    for image in [*bases, *others]:
        assert re.fullmatch(r"[a-z]+:\d+\.\d+(\.\d+)?-[a-z-]+", image), image


def test_no_secret_stands_in_a_file_of_the_project() -> None:
    for name, value in texts([CONTENT, VALUES, manifests()]):
        assert not re.search(r"//[^/\s@]+:[^/\s@]+@", value), f"a password in {value}"
        assert not re.search(r"(?i)password$|token$|secret_key$", name) or value == "", f"{name} is written out"
    assert {place for service in SERVICES.values() for place in service.get("env_file", ())} == {
        "secrets/database.env",
        "secrets/platform.env",
        "secrets/logins.env",
    }
    ignored = subprocess.run(["git", "check-ignore", "-q", "deploy/secrets/database.env"], cwd=ROOT, check=False)
    assert ignored.returncode in (0, 128), "deploy/secrets could be committed"
    assert "/deploy/secrets/" in (ROOT / ".gitignore").read_text()


def test_secrets_are_made_for_their_owner_alone_and_never_anew(tmp_path: Path) -> None:
    (tmp_path / "examples").mkdir()
    for path in [DEPLOY / "secrets.sh", *(DEPLOY / "examples").iterdir()]:
        (tmp_path / path.relative_to(DEPLOY)).write_bytes(path.read_bytes())
    made = []
    for _ in range(2):
        subprocess.run(["sh", "secrets.sh"], cwd=tmp_path, check=True, capture_output=True)
        made.append({path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()})
    assert made[0] == made[1]
    assert made[0].keys() == {"database.env", "platform.env", "logins.env"}
    found = dict(line.split("=") for line in made[0]["database.env"].splitlines())
    assert found.keys() == {"POSTGRES_PASSWORD", "PGPASSWORD"}
    assert len(found["PGPASSWORD"]) == 43
    assert len(set(found.values())) == 1
    assert all(path.stat().st_mode & 0o077 == 0 for path in [tmp_path / "secrets", *(tmp_path / "secrets").iterdir()])


@pytest.mark.parametrize("name", sorted(OURS))
def test_commands_are_programs_that_the_installation_has(name: str) -> None:
    programs = [OURS[name]["command"][0], *OURS[name].get("healthcheck", {}).get("test", ["CMD", "python"])[1:2]]
    for program in programs:
        assert os.access(Path(sys.executable).with_name(program), os.X_OK), program


@pytest.mark.parametrize("name", ["web", "web-readonly"])
def test_web_servers_answer_to_the_proxys_name_on_the_port_that_it_asks(name: str) -> None:
    python, *words = SERVICES[name]["command"]
    assert (python, words[:3]) == ("python", ["-P", "-m", "assets_defs.webserver"])
    told = webserver._parser().parse_args(words[3:])
    assert told.read_only == (name == "web-readonly")
    assert told.allow_host == [SERVICES["proxy"]["environment"]["SITE"]] == ["localhost"]
    caddyfile = (DEPLOY / "Caddyfile").read_text()
    assert f":{name}:{told.port}}}" in caddyfile
    assert str(told.workspace) == WORKSPACE


def test_every_site_of_the_proxy_asks_for_a_login_and_passes_none_on() -> None:
    sites = re.split(r"^(?=\{\$SITE)", (DEPLOY / "Caddyfile").read_text(), flags=re.MULTILINE)[1:]
    assert len(sites) == len(SERVICES["proxy"]["ports"]) == 2
    for site in sites:
        assert "basic_auth {" in site
        assert "header_up -Authorization" in site
    assert "READER" not in sites[0], "readers would reach the server that starts runs"


def test_the_code_location_is_where_the_others_look_for_it() -> None:
    (place,) = yaml.safe_load((DEPLOY / "workspace.yaml").read_text())["load_from"]
    words = SERVICES["code"]["command"]
    assert place["grpc_server"]["host"] in SERVICES
    assert str(place["grpc_server"]["port"]) == words[words.index("--port") + 1]
    assert place["grpc_server"]["location_name"] == words[words.index("--location-name") + 1]


def test_the_daemon_sees_the_processes_of_runs_under_the_name_of_their_machine() -> None:
    code, daemon = SERVICES["code"], SERVICES["daemon"]
    assert daemon["pid"] == "service:code"
    assert daemon["hostname"] == code["hostname"]


def test_every_part_is_on_the_same_home_database_and_cluster() -> None:
    for name, service in OURS.items():
        assert service["volumes"] == ["platform:/platform"], name
        assert service["environment"]["MINING_PLATFORM_POSTGRES"] == "postgresql://dagster@postgres:5432/dagster", name
    scheduler = SERVICES["code"]["environment"]["MINING_PLATFORM_DASK"]
    assert scheduler in SERVICES["dask-worker"]["command"]
    assert f"{HOME_VARIABLE}=/platform " in DOCKERFILE
    assert "DAGSTER_HOME=/platform/dagster" in DOCKERFILE


def test_nothing_of_ours_may_gain_rights() -> None:
    for name, service in OURS.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
    assert not any("privileged" in service or "docker.sock" in json.dumps(service) for service in SERVICES.values())
    last_stage = DOCKERFILE.split("FROM ")[-1]
    assert "USER platform" in last_stage
    assert last_stage.index("USER platform") > last_stage.index("RUN "), "what runs has another user than what installs"


def test_the_image_is_built_of_files_that_are_there_and_let_through() -> None:
    let_through = [line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = [words.split() for words in re.findall(r"^COPY (?!--from)(.+)", DOCKERFILE, re.MULTILINE)]
    sources = [source for words in copied for source in words[:-1]]
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert any(fnmatch(source, pattern) for pattern in let_through), source
    assert set(let_through) == set(sources)


def test_the_image_is_installed_by_the_script_that_the_check_runs_and_by_nothing_else() -> None:
    first_stage = DOCKERFILE.split("FROM ")[1]
    assert re.findall(r"^RUN (.+)$", first_stage, re.MULTILINE) == ["sh deploy/install.sh /opt/platform"]
    assert re.findall(r"^sh (deploy/\S+)", (DEPLOY / "check.sh").read_text(), re.MULTILINE) == ["deploy/install.sh"]
    assert "--no-compile" not in (DEPLOY / "install.sh").read_text()


def test_the_installation_is_pinned_and_without_tools_of_development() -> None:
    script = (DEPLOY / "install.sh").read_text()
    extras = re.findall(r"'\.\[(.+)\]'", script)[0].split(",")
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(extras) <= set(declared) - {"dev"}
    pinned = {
        line.partition("==")[0] for line in (DEPLOY / "constraints-kubernetes.txt").read_text().splitlines() if "==" in line
    }
    assert {"dagster-k8s", "kubernetes"} <= pinned
    ours = {line.partition("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines()}
    assert not pinned & ours, "two pins of one package"
