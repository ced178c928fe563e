"""Requests of all kinds to models of all protocols: the URL, the headers, and the body that are sent.

A case is a function that calls a model. Each case is played for each target; its facet for that target is the requests
that were sent, the class of the error if nothing was sent, and the classes of warnings.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from mirascope_like import chat, llm

from .inside import MemoryTransport, Reply, Sent

# protocol → the models that are called in it, and the provider that each scope is registered with
CHAT = "openai:completions"
PROTOCOLS: Mapping[str, Mapping[str, str]] = {
    "chat": {
        "openai/gpt-6-luna": CHAT,
        "openai/gpt-5.2": CHAT,
        "openai/gpt-4.1": CHAT,
        "server/some-model": CHAT,
        "openrouter/anthropic/claude-sonnet-5-5": "openrouter",
        "together/meta-llama/Llama-3.3-70B": "together",
        "xai/grok-4.6": "xai",
        "groq/openai/gpt-oss-120b": "groq",
        "mistral/mistral-large-latest": "mistral",
        "deepseek/deepseek-v4-flash": "deepseek",
        "ollama/llama3.2": "ollama",
    },
    "responses": {
        "openai/gpt-6-luna": "openai:responses",
        "openai/gpt-6-astra": "openai",
        "openai/gpt-4.1": "openai",
        "xai/grok-4.6": "openai:responses",
        "server/some-model": "openai:responses",
    },
    "messages": {
        "anthropic/claude-opus-5-5": "anthropic",
        "anthropic/claude-sonnet-5-5": "anthropic",
        "anthropic/claude-opus-4-6": "anthropic",
        "anthropic/claude-haiku-4-5": "anthropic",
        "anthropic/claude-3-5-haiku": "anthropic",
        "server/some-model": "anthropic",
    },
    "local": {"local/smollm2-135m": "local"},
}

Case = Callable[[llm.Model], Any]

PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489")
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00"
PDF = b"%PDF-1.4\n%%EOF\n"
user, system, assistant = llm.messages.user, llm.messages.system, llm.messages.assistant


# -- tools and formats ------------------------------------------------------------------------------------------------


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Book(BaseModel):
    """A book to read."""

    title: Annotated[str, Field(min_length=1, description="Its full title.")]
    ratings: dict[str, int]
    colour: Colour = Colour.RED
    size: tuple[int, float] | None = None
    pages: Annotated[int, Field(ge=1)] = 300


class Tree(BaseModel):
    """A tree, which contains itself."""

    name: str
    children: list[Tree] = []


@dataclass
class Point:
    x: int
    y: Literal[0, 1] = 0


@llm.tool
def weather(city: str, days: int = 1, units: Literal["c", "f"] = "c") -> str:
    """Fetch the weather.

    Args:
        city: The city's English name.
        days: How many days.
    """
    return f"sunny in {city}"


@llm.tool(strict=True)
def store(book: Book, tags: dict[str, list[int]] | None = None) -> int:
    """Store a book."""
    return 1


def bare() -> None:
    """Do nothing."""


@llm.output_parser(formatting_instructions="Answer in CSV.")
def csv(response: llm.AnyResponse) -> list[str]:
    return response.text().split(",")


# -- messages ---------------------------------------------------------------------------------------------------------

CALLS = [
    llm.ToolCall(id="call_1", name="weather", args='{"city": "Oslo"}'),
    llm.ToolCall(id="call_2", name="weather", args='{"city":"Rome","days":2}'),
]
OUTPUTS = [
    llm.ToolOutput(id="call_1", name="weather", result={"sky": "grey", "degrees": 3}),
    llm.ToolOutput(id="call_2", name="weather", result="No such city.", error=llm.ToolExecutionError("No.")),
]
HISTORIES: Mapping[str, list[llm.Message]] = {
    "system messages": [system("Be brief."), user("Hi"), assistant("Hello."), system("Now in French."), user("Bye")],
    "names": [user("Hi", name="ada"), assistant("Hello."), user("And I?", name="bob")],
    "several of one role": [user("One"), user("Two"), assistant("Three"), assistant("Four"), user("Five")],
    "prefill": [user("Count."), assistant("One, two,")],
    "prefill that ends with a space": [user("Count."), assistant("One, two, ")],
    "assistant first": [assistant("Hello."), user("Hi")],
    "empty texts": [system(""), user(["", "Hi"]), assistant(""), user("Still there?")],
    "thoughts": [user("Hi"), assistant([llm.Thought("Hm."), llm.Text("Hello.")]), user("Why?")],
    "tool calls": [user("Weather?"), assistant(CALLS), user(OUTPUTS), assistant("Grey."), user("Thanks")],
    "results with more": [user("Weather?"), assistant([llm.Text("Let me see."), *CALLS]), user([*OUTPUTS, "Quick!"])],
    "a result missing": [user("Weather?"), assistant(CALLS), user([OUTPUTS[1], "Well?"])],
    "calls without results": [user("Weather?"), assistant(CALLS), user("Never mind.")],
    "results without calls": [user(OUTPUTS[:1])],
    "a result with an image": [
        user("Draw."),
        assistant(CALLS[:1]),
        user([llm.ToolOutput(id="call_1", name="weather", result=[llm.Image.from_bytes(PNG), "It."])]),
    ],
    "foreign ids": [
        user("Weather?"),
        assistant([llm.ToolCall(id="toolu/01 é" * 8, name="weather", args="not JSON")]),
        user([llm.ToolOutput(id="toolu/01 é" * 8, name="weather", result=None)]),
    ],
    "citations": [
        user("Sources?"),
        assistant([llm.Text("Here.", citations=(llm.Citation(url="https://a.example/", title="A", cited_text="a"),))]),
        user("More"),
    ],
    "blocks of a provider": [
        user("Search."),
        assistant(
            [
                llm.ServerToolCall(id="s1", name="web_search", args="{}", raw={"type": "server_tool_use", "id": "s1"}),
                llm.ProviderBlock(kind="web_search_result", raw={"type": "web_search_result", "x": 1}),
                llm.Text("Found."),
            ]
        ),
        user("Good"),
    ],
    "image by URL": [user(["What?", llm.Image.from_url("https://example.com/fox.png")])],
    "image": [user([llm.Image.from_bytes(PNG), "What?"])],
    "audio": [user(["What?", llm.Audio.from_bytes(WAV)])],
    "PDF": [user(["What?", llm.Document.from_bytes(PDF)])],
    "text document": [user(["What?", llm.Document.from_bytes("Grüße".encode(), mime_type="text/plain")])],
    "document by URL": [user(["What?", llm.Document.from_url("https://example.com/a.pdf")])],
}


def own(model: llm.Model, edited: bool) -> list[llm.Message]:
    """A history with a response in the provider's own form."""
    raw: Any = {"role": "assistant", "content": [{"type": "text", "text": "Hello.", "own": 1}]}
    if model.provider_id.endswith("completions") or model.provider_id not in ("anthropic", "openai", "server"):
        raw = {
            "role": "assistant",
            "content": "Hello.",
            "reasoning_details": [{"type": "reasoning.text", "text": "Hm"}],
        }
    elif model.provider_id != "anthropic":
        raw = [
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "secret"},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello."}]},
        ]
    message = llm.AssistantMessage(
        content=[llm.Text("Good day." if edited else "Hello.")],
        provider_id=model.provider_id,
        model_id=model.model_id,
        raw_message=raw,
    )
    return [user("Hi"), message, user("Again")]


# -- cases ------------------------------------------------------------------------------------------------------------

LEVELS = ("none", "default", "minimal", "low", "medium", "high", "xhigh", "max")
PARAMS: Mapping[str, Mapping[str, Any]] = {
    "temperature": {"temperature": 0.5},
    "top_p": {"top_p": 0.9},
    "temperature and top_p": {"temperature": 0.0, "top_p": 0.9},
    "top_k": {"top_k": 40},
    "max_tokens": {"max_tokens": 77},
    "seed": {"seed": 7},
    "stop_sequences": {"stop_sequences": ["END", "\n\n"]},
    "parallel_tool_calls": {"parallel_tool_calls": False},
    "extra_body": {"extra_body": {"metadata": {"a": 1}, "temperature": 0.1}},
    "extra_headers": {"extra_headers": {"X-Own": "1", "authorization": "Bearer other"}},
    "no thinking": {"thinking": None},
    **{f"thinking {level}": {"thinking": {"level": level}} for level in LEVELS},
    "thoughts": {"thinking": {"level": "high", "include_thoughts": True}, "max_tokens": 2000, "temperature": 0.5},
    "thoughts as text": {"thinking": {"level": "low", "encode_thoughts_as_text": True}},
}
CHOICES: Mapping[str, Any] = {
    "auto": "auto",
    "none": "none",
    "required": "required",
    "by name": {"name": "store"},
}
FORMATS: Mapping[str, Any] = {
    "model": Book,
    "recursive": Tree,
    "dataclass": Point,
    "list": list[Point],
    "union": int | Book,
    "enum": Colour,
    "dict": dict[str, bool],
}


def asked(content: Any, params: Mapping[str, Any], options: Mapping[str, Any], model: llm.Model) -> None:
    """Call a model once, and open a stream once."""
    with_params = llm.Model(model.model_id, **params)
    for call in (with_params.call, with_params.stream):
        with suppress(llm.ServerError):
            call(content, **options)


def prompted(options: Mapping[str, Any], model: llm.Model) -> None:
    """Prompt a model of `chat`."""
    with suppress(llm.ServerError):
        chat.get_model(model.model_id).prompt("Hi", **options).text()


def sent(content: Any = "Hi", options: Mapping[str, Any] | None = None, **params: Any) -> Case:
    return partial(asked, content, params, options or {})


def cases() -> dict[str, Case]:
    """All cases by their names."""
    tools = [weather, store, bare]
    found = {"text": sent()}
    found |= {f"history: {name}": sent(messages) for name, messages in HISTORIES.items()}
    found |= {f"param: {name}": sent(**params) for name, params in PARAMS.items()}
    found["history: thoughts, as text"] = sent(HISTORIES["thoughts"], **PARAMS["thoughts as text"])
    found["history: own form"] = lambda model: asked(own(model, False), {}, {}, model)
    found["history: own form, edited"] = lambda model: asked(own(model, True), {}, {}, model)
    found["history: own form, thinking"] = lambda model: asked(own(model, False), PARAMS["thoughts"], {}, model)
    found["tools"] = sent(options={"tools": tools})
    found["tools: web search"] = sent(options={"tools": [llm.WebSearchTool(), weather]})
    found["tools: one call at a time"] = sent(options={"tools": tools}, parallel_tool_calls=False)
    found["tools: thinking"] = sent(HISTORIES["results with more"], {"tools": tools}, **PARAMS["thoughts"])
    found |= {f"tools: choice {name}": sent(options={"tools": tools}, tool_choice=c) for name, c in CHOICES.items()}
    found["tools: choice required, thinking"] = sent(
        options={"tools": tools}, tool_choice="required", thinking={"level": "high"}
    )
    found |= {f"format: {name}": sent(options={"format": value}) for name, value in FORMATS.items()}
    for mode in ("strict", "tool", "json"):
        found |= {
            f"format: {name}, {mode}": sent(options={"format": llm.format(value, mode=mode)})
            for name, value in FORMATS.items()
            if name in ("model", "recursive", "list")
        }
    found["format: parser"] = sent(options={"format": csv})
    found["format: tools"] = sent(options={"format": Book, "tools": [weather]})
    found["format: tools, tool"] = sent(options={"format": llm.format(Book, mode="tool"), "tools": [weather]})
    found["format: thinking"] = sent(options={"format": Book}, thinking={"level": "high"})
    found |= {f"chat: {name}": partial(prompted, options) for name, options in PROMPTS.items()}
    return found


PROMPTS: Mapping[str, Mapping[str, Any]] = {
    "text": {},
    "whole": {"stream": False},
    "system and fragments": {"system": "Be brief.", "fragments": ["One", "Two"], "system_fragments": ["Three"]},
    "options": {"options": {"temperature": 0.5, "max_tokens": 50, "stop_sequences": ["END"], "seed": 1}},
    "attachments": {"attachments": [chat.Attachment(content=PNG), chat.Attachment(url="https://example.com/a.png")]},
    "schema": {"schema": Book},
    "schema of JSON": {"schema": {"type": "object", "properties": {"name": {"type": "string"}}}},
    "tools": {"tools": [weather, bare]},
    "messages": {
        "messages": [
            chat.system("Be brief."),
            chat.user("Weather?"),
            chat.assistant(
                chat.ReasoningPart("Hm."),
                chat.ToolCallPart(name="weather", arguments={"city": "Oslo"}, tool_call_id="c1"),
            ),
            chat.tool_message(chat.ToolResultPart(name="weather", output="grey", tool_call_id="c1")),
        ]
    },
}


# -- playing ----------------------------------------------------------------------------------------------------------


def play(protocol: str) -> dict[str, dict[str, str]]:
    """Each case's facets: what it sends to each target of a protocol, and how it ends."""
    targets = PROTOCOLS[protocol].items()
    return {
        name: {model_id: _played(model_id, provider, case) for model_id, provider in targets}
        for name, case in cases().items()
    }


def _played(model_id: str, provider: str, case: Case) -> str:
    told: list[str] = []

    def answer(request: Sent) -> Reply:
        told.append(str(request))
        return Reply([b"{}"], 503)

    llm.reset_provider_registry()
    scope = model_id.partition("/")[0] + "/"
    server = {"base_url": "http://server"} if scope == "server/" else {}
    llm.register_provider(provider, scope=scope, api_key="key", transport=MemoryTransport(answer), **server)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            case(llm.Model(model_id))
        except (llm.Error, chat.Error, TypeError, ValueError, NotImplementedError) as error:
            told.append(type(error).__name__)
    told += sorted({warning.category.__name__ for warning in warned})
    return "\n".join(told)
