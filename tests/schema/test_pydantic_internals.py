"""What `schema.pydantic_internals` assumes about Pydantic. A failure says which feature a new version breaks."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, Literal, NamedTuple

import pydantic
import pytest
from pydantic import (
    AliasChoices,
    AliasPath,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    PrivateAttr,
    TypeAdapter,
    ValidationError,
    create_model,
    field_validator,
    model_validator,
)
from pydantic.errors import PydanticUserError
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import CoreSchema
from typing_extensions import TypedDict

from mirascope_like import llm
from mirascope_like.schema.hidden_names import HIDDEN
from mirascope_like.schema.pydantic_internals import (
    complete_model,
    extra_fields_annotation,
    get_dataclass_fields,
    has_only_field_validation,
    make_model_instance,
    marking_schema_generator,
    readable_names,
    schema_generator,
)


@contextmanager
def breaks(feature: str) -> Generator[None]:
    """Say what stops working, whatever goes wrong inside."""
    try:
        yield
    except Exception as error:
        pytest.fail(f"With Pydantic {pydantic.VERSION}, {feature}. Cause: {type(error).__name__}: {error}")


class Early(BaseModel):
    late: Late
    """Defined below."""


class Late(BaseModel):
    name: str


class Plain(BaseModel):
    model_config = ConfigDict(title="A title", frozen=True)

    name: str
    age: Annotated[int, Field(ge=0)] = 0


class Private(BaseModel):
    name: str
    _tags: list[str] = PrivateAttr(default_factory=list)
    _size: int = 3
    _unset: int


class Open(BaseModel, extra="allow"):
    name: str


class FieldValidator(Plain):
    @field_validator("name")
    @classmethod
    def _upper(cls, value: str) -> str:
        return value.upper()


class AfterModel(Plain):
    @model_validator(mode="after")
    def _check(self) -> AfterModel:
        return self


class BeforeModel(Plain):
    @model_validator(mode="before")
    @classmethod
    def _check(cls, value: Any) -> Any:
        return value


class OwnInit(Plain):
    def __init__(self, **values: Any) -> None:
        super().__init__(**values)


class PostInit(Plain):
    def model_post_init(self, context: Any, /) -> None:
        """Look at the instance."""


class OwnCoreSchema(Plain):
    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return handler(source)


class OwnState(Plain):
    def __setstate__(self, state: dict[Any, Any]) -> None:
        super().__setstate__(state)


class Settings(Plain, str_strip_whitespace=True):
    pass


class Aliased(BaseModel):
    name: str = Field(alias="Name")


class Hidden(BaseModel):
    shown: int = 0
    secret: SkipJsonSchema[int] = Field(default=0, validation_alias=AliasChoices("Secret", AliasPath("deep", 0)))


class HiddenDict(TypedDict):
    shown: int
    secret: SkipJsonSchema[int]


@dataclass
class HiddenData:
    shown: int
    secret: SkipJsonSchema[int]


class Point(NamedTuple):
    x: int
    y: int


class Colour(Enum):
    RED = 1


class FromInside(BaseModel):
    name: str = Field(validation_alias=AliasPath("names", 0))


PARTIAL_MODELS = "partial values of structured streams can no longer be shown as model instances"


@pytest.mark.parametrize("model", [Plain, Private, Open, Settings, Aliased])
def test_instances_are_made_without_a_constructor_and_filled_in_place(model: type[BaseModel]) -> None:
    with breaks(f"{PARTIAL_MODELS}: __setstate__ or the state that it takes has changed"):
        attributes, fields_set = {"name": "A"}, set[str]()
        instance = make_model_instance(model, attributes, fields_set)
        assert isinstance(instance, model)
        assert not instance.model_fields_set
        attributes["name"] += "nn"
        fields_set.add("name")
        assert vars(instance)["name"] == "Ann"
        assert instance.model_fields_set == {"name"}
        assert "Ann" in repr(instance)
        assert list(instance.model_dump(exclude_unset=True).values()) == ["Ann"]


def test_instances_without_a_constructor_have_their_private_attributes() -> None:
    with breaks(f"{PARTIAL_MODELS}: private attributes have no defaults in them"):
        instance = make_model_instance(Private, {"name": "A"}, set())
        assert (instance._tags, instance._size) == ([], 3)
        assert not hasattr(instance, "_unset")
    with breaks(f"{PARTIAL_MODELS}: extra fields that a model allows are missing in them"):
        assert make_model_instance(Open, {"name": "A"}, set()).model_extra == {}


def test_models_without_validation_of_their_own_are_recognised() -> None:
    with breaks("every complete object of a structured stream is validated again, which costs time: see benchmarks"):
        assert has_only_field_validation(Plain)


@pytest.mark.parametrize(
    "model",
    [FieldValidator, AfterModel, BeforeModel, OwnInit, PostInit, OwnCoreSchema, OwnState, Settings, Open, Aliased],
)
def test_validation_of_a_model_is_recognised(model: type[BaseModel]) -> None:
    with breaks(f"partial values skip what {model.__name__} stands for here: invalid objects are shown as complete"):
        assert not has_only_field_validation(model)


def test_a_model_is_completed_once_all_its_types_exist() -> None:
    with breaks("models that mention types defined after them are not shown while they arrive"):
        complete_model(Early)
        assert Early.model_fields["late"].annotation is Late


def test_fields_of_dataclasses() -> None:
    @pydantic.dataclasses.dataclass
    class Aliased:
        name: str = Field(validation_alias="Name")

    with breaks("aliases in Pydantic's dataclasses are not recognised in partial values"):
        assert (get_dataclass_fields(Aliased) or {})["name"].validation_alias == "Name"
        assert get_dataclass_fields(HiddenData) is None


def test_extra_fields_have_a_type() -> None:
    with breaks("tools with typed **kwargs take values of any type"):
        model: Any = create_model("Any", __config__=ConfigDict(extra="allow"), **extra_fields_annotation(int))
        assert model.model_validate({"size": "3"}).model_extra == {"size": 3}
        with pytest.raises(ValidationError):
            model.model_validate({"size": "large"})
        assert model.model_json_schema()["additionalProperties"]["type"] == "integer"


def describe(kind: Any) -> dict[str, Any]:
    return TypeAdapter(kind).json_schema(schema_generator=schema_generator())


def test_schemas_have_no_titles_that_nobody_wrote() -> None:
    with breaks("schemas for models cost more tokens: fields have titles that Pydantic makes up"):
        assert describe(Plain)["properties"]["name"] == {"type": "string"}


def test_schemas_of_named_tuples_have_the_names() -> None:
    with breaks("models are not told which item of a NamedTuple is which"):
        assert [item["title"] for item in describe(Point)["prefixItems"]] == ["x", "y"]


@pytest.mark.parametrize(
    "kind",
    [
        dict[Literal[1, 2], str],
        Literal[Colour.RED],
        FromInside,
        llm.Context[Any],
        list[FromInside],
    ],
    ids=str,
)
def test_types_that_no_json_is_read_as_are_refused(kind: Any) -> None:
    with (
        breaks(f"{kind} is accepted as a type for models, but no answer can ever be read as it"),
        pytest.raises(PydanticUserError),
    ):
        describe(kind)


def test_what_a_validator_reads_itself_is_not_refused() -> None:
    kind = Annotated[Literal[Colour.RED], BeforeValidator(lambda value: Colour(value))]
    with breaks("types with a validator that reads what Pydantic does not are refused"):
        assert describe(kind)["const"] == 1


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (Hidden, ["Secret", "deep", "secret"]),
        (HiddenDict, ["secret"]),
        (HiddenData, ["secret"]),
    ],
)
def test_names_that_a_schema_does_not_list_are_marked(kind: Any, names: list[str]) -> None:
    with breaks("models can set fields that are hidden from them (SkipJsonSchema)"):
        assert TypeAdapter(kind).json_schema(schema_generator=marking_schema_generator())[HIDDEN] == names


def test_all_names_by_which_fields_are_read() -> None:
    with breaks("models can set fields of a class that is a tool by names that are hidden from them"):
        assert readable_names(Hidden) == {"shown", "secret", "Secret", "deep"}


class Agent(BaseModel):
    """Has what decorators make in the place of methods, and as fields."""

    name: str

    @llm.tool
    def shout(self, text: str) -> str:
        return f"{self.name}: {text}!"

    @llm.call("test/model")
    def ask(self, question: str) -> str:
        return f"{self.name}, {question}"

    @llm.prompt
    def asking(self) -> str:
        return self.name

    @llm.output_parser(formatting_instructions="Words.")
    def words(self, response: llm.BaseResponse[Any]) -> list[str]:
        return [self.name, *response.text().split()]


@llm.tool
def whisper(text: str) -> str:
    return text.lower()


@llm.call("test/model")
def recommend() -> str:
    return "Hi"


def test_decorated_functions_are_methods_of_models() -> None:
    with breaks("decorated methods of Pydantic models are errors"):
        agent = Agent(name="Ann")
        assert (agent.shout("Hi"), agent.ask.messages("why?")) == ("Ann: Hi!", [llm.messages.user("Ann, why?")])
        assert agent.asking.messages() == [llm.messages.user("Ann")]
        assert llm.scripted("a b").call("Hi", format=agent.words).parse() == ["Ann", "a", "b"]
        assert list(Agent.model_fields) == ["name"]


def test_decorated_functions_are_attributes_and_fields_of_models() -> None:
    with breaks("decorated functions as attributes of Pydantic models are errors"):

        class Kit(BaseModel):
            plain = whisper
            asked = recommend
            anything: Any = whisper
            tool: llm.Tool = whisper
            call: llm.Call[..., Any] = recommend
            function: Callable[..., Any] = recommend

        kit = Kit()
        assert Kit.plain is whisper and Kit.asked is recommend
        assert (kit.anything, kit.tool, kit.call, kit.function) == (whisper, whisper, recommend, recommend)
        assert Kit(tool=whisper, call=recommend).tool is whisper
        with pytest.raises(ValidationError, match="instance of Tool"):
            Kit(tool=recommend)  # type: ignore[arg-type]


def test_their_class_is_that_of_functools_for_pydantic_alone() -> None:
    assert isinstance(whisper, llm.Tool) and not isinstance(whisper, llm.AsyncTool | llm.Call)
    assert (type(whisper), llm.Tool.__class__, llm.Tool.__module__) == (llm.Tool, type, "mirascope_like.schema.tools")
    assert (whisper.__class__.__name__, issubclass(whisper.__class__, llm.Tool)) == ("Tool", True)
