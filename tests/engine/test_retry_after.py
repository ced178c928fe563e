"""The waits that servers name, wherever they name them, and failures that no wait ends."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mirascope_like import llm

from ..conftest import Colour
from ..llm.chat_server import saying
from ..transport.server import Exchange, Server
from .test_failures import MODELS, failure, serve

GOOGLE = [
    {
        "error": {
            "code": 429,
            "message": "Quota exceeded.",
            "status": "RESOURCE_EXHAUSTED",
            "details": [
                {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": []},
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "2.5s"},
            ],
        }
    }
]


def says(message: str) -> dict[str, Any]:
    return {"error": {"message": message, "code": "rate_limit_exceeded"}}


@pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"retry-after-ms": "0", "retry-after": "1"}, says("No."), 1.0),
        ({"retry-after-ms": "1500", "retry-after": "1"}, says("No."), 1.5),
        ({"x-ms-retry-after-ms": "1500"}, says("No."), 1.5),
        ({"retry-after-ms": "soon", "retry-after": "1"}, says("No."), 1.0),
        ({}, GOOGLE, 2.5),
        ({}, GOOGLE[0], 2.5),
        ({"retry-after": "1"}, GOOGLE, 2.5),
        ({"retry-after": "3"}, GOOGLE, 3.0),
        ({}, says("Rate limit reached: Limit 3, Used 3. Please try again in 1.25s. Visit our page."), 1.25),
        ({}, says("Please try again in 6m0s."), 360.0),
        ({}, says("Please try again in 20ms."), 0.02),
        ({}, says("Please retry after 20 seconds."), 20.0),
        ({}, says("Please try again in a few minutes."), None),
        ({}, {"error": {"message": "No.", "details": ["later", {"retryDelay": 3}, None]}}, None),
    ],
)
def test_the_longest_wait_that_is_named_counts(
    server: Server, model: str, stream: bool, headers: dict[str, str], body: object, seconds: float | None
) -> None:
    serve(server, lambda exchange: exchange.json(body, 429, headers))
    error = failure(Colour("blocking"), model, stream=stream)
    assert isinstance(error, llm.RateLimitError)
    assert error.retry_after == seconds


@pytest.mark.parametrize("form", ["%a, %d %b %Y %H:%M:%S GMT", "%a, %d %b %Y %H:%M:%S -0000", "%a %b %d %H:%M:%S %Y"])
def test_dates_are_in_utc(server: Server, form: str) -> None:
    date = (datetime.now(UTC) + timedelta(hours=2)).strftime(form)
    serve(server, lambda exchange: exchange.json(says("No."), 503, {"retry-after": date}))
    error = failure(Colour("blocking"), MODELS["chat"])
    assert isinstance(error, llm.ServerError) and error.retry_after is not None
    assert 3600 < error.retry_after <= 7200


FAILED = {"id": "r", "status": "failed", "error": {"code": "rate_limit_exceeded", "message": "Please try again in 2s."}}


@pytest.mark.parametrize(
    ("model", "event"),
    [
        ("chat", says("Please try again in 2s.")),
        ("responses", {"type": "response.failed", "response": FAILED}),
        ("messages", {"type": "error", "error": {"type": "rate_limit_error", "message": "Please try again in 2s."}}),
    ],
)
def test_errors_inside_of_streams_name_waits_too(colour: Colour, server: Server, model: str, event: object) -> None:
    serve(server, lambda exchange: exchange.stream(b"data: %b\n\n" % json.dumps(event).encode()))
    error = failure(colour, MODELS[model], stream=True)
    assert isinstance(error, llm.RateLimitError)
    assert error.retry_after == 2.0


# -- what no wait ends ------------------------------------------------------------------------------------------------

NO_CREDIT: list[tuple[str, int, dict[str, Any]]] = [
    ("chat", 429, {"error": {"message": "No.", "type": "insufficient_quota", "code": "insufficient_quota"}}),
    ("responses", 429, {"error": {"message": "No.", "code": "insufficient_quota"}}),
    ("chat", 429, {"error": {"message": "No.", "type": "insufficient_quota", "code": "project_spend_limit_exceeded"}}),
    ("chat", 429, {"error": {"message": "No.", "type": "exceeded_current_quota_error"}}),
    (
        "messages",
        429,
        {
            "type": "error",
            "error": {
                "type": "rate_limit_error",
                "message": "No.",
                "details": {"error_code": "enforced_spend_limit_reached"},
            },
        },
    ),
]


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("model", "status", "body"), NO_CREDIT)
def test_an_account_without_credit_is_not_asked_again(
    colour: Colour, server: Server, model: str, status: int, body: dict[str, Any], streamed: bool
) -> None:
    serve(server, lambda exchange: exchange.json(body, status, {"x-should-retry": "true", "retry-after-ms": "1"}))
    asked = llm.Model(MODELS[model], retry=llm.RetryConfig(initial_delay=0))

    async def scenario() -> None:
        with pytest.raises(llm.RetriesExhausted) as caught:
            await colour.got((colour.stream if streamed else colour.ask)(asked, "Hi"))
        assert isinstance(caught.value.__cause__, llm.RateLimitError)

    colour.run(scenario)
    assert len(server.received) == 1


@pytest.mark.parametrize(
    ("model", "event"),
    [
        ("chat", {"error": {"message": "No.", "code": "insufficient_quota"}}),
        (
            "responses",
            {
                "type": "response.failed",
                "response": {"id": "r", "status": "failed", "error": {"code": "insufficient_quota", "message": "No."}},
            },
        ),
        ("messages", {"type": "error", "error": {"type": "insufficient_quota", "message": "No."}}),
    ],
)
def test_nor_if_its_stream_says_so(colour: Colour, server: Server, model: str, event: object) -> None:
    serve(server, lambda exchange: exchange.stream(b"data: %b\n\n" % json.dumps(event).encode()))
    asked = llm.Model(MODELS[model], retry=llm.RetryConfig(initial_delay=0))

    async def scenario() -> None:
        response = await colour.got(colour.stream(asked, "Hi"))
        with pytest.raises(llm.RetriesExhausted):
            await colour.got(response.finish())

    colour.run(scenario)
    assert len(server.received) == 1


def test_but_another_model_is(colour: Colour, server: Server) -> None:
    def answer(exchange: Exchange) -> None:
        if exchange.request.json["model"] == "gpt-4o":
            exchange.json(NO_CREDIT[0][2], 429)
        else:
            saying("Hello")(exchange)

    serve(server, answer)
    other = "openai/gpt-4o-mini:completions"
    asked = llm.Model(MODELS["chat"], retry=llm.RetryConfig(initial_delay=0, fallback_models=[other]))
    assert colour.run(lambda: _text(colour, asked)) == "Hello"
    assert len(server.received) == 2


async def _text(colour: Colour, asked: llm.Model) -> str:
    return (await colour.got(colour.ask(asked, "Hi"))).text()
