"""JSON to an address that somebody gave for it, which is itself a secret: whoever knows it can write there."""

import ipaddress
import json
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import requests

TIMEOUT_S = (5.0, 15.0)  # to connect, between two packets
TRIES = 3
WAIT_S = 1.0  # before the second try; twice that before the third
_REMEDY = "Mend MINING_PLATFORM_NOTIFY_WEBHOOK."


class WebhookError(ValueError):
    """A message was not taken; the words name the host alone."""


def post_json(url: str, body: Mapping[str, Any]) -> None:
    """POST a JSON object; tries again where the service is busy or does not answer.

    WebhookError for an address that is neither https nor http on loopback, and where the message is not taken. Redirects are
    not followed: they would tell the message to somebody else.
    """
    host = _host(url)
    problem = ""
    for attempt in range(TRIES):
        time.sleep(WAIT_S * attempt)
        try:
            answer = _posted(url, json.dumps(body, ensure_ascii=False).encode())
        except requests.RequestException as error:
            problem = f"{host} does not answer ({type(error).__name__})"
            continue
        if answer < HTTPStatus.MULTIPLE_CHOICES:
            return
        problem = f"{host} answers HTTP {answer}"
        if answer != HTTPStatus.TOO_MANY_REQUESTS and answer < HTTPStatus.INTERNAL_SERVER_ERROR:
            break
    raise WebhookError(f"The webhook on {problem}. {_REMEDY}")


def _posted(url: str, content: bytes) -> int:
    with requests.Session() as session:
        session.auth = lambda request: request  # not even that of ~/.netrc
        headers = {"Content-Type": "application/json", "User-Agent": "mining-platform"}
        with session.post(url, data=content, headers=headers, timeout=TIMEOUT_S, allow_redirects=False, stream=True) as answer:
            return answer.status_code


def _host(url: str) -> str:
    """Host of an address that may be told to; WebhookError for others."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host:
        raise WebhookError(f"The webhook is no address. {_REMEDY}")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        raise WebhookError(f"The webhook on {host} is not https. {_REMEDY}")
    return f"{host}:{port}" if port else host


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
