"""The simulated world: locations, possessions, weather, time of day and feelings.

Every change goes through a method that first checks that it is possible, so a plot in which
a character gives away something that it does not have fails at once.
"""

from __future__ import annotations

from storyworld.referents import Character, Place, Thing

HOURS = ("morning", "noon", "afternoon", "evening", "night")
SKIES = ("sunny", "cloudy", "windy", "rainy", "snowy", "foggy", "stormy")


class WorldError(ValueError):
    """Something that cannot happen in this world."""


class World:
    """The state of one story's world."""

    def __init__(self, hour: str = "morning", sky: str = "sunny", season: str = "summer") -> None:
        self.land = "town"  # or where the animals of a fable live: one of `kinds.LANDS`
        self.hour = hour
        self.sky = sky
        self.season = season
        self.day = 1
        self.feelings: list[tuple[Character, str, str]] = []

    # --- things -------------------------------------------------------------------------------

    def own(self, who: Character, thing: Thing) -> None:
        """From the start, somebody owns and holds a thing."""
        thing.owner = who
        self._hold(who, thing)

    def take(self, who: Character, thing: Thing) -> None:
        """Pick up a thing that nobody holds."""
        if thing.holder is not None:
            raise WorldError(f"{who.name} cannot take what {thing.holder.name} holds")
        if thing.state == "gone":
            raise WorldError(f"the {thing.noun.noun} is no more")
        self._hold(who, thing)

    def grab(self, who: Character, thing: Thing) -> None:
        """Snatch a thing out of somebody's hands."""
        if thing.holder is None or thing.holder is who:
            raise WorldError(f"there is nobody to take the {thing.noun.noun} from")
        self._release(thing)
        self._hold(who, thing)

    def give(self, giver: Character, thing: Thing, taker: Character) -> None:
        self._needs(giver, thing)
        self._release(thing)
        self._hold(taker, thing)

    def drop(self, who: Character, thing: Thing, spot: str) -> None:
        """Put down, let fall or lose a thing at a spot."""
        self._needs(who, thing)
        self._release(thing)
        thing.spot = spot

    def place(self, thing: Thing, spot: str) -> None:
        """A thing that nobody holds lies at a spot."""
        if thing.holder is not None:
            raise WorldError(f"{thing.holder.name} holds the {thing.noun.noun}")
        thing.spot = spot

    def find(self, who: Character, thing: Thing, spot: str) -> None:
        """Find a thing where it really lies."""
        if thing.spot != spot:
            raise WorldError(f"the {thing.noun.noun} is not {spot} but {thing.spot}")
        self.take(who, thing)

    def swap(self, a: Character, x: Thing, b: Character, y: Thing) -> None:
        self.give(a, x, b)
        self.give(b, y, a)

    def shatter(self, thing: Thing) -> None:
        """A whole thing breaks."""
        if thing.state != "whole":
            raise WorldError(f"the {thing.noun.noun} is {thing.state} already")
        thing.state = "broken"

    def mend(self, thing: Thing) -> None:
        if thing.state != "broken":
            raise WorldError(f"the {thing.noun.noun} is not broken but {thing.state}")
        thing.state = "whole"

    def consume(self, who: Character, thing: Thing) -> None:
        """Eat or use up a thing one holds."""
        self._needs(who, thing)
        self._release(thing)
        thing.state = "gone"

    def _hold(self, who: Character, thing: Thing) -> None:
        thing.holder = who
        thing.spot = None
        who.holding.append(thing)

    def _release(self, thing: Thing) -> None:
        assert thing.holder is not None
        thing.holder.holding.remove(thing)
        thing.holder = None

    def _needs(self, who: Character, thing: Thing) -> None:
        if thing.holder is not who:
            raise WorldError(f"{who.name} does not hold the {thing.noun.noun}")

    # --- places and time ------------------------------------------------------------------------

    def go(self, who: Character, place: Place) -> None:
        if who.place is place:
            raise WorldError(f"{who.name} is already {place.prep} {place.name}")
        who.place = place

    def later(self, hour: str) -> None:
        """Time passes, within the day."""
        if HOURS.index(hour) < HOURS.index(self.hour):
            raise WorldError(f"{hour} does not follow {self.hour} on the same day")
        self.hour = hour

    def next_day(self, hour: str = "morning") -> None:
        self.day += 1
        self.hour = hour

    def weather(self, sky: str) -> None:
        if sky not in SKIES:
            raise WorldError(f"no such weather: {sky}")
        if sky == "snowy" and self.season != "winter":
            raise WorldError(f"it does not snow in {self.season}")
        self.sky = sky

    @property
    def dark(self) -> bool:
        return self.hour == "night"

    # --- feelings -------------------------------------------------------------------------------

    def feel(self, who: Character, feeling: str, cause: str) -> None:
        """Somebody feels something, for a reason."""
        if not cause.strip():
            raise WorldError(f"{who.name} cannot feel {feeling} without a cause")
        self.feelings.append((who, feeling, cause))

    def mood(self, who: Character) -> str | None:
        """What somebody felt last."""
        for felt_by, feeling, _ in reversed(self.feelings):
            if felt_by is who:
                return feeling
        return None
