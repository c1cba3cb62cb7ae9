"""The discovery document and the list of algorithms that the client asks for while it is initialised."""

import json
from functools import cache
from pathlib import Path
from typing import Any

_DATA = Path(__file__).parent / "data"
_LISTING = {name: {"location": "query", "type": "string", "description": ""} for name in ("filter", "view")}


@cache
def algorithms() -> bytes:
    """The answer of `algorithms`, as it was copied."""
    return (_DATA / "algorithms.json").read_bytes()


def discovery_document(url: str) -> dict[str, Any]:
    """The copied document as version v1 at this address.

    `listAssets` gets the parameters `filter` and `view` and `algorithms` its `parent`: the document served today has
    them, and the client passes them.
    """
    text = (_DATA / "cloud_api_discovery_document.json").read_text().replace("v1alpha", "v1")
    document: dict[str, Any] = json.loads(text) | {"rootUrl": f"{url}/", "baseUrl": f"{url}/"}
    projects = document["resources"]["projects"]
    for resource in (projects, projects["resources"]["assets"]):
        resource["methods"]["listAssets"]["parameters"] |= _LISTING
    listed = projects["resources"]["algorithms"]["methods"]["list"]
    listed["parameters"]["parent"] = listed["parameters"].pop("project")
    listed["parameterOrder"] = ["parent"]
    listed["path"] = listed["path"].replace("{+project}", "{+parent}")
    return document
