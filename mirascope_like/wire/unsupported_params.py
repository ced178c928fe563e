"""Reads from a server's error which part of a request is not supported, and how to send the request without it.

Rules
* Only a 400 or 422 counts, and only if its text both names a field and says that it is not supported. An error about a
  wrong value ("must be at most 2") does not count.
* An adjustment changes what is known of the model or its server: its `Features`. Codecs do the rest.
* If a text names several fields, the first is the unsupported one; later ones are suggested replacements.

Sources of the patterns: error texts of OpenAI, Azure, Anthropic, Mistral, LM Studio, Ollama, vLLM, llama.cpp and of
validators in front of servers (Pydantic's, ajv's).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias, cast

from .codec import ReportedError, Request
from .features import Features
from .thinking import EFFORTS, is_thinking_enabled


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """What a server does not support (text for the user), and what changes: fields of `Features`, and of the server's
    `ChatDialect`."""

    unsupported: str
    features: Mapping[str, Any] = field(default_factory=dict[str, Any])
    dialect: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def apply_to(self, features: Features) -> Features:
        """Return the features with this adjustment."""
        return replace(features, **self.features, dialect={**features.dialect, **self.dialect})


def find_adjustment(error: ReportedError, request: Request | None = None) -> Adjustment | None:
    """Return the adjustment that an error calls for, given the request if it is known; `None` if there is none."""
    if error.status not in (400, 422):
        return None
    text = " ".join(
        part[:_MAX_SEARCHED] for part in (_field_at_fault(error.body), error.message, str(error.code or ""))
    )
    for pattern, adjustment in _BY_PATTERN.items():
        if re.search(pattern, text, re.IGNORECASE):
            return adjustment
    if efforts := _supported_efforts(text):
        return Adjustment(unsupported="this thinking effort", features={"efforts": efforts})
    if not re.search(_UNSUPPORTED, text, re.IGNORECASE):
        return None
    fields = [(match.start(), name) for name in _BY_FIELD if (match := _find_field(name, text))]
    if not fields:
        return None
    name = min(fields, key=lambda pair: pair[0])[1]
    if name in _PARAMS_WITH_LIMITS and _is_about_value(name, text):
        return None
    adjustment = _BY_FIELD[name]
    # Servers use the same text whether they never accept temperature or only not with an effort: try the lesser
    # change first.
    return (
        _NO_SAMPLING_WITH_THINKING
        if adjustment is _NO_SAMPLING and request and is_thinking_enabled(request)
        else adjustment
    )


_MAX_SEARCHED = 2_000  # characters of each field; servers may repeat the prompt after them
_UNSUPPORTED = (
    r"unsupported|not support|unrecognized|unknown (field|parameter|argument|name|key)"
    r"|unexpected (field|keyword|parameter)|extra_forbidden|extra (inputs|fields) (are )?not permitted"
    r"|additional properties|not (available|permitted|allowed)"
)
# The server may accept another value of these.
_PARAMS_WITH_LIMITS = (
    "temperature",
    "top_p",
    "top_k",
    "max_tokens",
    "max_completion_tokens",
    "seed",
    "random_seed",
    "stop",
)
_INVALID_VALUE = (
    r"exceed|above|below|between|at (most|least)|(maxim|minim)um|\brange\b"
    r"|too (long|short|large|small|big|high|low|many|few)"
    r"|(higher|greater|larger|longer|more|lower|less|smaller|fewer) (than|values|numbers)|\bvalue( of)? -?\d"
)

_NO_SAMPLING = Adjustment(unsupported="'temperature' and 'top_p'", features={"sampling": False})
_NO_SAMPLING_WITH_THINKING = Adjustment(
    unsupported="'temperature' and 'top_p' together with 'thinking'", features={"sampling": "without_thinking"}
)
_NO_STRICT = Adjustment(unsupported="a schema for the response", features={"strict_format": False})
_NO_EFFORT = Adjustment(unsupported="a thinking effort", features={"efforts": ()})
_NO_ENCRYPTED = Adjustment(unsupported="encrypted reasoning", features={"encrypted_reasoning": False})

# By the names of fields, as servers write them.
_BY_FIELD: Mapping[str, Adjustment] = {
    "temperature": _NO_SAMPLING,
    "top_p": _NO_SAMPLING,
    "top_k": Adjustment(unsupported="'top_k'", dialect={"top_k": False}),
    "max_tokens": Adjustment(unsupported="'max_tokens'", dialect={"max_tokens": "max_completion_tokens"}),
    "max_completion_tokens": Adjustment(unsupported="'max_completion_tokens'", dialect={"max_tokens": "max_tokens"}),
    "stream_options": Adjustment(unsupported="'stream_options'", dialect={"stream_usage": False}),
    "include_usage": Adjustment(unsupported="'stream_options'", dialect={"stream_usage": False}),
    "reasoning_effort": Adjustment(unsupported="'reasoning_effort'", features={"thinking": False}),
    "include": _NO_ENCRYPTED,
    "reasoning.summary": Adjustment(unsupported="reasoning summaries", features={"reasoning_summary": False}),
    "reasoning.effort": Adjustment(unsupported="'reasoning'", features={"thinking": False}),
    "reasoning": Adjustment(unsupported="'reasoning'", features={"thinking": False}),
    "thinking": Adjustment(unsupported="'thinking'", features={"thinking": False}),
    "seed": Adjustment(unsupported="'seed'", features={"seed": False}),
    "random_seed": Adjustment(unsupported="'random_seed'", features={"seed": False}),
    "stop": Adjustment(unsupported="'stop'", features={"stop": False}),
    "parallel_tool_calls": Adjustment(unsupported="'parallel_tool_calls'", features={"parallel_tools": False}),
    "tool_choice": Adjustment(unsupported="'tool_choice'", features={"tool_choice": False}),
    "strict": Adjustment(unsupported="'strict' tools", features={"strict_tools": False}),
    "json_schema": _NO_STRICT,
    "text.format": _NO_STRICT,
    "structured outputs": _NO_STRICT,
    "output_config.format": _NO_STRICT,
    "output_config.effort": _NO_EFFORT,
    "output_config": Adjustment(unsupported="'output_config'", features={"efforts": (), "strict_format": False}),
    "response_format": _NO_STRICT,
    "json_object": Adjustment(unsupported="'json_object'", features={"json_object": False}),
}

# By error texts in which the field names alone would give no adjustment, or the wrong one.
_BY_PATTERN: Mapping[str, Adjustment] = {
    r"tools.{0,40}reasoning_effort.{0,20}not supported": Adjustment(
        unsupported="'thinking' together with tools", features={"thinking_with_tools": False}
    ),
    r"thinking mode does not support this tool_choice|thinking may not be enabled when tool_choice": Adjustment(
        unsupported="a 'tool_choice' that forces a call together with 'thinking'",
        features={"forced_tool_calls": "without_thinking"},
    ),
    r"(encrypted.content\W{1,3}is not|invalid value\W{1,4}reasoning\.encrypted_content)": _NO_ENCRYPTED,
    r"support.{0,20}(effort parameter|parameter reasoningEffort)|effort parameter is not": _NO_EFFORT,
    r"thinking\.type\.enabled\W{1,3}is not supported": Adjustment(
        unsupported="a thinking budget", features={"thinking": "adaptive"}
    ),
    r"(thinking\.type\.adaptive|adaptive thinking)\W{1,3}is not supported": Adjustment(
        unsupported="adaptive thinking", features={"thinking": "budget"}
    ),
    r"thinking\.type\.disabled\W{1,3}is not supported.*between_tools": Adjustment(
        unsupported="thinking that is 'disabled'", features={"thinking_off": "between_tools"}
    ),
    r"thinking\.type\.(disabled|between_tools)\W{1,3}is not supported": Adjustment(
        unsupported="thinking that is turned off", features={"thinking_off": False}
    ),
    r"temperature\W{1,3}and \W?top_p\W.{0,20}cannot both": Adjustment(
        unsupported="'top_p' together with 'temperature'", features={"sampling": "one"}
    ),
    r"invalid tool_choice type: '?object|tool_choice.{0,40}(must be|should be|expected).{0,20}string": Adjustment(
        unsupported="a 'tool_choice' that names a tool", features={"tool_choice": "string"}
    ),
    r"response_format\.type'? must be '?json_schema|response_format.{0,60}json_object.{0,30}not support": Adjustment(
        unsupported="'json_object'", features={"json_object": False}
    ),
    r"response_format.{0,80}(must be|should be|expected|input should).{0,40}(json_object|'text'|\"text\")": _NO_STRICT,
    r"role.{0,30}not support.{0,10}(system|developer)|system (role|messages?) (is |are )?not supported"
    r"|role \W?system\W? is not supported": Adjustment(
        unsupported="system messages", features={"inline_system_messages": False}, dialect={"system": "never"}
    ),
    r"system message must be (at the beginning|first)|unexpected role '?system": Adjustment(
        unsupported="system messages among the others",
        features={"inline_system_messages": False},
        dialect={"system": "first"},
    ),
    r"roles must alternate": Adjustment(
        unsupported="several messages of one role in a row",
        dialect={"must_alternate_roles": True, "system": "first"},
    ),
    r"unexpected role '?user'? after role '?tool": Adjustment(
        unsupported="a user message after tool results", dialect={"needs_assistant_after_results": True}
    ),
    r"tool call id .{0,200}length of 9": Adjustment(
        unsupported="tool call ids of another form",
        dialect={"call_id_pattern": "[a-zA-Z0-9]{9}", "call_id_digits": 9},
    ),
    r"prefix( set to)? true": Adjustment(
        unsupported="an assistant message at the end", dialect={"marks_prefill": True}
    ),
    r"(support|not).{0,40}prefill|prefill.{0,40}not": Adjustment(
        unsupported="an assistant message at the end", features={"prefill": False}
    ),
}


def _is_about_value(name: str, text: str) -> bool:
    refused = rf"{name}\W{{0,3}} (is|are) not (supported|available|permitted|allowed)|{name}\W{{0,3}} does not support"
    unsupported = rf"unsupported.parameter|unrecognized|unknown|extra_forbidden|extra (inputs|fields)|{refused}"
    invalid_value = re.search(_INVALID_VALUE, text, re.IGNORECASE)
    return invalid_value is not None and re.search(unsupported, text, re.IGNORECASE) is None


def _find_field(name: str, text: str) -> re.Match[str] | None:
    """Find a field of the request in a text, or a field of a tool in it ("tools[0].strict")."""
    return re.search(rf"(?<![\w.])(tools[\w.\[\]]*\.)?{re.escape(name)}(?!\w)", text, re.IGNORECASE)


def _supported_efforts(text: str) -> Sequence[str]:
    """Return the efforts that the server lists as supported, after an unsupported one was requested."""
    match = re.search(_EFFORTS_LIST, text, re.IGNORECASE | re.DOTALL)
    return tuple(effort for effort in EFFORTS if match and re.search(rf"\b{effort}\b", match["efforts"]))


_EFFORTS_LIST = (
    r"(effort|reasoning|thinking).*?"
    r"((supported|valid|allowed) (values|levels|options)( are)?|input should be|must be|expected one of)"
    r"(?P<efforts>(\W{1,5}((or|and)\W{1,3})?(none|minimal|low|medium|high|xhigh|max)\b)+)"
)


_Json: TypeAlias = Mapping[str, Any]


def _field_at_fault(body: object) -> str:
    """Return the field that a body names as invalid: OpenAI's `param`, or Pydantic's `loc`."""
    fields: _Json = cast("_Json", body) if isinstance(body, Mapping) else {}
    inner = fields.get("error")
    error: _Json = cast("_Json", inner) if isinstance(inner, Mapping) else fields
    if isinstance(param := error.get("param"), str):
        return param
    details: Any = error.get("detail") or error.get("message")
    if not isinstance(details, list):
        return ""
    places = [cast("_Json", each).get("loc") for each in cast("Sequence[Any]", details) if isinstance(each, Mapping)]
    return " ".join(json.dumps(place) for place in places if place)
