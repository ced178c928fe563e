"""The only module that uses parts of Pydantic that it may change in any release: attributes of models that are not in
its documentation, and how its generator of JSON Schema walks core schemas.

`tests/schema/test_pydantic_internals.py` says what stops working when Pydantic changes one of them.
"""

from __future__ import annotations

import copy
import enum
import functools
import types
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from ..types.context import Context
from .hidden_names import HIDDEN

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo
    from pydantic_core.core_schema import IsInstanceSchema

_VALIDATORS = ("validators", "field_validators", "root_validators", "model_validators")
_OVERRIDES = ("__get_pydantic_core_schema__", "__setstate__")
# Settings of models that do not change what is valid, except `extra="allow"`.
_HARMLESS_SETTINGS = {"extra", "frozen", "json_schema_extra", "title", "use_attribute_docstrings"}


# -- objects in the place of functions --------------------------------------------------------------------------------


class _FunctionClass:
    """The attribute `__class__` of objects that stand for functions.

    A Pydantic model takes functions for methods if they have no annotation, and not for fields without a type. It does
    the same with objects of `functools`, whose `__class__.__module__` it reads. So this is a subclass of the object's
    class, in all else equal to it; the type of the object stays as it is.
    """

    def __get__(self, instance: object, owner: type | None = None) -> type:
        if instance is None:
            return type
        kind = type(instance)
        if kind not in _classes:
            _classes[kind] = type(
                kind.__name__, (kind,), {"__module__": "functools", "__qualname__": kind.__qualname__}
            )
        return _classes[kind]


_classes: dict[type, type] = {}


class FunctionLike:
    """A base of classes whose objects stand for functions. In a Pydantic model they are methods as functions are, and
    fields of these types hold them as they are."""

    if not TYPE_CHECKING:
        __class__ = _FunctionClass()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> IsInstanceSchema:
        from pydantic_core.core_schema import is_instance_schema

        return is_instance_schema(cls)


# -- models -----------------------------------------------------------------------------------------------------------


def make_model_instance(model: Any, attributes: dict[str, Any], fields_set: set[str]) -> Any:
    """Make an instance of a Pydantic model without its constructor. The instance keeps both arguments themselves, so
    they can be filled later."""
    private: Mapping[str, Any] = model.__private_attributes__
    instance = model.__new__(model)
    instance.__setstate__(
        {
            "__dict__": attributes,
            "__pydantic_fields_set__": fields_set,
            "__pydantic_extra__": {} if model.model_config.get("extra") == "allow" else None,
            "__pydantic_private__": _private_defaults(private) if private else None,
        }
    )
    return instance


def _private_defaults(private: Mapping[str, Any]) -> dict[str, Any]:
    """Return the defaults of private attributes, except those that depend on validated values."""
    from pydantic_core import PydanticUndefined

    defaults: dict[str, Any] = {}
    for name, attribute in private.items():
        if attribute.default_factory is None:
            if attribute.default is not PydanticUndefined:
                defaults[name] = copy.deepcopy(attribute.default)
        elif not getattr(attribute, "default_factory_takes_validated_data", False):
            defaults[name] = attribute.default_factory()
    return defaults


def has_only_field_validation(model: Any) -> bool:
    """Whether an instance of a Pydantic model is valid once all its fields are: the model has no validators, aliases or
    settings of its own that matter."""
    from pydantic import BaseModel

    decorators = model.__pydantic_decorators__
    return not (
        any(getattr(decorators, each) for each in _VALIDATORS)
        or model.__pydantic_custom_init__
        or model.__pydantic_post_init__
        or any(name in vars(cls) for name in _OVERRIDES for cls in model.__mro__ if cls is not BaseModel)
        or model.model_config.get("extra") == "allow"
        or model.model_config.keys() - _HARMLESS_SETTINGS
        or any(field.alias or field.validation_alias for field in model.model_fields.values())
    )


def complete_model(model: Any) -> None:
    """Resolve the annotations of a model that mentions types defined after it, as far as they exist by now."""
    if not model.__pydantic_complete__:
        model.model_rebuild(raise_errors=False)


def get_dataclass_fields(cls: type) -> Mapping[str, FieldInfo] | None:
    """Return the fields of a Pydantic dataclass; `None` for any other class."""
    return getattr(cls, "__pydantic_fields__", None)


def extra_fields_annotation(kind: Any) -> dict[str, Any]:
    """Return the field definition that gives a model's extra fields a type, for `create_model`."""
    return {"__pydantic_extra__": (types.GenericAlias(dict, (str, kind)), ...)}


# -- JSON Schema ------------------------------------------------------------------------------------------------------


@functools.cache
def schema_generator() -> Any:
    """Return a generator of JSON Schema, a subclass of Pydantic's, that adds no titles of its own. It raises
    `PydanticUserError` for types that have a schema although no JSON can be read as them."""
    from pydantic.errors import PydanticUserError
    from pydantic.json_schema import GenerateJsonSchema

    class Generator(GenerateJsonSchema):
        # A default that has no JSON form is simply not shown to the model.
        ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012

        validators = 0
        """How many of the user's validators run before the current type: they may read what Pydantic does not."""

        def field_title_should_be_set(self, schema: Any) -> bool:
            return False

        def generate_inner(self, schema: Any) -> Any:
            own = schema["type"] in ("function-before", "function-wrap")
            self.validators += own
            try:
                return super().generate_inner(schema)
            finally:
                self.validators -= own

        def check_readable(self, schema: Any) -> Any:
            if not self.validators and (problem := _describe_unreadable(schema)):
                raise PydanticUserError(problem, code=None)  # with another code, unions would leave the type out
            return schema

        def dict_schema(self, schema: Any) -> Any:
            return super().dict_schema(self.check_readable(schema))

        def literal_schema(self, schema: Any) -> Any:
            return super().literal_schema(self.check_readable(schema))

        def dataclass_schema(self, schema: Any) -> Any:
            return super().dataclass_schema(self.check_readable(schema))

        def model_schema(self, schema: Any) -> Any:
            return super().model_schema(self.check_readable(schema))

        # Named tuples: titles tell the model which item is which. Which of the two methods Pydantic calls depends on
        # its version.

        def p_arguments_schema(self, arguments: Any, var_args_schema: Any) -> Any:
            return _add_item_titles(super().p_arguments_schema(arguments, var_args_schema), arguments)

        def named_tuple_schema(self, schema: Any) -> Any:
            return _add_item_titles(super().named_tuple_schema(schema), schema["fields"])

    return Generator


@functools.cache
def marking_schema_generator() -> Any:
    """Return a `schema_generator` that also marks each object with its hidden names (see `hidden_names`)."""

    class Marking(schema_generator()):  # type: ignore[misc]
        def model_fields_schema(self, schema: Any) -> Any:
            parent: Any = super()
            return _mark_hidden(parent.model_fields_schema(schema), schema["fields"])

        def typed_dict_schema(self, schema: Any) -> Any:
            parent: Any = super()
            return _mark_hidden(parent.typed_dict_schema(schema), schema["fields"])

        def dataclass_args_schema(self, schema: Any) -> Any:
            parent: Any = super()
            return _mark_hidden(parent.dataclass_args_schema(schema), {each["name"]: each for each in schema["fields"]})

    return Marking


def _describe_unreadable(schema: Any) -> str | None:
    """Return why no JSON can be read as a core schema's type, although Pydantic has a JSON Schema for it."""
    match schema:
        case {"type": "dataclass", "cls": kind} if issubclass(kind, Context):
            return "A context comes from the caller, never from the model"
        case {"type": "dict", "keys_schema": {"type": "literal", "expected": keys}}:
            if not any(isinstance(key, str) for key in keys):
                return "None of its keys can be text, but all keys in JSON are"
        case {"type": "literal", "expected": values}:
            if all(isinstance(value, enum.Enum) and value != value.value for value in values):
                return "Pydantic reads a member of an enum in a Literal only if that is a StrEnum or IntEnum"
        case {"type": "model", "cls": model, "schema": {"type": "model-fields"}}:  # without a validator before them
            return _describe_unreadable_field(model)
        case _:
            pass
    return None


def _describe_unreadable_field(model: type[BaseModel]) -> str | None:
    """Return the problem with a required field that Pydantic reads from inside other fields, although the schema lists
    it by name."""
    from pydantic import AliasPath

    if model.model_config.get("validate_by_name") or model.model_config.get("populate_by_name"):
        return None
    for name, field in model.model_fields.items():
        alias = field.validation_alias
        choices: Iterable[Any] = getattr(alias, "choices", (alias,))
        if field.is_required() and all(
            isinstance(each, AliasPath) and (each is alias or len(each.path) > 1) for each in choices
        ):
            return f"Its field {name!r} is read from inside other fields (an AliasPath), which the schema does not show"
    return None


def _add_item_titles(schema: dict[str, Any], fields: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    for item, field in zip(schema.get("prefixItems", ()), fields, strict=False):
        item["title"] = field["name"]
    return schema


def _mark_hidden(schema: dict[str, Any], fields: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Mark an object's JSON Schema with the names that its core schema reads and that it does not list."""
    listed = schema.get("properties", {})
    hidden: set[str] = set()
    for name, field in fields.items():
        aliases = _alias_names(field.get("validation_alias"))
        if listed.keys().isdisjoint([*aliases, name]):
            hidden.update(aliases, [name])
    return {**schema, HIDDEN: sorted(hidden)} if hidden else schema


def readable_names(model: type[BaseModel]) -> frozenset[str]:
    """Return all names by which a model's fields can be read: their own, and the first step of each alias."""
    fields = model.model_fields.items()
    return frozenset(
        each for name, field in fields for each in (name, *_alias_names(_alias_paths(field.validation_alias)))
    )


def _alias_paths(alias: Any) -> Any:
    convert = getattr(alias, "convert_to_aliases", None)
    return convert() if convert else alias


def _alias_names(alias: Any) -> Iterable[str]:
    """Return the first names of an alias as core schemas have it: a name, a path or several paths."""
    if isinstance(alias, str):
        return [alias]
    steps = cast("Sequence[Any]", alias or ())
    return [str(each[0]) for each in steps] if steps and isinstance(steps[0], list) else [str(s) for s in steps[:1]]
