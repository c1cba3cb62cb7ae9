"""What an installation consists of: a bill of materials (SBOM) in CycloneDX 1.6 JSON, https://cyclonedx.org/docs/1.6/json/.

`python -m mining_platform.dependencies OUT` writes it; the same environment gives the same bytes.
"""

import json
import re
import sys
import uuid
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

OWN = "mining-platform"
_NAMESPACE = uuid.UUID("7a1c6f0e-8f0b-5d55-9c1e-0d6f0b9a52c4")  # of serial numbers, so that they follow from the content
_REQUIREMENT = re.compile(r"^\s*([A-Za-z0-9._-]+)")


def bill_of_materials() -> dict[str, Any]:
    """Every installed distribution with version, licence and package URL, and what each requires of the others."""
    found = {_name(each): each for each in distributions() if each.metadata["Name"]}
    components = [_component(name, each) for name, each in sorted(found.items()) if name != OWN]
    refs = {name: _purl(name, each) for name, each in found.items()}
    edges = [{"ref": refs[name], "dependsOn": _required(found[name], refs)} for name in sorted(found)]
    own = {"type": "application", "name": OWN, "bom-ref": refs.get(OWN, OWN)}
    own |= {"version": found[OWN].version} if OWN in found else {}
    serial = uuid.uuid5(_NAMESPACE, json.dumps([components, edges], sort_keys=True))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {"component": own},
        "components": components,
        "dependencies": edges,
    }


def _name(each: Distribution) -> str:
    """The normalised name, PEP 503."""
    return re.sub(r"[-_.]+", "-", each.metadata["Name"]).lower()


def _purl(name: str, each: Distribution) -> str:
    return f"pkg:pypi/{name}@{each.version}"


def _component(name: str, each: Distribution) -> dict[str, Any]:
    told: dict[str, Any] = {"type": "library", "name": name, "version": each.version, "purl": _purl(name, each)}
    licence = _licence(each)
    return {**told, "bom-ref": told["purl"], **({"licenses": [licence]} if licence else {})}


def _licence(each: Distribution) -> dict[str, Any] | None:
    """The SPDX expression; else the name that the classifiers or the old field give."""
    if expression := _first(each, "License-Expression"):
        return {"expression": expression}
    classifiers = [
        text.rpartition(" :: ")[2] for text in each.metadata.get_all("Classifier") or () if text.startswith("License ::")
    ]
    plain = _first(each, "License").strip().splitlines()
    name = " AND ".join(classifiers) or (plain[0][:100] if plain else "")
    return {"license": {"name": name}} if name else None


def _first(each: Distribution, field: str) -> str:
    return str((each.metadata.get_all(field) or [""])[0])


def _required(each: Distribution, refs: dict[str, str]) -> list[str]:
    """References of the installed distributions that one requires, whatever the extra."""
    names = {match.group(1) for text in each.requires or () if (match := _REQUIREMENT.match(text))}
    return sorted({refs[name] for name in (re.sub(r"[-_.]+", "-", name).lower() for name in names) if name in refs})


def main(out: str) -> None:
    """Write the bill of this environment."""
    path = Path(out)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(bill_of_materials(), indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
