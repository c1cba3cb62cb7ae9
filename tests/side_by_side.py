"""Which process runs a test where several run side by side: those of a file one, and all files that use the line the same."""

import re
from functools import cache
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

TESTS = Path(__file__).parent
_USES_LINE = re.compile(r"\bline: Line\b|\bfresh_home\b")


class ByFile(LoadScopeScheduling):
    """Files go whole to the process that is free; the line is made once, in one process."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return "line" if uses_line(path) else path


@cache
def uses_line(path: str) -> bool:
    """Whether the tests of a file, by its path from the root, rest on the installation on which the whole line was run."""
    return bool(_USES_LINE.search((TESTS.parent / path).read_text(encoding="utf-8")))
