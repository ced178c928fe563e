"""Generated messages and parts, of every kind."""

from __future__ import annotations

import base64
from typing import Any

from hypothesis import strategies as st

from mirascope_like.errors import ToolError, ToolExecutionError, ToolNotFoundError
from mirascope_like.types import content as c
from mirascope_like.types.messages import AssistantMessage, Message, SystemMessage, UserMessage

odd_words = ["naïve café", "日本語", "🌍👩\u200d👧", "\u2028", "", " ", "a\x00b", '"quoted"\\']
words = st.text(max_size=12) | st.sampled_from(odd_words)
names = st.from_regex(r"[a-zA-Z][a-zA-Z0-9_]{0,11}", fullmatch=True)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words | st.just("$part"), inner, max_size=3),
    max_leaves=6,
)
json_objects = st.dictionaries(words, json_values, max_size=3)
base64_texts = st.binary(max_size=9).map(lambda data: base64.b64encode(data).decode())

citations = st.builds(
    c.Citation, url=st.none() | words, title=st.none() | words, cited_text=st.none() | words, raw=json_objects
)
texts = st.builds(c.Text, words)
cited_texts = st.builds(c.Text, words, st.lists(citations, max_size=2).map(tuple))
images = st.builds(
    c.Image,
    st.builds(c.Base64ImageSource, data=base64_texts, mime_type=st.sampled_from(["image/png", "image/webp"]))
    | st.builds(c.URLImageSource, st.just("https://example.org/picture.png")),
)
sounds = st.builds(
    c.Audio, st.builds(c.Base64AudioSource, data=base64_texts, mime_type=st.sampled_from(["audio/wav", "audio/mp3"]))
)
documents = st.builds(
    c.Document,
    st.builds(c.Base64DocumentSource, data=base64_texts, media_type=st.just("application/pdf"))
    | st.builds(c.TextDocumentSource, data=words, media_type=st.just("text/plain"))
    | st.builds(c.URLDocumentSource, st.just("https://example.org/paper.pdf")),
)
tool_errors = (
    st.builds(ToolError, words)
    | st.builds(ToolExecutionError, words)
    | st.builds(ToolNotFoundError, names, known=st.lists(names, max_size=2).map(tuple))
)
tool_outputs = st.builds(
    c.ToolOutput,
    id=names,
    name=names,
    result=json_values | images | st.lists(words | images, max_size=3),
) | st.builds(c.ToolOutput, id=names, name=names, result=words, error=tool_errors)
tool_calls = st.builds(
    c.ToolCall, id=names, name=names, args=st.sampled_from(["{}", '{"a": 1}', '{"b": [null, "ü"]}', "", '{"cut": "of'])
)
thoughts = st.builds(c.Thought, words)
server_calls = st.builds(c.ServerToolCall, id=names, name=names, args=st.just('{"query": "x"}'), raw=json_objects)
blocks = st.builds(c.ProviderBlock, kind=names, raw=json_objects)

user_parts = texts | images | sounds | documents | tool_outputs
assistant_parts = cited_texts | thoughts | tool_calls | server_calls | blocks
parts = user_parts | assistant_parts

system_messages = st.builds(SystemMessage, content=texts)
user_messages = st.builds(UserMessage, content=st.lists(user_parts, max_size=4), name=st.none() | names)
assistant_messages = st.builds(
    AssistantMessage,
    content=st.lists(assistant_parts, max_size=4),
    name=st.none() | names,
    provider_id=st.none() | st.sampled_from(["openai", "anthropic", "elsewhere"]),
    model_id=st.none() | names,
    provider_model_name=st.none() | names,
    raw_message=st.none() | json_objects | st.lists(json_objects, max_size=2),
)
messages: st.SearchStrategy[Message] = system_messages | user_messages | assistant_messages
