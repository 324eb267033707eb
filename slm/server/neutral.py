"""Fields that have no effect here: their neutral values, and why other values are unsupported.

`Neutral` is for the fields of OpenAI's schema, which are declared in `slm.server.schemas`.
`FOREIGN_FIELDS` is for fields of other servers and of the other endpoint that many clients send.
"""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

UNSUPPORTED = "not_supported"
"""The type of pydantic's error for a known field or value that is unsupported."""

TEXT_ALONE = "the model reads and writes text only"


class Neutral:
    """Marks a field that accepts only null and the given values, which have no effect.

    Args:
        values: the values in JSON's types; 0 also accepts 0.0, but not false.
        because: why other values are unsupported.
    """

    def __init__(self, *values: Any, because: str) -> None:
        self.values = values
        self.because = because

    def check(self, value: Any) -> None:
        """Accept a neutral value.

        Raises:
            PydanticCustomError: the value is not neutral.
        """
        if not _is_one_of(value, (None, *self.values)):
            neutral = " or ".join(map(json.dumps, self.values))
            raise unsupported(
                f"is not supported because {self.because}: leave it out"
                + (f" or send {neutral}" if neutral else "")
            )

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """For pydantic: how the field is validated. Every neutral value becomes None."""
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """For pydantic: how the field is described."""
        return {"enum": [*self.values, None]}


def unsupported(message: str) -> PydanticCustomError:
    """The error for a known field or value that is unsupported."""
    # The message is passed as a value, so that braces in it are not taken for placeholders.
    return PydanticCustomError(UNSUPPORTED, "{message}", {"message": message})


@dataclass(frozen=True)
class ForeignField:
    """A field of another server.

    Args:
        advice: what to do instead.
        neutral: the values without effect; None: no value changes the text.
    """

    advice: str
    neutral: tuple[Any, ...] | None = ()


def without_neutral_fields(data: Mapping[str, Any], *, own: Container[str]) -> dict[str, Any]:
    """The data without the fields that are not our `own` and have a neutral value.

    Many clients send every field of their objects, so null is neutral in unknown fields too.
    """
    return {
        name: value for name, value in data.items() if name in own or not _is_neutral(name, value)
    }


def _is_neutral(name: str, value: Any) -> bool:
    field = FOREIGN_FIELDS.get(name, _UNKNOWN_FIELD)
    return field.neutral is None or _is_one_of(value, (None, *field.neutral))


def _is_one_of(value: Any, values: tuple[Any, ...]) -> bool:
    # True == 1 in Python, but not in JSON.
    return any(
        value == each and isinstance(value, bool) == isinstance(each, bool) for each in values
    )


_UNKNOWN_FIELD = ForeignField("leave it out")


def _fields(advice: str, **neutral: tuple[Any, ...] | None) -> dict[str, ForeignField]:
    return {name: ForeignField(advice, values) for name, values in neutral.items()}


FOREIGN_FIELDS: dict[str, ForeignField] = {
    # Fields of our other endpoint.
    **_fields("prompts are for /v1/completions, and messages for this path", prompt=()),
    **_fields("messages are for /v1/chat/completions, and a prompt for this path", messages=()),
    **_fields("/v1/completions has it", best_of=(1,), echo=(False,), suffix=("",)),
    **_fields("use logprobs with the number", top_logprobs=(0,)),
    **_fields(
        "use max_tokens",
        max_completion_tokens=(),
        n_predict=(),
        num_predict=(),
        max_new_tokens=(),
        max_length=(),
    ),
    **_fields("use repetition_penalty", repeat_penalty=(1,)),
    **_fields(
        "a text ends at the end-of-text token, at a stop string, or after max_tokens",
        min_tokens=(0,),
        min_new_tokens=(0,),
        min_length=(0,),
        ignore_eos=(False,),
    ),
    **_fields("use stop, which takes strings", stop_token_ids=([],)),
    **_fields("a stop string is never part of the answer", include_stop_str_in_output=(False,)),
    **_fields(
        "this server filters by top_k, top_p and min_p",
        typical_p=(1,),
        typical=(1,),
        tfs_z=(1,),
        tfs=(1,),
        top_a=(0,),
        mirostat=(0,),
        dynatemp_range=(0,),
        dry_multiplier=(0,),
        xtc_probability=(0,),
        top_n_sigma=(-1,),
        bad_words=([],),
        logits_processors=([],),
        samplers=(),
    ),
    # Settings of features that are off in the fields above.
    **_fields(
        "leave it out",
        mirostat_tau=None,
        mirostat_eta=None,
        dynatemp_exponent=None,
        dry_base=None,
        dry_allowed_length=None,
        dry_penalty_last_n=None,
        dry_sequence_breakers=None,
        xtc_threshold=None,
        min_keep=None,
    ),
    **_fields("repetition_penalty applies to the whole text", repeat_last_n=(-1,)),
    **_fields("temperature 0 is greedy decoding", do_sample=(True,)),
    **_fields(
        "this server samples and has no beam search",
        use_beam_search=(False,),
        num_beams=(1,),
        early_stopping=(False,),
        length_penalty=(1,),
    ),
    **_fields(
        "this server generates free text and supports no grammars",
        grammar=("",),
        json_schema=(),
        guided_json=(),
        guided_regex=(),
        guided_choice=(),
        guided_grammar=(),
        structured_outputs=(),
        regex=("",),
        ebnf=("",),
        format=("",),
    ),
    **_fields(
        "a conversation is read as plain text",
        chat_template=(),
        chat_template_kwargs=({}, {"enable_thinking": False}, {"thinking": False}),
        documents=([],),
        template=("",),
        raw=(True, False),
    ),
    **_fields(
        "a last message of the assistant is continued",
        add_generation_prompt=(True, False),
        continue_final_message=(True, False),
    ),
    **_fields("/v1/completions has it", add_special_tokens=(True,)),
    **_fields("special tokens are never part of the text", skip_special_tokens=(True,)),
    **_fields("send a message with the role system", system=("",)),
    **_fields("put its fields into the request itself", options=({},), extra_body=({},)),
    **_fields("the context length is the model's own", num_ctx=()),
    **_fields("a prompt that is too long is refused", truncate_prompt_tokens=()),
    **_fields("use logprobs", n_probs=(0,)),
    **_fields("logprobs are from before the filters", post_sampling_probs=(False,)),
    **_fields("use echo with logprobs", prompt_logprobs=(0,)),
    **_fields(
        "use logprobs, which contain the token_ids",
        return_token_ids=(False,),
        return_tokens=(False,),
        return_tokens_as_token_ids=(False,),
    ),
    **_fields("use echo", return_full_text=(False,)),
    **_fields("the last event contains the token counts", continuous_usage_stats=(False,)),
    **_fields("GET /metrics has the timings", timings_per_token=(False,), return_progress=(False,)),
    **_fields(
        "the model does not reason",
        think=(False,),
        thinking=({"type": "disabled"},),
        enable_thinking=(False,),
        reasoning=("", {}, {"effort": "none"}, {"enabled": False}),
        reasoning_content=("",),
        reasoning_details=([],),
        include_reasoning=(True, False),
        separate_reasoning=(True, False),
    ),
    **_fields("the older half of a full context is dropped", n_keep=(0,), n_discard=(0,)),
    **_fields(TEXT_ALONE, images=([],), image_data=([],)),
    **_fields("the model is served as it is", lora=([],)),
    **_fields("leave it out", priority=(0,), provider_specific_fields=({},), watermark=(False,)),
    **_fields("this server forwards no requests", transforms=([],), plugins=([],)),
    # Internals of other servers.
    **_fields(
        "leave it out",
        cache_prompt=None,
        cache_control=None,
        id_slot=None,
        keep_alive=None,
        ttl=None,
        draft_model=None,
        cache_salt=None,
        request_id=None,
        guided_decoding_backend=None,
        guided_whitespace_pattern=None,
        spaces_between_special_tokens=None,
    ),
}
"""Fields of llama.cpp, vLLM, Ollama and others, and of our other endpoint, that clients send."""
