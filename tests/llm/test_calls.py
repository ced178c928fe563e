"""`@llm.call` and `@llm.prompt`: what they accept, and that what they make behaves as the function it was made of."""

from __future__ import annotations

import asyncio
import functools
import inspect
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest

from mirascope_like import llm

from ..conftest import Colour
from . import importable
from .importable import Curator, Librarian


def said(body: dict[str, Any]) -> str:
    """A scripted model that says what it was told last."""
    return body["messages"][-1]["content"]


def echoing() -> llm.ScriptedModel:
    return llm.scripted(said, repeat=True)


# -- forms ------------------------------------------------------------------------------------------------------------


def test_a_call_and_all_it_has(colour: Colour) -> None:
    @llm.call("test/model", temperature=0.5)
    @colour.fn
    def recommend(genre: str, *, count: int = 1) -> str:
        """Recommend books."""
        return f"Recommend {count} {genre} book(s)."

    async def scenario() -> None:
        told = "Recommend 2 fantasy book(s)."
        with echoing():
            assert (await colour.got(recommend("fantasy", count=2))).text() == told
            assert (await colour.got(recommend.call("fantasy", count=2))).text() == told
            stream = await colour.got(recommend.stream("fantasy", count=2))
            assert "".join(await colour.all(stream.text_stream())) == told
        assert await colour.got(recommend.messages("fantasy", count=2)) == [llm.messages.user(told)]
        assert (await colour.got(recommend.prompt(echoing(), "fantasy", count=2))).text() == told

    colour.run(scenario)
    assert recommend.default_model.model_id == recommend.model.model_id == "test/model"
    assert recommend.model.params == {"temperature": 0.5}


def test_a_prompt_is_asked_of_any_model(colour: Colour) -> None:
    @colour.fn
    def recommend(genre: str) -> str:
        return f"Recommend a {genre} book."

    async def scenario() -> None:
        told = "Recommend a fantasy book."
        for prompt in (llm.prompt(recommend), llm.prompt()(recommend), llm.prompt(tools=[])(recommend)):
            assert (await colour.got(prompt(echoing(), "fantasy"))).text() == told
            assert (await colour.got(prompt.call(echoing(), "fantasy"))).text() == told
            stream = await colour.got(prompt.stream(echoing(), "fantasy"))
            assert "".join(await colour.all(stream.text_stream())) == told
            assert await colour.got(prompt.messages("fantasy")) == [llm.messages.user(told)]
        with llm.scripted("from the override"):  # is for calls: a prompt names its model
            assert (await colour.got(prompt(echoing(), "fantasy"))).text() == told

    colour.run(scenario)


def test_a_context_goes_first(colour: Colour) -> None:
    @colour.fn
    def ask(ctx: llm.Context[str], question: str) -> str:
        return f"{ctx.deps}: {question}"

    call, prompt = llm.call(echoing())(ask), llm.prompt(ask)

    async def scenario() -> None:
        ctx = llm.Context(deps="Ann")
        assert (await colour.got(call(ctx, "why?"))).text() == "Ann: why?"
        assert (await colour.got(call(ctx, "why?"))).context is ctx
        assert (await colour.got((await colour.got(call.stream(ctx, "why?"))).finish())) is None
        assert (await colour.got(prompt(echoing(), ctx, "why?"))).text() == "Ann: why?"
        assert await colour.got(call.messages(ctx, "why?")) == [llm.messages.user("Ann: why?")]

    colour.run(scenario)


def test_parameters_may_be_named_as_the_librarys_own(colour: Colour) -> None:
    @colour.fn
    def review(self: str, model: str) -> str:
        return f"{self} {model}"

    @colour.fn
    def ask(context: llm.Context[str], model: str, ctx: str) -> str:
        return f"{context.deps} {model} {ctx}"

    async def scenario() -> None:
        texts = {"self": "Ford", "model": "T"}
        with echoing() as model:
            call, prompt = llm.call("test/model")(review), llm.prompt(review)
            for answer in (call(**texts), call.call(**texts), call.stream(**texts), prompt(model, **texts)):
                response = await colour.got(answer)
                if isinstance(response, llm.StreamResponse | llm.AsyncStreamResponse):
                    await colour.got(response.finish())
                assert response.text() == "Ford T"
            assert await colour.got(call.messages(**texts)) == [llm.messages.user("Ford T")]
            with_context, named = llm.call("test/model")(ask), {"model": "T", "ctx": "c"}
            ctx = llm.Context(deps="Ann")
            assert (await colour.got(with_context(ctx, **named))).text() == "Ann T c"
            assert (await colour.got(with_context.prompt(model, ctx, **named))).text() == "Ann T c"

    colour.run(scenario)


def test_a_context_may_be_given_by_its_name(colour: Colour) -> None:
    @colour.fn
    def ask(who: llm.Context[str], question: str) -> str:
        return f"{who.deps}: {question}"

    @colour.fn
    def ask_by_name(*, who: llm.Context[str], question: str) -> str:
        return f"{who.deps}: {question}"

    async def scenario() -> None:
        ctx = llm.Context(deps="Ann")
        for fn in (ask, ask_by_name):
            call: Any = llm.call(echoing())(fn)
            for response in (
                await colour.got(call(who=ctx, question="why?")),
                await colour.got(call(ctx, question="why?")),
                await colour.got(call.prompt(echoing(), who=ctx, question="why?")),
            ):
                assert (response.text(), response.context) == ("Ann: why?", ctx)
            stream = await colour.got(call.stream(who=ctx, question="why?"))
            assert "".join(await colour.all(stream.text_stream())) == "Ann: why?"
            assert await colour.got(call.messages(who=ctx, question="why?")) == [llm.messages.user("Ann: why?")]

    colour.run(scenario)


def test_the_class_follows_the_function() -> None:
    def plain(q: str) -> str: ...
    async def native(q: str) -> str: ...
    def with_context(anything: llm.Context[int], q: str) -> str: ...
    async def both(ctx: llm.Context[int] | None) -> str: ...
    def named_alike(ctx: str) -> str: ...

    functions = (plain, native, with_context, both, named_alike)
    calls = (llm.Call, llm.AsyncCall, llm.ContextCall, llm.AsyncContextCall, llm.Call)
    prompts = (llm.Prompt, llm.AsyncPrompt, llm.ContextPrompt, llm.AsyncContextPrompt, llm.Prompt)
    assert tuple(type(llm.call("a/b")(fn)) for fn in functions) == calls
    assert tuple(type(llm.prompt(fn)) for fn in functions) == prompts


@pytest.mark.parametrize(
    "returned",
    [
        "Hi",
        llm.Text("Hi"),
        ["Hi"],
        ("Hi",),
        llm.messages.user("Hi"),
        [llm.messages.user("Hi")],
        (llm.messages.user("Hi"),),
    ],
    ids=repr,
)
def test_what_a_function_may_return(returned: object) -> None:
    assert llm.prompt(lambda: returned).messages() == [llm.messages.user("Hi")]


@pytest.mark.parametrize("returned", [None, 3, {"role": "user"}, b"Hi", [llm.messages.user("Hi"), "Hi"], [3]], ids=repr)
def test_what_it_may_not_return_is_an_error_at_once(returned: object) -> None:
    model = echoing()
    with pytest.raises(TypeError):
        llm.call(model)(lambda: returned)()
    assert model.requests == []


def test_an_empty_prompt_is_an_error() -> None:
    with pytest.raises(ValueError, match="empty"):
        llm.prompt(list).messages()


# -- clear errors -----------------------------------------------------------------------------------------------------


def test_a_call_without_a_model() -> None:
    def recommend() -> str: ...

    with pytest.raises(TypeError, match="needs a model"):
        llm.call(recommend)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="model"):
        llm.call()  # type: ignore[call-arg]


def test_params_beside_a_model() -> None:
    with pytest.raises(TypeError, match=r"Model\('a/b', temperature="):
        llm.call(llm.Model("a/b"), temperature=0)


@pytest.mark.parametrize("make", [llm.call, llm.Model, llm.model, llm.use_model])
def test_unknown_params(make: Any) -> None:
    with pytest.raises(TypeError, match=r"'temprature'.*temperature"):
        make("a/b", temprature=0)
    with pytest.raises(TypeError, match="xyzzy"):
        make("a/b", xyzzy=0)


@pytest.mark.parametrize("model_id", ["gpt-5", "", "/x", "openai/"])
def test_an_id_that_is_none(model_id: str) -> None:
    with pytest.raises(ValueError, match="'provider/name'"):
        llm.call(model_id)


def test_an_id_that_is_no_text() -> None:
    with pytest.raises(TypeError, match="'openai/gpt-6-luna', not None"):
        llm.Model(None)  # type: ignore[arg-type]


def test_what_is_no_function() -> None:
    with pytest.raises(TypeError, match="function"):
        llm.call("a/b")(3)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="function"):
        llm.prompt(3)  # type: ignore[call-overload]


def test_wrong_arguments_are_pythons_own_error() -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'genre'"):
        importable.recommend()  # type: ignore[call-arg]


# -- of what they are made --------------------------------------------------------------------------------------------


def test_methods() -> None:
    with echoing():
        ann = Librarian("Ann")
        assert ann.ask("why?").text() == "Ann, why?"
        assert Librarian.ask(ann, "why?").text() == "Ann, why?"
        assert "".join(ann.ask.stream("why?").text_stream()) == "Ann, why?"
        assert ann.ask.messages("why?") == [llm.messages.user("Ann, why?")]
        assert ann.ask.prompt(echoing(), "why?").text() == "Ann, why?"
        assert ann.ask.options(temperature=0)("why?").text() == "Ann, why?"
        assert Curator("Bob").ask("why?").text() == "Bob, why?"
        assert asyncio.run(ann.ask_async("why?")).text() == "Ann, why?"


def test_class_and_static_methods() -> None:
    class Below:
        @classmethod
        @llm.call("test/model")
        def ask(cls, question: str) -> str:
            return f"{cls.__name__}, {question}"

        @staticmethod
        @llm.call("test/model")
        def tell(question: str) -> str:
            return question

    with echoing():
        assert Librarian.of_class("why?").text() == "Librarian, why?"
        assert Curator.of_class("why?").text() == "Curator, why?"
        assert "".join(Curator("Bob").of_class.stream("why?").text_stream()) == "Curator, why?"
        assert Librarian.of_nobody("why?").text() == Librarian("Ann").of_nobody("why?").text() == "why?"
        assert Below.ask("why?").text() == "Below, why?"
        assert Below.tell("why?").text() == Below().tell("why?").text() == "why?"


def test_callable_objects_and_partials() -> None:
    class Asker:
        def __call__(self, question: str) -> str:
            return question

    class AsyncAsker:
        async def __call__(self, question: str) -> str:
            return question

    def ask(name: str, question: str) -> str:
        return f"{name}, {question}"

    async def ask_async(name: str, question: str) -> str:
        return f"{name}, {question}"

    class Desk:
        ask = llm.call("a/b")(Asker())
        tool = llm.tool(Asker())

    assert Desk().tool("why?") == "why?"
    with echoing():
        assert Desk().ask("why?").text() == "why?"
        assert llm.call("a/b")(Asker())("why?").text() == "why?"
        assert asyncio.run(llm.call("a/b")(AsyncAsker())("why?")).text() == "why?"
        assert llm.call("a/b")(functools.partial(ask, "Ann"))("why?").text() == "Ann, why?"
        assert asyncio.run(llm.call("a/b")(functools.partial(ask_async, "Ann"))("why?")).text() == "Ann, why?"


# -- as the function --------------------------------------------------------------------------------------------------


def test_a_call_looks_like_its_function() -> None:
    call = importable.recommend
    assert (call.__name__, call.__qualname__, call.__module__) == ("recommend", "recommend", importable.__name__)
    assert call.__doc__ == "Recommend books."
    assert str(inspect.signature(call)) == "(genre: 'str', count: 'int' = 1) -> 'str'"
    assert str(inspect.signature(Librarian("Ann").ask)) == "(question: 'str') -> 'str'"
    assert repr(call) == "<Call recommend>"
    assert callable(call)


def test_async_objects_are_known_as_such() -> None:
    @llm.call("a/b")
    async def with_context(ctx: llm.Context[int]) -> str: ...

    class Asker:
        async def __call__(self) -> str: ...

    made = [
        importable.recommend_async,
        importable.double_async,
        with_context,
        Librarian.ask_async,
        Librarian("Ann").ask_async,
        llm.prompt(importable.recommend_async.fn),
        llm.call("a/b")(Asker()),
        llm.call("a/b")(functools.partial(importable.recommend_async.fn, "x")),
    ]
    assert [inspect.iscoroutinefunction(each) for each in made] == [True] * len(made)
    plain = [importable.recommend, importable.double, importable.prompt, Librarian.ask]
    assert [inspect.iscoroutinefunction(each) for each in plain] == [False] * len(plain)


def test_pickled_by_reference() -> None:
    top = [importable.recommend, importable.recommend_async, importable.prompt, importable.double]
    for each in top:
        assert pickle.loads(pickle.dumps(each)) is each
    bound = pickle.loads(pickle.dumps(Librarian("Ann").ask))
    with echoing():
        assert bound("why?").text() == "Ann, why?"
        assert pickle.loads(pickle.dumps(Librarian.of_class))("why?").text() == "Librarian, why?"


def test_a_process_pool_runs_a_call() -> None:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        future = pool.submit(importable.ask_in_this_process, importable.recommend, "fantasy")
        assert future.result(60) == "Recommend 1 fantasy book(s)."


# -- options ----------------------------------------------------------------------------------------------------------


def test_options_make_another_call() -> None:
    call = importable.recommend
    cooler = call.options(temperature=0, max_tokens=9)
    assert cooler.model.params == {"temperature": 0, "max_tokens": 9}
    assert call.model.params == {"temperature": 0.5}
    assert call.options(model="other/one").model.params == {"temperature": 0.5}
    assert call.options(model=llm.Model("other/one", seed=1)).model.params == {"seed": 1}
    assert call.options(model=llm.Model("other/one", seed=1), top_p=1).model.params == {"seed": 1, "top_p": 1}
    model = echoing()
    call.options(model=model, tools=[importable.double])("fantasy")
    assert [tool["function"]["name"] for tool in model.requests[0]["tools"]] == ["double"]
    with pytest.raises(TypeError, match="temprature"):
        call.options(temprature=0)  # type: ignore[call-arg]


def test_the_params_are_sent() -> None:
    model = llm.scripted("Hi")
    sampling = {"temperature": 0.1, "max_tokens": 5, "top_p": 0.9, "seed": 3, "stop_sequences": ["."]}
    extra = {"extra_body": {"service_tier": "flex"}, "tool_choice": "auto", "parallel_tool_calls": False}
    importable.recommend.options(model=model, tools=[importable.double], **sampling, **extra)("fantasy")
    (body,) = model.requests
    assert {name: body[name] for name in ("temperature", "top_p", "seed", "stop", "service_tier", "tool_choice")} == {
        "temperature": 0.1,
        "top_p": 0.9,
        "seed": 3,
        "stop": ["."],
        "service_tier": "flex",
        "tool_choice": "auto",
    }
    assert body["max_tokens"] == 5
    assert body["parallel_tool_calls"] is False
