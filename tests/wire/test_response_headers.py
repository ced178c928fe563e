"""The id of a request and rate limits, as servers state them in headers."""

from __future__ import annotations

import math
from dataclasses import astuple, fields
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from mirascope_like import llm
from mirascope_like.wire.response_headers import rate_limits, request_id

DATE = {"date": "Thu, 21 Aug 2025 12:41:00 GMT"}
ANTHROPIC = {
    "anthropic-ratelimit-input-tokens-limit": "80000",
    "anthropic-ratelimit-input-tokens-remaining": "79990",
    "anthropic-ratelimit-input-tokens-reset": "2025-08-21T12:41:10Z",
    "anthropic-ratelimit-output-tokens-limit": "16000",
    "anthropic-ratelimit-output-tokens-remaining": "16000",
    "anthropic-ratelimit-output-tokens-reset": "2025-08-21T14:41:00+02:00",
    "anthropic-ratelimit-requests-limit": "1000",
    "anthropic-ratelimit-requests-remaining": "999",
    "anthropic-ratelimit-requests-reset": "2025-08-21T12:40:59Z",
    "anthropic-ratelimit-tokens-limit": "96000",
    "anthropic-ratelimit-tokens-remaining": "96000",
    "anthropic-ratelimit-tokens-reset": "2025-08-21T12:42:00.5Z",
}
OPENAI = {
    "x-ratelimit-limit-requests": "5000",
    "x-ratelimit-limit-tokens": "160000",
    "x-ratelimit-remaining-requests": "4999",
    "x-ratelimit-remaining-tokens": "159976",
    "x-ratelimit-reset-requests": "20ms",
    "x-ratelimit-reset-tokens": "6m0s",
}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (
            OPENAI,
            llm.RateLimits(
                requests_limit=5000,
                requests_remaining=4999,
                requests_reset=0.02,
                tokens_limit=160_000,
                tokens_remaining=159_976,
                tokens_reset=360.0,
            ),
        ),
        (
            ANTHROPIC | DATE,
            llm.RateLimits(
                requests_limit=1000,
                requests_remaining=999,
                requests_reset=0.0,
                tokens_limit=96_000,
                tokens_remaining=96_000,
                tokens_reset=60.5,
                input_tokens_limit=80_000,
                input_tokens_remaining=79_990,
                input_tokens_reset=10.0,
                output_tokens_limit=16_000,
                output_tokens_remaining=16_000,
                output_tokens_reset=0.0,
            ),
        ),
        (
            {"x-ratelimit-limit-tokens-prompt": "9", "x-ratelimit-remaining-tokens-generated": "8"},
            llm.RateLimits(input_tokens_limit=9, output_tokens_remaining=8),
        ),
        (
            {"ratelimit-limit": "100, 100;w=60", "ratelimit-remaining": "0", "ratelimit-reset": "50"},
            llm.RateLimits(requests_limit=100, requests_remaining=0, requests_reset=50.0),
        ),
        (
            {"x-ratelimit-remaining": "7", "x-ratelimit-reset": "1.5"},
            llm.RateLimits(requests_remaining=7, requests_reset=1.5),
        ),
        ({"x-ratelimit-limit-requests": "2", "x-ratelimit-limit": "3"}, llm.RateLimits(requests_limit=2)),
        ({"x-ratelimit-limit-tokens": "-1", "x-ratelimit-reset-tokens": "0"}, llm.RateLimits(tokens_reset=0.0)),
        ({"content-type": "application/json"}, None),
        ({}, None),
    ],
)
def test_rate_limits(headers: dict[str, str], expected: llm.RateLimits | None) -> None:
    assert rate_limits(headers) == expected


@pytest.mark.parametrize("form", ["%Y-%m-%dT%H:%M:%SZ", "%a, %d %b %Y %H:%M:%S GMT"])
def test_a_reset_counts_from_now_where_the_response_has_no_date(form: str) -> None:
    time = (datetime.now(UTC) + timedelta(hours=2)).strftime(form)
    found = rate_limits({"anthropic-ratelimit-requests-reset": time})
    assert found is not None and found.requests_reset is not None
    assert 3600 < found.requests_reset <= 7200


ODD = [
    "",
    " ",
    "nan",
    "inf",
    "-inf",
    "-1",
    "-5s",
    "1e5",
    "1e400",
    "soon",
    "٣",
    "²",
    "9" * 400,
    "9" * 5000,
    "1_0",
    "true",
]


@pytest.mark.parametrize("value", [*ODD, "1760000000", "1760000000000", "9999-12-31T23:59:59Z", f"{'9' * 400}s"])
def test_odd_values_are_not_stated(value: str) -> None:
    assert rate_limits({"x-ratelimit-reset-requests": value, "date": DATE["date"]}) is None
    if not value.isdecimal() or len(value) > 15:
        assert rate_limits({"x-ratelimit-limit-requests": value}) is None


def test_an_odd_value_spoils_no_other_field() -> None:
    found = rate_limits(OPENAI | {"x-ratelimit-limit-tokens": "nan", "x-ratelimit-reset-tokens": "inf"})
    assert found is not None
    assert (found.tokens_limit, found.tokens_reset, found.tokens_remaining) == (None, None, 159_976)


VALUES = st.text() | st.integers().map(str) | st.floats().map(str) | st.datetimes(timezones=st.timezones()).map(str)
NAMES = st.sampled_from([*OPENAI, *ANTHROPIC, "ratelimit-limit", "ratelimit-reset", "date", "x-request-id"])


@given(st.dictionaries(NAMES, VALUES))
def test_no_headers_raise(headers: dict[str, str]) -> None:
    found = rate_limits(headers)
    assert request_id(headers) == (headers.get("x-request-id") or None)
    if found is not None:
        stated = [value for value in astuple(found) if value is not None]
        assert stated and all(0 <= value < math.inf for value in stated)


@given(st.integers(0, 10**15 - 1), st.integers(0, 86_400_000))
def test_sensible_values_are_read_exactly(count: int, milliseconds: int) -> None:
    names = {"x-ratelimit-remaining-tokens": str(count), "x-ratelimit-reset-tokens": f"{milliseconds}ms"}
    assert rate_limits(names) == llm.RateLimits(tokens_remaining=count, tokens_reset=milliseconds * 0.001)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x-request-id": "req_1"}, "req_1"),
        ({"request-id": "req_2"}, "req_2"),
        ({"x-amzn-requestid": "req_3"}, "req_3"),
        ({"x-ms-request-id": "req_4"}, "req_4"),
        ({"mistral-correlation-id": "req_5"}, "req_5"),
        ({"x-request-id": "", "request-id": "req_6"}, "req_6"),
        ({"x-request-id": "req_7", "apim-request-id": "req_8"}, "req_7"),
        ({"date": "x"}, None),
    ],
)
def test_request_id(headers: dict[str, str], expected: str | None) -> None:
    assert request_id(headers) == expected


def test_limits_are_values() -> None:
    assert llm.RateLimits(tokens_limit=1) == llm.RateLimits(tokens_limit=1)
    assert {each.default for each in fields(llm.RateLimits)} == {None}


def test_names_of_clients_that_keep_the_case() -> None:
    from multidict import CIMultiDict

    headers = CIMultiDict({"X-RateLimit-Limit-Requests": "5", "X-Request-Id": "\udcff1"})
    limits = rate_limits(headers)
    assert limits is not None and limits.requests_limit == 5
    assert request_id(headers) == "?1"
