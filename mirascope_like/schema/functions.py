"""Functions as tools: the JSON Schema of their parameters, and parsing the arguments that a model writes.

The schema comes from the signature: types from the annotations, descriptions from `Annotated[..., Field(...)]` or else
from the docstring (Google, NumPy, reST or Epydoc style). All of this happens at first use, once.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args, get_origin

from ..errors import ToolExecutionError
from .allowed_names import AllowedNames
from .function_layers import layer_parameter_names, layers
from .hidden_names import remove_marks
from .pydantic_internals import extra_fields_annotation, marking_schema_generator, readable_names, schema_generator
from .signatures import cache_per_function, typed_parameters, underlying_function, unwrap_method, unwrap_partial

if TYPE_CHECKING:
    from docstring_parser import Docstring
    from pydantic import BaseModel, ValidationError


def is_async(fn: Callable[..., Any]) -> bool:
    """Whether calling `fn` returns an awaitable: for functions, methods, partials and callable objects."""
    fn = unwrap_method(unwrap_partial(fn))
    if inspect.iscoroutinefunction(fn):
        return True
    return not inspect.isroutine(fn) and inspect.iscoroutinefunction(getattr(type(fn), "__call__", None))  # noqa: B004


def function_name(fn: Callable[..., Any]) -> str:
    """Return the name of a function, partial or callable object."""
    fn = unwrap_partial(fn)
    return getattr(fn, "__name__", None) or type(fn).__name__


def copy_function_metadata(wrapper: Any, fn: Callable[..., Any]) -> None:
    """Give an object the name, docs and signature of the function it wraps, and mark it if it is async."""
    inner = unwrap_method(fn)
    functools.update_wrapper(wrapper, inner, updated=())
    wrapper.__name__ = function_name(inner)
    wrapper.__qualname__ = getattr(inner, "__qualname__", wrapper.__name__)
    if not is_async(inner):
        return
    if mark := getattr(inspect, "markcoroutinefunction", None):
        mark(wrapper)
    else:
        # Before Python 3.12, `inspect.iscoroutinefunction` looks at the code of an object that looks like a function.
        code = inner if hasattr(inner, "__code__") else underlying_function(inner)
        for name in ("__code__", "__defaults__", "__kwdefaults__"):
            setattr(wrapper, name, getattr(code, name))


def bind_function(fn: Any, instance: object, owner: type | None) -> Callable[..., Any] | None:
    """Bind a function to an instance or class. Return `None` if it does not bind."""
    bind = getattr(fn, "__get__", None)  # callable objects do not bind
    if bind is None or isinstance(fn, staticmethod) or (instance is None and not isinstance(fn, classmethod)):
        return None
    bound: Callable[..., Any] = bind(instance, owner)
    return bound


@dataclass(frozen=True, slots=True)
class FunctionDocs:
    """A parsed docstring: the description of the function, and of each parameter."""

    description: str
    parameters: Mapping[str, str]


@cache_per_function
def parse_docs(fn: Callable[..., Any]) -> FunctionDocs:
    """Parse a function's docstring. Without one, the description is the function's name."""
    text = _docstring(fn)
    if not text:
        return FunctionDocs(function_name(fn), {})
    from docstring_parser import ParseError, parse

    try:
        parsed = parse(f"\n{_restore_indent(text)}")  # the parser misses a section in the first line
    except ParseError:
        return FunctionDocs(text, {})
    if not parsed.params:
        return FunctionDocs(text, {})
    parameters = {p.arg_name: " ".join(p.description.split()) for p in parsed.params if p.description}
    # A parameter's description is in the schema; repeating it only costs tokens.
    return FunctionDocs(_description_without_parameters(parsed) or function_name(fn), parameters)


def _docstring(fn: Callable[..., Any]) -> str:
    """Return the author's docstring of a function, callable object or class, not one inherited from Python or
    Pydantic."""
    fn = unwrap_partial(fn)
    plain = underlying_function(fn)
    if inspect.isclass(plain):
        return inspect.cleandoc(plain.__doc__ or "")
    if not inspect.isroutine(fn) and plain is type(fn).__call__:
        return inspect.cleandoc(plain.__doc__ or type(fn).__doc__ or "")
    return inspect.getdoc(plain) or ""


def _restore_indent(text: str) -> str:
    """Restore the indent of a docstring's only section, which is lost if the section begins in the first line."""
    first, end, rest = text.partition("\n")
    lost = first in ("Args:", "Arguments:", "Parameters:", "Params:") and not rest.startswith((" ", "\n"))
    return first + end + re.sub("^", "    ", rest, flags=re.MULTILINE) if lost else text


def _description_without_parameters(parsed: Docstring) -> str:
    paragraphs = [parsed.short_description, parsed.long_description]
    if parsed.returns and parsed.returns.description:
        paragraphs.append(f"Returns: {parsed.returns.description}")
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


class ToolArguments:
    """A function's parameters: `schema` is their JSON Schema object, and `bind` parses JSON text by it."""

    def __init__(self, fn: Callable[..., Any], name: str, hidden: frozenset[str]) -> None:
        self._name = name
        self._parameters: Mapping[str, inspect.Parameter] = {}
        self.schema: dict[str, Any]
        self._model, marked = self._build_model(fn, parse_docs(fn), hidden)
        self.schema = remove_marks(marked)
        self._always_passed = frozenset(field for field, p in self._parameters.items() if not _has_own_default(p))
        self.schema.pop("title", None)
        self.schema.setdefault("properties", {})
        self._allowed_names = AllowedNames(marked)
        names = layer_parameter_names(fn) | _model_field_names(fn) | hidden
        self._reserved_names = names - self._allowed_names.listed_names

    def parse(self, text: str) -> tuple[list[Any], dict[str, Any]]:
        """Return positional and keyword arguments from JSON text (an object; blank means none), converted to the
        annotated types.

        Arguments that the model left out get the function's defaults. Members of nested objects that the schema does
        not list are ignored. Raises `ToolExecutionError` whose message tells the model what does not fit.
        """
        values = self._validate(text if text.strip() else "{}")
        given = values.model_fields_set
        args: list[Any] = []
        kwargs: dict[str, Any] = dict(values.model_extra or {})
        for field, parameter in self._parameters.items():
            if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
                args.append(getattr(values, field))  # also a default: the positions of the next ones depend on it
            elif field in given or field in self._always_passed:
                kwargs[parameter.name] = getattr(values, field)
        return args, kwargs

    def _validate(self, text: str) -> BaseModel:
        from pydantic import ValidationError

        text, refused = self._drop_unknown(text)
        try:
            values = self._model.model_validate_json(text)
        except ValidationError as error:
            raise _explain_validation_error(self._name, error) from error
        if refused:  # and Pydantic would have accepted them
            raise arguments_error(self._name, [(name, UNKNOWN_ARGUMENT) for name in refused])
        return values

    def _drop_unknown(self, text: str) -> tuple[str, list[str]]:
        """Return a JSON text without the members of nested objects that the schema does not list, which Pydantic may
        still read (fields with `SkipJsonSchema`), and the names to refuse."""
        from pydantic_core import from_json, to_json

        try:
            given = from_json(text)
        except ValueError:  # Pydantic explains it to the model
            return text, []
        extra = self._allowed_names.find_unknown(given)
        refused = [each.name for each in extra if each.is_forbidden]
        refused += self._reserved_names.intersection(cast("Iterable[str]", given)) if isinstance(given, dict) else []
        hidden = [each for each in extra if not each.is_forbidden]
        for each in hidden:
            each.remove_from(given)
        return to_json(given).decode() if hidden else text, list(dict.fromkeys(refused))

    def _build_model(
        self, fn: Callable[..., Any], docs: FunctionDocs, hidden: Container[str]
    ) -> tuple[type[BaseModel], dict[str, Any]]:
        from pydantic import ConfigDict, create_model
        from pydantic.errors import PydanticUserError

        fields: dict[str, Any] = {}
        try:
            parameters = typed_parameters(fn, hidden)
            others = [parameter.annotation for parameter in parameters if parameter.kind is parameter.VAR_KEYWORD]
            named = [parameter for parameter in parameters if parameter.kind is not parameter.VAR_KEYWORD]
            # Fields are numbered, since a parameter may have a name that is not allowed for a field (`schema`, `_x`).
            self._parameters = {f"p{i}": parameter for i, parameter in enumerate(named)}
            fields = {field: _make_field(p, docs.parameters.get(p.name)) for field, p in self._parameters.items()}
            config = ConfigDict(extra="forbid", use_enum_values=False, allow_inf_nan=False)  # nor "NaN" as a string
            if others:
                config["extra"], fields = "allow", {**fields, **extra_fields_annotation(*others)}
            model = create_model(self._name, __config__=config, **fields)
            return model, model.model_json_schema(schema_generator=marking_schema_generator())
        except (NameError, PydanticUserError) as error:
            names = [p.name for field, p in self._parameters.items() if not _has_schema(fields.get(field, Any))]
            which = f"{', '.join(names)}: " if names else ""
            raise TypeError(
                f"The tool {self._name!r} has a parameter that cannot be described to a model: {which}{error}"
            ) from error


tool_arguments: Callable[..., ToolArguments] = cache_per_function(ToolArguments)
"""Returns a function's `ToolArguments` for a tool of this name, without `hidden` parameters. Raises `TypeError` if a
parameter cannot be described."""


def _has_own_default(parameter: inspect.Parameter) -> bool:
    """Whether the function itself has a default. A `Field` as the default means nothing to it."""
    from pydantic.fields import FieldInfo

    return parameter.default is not inspect.Parameter.empty and not isinstance(parameter.default, FieldInfo)


def _model_field_names(fn: object) -> frozenset[str]:
    """Return the names that a Pydantic model as a tool reads. Its signature does not have all of them."""
    from pydantic import BaseModel

    return frozenset[str]().union(
        *(readable_names(each) for each in layers(fn) if inspect.isclass(each) and issubclass(each, BaseModel))
    )


def _has_schema(field: Any) -> bool:
    from pydantic import create_model
    from pydantic.errors import PydanticUserError

    try:
        json_schema(create_model("Alone", field=field))
    except PydanticUserError:
        return False
    return True


def _make_field(parameter: inspect.Parameter, description: str | None) -> Any:
    from pydantic import Field
    from pydantic.fields import FieldInfo

    hint: Any = parameter.annotation
    own = [item for item in get_args(hint)[1:] if isinstance(item, FieldInfo)] if get_origin(hint) is Annotated else []
    if any(info.description for info in own):
        description = None
    extra = Field(alias=parameter.name, description=description) if description else Field(alias=parameter.name)
    described = Annotated[hint, extra]
    return described if parameter.default is inspect.Parameter.empty else (described, parameter.default)


def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return a Pydantic model's JSON Schema, by the names that it reads, with the user's titles and without those that
    Pydantic generates."""
    return model.model_json_schema(schema_generator=schema_generator())


_MAX_PROBLEMS = 20
_MAX_LINE = 1000  # characters
UNKNOWN_ARGUMENT = "Extra inputs are not permitted"
"""The message for an unknown argument, as Pydantic words it."""


def arguments_error(name: str, problems: Iterable[tuple[str, str]]) -> ToolExecutionError:
    """Return the error that tells a model which arguments of a tool do not fit, and why. `problems` are pairs of path
    and message. Their number and length are limited, because they repeat what the model wrote."""
    lines = [f"- {where or 'arguments'}: {what}"[:_MAX_LINE] for where, what in islice(problems, _MAX_PROBLEMS)]
    return ToolExecutionError("\n".join([f"The arguments of {name} do not fit:", *lines]))


def _explain_validation_error(name: str, error: ValidationError) -> ToolExecutionError:
    details = error.errors(include_url=False, include_context=False)
    made = arguments_error(name, [(".".join(map(str, detail["loc"])), detail["msg"]) for detail in details])
    made.tool_exception = error
    return made
