"""Whatever was done to a conversation, whoever answered in it: it can be sent to anybody."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from mirascope_like import llm
from mirascope_like.transport.base import HttpReply, HttpRequest
from mirascope_like.transport.in_memory import MemoryTransport
from mirascope_like.types.params import Params
from mirascope_like.wire.features import ChatDialect
from mirascope_like.wire.openai_chat.codec import OpenAIChat

from ..wire.wire_rules import chat_breaches, messages_breaches, responses_breaches

# -- targets -----------------------------------------------------------------------------------------------------------


class Recorder:
    """A transport that keeps what is sent, and answers nothing much."""

    def __init__(self) -> None:
        self.bodies: list[Any] = []
        self.transport = MemoryTransport(self._answer)

    def _answer(self, request: HttpRequest) -> HttpReply:
        self.bodies.append(json.loads(request.body))
        answer = {"choices": [{"message": {"content": "Yes."}}], "content": [], "output": []}
        return HttpReply(200, {}, json.dumps(answer).encode())


def _strict() -> llm.HTTPProvider:
    """A server behind a strict chat template."""
    dialect = ChatDialect(system="first", must_alternate_roles=True)
    return llm.HTTPProvider(
        id="strict", codec=lambda *_: (OpenAIChat(dialect), "x"), default_base_url="http://x", needs_key=False
    )


TARGETS: dict[str, tuple[str, Callable[[Any], Iterator[str]]]] = {
    "openai chat": ("openai/gpt-4o:completions", lambda body: chat_breaches(body, vendor="openai")),
    "openai responses": ("openai/gpt-5:responses", responses_breaches),
    "mistral": ("mistral/mistral-large", lambda body: chat_breaches(body, vendor="mistral")),
    "groq": ("groq/llama", lambda body: chat_breaches(body, vendor="plain")),
    "strict": ("strict/x", lambda body: chat_breaches(body, vendor="strict")),
    "claude": ("anthropic/claude-sonnet-4-5", lambda body: messages_breaches(body, prefill=True)),
    "later claude": ("anthropic/claude-opus-4-8", lambda body: messages_breaches(body, prefill=False)),
}


def sent(model_id: str, messages: Sequence[llm.Message], **params: Any) -> Any:
    """The body in which a model is sent these messages."""
    recorder = Recorder()
    provider = model_id.partition("/")[0]
    if provider == "strict":
        llm.register_provider(replace(_strict(), transport=recorder.transport), scope="strict/")
    else:
        llm.register_provider(provider, api_key="key", transport=recorder.transport)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", llm.UnsupportedParamWarning)
        llm.Model(model_id, **params).call(list(messages))
    return recorder.bodies[0]


# -- conversations -----------------------------------------------------------------------------------------------------

IDS = st.sampled_from(
    ["a", "b", "a_2", "functions.look:0", "", "x" * 70, "toolu_1", "naïve", "line\nbreak", "123456789"]
)
NAMES = st.sampled_from(["look", "look up!", "", "n" * 80, "öffnen"])
ARGS = st.sampled_from(["{}", '{"at": "x"}', "", '{"cut": "of', "[1]", "null", "{}  "])
TEXTS = st.sampled_from(["", " ", "\n", "Hi", "Hi ", "日本語"])
PIXEL = llm.Image.from_url("https://example.org/p.png")

calls = st.builds(llm.ToolCall, id=IDS, name=NAMES, args=ARGS)
outputs = st.builds(llm.ToolOutput, id=IDS, name=NAMES, result=TEXTS | st.sampled_from([1, ["a", PIXEL], PIXEL]))
texts = st.builds(llm.Text, TEXTS)
thoughts = st.builds(llm.Thought, TEXTS)


def raw_of(protocol: str, content: Sequence[Any]) -> Any:
    """An answer with this content in a provider's own form."""
    said = [part.text for part in content if isinstance(part, llm.Text)]
    asked = [part for part in content if isinstance(part, llm.ToolCall)]
    thought = any(isinstance(part, llm.Thought) for part in content)
    return {"messages": _raw_blocks, "input": _raw_items, "chat": _raw_chat}[protocol](said, asked, thought)


def _raw_blocks(said: list[str], asked: list[llm.ToolCall], thought: bool) -> Any:
    blocks: list[Any] = [{"type": "thinking", "thinking": "hm", "signature": "SIGNED"}] if thought else []
    blocks += [{"type": "text", "text": text} for text in said]
    blocks += [{"type": "tool_use", "id": call.id, "name": call.name, "input": _object(call.args)} for call in asked]
    return {"role": "assistant", "content": blocks}


def _raw_items(said: list[str], asked: list[llm.ToolCall], thought: bool) -> Any:
    items: list[Any] = [{"type": "reasoning", "id": "rs", "encrypted_content": "SIGNED"}] if thought else []
    parts = [{"type": "output_text", "text": text, "annotations": []} for text in said]
    items.append({"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": parts})
    for call in asked:
        items.append({"type": "function_call", "call_id": call.id, "name": call.name, "arguments": call.args})
    return items


def _raw_chat(said: list[str], asked: list[llm.ToolCall], thought: bool) -> Any:
    raw: dict[str, Any] = {"role": "assistant", "content": "".join(said) or None}
    for call in asked:
        function = {"name": call.name, "arguments": call.args}
        raw.setdefault("tool_calls", []).append({"type": "function", "id": call.id, "function": function})
    return {**raw, "reasoning_content": "SIGNED"} if thought else raw


def _object(args: str) -> Any:
    try:
        value = json.loads(args)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


@st.composite
def answers(draw: st.DrawFn) -> llm.AssistantMessage:
    """What some model said, perhaps in its own form too."""
    few = (st.lists(thoughts, max_size=1), st.lists(texts, max_size=2), st.lists(calls, max_size=3))
    content = [part for parts in few for part in draw(parts)]
    model_id = draw(st.sampled_from([None, *(model_id for model_id, _ in TARGETS.values())]))
    if model_id is None:
        return llm.messages.assistant(content)
    protocol = "messages" if "claude" in model_id else "input" if "responses" in model_id else "chat"
    return llm.messages.assistant(
        content, model_id=model_id, provider_id=model_id.partition("/")[0], raw_message=raw_of(protocol, content)
    )


users = st.lists(texts | outputs | st.just(PIXEL), max_size=3).map(llm.messages.user)
systems = TEXTS.map(llm.messages.system)


@st.composite
def answered(draw: st.DrawFn) -> list[llm.Message]:
    """An answer, and the results of its calls."""
    answer = draw(answers())
    results = [
        llm.ToolOutput(id=part.id, name=part.name, result="r")
        for part in answer.content
        if isinstance(part, llm.ToolCall)
    ]
    return [answer, llm.messages.user(results)] if results else [answer]


@st.composite
def edited(draw: st.DrawFn) -> list[llm.Message]:
    """A conversation in which messages were added, taken out, doubled and moved."""
    turns = draw(
        st.lists(answered() | users.map(lambda user: [user]) | systems.map(lambda system: [system]), max_size=5)
    )
    messages = [message for turn in turns for message in turn]
    for kind in draw(st.lists(st.sampled_from(["remove", "double", "move", "insert"]), max_size=4)):
        at, to = draw(st.integers(0, 9)), draw(st.integers(0, 9))
        if kind == "insert":
            messages.insert(at, draw(users | answers() | systems))
        elif messages:
            message = messages[at % len(messages)]
            if kind != "double":
                del messages[at % len(messages)]
            if kind != "remove":
                messages.insert(to, message)
    return messages or [llm.messages.user("Hi")]


PARAMS: st.SearchStrategy[Params] = st.sampled_from(
    [{}, {"thinking": {"level": "high"}}, {"thinking": {"level": "low", "encode_thoughts_as_text": True}}]
)


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(messages=edited(), params=PARAMS)
def test_any_conversation_can_be_sent_to_anybody(target: str, messages: list[llm.Message], params: Params) -> None:
    model_id, breaches = TARGETS[target]
    body = sent(model_id, messages, **params)
    assert list(breaches(body)) == [], json.dumps(body.get("messages") or body.get("input"), indent=1)


# -- what becomes of what cannot be sent as it is ----------------------------------------------------------------------


def call(id: str) -> llm.ToolCall:
    return llm.ToolCall(id=id, name="look", args="{}")


def result(id: str, value: Any = "seen") -> llm.ToolOutput[Any]:
    return llm.ToolOutput(id=id, name="look", result=value)


user, assistant, system = llm.messages.user, llm.messages.assistant, llm.messages.system


def shape(messages: Sequence[llm.Message], target: str = "groq") -> list[str]:
    """Role and content, or ids, of each message that is sent."""
    shown: list[str] = []
    for message in sent(TARGETS[target][0], messages)["messages"]:
        asked = " ".join(call["id"] for call in message.get("tool_calls", ()))
        content = message["content"]
        text = content if isinstance(content, str | None) else " | ".join(part["text"] for part in content)
        shown.append(f"{message['role']}: {asked or message.get('tool_call_id') or text}")
    return shown


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        pytest.param(
            [user("?"), assistant(call("a")), user("Wait."), user(result("a"))],
            ["user: ?", "assistant: a", "tool: a", "user: Wait."],
            id="results-stand-behind-their-calls",
        ),
        pytest.param(
            [user("?"), assistant(call("a")), system("!"), assistant("Hm."), user([result("a"), "So?"])],
            ["user: ?", "assistant: a", "tool: a", "system: !", "assistant: Hm.", "user: So?"],
            id="also-over-answers",
        ),
        pytest.param(
            [user("?"), assistant([call("a"), call("b")]), user(result("b")), user(result("a"))],
            ["user: ?", "assistant: a b", "tool: a", "tool: b"],
            id="results-of-one-message-stand-together",
        ),
        pytest.param(
            [user("?"), assistant(["Let me look.", call("a")]), user("No.")],
            ["user: ?", "assistant: Let me look.", "user: No."],
            id="a-call-without-result-is-not-sent",
        ),
        pytest.param(
            [user([result("a", {"n": 1}), "?"])],
            ['user: Result of look:\n{"n":1} | ?'],
            id="a-result-without-call-is-told",
        ),
        pytest.param(
            [user("?"), assistant(call("a")), user([result("a"), result("a")]), user(result("a"))],
            ["user: ?", "assistant: a", "tool: a"],
            id="what-is-said-twice-is-sent-once",
        ),
        pytest.param(
            [user("?"), assistant(call("a")), user([result("a"), result("a", "other")])],
            ["user: ?", "assistant: a", "tool: a", "user: Result of look:\nother"],
            id="another-result-is-told",
        ),
        pytest.param(
            [user("?"), assistant(call("a")), user(result("a")), assistant(call("a")), user(result("a"))],
            ["user: ?", "assistant: a", "tool: a", "assistant: a_2", "tool: a_2"],
            id="later-calls-of-one-id-are-numbered",
        ),
        pytest.param([assistant([llm.Thought("hm"), call("a")])], ["user: (no text)"], id="nothing-is-left"),
    ],
)  # fmt: skip
def test_calls_and_results(messages: list[llm.Message], expected: list[str]) -> None:
    assert shape(messages) == expected


def test_mistral_is_told_in_its_order() -> None:
    history = [system("A"), user("?"), assistant(call("a")), user([result("a"), "So?"]), system("B"), assistant("Well")]
    body = sent("mistral/x", history)
    roles = [message["role"] for message in body["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "assistant", "user", "user", "assistant"]
    assert body["messages"][-2]["content"] == "<system>\nB\n</system>"
    assert body["messages"][-1] == {"role": "assistant", "content": "Well", "prefix": True}


@pytest.mark.parametrize(("target", "can_continue_text"), [("claude", False), ("later claude", True)])
def test_what_the_model_is_to_go_on_with(target: str, can_continue_text: bool) -> None:
    *_, last = sent(TARGETS[target][0], [user("Count."), assistant("One, two, ")])["messages"]
    assert last["content"][-1]["text"] == ("Go on." if can_continue_text else "One, two,")


def test_who_called_tools_without_a_thought_goes_on_so() -> None:
    model = TARGETS["claude"][0]
    thinking: Any = {"level": "high"}
    assert "thinking" in sent(model, [user("?")], thinking=thinking)
    history = [user("?"), assistant(call("a")), user(result("a"))]
    assert "thinking" not in sent(model, history, thinking=thinking)
    assert "thinking" in sent(model, [*history, assistant("So."), user("Sure?")], thinking=thinking)


@pytest.mark.parametrize("target", TARGETS)
def test_the_beginning_of_a_conversation_is_sent_alike_in_every_turn(target: str) -> None:
    """Or no cache would know it again."""
    turns: list[llm.Message] = [system("Be brief.")]
    before: list[Any] = []
    for number in range(4):
        turns += [user(f"{number}?"), assistant([llm.Text("Hm."), call("functions.look:0")])]
        turns += [user(result("functions.look:0")), assistant(f"{number}!")]
        body = sent(TARGETS[target][0], [*turns, user("And?")])
        now = json.loads(
            json.dumps(body.get("messages") or body["input"]).replace(', "cache_control": {"type": "ephemeral"}', "")
        )
        assert now[: len(before)] == before
        before = now[:-1]


@pytest.mark.parametrize("target", ["openai chat", "openai responses", "groq", "claude", "later claude"])
def test_an_answer_in_order_goes_back_verbatim_whatever_is_mended_around_it(target: str) -> None:
    model_id = TARGETS[target][0]
    protocol = "messages" if "claude" in target else "input" if "responses" in target else "chat"
    content = [llm.Thought("hm"), llm.Text("Let me look."), call("same")]
    own = assistant(
        content, model_id=model_id, provider_id=model_id.partition("/")[0], raw_message=raw_of(protocol, content)
    )
    answer = [own, user(result("same"))]
    body = sent(
        model_id, [user(result("lost")), *answer, user("Again."), *answer, assistant(call("open")), user("So?")]
    )
    assert json.dumps(body).count("SIGNED") == 2
    assert '"same_2"' in json.dumps(body)
