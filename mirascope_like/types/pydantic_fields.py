"""Support for messages and parts as fields of Pydantic models, in their JSON form."""

from __future__ import annotations

from typing import Any

from .json_forms import from_json_form, to_json_form


class PydanticField:
    """Base of classes that Pydantic validates from, and serializes to, their JSON form (see `json_forms`)."""

    __slots__ = ()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> Any:
        """Accept instances of this class and their JSON forms; other values raise `ValidationError`."""
        from pydantic_core import core_schema

        def read(value: Any) -> Any:
            part = (
                value
                if isinstance(value, cls)
                else from_json_form({**_get_tag(cls), **value} if isinstance(value, dict) else value)
            )
            if not isinstance(part, cls):
                raise ValueError(f"This is a {type(part).__name__}, not a {cls.__name__}.")
            return part

        return core_schema.no_info_plain_validator_function(
            read,
            json_schema_input_schema=core_schema.dict_schema(core_schema.str_schema()),
            serialization=core_schema.plain_serializer_function_ser_schema(
                to_json_form, return_schema=core_schema.dict_schema(core_schema.str_schema())
            ),
        )


def _get_tag(cls: type) -> dict[str, str]:
    """Return the tag of a class in its JSON form; input may omit it where only that class is allowed."""
    return {name: tag for name in ("type", "role") if isinstance(tag := getattr(cls, name, None), str)}
