"""Under which terms people's own files, of points or of sites, may be used."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FileTerms:
    """Terms of a file that a dataset rests on; its packages name them."""

    licence: str = ""
    """SPDX identifier; empty where it is not known, and with it the licence of the whole package."""
    licence_url: str = ""
    author: str = ""
    """Whom a citation names; empty: the file."""
    simulated: bool = False
    """Whether this software made the file up."""


UNKNOWN_TERMS = FileTerms()
SIMULATED_TERMS = FileTerms(simulated=True)
