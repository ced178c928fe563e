"""What codecs send: always what the vendor's request types allow, and answers as they came."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from anthropic.types import message_create_params
from hypothesis import HealthCheck, given, settings, strategies as st
from openai.types.chat import completion_create_params
from openai.types.responses import response_create_params

from mirascope_like.errors import FeatureNotSupportedError, UnsupportedParamWarning
from mirascope_like.types import content as c
from mirascope_like.types.messages import AssistantMessage, Message, assistant, user
from mirascope_like.types.params import Params
from mirascope_like.wire.anthropic.codec import AnthropicMessages
from mirascope_like.wire.codec import Codec, Request
from mirascope_like.wire.features import UNKNOWN, find_features, get_chat_dialect
from mirascope_like.wire.openai_chat.codec import OpenAIChat
from mirascope_like.wire.openai_responses.codec import OpenAIResponses

from ..types import strategies
from . import traffic
from .exceptions import DIFFERENT
from .traffic import Record, codec_of
from .vendor_types import mismatches

TYPES: dict[str, Any] = {
    "chat_completions": completion_create_params.CompletionCreateParams,
    "responses": response_create_params.ResponseCreateParams,
    "messages": message_create_params.MessageCreateParams,
}
CODECS: dict[str, Codec] = {
    "chat_completions": OpenAIChat(get_chat_dialect("openai")),
    "responses": OpenAIResponses(),
    "messages": AnthropicMessages(),
}
PROVIDERS = {"chat_completions": "openai", "responses": "openai", "messages": "anthropic"}
MODELS = ["gpt-4o", "gpt-5", "o3", "gpt-6-luna", "gpt-9", "unheard-of"]
MODELS += ["claude-3-5-haiku-latest", "claude-sonnet-4-5", "claude-opus-4-8", "claude-sonnet-5-5", "claude-opus-7"]
# Fields that the API takes though the vendor's types have no name for them any more.
BESIDE = {"temperature", "top_p", "top_k"}

params = st.fixed_dictionaries(
    {},
    optional={
        "temperature": st.floats(0, 1),
        "top_p": st.floats(0, 1),
        "top_k": st.integers(1, 100),
        "max_tokens": st.integers(1, 100_000),
        "seed": st.integers(0, 2**31),
        "stop_sequences": st.lists(st.sampled_from(["\n", "END"]), max_size=2),
        "thinking": st.none()
        | st.fixed_dictionaries(
            {"level": st.sampled_from(["none", "default", "minimal", "low", "medium", "high", "xhigh", "max"])},
            optional={"include_thoughts": st.booleans(), "encode_thoughts_as_text": st.booleans()},
        ),
        "tool_choice": st.sampled_from(["auto", "none", "required", {"name": "look_up"}]),
        "parallel_tool_calls": st.booleans(),
    },
)


@dataclass(frozen=True)
class SomeTool:
    """A tool, as a codec sees it."""

    name: str = "look_up"
    description: str = "Looks something up."
    strict: bool | None = None
    wire_parameters: dict[str, Any] = field(default_factory=lambda: {"type": "object", "properties": {}})


@pytest.mark.parametrize("endpoint", CODECS)
@settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow])
@given(
    messages=st.lists(strategies.messages, min_size=1, max_size=4),
    params=params,
    model=st.sampled_from(MODELS),
    tools=st.lists(st.builds(SomeTool, strict=st.sampled_from([None, True, False])), max_size=1),
    stream=st.booleans(),
)
def test_requests_are_what_the_vendor_allows(
    endpoint: str, messages: list[Message], params: Params, model: str, tools: list[SomeTool], stream: bool
) -> None:
    provider = PROVIDERS[endpoint]
    request = Request(
        model=model,
        messages=messages,
        params=params,
        tools=tools,
        provider_id=provider,
        model_id=f"{provider}/{model}",
        features=find_features(provider, model),
        stream=stream,
    )
    with _forgiving():
        body = CODECS[endpoint].encode(request).body
        plain = json.loads(json.dumps(body))
        assert plain == body
        assert not mismatches({name: body[name] for name in body if name not in BESIDE}, TYPES[endpoint])


@pytest.mark.parametrize("endpoint", CODECS)
@given(message=strategies.assistant_messages)
def test_a_raw_message_that_is_not_of_the_protocol_does_no_harm(endpoint: str, message: AssistantMessage) -> None:
    ours = replace(message, provider_id="openai", model_id="openai/m")
    request = Request(model="m", messages=[user("Hi"), ours], provider_id="openai", model_id="openai/m")
    CODECS[endpoint].encode(request)


@pytest.mark.parametrize("endpoint", ["chat_completions", "responses"])
def test_the_raw_message_of_another_protocol_is_not_sent(endpoint: str) -> None:
    """The same model may be asked by either of OpenAI's protocols."""
    encode = CODECS[endpoint].encode
    for record in traffic.samples():
        if record["endpoint"] in (endpoint, "messages") or record["expected"]["error"]:
            continue
        reply = traffic.decode(record)
        message = assistant(reply.content, provider_id="openai", model_id="openai/m", raw_message=reply.raw_message)
        request = Request(model="m", messages=[user("Hi"), message], provider_id="openai", model_id="openai/m")
        foreign = replace(request, messages=[user("Hi"), replace(message, raw_message=None)])
        assert encode(request).body == encode(foreign).body, record["id"]


def test_answers_go_back_as_they_came(answers: list[tuple[Record, AssistantMessage]]) -> None:
    """To the model that gave them: signatures and encrypted thoughts are not touched."""
    for record, message in answers:
        sent = json.dumps(_history(record, message))
        for secret in _opaque(message.raw_message):
            assert json.dumps(secret) in sent, record["id"]


def test_sending_history_changes_nothing_in_it(answers: list[tuple[Record, AssistantMessage]]) -> None:
    for record, message in answers:
        before = deepcopy(message.raw_message)
        _history(record, message)
        assert message.raw_message == before, record["id"]


def test_edited_answers_are_sent_as_edited(answers: list[tuple[Record, AssistantMessage]]) -> None:
    for record, message in answers:
        edited = replace(message, content=[c.Text("Edited by hand.")])
        sent = json.dumps(_history(record, edited))
        assert "Edited by hand." in sent, record["id"]
        assert not any(json.dumps(secret) in sent for secret in _opaque(message.raw_message)), record["id"]


def test_other_models_get_no_secrets(answers: list[tuple[Record, AssistantMessage]]) -> None:
    for record, message in answers:
        sent = json.dumps(_history(record, replace(message, model_id="openai/other")))
        assert not any(json.dumps(secret) in sent for secret in _opaque(message.raw_message)), record["id"]


@pytest.fixture(params=["samples", "traffic"])
def answers(request: pytest.FixtureRequest) -> list[tuple[Record, AssistantMessage]]:
    """Recorded answers as messages of history."""
    records = traffic.samples() if request.param == "samples" else traffic.traffic()
    found: list[tuple[Record, AssistantMessage]] = []
    for record in records:
        if record["expected"]["error"] or record["id"] in DIFFERENT:
            continue
        reply = traffic.decode(record)
        if all(
            isinstance(part, c.Thought) or (isinstance(part, c.Text) and part.text.isspace()) for part in reply.content
        ):
            continue  # thoughts that led to nothing are refused, and so not sent
        message = assistant(reply.content, provider_id="openai", model_id="openai/this", raw_message=reply.raw_message)
        found.append((record, message))
    return found


def _history(record: Record, message: AssistantMessage) -> Any:
    """What is sent of an answer."""
    request = Request(
        model="this",
        messages=[user("Hi"), message, user("Go on.")],
        provider_id="openai",
        model_id="openai/this",
        features=UNKNOWN,
    )
    body = codec_of(record).encode(request).body
    return body.get("messages") or body.get("input")


def _opaque(raw: Any) -> Iterator[str]:
    """All that is signed or encrypted in a message."""
    if isinstance(raw, list):
        for item in raw:
            yield from _opaque(item)
    elif isinstance(raw, dict):
        for name, value in raw.items():
            if name in ("signature", "encrypted_content", "data", "thinking_signature") and isinstance(value, str):
                yield value
            else:
                yield from _opaque(value)


@contextmanager
def _forgiving() -> Iterator[None]:
    """Not all that can be said can be sent everywhere: that is told by these, and nothing else."""
    with warnings.catch_warnings(), suppress(FeatureNotSupportedError):
        warnings.simplefilter("ignore", UnsupportedParamWarning)
        yield
