"""Where one installation lives: everything under `MINING_PLATFORM_HOME`."""

import hashlib
import os
import re
from pathlib import Path

HOME_VARIABLE = "MINING_PLATFORM_HOME"
STORE_VARIABLE = "MINING_PLATFORM_STORE"
"""Address of an object store for the artifacts, such as `s3://bucket/prefix`; they are below the home without it."""
DEFAULT_HOME = ".mining_platform"
ARTIFACTS_NAME = "artifacts"
"""Folder of a home in which its artifacts lie."""


def platform_home() -> Path:
    """Absolute path of the installation's folder, which may not exist yet."""
    return Path(os.environ.get(HOME_VARIABLE) or DEFAULT_HOME).expanduser().absolute()


def dagster_home() -> Path:
    """Where Dagster keeps its database, logs and `dagster.yaml`."""
    return platform_home() / "dagster"


def artifacts_root() -> Path:
    """Where published versions and their lineage records lie."""
    return platform_home() / ARTIFACTS_NAME


def copies_root(address: str) -> Path:
    """Where copies of what lies in an object store are kept; each store has its own, so that two never mix."""
    name = re.sub(r"[^a-z0-9]+", "-", address.lower()).strip("-")[:40]
    return platform_home() / "stores" / f"{name}-{hashlib.sha256(address.encode()).hexdigest()[:12]}"


def archive_path() -> Path:
    """Where `mining-platform simulate` writes unless told otherwise."""
    return platform_home() / "archive"


def reports_path() -> Path:
    """Where pages for people are written."""
    return platform_home() / "reports"


def notes_path() -> Path:
    """Where this installation notes what its processes have to know of each other, wherever they run."""
    return platform_home() / "notes"
