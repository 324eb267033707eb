"""What a client may ask: the requests of OpenAI's API, checked strictly, and three more fields.

Fields of OpenAI that this server has no use for are taken where their value asks for nothing (a
`frequency_penalty` of 0) and refused elsewhere. Bounds that depend on the model or on `Limits` are
checked in `slm.server.asking`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from slm.errors import shown
from slm.generation.options import LARGEST_SEED

MOST_STOPS = 4
LONGEST_STOP = 256
MOST_MESSAGES = 1024
MOST_TOP_LOGPROBS = 20

STRICT = ConfigDict(
    strict=True,
    extra="forbid",
    allow_inf_nan=False,
    protected_namespaces=(),
    use_attribute_docstrings=True,
)


def _whole_number(value: Any) -> Any:
    """JSON knows one kind of number: 2.0 is the integer 2."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def valid_unicode(text: str) -> str:
    """Refuse half a surrogate pair, which JSON can write and UTF-8 cannot.

    Raises:
        PydanticCustomError: there is one.
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


def _only(*neutral: Any) -> Callable[[Any], Any]:
    """A validator that takes the given values alone, none of which has an effect."""

    def check(value: Any) -> Any:
        if not isinstance(value, bool) and value in neutral:
            return value
        raise PydanticCustomError(
            "not_supported",
            "is not supported by this server: leave it out or send {neutral}",
            {"neutral": " or ".join("null" if v is None else str(v) for v in neutral)},
        )

    return check


Whole = BeforeValidator(_whole_number)
Text = Annotated[str, AfterValidator(valid_unicode)]
Zero = Annotated[Any, BeforeValidator(_only(0, None)), WithJsonSchema({"enum": [0, None]})]
One = Annotated[Any, BeforeValidator(_only(1, None)), WithJsonSchema({"enum": [1, None]})]
Empty = Annotated[
    Any,
    BeforeValidator(_only({}, None)),
    WithJsonSchema({"anyOf": [{"type": "object", "maxProperties": 0}, {"type": "null"}]}),
]
Null = Annotated[Any, BeforeValidator(_only(None)), WithJsonSchema({"type": "null"})]

StopText = Annotated[Text, Field(min_length=1, max_length=LONGEST_STOP)]

PromptItem = str | tuple[int, ...]
"""A prompt as text, or as token ids."""

_IDS_SCHEMA = {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 0}}
PROMPT_SCHEMA: dict[str, Any] = {
    "description": "A text, token ids, or several of either.",
    "anyOf": [
        {"type": "string"},
        {"type": "array", "minItems": 1, "items": {"type": "string"}},
        _IDS_SCHEMA,
        {"type": "array", "minItems": 1, "items": _IDS_SCHEMA},
    ],
}


def _prompts(value: Any) -> tuple[PromptItem, ...]:
    """All prompts of the field, each a text or a tuple of ids.

    Raises:
        PydanticCustomError: it is none of the four forms.
    """
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
        "must be a text, a list of texts, a list of token ids, or a list of such lists, "
        "found {found}",
        {"found": shown(value)},
    )


def _ids(values: list[Any]) -> tuple[int, ...] | None:
    ids = [_whole_number(value) for value in values]
    if all(isinstance(token_id, int) and not isinstance(token_id, bool) for token_id in ids):
        return tuple(ids)
    return None


class StreamOptions(BaseModel):
    """What a stream holds besides the text."""

    model_config = STRICT

    include_usage: bool | None = None
    """Send the numbers of tokens in a last event."""
    include_obfuscation: bool | None = None
    """Taken, and without effect."""


class GenerationRequest(BaseModel):
    """What both kinds of requests have in common. A null is as good as nothing."""

    model_config = STRICT

    model: Text | None = None
    """The served model's name, as `/v1/models` gives it."""
    max_tokens: Annotated[int, Field(ge=0), Whole] | None = None
    """New tokens at most."""
    n: Annotated[int, Field(ge=1), Whole] | None = None
    """Continuations of each prompt; none: 1."""
    temperature: Annotated[float, Field(ge=0.0, le=2.0)] | None = None
    """Divides the logits; 0 (and below 0.0001) takes the likeliest token; none: 1."""
    top_p: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    """Sample among the likeliest tokens that together reach this probability; none: all."""
    top_k: Annotated[int, Field(ge=0, le=2**24), Whole] | None = None
    """Sample among the k likeliest tokens; 0 or none: among all."""
    min_p: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    """Drop tokens less likely than this share of the likeliest one's probability; none: 0."""
    repetition_penalty: Annotated[float, Field(ge=0.01, le=100.0)] | None = None
    """Above 1, tokens that are in the text become less likely; none: 1."""
    seed: Annotated[int, Field(ge=0, le=LARGEST_SEED), Whole] | None = None
    """Equal requests with equal seeds give equal texts; none: a fresh one, which is answered."""
    stop: (
        StopText | Annotated[list[StopText], Field(min_length=1, max_length=MOST_STOPS)] | None
    ) = None
    """The text ends before this text, or the first of these."""
    stream: bool | None = None
    """Send the text as it is written, as server-sent events."""
    stream_options: StreamOptions | None = None
    """Of a stream."""
    user: Text | None = None
    """Taken, and without effect."""
    frequency_penalty: Zero = None
    presence_penalty: Zero = None
    logit_bias: Empty = None

    @property
    def stops(self) -> tuple[str, ...]:
        """The stop strings."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    @property
    def includes_usage(self) -> bool:
        """Whether a stream ends with the numbers of tokens."""
        return bool(self.stream_options and self.stream_options.include_usage)


class CompletionRequest(GenerationRequest):
    """`POST /v1/completions`: continue one or several prompts."""

    prompt: Annotated[
        tuple[PromptItem, ...], BeforeValidator(_prompts), WithJsonSchema(PROMPT_SCHEMA)
    ]
    echo: bool | None = None
    """Begin the answer with the prompt; with `logprobs`, those of the prompt are there, too."""
    logprobs: Annotated[int, Field(ge=0, le=MOST_TOP_LOGPROBS), Whole] | None = None
    """Tell each token's log-probability, and those of this many likeliest ones."""
    best_of: One = None
    suffix: Null = None


class TextPart(BaseModel):
    """A part of a message."""

    model_config = STRICT

    type: Literal["text"]
    text: Text


class Message(BaseModel):
    """One message of a conversation."""

    model_config = STRICT

    role: Literal["system", "developer", "user", "assistant"]
    content: Text | list[TextPart]
    name: Text | None = None
    """Taken, and without effect."""

    @property
    def text(self) -> str:
        """The content as one text."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content)


class ChatRequest(GenerationRequest):
    """`POST /v1/chat/completions`: continue a conversation, which a base model reads as a text."""

    messages: Annotated[list[Message], Field(min_length=1, max_length=MOST_MESSAGES)]
    max_completion_tokens: Annotated[int, Field(ge=0), Whole] | None = None
    """The newer name of `max_tokens`, and the stronger where both are there."""
    logprobs: bool | None = None
    """Tell each token's log-probability."""
    top_logprobs: Annotated[int, Field(ge=0, le=MOST_TOP_LOGPROBS), Whole] | None = None
    """With `logprobs`: tell those of this many likeliest tokens, too."""
