"""How the stand-in says no."""

STATUS = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"}
STATUS |= {429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE"}
"""Canonical status by HTTP code, https://google.aip.dev/193."""


class RefusedError(Exception):
    """An answer other than 200: the message is what the client raises as `ee.EEException`."""

    def __init__(self, message: str, code: int = 400) -> None:
        super().__init__(message)
        self.message, self.code = message, code


def error_body(message: str, code: int) -> dict[str, object]:
    """The JSON of an error answer."""
    return {"error": {"code": code, "message": message, "status": STATUS[code]}}
