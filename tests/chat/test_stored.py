"""Stored data reads no files that the program does not allow, and sets no options that reach headers or bodies."""

from __future__ import annotations

import base64
import json
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import AliasChoices, Field

from mirascope_like import chat, llm
from mirascope_like.chat.messages.origins import OWN
from mirascope_like.chat.models import registry

from ..conftest import Colour
from ..faults.server import in_turn
from ..llm.chat_server import register, saying
from ..transport.server import Server

SECRET = "KEY=the-secret"
QUESTION: dict[str, Any] = {"role": "user", "parts": [{"type": "text", "text": "Hi"}]}


@pytest.fixture(autouse=True)
def served(server: Server) -> Iterator[None]:
    server.answer = saying("Hello")
    register(server)
    yield
    registry.reset()


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret.txt"
    path.write_text(SECRET)
    return path


def attached(path: object, **more: Any) -> dict[str, Any]:
    return {"type": "attachment", "attachment": {"path": str(path), "type": "text/plain", **more}}


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "parts": [*QUESTION["parts"], *parts]}


def conversation(*messages: dict[str, Any], **settings: Any) -> dict[str, Any]:
    return {"version": 1, "id": "1", "model": "test/model", "messages": [*messages], "settings": settings}


def response(asked: dict[str, Any], said: dict[str, Any], **settings: Any) -> dict[str, Any]:
    prompt = {"messages": [asked], "text": "Hi", **settings}
    return {"version": 1, "id": "1", "model": "test/model", "prompt": prompt, "messages": [said]}


def pause(*messages: dict[str, Any], **settings: Any) -> dict[str, Any]:
    return {"version": 1, "type": "pause", "model": "test/model", "messages": [*messages], **settings}


def called() -> dict[str, Any]:
    return {"role": "assistant", "parts": [{"type": "tool_call", "name": "f", "arguments": {}, "tool_call_id": "1"}]}


def result(path: object) -> dict[str, Any]:
    files = [attached(path)["attachment"]]
    part = {"type": "tool_result", "name": "f", "output": "x", "tool_call_id": "1", "attachments": files}
    return {"role": "tool", "parts": [part]}


ANSWER: dict[str, Any] = {"role": "assistant", "parts": [{"type": "text", "text": "Hello"}]}
FORMS: dict[str, Callable[[Any, Any], Any]] = {
    "message": lambda path, allow: chat.Message.from_dict(user(attached(path)), allow_files=allow),
    "result of a tool": lambda path, allow: chat.Message.from_dict(result(path), allow_files=allow),
    "conversation": lambda path, allow: chat.Conversation.from_dict(
        conversation(user(attached(path))), allow_files=allow
    ),
    "conversation's attachments": lambda path, allow: chat.AsyncConversation.from_dict(
        conversation(QUESTION, attachments=[attached(path)]), allow_files=allow
    ),
    "prompt of a response": lambda path, allow: chat.Response.from_dict(
        response(user(attached(path)), ANSWER), allow_files=allow
    ),
    "answer of a response": lambda path, allow: chat.AsyncResponse.from_dict(
        response(QUESTION, {"role": "assistant", "parts": [attached(path)]}), allow_files=allow
    ),
    "pause": lambda path, allow: chat.resume(pause(QUESTION, called(), result(path)), allow_files=allow),
    "async pause": lambda path, allow: chat.resume_async(pause(user(attached(path))), allow_files=allow),
}
form = pytest.mark.parametrize("load", FORMS.values(), ids=FORMS)


@form
def test_files_are_refused_unless_they_are_allowed(load: Callable[[Any, Any], Any], secret: Path) -> None:
    with pytest.raises(ValueError, match=r"secret\.txt'.*allow_files="):
        load(secret, False)
    with pytest.raises(ValueError, match=r"secret\.txt'.*allow_files="):
        load(secret, "")
    for allow in (True, secret.parent, str(secret.parent)):
        load(secret, allow)


@form
def test_a_file_that_is_allowed_lies_in_the_directory(load: Callable[[Any, Any], Any], secret: Path) -> None:
    root = secret.parent / "root"
    root.mkdir()
    (secret.parent / "root-too").mkdir()
    (secret.parent / "root-too" / "a.txt").write_text(SECRET)
    (root / "link.txt").symlink_to(secret)
    (root / "up").symlink_to(secret.parent)
    outside = [secret, root / ".." / "secret.txt", root / "link.txt", root / "up" / "secret.txt"]
    for path in [*outside, secret.parent / "root-too" / "a.txt", "secret.txt", "/proc/self/environ", root / "a\0b"]:
        with pytest.raises(ValueError, match=r"Stored data names the file .*(not in allow_files=|has a null byte)"):
            load(path, root)
    (root / "a.txt").write_text("fine")
    for path in (root / "a.txt", root / "up" / "root" / "a.txt"):
        load(path, root)


def test_what_is_allowed_is_read_where_it_lay_when_it_was_loaded(secret: Path, server: Server, colour: Colour) -> None:
    root = secret.parent / "root"
    root.mkdir()
    (root / "a.txt").write_text("fine")
    (root / "link.txt").symlink_to(root / "a.txt")
    message = chat.Message.from_dict(user(attached(root / "link.txt")), allow_files=root)
    (root / "link.txt").unlink()
    (root / "link.txt").symlink_to(secret)
    body = send(colour, server, [message])
    assert "fine" in body and SECRET not in body


def send(colour: Colour, server: Server, messages: list[chat.Message]) -> str:
    """The body that a prompt with this history sends."""

    async def scenario() -> None:
        get = chat.get_async_model if colour.is_async else chat.get_model
        await colour.got(get("test/model").prompt(messages=messages).text())

    colour.run(scenario)
    return server.received[-1].body.decode()


def test_messages_store_what_is_in_files(colour: Colour, server: Server, secret: Path) -> None:
    notes = secret.with_suffix(".md")
    secret.rename(notes)
    message = chat.user("Hi", chat.Attachment(path=notes))
    stored = json.loads(json.dumps(message.to_dict()))
    content = base64.b64encode(SECRET.encode()).decode()
    assert stored["parts"][1]["attachment"] == {"type": "text/markdown", "content": content}
    notes.unlink()
    loaded = chat.Message.from_dict(stored)
    assert loaded.to_dict() == stored
    assert SECRET in send(colour, server, [loaded])


def test_conversations_and_responses_store_what_is_in_files(colour: Colour, server: Server, secret: Path) -> None:
    files = [chat.Attachment(path=secret)]
    model = (chat.get_async_model if colour.is_async else chat.get_model)("test/model")
    made = model.conversation(attachments=files)

    async def scenario() -> list[Any]:
        said = model.prompt("Hi", attachments=files)
        await colour.got(said.text())
        await colour.got(made.prompt("Hi").text())
        return [said.to_dict(), made.to_dict()]

    said, talk = json.loads(json.dumps(colour.run(scenario)))
    secret.unlink()
    for data, kind in (
        (said, chat.AsyncResponse if colour.is_async else chat.Response),
        (talk, chat.AsyncConversation if colour.is_async else chat.Conversation),
    ):
        assert "path" not in json.dumps(data)
        assert kind.from_dict(data).to_dict() == data


def test_a_pause_comes_out_though_its_file_is_gone(colour: Colour, server: Server, secret: Path) -> None:
    server.answer = saying([llm.ToolCall(id="1", name="pay", args="{}")])

    def pay() -> None:
        secret.unlink(missing_ok=True)
        raise chat.PauseChain("May I?")

    async def scenario() -> None:
        get = chat.get_async_model if colour.is_async else chat.get_model
        chain = get("test/model").chain("Pay", tools=[pay], attachments=[chat.Attachment(path=secret)])
        with pytest.raises(chat.PauseChain, match="May I") as raised:
            await colour.got(chain.text())
        with pytest.raises(FileNotFoundError, match="secret"):
            raised.value.to_dict()
        secret.write_text(SECRET)
        assert "path" not in json.dumps(raised.value.to_dict())

    colour.run(scenario)


def test_content_that_is_stored_counts_more_than_the_path_beside_it(secret: Path) -> None:
    fine = base64.b64encode(b"fine").decode()
    message = chat.Message.from_dict(user(attached(secret, content=fine)))
    assert message.parts[1] == chat.AttachmentPart(chat.Attachment("text/plain", content=b"fine"))
    with pytest.raises(ValueError, match="allow_files="):
        chat.Message.from_dict(user(attached(secret, content="")))


def test_messages_of_the_library_name_no_files(colour: Colour, server: Server, secret: Path) -> None:
    """Neither in the messages of this API that a raw message holds, nor in a block."""
    raw = [{"role": "user", "parts": [{"type": "text", "text": "Hello"}, attached(secret)]}]
    said = llm.messages.assistant("Hello", provider_id=OWN, model_id="m", raw_message=raw)
    data = llm.dump_messages([said])
    data["messages"][0]["content"].append({"type": "provider_block", "kind": OWN, "raw": attached(secret)})
    loaded = chat.from_llm([*llm.load_messages(data), llm.messages.user("Hi")])
    assert not [part for message in loaded for part in message.parts if isinstance(part, chat.AttachmentPart)]
    assert SECRET not in send(colour, server, loaded)


FILE_URLS = [
    "file:///etc/passwd",
    " FILE:/etc/passwd",
    "\x01file:///etc/passwd",
    "fi\tle:///etc/passwd",
    "f\nile:/etc/passwd",
]


@pytest.mark.parametrize(
    "url", ["\x01https://example.com/a.png", "ht\ntps://example.com", "https://example.com/a.png "]
)
def test_urls_have_no_control_characters_and_no_spaces_around_them(url: str) -> None:
    with pytest.raises(ValueError, match="control characters"):
        chat.Message.from_dict(user({"type": "attachment", "attachment": {"url": url}}))
    part = {"type": "image", "source": {"type": "url_image_source", "url": url}}
    with pytest.raises(ValueError, match="control characters"):
        llm.load_messages({"version": 1, "messages": [{"role": "user", "content": [part]}]})


@pytest.mark.parametrize("url", FILE_URLS)
def test_urls_of_files_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="URL of a file"):
        chat.Message.from_dict(user({"type": "attachment", "attachment": {"url": url}}))
    for kind, source in (("image", "url_image_source"), ("document", "url_document_source")):
        part = {"type": kind, "source": {"type": source, "url": url}}
        with pytest.raises(ValueError, match="URL of a file"):
            llm.load_messages({"version": 1, "messages": [{"role": "user", "content": [part]}]})
    for kind in (llm.Image, llm.Document):
        with pytest.raises(ValueError, match="from_file"):
            kind.from_url(url.strip())


@pytest.mark.parametrize("kind", ["audio/wav", None])
def test_private_urls_are_not_fetched(colour: Colour, server: Server, kind: str | None) -> None:
    """Those that the program itself would fetch: of sounds, and of files of unknown type."""
    attachment = {"url": f"{server.url}/inner", "allow_private": True, **({"type": kind} if kind else {})}
    message = chat.Message.from_dict(user({"type": "attachment", "attachment": attachment}))
    with pytest.raises(chat.DownloadError):
        send(colour, server, [message])
    assert server.received == []


# -- options ----------------------------------------------------------------------------------------------------------

EVIL = {"extra_headers": {"X-Tenant": "evil"}, "extra_body": {"tier": "evil"}, "temperature": 0.5}
LOADED: dict[str, Callable[[bool, Any], Any]] = {
    "conversation": lambda native, given: (
        (chat.AsyncConversation if native else chat.Conversation)
        .from_dict(conversation(QUESTION, options=EVIL), **given)
        .prompt("And?")
    ),
    "response": lambda native, given: (
        (chat.AsyncResponse if native else chat.Response)
        .from_dict(response(QUESTION, ANSWER, options=EVIL))
        .reply("And?", **given)
    ),
    "pause": lambda native, given: (chat.resume_async if native else chat.resume)(
        pause(QUESTION, called(), options=EVIL), tools=[chat.Tool("f")], **given
    ),
}


@pytest.mark.parametrize("load", LOADED.values(), ids=LOADED)
def test_headers_and_bodies_are_not_taken_from_stored_data(
    colour: Colour, server: Server, load: Callable[[bool, Any], Any]
) -> None:
    async def scenario(**given: Any) -> None:
        made = load(colour.is_async, given)
        if hasattr(made, "__await__") and not hasattr(made, "text"):
            made = await made
        await colour.got(made.text())

    with pytest.warns(UserWarning, match=r"left out: extra_body, extra_headers"):
        colour.run(scenario)
    assert "x-tenant" not in server.received[-1].headers
    assert server.received[-1].json["temperature"] == 0.5
    assert b"evil" not in server.received[-1].body


@pytest.mark.parametrize("name", ["conversation", "pause"])
def test_what_is_given_again_is_sent(colour: Colour, server: Server, name: str) -> None:
    given = {"extra_headers": {"X-Tenant": "ours"}, "extra_body": {}}

    async def scenario() -> None:
        await colour.got(LOADED[name](colour.is_async, given).text())

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        colour.run(scenario)
    assert server.received[-1].headers["x-tenant"] == "ours"
    assert b"evil" not in server.received[-1].body


def test_what_is_not_taken_is_not_stored(colour: Colour) -> None:
    get = chat.get_async_model if colour.is_async else chat.get_model
    kind = chat.AsyncConversation if colour.is_async else chat.Conversation
    data = get("test/model").conversation(extra_headers={"Authorization": "secret"}, temperature=0.5).to_dict()
    assert data["settings"] == {"options": {"temperature": 0.5}, "omitted_options": ["extra_headers"]}
    with pytest.warns(UserWarning, match="left out: extra_headers"):
        kind.from_dict(data)
    kind.from_dict(data, extra_headers={})


LIMITED: dict[str, Callable[[bool, Any, Any], Any]] = {
    "conversation": lambda native, options, given: (
        (chat.AsyncConversation if native else chat.Conversation)
        .from_dict(conversation(QUESTION, options=options), **given)
        .chain("And?", tools=[answer])
    ),
    "pause": lambda native, options, given: (chat.resume_async if native else chat.resume)(
        pause(QUESTION, options=options), tools=[answer], **given
    ),
    "response": lambda native, options, given: (
        (chat.AsyncResponse if native else chat.Response)
        .from_dict(response(QUESTION, ANSWER, options=options))
        .reply("And?", tools=[answer], **given)
    ),
}
each_limited = pytest.mark.parametrize("load", LIMITED.values(), ids=LIMITED)


def answer() -> str:
    return "42"


async def calls_that_run(colour: Colour, server: Server, load: Any, limit: int, count: int, **given: Any) -> int:
    """How many calls of a response that makes `count` of them ran."""
    calls = [llm.ToolCall(id=f"call_{number}", name="answer", args="{}") for number in range(count)]
    server.answer = in_turn(saying(calls), saying("Done."))
    made = load(colour.is_async, {"tool_call_limit": limit}, given)
    if hasattr(made, "__await__") and not hasattr(made, "text"):
        made = await made
    if hasattr(made, "execute_tool_calls"):
        return len(await colour.got(made.execute_tool_calls()))
    await colour.got(made.text())
    return len((await colour.got(made.messages()))[1].parts)


@each_limited
@pytest.mark.parametrize("limit", [129, 10**9])
def test_stored_data_does_not_raise_the_limit_of_tool_calls(
    colour: Colour, server: Server, load: Any, limit: int
) -> None:
    with (
        pytest.warns(UserWarning, match="left out: tool_call_limit"),
        pytest.raises(chat.ToolCallLimitExceeded, match="129 tool calls, but at most 128"),
    ):
        colour.run(lambda: calls_that_run(colour, server, load, limit, 129))


@each_limited
def test_stored_data_may_lower_the_limit_of_tool_calls(colour: Colour, server: Server, load: Any) -> None:
    assert colour.run(lambda: calls_that_run(colour, server, load, 128, 128)) == 128
    with pytest.raises(chat.ToolCallLimitExceeded, match="2 tool calls, but at most 1 "):
        colour.run(lambda: calls_that_run(colour, server, load, 1, 2))


@pytest.mark.parametrize("name", ["conversation", "pause"])
def test_the_program_sets_the_limit_of_tool_calls(colour: Colour, server: Server, name: str) -> None:
    ran = colour.run(lambda: calls_that_run(colour, server, LIMITED[name], 10**9, 129, tool_call_limit=129))
    assert ran == 129


class Sending(chat.Model):
    """A model of one's own with options that decide where it sends things."""

    model_id = "sending"
    private_options: ClassVar[set[str]] = {"target", "proxy"}

    class Options(chat.Options):
        base_url: str | None = None
        target: str | None = Field(None, alias="to")
        proxy: str | None = Field(None, validation_alias=AliasChoices("via", "through"))
        size: int | None = None

    def execute(self, prompt: Any, *, stream: Any, response: Any, conversation: Any) -> Iterator[str]:
        yield str(prompt.options.model_dump(exclude_none=True))


def test_models_say_which_options_are_private() -> None:
    data = Sending().conversation(to="us", via="ours", size=3, base_url="http://us").to_dict()
    assert data["settings"]["options"] == {"size": 3, "base_url": "http://us"}
    options = {"to": "evil", "via": "evil", "through": "evil", "target": "evil", "size": 3}
    with pytest.warns(UserWarning, match="left out: target, through, to, via"):
        made = chat.Conversation.from_dict(conversation(QUESTION, options=options), model=Sending())
    assert made.prompt("Hi").text() == "{'size': 3}"


def test_common_names_are_private() -> None:
    class Plain(Sending):
        private_options = chat.Model.private_options

    with pytest.warns(UserWarning, match="left out: base_url"):
        made = chat.Conversation.from_dict(conversation(QUESTION, options={"base_url": "http://evil"}), model=Plain())
    assert made.prompt("Hi").text() == "{}"


def test_a_log_is_stored_data(tmp_path: Path, server: Server) -> None:
    with chat.log(tmp_path / "log.db"):
        chat.get_model("test/model").prompt("Hi", extra_body={"tier": "evil"}).text()
    with pytest.warns(UserWarning, match="left out: extra_body"):
        loaded = chat.load_conversation(tmp_path / "log.db")
    loaded.prompt("And?").text()
    assert b"evil" not in server.received[-1].body


def test_a_copy_in_this_process_is_not_stored_data(native: Colour, secret: Path) -> None:
    async def scenario() -> None:
        asked = chat.get_async_model("test/model").prompt(
            "Hi", attachments=[chat.Attachment(path=secret)], extra_headers={"X-Tenant": "ours"}
        )
        await asked.text()
        secret.unlink()
        copied = await asked.to_sync_response()
        assert copied.text() == "Hello"
        assert copied.prompt.given_options == {"extra_headers": {"X-Tenant": "ours"}}
        assert copied.id == asked.id and copied.usage() == await asked.usage()
        assert copied.messages() == await asked.messages()
        assert [event.chunk for event in copied.stream_events()] == ["Hello"]

    native.run(scenario)
