"""The Responses codec: what is asked, held against the request types of OpenAI's SDK, and what answers say."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter

from mirascope_like.errors import FeatureNotSupportedError, UnsupportedParamWarning
from mirascope_like.schema.formats import Format
from mirascope_like.schema.tools import ProviderTool, Tool, WebSearchTool
from mirascope_like.types.chunks import (
    FinishReason,
    ProviderToolUsage,
    Reply,
    TextChunk,
    ToolCallChunk,
    ToolCallStartChunk,
)
from mirascope_like.types.content import (
    Audio,
    Base64AudioSource,
    Base64DocumentSource,
    Base64ImageSource,
    Citation,
    Document,
    Image,
    ProviderBlock,
    ServerToolCall,
    Text,
    TextDocumentSource,
    Thought,
    ToolCall,
    ToolOutput,
)
from mirascope_like.types.messages import AssistantMessage, Message, assistant, system, user
from mirascope_like.wire.codec import JsonObject, MalformedResponseError, ReportedError, Request, TruncatedStreamError
from mirascope_like.wire.features import find_features
from mirascope_like.wire.openai_responses.codec import OpenAIResponses

from .traffic import decode_stream, fold

PNG = Image(Base64ImageSource("iVBORw0KGgo=", "image/png"))


# -- requests ---------------------------------------------------------------------------------------------------------


def encode(*messages: Message, model: str = "gpt-5", provider: str = "openai", **fields: Any) -> JsonObject:
    """The body that is sent, once the SDK's request type has taken it."""
    request = Request(
        model=model,
        model_id=f"{provider}/{model}",
        messages=messages or (user("Hi"),),
        provider_id=provider,
        features=find_features(provider, model),
        **fields,
    )
    outgoing = OpenAIResponses().encode(request)
    assert outgoing.path == "/responses"
    check(outgoing.body)
    return outgoing.body


def check(body: JsonObject) -> None:
    """Raises unless the SDK's types allow the body. They demand ids of items, which the API does not."""
    named = [{"id": "it_1", **item} if "type" in item else item for item in body["input"]]
    _read(_adapter().validate_python({**body, "input": named, "stream": False}))


@cache
def _adapter() -> TypeAdapter[Any]:
    from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming

    return TypeAdapter(ResponseCreateParamsNonStreaming)


def _read(value: object) -> None:
    """Pydantic checks iterables as they are read."""
    if isinstance(value, Mapping):
        for member in value.values():
            _read(member)
    elif isinstance(value, Iterator | list):
        for member in value:
            _read(member)


def items(*messages: Message, **fields: Any) -> list[JsonObject]:
    return encode(*messages, **fields)["input"]


def answered(*raw: JsonObject, model: str = "openai/gpt-5") -> AssistantMessage:
    """A message as the engine makes it of an answer with these items."""
    reply = fold(OpenAIResponses().decode({"status": "completed", "output": list(raw)}))
    return assistant(reply.content, raw_message=reply.raw_message, provider_id="openai", model_id=model)


def message(text: str, **fields: Any) -> JsonObject:
    part = {"type": "output_text", "text": text, "annotations": [], **fields}
    return {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}


def call(arguments: str = '{"city":"Rome"}', **fields: Any) -> JsonObject:
    named = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "weather", "status": "completed"}
    return {**named, "arguments": arguments, **fields}


def reasoning(*summary: str, **fields: Any) -> JsonObject:
    texts = [{"type": "summary_text", "text": text} for text in summary]
    return {"type": "reasoning", "id": "rs_1", "summary": texts, **fields}


def test_a_request_stores_nothing_and_asks_for_encrypted_thoughts() -> None:
    assert encode(user("Hi"), stream=True) == {
        "model": "gpt-5",
        "input": [{"role": "user", "content": "Hi"}],
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "stream": True,
    }


@pytest.mark.parametrize(
    ("provider", "model", "asked"),
    [
        ("openai", "o3", True),
        ("openai", "gpt-5.6-terra", True),
        ("xai", "grok-4.3", True),
        ("openai", "gpt-4o", False),
        ("openai", "ft:gpt-4o:acme::1", False),
        ("xai", "grok-4-fast-non-reasoning", False),
        ("deepseek", "deepseek-v4-flash", False),
    ],
)
def test_only_models_that_think_are_asked_for_encrypted_thoughts(provider: str, model: str, asked: bool) -> None:
    assert ("include" in encode(model=model, provider=provider)) == asked


def test_system_messages_stay_where_they_are() -> None:
    assert items(system("Be kind."), user("Hi"), system("Be brief.")) == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hi"},
        {"role": "system", "content": "Be brief."},
    ]


def test_media() -> None:
    pdf = Document(Base64DocumentSource("JVBERi0=", "application/pdf"))
    notes = Document(TextDocumentSource("Notes.", "text/plain"))
    linked = Document.from_url("https://example.org/a.pdf")
    (item,) = items(user(["See:", PNG, Image.from_url("https://example.org/a.png"), pdf, notes, linked]))
    assert item["content"] == [
        {"type": "input_text", "text": "See:"},
        {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo=", "detail": "auto"},
        {"type": "input_image", "image_url": "https://example.org/a.png", "detail": "auto"},
        {"type": "input_file", "filename": "document.pdf", "file_data": "data:application/pdf;base64,JVBERi0="},
        {"type": "input_text", "text": "Notes."},
        {"type": "input_file", "file_url": "https://example.org/a.pdf"},
    ]


def test_sound_is_refused_with_a_way_out() -> None:
    with pytest.raises(FeatureNotSupportedError, match="openai:completions"):
        encode(user(Audio(Base64AudioSource("UklGRg==", "audio/wav"))))


def test_results_stand_before_what_the_user_says() -> None:
    calls = assistant([ToolCall(id="call_1", name="weather", args="{}"), ToolCall(id="call_2", name="map", args="")])
    weather = ToolOutput(id="call_1", name="weather", result={"sky": "größtenteils klar"})
    chart = ToolOutput(id="call_2", name="map", result=["Here:", PNG])
    assert items(calls, user(["Thanks!", weather, chart])) == [
        {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": "{}"},
        {"type": "function_call", "call_id": "call_2", "name": "map", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": '{"sky":"größtenteils klar"}'},
        {
            "type": "function_call_output",
            "call_id": "call_2",
            "output": [
                {"type": "input_text", "text": "Here:"},
                {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo=", "detail": "auto"},
            ],
        },
        {"role": "user", "content": "Thanks!"},
    ]


def test_an_answer_goes_back_as_it_came_but_for_ids_that_nobody_could_look_up() -> None:
    thought = reasoning("Hm.", encrypted_content="gAAA", status="completed", content=[])
    said = {**message("Let me see."), "phase": "commentary"}
    assert items(answered(thought, said, call(namespace="sky"))) == [
        {"type": "reasoning", "summary": thought["summary"], "encrypted_content": "gAAA"},
        {name: value for name, value in said.items() if name != "id"},
        {name: value for name, value in call(namespace="sky").items() if name != "id"},
    ]


def test_thoughts_in_the_clear_go_back_with_their_id() -> None:
    thought = reasoning(content=[{"type": "reasoning_text", "text": "Hm."}], encrypted_content=None)
    (sent, _) = items(answered(thought, message("Yes.")))
    assert sent == {"type": "reasoning", "id": "rs_1", "summary": [], "content": thought["content"]}


def test_thoughts_that_are_but_an_id_or_lead_to_nothing_stay_behind() -> None:
    assert [item["type"] for item in items(answered(reasoning("Hm."), message("Yes.")))] == ["message"]
    cut_off = answered(message("Yes, "), reasoning(encrypted_content="gAAA"))
    assert [item["type"] for item in items(cut_off)] == ["message"]


def test_what_the_provider_ran_goes_back_as_it_came() -> None:
    search = {
        "type": "web_search_call",
        "id": "ws_1",
        "status": "completed",
        "action": {"type": "search", "query": "x"},
    }
    assert items(answered(search, message("Found.")))[0] == search


def test_an_answer_of_another_model_goes_back_in_words() -> None:
    original = answered(reasoning("Hm.", encrypted_content="gAAA"), message("Yes."), call(), model="openai/o3")
    assert items(original) == [
        {"role": "assistant", "content": "Yes."},
        {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": '{"city":"Rome"}'},
    ]


def test_an_edited_answer_goes_back_as_edited() -> None:
    original = answered(message("Yes."))
    edited = assistant("No.", raw_message=original.raw_message, provider_id="openai", model_id="openai/gpt-5")
    assert items(edited) == [{"role": "assistant", "content": "No."}]


def test_results_of_calls_that_are_no_functions() -> None:
    custom = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_1", "name": "sql", "input": "SELECT 1"}
    shell = {"type": "shell_call", "id": "sh_1", "call_id": "call_2", "action": {"commands": ["ls"]}}
    local = {
        "type": "local_shell_call",
        "id": "lsh_1",
        "call_id": "call_3",
        "status": "completed",
        "action": {"type": "exec", "command": ["ls"], "env": {}},
    }
    patch = {
        "type": "apply_patch_call",
        "id": "apc_1",
        "call_id": "call_4",
        "status": "completed",
        "operation": {"type": "delete_file", "path": "a.txt"},
    }
    done = [{"stdout": "a.txt", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}]
    results = [
        ToolOutput(id="call_1", name="sql", result=[1]),
        ToolOutput(id="call_2", name="shell_call", result=done),
        ToolOutput(id="call_3", name="local_shell_call", result="a.txt"),
        ToolOutput(id="call_4", name="apply_patch_call", result={"status": "completed", "output": "deleted"}),
    ]
    assert items(answered(custom, shell, local, patch), user(results))[4:] == [
        {"type": "custom_tool_call_output", "call_id": "call_1", "output": "[1]"},
        {"type": "shell_call_output", "call_id": "call_2", "output": done},
        {"type": "local_shell_call_output", "id": "call_3", "output": "a.txt"},
        {"type": "apply_patch_call_output", "call_id": "call_4", "status": "completed", "output": "deleted"},
    ]


def test_params() -> None:
    body = encode(model="gpt-4o", params={"temperature": 0.0, "top_p": 0.5, "max_tokens": 50})
    assert (body["temperature"], body["top_p"], body["max_output_tokens"]) == (0.0, 0.5, 50)


@pytest.mark.parametrize(
    ("model", "params", "left_out"),
    [
        ("gpt-4o", {"seed": 0}, "seed"),
        ("gpt-4o", {"top_k": 3}, "top_k"),
        ("gpt-4o", {"stop_sequences": ["."]}, "stop_sequences"),
        ("gpt-5", {"temperature": 0.0}, "temperature"),
        ("gpt-4o", {"thinking": {"level": "high"}}, "thinking"),
    ],
)
def test_params_that_would_be_refused_are_left_out(model: str, params: Any, left_out: str) -> None:
    with pytest.warns(UnsupportedParamWarning, match=left_out):
        assert encode(model=model, params=params) == encode(model=model)


@pytest.mark.parametrize("model", ["gpt-5.1", "gpt-5.2", "gpt-5.4-mini"])
def test_who_does_not_think_may_be_sampled(model: str) -> None:
    for params in ({}, {"thinking": {"level": "none"}}, {"thinking": {"level": "default"}}):
        assert encode(model=model, params={"temperature": 0.2, **params})["temperature"] == 0.2
    with pytest.warns(UnsupportedParamWarning, match="'temperature' together with 'thinking'"):
        assert "temperature" not in encode(model=model, params={"temperature": 0.2, "thinking": {"level": "high"}})


@pytest.mark.parametrize(
    ("model", "level", "effort"),
    [
        ("gpt-5.1", "none", "none"),
        ("gpt-5.1", "minimal", "low"),
        ("gpt-5", "none", "minimal"),
        ("gpt-5.6", "max", "max"),
        ("o3", "minimal", "low"),
        ("gpt-5-pro", "low", "high"),
        ("gpt-9", "minimal", "low"),
        ("gpt-9", "max", "max"),
        ("unheard-of", "minimal", "minimal"),
        ("unheard-of", "max", "max"),
    ],
)
def test_a_model_is_asked_for_the_nearest_effort_that_it_has(model: str, level: Any, effort: str) -> None:
    assert encode(model=model, params={"thinking": {"level": level}})["reasoning"] == {"effort": effort}


@pytest.mark.parametrize(("model", "level", "effort"), [("gpt-5.1", "max", "high"), ("gpt-5.2", "max", "xhigh")])
def test_a_lower_effort_than_was_asked_for_is_told(model: str, level: Any, effort: str) -> None:
    with pytest.warns(UnsupportedParamWarning, match=f"no thinking level '{level}': '{effort}' is used"):
        assert encode(model=model, params={"thinking": {"level": level}})["reasoning"] == {"effort": effort}


def test_thoughts_are_summed_up_if_they_are_wanted() -> None:
    assert encode(params={"thinking": {"level": "default", "include_thoughts": True}})["reasoning"] == {
        "summary": "auto"
    }
    assert "reasoning" not in encode(params={"thinking": {"level": "default"}})


def weather(city: str) -> str:
    """Tell the weather."""
    return city


@pytest.mark.parametrize(("strict", "sent"), [(None, False), (False, False), (True, True)])
def test_a_tool_is_strict_only_if_it_says_so(strict: bool | None, sent: bool) -> None:
    tool = Tool(weather, strict=strict)
    assert encode(tools=[tool])["tools"] == [
        {
            "type": "function",
            "name": "weather",
            "description": "Tell the weather.",
            "parameters": tool.wire_parameters,
            "strict": sent,
        }
    ]


def test_how_tools_are_chosen() -> None:
    params = {"tool_choice": {"name": "weather"}, "parallel_tool_calls": False}
    body = encode(tools=[Tool(weather)], params=params)
    assert body["tool_choice"] == {"type": "function", "name": "weather"}
    assert body["parallel_tool_calls"] is False
    assert encode(tools=[Tool(weather)], params={"tool_choice": "required"})["tool_choice"] == "required"
    assert "tool_choice" not in encode(params=params)


def test_tools_of_the_provider() -> None:
    assert encode(provider_tools=[WebSearchTool()])["tools"] == [{"type": "web_search"}]
    with pytest.raises(FeatureNotSupportedError, match="time_machine"):
        encode(provider_tools=[ProviderTool("time_machine")])


class Book(BaseModel):
    """A book."""

    title: str


def test_formats() -> None:
    strict = Format(Book, "strict")
    assert encode(format=strict)["text"]["format"] == {
        "type": "json_schema",
        "name": "Book",
        "description": "A book.",
        "schema": strict.wire_schema,
        "strict": True,
    }
    assert encode(format=Format(Book, "json"))["text"]["format"] == {"type": "json_object"}
    assert "text" not in encode(format=Format(Book, "json"), model="llama", provider="elsewhere")
    assert "text" not in encode(format=Format(Book, "tool"))


# -- answers ----------------------------------------------------------------------------------------------------------


def response(*output: JsonObject, **fields: Any) -> JsonObject:
    return {"id": "resp_1", "model": "gpt-5-2025", "status": "completed", "error": None, "output": [*output], **fields}


def decode(*output: JsonObject, **fields: Any) -> Reply:
    return fold(OpenAIResponses().decode(response(*output, **fields)))


def stream(*events: JsonObject) -> bytes:
    return "".join(f"data: {json.dumps(event)}\n\n" for event in events).encode()


def read(*events: JsonObject) -> Reply:
    return fold(decode_stream(OpenAIResponses(), [stream(*events)]))


CREATED: JsonObject = {"type": "response.created", "response": {"id": "resp_1", "model": "gpt-5-2025", "output": []}}


def completed(*output: JsonObject, **fields: Any) -> JsonObject:
    return {"type": "response.completed", "response": response(*output, **fields)}


def added(index: int, item: JsonObject) -> JsonObject:
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def done(index: int, item: JsonObject) -> JsonObject:
    return {"type": "response.output_item.done", "output_index": index, "item": item}


def delta(kind: str, index: int, text: str, **fields: Any) -> JsonObject:
    return {"type": f"response.{kind}.delta", "output_index": index, "delta": text, **fields}


def test_a_whole_answer() -> None:
    reply = decode(
        reasoning("One.", "Two.", encrypted_content="gAAA"),
        message("Sunny."),
        call(),
        usage={
            "input_tokens": 9,
            "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3},
            "output_tokens": 7,
            "output_tokens_details": {"reasoning_tokens": 5},
        },
    )
    assert reply.content == (
        Thought("One."),
        Thought("Two."),
        Text("Sunny."),
        ToolCall(id="call_1", name="weather", args='{"city":"Rome"}'),
    )
    assert reply.usage is not None
    assert (reply.usage.input_tokens, reply.usage.cache_read_tokens, reply.usage.cache_write_tokens) == (9, 4, 3)
    assert (reply.usage.output_tokens, reply.usage.reasoning_tokens) == (7, 5)
    assert (reply.finish_reason, reply.raw_finish_reason) == (None, "completed")
    assert (reply.response_id, reply.provider_model_name) == ("resp_1", "gpt-5-2025")
    assert reply.raw_message == [reasoning("One.", "Two.", encrypted_content="gAAA"), message("Sunny."), call()]


def test_citations() -> None:
    page = {"type": "url_citation", "url": "https://example.org", "title": "Here", "start_index": 0, "end_index": 4}
    file = {"type": "file_citation", "file_id": "file_1", "filename": "a.pdf", "index": 4}
    (text,) = decode(message("Yes.", annotations=[page, file])).content
    assert text == Text(
        "Yes.",
        (Citation(url="https://example.org", title="Here", raw=page), Citation(title="a.pdf", raw=file)),
    )


def test_thoughts_are_themselves_else_their_summaries_else_none() -> None:
    content = [{"type": "reasoning_text", "text": "Long."}]
    assert decode(reasoning("Short.", content=content)).content == (Thought("Long."),)
    assert decode(reasoning("Short.")).content == (Thought("Short."),)
    assert decode(reasoning(encrypted_content="gAAA")).content == ()


def test_thoughts_that_are_summed_up_are_streamed_as_they_are() -> None:
    output = reasoning("Short.", content=[{"type": "reasoning_text", "text": "Long."}])
    assert read(
        CREATED,
        added(0, reasoning()),
        delta("reasoning_text", 0, "Lo", content_index=0),
        delta("reasoning_summary_text", 0, "Short.", summary_index=0),
        done(0, output),
        completed(output),
    ) == decode(output)


@pytest.mark.parametrize(
    ("reason", "ours"),
    [
        ("max_output_tokens", FinishReason.MAX_TOKENS),
        ("content_filter", FinishReason.REFUSAL),
        ("boredom", FinishReason.UNKNOWN),
    ],
)
def test_answers_that_are_cut_short(reason: str, ours: FinishReason | None) -> None:
    reply = decode(message("Once upon"), status="incomplete", incomplete_details={"reason": reason})
    assert (reply.finish_reason, reply.raw_finish_reason) == (ours, "incomplete")


def test_a_refusal_is_text() -> None:
    reply = decode({"type": "message", "content": [{"type": "refusal", "refusal": "I won't."}]})
    assert (reply.content, reply.finish_reason) == ((Text("I won't."),), FinishReason.REFUSAL)


def test_calls_that_are_no_functions() -> None:
    custom = {"type": "custom_tool_call", "call_id": "call_1", "name": "sql", "input": "SELECT 1"}
    shell = {"type": "local_shell_call", "call_id": "call_2", "action": {"command": ["ls"]}}
    assert decode(custom, shell, call("", call_id="call_3")).content == (
        ToolCall(id="call_1", name="sql", args="SELECT 1"),
        ToolCall(id="call_2", name="local_shell_call", args='{"command":["ls"]}'),
        ToolCall(id="call_3", name="weather", args="{}"),
    )


def test_a_shell_in_the_providers_container_is_not_the_callers_to_run() -> None:
    shell = {
        "type": "shell_call",
        "call_id": "call_1",
        "action": {"commands": ["ls"]},
        "environment": {"type": "container_reference", "container_id": "cntr_1"},
    }
    (part,) = decode(shell).content
    assert part == ServerToolCall(id="call_1", name="shell", args='{"commands":["ls"]}', raw=shell)


def test_what_the_provider_ran_and_what_is_unknown_is_kept() -> None:
    search: JsonObject = {"type": "web_search_call", "id": "ws_1", "action": {"query": "x"}}
    remote: JsonObject = {"type": "mcp_call", "id": "mcp_1", "name": "ask", "arguments": '{"q":1}', "output": "2"}
    listed: JsonObject = {"type": "mcp_list_tools", "id": "mcpl_1", "tools": []}
    novel: JsonObject = {"type": "telepathy", "waves": [1]}
    reply = decode(search, remote, search, listed, novel, usage={"input_tokens": 1, "output_tokens": 1})
    assert reply.content == (
        ServerToolCall(id="ws_1", name="web_search", args='{"query":"x"}', raw=search),
        ServerToolCall(id="mcp_1", name="ask", args='{"q":1}', raw=remote),
        ServerToolCall(id="ws_1", name="web_search", args='{"query":"x"}', raw=search),
        ProviderBlock(kind="mcp_list_tools", raw=listed),
        ProviderBlock(kind="telepathy", raw=novel),
    )
    assert reply.usage is not None and reply.usage.provider_tool_usage == (
        ProviderToolUsage(name="web_search", call_count=2),
        ProviderToolUsage(name="mcp", call_count=1),
    )


def test_a_part_of_a_message_that_is_unknown_is_kept() -> None:
    hum = {"type": "output_hum", "hum": "mmm"}
    parts = [{"type": "output_text", "text": "a"}, hum, {"type": "output_text", "text": "b"}]
    assert decode({"type": "message", "content": parts}).content == (
        Text("a"),
        ProviderBlock(kind="output_hum", raw=hum),
        Text("b"),
    )


def test_a_failed_answer_is_an_error() -> None:
    with pytest.raises(ReportedError, match="Too much") as caught:
        decode(status="failed", error={"code": "rate_limit_exceeded", "message": "Too much."})
    assert caught.value.code == "rate_limit_exceeded"
    with pytest.raises(ReportedError, match="no reason"):
        decode(status="failed")


@pytest.mark.parametrize("body", ["Bad gateway", None, [], {}, {"choices": []}, {"output": [{"type": ["x"]}]}])
def test_what_is_no_answer(body: Any) -> None:
    with pytest.raises(MalformedResponseError):
        OpenAIResponses().decode(body)


def test_deltas_are_said_as_they_come() -> None:
    decoder = OpenAIResponses().decoder()
    decoder.feed(stream(CREATED, added(0, {"type": "message", "content": []})))
    assert TextChunk("Sun") in decoder.feed(stream(delta("output_text", 0, "Sun")))
    decoder.feed(stream(done(0, message("Sun"))))
    assert decoder.feed(stream(added(1, call("")))) == [ToolCallStartChunk("call_1", "weather")]
    assert decoder.feed(stream(delta("function_call_arguments", 1, '{"a'))) == [ToolCallChunk("call_1", '{"a')]


@pytest.mark.parametrize("missing", [(), (1,), (2, 3), (1, 2, 3, 4, 5, 6, 7, 8, 9)], ids=str)
def test_a_stream_says_what_its_last_event_says_whatever_it_leaves_out(missing: Iterable[int]) -> None:
    cited = {"type": "url_citation", "url": "https://example.org"}
    output = (reasoning("Hm.", "So."), message("Sunny.", annotations=[cited]), call())
    annotation = {"type": "response.output_text.annotation.added", "output_index": 1, "annotation": cited}
    events = [
        CREATED,
        added(0, reasoning()),
        delta("reasoning_summary_text", 0, "Hm.", summary_index=0),
        delta("reasoning_summary_text", 0, "So.", summary_index=1),
        done(0, output[0]),
        added(1, {"type": "message", "content": []}),
        delta("output_text", 1, "Sun"),
        annotation,
        delta("output_text", 1, "ny."),
        done(1, output[1]),
        added(2, call("")),
        delta("function_call_arguments", 2, '{"city":'),
        {"type": "keepalive"},
        completed(*output, usage={"input_tokens": 1, "output_tokens": 2}),
    ]
    kept = [event for place, event in enumerate(events) if place not in missing]
    assert read(*kept) == decode(*output, usage={"input_tokens": 1, "output_tokens": 2})


@pytest.mark.parametrize("part_done", [False, True])
def test_sources_that_come_late_are_of_their_own_text(part_done: bool) -> None:
    cited = {"type": "url_citation", "url": "https://example.org"}
    parts: list[JsonObject] = [
        {"type": "output_text", "text": "One.", "annotations": [cited]},
        {"type": "output_text", "text": "Two.", "annotations": []},
    ]
    output = {**message(""), "content": parts}
    ended = {"type": "response.content_part.done", "output_index": 0, "content_index": 0, "part": parts[0]}
    decoder = OpenAIResponses().decoder()
    chunks = decoder.feed(
        stream(
            CREATED,
            added(0, {"type": "message", "content": []}),
            delta("output_text", 0, "One", content_index=0),
            *([ended] if part_done else []),
            delta("output_text", 0, "Two.", content_index=1),
        )
    )
    assert (TextChunk("Two.") in chunks) == part_done  # it waits only as long as a source may come
    chunks += decoder.feed(stream(done(0, output), completed(output)))
    assert fold(chunks) == decode(output)


def test_a_stream_that_is_read_from_its_middle_says_everything_at_its_end() -> None:
    output = (message("One, two."), message("Three, four."))
    rest = (delta("output_text", 1, "four.", content_index=0), done(1, output[1]), completed(*output))
    assert read(*rest) == decode(*output)


def test_items_that_come_mixed_are_said_in_order() -> None:
    output = (message("One."), call(), message("Two."))
    assert read(
        CREATED,
        added(0, {"type": "message", "content": []}),
        added(1, call("")),
        added(2, {"type": "message", "content": []}),
        delta("output_text", 2, "Tw"),
        delta("output_text", 0, "One"),
        delta("function_call_arguments", 1, '{"city":"Rome"}'),
        done(2, output[2]),
        done(1, output[1]),
        done(0, output[0]),
        completed(*output),
    ) == decode(*output)


def test_a_last_event_without_items_ends_what_was_streamed() -> None:
    output = (message("Yes."), call())
    assert read(CREATED, done(0, output[0]), done(1, output[1]), completed()) == decode(*output)


@pytest.mark.parametrize("ending", [{}, {"output": None}, {"output": []}], ids=str)
def test_what_was_heard_is_kept_if_the_last_event_does_not_bring_it(ending: JsonObject) -> None:
    body = {name: value for name, value in response().items() if name != "output"}
    last = {"type": "response.completed", "response": {**body, **ending}}
    assert read(delta("output_text", 0, "Hi"), last).content == (Text("Hi"),)
    assert read(delta("reasoning_text", 0, "Hm."), delta("refusal", 1, "No."), last).content == (
        Thought("Hm."),
        Text("No."),
    )
    mixed = (
        added(0, call("", call_id="a")),
        added(1, call("", call_id="b")),
        added(2, {"type": "message", "content": []}),
        added(3, call("", call_id="c")),
        delta("function_call_arguments", 1, '{"b"'),
        delta("function_call_arguments", 0, '{"a":1}'),
        delta("output_text", 2, "Lost if "),
        delta("function_call_arguments", 1, ":2}"),
        done(2, message("Done.")),
        delta("function_call_arguments", 3, '{"c":'),
    )
    assert read(CREATED, *mixed, last).content == (
        ToolCall(id="a", name="weather", args='{"a":1}'),
        ToolCall(id="b", name="weather", args='{"b":2}'),
        Text("Done."),
        ToolCall(id="c", name="weather", args='{"c":'),
    )
    assert read(CREATED, *mixed, last).raw_message == [message("Done.")]  # what the server wrote


def test_done_markers_and_events_without_a_type_in_their_name_are_fine() -> None:
    data = stream(CREATED, completed(message("Yes."))) + b"data: [DONE]\n\n"
    assert fold(decode_stream(OpenAIResponses(), [data])) == decode(message("Yes."))


def test_a_stream_without_its_last_event_is_truncated() -> None:
    with pytest.raises(TruncatedStreamError):
        read(CREATED, done(0, message("Yes.")))


FAILED: JsonObject = {
    "type": "response.failed",
    "response": response(status="failed", error={"code": "x", "message": "A."}),
}


@pytest.mark.parametrize(
    ("events", "message_", "code"),
    [
        ([FAILED], "A.", "x"),
        ([{"type": "error", "error": {"code": "y", "message": "B."}}, FAILED], "A.", "x"),
        ([{"type": "error", "error": {"code": "y", "message": "B."}}], "B.", "y"),
        ([{"type": "error", "code": "y", "message": "B.", "sequence_number": 2}, {"type": "keepalive"}], "B.", "y"),
        ([{"error": {"code": 502, "message": "B."}}], "B.", "502"),
    ],
)
def test_errors_in_a_stream(events: list[JsonObject], message_: str, code: str) -> None:
    with pytest.raises(ReportedError) as caught:
        read(CREATED, *events)
    assert (caught.value.message, caught.value.code) == (message_, code)
