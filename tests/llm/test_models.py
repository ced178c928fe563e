"""Models: asked directly, and standing in for others inside `with model:`."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import replace
from typing import Any

import anyio
import pytest

from mirascope_like import chat, llm

from ..conftest import PATIENCE, Colour


@llm.call("test/default", temperature=0.5)
def ask() -> str:
    return "Hi"


@llm.call("test/default")
async def ask_async() -> str:
    return "Hi"


def test_asked_directly(colour: Colour) -> None:
    def model() -> llm.ScriptedModel:
        return llm.scripted(llm.messages.assistant("Hello"))

    async def scenario() -> None:
        assert (await colour.got(colour.ask(model(), "Hi"))).text() == "Hello"
        stream = await colour.got(colour.stream(model(), ["Hi", llm.Text("you")]))
        assert "".join(await colour.all(stream.text_stream())) == "Hello"

    colour.run(scenario)


def test_with_a_context(colour: Colour) -> None:
    model, ctx = llm.scripted("Hello", repeat=True), llm.Context(deps=1)

    async def scenario() -> None:
        call = model.context_call_async if colour.is_async else model.context_call
        stream = model.context_stream_async if colour.is_async else model.context_stream
        assert (await colour.got(call("Hi", ctx=ctx))).context is ctx
        response = await colour.got(stream("Hi", ctx=ctx))
        assert response.context is ctx
        assert await colour.all(response.text_stream()) == ["Hello"]

    colour.run(scenario)


def test_going_on_with_another_model(colour: Colour) -> None:
    first, second = llm.scripted("one"), llm.scripted(lambda body: f"{len(body['messages'])} messages", repeat=True)
    ctx = llm.Context(deps=1)

    async def scenario() -> None:
        response = await colour.got(colour.ask(first, "Hi"))
        for name in ("resume", "resume_stream", "context_resume", "context_resume_stream"):
            method = getattr(second, f"{name}_async" if colour.is_async else name)
            more = {"ctx": ctx} if name.startswith("context") else {}
            resumed = await colour.got(method(response=response, content="and?", **more))
            if "stream" in name:
                await colour.got(resumed.finish())
            assert resumed.text() == "3 messages"
            assert resumed.context is more.get("ctx")

    colour.run(scenario)


def test_a_model_stands_in_whole() -> None:
    assert llm.model_from_context() is None
    outer, inner = llm.model("test/outer", top_p=1), llm.Model("test/inner")
    with outer as entered:
        assert entered is outer is llm.model_from_context() is ask.model
        with inner:
            assert ask.model is inner
        assert ask.model is outer
        assert ask.model.params == {"top_p": 1}
    assert ask.model is ask.default_model


def test_use_model() -> None:
    mine = llm.Model("test/mine")
    assert llm.use_model(mine) is mine
    assert repr(llm.use_model("test/mine", seed=1)) == "Model('test/mine', seed=1)"
    with llm.Model("test/other") as other:
        assert llm.use_model(mine) is llm.use_model("test/mine", seed=1) is other
    with pytest.raises(TypeError, match="seed"):
        llm.use_model(mine, seed=1)


def test_the_stand_in_goes_when_something_is_raised() -> None:
    with pytest.raises(RuntimeError), llm.Model("test/other"):
        raise RuntimeError
    assert llm.model_from_context() is None


def test_one_model_stands_in_in_overlapping_tasks(native: Colour) -> None:
    shared = llm.scripted("shared", repeat=True)
    seen: list[Any] = []

    async def scenario() -> None:
        first_in, second_in, first_out = anyio.Event(), anyio.Event(), anyio.Event()

        async def first() -> None:
            with shared:
                first_in.set()
                await second_in.wait()
                seen.append((await ask_async()).text())
            seen.append(llm.model_from_context())
            first_out.set()

        async def second() -> None:
            await first_in.wait()
            with shared:
                second_in.set()
                await first_out.wait()
                seen.append((await ask_async()).text())
            seen.append(llm.model_from_context())

        async with anyio.create_task_group() as group:
            group.start_soon(first)
            group.start_soon(second)

    native.run(scenario)
    assert seen == ["shared", None, "shared", None]


def test_one_model_stands_in_in_overlapping_threads() -> None:
    shared = llm.scripted("shared", repeat=True)
    meeting = threading.Barrier(4, timeout=PATIENCE)

    def work(_: int) -> tuple[str, object]:
        meeting.wait()
        with shared:
            meeting.wait()
            text = ask().text()
            meeting.wait()
        return text, llm.model_from_context()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == [("shared", None)] * 4


def test_tasks_inherit_it_and_others_do_not() -> None:
    async def seen() -> str:
        return ask_async.model.model_id

    async def scenario() -> list[str]:
        inside = asyncio.Event()

        async def other() -> str:
            await inside.wait()
            return ask_async.model.model_id

        before = asyncio.create_task(other())
        with llm.model("test/inner"):
            child = asyncio.create_task(seen())
            inside.set()
            return [await before, await child]

    assert asyncio.run(scenario()) == ["test/default", "test/inner"]
    with llm.model("test/inner"), ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: ask.model.model_id).result() == "test/default"


def test_the_stand_in_takes_over_at_resume(colour: Colour) -> None:
    async def scenario() -> None:
        response = await colour.got(colour.ask(llm.scripted("one", "two"), "Hi"))
        with llm.scripted("from the other"):
            assert (await colour.got(response.resume("and?"))).text() == "from the other"
        assert (await colour.got(response.resume("and?"))).text() == "two"

    colour.run(scenario)


def test_a_script_that_is_over() -> None:
    model = llm.scripted("one")
    model.call("Hi")
    with pytest.raises(LookupError, match="request 2"):
        model.call("Hi")
    with pytest.raises(llm.RateLimitError):
        llm.scripted(llm.RateLimitError("slow down")).call("Hi")


def test_a_script_breaks_off(colour: Colour) -> None:
    said = [llm.Thought("Hm."), "It is", llm.ConnectionError("The line went dead.")]

    async def scenario() -> None:
        response = await colour.got(colour.stream(llm.scripted(said), "Hi"))
        with pytest.raises(llm.ConnectionError, match="The line went dead"):
            await colour.got(response.finish())
        assert (response.thoughts[0].thought, response.text(), response.finish_reason) == ("Hm.", "It is", None)
        with pytest.raises(llm.ConnectionError, match="The line went dead"):
            await colour.got(colour.ask(llm.scripted(said), "Hi"))

    colour.run(scenario)


def test_a_script_says_why_an_answer_ended_and_what_it_took(colour: Colour) -> None:
    usage = llm.Usage(input_tokens=9, output_tokens=5, cache_read_tokens=4, cache_write_tokens=3, reasoning_tokens=2)
    said = ["Once upon a", llm.FinishReason.MAX_TOKENS, usage]

    async def scenario() -> None:
        whole = await colour.got(colour.ask(llm.scripted(said), "Hi"))
        stream = await colour.got(colour.stream(llm.scripted(said), "Hi"))
        await colour.got(stream.finish())
        for response in (whole, stream):
            assert (response.text(), response.finish_reason) == ("Once upon a", llm.FinishReason.MAX_TOKENS)
            assert replace(response.usage, raw=None) == usage

    colour.run(scenario)
    cited = llm.Text("Tea.", (llm.Citation(url="https://example.com", title="Tea"),))
    stream = llm.scripted(cited).stream("Hi")
    stream.finish()
    for response in (llm.scripted(cited).call("Hi"), stream):
        (text,) = response.content
        assert isinstance(text, llm.Text)
        assert [replace(each, raw={}) for each in text.citations] == [*cited.citations]
    assert llm.scripted([llm.FinishReason.REFUSAL]).call("Hi").finish_reason is llm.FinishReason.REFUSAL


@pytest.mark.parametrize(
    ("reply", "error", "told"),
    [
        (llm.messages.assistant(llm.ProviderBlock(kind="audio")), TypeError, "not a ProviderBlock"),
        (["Tea.", llm.ServerToolCall(id="1", name="web_search", args="{}")], TypeError, "not a ServerToolCall"),
        (["Tea.", llm.FinishReason.PAUSE], ValueError, "not with pause"),
    ],
)
def test_a_script_loses_nothing_unseen(reply: Any, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        llm.scripted(reply).call("Hi")
    with pytest.raises(error, match=told):
        llm.scripted(reply).stream("Hi").text()


def test_repr_hides_headers() -> None:
    model = llm.Model("test/mine", temperature=0, extra_headers={"authorization": "Bearer secret"})
    assert repr(model) == "Model('test/mine', temperature=0)"


@pytest.mark.parametrize(("model_id", "params"), [("noslash", {}), ("test/mine", {"temperature": "hot"})])
def test_a_model_that_could_not_be_made_can_be_shown(model_id: str, params: Any) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        llm.Model(model_id, **params)
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "repr() failed" not in shown and "Model object at" in shown


def test_a_thread_knows_the_model_of_a_with_block_if_it_is_given_the_context() -> None:
    call = llm.call(llm.scripted("outer", repeat=True))(lambda: "Hi")

    def ask() -> str:
        return call().text()

    async def in_a_thread() -> str:
        return await asyncio.to_thread(ask)

    with llm.scripted("inner", repeat=True), ThreadPoolExecutor(1) as pool:
        assert ask() == "inner"
        assert pool.submit(ask).result() == "outer"
        assert pool.submit(contextvars.copy_context().run, ask).result() == "inner"
        assert asyncio.run(in_a_thread()) == "inner"


def test_the_provider_is_looked_up_each_time() -> None:
    model = llm.Model("late/model")
    with pytest.raises(llm.NoRegisteredProviderError):
        _ = model.provider
    with llm.scripted("Hi") as scripted:
        assert scripted.provider.id == scripted.provider_id
    provider = scripted.provider
    assert llm.Model("late/model", provider=provider).provider is provider


def test_any_response_is_every_response() -> None:
    model = llm.scripted("Hi", repeat=True)
    responses: list[llm.AnyResponse] = [model.call("?"), model.stream("?")]
    assert all(isinstance(response, llm.BaseResponse) for response in responses)


def test_documents_are_not_downloaded_by_the_way() -> None:
    url = "https://x.test/a.pdf"
    assert llm.Document.from_url(url, download=False) == llm.Document.from_url(url)
    with pytest.raises(ValueError, match=r"Document\.download"):
        llm.Document.from_url(url, download=True)  # type: ignore[arg-type]


# -- params are nobody else's -----------------------------------------------------------------------------------------

NESTED: Any = {"extra_body": {"metadata": {"tags": ["a"]}}, "extra_headers": {"x-a": "b"}, "stop_sequences": ["end"]}


def change(params: Any) -> None:
    """Change all that can be changed in params."""
    params["seed"] = 1
    params["extra_body"]["metadata"]["tags"].append("changed")
    params["extra_headers"]["x-a"] = "changed"
    params["stop_sequences"].append("changed")


def test_changing_the_params_of_one_object_changes_no_other(colour: Colour) -> None:
    given = deepcopy(NESTED)
    model = llm.scripted("Hello", repeat=True)
    model.params = llm.Model("a/b", **given).params

    async def scenario() -> None:
        response = await colour.got(colour.ask(model, "Hi"))
        stream = await colour.got(colour.stream(model, "Hi"))
        with model:
            resumed = await colour.got(response.resume("Again"))
        made = [response, stream, resumed, response.model, model.with_retry(None), deepcopy(model), model]
        for each in made:
            assert each.params == NESTED
            change(each.params)
        assert given == NESTED

    colour.run(scenario)


def test_changing_the_params_of_an_answer_of_a_fallback_changes_no_model(colour: Colour) -> None:
    fallback = llm.scripted("Hello")
    fallback.params = llm.Model("a/b", **NESTED).params
    first = llm.scripted(llm.ServerError("Down.", status_code=503))
    model = first.with_retry(llm.RetryConfig(max_retries=0, fallback_models=[fallback]))

    async def scenario() -> None:
        response = await colour.got(colour.ask(model, "Hi"))
        change(response.params)
        assert fallback.params == NESTED

    colour.run(scenario)


def test_options_of_calls_and_prompts_share_nothing() -> None:
    @llm.call("test/default", **deepcopy(NESTED))
    def call() -> str:
        return "Hi"

    other = call.options(seed=2)
    change(other.default_model.params)
    assert call.default_model.params == NESTED

    given = deepcopy(NESTED)
    del given["extra_headers"], given["stop_sequences"]
    response = chat.get_model("openai/gpt-6-luna").prompt("Hi", options=given)
    given["extra_body"]["metadata"]["tags"].append("changed")
    assert response.prompt.given_options["extra_body"] == NESTED["extra_body"]
