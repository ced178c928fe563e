"""Iterators over streams, in both colours, and what content is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing, closing
from typing import assert_never, assert_type

from mirascope_like import llm

model = llm.Model("openai/gpt-5-mini")


def blocking() -> None:
    with model.stream("Hi") as response:
        assert_type(response, llm.StreamResponse[None])
        texts: Iterator[str] = response.text_stream()
        assert_type(next(texts), str)
        with closing(response.chunk_stream()) as chunks:
            assert_type(next(chunks), llm.AssistantContentChunk)
        for part in response.streams():
            match part.type:
                case "text_stream":
                    assert_type(part.collect(), llm.Text)
                case "thought_stream":
                    assert_type(part.collect(), llm.Thought)
                case "tool_call_stream":
                    assert_type(part.collect(), llm.ToolCall)


async def native() -> None:
    async with await model.stream_async("Hi") as response:
        assert_type(response, llm.AsyncStreamResponse[None])
        texts: AsyncIterator[str] = response.text_stream()
        assert_type(await anext(texts), str)
        async with aclosing(response.chunk_stream()) as chunks:
            assert_type(await anext(chunks), llm.AssistantContentChunk)
        async for part in response.streams():
            if part.type == "tool_call_stream":
                assert_type(part, llm.AsyncToolCallStream)
                assert_type(await part.collect(), llm.ToolCall)
            async for piece in part:
                assert_type(piece, str)


def content() -> None:
    response = model.call([llm.messages.system("Be brief."), llm.messages.user(["Hi", llm.Text("there")])])
    assert_type(response.content, Sequence[llm.AssistantContentPart])
    for part in response.content:
        match part:
            case llm.Text(text):
                assert_type(text, str)
            case llm.Thought() | llm.ToolCall() | llm.ServerToolCall() | llm.ProviderBlock():
                pass
            case _:
                assert_never(part)
    assert_type(response.usage, llm.Usage | None)
    assert_type(response.messages, list[llm.Message])
