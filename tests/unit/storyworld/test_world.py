"""The rules of the simulated world."""

from __future__ import annotations

import pytest

from storyworld.dice import Dice
from storyworld.referents import Character, Noun, Place, Thing
from storyworld.world import World, WorldError


def person(name: str) -> Character:
    return Character(name, "girl", "f", {"small": ("little",)}, "friend")


def thing(noun: str = "ball") -> Thing:
    return Thing(Noun(noun, "red"), "red")


def place(name: str = "the park") -> Place:
    return Place(name, "in", ("by the gate",), (), frozenset())


def test_nobody_gives_what_they_do_not_hold() -> None:
    world, ann, bob, ball = World(), person("Ann"), person("Bob"), thing()
    with pytest.raises(WorldError, match="does not hold"):
        world.give(ann, ball, bob)
    world.own(ann, ball)
    world.give(ann, ball, bob)
    assert ball.holder is bob
    assert ball.owner is ann
    with pytest.raises(WorldError):
        world.give(ann, ball, bob)


def test_what_somebody_holds_cannot_be_picked_up() -> None:
    world, ann, bob, ball = World(), person("Ann"), person("Bob"), thing()
    world.own(ann, ball)
    with pytest.raises(WorldError, match="cannot take"):
        world.take(bob, ball)
    world.grab(bob, ball)
    assert (ann.holding, bob.holding) == ([], [ball])
    with pytest.raises(WorldError):
        world.grab(bob, ball)


def test_lost_things_are_found_where_they_are() -> None:
    world, ann, ball = World(), person("Ann"), thing()
    world.own(ann, ball)
    world.drop(ann, ball, "by the gate")
    with pytest.raises(WorldError, match="not under the slide"):
        world.find(ann, ball, "under the slide")
    world.find(ann, ball, "by the gate")
    assert ball.holder is ann
    assert ball.spot is None


def test_things_break_once_and_are_mended_once() -> None:
    world, cup = World(), thing("cup")
    with pytest.raises(WorldError, match="not broken"):
        world.mend(cup)
    world.shatter(cup)
    with pytest.raises(WorldError, match="broken already"):
        world.shatter(cup)
    world.mend(cup)
    assert cup.state == "whole"


def test_eaten_things_are_gone() -> None:
    world, ann, pie = World(), person("Ann"), thing("pie")
    with pytest.raises(WorldError):
        world.consume(ann, pie)
    world.own(ann, pie)
    world.consume(ann, pie)
    with pytest.raises(WorldError, match="no more"):
        world.take(ann, pie)


def test_time_runs_forward() -> None:
    world = World(hour="evening")
    with pytest.raises(WorldError, match="does not follow"):
        world.later("noon")
    world.later("night")
    world.next_day()
    assert (world.day, world.hour) == (2, "morning")


def test_snow_falls_in_winter_only() -> None:
    with pytest.raises(WorldError, match="does not snow"):
        World(season="summer").weather("snowy")
    with pytest.raises(WorldError, match="no such weather"):
        World().weather("purple")


def test_nobody_walks_to_where_they_are() -> None:
    world, ann, park = World(), person("Ann"), place()
    world.go(ann, park)
    with pytest.raises(WorldError, match="already in the park"):
        world.go(ann, park)


def test_feelings_have_causes() -> None:
    world, ann = World(), person("Ann")
    with pytest.raises(WorldError, match="without a cause"):
        world.feel(ann, "sad", " ")
    world.feel(ann, "sad", "the ball was gone")
    world.feel(ann, "happy", "it was found")
    assert world.mood(ann) == "happy"


def test_each_thing_is_in_one_place_whatever_happens() -> None:
    """Random deeds: a thing is held by one or lies somewhere, and refusals change nothing."""
    dice = Dice(7)
    world, people = World(), [person(name) for name in ("Ann", "Bea", "Cleo")]
    things = [thing(noun) for noun in ("ball", "cup", "hat")]
    for item in things:
        world.own(people[0], item)
    for _ in range(3000):
        who, other, item = dice.pick(people), dice.pick(people), dice.pick(things)
        deed = dice.below(4)
        before = (item.holder, item.spot)
        try:
            if deed == 0:
                world.give(who, item, other)
            elif deed == 1:
                world.drop(who, item, "by the gate")
            elif deed == 2:
                world.find(who, item, "by the gate")
            else:
                world.grab(who, item)
        except WorldError:
            assert (item.holder, item.spot) == before
        holders = [p for p in people if item in p.holding]
        assert holders == ([item.holder] if item.holder else [])
        assert (item.holder is None) == (item.spot is not None)
