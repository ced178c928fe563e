"""What pickles and copies of calls, prompts, tools, models and formats contain."""

from __future__ import annotations

import copy
import json
import multiprocessing
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest
from pydantic import BaseModel

from mirascope_like import llm
from mirascope_like.engine.retry_policy import Target

from . import importable
from .importable import Curator, Librarian

KEY = "sk-very-secret"
HEADERS = {"authorization": f"Bearer {KEY}"}


def pickled(value: Any) -> Any:
    """What comes out of a value's pickle, which has no key in it."""
    stored = pickle.dumps(value)
    assert KEY.encode() not in stored
    return pickle.loads(stored)


COPIES = pytest.mark.parametrize("copied", [pickled, copy.deepcopy, copy.copy])
Copy = Callable[[Any], Any]


def plain(genre: str) -> str:
    """Recommend."""
    return f"Recommend a {genre} book."


def echoing() -> llm.ScriptedModel:
    return llm.scripted(lambda body: body["messages"][-1]["content"], repeat=True)


# -- calls and prompts ------------------------------------------------------------------------------------------------


@COPIES
@pytest.mark.parametrize("call", [importable.recommend, importable.retried, importable.recommend_async])
def test_a_call_with_options_is_copied_by_value(call: Any, copied: Copy) -> None:
    changed = call.options(max_tokens=5, tools=[importable.double]).with_retry(llm.RetryConfig(max_retries=7))
    other = copied(changed)
    assert other is not call
    assert type(other) is type(call) and other.fn is call.fn
    assert other.default_model.params == changed.default_model.params
    assert other.retry_config == changed.retry_config
    assert list(other.toolkit) == [importable.double]
    assert copied(call) is call


@COPIES
def test_methods_with_options_keep_them(copied: Copy) -> None:
    for made in (Librarian("Ann").ask, Curator("Ann").ask, Librarian.of_class):
        assert copied(made).default_model is made.default_model  # by reference
        other = copied(made.options(max_tokens=5))
        assert other.default_model.params == {"max_tokens": 5}
        with echoing():
            assert other("why?").text() == made("why?").text()


class Archivist(Librarian):
    @llm.call("test/model")
    def ask(self, question: str) -> str:
        return f"Archive, {question}"

    def ask_as_librarian(self) -> Any:
        return super().ask


def test_a_method_that_its_name_does_not_refer_to_is_not_pickled_as_another() -> None:
    with pytest.raises(pickle.PicklingError, match="'ask' cannot be pickled"):
        pickle.dumps(Archivist("Ann").ask_as_librarian())


@COPIES
def test_undecorated_functions(copied: Copy) -> None:
    call = copied(llm.call("test/model", temperature=0.5)(plain))
    assert (call.fn, call.default_model.params) == (plain, {"temperature": 0.5})
    retry = llm.RetryConfig(max_retries=7)
    prompt = copied(llm.prompt(plain).with_retry(retry))
    assert (type(prompt), prompt.fn, prompt.retry_config) == (llm.Prompt, plain, retry)
    assert copied(importable.prompt.with_retry(retry)).retry_config == retry
    assert copied(importable.prompt) is importable.prompt


def test_options_reach_another_process() -> None:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        call = importable.recommend.options(max_tokens=5)
        future = pool.submit(importable.ask_in_this_process, call, "fantasy")
        assert future.result(60) == "Recommend 1 fantasy book(s)."
        assert pool.submit(importable.params_of, call).result(60) == {"temperature": 0.5, "max_tokens": 5}


def test_local_functions_are_not_pickled_and_can_be_copied() -> None:
    @llm.call("test/model")
    def local() -> str:
        return "Hi"

    with pytest.raises((AttributeError, pickle.PicklingError), match="local"):
        pickle.dumps(local)
    assert copy.deepcopy(local).fn is local.fn


# -- models and their keys --------------------------------------------------------------------------------------------


def test_pickles_have_no_keys() -> None:
    provider = llm.register_provider("openai", scope="mine/", api_key=KEY, headers=HEADERS)
    model = llm.Model("mine/x", provider=provider, extra_headers=HEADERS, temperature=0.5)
    fallback = llm.RetryConfig(fallback_models=[model, Target("mine/y", model.params, provider)])
    retrying = llm.Model("mine/z", retry=fallback, extra_headers=HEADERS)
    for each in (model, *pickled(retrying).retry_config.fallback_models, pickled(retrying)):
        other = pickled(each)
        assert "extra_headers" not in other.params
        assert other.provider_override is None
    assert pickled(model).params == {"temperature": 0.5}
    assert pickled(importable.recommend.options(model=model)).default_model.params == {"temperature": 0.5}
    assert pickled(llm.prompt(plain).with_retry(fallback)).retry_config.max_retries == fallback.max_retries


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_copies_in_a_process_keep_them(copied: Copy) -> None:
    provider = llm.register_provider("openai", scope="mine/", api_key=KEY, headers=HEADERS)
    model = llm.Model("mine/x", provider=provider, extra_headers=HEADERS, retry=llm.RetryConfig(max_retries=1))
    for other in (copied(model), copied(importable.recommend.options(model=model)).default_model):
        assert (other.provider_override, other.params, other.retry_config) == (
            model.provider_override,
            model.params,
            model.retry_config,
        )
    target = Target("mine/y", model.params, provider)
    assert copied(target) is target


def test_a_scripted_model_answers_in_its_pickle() -> None:
    assert pickled(llm.scripted("Hello")).call("Hi").text() == "Hello"


# -- tools ------------------------------------------------------------------------------------------------------------


@COPIES
def test_a_tool_with_other_options_than_the_one_of_its_name(copied: Copy) -> None:
    other = copied(llm.tool(name="twice", timeout=3)(importable.double.fn))
    assert (other.name, other.timeout, other.fn) == ("twice", 3, importable.double.fn)


@COPIES
def test_methods_as_tools_with_options(copied: Copy) -> None:
    tool = llm.tool(timeout=3)(Shelf(["a"]).count.fn)
    assert (copied(tool).timeout, copied(tool)(), copied(Shelf(["b"]).count).timeout) == (3, 1, None)


class Shelf:
    def __init__(self, books: list[str]) -> None:
        self.books = books

    @llm.tool
    def count(self) -> int:
        """Count."""
        return len(self.books)


def toolkit_with_a_local_tool() -> llm.Toolkit:
    @llm.tool(strict=True)
    def local(n: int) -> int:
        """Count."""
        return n

    return llm.Toolkit([local, importable.double])


def test_a_tool_that_cannot_be_pickled_becomes_its_schema(colour: Any) -> None:
    toolkit = toolkit_with_a_local_tool()
    before, after = toolkit.tools_dict["local"], pickled(pickled(toolkit)).tools_dict["local"]
    for name in ("name", "description", "parameters", "strict", "wire_parameters"):
        assert getattr(before, name) == getattr(after, name)
    assert pickled(toolkit).tools_dict["double"] is importable.double
    assert list(pickled(llm.Toolkit([llm.WebSearchTool()])).provider_tools_dict) == ["web_search"]

    call = llm.ToolCall(id="1", name="local", args='{"n": 1}')
    with pytest.raises(TypeError, match="'local' cannot run: it was unpickled"):
        after(1)
    assert "cannot run" in pickled(toolkit).execute(call).result

    async def scenario() -> None:
        response = await colour.got(colour.ask(llm.scripted([call]), "Hi", tools=pickled(toolkit)))
        with pytest.raises(TypeError, match="'local' cannot run: it was unpickled"):
            await colour.got(response.execute_tools())

    colour.run(scenario)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_copies_of_a_toolkit_can_run(copied: Copy) -> None:
    call = llm.ToolCall(id="1", name="local", args='{"n": 1}')
    assert copied(toolkit_with_a_local_tool()).execute(call).result == 1


# -- formats ----------------------------------------------------------------------------------------------------------


class Book(BaseModel):
    """A book."""

    title: str


def local_format() -> Any:
    class Local(BaseModel):
        """A local type."""

        title: str

        @classmethod
        def formatting_instructions(cls) -> str:
            return "Write a title."

    return Local


@pytest.mark.parametrize("mode", ["strict", "json", "tool"])
@pytest.mark.parametrize("make", [local_format, lambda: list[local_format()]])  # type: ignore[misc]
def test_a_type_that_cannot_be_pickled_becomes_its_schema(make: Callable[[], Any], mode: Any) -> None:
    before = llm.format(make(), mode=mode)
    after = pickled(pickled(before))
    for name in ("name", "mode", "schema", "wire_schema", "formatting_instructions"):
        assert getattr(before, name) == getattr(after, name)
    with pytest.raises(TypeError, match="cannot parse: it was unpickled"):
        after.parse('{"title": "X"}')
    response = llm.scripted('{"title": "X"}').call("Hi", format=after)
    with pytest.raises(TypeError, match="cannot parse: it was unpickled"):
        response.parse()


def test_a_parser_that_cannot_be_pickled_keeps_its_instructions() -> None:
    @llm.output_parser(formatting_instructions="Words.")
    def local(response: llm.BaseResponse[Any]) -> list[str]:
        return response.text().split()

    after = pickled(pickled(llm.format(local)))
    assert (after.mode, after.formatting_instructions) == ("parser", "Words.")
    with pytest.raises(TypeError, match="cannot parse: it was unpickled"):
        llm.scripted("a b").call("Hi", format=after).parse()


@COPIES
def test_formats_that_were_used_before(copied: Copy) -> None:
    format = llm.format(Book, mode="strict")
    model = llm.scripted(json.dumps({"title": "X"}), repeat=True)
    assert model.call("Hi", format=format).parse() == Book(title="X")
    assert (copied(format).schema, copied(format).mode) == (format.schema, "strict")
    assert model.call("Hi", format=copied(format)).parse() == Book(title="X")
