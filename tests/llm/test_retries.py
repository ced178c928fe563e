"""`llm.retry`: on calls, prompts and models, with and without context, plain, async and as methods."""

from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import pytest
from pydantic import BaseModel

from mirascope_like import errors, llm

from ..conftest import Colour
from ..transport.server import Exchange, Server
from . import importable
from .chat_server import register, saying


class Flaky:
    """Fails so often before each answer, which is the model's name."""

    def __init__(self, server: Server, failures: int = 2) -> None:
        self.failures = failures
        self._left = failures
        server.answer = self.answer
        register(server)

    def answer(self, exchange: Exchange) -> None:
        if self._left:
            self._left -= 1
            exchange.json({"error": {"message": "busy"}}, 503)
        else:
            self._left = self.failures
            saying(exchange.request.json["model"])(exchange)


@pytest.fixture
def flaky(server: Server) -> Flaky:
    return Flaky(server)


CTX = llm.Context(deps="here")


def targets(colour: Colour) -> dict[str, tuple[Any, tuple[Any, ...]]]:
    """All that `llm.retry` takes, each with the arguments of a call."""

    def plain(word: str) -> str:
        return word

    def with_context(ctx: llm.Context[str], word: str) -> str:
        return ctx.deps + word

    call, prompt = llm.call("test/a"), llm.prompt
    return {
        "call": (call(colour.fn(plain)), ("Hi",)),
        "context call": (call(colour.fn(with_context)), (CTX, "Hi")),
        "prompt": (prompt(colour.fn(plain)), ("test/a", "Hi")),
        "context prompt": (prompt(colour.fn(with_context)), ("test/a", CTX, "Hi")),
    }


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("kind", ["call", "context call", "prompt", "context prompt"])
def test_everything_can_be_retried(colour: Colour, flaky: Flaky, kind: str, streamed: bool) -> None:
    target, args = targets(colour)[kind]
    retried = llm.retry(initial_delay=0)(target)
    assert type(retried) is type(target)
    assert retried.__name__ == target.__name__

    async def scenario() -> None:
        response = await colour.got((retried.stream if streamed else retried)(*args))
        if streamed:
            await colour.got(response.finish())
        assert response.text() == "a"
        assert len(response.retry_failures) == 2
        assert response.retry_config == llm.RetryConfig(initial_delay=0)
        with pytest.raises(llm.ServerError):  # the one that was wrapped is as it was
            await colour.got(target(*args))

    colour.run(scenario)


@pytest.mark.parametrize("method", ["call", "stream", "context_call", "context_stream"])
def test_models(colour: Colour, flaky: Flaky, method: str) -> None:
    model = llm.retry_model("test/a", temperature=0.5, initial_delay=0, max_retries=2)
    assert model.params == {"temperature": 0.5}
    assert model.retry_config == llm.RetryConfig(initial_delay=0, max_retries=2)
    ask = getattr(model, method + "_async" * colour.is_async)
    options = {"ctx": CTX} if method.startswith("context") else {}

    async def scenario() -> None:
        response = await colour.got(ask("Hi", **options))
        assert len(response.retry_failures) == 2
        if not hasattr(response, "finish"):
            assert len((await colour.got(response.resume("And?"))).retry_failures) == 2

    colour.run(scenario)


def test_bare_and_in_a_class(flaky: Flaky) -> None:
    class Librarian:
        @llm.retry
        @llm.call("test/a")
        def recommend(self, genre: str) -> str:
            return genre

    assert Librarian().recommend.retry_config == llm.RetryConfig()
    llm_retry = llm.retry(Librarian.recommend, initial_delay=0)
    assert llm_retry(Librarian(), "fantasy").text() == "a"


def test_the_outermost_retry_counts() -> None:
    call = llm.retry(llm.retry(llm.call("test/a")(lambda: "Hi"), max_retries=5, max_delay=1), max_retries=1)
    assert call.retry_config == llm.RetryConfig(max_retries=1)
    prompt = llm.retry(llm.retry(llm.prompt(lambda: "Hi"), max_retries=5), jitter=0)
    assert prompt.retry_config == llm.RetryConfig(jitter=0)


def test_a_prompt_leaves_models_their_own(flaky: Flaky) -> None:
    prompt = llm.retry(llm.prompt(lambda: "Hi"), max_retries=0)
    response = prompt(llm.retry_model("test/a", initial_delay=0))
    assert len(response.retry_failures) == 2


def test_options_keep_the_retry() -> None:
    call = llm.retry(llm.call("test/a", temperature=1)(lambda: "Hi"), max_retries=1)
    assert call.options(model="test/b", top_k=3).retry_config == llm.RetryConfig(max_retries=1)
    assert call.options(model=llm.Model("test/b")).retry_config == llm.RetryConfig(max_retries=1)
    assert call.options(model=llm.retry_model("test/b", max_retries=7)).retry_config == llm.RetryConfig(max_retries=7)


def test_a_model_that_stands_in_is_retried_too(flaky: Flaky) -> None:
    call = llm.retry(llm.call("test/a")(lambda: "Hi"), initial_delay=0)
    with llm.model("test/b"):
        response = call()
    assert (response.text(), len(response.retry_failures)) == ("b", 2)
    with llm.retry_model("test/b", max_retries=0), pytest.raises(llm.RetriesExhausted):
        call()


def test_a_retry_model_stands_in_for_plain_ones(flaky: Flaky) -> None:
    call = llm.call("test/a")(lambda: "Hi")
    with llm.retry_model("test/b", initial_delay=0):
        response = call()
    assert (response.text(), len(response.retry_failures)) == ("b", 2)


def test_scripted_models_can_be_retried(colour: Colour) -> None:
    model = llm.scripted(llm.ServerError("busy"), "Hello")

    async def scenario() -> None:
        response = await colour.got(colour.ask(llm.retry(model, initial_delay=0), "Hi"))
        assert response.text() == "Hello"
        assert str(response.retry_failures[0]) == "scripted/model: ServerError: scripted/model: busy"

    colour.run(scenario)
    assert len(model.requests) == 2


class Book(BaseModel):
    title: str


def test_each_request_of_validate_is_retried(colour: Colour) -> None:
    busy = llm.ServerError("busy")
    model = llm.retry(llm.scripted(busy, "no book", busy, '{"title": "Emma"}'), initial_delay=0)

    async def scenario() -> None:
        response = await colour.got(colour.ask(model, "Hi", format=Book))
        book, _ = await colour.got(response.validate())
        assert book == Book(title="Emma")

    colour.run(scenario)


def test_what_failed_is_told(server: Server) -> None:
    Flaky(server, failures=100)
    model = llm.retry_model("test/a", initial_delay=0, max_retries=1, fallback_models=["test/b"])
    with pytest.raises(llm.RetriesExhausted, match="All 4 attempts failed") as caught:
        model.call("Hi")
    assert [failure.model.model_id for failure in caught.value.failures] == ["test/a"] * 2 + ["test/b"] * 2
    assert str(caught.value).count("\n- test/b: ServerError: test/b: busy (HTTP 503)") == 2


def test_calls_that_are_retried_can_be_pickled() -> None:
    again = pickle.loads(pickle.dumps(importable.retried))
    assert again.retry_config == importable.retried.retry_config == llm.RetryConfig(max_retries=1)


def test_errors_go_through_pickle() -> None:
    failure = llm.RetryFailure(llm.Model("test/a"), llm.ServerError("busy"))
    for error in (llm.RetriesExhausted([failure], "no time"), llm.StreamRestarted(failure)):
        assert str(pickle.loads(pickle.dumps(error))) == str(error)


@pytest.mark.parametrize(
    "error",
    [
        *(errors.ChainLimitExceeded(3, ["one"]), errors.ToolNotFoundError("f", known=("g",))),
        *(errors.MissingAPIKeyError("openai", "KEY"), errors.FeatureNotSupportedError("audio", "openai")),
        *(errors.PermissionError("no", status_code=403), errors.TimeoutError("late", provider="openai")),
    ],
    ids=lambda error: type(error).__name__,
)
def test_every_error_can_be_copied(error: errors.Error) -> None:
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (type(other), str(other), vars(other)) == (type(error), str(error), vars(error))


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_retries": -1},
        {"initial_delay": -1},
        {"max_delay": -0.1},
        {"max_delay": math.nan},
        {"backoff_multiplier": 0.9},
        {"jitter": 1.1},
        {"jitter": -0.1},
        {"after_output": "splice"},
    ],
    ids=str,
)
def test_what_cannot_be_meant(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(ValueError, match=name):
        llm.retry(**wrong)


def test_wrong_targets() -> None:
    with pytest.raises(TypeError, match=r"above @llm\.call"):
        llm.retry(lambda: "Hi")  # type: ignore[type-var]
    with pytest.raises(TypeError, match="tries"):
        llm.retry(tries=3)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="provider/name"):
        llm.retry_model("test/a", fallback_models=["gpt"])


def test_one_fallback_need_not_be_a_list() -> None:
    assert llm.RetryConfig(fallback_models="test/b").fallback_models == ("test/b",)
    other = llm.Model("test/b", temperature=0.5)
    assert llm.RetryConfig(fallback_models=other).fallback_models == (other,)


def test_errors_to_retry_on_are_given_as_except_takes_them() -> None:
    assert llm.RetryConfig(retry_on=ValueError).retry_on == (ValueError,)
    assert llm.RetryConfig(retry_on=[ValueError, KeyError]).retry_on == (ValueError, KeyError)


@pytest.mark.parametrize(
    "wrong", [{"retry_on": ["ServerError"]}, {"retry_on": int}, {"retry_on": 5}, {"fallback_models": [3]}], ids=str
)
def test_what_is_no_error_or_model(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(TypeError, match=name):
        llm.RetryConfig(**wrong)
