"""XML of others, parsed without what XML can do beside holding text: no document types, no entities, nothing fetched."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MAX_BYTES = 256 * 2**20
"""Of a document that is parsed whole; it takes some ten times as much memory."""


MAX_DEPTH = 100
"""Of elements within elements: those of KML and of product metadata have some ten; searches of deep ones take the square."""


class XmlError(ValueError):
    """A document that is not parsed: it is no XML, or does more than hold text."""


def parsed_xml(content: bytes) -> "Element":
    """Root of a document; XmlError for a document type, an entity, what is beyond MAX_BYTES or MAX_DEPTH, and what is no XML.

    Without document types there are no entities, and so neither bombs of them nor ones that name files or hosts.
    """
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    if len(content) > MAX_BYTES:
        raise XmlError(f"it has {len(content)} bytes, more than {MAX_BYTES}")
    try:
        root = fromstring(content, forbid_dtd=True)
    except DefusedXmlException:
        raise XmlError("it declares a document type or an entity, which may name other files or grow without end") from None
    except (ParseError, ValueError, LookupError) as error:
        raise XmlError(f"it is no XML ({error})") from None
    _check_depth(root)
    return root


def _check_depth(root: "Element") -> None:
    level = [root]
    for _ in range(MAX_DEPTH):
        level = [inner for element in level for inner in element]
        if not level:
            return
    raise XmlError(f"its elements are nested deeper than {MAX_DEPTH}")


def read_xml(path: Path) -> "Element":
    """Root of a file, see `parsed_xml`; it is not read where it is beyond MAX_BYTES."""
    if path.stat().st_size > MAX_BYTES:
        raise XmlError(f"it has {path.stat().st_size} bytes, more than {MAX_BYTES}")
    return parsed_xml(path.read_bytes())
