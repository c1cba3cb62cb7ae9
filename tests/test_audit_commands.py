"""`mining-platform audit` on the whole line: what a number rests on, complete and checkable, and what was tampered with."""

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from mining_platform import audit_commands
from mining_platform.artifacts import ArtifactStore, Ref, current_digest, open_artifact
from mining_platform.audits.html_form import audit_html
from mining_platform.audits.json_form import settled_json
from mining_platform.audits.settled import settled
from mining_platform.audits.walk import AuditError, audit, roots_of
from mining_platform.audits.watch import nothing_it_rests_on_is_broken
from mining_platform.consoles import CommandError
from mining_platform.pipeline import Platform
from mining_platform.sources import router
from mining_platform.stages.lineage import audit_year
from tests.conftest import Installation, Line
from tests.mining_platform.audited_stores import flip, partition_path, version_path

EVALUATION = "evaluation@sim-cnn|2024"
MOSAIC = Ref("mosaic", "sim-serra|2024")


@pytest.fixture
def copied(line: Line, tmp_path: Path) -> Installation:
    """A copy of the line's artifacts and of what Dagster knows, to be tampered with."""
    home = tmp_path / "home"
    for name in ("artifacts", "dagster"):
        shutil.copytree(line.installation.home / name, home / name)
    (home / "archive").symlink_to(line.installation.home / "archive")
    return Installation(home, line.installation.regions)


def store_of(installation: Installation) -> ArtifactStore:
    return ArtifactStore(installation.home / "artifacts")


def report_of(line: Line) -> Path:
    return line.installation.home / "reports" / "simulated" / "index.html"


def test_everything_that_the_demonstration_published_is_whole_by_every_byte(line: Line) -> None:
    told = json.loads(line.installation.run("audit", "--deep", "--format", "json"))
    assert (told["verdict"], told["deep"], told["breaks"]) == ("whole", True, [])
    assert len(told["nodes"]) == len(line.installation.digests())
    assert {node["verdict"] for node in told["nodes"]} == {"whole"}


def test_dagster_and_the_artifacts_know_of_each_other(line: Line) -> None:
    assert json.loads(line.installation.run("audit", EVALUATION, "--format", "json"))["events"] == []


def test_the_reports_deep_audit_takes_at_most_ten_seconds(line: Line) -> None:
    store = store_of(line.installation)
    started = time.monotonic()
    found = audit(store, roots_of(store), deep=True)
    page = audit_html(found)
    assert time.monotonic() - started < 10
    assert "WHOLE: no break was found" in page


def test_the_report_links_to_its_audit_which_names_the_report_by_its_digest(line: Line) -> None:
    from mining_platform.store.digests import file_digest

    report = report_of(line)
    assert '<a href="audit.html">lineage audit</a>' in report.read_text()
    assert f"blake3 {file_digest(report)}" in report.with_name("audit.html").read_text()


def test_an_evaluation_is_traced_to_map_files_scenes_experiment_and_commit(line: Line) -> None:
    told = json.loads(line.installation.run("audit", EVALUATION, "--format", "json"))
    nodes = {f"{node['asset']}@{node['partition']}": node for node in told["nodes"]}
    for region in ("sim-igarape", "sim-serra"):
        cover = nodes[f"land_cover@{region}|2024"]["sources"]["outside"]
        assert (cover["collection"], len(cover["blake3"]), cover["bytes"] > 0) == ("simulated", 64, True)
        assert len(nodes[f"mosaic@{region}|2024"]["scenes"]) == 16
    assert nodes["model@sim-cnn|2024"]["experiment"]["id"] == "sim-cnn"
    assert nodes["model@sim-cnn|2024"]["seed"] == 7
    assert {"git_commit", "git_dirty", "run_id", "python"} <= nodes[EVALUATION]["record"].keys()
    assert all("simulated" in text for text in nodes[EVALUATION]["notes"])


def test_one_flipped_bit_is_named_with_its_file_and_the_exit_code_is_1(copied: Installation) -> None:
    files = sorted(each for each in version_path(store_of(copied), MOSAIC).rglob("*") if each.is_file())
    path = next(each for each in files if "/c/" in str(each))
    flip(path, path.stat().st_size // 2)
    relative = path.relative_to(version_path(store_of(copied), MOSAIC)).as_posix()
    assert "WHOLE" in copied.run("audit", EVALUATION)
    printed = copied.run("audit", EVALUATION, "--deep", code=1)
    assert "BROKEN: 1 break." in printed
    assert f"mosaic@sim-serra|2024, version {current_digest(store_of(copied), MOSAIC)[:12]}: {relative} was altered" in printed


def test_without_dagsters_database_the_audit_is_as_complete_and_says_that_no_event_was_compared(copied: Installation) -> None:
    shutil.rmtree(copied.home / "dagster")
    told = json.loads(copied.run("audit", "--format", "json"))
    assert told["verdict"] == "whole"
    assert told["events"] == ["the orchestrator has no event of any artifact: nothing was compared"]


def test_an_event_without_artifact_and_an_artifact_without_event_are_named(copied: Installation) -> None:
    import dagster as dg

    shutil.rmtree(partition_path(store_of(copied), Ref("mosaic_quality", "sim-serra|2024")))
    with dg.DagsterInstance.from_config(str(copied.home / "dagster")) as instance:
        instance.wipe_assets([dg.AssetKey(["evaluation"])])
    printed = copied.run("audit", code=1)
    assert "mosaic_quality@sim-serra|2024: event without artifact" in printed
    assert "evaluation@sim-cnn|2024: artifact without event" in printed


def test_code_and_sources_that_changed_since_are_notes_with_exit_code_0(copied: Installation, line: Line) -> None:
    (copied.home / "archive").unlink()
    shutil.copytree(line.installation.home / "archive", copied.home / "archive")
    path = next((copied.home / "archive" / "land_cover").glob("sim-serra*2024.tif"))
    with path.open("ab") as file:
        file.write(b" ")
    told = json.loads(copied.run("audit", "land_cover@sim-serra|2024", "--format", "json"))
    (node,) = told["nodes"]
    assert (told["breaks"], node["verdict"]) == ([], "stale")
    changed, size = node["since"]
    assert changed.startswith("configuration outside.blake3 changed: ")
    assert size == f"configuration outside.bytes changed: {path.stat().st_size - 1} -> {path.stat().st_size}"


@pytest.mark.parametrize("form", ["html", "prov", "rocrate"])
def test_every_form_is_written_to_the_named_file(line: Line, tmp_path: Path, form: str) -> None:
    printed = line.installation.run("audit", EVALUATION, "--format", form, "--out", str(tmp_path / "audit"))
    assert f"Written: {tmp_path / 'audit'}" in printed
    assert "sim_ranges/patches" in (tmp_path / "audit").read_text()


@pytest.mark.slow
def test_what_made_the_report_a_packaged_picture_and_an_exported_package_is_told(line: Line, tmp_path: Path) -> None:
    told = line.installation.run("audit", "--made-by", str(report_of(line)))
    assert "from outside: source mapbiomas, collection simulated" in told
    assert "model@sim-cnn|2024" in told
    package = version_path(store_of(line.installation), Ref("sim_ranges/package", "2024")) / "package"
    picture = shutil.copy(next((package / "images").rglob("*.png")), tmp_path / "picture.png")
    assert "of sim_ranges/package@2024 version" in line.installation.run("audit", "--made-by", str(picture))
    out = tmp_path / "exported"
    line.installation.run("export", "--dataset", "sim_ranges", "--year", "2024", "--out", str(out), "--author", "Someone")
    assert "was exported from" in line.installation.run("audit", "--made-by", str(out / "README.md"))


def test_two_years_of_a_release_are_told_apart_by_cause_with_hectares_by_region(line: Line) -> None:
    releases = ("sim_ranges/package@2023", "sim_ranges/package@2024")
    told = json.loads(line.installation.run("audit", "--changes", *releases, "--format", "json"))
    causes = {(row["cause"], row["asset"]) for row in told["changes"]}
    # Whose windows of 2024 the sampled mosaic has as well, drawn by the maps of both years.
    others = {asset for cause, asset in causes if cause == "inputs"}
    assert {each for each in causes if each[0] != "inputs"} == {("land-cover file", "land_cover"), ("scenes", "scenes")}
    assert {asset.split("/")[0] for asset in others} == {"sim_context", "sim_smallmines", "land_cover"}
    assert [row["region"] for row in told["regions"]] == ["sim-igarape", "sim-serra"]
    assert all(0 < row["before_ha"] < row["after_ha"] < 10_000 for row in told["regions"])  # simulated mining only grows
    assert told["releases"]["after"]["sim_ranges/manifest@2024"]["patches"] > 0


def test_a_signed_audit_is_verified_and_an_altered_one_is_refused(line: Line, tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    private, public, signed = (tmp_path / name for name in ("key.pem", "pub.pem", "audit.dsse.json"))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    line.installation.run("audit", EVALUATION, "--deep", "--sign", str(private), "--out", str(signed))
    printed = line.installation.run("audit", "--verify-signature", str(signed), "--key", str(public))
    digest = current_digest(store_of(line.installation), Ref.parse(EVALUATION))
    assert "The signature by pub.pem holds. WHOLE" in printed
    assert f"{EVALUATION}/manifest.json blake3 {digest}" in printed
    signed.write_text(signed.read_text().replace('"payloadType": "', '"payloadType": "x'))
    assert "No signature of the envelope is by the key" in line.installation.run(
        "audit", "--verify-signature", str(signed), "--key", str(public), code=2
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["mosaic@nowhere|2024"], "mosaic@nowhere|2024 was never made. Published are annual_report, changes"),
        (["../etc"], "'../etc' is no asset"),
        (["--made-by"], "Name what was made"),
        (["--out", "nowhere/audit", "--format", "json"], "cannot be written"),
    ],
)
def test_what_the_command_cannot_use_is_refused_with_the_remedy(line: Line, arguments: list[str], told: str) -> None:
    assert told in " ".join(line.installation.run("audit", *arguments, code=2).split())


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"form": "xml"}, r"There is no format 'xml'\. Use one of: text, json, html, rocrate, prov\."),
        ({"made_by": True, "sign": Path("key.pem")}, "Choose one of"),
        ({"verify_signature": Path("a")}, r"needs --key PUB\.pem"),
        ({"verify_signature": Path("absent"), "key": Path("pub.pem")}, "absent cannot be read"),
    ],
)
def test_options_that_do_not_go_together_are_refused_before_anything_is_opened(options: dict[str, Any], told: str) -> None:
    with pytest.raises(CommandError, match=told):
        audit_commands.audit(**options)


def platform_of(installation: Installation) -> Platform:
    return Platform(installation.home, {}, store_of(installation), router, router)


MADE = ("sim_ranges", "sim_ranges_48", "sim_context", "sim_indices", "sim_smallmines", "sim_landsat_sites", "sim_toa")
"""Datasets that the demonstration makes of 2024."""


def test_the_published_audit_of_a_year_is_what_an_audit_of_its_inputs_says(line: Line) -> None:
    store = store_of(line.installation)
    published = open_artifact(store, Ref("lineage_audit", "2024"))
    told = json.loads((published.path / "audit.json").read_text())
    roots = [root for root in roots_of(store) if f"{root.asset}@{root.partition}" in published.facts["audited"]]
    assert {(root.asset, root.partition) for root in roots} == {
        *((asset, f"{name}|2024") for asset in ("model", "evaluation") for name in ("sim-cnn", "sim-cnn-48")),
        *((f"{name}/package", "2024") for name in MADE),
        ("annual_report", "2024"),
    }
    expected = settled_json(settled(audit(store, sorted(roots), deep=True)))
    assert told["nodes"] == json.loads(json.dumps(expected["nodes"]))
    assert published.facts["versions"] == len(told["nodes"])
    text = (published.path / "audit.json").read_text() + (published.path / "audit.html").read_text()
    assert not {"run_id", "started", "Made 20"} & {word for word in ("run_id", "started", "Made 20") if word in text}


def test_the_check_of_a_published_audit_fails_on_a_break_and_no_new_audit_is_made(copied: Installation, tmp_path: Path) -> None:
    store = store_of(copied)
    published = open_artifact(store, Ref("lineage_audit", "2024"))
    assert nothing_it_rests_on_is_broken(platform_of(copied), published).holds
    inputs = {ref: open_artifact(store, ref) for ref in (Ref.parse(text) for text in published.facts["audited"])}
    flip(version_path(store, MOSAIC) / "preview.png", 100)
    verdict = nothing_it_rests_on_is_broken(platform_of(copied), published)
    assert not verdict.holds
    assert "preview.png was altered" in verdict.reason
    with pytest.raises(AuditError, match=r"preview.png was altered"):
        audit_year(platform_of(copied), "2024", inputs, tmp_path)
    assert not (tmp_path / "audit.json").exists()
