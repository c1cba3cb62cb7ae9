"""Where one installation lives: everything under `MINING_PLATFORM_HOME`."""

import os
from pathlib import Path

HOME_VARIABLE = "MINING_PLATFORM_HOME"
DEFAULT_HOME = ".mining_platform"


def platform_home() -> Path:
    """Absolute path of the installation's folder, which may not exist yet."""
    return Path(os.environ.get(HOME_VARIABLE) or DEFAULT_HOME).expanduser().absolute()


def dagster_home() -> Path:
    """Where Dagster keeps its database, logs and `dagster.yaml`."""
    return platform_home() / "dagster"


def artifacts_root() -> Path:
    """Where published versions and their lineage records lie."""
    return platform_home() / "artifacts"


def archive_path() -> Path:
    """Where `mining-platform simulate` writes unless told otherwise."""
    return platform_home() / "archive"


def reports_path() -> Path:
    """Where pages for people are written."""
    return platform_home() / "reports"
