"""Pairs of claims about a story: one is true, and its twin differs in one fact and is false.

Nothing but the story tells them apart. Where a fact is one of many words, such as a place, each
pair of words comes as often in one order as in the other, so that a frequent word is right as often
as wrong. Two feelings and their causes come from the same story, once in each order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import count
from typing import Literal, NamedTuple, get_args

from storyworld.claims import HOURS, PRONOUN_GENDER, Claim, Record, holds
from storyworld.dice import Dice, mix, mix_pair
from storyworld.facts import FeelingFacts
from storyworld.heldout.names import HeldOutTale
from storyworld.heldout.plots import HELD_OUT_PLOTS
from storyworld.lexicon.kinds import LANDS
from storyworld.lexicon.places import SITES
from storyworld.lexicon.things import FABLE_THINGS, THINGS
from storyworld.plots import plots
from storyworld.tale import Tale

KINDS = ("who", "where", "what", "why", "when", "pronoun", "order", "feeling")
Split = Literal["familiar", "held_out"]
SPLITS: tuple[Split, ...] = get_args(Split)

LONGEST_STORY = 900
"""Characters; longer stories would not fit into a short context."""

_STREAM = 0x5107_FAC7
"""Keeps these stories apart from those of the corpus with the same seed."""
_GENDERED = re.compile(r"\b(?:he|she|his|her|him|hers|himself|herself|they|their|them)\b")

_PEERS = ("hero", "friend", "sibling")
_LASTING = re.compile(r"\b(?:wait|practic|kept|days|weeks|hours|every|all)", re.IGNORECASE)
"""What may go on while something else happens."""
_LANDS = frozenset(("the forest", "the meadow", "the jungle", "the farm", "the farmyard"))
"""Other places are part of them."""


class Contrast(NamedTuple):
    """A story with a true claim and a false one.

    Attributes:
        record: the story.
        true: holds in it.
        false: differs in one fact.
    """

    record: Record
    true: Claim
    false: Claim


def record_at(seed: int, index: int, split: Split) -> Record:
    """Story number `index` of a split: plots and names of the corpus, or held out from it."""
    dice = Dice(mix_pair(mix(seed ^ _STREAM), index))
    if split == "familiar":
        name, plot = dice.pick(plots())
        tale = Tale(dice, name)
    else:
        name, plot = dice.pick(HELD_OUT_PLOTS)
        tale = HeldOutTale(dice, name)
    plot(tale)
    return Record.of(tale)


def contrasts(seed: int, split: Split, per_kind: int) -> list[Contrast]:
    """Contrasts of each kind: `per_kind` of them, rounded up to an even number.

    A pure function of its arguments.
    """
    wanted = dict.fromkeys(KINDS, per_kind + per_kind % 2)
    found: dict[str, list[Contrast]] = {kind: [] for kind in KINDS}
    waiting: dict[tuple[str, ...], list[Contrast]] = {}
    for index in count():
        if all(len(found[kind]) >= wanted[kind] for kind in KINDS):
            break
        record = record_at(seed, index, split)
        if len(record.text) > LONGEST_STORY:
            continue
        dice = Dice(mix_pair(mix(seed), index))
        for kind in dice.shuffled(KINDS):
            if len(found[kind]) < wanted[kind]:
                found[kind] += _balanced(_of_kind(kind, record, dice), waiting)
    return [contrast for kind in KINDS for contrast in found[kind][: wanted[kind]]]


def _balanced(
    pairs: list[tuple[Contrast, tuple[str, str]]], waiting: dict[tuple[str, ...], list[Contrast]]
) -> list[Contrast]:
    """Contrasts whose counterparts, in the other order, are found; the others wait."""
    ready: list[Contrast] = []
    for contrast, (right, wrong) in pairs:
        kind = contrast.true.kind
        counterparts = waiting.get((kind, wrong, right))
        if counterparts:
            ready += [counterparts.pop(0), contrast]
        else:
            waiting.setdefault((kind, right, wrong), []).append(contrast)
    return ready


def _of_kind(kind: str, record: Record, dice: Dice) -> list[tuple[Contrast, tuple[str, str]]]:
    """What a story has of a kind, at most one or two; and of what it needs the counterpart."""
    make = {
        "who": _who,
        "where": _where,
        "what": _what,
        "why": _why,
        "when": _when,
        "pronoun": _pronoun,
        "order": _order,
        "feeling": _feeling,
    }[kind]
    pairs = []
    for right, wrong, key in make(record, dice):
        contrast = Contrast(record, Claim(kind, right), Claim(kind, wrong))
        assert holds(record, contrast.true), contrast
        assert not holds(record, contrast.false), contrast
        pairs.append((contrast, key))
    return pairs


_Found = Iterator[tuple[tuple[str, ...], tuple[str, ...], tuple[str, str]]]


def _who(record: Record, dice: Dice) -> _Found:
    """Who did something: two who are in the story, as often the hero as the other one."""
    # Not Mom or Grandpa, who are in so many stories that a frequent word would be a hint.
    names = [who.name for who in record.facts.characters if who.role in _PEERS]
    for attempt in dice.shuffled(record.facts.attempts):
        name, _, deed = attempt.partition(" ")
        others = [other for other in names if other != name]
        if name in names and others and not _GENDERED.search(deed):
            other = dice.pick(others)
            if other not in deed and f"{other} {deed}" not in record.facts.attempts:
                roles = ("hero", "other") if name == record.hero else ("other", "hero")
                if record.hero in (name, other):
                    yield (name, deed), (other, deed), roles
                    return


def _where(record: Record, dice: Dice) -> _Found:
    if len(record.places) == 1:
        right = record.places[0]
        wrong = _partners_of_places().get(right)
        if wrong and not record.says(wrong.rpartition(" the ")[2]):
            yield (right,), (wrong,), (right, wrong)


def _what(record: Record, dice: Dice) -> _Found:
    for right in record.things:
        wrong = _partners_of_things().get(right)
        if wrong and not record.says(wrong) and wrong not in record.things:
            yield (right,), (wrong,), (right, wrong)
            return


def _when(record: Record, dice: Dice) -> _Found:
    right = record.facts.time
    if right in HOURS and record.says(right):
        wrong = dice.pick([hour for hour in HOURS if hour != right])
        if not any(record.says(hour) for hour in HOURS if hour != right):
            yield (right,), (wrong,), (right, wrong)


def _pronoun(record: Record, dice: Dice) -> _Found:
    """Whether somebody is he or she, in a story that has both."""
    if set(record.genders.values()) == {"m", "f"} and record.says("he") and record.says("she"):
        name = dice.pick(sorted(record.genders))
        right, wrong = ("he", "she") if record.genders[name] == "m" else ("she", "he")
        assert record.genders[name] == PRONOUN_GENDER[right]
        yield (name, right), (name, wrong), (right, wrong)


def _order(record: Record, dice: Dice) -> _Found:
    attempts = record.facts.attempts
    lasting = any(_LASTING.search(attempt) for attempt in attempts)
    if len(attempts) >= 2 and len(set(attempts)) == len(attempts) and not lasting:
        first, second = attempts[0], attempts[-1]
        yield (first, second), (second, first), ("", "")


def _two_feelings(record: Record) -> tuple[FeelingFacts, FeelingFacts] | None:
    """Two different feelings of one character, with different causes."""
    for felt in record.facts.feelings:
        for later in record.facts.feelings:
            if felt.who == later.who and felt.feeling != later.feeling:
                known = {(one.who, one.feeling, one.cause) for one in record.facts.feelings}
                crossed = {
                    (felt.who, felt.feeling, later.cause),
                    (felt.who, later.feeling, felt.cause),
                }
                if felt.cause != later.cause and not known & crossed:
                    return felt, later
    return None


def _why(record: Record, dice: Dice) -> _Found:
    if two := _two_feelings(record):
        for one, other in (two, two[::-1]):
            right, wrong = (one.who, one.feeling, one.cause), (one.who, one.feeling, other.cause)
            yield right, wrong, (one.cause, other.cause)


def _feeling(record: Record, dice: Dice) -> _Found:
    if two := _two_feelings(record):
        for one, other in (two, two[::-1]):
            right, wrong = (one.who, one.feeling, one.cause), (one.who, other.feeling, one.cause)
            yield right, wrong, (one.feeling, other.feeling)


@cache
def _partners_of_places() -> dict[str, str]:
    """For each place, another one of the same land."""
    by_land: dict[str, list[str]] = {}
    for site in SITES:
        if site.name in _LANDS:
            continue
        land = next(land for land in (*LANDS, "town") if land in site.tags)
        by_land.setdefault(land, []).append(f"{site.prep} {site.name}")
    return _paired([names for names in by_land.values() if len(names) > 1])


@cache
def _partners_of_things() -> dict[str, str]:
    """For each thing, another one of the same group, with the same number."""
    groups: dict[tuple[frozenset[str], bool], list[str]] = {}
    for thing in (*THINGS, *FABLE_THINGS):
        names = groups.setdefault((thing.tags, thing.plural), [])
        if thing.noun not in names:
            names.append(thing.noun)
    own = [
        ["bottle", "box"],
        ["basket", "barrel"],
        ["gate", "bench"],
        ["fence", "shed"],
        ["vine", "chain"],
        ["well", "trough"],
    ]  # of the plots that are held out
    return _paired([*own, *groups.values()])


def _paired(groups: list[list[str]]) -> dict[str, str]:
    """Neighbors in a group are partners of each other; each name has one partner."""
    partners: dict[str, str] = {}
    for names in groups:
        free = [name for name in names if name not in partners]
        for one, other in zip(free[::2], free[1::2], strict=False):
            partners[one], partners[other] = other, one
    return partners
