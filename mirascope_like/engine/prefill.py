"""Going on with an answer that broke off.

Some models go on from the beginning of an answer if it stands at the end of the conversation ("prefill"). What they say
then is joined to the beginning, so that the new answer is the whole one. Others are asked anew. Which it was is on the
response; nobody gets two answers glued together without having asked for it.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..schema.formats import AnyFormat
from ..types.chunks import Chunk, MetaChunk, Reply, TextChunk, TextEndChunk, TextStartChunk
from ..types.content import Text
from ..types.messages import AssistantMessage
from ..types.params import Params
from ..wire.features import Features


def text_to_continue(reply: Reply) -> str:
    """The text that a model could go on from; empty if the answer has other parts, or none."""
    match reply.content:
        case (Text(text),):
            return text
        case _:
            return ""


def can_continue_text(features: Features, format: AnyFormat | None, params: Params) -> bool:
    """Whether a model is known to go on from the beginning of an answer. None does while it thinks, or is held to a
    schema."""
    thinking = params.get("thinking")
    thinks = thinking is not None and thinking["level"] != "none"
    return features.prefill is True and not thinks and (format is None or format.mode in (None, "json"))


def with_beginning(beginning: str) -> AssistantMessage:
    """The last message of a request that asks a model to go on. White space at its end is refused by those who can."""
    return AssistantMessage(content=[Text(beginning.rstrip())])


class PrefillJoiner:
    """Makes one text of a beginning and the chunks of what comes after it. Without a beginning it does nothing."""

    def __init__(self, beginning: str) -> None:
        self._open = bool(beginning)
        self._drop_space = beginning != beginning.rstrip()
        self.beginning: Sequence[Chunk] = (TextStartChunk(), TextChunk(beginning)) if beginning else ()

    def __call__(self, chunks: Sequence[Chunk]) -> Sequence[Chunk]:
        """What chunks become."""
        if not self._open and not self._drop_space:
            return chunks
        return [joined for chunk in chunks for joined in self._joined(chunk)]

    def _joined(self, chunk: Chunk) -> Sequence[Chunk]:
        if isinstance(chunk, TextChunk) and self._drop_space:
            delta = chunk.delta.lstrip()
            self._drop_space = not delta
            return (TextChunk(delta),) if delta else ()
        if not self._open or isinstance(chunk, MetaChunk):
            return (chunk,)
        self._open = False
        return () if isinstance(chunk, TextStartChunk) else (TextEndChunk(), chunk)

    def end(self) -> Sequence[Chunk]:
        """Return what is missing at the end if nothing came, once."""
        is_open, self._open = self._open, False
        return (TextEndChunk(),) if is_open else ()
