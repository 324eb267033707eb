"""Settings that have no effect because of others, such as Muon's if the optimizer is AdamW."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from slm.config import RunConfig


def no_effect(words: Iterable[str], reason: str) -> str:
    """The sentence that some arguments have no effect."""
    words = list(words)
    return f"{' and '.join(words)} {'has' if len(words) == 1 else 'have'} no effect: {reason}"


_IDLE_SETTINGS: tuple[tuple[tuple[str, ...], Callable[[RunConfig], bool], str], ...] = (
    (
        ("train.max_steps",),
        lambda run: run.train.max_minutes is not None,
        "the run ends by time (max_minutes)",
    ),
    (
        ("train.muon_learning_rate", "train.muon_momentum", "train.muon_ns_steps"),
        lambda run: run.train.optimizer != "muon",
        "the optimizer is not muon",
    ),
    (
        ("train.decay_fraction",),
        lambda run: run.train.schedule != "wsd",
        "the schedule is not wsd",
    ),
    (
        ("train.seq_len_warmup",),
        lambda run: (run.train.seq_len_warmup or 0) >= run.model.block_size,
        "it is not shorter than block_size",
    ),
    (
        ("train.seq_len_warmup_fraction",),
        lambda run: run.train.seq_len_warmup is None,
        "seq_len_warmup is none",
    ),
    (
        ("train.teacher_weight",),
        lambda run: not run.train.teachers,
        "there are no teachers",
    ),
    (
        ("train.sample_tokens",),
        lambda run: not run.train.sample_prompts,
        "there are no sample_prompts",
    ),
    (
        ("model.rope_theta",),
        lambda run: run.model.position != "rope",
        "the positions are not rotary",
    ),
)


def idle_settings(settings: RunConfig, words: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Arguments whose settings have no effect because of others, and the reason.

    Args:
        settings: of a run.
        words: settings on the command line, and the argument of each.
    """
    for names, is_idle, reason in _IDLE_SETTINGS:
        for name in names:
            if name in words and is_idle(settings):
                yield words[name], reason
