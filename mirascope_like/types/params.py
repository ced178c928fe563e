"""The settings of a call, beside its messages, tools and format. An unknown name raises `TypeError` at once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Required, TypeAlias, cast, get_args

from typing_extensions import TypedDict

from .headers import Headers, check_headers
from .timeout import Timeout, TimeoutLike, check_seconds

ThinkingLevel: TypeAlias = Literal["none", "default", "minimal", "low", "medium", "high", "xhigh", "max"]


class ThinkingConfig(TypedDict, total=False):
    """How much a model thinks before it answers, and whether its thoughts are returned.

    `level`: from none to max, or "default" for the model's own. For a model that lacks a level, the nearest lower one
    is used, with an `UnsupportedParamWarning`; if there is none lower, its lowest.
    `include_thoughts` (False): request thoughts or their summaries and keep them as `Thought` parts. If it is
    false they are left out of the content; what must go back to the provider is kept nevertheless.
    `encode_thoughts_as_text` (False): when history is sent, write thoughts as text, which any model can read, in
    place of the provider's own form.
    """

    level: Required[ThinkingLevel]
    include_thoughts: bool
    encode_thoughts_as_text: bool


ToolChoice: TypeAlias = Literal["auto", "none", "required"] | Mapping[Literal["name"], str]


class Params(TypedDict, total=False):
    """Settings of a call. All are optional; a setting that is not set is not sent."""

    temperature: float
    """Randomness; 0 is the lowest."""
    max_tokens: int
    """The maximum number of tokens to generate, thoughts included."""
    top_p: float
    """Sample from the most likely tokens that together have this probability (0 to 1)."""
    top_k: int
    """Sample from this many most likely tokens."""
    seed: int
    """Request the same response for the same request; best effort of the provider."""
    stop_sequences: Sequence[str]
    """Texts at which to stop; a single `str` is one text."""
    thinking: ThinkingConfig | None
    """How much to think."""
    tool_choice: ToolChoice
    """'auto', 'none' (no call), 'required' (some call), or {'name': 'the_tool'}."""
    parallel_tool_calls: bool
    """Whether one response may make several tool calls."""
    tool_call_limit: int
    """The maximum number of tool calls of one response, 128 if not set. A response with more raises
    `ToolCallLimitExceeded`."""
    timeout: TimeoutLike
    """Maximum seconds without data from the server, while connecting, sending, and between two reads; or a `Timeout`
    with several limits."""
    extra_body: Mapping[str, Any]
    """JSON fields to merge into the request's body, last: for settings that have no parameter here."""
    extra_headers: Mapping[str, str]
    """HTTP headers to add to the request. They replace headers of the same name, regardless of case: your own API key
    replaces the provider's. Headers that only an HTTP client may set (`Host`, `Content-Length`, …) are refused."""


_PARAM_NAMES = frozenset(Params.__annotations__)
_LEVELS = get_args(ThinkingLevel)
_MUTABLE = frozenset({dict, list, Headers})


_NUMBER = (int, float), "a number"
_WHOLE_NUMBER = int, "a whole number"
_PARAM_TYPES: Mapping[str, tuple[type | tuple[type, ...], str]] = {
    "temperature": _NUMBER,
    "max_tokens": _WHOLE_NUMBER,
    "top_p": _NUMBER,
    "top_k": _WHOLE_NUMBER,
    "seed": _WHOLE_NUMBER,
    "stop_sequences": (Sequence, "a sequence of str"),
    "parallel_tool_calls": (bool, "True or False"),
    "tool_call_limit": _WHOLE_NUMBER,
    "extra_body": (Mapping, "a mapping"),
    "extra_headers": (Mapping, "a mapping of str to str"),
}


def check_params(params: Mapping[str, object]) -> Params:
    """Return a copy of `params` as `Params`. Raises `TypeError` for an unknown name or a value of a wrong type, and
    `ValueError` for an invalid value."""
    unknown = [name for name in params if name not in _PARAM_NAMES]
    if unknown:
        raise TypeError(_unknown_param_message(unknown[0]))
    for name, value in params.items():
        if value is not None and name in _PARAM_TYPES:
            _check_type(name, value)
    checked = copy_params(cast("Params", params))
    if (headers := checked.get("extra_headers")) is not None:
        checked["extra_headers"] = check_headers(headers)
    if not isinstance(timeout := checked.get("timeout"), Timeout):
        check_seconds("timeout", timeout)
    _check_count("max_tokens", checked.get("max_tokens"))
    _check_count("tool_call_limit", checked.get("tool_call_limit"))
    if (thinking := params.get("thinking")) is not None:
        _check_thinking(thinking)
    if (choice := params.get("tool_choice")) is not None:
        _check_tool_choice(choice)
    if isinstance(stop := params.get("stop_sequences"), str):  # a str is a sequence too, of its characters
        checked["stop_sequences"] = [stop]
    return checked


def copy_params(params: Params) -> Params:
    """Return a copy that shares no dict or list with the original."""
    return cast("Params", {name: _copy(value) if type(value) in _MUTABLE else value for name, value in params.items()})


def _copy(value: Any) -> Any:
    if isinstance(value, Headers):
        return Headers(value)
    if isinstance(value, dict):
        return {name: _copy(each) for name, each in cast("dict[object, object]", value).items()}
    return [_copy(each) for each in cast("list[object]", value)] if isinstance(value, list) else value


def without_headers(params: Params) -> Params:
    """Return a copy without `extra_headers`, which may hold API keys: for pickles."""
    return cast("Params", {name: value for name, value in params.items() if name != "extra_headers"})


def _check_type(name: str, value: object) -> None:
    kinds, description = _PARAM_TYPES[name]
    if not _has_type(value, kinds):  # the value is not shown: headers hold API keys
        raise TypeError(f"{name} must be {description}, not {type(value).__name__}.")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name} is {value}: it must be finite.")


def _has_type(value: object, kinds: type | tuple[type, ...]) -> bool:
    if kinds is Sequence:
        return isinstance(value, Sequence) and all(isinstance(each, str) for each in cast("Sequence[object]", value))
    return isinstance(value, kinds) and isinstance(value, bool) == (kinds is bool)


def _check_count(name: str, count: int | None) -> None:
    if count is not None and count < 1:
        raise ValueError(f"{name} is {count}: it must be at least 1.")


def _check_thinking(thinking: object) -> None:
    config: Mapping[str, object] = cast("Mapping[str, object]", thinking) if isinstance(thinking, Mapping) else {}
    if config.get("level") not in _LEVELS:
        raise ValueError(f"thinking needs a level, one of {', '.join(_LEVELS)}; got {thinking!r}.")
    if unknown := set(config) - set(ThinkingConfig.__annotations__):
        known = ", ".join(ThinkingConfig.__annotations__)
        raise ValueError(f"Unknown keys in thinking: {', '.join(sorted(unknown))}; valid keys: {known}.")


def _check_tool_choice(choice: object) -> None:
    given: Mapping[str, object] = cast("Mapping[str, object]", choice) if isinstance(choice, Mapping) else {}
    named = given.keys() == {"name"} and isinstance(given["name"], str)
    if not named and choice not in ("auto", "none", "required"):
        raise ValueError(f"tool_choice must be 'auto', 'none', 'required' or {{'name': 'the_tool'}}; got {choice!r}.")


def _unknown_param_message(name: str) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, _PARAM_NAMES, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else f" Valid params: {', '.join(sorted(_PARAM_NAMES))}."
    return f"Unknown param {name!r}.{hint} Pass provider-specific settings in extra_body={{…}} or extra_headers={{…}}."
