"""What the vendors' servers refuse of a conversation: an independent reading of their rules, one line for each breach.

Sources: the API references of OpenAI and Anthropic and the messages of their 400s, and Mistral's validator
(mistral-common). The code under test is not looked at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def chat_breaches(body: Mapping[str, Any], *, vendor: str) -> Iterator[str]:
    """Of chat completions: `vendor` is "openai", "mistral", "strict" (servers with strict templates) or "plain"."""
    messages: Sequence[Mapping[str, Any]] = body["messages"]
    if not messages:
        yield "no messages"
        return
    waiting: list[str] = []
    for index, message in enumerate(messages):
        role, content, calls = message["role"], message.get("content"), message.get("tool_calls")
        before = messages[index - 1]["role"] if index else None
        if role == "tool":
            if message["tool_call_id"] not in waiting:
                yield f"{index}: a result of no call just before"
            else:
                waiting.remove(message["tool_call_id"])
        elif waiting:
            yield f"{index}: calls without results: {waiting}"
            waiting = []
        if content == [] or calls == []:
            yield f"{index}: an empty array"
        if content is None and not calls:
            yield f"{index}: no content"
        if isinstance(content, list) and any(part.get("text") == "" for part in content):
            yield f"{index}: an empty part"
        if role == "assistant":
            waiting = [call["id"] for call in calls or ()]
            if len(set(waiting)) < len(waiting):
                yield f"{index}: one id for two calls"
            for call in calls or ():
                yield from _chat_call(call, vendor, index)
            if not content and not calls and not message.get("refusal"):
                yield f"{index}: an assistant that says nothing"
        if "name" in message and not NAME.fullmatch(message["name"]):
            yield f"{index}: name"
        yield from (_mistral if vendor == "mistral" else _strict if vendor == "strict" else _nothing)(
            message, before, index
        )
    if waiting:
        yield f"calls without results at the end: {waiting}"
    if vendor == "mistral" and messages[-1]["role"] == "assistant" and not messages[-1].get("prefix"):
        yield "the last message is the assistant's"


def _chat_call(call: Mapping[str, Any], vendor: str, index: int) -> Iterator[str]:
    pattern = {"openai": r"(?s:.{1,40})", "mistral": "[a-zA-Z0-9]{9}"}.get(vendor, r"(?s:.+)")
    if not re.fullmatch(pattern, call["id"]):
        yield f"{index}: id {call['id']!r}"
    if call["type"] == "function":
        if not NAME.fullmatch(call["function"]["name"]):
            yield f"{index}: name {call['function']['name']!r}"
        if vendor != "openai" and not isinstance(_json(call["function"]["arguments"]), dict):
            yield f"{index}: arguments {call['function']['arguments']!r}"


def _nothing(message: Mapping[str, Any], before: str | None, index: int) -> Iterator[str]:
    yield from ()


def _mistral(message: Mapping[str, Any], before: str | None, index: int) -> Iterator[str]:
    role = message["role"]
    after = {
        None: ("system", "user", "assistant"),
        "system": ("user", "assistant", "system"),
        "user": ("assistant", "system", "user"),
        "assistant": ("assistant", "user", "tool"),
        "tool": ("assistant", "tool"),
    }
    if role not in after[before]:
        yield f"{index}: unexpected role {role!r} after role {before!r}"


def _strict(message: Mapping[str, Any], before: str | None, index: int) -> Iterator[str]:
    role = message["role"]
    if role == "system" and index:
        yield f"{index}: system message must be at the beginning"
    if role in ("user", "assistant") and role == before:
        yield f"{index}: roles must alternate"
    if role == "assistant" and before in (None, "system"):
        yield f"{index}: the user must begin"


def responses_breaches(body: Mapping[str, Any]) -> Iterator[str]:
    """Of the Responses API."""
    if not body["input"]:
        yield "no input"
    calls: list[str] = []
    results: list[str] = []
    for index, item in enumerate(body["input"]):
        kind = item.get("type", "message")
        if kind == "function_call":
            calls.append(item["call_id"])
            if not re.fullmatch("[a-zA-Z0-9_-]{1,64}", item["call_id"]):
                yield f"{index}: call_id {item['call_id']!r}"
            if not NAME.fullmatch(item["name"]):
                yield f"{index}: name {item['name']!r}"
        elif kind == "function_call_output":
            results.append(item["call_id"])
            if item["call_id"] not in calls:
                yield f"{index}: no tool call found for this output"
        elif kind == "message":
            if item["content"] in ([], None):
                yield f"{index}: no content"
            elif isinstance(item["content"], list) and {"type": "input_text", "text": ""} in item["content"]:
                yield f"{index}: an empty part"
        elif kind == "reasoning":
            if index + 1 == len(body["input"]):
                yield f"{index}: reasoning without its following item"
            if item.get("id") and not item.get("encrypted_content") and not item.get("content"):
                yield f"{index}: reasoning that has to be looked up"
    if sorted(calls) != sorted(results):
        yield f"calls {calls}, results {results}"
    if len(set(calls)) < len(calls):
        yield f"one id for two calls: {calls}"


def messages_breaches(body: Mapping[str, Any], *, prefill: bool) -> Iterator[str]:
    """Of Anthropic's Messages API; `prefill` if the model takes a last turn of its own."""
    turns: Sequence[Mapping[str, Any]] = body["messages"]
    if not turns or turns[0]["role"] != "user":
        yield "the first turn is not the user's"
    seen: set[str] = set()
    waiting: list[str] = []
    for index, turn in enumerate(turns):
        role, blocks = turn["role"], turn["content"]
        if index and role == turns[index - 1]["role"]:
            yield f"{index}: two turns of one role"
        if role == "system":
            continue
        if not blocks:
            yield f"{index}: no content"
            continue
        kinds = [block["type"] for block in blocks]
        if any(block["type"] == "text" and not block["text"].strip() for block in blocks):
            yield f"{index}: a blank text"
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        if sorted(results) != sorted(waiting):
            yield f"{index}: calls {waiting}, results {results}"
        if "tool_result" in kinds[len(results) :]:
            yield f"{index}: results behind other content"
        waiting = [block["id"] for block in blocks if block["type"] == "tool_use"]
        for block in blocks:
            if block["type"] != "tool_use":
                continue
            if not re.fullmatch("[a-zA-Z0-9_-]{1,64}", block["id"]) or not NAME.fullmatch(block["name"]):
                yield f"{index}: {block['id']!r} {block['name']!r}"
            if block["id"] in seen:
                yield f"{index}: `tool_use` ids must be unique"
            if not isinstance(block["input"], dict):
                yield f"{index}: input"
            seen.add(block["id"])
        if role == "assistant" and kinds[-1] in ("thinking", "redacted_thinking"):
            yield f"{index}: the final block cannot be a thought"
    yield from _last_turn(body, turns, waiting, prefill)


def _last_turn(
    body: Mapping[str, Any], turns: Sequence[Mapping[str, Any]], waiting: list[str], prefill: bool
) -> Iterator[str]:
    thinks = body.get("thinking", {}).get("type") in ("enabled", "adaptive")
    if waiting:
        yield "calls without results at the end"
    last = turns[-1]
    if last["role"] == "assistant":
        if not prefill or thinks:
            yield "the conversation must end with a user message"
        if last["content"][-1].get("text", "x") != last["content"][-1].get("text", "x").rstrip():
            yield "the final text ends with a space"
        if any(block["type"] == "thinking" for block in last["content"]):
            yield "a final assistant message cannot contain thoughts"
    elif (
        body.get("thinking", {}).get("type") == "enabled"
        and last["content"][0]["type"] == "tool_result"
        and turns[-2]["content"][0]["type"] not in ("thinking", "redacted_thinking")
    ):
        yield "a turn that calls tools must begin with a thought"


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
