"""A tale in progress: events change the world, are narrated, and are recorded as facts."""

from __future__ import annotations

from collections.abc import Sequence

from storyworld.casting import Casting
from storyworld.collection import FULL, Collection
from storyworld.dialogue import spoken
from storyworld.dice import Dice
from storyworld.facts import CharacterFacts, FeelingFacts, StoryFacts
from storyworld.lexicon.feelings import FEELINGS, FELT_ONLY
from storyworld.lexicon.sky import (
    AIR,
    CLEAR_NIGHT,
    DARK_NIGHT,
    EVENING,
    FIELD_AIR,
    JUNGLE_AIR,
    SKY,
    SKY_BESIDES,
    SKY_WORDS,
)
from storyworld.narrator import Narrator
from storyworld.referents import Character, Place, Referent, Thing
from storyworld.world import World


class Now(Referent):
    """The hour and the weather: `{NOW.one}` one windy morning, `{NOW.that}` that morning."""

    __slots__ = ("heard", "hour_mentioned", "sky_mentioned", "world")

    def __init__(self, world: World) -> None:
        super().__init__("time")
        self.world = world
        self.hour_mentioned: str | None = None
        self.sky_mentioned: str | None = None
        self.heard = ""  # what was said of the sky last

    def wording(self, form: str, narrator: Narrator) -> str:
        world = self.world
        hour = "day" if world.hour == "noon" else world.hour
        if form == "hour":
            self.hour_mentioned = world.hour
            return hour
        if form == "that":
            self.hour_mentioned = world.hour
            return f"that {hour}"
        sky = narrator.pick(_unheard(SKY_WORDS[world.sky], self.heard))
        self.heard = sky
        if world.hour in ("evening", "night") and sky in ("sunny", "bright"):
            sky = "clear"
        self.sky_mentioned = world.sky
        if hour != "day":
            self.hour_mentioned = world.hour
        if form == "sky":
            return sky
        season = f"{world.season} " if narrator.roll() < 0.2 and world.land != "jungle" else ""
        if world.season == "winter":
            sky = {"warm": "fine", "mild": "gray"}.get(sky, sky)
        if form == "a":
            return f"a {sky} {season}{hour}"
        return f"one {sky} {season}{hour}"


class Skyline(Referent):
    """`{SKYLINE}`: a clause on the sky as it is, such as `rain fell softly`."""

    __slots__ = ("now",)

    def __init__(self, now: Now) -> None:
        super().__init__("time")
        self.now = now

    def wording(self, form: str, narrator: Narrator) -> str:
        world = self.now.world
        if world.dark and world.sky in ("sunny", "cloudy", "windy"):
            self.now.hour_mentioned = world.hour
            return narrator.wording(
                narrator.pick(CLEAR_NIGHT if world.sky == "sunny" else DARK_NIGHT)
            )
        self.now.sky_mentioned = world.sky
        if world.hour == "evening" and world.sky == "sunny":
            return narrator.wording(narrator.pick(EVENING))
        heard = self.now.heard
        besides = SKY_BESIDES.get(world.sky, ()) if heard else ()
        self.now.heard = narrator.wording(narrator.pick(_unheard(SKY[world.sky] + besides, heard)))
        return self.now.heard


def _unheard(wordings: Sequence[str], heard: str) -> Sequence[str]:
    """Those that do not repeat a word, as `a sunny day, and the sun was shining` would."""
    said = [
        stem for stem in ("sun", "cloud", "wind", "rain", "snow", "fog", "gray") if stem in heard
    ]
    return [w for w in wordings if not any(stem in w for stem in said)] or wordings


class Air(Referent):
    """`{AIR}`: a clause on the season, such as `the first leaves were falling`."""

    __slots__ = ("now",)

    def __init__(self, now: Now) -> None:
        super().__init__("time")
        self.now = now

    def wording(self, form: str, narrator: Narrator) -> str:
        world = self.now.world
        if world.land == "jungle":
            return narrator.wording(narrator.pick(JUNGLE_AIR))
        fields = FIELD_AIR[world.season] if world.land in ("town", "farm") else ()
        return narrator.wording(narrator.pick(AIR[world.season] + fields))


class Tale(Casting):
    """One story being told. Plots call its verbs; each checks the world, changes it and tells."""

    def __init__(self, dice: Dice, plot: str, collection: Collection = FULL) -> None:
        super().__init__(dice, collection)
        self.plot = plot
        self.now = Now(self.world)
        self.cast["NOW"] = self.now
        self.cast["SKYLINE"] = Skyline(self.now)
        self.cast["AIR"] = Air(self.now)
        self._problem = ""
        self._cause = ""
        self._attempts: list[str] = []
        self._outcome = ""
        self._moral: str | None = None
        self._feelings: list[FeelingFacts] = []

    # --- the setting -----------------------------------------------------------------------------

    def set_time(self, *hours: str) -> None:
        self.world.hour = self.pick(hours)

    def set_sky(self, *skies: str) -> None:
        """The weather, one of those that this season can have."""
        sky = self.pick(skies)
        if sky == "snowy":
            self.world.season = "winter"
        self.world.weather(sky)

    # --- speech and feeling ----------------------------------------------------------------------

    def say(
        self,
        who: str,
        *lines: str,
        how: str | None = None,
        mood: str | None = None,
        to: str | None = None,
    ) -> None:
        """Somebody says one of the lines, `to` somebody else than the last who spoke."""
        speaker = self.character(who)
        if to is not None:
            self.answering = True
            self.speaker = self.character(to)
        self.sentence += 1
        line = lines[int(self.roll() * len(lines))]
        self.write(spoken(self, speaker, line, how, mood))
        self.answering = True
        self.speaker = speaker

    def talk(self, who: str, *lines: str, how: str | None = None, mood: str | None = None) -> None:
        """An optional line, for narrators who like dialogue."""
        if self.likes("talk"):
            self.say(who, *lines, how=how, mood=mood)

    def feel(self, who: str, feeling: str, cause: str, *, said: bool = False) -> None:
        """Somebody feels something because of `cause`; `said` if the text just said the cause."""
        full = self.written > self.style.length and len(self._feelings) > (0 if said else 1)
        if full:
            return  # the text says enough: the reader feels it
        character = self.character(who)
        reason = self.quoted(cause)
        self.world.feel(character, feeling, reason)
        self._feelings.append(FeelingFacts(character.name, feeling, reason))
        kind = FEELINGS[feeling]
        self.cast["?"] = character
        self.sentence += 1
        self.answering = False
        word = self.pick(kind.words)
        verb = "felt" if word in FELT_ONLY or self.roll() < 0.4 else "was"
        roll = self.roll()
        if said and roll < 0.5:
            self.write(self.wording(self.pick(kind.signs)))
        elif said:
            self.write(self.wording(f"{{?}} {verb} {word}."))
        elif roll < 0.75:
            word = self.pick([w for w in kind.words if not w.startswith("so ")])
            verb = "felt" if word in FELT_ONLY else verb
            self.write(self.wording(f"{{?}} {verb} {word} because {cause}."))
        else:
            word = self.pick([w for w in kind.words if " that " not in w])
            verb = "felt" if word in FELT_ONLY else verb
            self.write(self.wording(f"because {cause}, {{?}} {verb} {word}."))

    def note_feeling(self, who: str, feeling: str, cause: str) -> None:
        """A feeling the plot tells in its own words."""
        character = self.character(who)
        reason = self.quoted(cause)
        self.world.feel(character, feeling, reason)
        self._feelings.append(FeelingFacts(character.name, feeling, reason))

    # --- acts: each is checked by the world, then told -------------------------------------------

    def go(self, who: str, place: str = "P", *, narrate: bool = True) -> None:
        """Somebody goes somewhere."""
        character = self.character(who)
        self.world.go(character, self.locale(place))
        if narrate:
            self.tell(
                f"{{{who}}} {{{who}.walked}} {{{place}.to}}.",
                f"<soon>, {{{who}}} {{{who}.ran}} {{{place}.to}}.",
                f"{{{who}}} {{{who}.ran}} {{{place}.to}} [at once|right away|as fast as "
                f"{{{who}.he}} could].",
            )

    def give(self, giver: str, thing: str, taker: str, *, narrate: bool = True) -> None:
        """Somebody hands over what they hold."""
        self.world.give(self.character(giver), self.object(thing), self.character(taker))
        if narrate:
            a, x, b = giver, thing, taker
            self.tell(
                f"{{{a}}} gave {{{x}}} to {{{b}.o}}.",
                f"{{{a}}} [held out|handed over] {{{x}}}, and {{{b}}} took {{{x}.it}} [with a "
                f"smile|gladly|carefully].",
                f"{{{a}}} [put|placed|laid] {{{x}}} [into|in] {{{b}.s}} {{{b}.hands}}.",
            )

    def take(self, who: str, thing: str, *, narrate: bool = True) -> None:
        """Somebody picks up what nobody holds."""
        self.world.take(self.character(who), self.object(thing))
        if narrate:
            self.tell(
                f"{{{who}}} picked up {{{thing}}} [and smiled|and held {{{thing}.it}} "
                f"tight|with care|gently].",
                f"{{{who}}} took {{{thing}}} in {{{who}.his}} {{{who}.hands}}.",
            )

    def lay(self, thing: str, spot: str) -> str:
        """A thing lies at a spot (a pattern, settled now): gives the spot's words."""
        where = self.wording(spot)
        self.world.place(self.object(thing), where)
        return where

    def lose(self, who: str, thing: str, spot: str) -> str:
        """Somebody drops a thing without noticing; nothing is told yet."""
        where = self.wording(spot)
        self.world.drop(self.character(who), self.object(thing), where)
        return where

    # --- facts -----------------------------------------------------------------------------------

    def problem(self, what: str, because: str) -> None:
        self._problem = self.quoted(what)
        self._cause = self.quoted(because)

    def attempt(self, what: str) -> None:
        self._attempts.append(self.quoted(what))

    def outcome(self, what: str) -> None:
        self._outcome = self.quoted(what)

    def want(self, who: str, what: str) -> None:
        self.character(who).want = self.quoted(what)

    def moral(self, what: str) -> None:
        """What the story teaches; `finish` tells it."""
        self._moral = self.quoted(what)

    @property
    def lesson(self) -> str | None:
        return self._moral

    def unlearn(self) -> None:
        """The ending did not tell the moral, so it is no fact of this text."""
        self._moral = None

    def facts(self) -> StoryFacts:
        cast = list(self.cast.values())
        characters: list[CharacterFacts] = []
        places: list[str] = []
        things: list[str] = []
        for member in dict.fromkeys(cast):
            if not member.is_mentioned:
                continue
            if isinstance(member, Character):
                characters.append(
                    CharacterFacts(
                        member.name,
                        member.kind,
                        member.role,
                        tuple(member.traits) if member.traits_mentioned else (),
                        member.want,
                    )
                )
            elif isinstance(member, Place):
                places.append(member.name)
            elif isinstance(member, Thing):
                things.append(member.noun.noun)
        return StoryFacts(
            plot=self.plot,
            characters=tuple(characters),
            place=places[0],
            time=self.now.hour_mentioned,
            weather=self.now.sky_mentioned,
            objects=tuple(things),
            problem=self._problem,
            cause=self._cause,
            attempts=tuple(self._attempts),
            outcome=self._outcome,
            feelings=tuple(self._feelings),
            moral=self._moral,
        )
