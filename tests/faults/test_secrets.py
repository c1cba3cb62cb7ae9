"""A secret in a failing login or a failing signed address is found nowhere afterwards."""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import dagster as dg
import numpy as np
import pytest
import rasterio
from rasterio.transform import from_bounds

from assets_defs.partitions import STEPS, partitions_definition
from assets_defs.results import published
from mining_platform.artifacts import ArtifactStore
from mining_platform.pipeline import Platform
from mining_platform.region_files import load_regions
from tests import commands
from tests.conftest import COMMAND, ROOT, SMALL, Installation, small_regions
from tests.stac_api import stac_api
from tests.synthetic import TinyScene, write_catalogue

CANARY = "canary-a7f30b52c9"


class Refusing(BaseHTTPRequestHandler):
    """Refuses every request, repeating what it was asked, as careless services do."""

    server: "Refuser"
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.server.asked.append(self.path + "\n" + str(self.headers) + self.rfile.read(length).decode())
        content = json.dumps({"error": {"code": 403, "message": f"refused: {self.path} {self.headers}"}}).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def do_GET(self) -> None:
        self.answer()

    def do_HEAD(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def log_message(self, *_: object) -> None:
        pass


class Refuser(ThreadingHTTPServer):
    """A service behind a loopback port."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Refusing)
        self.asked: list[str] = []
        self.status = 403

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.server_port}"


@pytest.fixture
def service() -> Iterator[Refuser]:
    server = Refuser()
    Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


@dataclass(frozen=True)
class Told:
    """What a command printed."""

    code: int
    text: str = field(repr=False)


def materialized(installation: Installation, asset: str, **variables: str) -> Told:
    command = [str(COMMAND), "materialize", "--only", "--assets", asset, "--regions", "sim-igarape", "--years", "2024"]
    environment = {**installation.environment, **variables}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=200, check=False
    )
    return Told(done.returncode, done.stdout)


def installation_with(folder: Path, part: str, description: dict[str, object]) -> Installation:
    """An empty home whose region takes a part from a service."""
    (folder / "home").mkdir()
    regions = small_regions(folder / "regions.geojson")
    content = json.loads(regions.read_text())
    for feature in content["features"]:
        if feature["properties"]["id"] == "sim-igarape":
            feature["properties"][part] = description
    regions.write_text(json.dumps(content))
    return Installation(folder / "home", regions)


def holders(folder: Path, secret: str) -> list[str]:
    """Files below a folder that hold a secret, plainly or in the JSON of JSON."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 5, "Dagster's home was never written"
    return [str(path.relative_to(folder)) for path in files if secret.encode() in path.read_bytes()]


def test_a_signed_address_that_is_refused_leaves_no_signature_behind(service: Refuser, tmp_path: Path) -> None:
    href = f"http://{service.place}/brazil_{{year}}.tif?sig=${{MINING_PLATFORM_MAP_SIGNATURE}}"
    cover = {"source": "mapbiomas", "collection": "10", "href": href, "years": [1985, 2024]}
    installation = installation_with(tmp_path, "land_cover", cover)
    allowed = {"MINING_PLATFORM_ALLOWED_HOSTS": service.place, "MINING_PLATFORM_MAP_SIGNATURE": CANARY}
    told = materialized(installation, "land_cover", **allowed)
    assert told.code == 1, told.text
    assert any(CANARY in asked for asked in service.asked), "the signature was never sent, so nothing is shown"
    assert CANARY not in told.text
    assert "403" in told.text
    assert holders(installation.home, CANARY) == []


def test_a_catalogue_that_repeats_a_token_in_its_refusal_leaves_none_behind(service: Refuser, tmp_path: Path) -> None:
    href = f"http://{service.place}/stac?token=${{MINING_PLATFORM_STAC_TOKEN}}"
    scenes = {"source": "stac", "collection": "sentinel-2-l2a", "href": href}
    installation = installation_with(tmp_path, "scenes", scenes)
    allowed = {"MINING_PLATFORM_ALLOWED_HOSTS": service.place, "MINING_PLATFORM_STAC_TOKEN": CANARY}
    told = materialized(installation, "scenes", **allowed)
    assert told.code == 1, told.text
    assert service.asked
    assert CANARY not in told.text
    assert holders(installation.home, CANARY) == []


def test_a_login_that_fails_leaves_nothing_of_its_key_behind(service: Refuser, tmp_path: Path) -> None:
    installation = installation_with(tmp_path, "scenes", {"source": "earth_engine", "collection": "sentinel-2-l2a"})
    key = tmp_path / "key.json"
    pem = f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----\n"
    account = {"type": "service_account", "client_email": "a@b.iam.gserviceaccount.com", "private_key": pem}
    told_key = {**account, "private_key_id": f"id-{CANARY}", "token_uri": f"http://{service.place}/token"}
    key.write_text(json.dumps(told_key))
    variables = {"MINING_PLATFORM_EARTH_ENGINE_KEY": str(key), "MINING_PLATFORM_EARTH_ENGINE_PROJECT": "p"}
    told = materialized(installation, "scenes", **variables)
    assert told.code == 1, told.text
    assert CANARY not in told.text
    assert holders(installation.home, CANARY) == []


def mapped(folder: Path) -> None:
    """Write a land-cover map of the region into a folder to be served."""
    west, south, east, north = SMALL["sim-igarape"]
    shape = {"width": 512, "height": 512, "count": 1, "dtype": "uint8", "tiled": True, "blockxsize": 256, "blockysize": 256}
    affine = from_bounds(west - 0.02, south - 0.02, east + 0.02, north + 0.02, 512, 512)
    codes = np.full((1, 512, 512), 3, np.uint8)
    codes[:, 200:300, 200:300] = 30
    with rasterio.open(folder / "brazil_2024.tif", "w", driver="GTiff", crs="EPSG:4326", transform=affine, **shape) as raster:
        raster.write(codes)


@pytest.mark.slow
def test_a_signature_that_works_is_in_no_record_audit_or_export(tmp_path: Path) -> None:
    catalogue = write_catalogue(tmp_path / "served" / "stac", [TinyScene("S")])
    mapped(catalogue.parent)
    with stac_api(catalogue, token=f"sig={CANARY}") as api:
        href = f"{api.url}/files/container/brazil_{{year}}.tif?sig=${{MINING_PLATFORM_MAP_SIGNATURE}}"
        cover = {"source": "mapbiomas", "collection": "10", "href": href, "years": [1985, 2024]}
        installation = installation_with(tmp_path, "land_cover", cover)
        allowed = {"MINING_PLATFORM_ALLOWED_HOSTS": api.host, "MINING_PLATFORM_MAP_SIGNATURE": CANARY}
        told = materialized(installation, "land_cover", **allowed)
        assert told.code == 0, told.text
        assert any(CANARY in line for line in api.asked)
        for form in ("text", "json", "html", "rocrate", "prov"):
            out = installation.home / f"audit.{form}"
            arguments = ("audit", "land_cover@sim-igarape|2024", "--deep", "--format", form, "--out", str(out))
            code, printed = commands.run(COMMAND, arguments, {**installation.environment, **allowed}, 100)
            assert code == 0, printed
            assert CANARY not in printed
            assert "land_cover" in out.read_text()
        assert "${MINING_PLATFORM_MAP_SIGNATURE}" in (installation.home / "audit.json").read_text()
    assert CANARY not in told.text
    assert holders(installation.home, CANARY) == []


class Leaky:
    """A source whose errors tell everything, and whose causes do too."""

    def fingerprint_land_cover(self, *_: object) -> None:
        try:
            raise OSError(f"Authorization: {os.environ['MINING_PLATFORM_SOME_TOKEN']}")
        except OSError as error:
            raise ValueError("the map cannot be read") from error


def test_an_error_of_a_source_that_tells_a_secret_reaches_no_database_and_no_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINING_PLATFORM_SOME_TOKEN", CANARY)
    known = load_regions(ROOT / "regions.geojson")
    platform = Platform(tmp_path, known, ArtifactStore(tmp_path / "artifacts"), Leaky(), Leaky())  # type: ignore[arg-type]

    @dg.asset(key="land_cover", partitions_def=partitions_definition(STEPS["land_cover"]))
    def land_cover(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        return published(context, platform, lambda *_: {})

    key = dg.MultiPartitionKey({"region": "sim-igarape", "year": "2024"})
    (tmp_path / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster")) as instance:
        run = dg.materialize([land_cover], instance=instance, partition_key=key, raise_on_error=False)
        (failure,) = [event for event in run.all_events if event.is_step_failure]
    assert "the map cannot be read" in failure.step_failure_data.error.to_string()
    assert holders(tmp_path, CANARY) == []


def test_the_search_finds_a_secret_that_is_there(tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / f"{number}.log").write_bytes(b"\0" + CANARY.encode() if number == 3 else os.urandom(20))
    assert holders(tmp_path, CANARY) == ["3.log"]
