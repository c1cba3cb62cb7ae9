"""What a review page needs of its subject, whatever is reviewed: the page itself, pictures, and a way to take decisions down."""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from jinja2 import Environment, FileSystemLoader, select_autoescape
from markupsafe import Markup

from mining_platform.reviews.chains import Link
from mining_platform.reviews.decisions import LONGEST_REASON, LONGEST_REVIEWER

TEMPLATES = Path(__file__).parents[1] / "templates"

E = TypeVar("E", bound=Link)


@dataclass(frozen=True)
class Picture:
    """A picture to send."""

    content: bytes
    media_type: str


@dataclass(frozen=True)
class Shown(Generic[E]):
    """A subject of review."""

    page: Callable[[str], tuple[str, str]]
    """With the token that decisions come with: the page, and its content security policy."""
    decisions: Callable[[], Mapping[str, Any]]
    """The newest decisions, as the page is told of them, by the id of what they are on."""
    fields: frozenset[str]
    """Texts of a decision, as the page sends it."""
    take: Callable[[dict[str, str]], E]
    """Takes a decision of these fields down; it is on the disk when this returns. ReviewError where it is not sound."""
    described: Callable[[E], dict[str, Any]]
    """A decision as the page is told of it."""
    picture: Callable[[str, str], Picture | None]
    """By folder and name; None where there is none."""


@dataclass(frozen=True)
class Files:
    """Of the folder `templates`: what a page is made of."""

    template: str
    styles: tuple[str, ...]
    scripts: tuple[str, ...]


def rendered(files: Files, data: Mapping[str, Any], token: str, **terms: Any) -> tuple[str, str]:
    """The page with its data inside, and its content security policy; a page without a token is of no server."""
    style, script = ("".join((TEMPLATES / name).read_text("utf-8") for name in names) for names in (files.styles, files.scripts))
    policy = _policy(style, script, served=bool(token))
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=select_autoescape(), trim_blocks=True)
    page = environment.get_template(files.template).render(
        **terms,
        served=bool(token),
        policy=policy,
        style=Markup(style),
        script=Markup(script),
        data=Markup(_json_inside({**data, "token": token})),
        longest={"reviewer": LONGEST_REVIEWER, "reason": LONGEST_REASON},
    )
    return page, policy


def data_address(media_type: str, content: bytes) -> str:
    """A file as an address that holds it."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def _policy(style: str, script: str, *, served: bool) -> str:
    """Content security policy: nothing but the page's own style and script, by their hashes, and its own pictures."""
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    own = "'self'" if served else "data:"
    rules = [f"style-src 'sha256-{hashes[0]}'", f"script-src 'sha256-{hashes[1]}'", f"img-src {own}"]
    rules += ["connect-src 'self'"] if served else []
    return "; ".join(["default-src 'none'", *rules, "base-uri 'none'", "form-action 'none'"])


def _json_inside(value: Any) -> str:
    """JSON that cannot end the element it stands in: `<`, `>` and `&` are escaped."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
