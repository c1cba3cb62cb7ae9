"""The bill of materials lists what is installed."""

import json
import re
from importlib.metadata import version
from pathlib import Path

from mining_platform.dependencies import bill_of_materials, main


def test_every_pinned_package_that_is_installed_is_listed_with_its_version() -> None:
    listed = {each["name"]: each["version"] for each in bill_of_materials()["components"]}
    for name in ("dagster", "rasterio", "zarr", "defusedxml", "torch"):
        assert listed[name] == version(name)
    assert "mining-platform" not in listed


def test_the_bill_has_the_form_of_cyclonedx() -> None:
    bill = bill_of_materials()
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.6", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", bill["serialNumber"])
    refs = [each["bom-ref"] for each in bill["components"]]
    assert len(refs) == len(set(refs))
    assert all(re.fullmatch(r"pkg:pypi/[a-z0-9-]+@\S+", ref) for ref in refs)
    own = bill["metadata"]["component"]["bom-ref"]
    edges = {each["ref"]: each["dependsOn"] for each in bill["dependencies"]}
    assert edges.keys() == {*refs, own}
    assert {ref for required in edges.values() for ref in required} <= edges.keys()
    assert f"pkg:pypi/rasterio@{version('rasterio')}" in edges[own]


def test_licences_are_told_where_the_packages_tell_them() -> None:
    listed = {each["name"]: each.get("licenses") for each in bill_of_materials()["components"]}
    assert "BSD" in json.dumps(listed["rasterio"])
    assert sum(licence is not None for licence in listed.values()) > 0.8 * len(listed)


def test_the_same_environment_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a/sbom.json", "b/sbom.json"):
        main(str(tmp_path / name))
    assert (tmp_path / "a/sbom.json").read_bytes() == (tmp_path / "b/sbom.json").read_bytes()
    assert json.loads((tmp_path / "a/sbom.json").read_text()) == bill_of_materials()


def test_the_bill_keeps_the_official_schema() -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    validator = JsonStrictValidator(SchemaVersion.V1_6)
    bill = bill_of_materials()
    assert validator.validate_str(json.dumps(bill)) is None
    bill["components"][0]["type"] = "thing"
    assert "'thing' is not one of" in str(validator.validate_str(json.dumps(bill)))
