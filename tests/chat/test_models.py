"""Models: how they are found, what authors may write, and the library's own over the wire."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from mirascope_like import chat, errors, llm
from mirascope_like.chat.models import plugins

from ..conftest import PATIENCE, Colour
from ..llm.chat_server import register, saying
from ..transport.server import Server
from .conftest import AsyncScripted, Script, Scripted, call, events, scripted

# -- found by name ----------------------------------------------------------------------------------------------------


def test_library_models_have_several_names_and_are_found_once_W35() -> None:
    model = chat.get_model("openai/gpt-4o-mini")
    assert model is chat.get_model("gpt-4o-mini") is chat.get_model("openai/gpt-4o-mini")
    assert isinstance(model, chat.Model) and model.model_id == "openai/gpt-4o-mini"
    assert chat.get_async_model("claude-sonnet-4-5").model_id == "anthropic/claude-sonnet-4-5"
    assert isinstance(chat.get_async_model("local/smollm2-135m"), chat.AsyncModel)
    assert str(model) == "LibraryModel: openai/gpt-4o-mini"
    assert repr(chat.get_async_model("gpt-4o")) == "<AsyncLibraryModel (async): openai/gpt-4o>"


@pytest.mark.parametrize("get", [chat.get_model, chat.get_async_model])
def test_unknown_names(get) -> None:
    with pytest.raises(chat.UnknownModelError) as raised:
        get("gtp-6-luna")
    assert str(raised.value) == "Unknown model: gtp-6-luna"
    assert raised.value.__notes__ == ["Did you mean 'gpt-6-luna'?"]
    assert isinstance(raised.value, KeyError)


@pytest.mark.parametrize("get", [chat.get_model, chat.get_async_model])
def test_names_that_nobody_can_have_meant(get) -> None:
    with pytest.raises(chat.UnknownModelError, match="is a variable unset"):
        get("")
    with pytest.raises(chat.UnknownModelError, match=r"opnai/x\. .*openai/"):
        get("opnai/x")


def test_applications_register_models_in_one_line_W37() -> None:
    sync, other = Scripted(Script()), AsyncScripted(Script())
    other.model_id = "other"
    chat.register(sync, aliases=["mine"])
    chat.register(async_model=other)
    assert chat.get_model("mine") is chat.get_model("scripted") is sync
    assert chat.get_async_model("other") is other
    with pytest.raises(chat.UnknownModelError, match=r"^Unknown model \(async model exists\): other$"):
        chat.get_model("other")
    listed = {entry.model_id: entry for entry in chat.get_models_with_aliases()}
    assert (listed["other"].model, listed["scripted"].async_model) == (None, None)
    assert listed["scripted"].matches("MIN") and not listed["other"].matches("mine")
    assert sync in chat.get_models() and other in chat.get_async_models()
    assert len({model.model_id for model in chat.get_models()}) == len(chat.get_models())
    with pytest.raises(TypeError, match="register"):
        chat.register()


def test_aliases_and_the_default() -> None:
    chat.set_alias("fast", "gpt-4o-mini")
    chat.set_alias("faster", "fast")
    assert chat.get_model("faster") is chat.get_model("gpt-4o-mini")
    assert chat.get_model_aliases()["fast"] is chat.get_model("gpt-4o-mini")
    chat.remove_alias("fast")
    with pytest.raises(chat.UnknownModelError):
        chat.get_model("fast")
    with pytest.raises(KeyError):
        chat.remove_alias("fast")
    with pytest.raises(chat.UnknownModelError):
        chat.set_alias("x", "nothing")
    assert chat.get_default_model(default=None) is None
    chat.set_default_model("gpt-4o")
    assert chat.get_model() is chat.get_model("gpt-4o")
    chat.set_default_model(None)
    assert chat.get_async_model().model_id == chat.get_default_model()


PLUGIN = """
from mirascope_like import chat

class Mine(chat.Model):
    model_id = "plugged"

    def execute(self, prompt, *, stream, response, conversation):
        yield "from a package"

@chat.hookimpl
def register_models(register):
    register(Mine(), aliases=["in"])
"""


def install(directory: Path, code: str) -> None:
    """Put a package with an entry point into a directory."""
    (directory / "a_models_package.py").write_text(code)
    info = directory / "a_models_package-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: a-models-package\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[mirascope_like]\nmodels = a_models_package\n")


def test_packages_register_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, PLUGIN)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert [entry.name for entry in metadata.entry_points(group="mirascope_like")] == ["models"]
    assert chat.get_model("in").prompt("Hi").text() == "from a package"


def test_a_package_that_fails_says_so_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "raise LookupError('no license')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "a_models_package", raising=False)
    for _ in range(2):
        with pytest.raises(LookupError, match="no license"):
            chat.get_model("mine")


def test_who_looks_a_model_up_while_packages_are_loaded_waits_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def loading(register: Callable[..., None]) -> None:
        begun.set()
        assert go_on.wait(PATIENCE)
        with pytest.raises(chat.UnknownModelError):
            chat.get_model("theirs")  # not registered yet
        register(Scripted(Script()), aliases=["theirs"])

    monkeypatch.setattr(plugins, "load_plugins", loading)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(chat.get_model, "theirs")
        assert begun.wait(PATIENCE)
        second = pool.submit(chat.get_model, "theirs")
        go_on.set()
        assert first.result() is second.result()


def test_neither_importing_nor_looking_up_loads_anything_heavy_W35() -> None:
    code = """
        import sys
        from mirascope_like import chat
        chat.get_async_model("gpt-4o-mini").prompt("Hi")
        print(*sys.modules)
    """
    command = [sys.executable, "-c", "\n".join(line.strip() for line in code.splitlines())]
    loaded = set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert not loaded & {"pydantic", "httpx2", "asyncio", "trio", "ssl", "pluggy", "openai", "sqlite3"}


# -- written by users -------------------------------------------------------------------------------------------------


def test_execute_gets_the_prompt_and_by_name_the_rest(colour: Colour) -> None:
    seen: list[object] = []

    class Keyed(chat.KeyModel):
        model_id, needs_key, key_env_var = "keyed", "keyed", "KEYED_API_KEY"

        def execute(self, prompt, *, stream, response, conversation, key):
            seen.append((prompt.prompt, stream, response.id, conversation, key))
            return ["a", "list"]

    class AsyncKeyed(chat.AsyncKeyModel):
        model_id, needs_key, key_env_var = "keyed", "keyed", "KEYED_API_KEY"

        async def execute(self, prompt, *, stream, response, conversation, key):
            seen.append((prompt.prompt, stream, response.id, conversation, key))
            yield "a"
            yield "list"

    async def scenario() -> None:
        model = (AsyncKeyed if colour.is_async else Keyed)()
        response = model.prompt("Hi", stream=False, key="explicit")
        model.key = "own"
        assert await colour.got(response.text()) == "alist"
        assert seen.pop() == ("Hi", False, response.id, None, "explicit")  # W38
        await colour.got(model.prompt("Hi").text())
        assert seen[-1][-1] == "own"
        model.key = None
        missing = model.prompt("Hi")
        with pytest.raises(chat.NeedsKeyException, match="KEYED_API_KEY"):
            await colour.got(missing.text())

    colour.run(scenario)


def test_what_a_model_cannot_do_is_said_at_once() -> None:
    class Plain(chat.Model):
        model_id = "plain"

        def execute(self, prompt, *, stream, response, conversation):
            yield ""

    def tool() -> None: ...

    for wrong in ({"schema": {"type": "object"}}, {"tools": [tool]}, {"tools": [chat.ServerSideTool({"type": "x"})]}):
        with pytest.raises(ValueError, match="does not support"):
            Plain().prompt("Hi", **wrong)
    with pytest.raises(ValidationError):
        Plain().prompt("Hi", temperature=1)
    with pytest.raises(TypeError, match="both by name and in options="):
        Scripted(Script()).prompt("Hi", temperature=1, options={"temperature": 2})
    with pytest.raises(TypeError, match="A tool is"):
        Scripted(Script()).prompt("Hi", tools=[3])
    picture = chat.Attachment(type="image/gif", content=b"GIF")
    for make in (Scripted(Script()).prompt, Scripted(Script()).chain, Scripted(Script()).conversation().prompt):
        with pytest.raises(ValueError, match="image/gif"):
            make("Hi", attachments=[picture])
    with pytest.raises(TypeError, match="abstract"):
        chat.Model()


@pytest.mark.parametrize("get", [chat.get_model, chat.get_async_model])
def test_library_models_take_the_files_that_their_provider_does(get) -> None:
    def takes(model: str, name: str) -> bool:
        try:
            return bool(get(model).prompt("Look", attachments=[chat.Attachment(path=name)]))
        except ValueError:
            return False

    texts, others = [f"a{suffix}" for suffix in (".py", ".ts", ".css", ".rtf", ".json")], ["a.png", "a.pdf", "a.mp3"]
    assert all(takes("openai/gpt-4o", name) for name in [*texts, *others])
    assert not takes("openai/gpt-4o", "a.mp4")
    assert all(takes("local/smollm2-135m", name) for name in texts)
    assert not any(takes("local/smollm2-135m", name) for name in others)


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ({"prompt": 3}, "A prompt is a text, not 3"),
        ({"attachments": ["a.png"]}, "chat.Attachment"),
        ({"attachments": chat.Attachment(path="a.png")}, r"write attachments=\[…\]"),
        ({"messages": [{"role": "user"}]}, "chat.Message.from_dict"),
        ({"tools": print}, r"write tools=\[…\]"),
        ({"fragments": "ab"}, r"write fragments=\[…\]"),
    ],
)
def test_what_is_no_prompt_is_said_at_once(args: dict[str, object], told: str) -> None:
    with pytest.raises(TypeError, match=told):
        Scripted(Script()).prompt(**args)


def test_options_by_name_or_together() -> None:
    another = Scripted(Script()).prompt("Hello", temperature=1).prompt
    for options in ({"temperature": 1}, {"options": {"temperature": 1}}, {"options": another.options}):
        assert Scripted(Script()).prompt("Hi", **options).prompt.options.temperature == 1


def test_events_of_any_kind(colour: Colour) -> None:
    async def scenario() -> None:
        said = [
            chat.StreamEvent("reasoning", "Hm"),
            "Hel",
            chat.StreamEvent("text", "lo"),
            chat.StreamEvent("tool_call_name", "look", tool_call_id="1"),
            chat.StreamEvent("tool_call_args", '{"where": "x"}', tool_call_id="1"),
            chat.StreamEvent("text", "!", provider_metadata={"a": 1}),
            call("later"),
        ]
        response = scripted(colour, said).prompt("Hi")
        seen = await colour.all(events(response))
        assert [event.part_index for event in seen] == [0, 1, 1, 2, 2, 3]
        assert await colour.got(response.text()) == "Hello!"
        (message,) = await colour.got(response.messages())
        assert [type(part).__name__ for part in message.parts] == [
            "ReasoningPart",
            "TextPart",
            "ToolCallPart",
            "TextPart",
            "ToolCallPart",
        ]
        assert [each.name for each in await colour.got(response.tool_calls())] == ["look", "later"]

    colour.run(scenario)


def test_what_execute_may_not_do(colour: Colour) -> None:
    async def scenario() -> None:
        response = scripted(colour, [3]).prompt("Hi")
        with pytest.raises(TypeError, match="yields texts and StreamEvents, not int"):
            await colour.got(response.text())

    colour.run(scenario)


def test_a_coroutine_is_no_generator() -> None:
    import asyncio

    class Wrong(chat.AsyncModel):
        model_id = "wrong"

        async def execute(self, prompt, *, stream, response, conversation):
            return []

    with pytest.raises(TypeError, match="must be an async generator"):
        asyncio.run(Wrong().prompt("Hi").text())


# -- the library's, over the wire -------------------------------------------------------------------------------------


class City(BaseModel):
    name: str


def get(colour: Colour, name: str = "test/model"):
    return (chat.get_async_model if colour.is_async else chat.get_model)(name)


@pytest.mark.parametrize("stream", [True, False])
def test_a_library_model_answers(colour: Colour, server: Server, stream: bool) -> None:
    server.answer = saying("It is Paris.")
    register(server, api_key="stored")

    async def scenario() -> None:
        model = get(colour)
        response = model.prompt("Where?", system="S", temperature=0.5, stream=stream, key="explicit")
        assert server.received == []
        assert "".join(await colour.all(response)) == await colour.got(response.text()) == "It is Paris."
        assert await colour.got(response.messages()) != []
        usage = await colour.got(response.usage())
        assert usage.input is not None
        assert isinstance(await colour.got(response.json()), dict)
        assert response.resolved_model
        (request,) = server.received
        assert (request.json["temperature"], request.json.get("stream", False)) == (0.5, stream)
        assert request.headers["authorization"] == "Bearer explicit"
        assert [message["role"] for message in request.json["messages"]] == ["system", "user"]
        await colour.got(model.prompt("Again").text())
        assert server.received[-1].headers["authorization"] == "Bearer stored"

    colour.run(scenario)


def test_a_chain_of_a_library_model(colour: Colour, server: Server) -> None:
    def decide(body):
        if body["messages"][-1]["role"] == "tool":
            return '{"name": "Paris"}'
        return [llm.Text("Hm."), llm.ToolCall(id="1", name="capital", args='{"of": "France"}')]

    def capital(of: str) -> str:
        return {"France": "Paris"}[of]

    server.answer = saying(decide)
    register(server)

    async def scenario() -> None:
        chain = get(colour).chain("The capital?", tools=[capital], schema=City)
        assert await colour.got(chain.parsed()) == City(name="Paris")
        assert await colour.got(chain.text()) == 'Hm. {"name": "Paris"}'

    colour.run(scenario)
    first, second = (request.json for request in server.received)
    assert first["messages"] == second["messages"][:2]  # the schema is in both: this server is told of it in words
    assert '"name"' in first["messages"][0]["content"]


def test_a_json_schema_as_a_dict_goes_to_the_model(colour: Colour, server: Server) -> None:
    server.answer = saying('{"name": "Rex"}')
    register(server)

    async def scenario() -> object:
        response = get(colour).prompt("A dog", schema=chat.schema_dsl("name: its name"))
        return await colour.got(response.parsed())

    assert colour.run(scenario) == {"name": "Rex"}
    assert "its name" in str(server.received[0].json)


def test_a_library_model_without_a_key_says_so_when_it_is_read(colour: Colour) -> None:
    async def scenario() -> None:
        response = get(colour, "gpt-4o-mini").prompt("Hi")
        with pytest.raises(chat.MissingAPIKeyError, match="OPENAI_API_KEY"):
            await colour.got(response.text())

    colour.run(scenario)


def test_no_attachment_is_read_before_the_response_is_W9(colour: Colour, server: Server, tmp_path: Path) -> None:
    server.answer = saying("A dot.")
    register(server)
    path = tmp_path / "dot.png"

    async def scenario() -> None:
        response = get(colour).prompt("What?", attachments=[chat.Attachment(path=str(path))])
        path.write_bytes(b"\x89PNG\r\n\x1a\n....")
        assert await colour.got(response.text()) == "A dot."
        (request,) = server.received
        assert request.json["messages"][0]["content"][1]["image_url"]["url"].startswith("data:image/png;base64,iVBOR")

    colour.run(scenario)


def test_errors_of_the_provider_stay_W1(colour: Colour, server: Server) -> None:
    server.answer = lambda exchange: exchange.json({"error": {"message": "slow down"}}, status=429)
    register(server)

    async def scenario() -> None:
        conversation = get(colour).conversation()
        response = conversation.prompt("Hi")
        for _ in range(2):
            with pytest.raises(errors.RateLimitError, match="slow down"):
                await colour.got(response.text())
        assert conversation.messages == []

    colour.run(scenario)
    assert len(server.received) == 1


def test_misspelt_options_are_told_at_once() -> None:
    with pytest.raises(ValidationError, match="temprature"):
        chat.get_model("gpt-4o").prompt("Hi", temprature=1)
    with pytest.raises(ValueError, match="max_tokens"):
        chat.get_model("gpt-4o").prompt("Hi", max_tokens=0)


@pytest.mark.local
def test_the_embedded_model(colour: Colour) -> None:
    async def scenario() -> None:
        conversation = get(colour, "local/smollm2-135m").conversation(options={"temperature": 0.0, "max_tokens": 20})
        response = conversation.prompt("Say hello.")
        pieces = await colour.all(response)
        assert len(pieces) > 1 and "".join(pieces) == await colour.got(response.text())
        second = conversation.prompt("A city", schema=City)
        assert isinstance(await colour.got(second.parsed()), City)
        assert len(conversation.messages) == 4
        rebuilt = type(second).from_dict(second.to_dict())
        assert await colour.got((await colour.got(rebuilt.reply("Thanks", schema=None))).text())

    colour.run(scenario)


def test_every_tool_call_has_an_id(colour: Colour) -> None:
    async def scenario() -> None:
        said = [chat.StreamEvent("tool_call_name", "look"), chat.ToolCall("later", {})]
        response = scripted(colour, said).prompt("Hi")
        calls = await colour.got(response.tool_calls())
        assert [call.name for call in calls] == ["look", "later"]
        assert all(call.tool_call_id.startswith("tc_") for call in calls)
        assert [part.tool_call_id for part in (await colour.got(response.messages()))[0].parts] == [
            call.tool_call_id for call in calls
        ]

    colour.run(scenario)
