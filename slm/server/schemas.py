"""The requests of OpenAI's API, strictly validated, with three additional fields.

Every field of OpenAI's schema is known, and null means that it is absent. A field without effect
here is accepted if its value is neutral (see `slm.server.neutral`). Bounds that depend on the model
or on `Limits` are checked in `slm.server.requests`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError

from slm.errors import shown
from slm.generation.options import LARGEST_SEED
from slm.server.neutral import TEXT_ALONE, Neutral, unsupported, without_neutral_fields

MAX_STOPS = 4
MAX_STOP_CHARACTERS = 256
MAX_MESSAGES = 1024
MAX_TOP_LOGPROBS = 20

STRICT = ConfigDict(
    strict=True,
    extra="forbid",
    allow_inf_nan=False,
    protected_namespaces=(),
    use_attribute_docstrings=True,
)


def _integral(value: Any) -> Any:
    """JSON has one type of number: 2.0 is the integer 2."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def valid_unicode(text: str) -> str:
    """Refuse a lone surrogate, which JSON can represent and UTF-8 cannot.

    Raises:
        PydanticCustomError: the text contains one.
    """
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise PydanticCustomError(
                "lone_surrogate",
                "must be valid Unicode, found the lone surrogate U+{point}",
                {"point": f"{ord(text[error.start]):04X}"},
            ) from None
    return text


AsInt = BeforeValidator(_integral)
Text = Annotated[str, AfterValidator(valid_unicode)]
StopText = Annotated[
    str, Field(min_length=1, max_length=MAX_STOP_CHARACTERS), AfterValidator(valid_unicode)
]

PromptItem = str | tuple[int, ...]
"""A prompt as text, or as token ids."""

_IDS_SCHEMA = {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 0}}
PROMPT_SCHEMA: dict[str, Any] = {
    "description": "A text, token ids, or a list of either; null: start a new text.",
    "anyOf": [
        {"type": "string"},
        {"type": "array", "minItems": 1, "items": {"type": "string"}},
        _IDS_SCHEMA,
        {"type": "array", "minItems": 1, "items": _IDS_SCHEMA},
        {"type": "null"},
    ],
}


def _prompts(value: Any) -> tuple[PromptItem, ...]:
    """All prompts of the field, each a text or a tuple of ids.

    Raises:
        PydanticCustomError: the value has another type.
    """
    if value is None:
        return ("",)
    if isinstance(value, str):
        return (valid_unicode(value),)
    if isinstance(value, list) and value:
        if all(isinstance(item, str) for item in value):
            return tuple(valid_unicode(item) for item in value)
        if (ids := _ids(value)) is not None:
            return (ids,)
        if all(isinstance(item, list) and item for item in value):
            several = [_ids(item) for item in value]
            if all(ids is not None for ids in several):
                return tuple(ids for ids in several if ids is not None)
    raise PydanticCustomError(
        "prompt",
        "must be a text, a list of texts, a list of token ids, or a list of such lists",
    )


def _ids(values: list[Any]) -> tuple[int, ...] | None:
    ids = [_integral(value) for value in values]
    if all(isinstance(token_id, int) and not isinstance(token_id, bool) for token_id in ids):
        return tuple(ids)
    return None


def _absent_if_minus_one(value: int) -> int | None:
    """Many clients send -1 for "not given"."""
    return None if value == -1 else value


def _seed(value: int) -> int | None:
    """Map OpenAI's seeds, which may be negative, to the generator's."""
    return None if value == -1 else value & LARGEST_SEED


NO_TOOLS = "this server calls no tools"
NOT_STORED = "this server stores no answers"


class Checked(BaseModel):
    """JSON data of a request: strict, except that unknown fields may be neutral."""

    model_config = STRICT

    @model_validator(mode="before")
    @classmethod
    def _drop_neutral_fields(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return without_neutral_fields(data, own=cls.model_fields)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """For pydantic: describe that unknown fields may be null."""
        described = handler.resolve_ref_schema(handler(schema))
        described["additionalProperties"] = {"type": "null"}
        return described


class StreamOptions(Checked):
    """Options of a stream."""

    include_usage: bool | None = None
    """Send the token counts in a last event."""
    include_obfuscation: bool | None = None
    """Has no effect."""


class PromptCacheOptions(Checked):
    """Has no effect: every prompt is computed in full."""

    mode: Text | None = None
    ttl: Text | None = None


class FieldsWithoutEffect(Checked):
    """The fields of OpenAI's schema that change nothing here, and their neutral values."""

    user: Text | None = None
    safety_identifier: Text | None = None
    prompt_cache_key: Text | None = None
    prompt_cache_options: PromptCacheOptions | None = None
    prompt_cache_retention: Text | None = None
    parallel_tool_calls: bool | None = None
    frequency_penalty: Annotated[
        Any, Neutral(0, because="repetition_penalty is the only penalty here")
    ] = None
    presence_penalty: Annotated[
        Any, Neutral(0, because="repetition_penalty is the only penalty here")
    ] = None
    logit_bias: Annotated[Any, Neutral({}, because="this server shifts no logits")] = None
    tools: Annotated[Any, Neutral([], because=NO_TOOLS)] = None
    tool_choice: Annotated[Any, Neutral("none", "auto", because=NO_TOOLS)] = None
    functions: Annotated[Any, Neutral([], because=NO_TOOLS)] = None
    function_call: Annotated[Any, Neutral("none", "auto", because=NO_TOOLS)] = None
    response_format: Annotated[
        Any, Neutral({"type": "text"}, because="the model writes free text")
    ] = None
    store: Annotated[Any, Neutral(False, because=NOT_STORED)] = None
    metadata: Annotated[Any, Neutral({}, because=NOT_STORED)] = None
    modalities: Annotated[Any, Neutral(["text"], because=TEXT_ALONE)] = None
    audio: Annotated[Any, Neutral(because=TEXT_ALONE)] = None
    prediction: Annotated[Any, Neutral(because="every token is generated by the model")] = None
    reasoning_effort: Annotated[Any, Neutral("none", because="the model does not reason")] = None
    verbosity: Annotated[Any, Neutral("medium", because="the model has a single style")] = None
    service_tier: Annotated[
        Any, Neutral("auto", "default", because="all requests are treated alike")
    ] = None
    moderation: Annotated[Any, Neutral(because="this server has no moderation")] = None
    web_search_options: Annotated[Any, Neutral(because="this server has no web search")] = None


class GenerationRequest(FieldsWithoutEffect):
    """The fields that both endpoints have in common."""

    model: Text | None = None
    """A model's name from `/v1/models`."""
    max_tokens: Annotated[int, Field(ge=-1), AsInt] | None = None
    """Maximum number of new tokens; -1: the server's limit."""
    n: Annotated[int, Field(ge=1), AsInt] | None = None
    """Number of continuations of each prompt; default: 1."""
    temperature: Annotated[float, Field(ge=0.0, le=2.0)] | None = None
    """Sampling temperature, by which logits are divided; below 0.0001: greedy; default: 1."""
    top_p: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    """Sample from the most likely tokens that together reach this probability; default: all."""
    top_k: (
        Annotated[int, Field(ge=-1, le=2**24), AsInt, AfterValidator(_absent_if_minus_one)] | None
    ) = None
    """Sample from the k most likely tokens; 0, -1 or null: all."""
    min_p: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    """Drop tokens whose probability is below this fraction of the highest one; default: 0."""
    repetition_penalty: Annotated[float, Field(ge=0.01, le=100.0)] | None = None
    """Above 1, tokens that are already in the text become less likely; default: 1."""
    seed: (
        Annotated[int, Field(ge=-LARGEST_SEED - 1, le=LARGEST_SEED), AsInt, AfterValidator(_seed)]
        | None
    ) = None
    """Equal requests with equal seeds give equal texts; -1 or null: a random one. The response
    contains the seed; a negative one is returned as the equivalent positive one."""
    stop: StopText | Annotated[list[StopText], Field(max_length=MAX_STOPS)] | None = None
    """The text ends before this string, or before the first of these strings."""
    stream: bool | None = None
    """Send the text while it is generated, as server-sent events."""
    stream_options: StreamOptions | None = None
    """Options of a stream."""

    @property
    def stops(self) -> tuple[str, ...]:
        """The stop strings."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    @property
    def includes_usage(self) -> bool:
        """Whether a stream ends with the token counts."""
        return bool(self.stream_options and self.stream_options.include_usage)


class CompletionRequest(GenerationRequest):
    """`POST /v1/completions`: continue one or several prompts."""

    prompt: Annotated[
        tuple[PromptItem, ...], BeforeValidator(_prompts), WithJsonSchema(PROMPT_SCHEMA)
    ] = ("",)
    """Default: start a new text."""
    echo: bool | None = None
    """Begin the answer with the prompt; with `logprobs`, include those of the prompt."""
    logprobs: Annotated[int, Field(ge=0, le=MAX_TOP_LOGPROBS), AsInt] | None = None
    """Return each token's log-probability, and this many most likely alternatives."""
    add_special_tokens: bool | None = None
    """False: the prompt is read without the end-of-text token before it, as the middle of a text;
    its first token has no log-probability then. An empty prompt starts a new text all the same. Not
    part of OpenAI's API, but of vLLM's."""
    best_of: Annotated[Any, Neutral(1, because="every continuation is returned")] = None
    suffix: Annotated[Any, Neutral("", because="the model continues a text and fills no gaps")] = (
        None
    )


def _text_type(value: Any) -> Any:
    if value in ("image_url", "input_audio", "file", "refusal"):
        raise unsupported(f"the type {shown(value)} is not supported because {TEXT_ALONE}")
    return value


def _speaking_role(value: Any) -> Any:
    if value in ("tool", "function"):
        raise unsupported(f"the role {shown(value)} is not supported because {NO_TOOLS}")
    return value


class TextPart(Checked):
    """A part of a message."""

    type: Annotated[Literal["text"], BeforeValidator(_text_type)]
    text: Text
    prompt_cache_breakpoint: PromptCacheOptions | None = None


class Message(Checked):
    """One message of a conversation. An assistant's message may be an earlier response."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"properties": {"role": {"const": "assistant"}}},
                {"required": ["content"], "properties": {"content": {"type": ["string", "array"]}}},
            ]
        }
    )

    role: Annotated[
        Literal["system", "developer", "user", "assistant"], BeforeValidator(_speaking_role)
    ]
    content: Annotated[Text | list[TextPart] | None, Field(validate_default=True)] = None
    """The text; only an assistant's message may have none."""
    name: Text | None = None
    """Has no effect."""
    refusal: Annotated[Any, Neutral("", because="only a message's content is read")] = None
    annotations: Annotated[Any, Neutral([], because="only a message's content is read")] = None
    parsed: Annotated[Any, Neutral(because="only a message's content is read")] = None
    audio: Annotated[Any, Neutral(because=TEXT_ALONE)] = None
    function_call: Annotated[Any, Neutral(because=NO_TOOLS)] = None
    tool_calls: Annotated[Any, Neutral([], because=NO_TOOLS)] = None
    tool_call_id: Annotated[Any, Neutral(because=NO_TOOLS)] = None

    @field_validator("content")
    @classmethod
    def _check_content(cls, content: Any, info: ValidationInfo) -> Any:
        if content is None and info.data.get("role", "assistant") != "assistant":
            raise PydanticCustomError("missing", "is missing")
        return content

    @property
    def text(self) -> str:
        """The content as one text."""
        if self.content is None or isinstance(self.content, str):
            return self.content or ""
        return "".join(part.text for part in self.content)


class ChatRequest(GenerationRequest):
    """`POST /v1/chat/completions`: continue a conversation, which is read as one text."""

    messages: Annotated[list[Message], Field(min_length=1, max_length=MAX_MESSAGES)]
    max_completion_tokens: Annotated[int, Field(ge=-1), AsInt] | None = None
    """The newer name of `max_tokens`; takes precedence if both are given."""
    logprobs: bool | None = None
    """Return each token's log-probability."""
    top_logprobs: Annotated[int, Field(ge=0, le=MAX_TOP_LOGPROBS), AsInt] | None = None
    """With `logprobs`: return this many most likely alternatives too."""
