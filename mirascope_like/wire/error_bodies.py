"""Reads the errors that servers report. Providers word them differently; the mapping is data in this module.

Shapes seen: `{"error": {"message", "type", "code", …}}` (OpenAI, Anthropic, OpenRouter, Google), `{"error": "text"}`
(Ollama, LM Studio), `{"code", "error": "text"}` (xAI), `{"object": "error", "message", …}` (Mistral, vLLM),
`{"detail": …}` (FastAPI servers), `{"message": …}`, and text or HTML from proxies on the way.

Rules
* A body that contains an error is treated as an error, even with status 200.
* The status decides the kind of error. If there is none (a response that began with 200), or it is the 400 that some
  servers use for everything, the body decides: its code, else its type.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from .codec import MalformedResponseError, ReportedError

SHAPE_ERRORS = (AttributeError, IndexError, KeyError, RecursionError, TypeError, ValueError)
"""What decoding raises for a field of an unexpected type, or for endless nesting."""

_NO_REASON = "the server gave no reason"
# Codes and types, in lower case → the HTTP status that they mean. Sources: the error pages of OpenAI, Anthropic, Google
# (google.rpc.Code), Azure and Mistral, and recorded traffic.
_STATUS_BY_CODE = {
    "badrequesterror": 400,
    "context_length_exceeded": 400,
    "failed_precondition": 400,
    "invalid_argument": 400,
    "invalid_prompt": 400,
    "invalid_request_error": 400,
    "validation_error": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "unauthenticated": 401,
    "billing_error": 402,
    "permission_denied": 403,
    "permission_error": 403,
    "deploymentnotfound": 404,
    "model_not_found": 404,
    "not_found": 404,
    "not_found_error": 404,
    "notfounderror": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "billing_hard_limit_reached": 429,
    "billing_not_active": 429,
    "credit_balance_exhausted": 429,
    "engine_overloaded_error": 429,
    "exceeded_current_quota_error": 429,
    "insufficient_quota": 429,
    "organization_spend_limit_exceeded": 429,
    "organization_usage_limit_exceeded": 429,
    "project_spend_limit_exceeded": 429,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "rate_limit_reached_error": 429,
    "ratelimitreached": 429,
    "resource_exhausted": 429,
    "slow_down": 429,
    "api_error": 500,
    "internal": 500,
    "internal_error": 500,
    "internal_server_error": 500,
    "internalservererror": 500,
    "server_error": 500,
    "server_is_overloaded": 503,
    "service_unavailable": 503,
    "service_unavailable_error": 503,
    "unavailable": 503,
    "deadline_exceeded": 504,
    "timeout_error": 504,
    "overloaded_error": 529,
}
# Retries fail until somebody pays or raises a limit. OpenAI (the first five), older codes of OpenAI, Moonshot,
# Anthropic.
_PERMANENT_CODES = {
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "project_spend_limit_exceeded",
    "billing_hard_limit_reached",
    "billing_not_active",
    "exceeded_current_quota_error",
    "enforced_spend_limit_reached",
}
_INVALID_KEY = re.compile(r"(incorrect|invalid) api key|api key not valid", re.IGNORECASE)


def parse_error_body(status: int | None, body: bytes) -> ReportedError:
    """Return the error that a body with an error status reports, in any shape."""
    text = body.decode("utf-8-sig", "replace").strip()
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return ReportedError(text or _NO_REASON, status=status, body=text)
    return parse_error_value(value, status=status)


def raise_for_error(response: object) -> None:
    """Raise `ReportedError` if a response, or an event of one, says that it is an error."""
    value = _unwrap_list(response)
    if not isinstance(value, dict):
        return
    body = cast("dict[str, Any]", value)
    if body.get("error") or body.get("type") == "error" or body.get("object") == "error":
        raise parse_error_value(response)


def parse_error_value(value: object, *, status: int | None = None) -> ReportedError:
    """Return the error that a JSON value describes. `status` is the HTTP status; without it, the value may name one."""
    body = _unwrap_list(value)
    if not isinstance(body, Mapping):
        return ReportedError(_as_text(value) or _NO_REASON, status=status, body=value)
    outer = cast("Mapping[str, Any]", body)
    inner: object = outer.get("error")
    fields: Mapping[str, Any] = cast("Mapping[str, Any]", inner) if isinstance(inner, Mapping) else outer
    message = inner if isinstance(inner, str) else fields.get("message") or fields.get("detail") or outer.get("message")
    text = _as_text(message) or json.dumps(outer, ensure_ascii=False)
    code = fields.get("code", outer.get("code"))
    kind = _as_text(fields.get("type")) or _as_text(fields.get("status"))
    status = status or _find_status(fields, outer)
    codes = [str(name).lower() for name in (code, kind, fields.get("status"), _detail_code(fields)) if name is not None]
    implied_status = _implied_status(status, codes, text)
    return ReportedError(
        text,
        status=status or implied_status,
        implied_status=implied_status,
        type=kind,
        code=None if code is None else str(code),
        body=value,
        request_id=_as_text(outer.get("request_id")),
        is_permanent=not _PERMANENT_CODES.isdisjoint(codes),
    )


def _detail_code(fields: Mapping[str, Any]) -> object:
    """Return the code by which Anthropic distinguishes a spend limit from a rate limit."""
    details = fields.get("details")
    return cast("Mapping[str, object]", details).get("error_code") if isinstance(details, Mapping) else None


def _implied_status(status: int | None, codes: Sequence[str], text: str) -> int | None:
    """Return the status that an error's codes or text imply, if its own status says too little."""
    if status not in (None, 400):
        return None
    if _INVALID_KEY.search(text):
        return 401
    return next(filter(None, map(_STATUS_BY_CODE.get, codes)), None)


def make_malformed_error(response: object, error: Exception) -> MalformedResponseError:
    """Return the `MalformedResponseError` for one of `SHAPE_ERRORS`, raised while a response was decoded."""
    return MalformedResponseError(f"the response does not have the shape of its protocol ({error!r})", str(response))


def _unwrap_list(value: object) -> object:
    """Return the first item of a list, since Google sends its errors as a list of one; other values as they are."""
    return next(iter(cast("Sequence[object]", value)), None) if isinstance(value, list) else value


def _find_status(*places: Mapping[str, Any]) -> int | None:
    """Return the HTTP status named by an error inside a stream: some servers put it in `status_code`, some in
    `code`."""
    for place in places:
        for key in ("status_code", "status", "code"):
            number = place.get(key)
            if isinstance(number, int) and 400 <= number < 600:
                return number
    return None


def _as_text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)
