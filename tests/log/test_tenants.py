"""A log of several tenants: whose calls these are, and that nobody finds those of another."""

from __future__ import annotations

import asyncio
import contextvars
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from mirascope_like import chat, llm
from mirascope_like.__main__ import main
from mirascope_like.types.lineage import get_call_id

from ..conftest import PATIENCE, Colour
from ..test_docs import played

MODEL = "openai/gpt-5-mini"


def tenants(path: Path) -> list[tuple[str, str | None]]:
    """The prompt of each call and its tenant, in order."""
    with llm.open_log(path) as reader:
        assert reader.verify() == []
        return [(response.prompt, response.tenant) for response in reader.responses()][::-1]


def by_prompt(path: Path) -> dict[str, str | None]:
    found = tenants(path)
    assert len(dict(found)) == len(found), "a call is there twice"
    return dict(found)


# -- whose calls these are --------------------------------------------------------------------------------------------


def test_blocks_one_after_the_other(path: Path) -> None:
    model = llm.scripted("Hello!", repeat=True)
    for tenant in ("a", "b", None):
        with llm.log(path, tenant=tenant) as log:
            assert log.tenant == tenant
            model.call(f"of {tenant}")
    assert by_prompt(path) == {"of a": "a", "of b": "b", "of None": None}


@pytest.mark.parametrize("shared", [False, True])
def test_blocks_at_the_same_time(native: Colour, path: Path, shared: bool) -> None:
    """As the handlers of a service run, with a log of the whole service around them or without."""
    model = llm.scripted("Hello!", repeat=True)

    async def serve(tenant: str) -> None:
        async with llm.log(path, tenant=tenant):
            for number in range(5):
                await model.call_async(f"{tenant} {number}")
                async with await model.stream_async(f"{tenant} {number} streamed") as response:
                    async for _ in response.text_stream():
                        await anyio.sleep(0)

    async def serve_all() -> None:
        async with anyio.create_task_group() as group:
            for tenant in "abcd":
                group.start_soon(serve, tenant)

    async def scenario() -> None:
        if shared:
            async with llm.log(path):
                await serve_all()
                await model.call_async("none")
        else:
            await serve_all()

    native.run(scenario)
    found = by_prompt(path)
    assert found.pop("none", None) is None
    assert len(found) == 40
    assert all(prompt[0] == tenant for prompt, tenant in found.items())


def test_threads_with_blocks_of_their_own(path: Path) -> None:
    model = llm.scripted("Hello!", repeat=True)
    everybody = threading.Barrier(4, timeout=PATIENCE)

    def serve(tenant: str) -> None:
        with llm.log(path, tenant=tenant):
            for number in range(5):
                everybody.wait()
                model.call(f"{tenant} {number}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(serve, "abcd"))
    found = by_prompt(path)
    assert len(found) == 20
    assert all(prompt[0] == tenant for prompt, tenant in found.items())


def test_files_of_their_own(native: Colour, tmp_path: Path) -> None:
    model = llm.scripted("Hello!", repeat=True)

    async def serve(tenant: str) -> None:
        async with llm.log(tmp_path / f"{tenant}.db", tenant=tenant):
            for number in range(5):
                await model.call_async(f"{tenant} {number}")
                await anyio.sleep(0)

    async def scenario() -> None:
        async with anyio.create_task_group() as group:
            for tenant in "ab":
                group.start_soon(serve, tenant)

    native.run(scenario)
    for tenant in "ab":
        assert by_prompt(tmp_path / f"{tenant}.db") == {f"{tenant} {number}": tenant for number in range(5)}


@pytest.mark.parametrize("count", [1, 2])
def test_tools_in_threads_and_loops_of_the_library(path: Path, count: int) -> None:
    """Those of blocking calls."""

    def plain() -> str:
        return llm.scripted("inner").call("plain tool").text()

    async def coroutine() -> str:
        return (await llm.scripted("inner").call_async("async tool")).text()

    tools = [plain, coroutine]
    calls = [llm.ToolCall(id=f"{tool}{n}", name=tool.__name__, args="{}") for tool in tools for n in range(count)]
    with llm.log(path, tenant="a"):
        llm.scripted(calls).call("tools", tools=tools).execute_tools()
    assert tenants(path).count(("plain tool", "a")) == tenants(path).count(("async tool", "a")) == count


def test_tasks_tools_and_lazy_responses_of_a_block(native: Colour, path: Path) -> None:
    def plain() -> str:
        return llm.scripted("inner").call("plain tool").text()

    async def coroutine() -> str:
        return (await llm.scripted("inner").call_async("async tool")).text()

    calls = [llm.ToolCall(id=name, name=name, args="{}") for name in ("plain", "coroutine")]

    async def scenario() -> None:
        async with llm.log(path, tenant="a"), anyio.create_task_group() as group:
            group.start_soon(llm.scripted("Hello!").call_async, "task")
            response = await llm.scripted(calls).call_async("tools", tools=[plain, coroutine])
            await response.execute_tools()
            await chat.get_async_model(MODEL).prompt("lazy").text()
            await anyio.to_thread.run_sync(llm.scripted("Hello!").call, "thread")

    with played("Hello!"):
        native.run(scenario)
    prompts = ["task", "tools", "plain tool", "async tool", "lazy", "thread"]
    assert by_prompt(path) == dict.fromkeys(prompts, "a")


def test_a_program_that_serves_one_tenant(native: Colour, path: Path) -> None:
    """Without a block: all that begins later inherits the label, and a block inside has its own."""
    model = llm.scripted("Hello!", repeat=True)

    async def scenario() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(model.call_async, "task")
        with llm.log(path, tenant="b"):
            await model.call_async("block")
        await model.call_async("behind the block")

    log = llm.log(path, tenant="a")
    native.run(scenario)
    log.close()
    with llm.log(path):
        model.call("later")
    assert by_prompt(path) == {"task": "a", "block": "b", "behind the block": "a", "later": None}


def test_a_thread_outside_of_the_block(path: Path) -> None:
    """It is not guessed whose call that is, but it is logged. A copy of the context says it."""
    model = llm.scripted("Hello!", repeat=True)
    with pytest.warns(RuntimeWarning, match="copy_context") as warned, llm.log(path, tenant="a"):
        in_thread(lambda: model.call("bare"))
        in_thread(lambda: model.call("bare again"))
        context = contextvars.copy_context()
        in_thread(lambda: context.run(model.call, "with the context"))
    assert len(warned) == 1
    assert by_prompt(path) == {"bare": None, "bare again": None, "with the context": "a"}
    with llm.log(path), llm.log(path, tenant="a"):  # the log of the whole process writes it: no warning
        in_thread(lambda: model.call("expected"))
    assert by_prompt(path)["expected"] is None


def in_thread(function: Any) -> None:
    thread = threading.Thread(target=function)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_a_generator_that_is_left_in_its_block(path: Path) -> None:
    """Its block ends in another context than it began in."""
    model = llm.scripted("Hello!", repeat=True)

    async def handler() -> Any:
        async with llm.log(path, tenant="a"):
            await model.call_async("inside")
            yield

    async def scenario() -> None:
        generator = handler()
        await anext(generator)
        await asyncio.create_task(generator.aclose())
        with llm.log(path):
            await model.call_async("outside")

    asyncio.run(scenario())
    assert by_prompt(path) == {"inside": "a", "outside": None}


def test_a_stream_that_outlives_its_block(path: Path) -> None:
    """In the log of the process it still belongs to its tenant; without one it is written as far as it got."""
    with llm.log(path):
        with llm.log(path, tenant="a"):
            stream = llm.scripted("one two").stream("read later")
        stream.finish()
    with llm.log(path, tenant="b"):
        unread = llm.scripted("one two").stream("never read")
        with llm.log(path, tenant="c"):
            pass
    unread.close()
    with llm.open_log(path) as reader:
        found = {each.prompt: (each.tenant, each.text, each.error_type) for each in reader.responses()}
    assert found == {"read later": ("a", "one two", None), "never read": ("b", "", "LogError")}


@pytest.mark.parametrize("tenant", ["", "\ud800"])
def test_names_that_are_none(path: Path, tenant: str, capsys: pytest.CaptureFixture[str]) -> None:
    llm.log(path).close()
    for open_it in (llm.log, llm.open_log):
        with pytest.raises(ValueError, match="A tenant must be a non-empty str"):
            open_it(path, tenant=tenant)
        with pytest.raises(TypeError, match="A tenant must be a str"):
            open_it(path, tenant=3)  # type: ignore[arg-type]
    assert main(["logs", "-f", str(path), "--tenant", tenant]) == 1
    assert "A tenant must be" in capsys.readouterr().err


# -- nobody finds what is another's -----------------------------------------------------------------------------------


@pytest.fixture
def both(path: Path) -> dict[str, str]:
    """Two tenants who say the same and then tell a secret; the id of each one's last call."""
    model = llm.scripted("Hello!", repeat=True)
    last = {}
    for tenant in ("a", "b"):
        with llm.log(path, tenant=tenant):
            model.call("Hi").resume(f"The secret of {tenant} is {tenant * 9}")
        with llm.open_log(path, tenant=tenant) as reader:
            last[tenant] = next(reader.responses()).id
    return last


def test_a_reader_of_one_tenant(path: Path, both: dict[str, str]) -> None:
    with llm.open_log(path, tenant="a") as reader:
        assert [response.tenant for response in reader.responses()] == ["a", "a"]
        assert [each.prompt for each in reader.search("secret")] == ["The secret of a is aaaaaaaaa"]
        assert list(reader.search("bbbbbbbbb")) == list(reader.search("bb")) == []
        assert len(list(reader.search("hello"))) == 2
        (conversation,) = reader.conversations()
        assert (conversation.tenant, reader.conversation()) == ("a", conversation)
        assert "b is" not in repr(conversation.messages)
        theirs = both["b"]
        for read in (reader.response, reader.messages, reader.tools, reader.conversation):
            with pytest.raises(llm.LogError, match="There is no"):
                read(theirs)
            with pytest.raises(llm.LogError, match="There is no"):
                read(theirs[-8:])
        with pytest.raises(llm.LogError, match="There is no"):
            list(reader.responses(conversation=theirs))
    with llm.open_log(path) as reader:
        assert len(list(reader.responses())) == 4
    with llm.open_log(path, tenant="nobody") as reader:
        assert list(reader.responses()) == list(reader.conversations()) == []
        with pytest.raises(llm.LogError, match="has no calls yet"):
            reader.conversation()


def test_going_on_with_messages_of_another(path: Path, both: dict[str, str]) -> None:
    with llm.open_log(path) as reader:
        theirs = reader.conversation(reader.response(both["a"]).conversation_id)
    with llm.log(path, tenant="b"):
        llm.scripted("No.").call([*theirs.messages, llm.messages.user("Go on")])
    with llm.open_log(path, tenant="a") as reader:
        assert reader.conversation(theirs.id) == theirs
    with llm.open_log(path, tenant="b") as reader:
        assert theirs.id not in {each.id for each in reader.conversations()}


def test_an_id_that_a_client_gives(colour: Colour, path: Path) -> None:
    """Of a conversation, a pause and a response of another tenant: the caller's go on by themselves, under that id."""
    get = chat.get_async_model if colour.is_async else chat.get_model
    conversation_type = chat.AsyncConversation if colour.is_async else chat.Conversation

    async def theirs() -> Any:
        conversation = get(MODEL).conversation()
        await colour.got(conversation.prompt("Hi").text())
        return conversation

    async def forged(data: dict[str, Any]) -> None:
        conversation = conversation_type.from_dict({**data, "messages": []})
        assert conversation.id == data["id"]
        for text in ("Show me", "And more"):
            await colour.got(conversation.prompt(text).text())

    with played("Hello!", repeat=True):
        with llm.log(path, tenant="a"):
            conversation = colour.run(theirs)
        data = json.loads(json.dumps(conversation.to_dict()))
        with llm.log(path, tenant="b"):
            colour.run(lambda: forged(data))
        with llm.log(path):
            colour.run(lambda: forged(data))
    with llm.open_log(path, tenant="a") as reader:
        assert [words(each) for each in reader.conversation(conversation.id).messages] == ["Hi", "Hello!"]
    with llm.open_log(path, tenant="b") as reader:
        (mine,) = reader.conversations()
        assert [words(each) for each in mine.messages] == ["Show me", "Hello!", "And more", "Hello!"]
        assert reader.conversation(conversation.id) == mine
        assert [each.prompt for each in reader.responses(conversation=conversation.id)] == ["And more", "Show me"]
    with llm.open_log(path) as reader:
        assert len(list(reader.conversations())) == 3
        assert len(list(reader.responses(conversation=conversation.id))) == 1
        assert reader.verify() == []


@pytest.mark.parametrize("forged", [False, True])
def test_a_pause_of_another(colour: Colour, path: Path, forged: bool) -> None:
    """Those who resume it, also with other messages, have a conversation of their own; its owner's goes on without
    what they said."""
    get = chat.get_async_model if colour.is_async else chat.get_model
    resume = chat.resume_async if colour.is_async else chat.resume

    async def pause() -> tuple[str, dict[str, Any]]:
        def pay() -> str:
            raise chat.PauseChain("approve it")

        chain = get(MODEL).chain("Pay", tools=[pay])
        with pytest.raises(chat.PauseChain) as raised:
            await colour.got(chain.text())
        return chain.conversation.id, json.loads(json.dumps(raised.value.to_dict()))

    async def go_on(state: dict[str, Any], tenant: str | None) -> None:
        chain = resume(state, tools=[chat.Tool.function(lambda: f"paid by {tenant}", name="pay")])
        await colour.got(chain.text())
        await colour.got(chain.conversation.prompt(f"Thanks from {tenant}").text())

    with played([llm.ToolCall(id="1", name="pay", args="{}")], *["Done."] * 6) as scripted:
        with llm.log(path, tenant="a"):
            id, state = colour.run(pause)
        say = {"role": "user", "parts": [{"type": "text", "text": "Show me"}]}
        for tenant in ("b", None, "a"):
            given = {**state, "messages": [say]} if forged and tenant != "a" else state
            with llm.log(path, tenant=tenant):
                colour.run(partial(go_on, given, tenant))

    resumed = ["Pay", "", "", "Done."]
    for tenant, begun in (("a", resumed), ("b", ["Show me", "Done."] if forged else resumed)):
        with llm.open_log(path, tenant=tenant) as reader:
            (conversation,) = reader.conversations()
            assert (conversation.id == id, conversation.tenant) == (tenant == "a", tenant)
            assert reader.conversation(id) == conversation
            assert [words(each) for each in conversation.messages] == [*begun, f"Thanks from {tenant}", "Done."]
            assert forged or f"paid by {tenant}" in repr(conversation.messages)
            mine = [each.id for each in reader.responses(conversation=id)][::-1]
            assert len(mine) == len(list(reader.responses())) == (3 if tenant == "a" else 2)
            from_calls = [get_call_id(each) for each in conversation.messages if each.role == "assistant"]
            assert [call for call in from_calls if call is not None] == mine
    with llm.open_log(path) as reader:
        assert sorted(str(each.tenant) for each in reader.conversations()) == ["None", "a", "b"]
        assert reader.verify() == []
    assert len(scripted.requests) == 7


def test_a_stored_response_with_the_id_of_another_s(colour: Colour, path: Path) -> None:
    get = chat.get_async_model if colour.is_async else chat.get_model
    response_type = chat.AsyncResponse if colour.is_async else chat.Response

    async def theirs() -> Any:
        response = get(MODEL).prompt("Hi")
        await colour.got(response.text())
        return response.to_dict()

    async def forged(data: dict[str, Any]) -> None:
        response = response_type.from_dict(data)
        await colour.got((await colour.got(response.reply("Show me"))).text())

    with played("Hello!", repeat=True):
        with llm.log(path, tenant="a"):
            data = json.loads(json.dumps(colour.run(theirs)))
        with llm.log(path, tenant="b"):
            colour.run(lambda: forged(data))
    assert tenants(path) == [("Hi", "a"), ("Show me", "b")]
    with llm.open_log(path) as reader:
        assert len(list(reader.conversations())) == 2


def words(message: llm.Message) -> str:
    return "".join(part.text for part in message.content if isinstance(part, llm.Text))


def test_loading_a_conversation(colour: Colour, path: Path, both: dict[str, str]) -> None:
    load = chat.load_async_conversation if colour.is_async else chat.load_conversation
    get = chat.get_async_model if colour.is_async else chat.get_model

    async def begin() -> str:
        conversation = get(MODEL).conversation()
        await colour.got(conversation.prompt("Hi").text())
        return conversation.id

    async def go_on(id: str | None) -> Any:
        conversation = load(path, id, tenant="a")
        await colour.got(conversation.prompt("Go on").text())
        return conversation.id

    with played("Hello!", repeat=True):
        with llm.log(path, tenant="b"):
            foreign = colour.run(begin)
        with llm.log(path, tenant="a"):
            id = colour.run(begin)
        with llm.log(path, tenant="b"):
            colour.run(begin)
        for named in (id, None):
            with llm.log(path, tenant="a"):
                assert colour.run(lambda named=named: go_on(named)) == id
        with pytest.raises(chat.LogError, match="There is no conversation"):
            load(path, foreign, tenant="a")
    with llm.open_log(path, tenant="a") as reader:
        assert len(reader.conversation(id).messages) == 6


@pytest.fixture
def shown(path: Path, both: dict[str, str], capsys: pytest.CaptureFixture[str]) -> Iterator[Any]:
    def run(*arguments: str) -> str:
        assert main(["logs", "-f", str(path), *arguments]) == 0
        return capsys.readouterr().out

    yield run


@pytest.mark.parametrize("action", [["list"], ["search", "secret"], ["export"], ["export", "--json"], []])
def test_the_command_line(shown: Any, action: list[str]) -> None:
    alone = shown(*action, "--tenant", "a")
    assert "aaaaaaaaa" in alone
    assert "bbbbbbbbb" not in alone
    assert alone == shown("--tenant", "a", *action)
    assert "bbbbbbbbb" in shown(*action)


def test_showing_one_call(shown: Any, path: Path, both: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert "tenant        a" in shown("show", both["a"], "--tenant", "a")
    assert json.loads(shown("export", "--json").splitlines()[-1])["tenant"] == "b"
    for arguments in (["show", both["b"]], ["list", "-c", both["b"]]):
        assert main(["logs", "-f", str(path), *arguments, "--tenant", "a"]) == 1
        assert "There is no" in capsys.readouterr().err
