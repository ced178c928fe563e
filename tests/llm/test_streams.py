"""Streamed answers as they are read: the same as whole ones, by as many readers as like, part by part."""

from __future__ import annotations

import gc
import json
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import anyio
import pytest
from pydantic import BaseModel

from mirascope_like import llm
from mirascope_like.transport.base import HttpRequest
from mirascope_like.transport.in_memory import MemoryTransport, StreamedBody
from mirascope_like.wire.openai_chat.scripted_responses import encode_events

from ..conftest import PATIENCE, Colour

CALLS = [llm.ToolCall(id=id, name="look", args=f'{{"at": "{id}"}}') for id in ("a", "b")]
PARTS = [llm.Thought("First\nthis."), llm.Text("Hello  there,\nyou."), *CALLS]


def delta(**fields: Any) -> bytes:
    """One event of a stream."""
    chunk = {"id": "1", "model": "m", "choices": [{"index": 0, "delta": fields, "finish_reason": None}]}
    return b"data: %b\n\n" % json.dumps(chunk).encode()


def calls(*pieces: tuple[int, str | None, str]) -> list[bytes]:
    """Events of tool calls: position, id at the start of a call, and a piece of its arguments."""
    made: list[bytes] = []
    for index, id, text in pieces:
        start = {"id": id, "type": "function"} if id else {}
        function = {"name": "look", "arguments": text} if id else {"arguments": text}
        made.append(delta(tool_calls=[{"index": index, **start, "function": function}]))
    return made


END = b'data: {"id": "1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\ndata: [DONE]\n\n'
INTERLEAVED = [*calls((0, "a", '{"at"'), (1, "b", '{"a'), (0, None, ': "a"}'), (1, None, 't": "b"}')), END]


def over(*answers: StreamedBody) -> llm.Model:
    """A model whose streams are these."""
    left = iter(answers)
    llm.register_provider("openai:completions", scope="raw/", transport=MemoryTransport(lambda _: next(left)))
    return llm.Model("raw/model")


async def streamed(colour: Colour, *parts: Any, **options: Any) -> Any:
    return await colour.got(colour.stream(llm.scripted(list(parts)), "Hi", **options))


# -- the same as whole ------------------------------------------------------------------------------------------------


def test_a_stream_folds_to_the_whole_answer(colour: Colour) -> None:
    async def scenario() -> None:
        whole = await colour.got(colour.ask(llm.scripted(PARTS), "Hi"))
        stream = await streamed(colour, *PARTS)
        assert (stream.content, stream.consumed, stream.chunks) == ((), False, ())
        await colour.got(stream.finish())
        assert stream.consumed
        for name in ("content", "text", "pretty", "usage", "finish_reason", "raw_finish_reason", "messages"):
            mine, theirs = getattr(stream, name), getattr(whole, name)
            assert mine() == theirs() if callable(mine) else mine == theirs, name

    colour.run(scenario)


def test_joined_views_are_the_whole(colour: Colour) -> None:
    async def scenario() -> None:
        stream = await streamed(colour, *PARTS)
        assert "".join(await colour.all(stream.text_stream())) == stream.text() == "Hello  there,\nyou."
        pieces = await colour.all(stream.pretty_stream())
        assert "".join(pieces) == stream.pretty()
        assert all(pieces)
        assert await colour.all(stream.chunk_stream()) == list(stream.chunks)

    colour.run(scenario)


def test_a_separator_stands_between_texts_only(colour: Colour) -> None:
    """Two texts around a tool call, as some servers send them."""
    pieces = [delta(content="one"), *calls((0, "a", "{}")), delta(content="two"), END]

    async def scenario() -> None:
        for sep in ("\n", " | ", ""):
            stream = await colour.got(colour.stream(over(StreamedBody(pieces)), "Hi"))
            assert "".join(await colour.all(stream.text_stream(sep))) == stream.text(sep)
            assert stream.text(sep).replace(sep, "") == "onetwo"
            assert "".join(await colour.all(stream.pretty_stream())) == stream.pretty()

    colour.run(scenario)


def test_text_comes_as_it_is_sent(colour: Colour) -> None:
    async def scenario() -> None:
        stream = await streamed(colour, "one two three")
        texts = stream.text_stream()
        assert await colour.next(texts) == "one"
        assert stream.text() == "one"
        assert stream.messages[-1].content == (llm.Text("one"),)
        assert repr(stream).endswith("'one', not consumed yet>")
        assert await colour.next(texts) == " two"
        assert not stream.consumed
        assert await colour.all(texts) == [" three"]
        assert stream.consumed

    colour.run(scenario)


def test_the_first_words_do_not_wait_for_the_last(colour: Colour) -> None:
    words = [f"word {number} " for number in range(2000)]
    model = over(StreamedBody([b"".join([*(delta(content=word) for word in words), END])]))

    async def scenario() -> None:
        stream = await colour.got(colour.stream(model, "Hi"))
        async for piece in colour.each(stream.text_stream()):
            if piece == words[0]:
                assert len(stream.text()) < len("".join(words)) / 2
        assert stream.text() == "".join(words)

    colour.run(scenario)


# -- several readers --------------------------------------------------------------------------------------------------


def test_each_iterator_starts_at_the_beginning(colour: Colour) -> None:
    async def scenario() -> None:
        stream = await streamed(colour, "one two three")
        first = stream.text_stream()
        assert await colour.next(first) == "one"
        second = stream.text_stream()
        assert await colour.all(second) == ["one", " two", " three"]
        assert await colour.all(first) == [" two", " three"]
        assert await colour.all(stream.text_stream()) == ["one", " two", " three"]

    colour.run(scenario)


def test_readers_in_tasks_at_once(native: Colour) -> None:
    read: list[list[str]] = []

    async def scenario() -> None:
        stream = await streamed(native, "word " * 30)

        async def reader() -> None:
            texts: list[str] = []
            async for text in stream.text_stream():
                texts.append(text)
                await anyio.lowlevel.checkpoint()
            read.append(texts)

        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(reader)

    native.run(scenario)
    assert read[0] == read[1] == read[2]
    assert "".join(read[0]) == "word " * 30


class Hesitant(MemoryTransport):
    """Lets other tasks run before each piece."""

    async def open(self, request: HttpRequest) -> Any:
        body: Any = await super().open(request)
        following = body.next

        async def hesitate() -> bytes | None:
            await anyio.lowlevel.checkpoint()
            return await following()

        body.next = hesitate
        return body


def test_tasks_that_share_an_iterator_share_its_pieces(native: Colour) -> None:
    answer = StreamedBody([*(delta(content=word) for word in ("one", " two", " three", " four")), END])
    llm.register_provider("openai:completions", scope="raw/", transport=Hesitant(lambda _: answer))
    read: list[str] = []

    async def scenario() -> None:
        shared = (await native.stream(llm.Model("raw/model"), "Hi")).text_stream()

        async def reader() -> None:
            async for text in shared:
                read.append(text)

        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(reader)

    native.run(scenario)
    assert "".join(read) == "one two three four"


def test_readers_in_threads_at_once() -> None:
    stream = llm.scripted("word " * 200).stream("Hi")
    start = threading.Barrier(4, timeout=PATIENCE)

    def reader(_: int) -> str:
        start.wait()
        return "".join(stream.text_stream())

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(reader, range(4))) == {"word " * 200}


# -- part by part -----------------------------------------------------------------------------------------------------


def test_a_sub_stream_for_each_part(colour: Colour) -> None:
    async def scenario() -> None:
        stream = await streamed(colour, *PARTS)
        seen: list[Any] = []
        async for part in colour.each(stream.streams()):
            pieces = await colour.all(part)
            seen.append((part.content_type, "".join(pieces), await colour.got(part.collect())))
        assert seen == [
            ("thought", "First\nthis.", PARTS[0]),
            ("text", "Hello  there,\nyou.", PARTS[1]),
            ("tool_call", CALLS[0].args, CALLS[0]),
            ("tool_call", CALLS[1].args, CALLS[1]),
        ]

    colour.run(scenario)


def test_interleaved_tool_calls(colour: Colour) -> None:
    async def scenario() -> None:
        stream = await colour.got(colour.stream(over(StreamedBody(INTERLEAVED)), "Hi"))
        parts = stream.streams()
        first = await colour.next(parts)
        second = await colour.next(parts)
        assert (first.tool_id, first.tool_name, second.tool_id) == ("a", "look", "b")
        assert await colour.next(second) == '{"a'
        assert second.partial_args == '{"a'
        assert await colour.got(first.collect()) == CALLS[0]
        assert await colour.all(second) == ['t": "b"}']
        assert await colour.all(parts) == []
        assert stream.tool_calls == CALLS

    colour.run(scenario)


def test_interleaved_tool_calls_are_pretty_one_after_the_other(colour: Colour) -> None:
    async def scenario() -> None:
        stream = await colour.got(colour.stream(over(StreamedBody(INTERLEAVED)), "Hi"))
        assert "".join(await colour.all(stream.pretty_stream())) == stream.pretty()

    colour.run(scenario)


def test_sub_streams_may_be_skipped_and_read_later(colour: Colour) -> None:
    async def scenario() -> None:
        stream = await streamed(colour, *PARTS)
        parts = await colour.all(stream.streams())
        assert [part.type for part in parts] == [
            "thought_stream",
            "text_stream",
            "tool_call_stream",
            "tool_call_stream",
        ]
        assert [await colour.got(part.collect()) for part in reversed(parts)] == PARTS[::-1]

    colour.run(scenario)


def test_a_call_without_arguments(colour: Colour) -> None:
    async def scenario() -> None:
        stream = await colour.got(colour.stream(over(StreamedBody([*calls((0, "a", "")), END])), "Hi"))
        (part,) = await colour.all(stream.streams())
        assert (await colour.got(part.collect())).args == stream.tool_calls[0].args == "{}"
        assert "".join(await colour.all(stream.pretty_stream())) == stream.pretty()

    colour.run(scenario)


def test_sub_streams_are_read_in_any_order(colour: Colour) -> None:
    """By several loops over the parts, a piece at a time; some are left in the middle."""

    async def scenario(dice: random.Random) -> None:
        pieces = {id: [f"{id}{count}" for count in range(dice.randint(0, 3))] for id in "abcde"}
        turns = [index for index, id in enumerate(pieces) for _ in pieces[id]]
        dice.shuffle(turns)
        left = [iter(pieces[id]) for id in pieces]
        starts = ((index, id, "") for index, id in enumerate(pieces))
        mixed = ((index, None, next(left[index])) for index in turns)
        stream = await colour.got(colour.stream(over(StreamedBody([*calls(*starts, *mixed), END])), "Hi"))
        loops: list[Any] = [stream.streams(), stream.streams()]
        read: dict[Any, list[str]] = {}
        begun: list[Any] = []
        while loops or begun:
            each = dice.choice([*loops, *begun])
            item = await anext(each, None) if colour.is_async else next(each, None)
            if item is None:
                (loops if each in loops else begun).remove(each)
                assert each not in read or read[each] == pieces[each.tool_id]
            elif each in loops:
                read[item] = []
                begun.append(item)
            else:
                read[each].append(item)
                assert read[each] == pieces[each.tool_id][: len(read[each])]
                assert each.partial_args == "".join(read[each])
                if dice.random() < 0.1:
                    begun.remove(each)
        assert sorted(each.tool_id for each in read) == sorted(2 * "abcde")

    for seed in range(20):
        colour.run(partial(scenario, random.Random(seed)))


def test_sub_streams_in_tasks_at_once(native: Colour) -> None:
    async def scenario() -> None:
        stream = await native.stream(over(StreamedBody(INTERLEAVED)), "Hi")
        parts = stream.streams()
        got: dict[str, llm.ToolCall] = {}

        async def collect(part: Any) -> None:
            got[part.tool_id] = await part.collect()

        async with anyio.create_task_group() as group:
            for part in (await anext(parts), await anext(parts)):
                group.start_soon(collect, part)
        assert [got["a"], got["b"]] == CALLS

    native.run(scenario)


def test_sub_streams_in_threads_at_once() -> None:
    made = [llm.ToolCall(id=str(number), name="look", args=f'{{"at": {number}}}') for number in range(50)]
    stream = llm.scripted(made).stream("Hi")
    start = threading.Barrier(4, timeout=PATIENCE)

    def reader(_: int) -> list[llm.ToolCall]:
        start.wait()
        return [part.collect() for part in stream.streams() if isinstance(part, llm.ToolCallStream)]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(reader, range(4))) == 4 * [made]


def test_sub_streams_of_an_answer_that_begins_anew(colour: Colour) -> None:
    async def scenario() -> None:
        script = llm.scripted([*CALLS, llm.ConnectionError("x")], ["Hello.", *CALLS])
        model = llm.retry(script, max_retries=1, initial_delay=0.0, after_output="restart")
        stream = await colour.got(colour.stream(model, "Hi"))
        parts = stream.streams()
        begun, unread = await colour.next(parts), await colour.next(parts)
        assert await colour.next(begun)
        for each in (begun, unread, unread, begun):
            with pytest.raises(llm.StreamRestarted):
                await colour.got(each.collect())
        again = [await colour.got(part.collect()) for part in await colour.all(stream.streams())]
        assert again == [llm.Text("Hello."), *CALLS]

    colour.run(scenario)


def test_a_sub_stream_of_an_answer_that_breaks_off(colour: Colour) -> None:
    async def scenario() -> None:
        stream = await colour.got(colour.stream(over(StreamedBody(INTERLEAVED[:3])), "Hi"))
        parts = stream.streams()
        first, second = await colour.next(parts), await colour.next(parts)
        for part, args in ((second, '{"a'), (first, CALLS[0].args)):
            for _ in range(2):
                with pytest.raises(llm.IncompleteStreamError):
                    await colour.got(part.collect())
            assert part.partial_args == args

    colour.run(scenario)


# -- values as they grow ----------------------------------------------------------------------------------------------


class Book(BaseModel):
    title: str
    pages: int
    tags: list[str]


def pieces_of(*texts: str) -> StreamedBody:
    return StreamedBody([*(delta(content=text) for text in texts), END])


async def partials(colour: Colour, kind: Any, *texts: str) -> list[Any]:
    stream = await colour.got(colour.stream(over(pieces_of(*texts)), "Hi", format=kind))
    return await colour.all(stream.structured_stream())


def test_a_value_grows(colour: Colour) -> None:
    async def scenario() -> None:
        texts = ('{"title": "Mo', 'by", "pages": 3', ', "tags": ["a"', ', "b"]}')
        stream = await colour.got(colour.stream(over(pieces_of(*texts)), "Hi", format=Book))
        values = [(each.title, each.pages, each.tags) async for each in colour.each(stream.structured_stream())]
        assert values[0] == ("Mo", None, None)
        assert values[-1] == ("Moby", 3, ["a", "b"])
        assert stream.parse() == Book(title="Moby", pages=3, tags=["a", "b"])

    colour.run(scenario)


@pytest.mark.parametrize(
    ("kind", "texts", "last"),
    [
        (int, ['{"output": ', "0", "}"], 0),
        (bool, ['{"output": ', "false}"], False),
        (str, ['{"output": "', '"}'], ""),
        (list[int], ['{"output": [', "]}"], []),
        (list[int], ["[1", ", 2]"], [1, 2]),
        (dict[str, int], ['{"a": 1', ', "b": 0}'], {"a": 1, "b": 0}),
    ],
)
def test_falsy_and_bare_values_are_shown(colour: Colour, kind: Any, texts: list[str], last: object) -> None:
    values = colour.run(lambda: partials(colour, kind, *texts))
    assert values[-1] == last
    assert type(values[-1]) is type(last)


def test_structured_stream_needs_a_format(colour: Colour) -> None:
    @llm.output_parser(formatting_instructions="Say it.")
    def parser(response: llm.BaseResponse[Any]) -> str:
        return response.text()

    async def scenario() -> None:
        with pytest.raises(ValueError, match="format="):
            (await streamed(colour, "Hi")).structured_stream()
        stream = await streamed(colour, "Hi", format=parser)
        with pytest.raises(NotImplementedError):
            stream.structured_stream()
        await colour.got(stream.finish())
        assert stream.parse() == "Hi"

    colour.run(scenario)


# -- the end before the end -------------------------------------------------------------------------------------------

CUT = StreamedBody(
    [delta(content="one"), *calls((0, "a", '{"at": "a"}'), (1, "b", '{"at"'))], error=llm.ConnectionError("It broke.")
)
TRUNCATED = StreamedBody([delta(content="one"), delta(content=" two")])


@pytest.mark.parametrize("pieces", [CUT, TRUNCATED], ids=["cut", "truncated"])
def test_a_failed_stream_stays_failed(colour: Colour, pieces: StreamedBody) -> None:
    async def scenario() -> None:
        stream = await colour.got(colour.stream(over(pieces), "Hi"))
        texts = stream.text_stream()
        assert await colour.next(texts) == "one"
        with pytest.raises(llm.ConnectionError) as first:
            await colour.all(texts)
        assert first.value.partial.content[0].text.startswith("one")
        assert not stream.consumed
        assert type(first.value).__name__ in repr(stream)
        for _ in range(2):
            with pytest.raises(llm.ConnectionError) as again:
                await colour.all(stream.chunk_stream())
            assert again.value is first.value
        with pytest.raises(llm.ConnectionError):
            await colour.got(stream.finish())
        assert stream.text().startswith("one")

    colour.run(scenario)


def test_a_stream_goes_on_from_where_it_was_cut(colour: Colour) -> None:
    async def scenario() -> None:
        sent: list[dict[str, Any]] = []
        answers = iter([CUT, StreamedBody(encode_events([llm.Text("done")]))])

        def answer(request: Any) -> StreamedBody:
            sent.append(json.loads(request.body))
            return next(answers)

        llm.register_provider("openai:completions", scope="raw/", transport=MemoryTransport(answer))
        stream = await colour.got(colour.stream(llm.Model("raw/model"), "Hi"))
        with pytest.raises(llm.ConnectionError):
            await colour.got(stream.finish())
        resumed = await colour.got(stream.resume("Go on."))
        assert "".join(await colour.all(resumed.text_stream())) == "done"
        # Neither half a call nor one that nobody answered is sent.
        assert sent[1]["messages"] == [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "one"},
            {"role": "user", "content": "Go on."},
        ]

    colour.run(scenario)


def test_reading_on_after_closing(colour: Colour) -> None:
    async def scenario() -> None:
        stream = await streamed(colour, "one two three")
        async with colour.within(stream) as entered:
            assert entered is stream
            texts = stream.text_stream()
            assert await colour.next(texts) == "one"
        with pytest.raises(llm.StreamClosedError):
            await colour.next(texts)
        again = stream.text_stream()
        assert await colour.next(again) == "one"
        with pytest.raises(llm.StreamClosedError):
            await colour.next(again)
        assert stream.text() == "one"
        assert not stream.consumed
        assert "StreamClosedError" in repr(stream)
        await colour.close(stream)

    colour.run(scenario)


def test_breaking_out_closes_and_resuming_goes_on(colour: Colour) -> None:
    async def first_of(stream: Any) -> str:
        if colour.is_async:
            async for text in stream.text_stream():
                return text
        else:
            for text in stream.text_stream():
                return text
        raise AssertionError("nothing came")

    async def scenario() -> None:
        model = llm.scripted("one two three", "four")
        stream = await colour.got(colour.stream(model, "Hi"))
        assert await first_of(stream) == "one"
        with pytest.raises(llm.StreamClosedError):
            await colour.got(stream.finish())
        resumed = await colour.got(stream.resume("Go on."))
        await colour.got(resumed.finish())
        assert resumed.text() == "four"
        assert model.requests[1]["messages"][1] == {"role": "assistant", "content": "one"}

    colour.run(scenario)


def test_closing_after_the_end_changes_nothing(colour: Colour) -> None:
    async def scenario() -> None:
        stream = await streamed(colour, "one two")
        async with colour.within(stream):
            await colour.got(stream.finish())
        assert stream.consumed
        assert await colour.all(stream.text_stream()) == ["one", " two"]

    colour.run(scenario)


def test_another_reader_keeps_a_stream_open(colour: Colour) -> None:
    async def scenario() -> None:
        stream = await streamed(colour, "one two three")
        mine, theirs = stream.text_stream(), stream.text_stream()
        assert await colour.next(mine) == await colour.next(theirs) == "one"
        del theirs
        gc.collect()
        assert await colour.all(mine) == [" two", " three"]

    colour.run(scenario)


def test_what_a_reader_raises_is_its_own(colour: Colour) -> None:
    async def scenario() -> None:
        stream = await streamed(colour, "one two three")
        with pytest.raises(ZeroDivisionError):
            async with colour.within(stream):
                await colour.next(stream.text_stream())
                raise ZeroDivisionError
        assert stream.text() == "one"

    colour.run(scenario)
