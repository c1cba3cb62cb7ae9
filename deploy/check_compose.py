"""Read compose.yaml as Compose would, without Docker: merged, with every variable at its default, held to the specification."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

COMPOSE_FILE = Path(__file__).with_name("compose.yaml")
_VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")


def merged(path: Path = COMPOSE_FILE) -> dict[str, Any]:
    """The file's content with aliases and merges resolved, and variables replaced by their defaults."""
    content = yaml.safe_load(_VARIABLE.sub(lambda found: found[2], path.read_text()))
    return {name: value for name, value in content.items() if not name.startswith("x-")}


def main() -> None:
    """Fail with the specification's own words where the file is none (PyPI: compose-spec)."""
    from compose_spec import PyCompose

    read = PyCompose.from_json(json.dumps(merged()))
    sys.stdout.write(f"compose.yaml holds to the Compose specification: {', '.join(sorted(read.service_names()))}\n")


if __name__ == "__main__":
    main()
