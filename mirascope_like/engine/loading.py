"""Load what a call needs before an event loop would stop for it: the codec, the schemas of tools and formats.

It matters for the first call of a process, and of each model. What is not foreseen here is imported where it is used.
`transport.loading` says how; transports and locks load what they need in the same way.
"""

from __future__ import annotations

from collections.abc import Awaitable, Hashable
from functools import partial

from ..schema.formats import FormatSpec, make_format
from .plan import Plan
from .providers import HTTPProvider, Loadable, Provider, registry
from .runtime import Runtime


def loading_for_plan(runtime: Runtime, plan: Plan) -> Awaitable[None] | None:
    """Return what loads what a call with this plan needs, to be awaited; `None` if it is loaded."""
    key = _kind(plan.provider), plan.model_id, bool(plan.toolkit.tools_dict), plan.format is not None
    return None if runtime.is_loaded(key) else runtime.load(key, partial(_load_for_plan, plan))


async def load_format(runtime: Runtime, format: FormatSpec[object]) -> None:
    """Load what the schema of a format needs, before it is made."""
    await runtime.load("format", partial(make_format, format))


def _kind(provider: Provider | None) -> Hashable:
    """Return what tells apart providers that may need different modules. There may be a new object for each call."""
    if isinstance(provider, HTTPProvider):
        return provider.id, id(provider.codec)
    return None if provider is None else (provider.id, type(provider))


def _load_for_plan(plan: Plan) -> None:
    import jiter as jiter  # which codecs import when they first parse

    provider, name = registry.find(plan.model_id, plan.provider)
    if isinstance(provider, Loadable):
        provider.load(name, plan.messages)
    for tool in plan.toolkit.tools_dict.values():
        tool.wire_parameters  # noqa: B018
    if plan.format is not None:
        from ..schema.dialects import encode as encode
