"""All that a call needs, frozen: what is to be asked, and of whom. Making a plan sends nothing.

`Plan` is what the caller wants, `Prepared` what goes out for it. A plan can be prepared for another model at any
time, so formatting instructions and hidden tools are in the request, never in the plan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from ..errors import FeatureNotSupportedError, ProviderError
from ..schema.dialects.definitions import InexpressibleError
from ..schema.formats import FORMAT_TOOL, AnyFormat, FormattingMode
from ..schema.pickling import reduce_dataclass
from ..schema.toolkits import Toolkit
from ..schema.tools import AnyTool, ToolSchema
from ..types.chunks import Reply
from ..types.content import Text
from ..types.context import Context
from ..types.immutable import immutable
from ..types.messages import Message, SystemMessage
from ..types.params import Params, without_headers
from ..types.retry import RetryConfig
from ..types.timeout import as_timeout
from ..wire.codec import Request
from .capability_cache import taught
from .failures import in_our_words
from .message_order import sendable
from .prefill import can_continue_text, with_beginning
from .providers import Provider, registry
from .requests import Endpoint, Exchange, HTTPExchange
from .retry_budget import PROCESS_BUDGET, RetryBudget

if TYPE_CHECKING:
    from ..wire.features import Features
    from ..wire.unsupported_params import Adjustment

_SHORTEST = 0.001  # seconds; a timeout of none at all would be taken for no limit


@immutable
class Plan:
    """One call, not made yet."""

    model_id: str
    params: Params = field(repr=False)  # headers may be keys
    messages: tuple[Message, ...]
    toolkit: Toolkit = field(default_factory=Toolkit)
    format: AnyFormat | None = None
    context: Context[Any] | None = None
    provider: Provider | None = field(default=None, repr=False)
    """Who is asked; `None` leaves it to the registry."""
    retry: RetryConfig | None = None
    """When it is asked again, and of whom else; `None`: never."""
    retry_budget: RetryBudget = PROCESS_BUDGET
    """What its retries are paid from; calls that share one share its tokens."""
    beginning: str | None = None
    """How the answer began that this one goes on with, where the model can; `None` if it does not go on with one."""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    """What subscribers to events know this call by: its `id`, the `conversation` that it belongs to, or words of one's
    own. Never sent."""

    def __reduce__(self) -> tuple[partial[Plan], tuple[()]]:
        """Leave out of a pickle what may hold API keys or belongs to this process."""
        return reduce_dataclass(self, params=without_headers(self.params), provider=None, context=None)

    def __copy__(self) -> Plan:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Plan:
        return replace(self, params=deepcopy(self.params, memo))


@dataclass(slots=True, kw_only=True)
class Prepared:
    """A plan made ready for its endpoint. `format` has its mode."""

    endpoint: Endpoint
    request: Request
    exchange: Exchange
    format: AnyFormat | None
    continues: Literal["prefill", "restart"] | None = None
    """How an answer that broke off goes on: from the plan's beginning, or anew."""

    def signed(self, error: BaseException, partial: Reply | None = None) -> ProviderError:
        """The library's error for what the exchange raised: who was asked, and what had arrived."""
        secrets = self.exchange.secrets if isinstance(self.exchange, HTTPExchange) else ()
        return in_our_words(error, self.endpoint.provider_id, self.request.model, secrets, partial)


@dataclass(frozen=True, slots=True)
class _FormatTool:
    """The hidden tool whose arguments are the answer (mode "tool")."""

    format: AnyFormat
    name: str = FORMAT_TOOL
    strict: bool | None = None

    @property
    def description(self) -> str:
        return self.format.description or "Give the final answer."

    @property
    def parameters(self) -> dict[str, Any]:
        return self.format.schema

    wire_parameters = parameters


@dataclass(frozen=True, slots=True)
class _StrictTool:
    """A tool whose arguments the provider constrains, in the provider's dialect."""

    name: str
    description: str
    parameters: dict[str, Any]
    wire_parameters: dict[str, Any]
    strict: bool | None = True


def prepare(plan: Plan, *, stream: bool, left: float | None = None, lessons: Sequence[Adjustment] = ()) -> Prepared:
    """The request of a plan, whose answer may take as many seconds as are left. Raises what is wrong with it before
    anything is sent: no provider, no key, features that the provider does not have. `lessons` are about the provider,
    beside those that are remembered."""
    provider, name = registry.find(plan.model_id, plan.provider)
    endpoint = taught(provider.endpoint(name, plan.messages), lessons)
    format = _with_mode(plan, endpoint)
    prefill = bool((plan.beginning or "").strip()) and can_continue_text(endpoint.features, format, plan.params)
    messages = _instructed(sendable(plan.messages), format)
    request = Request(
        model=endpoint.model,
        messages=(*messages, with_beginning(plan.beginning or "")) if prefill else messages,
        params=_within(left, _tool_params(plan, format)),
        tools=_tools(plan, format, endpoint),
        provider_tools=tuple(plan.toolkit.provider_tools_dict.values()),
        format=format,
        provider_id=endpoint.provider_id,
        model_id=plan.model_id,
        features=endpoint.features,
        stream=stream,
    )
    return Prepared(
        endpoint=endpoint,
        request=request,
        exchange=endpoint.exchange(request),
        format=format,
        continues=("prefill" if prefill else "restart") if plan.beginning is not None else None,
    )


def _with_mode(plan: Plan, endpoint: Endpoint) -> AnyFormat | None:
    format = plan.format
    if format is None or format.mode not in (None, "strict"):
        return format
    mode = format.mode or _best_mode(endpoint.features)
    if mode != "strict":
        return format.with_mode(mode)
    if endpoint.features.strict_format is False:
        raise _unsupported("Mode 'strict' of a format", plan, endpoint)
    chosen = format.with_mode(mode, endpoint.schema_dialect)
    try:
        chosen.wire_schema  # noqa: B018
    except InexpressibleError as error:
        if format.mode == "strict":
            raise _unsupported(f"Mode 'strict' of the format {format.name} ({error})", plan, endpoint) from error
        return format.with_mode(_best_mode(replace(endpoint.features, strict_format=False)))
    return chosen


def _best_mode(features: Features) -> FormattingMode:
    """The surest way to a format that a model is known to take; telling it the schema is open to all."""
    if features.strict_format:
        return "strict"
    return "tool" if features.strict_format is False and features.forced_tool_calls in (None, True) else "json"


def _unsupported(feature: str, plan: Plan, endpoint: Endpoint) -> FeatureNotSupportedError:
    return FeatureNotSupportedError(feature, endpoint.provider_id, plan.model_id)


def _tools(plan: Plan, format: AnyFormat | None, endpoint: Endpoint) -> Sequence[ToolSchema]:
    tools: list[ToolSchema] = [
        _strict(tool, plan, endpoint) if tool.strict else tool for tool in plan.toolkit.tools_dict.values()
    ]
    if format is not None and format.mode == "tool":
        tools.append(_FormatTool(format))
    return tools


def _strict(tool: AnyTool, plan: Plan, endpoint: Endpoint) -> ToolSchema:
    from ..schema.dialects.encode import encode_schema

    try:
        parameters = encode_schema(tool.parameters, endpoint.schema_dialect).schema
    except InexpressibleError as error:
        raise _unsupported(f"The strict tool {tool.name} ({error})", plan, endpoint) from error
    return _StrictTool(tool.name, tool.description, tool.parameters, parameters)


def _tool_params(plan: Plan, format: AnyFormat | None) -> Params:
    """In mode "tool" some tool must be called: the hidden one if there is no other."""
    if format is None or format.mode != "tool" or "tool_choice" in plan.params:
        return plan.params
    alone = not plan.toolkit.tools_dict
    return {**plan.params, "tool_choice": {"name": FORMAT_TOOL} if alone else "required"}


def _within(left: float | None, params: Params) -> Params:
    """A server is not waited for longer than the call may last."""
    if left is None:
        return params
    return {**params, "timeout": as_timeout(params.get("timeout")).within(max(left, _SHORTEST))}


def _instructed(messages: Sequence[Message], format: AnyFormat | None) -> Sequence[Message]:
    instructions = format.formatting_instructions if format is not None else None
    if not instructions:
        return messages
    if messages and isinstance(first := messages[0], SystemMessage):
        return (SystemMessage(content=Text(f"{first.content.text}\n{instructions}")), *messages[1:])
    return (SystemMessage(content=Text(instructions)), *messages)
