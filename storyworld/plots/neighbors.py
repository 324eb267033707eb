"""Plots about those who are hard to live with."""

from __future__ import annotations

from storyworld.plots.registry import plot
from storyworld.scenes import begin, finish
from storyworld.tale import Tale


@plot("the bully")
def bully(t: Tale) -> None:
    """A big one is mean; a clever or a kind answer changes things."""
    t.set_time("morning", "afternoon")
    t.set_sky("sunny", "cloudy")
    t.hero(traits=("clever", "brave", "gentle", "funny", "quiet"))
    if t.fable:
        big = [
            n
            for n in t.neighbours()
            if n
            in (
                "bear",
                "fox",
                "badger",
                "goat",
                "lion",
                "tiger",
                "otter",
                "crow",
                "pony",
                "pig",
                "cat",
                "deer",
                "beaver",
            )
        ]
        t.peer("B", noun=t.pick(big or t.neighbours()), trait="big")
    else:
        t.peer("B", trait="big")
    t.word("BIG", "a [big|tall|strong] {B.kind}")
    t.peer("C")
    place = t.somewhere("out")
    t.character("A").place = place
    t.thing("X", t.pick(("treat", "wear", "toy", "fruit")), owner="C")
    begin.opening(
        t,
        "{A} was {P.in} with {A.his} friend {C.name}",
        "{A} and {A.his} friend {C.name} were playing {P.in}",
    )
    t.tell(
        "then {BIG} called {B.name} came [stamping|marching] along. {B.he} "
        "[pushed|teased|laughed at] everyone who was smaller."
    )
    t.world.grab(t.character("B"), t.object("X"))
    t.tell("{B} took {C.names} {X.fn} and [held it high|laughed|would not give it back].")
    t.say(
        "B",
        "this is mine now!",
        "ha, ha! / What will you do, little one?",
        "I can take what I want!",
        how=t.pick(("said", "shouted", "growled")),
    )
    t.problem("{B.name} took the {X.n} of {C.name}", "{B.name} was big and mean")
    t.want("A", "to get the {X.n} back for {C.name}")
    t.feel("C", "sad", "{B.name} had taken {X}", said=True)
    t.paragraph()
    way = t.dice.below(3)
    if way == 0:
        t.tell("{A} was afraid, but {A.he} [stood up|stepped forward|took a deep breath].")
        t.say(
            "A",
            "stop! / That is not yours. Give it back.",
            "that is not fair. / Please give it back.",
            how="said",
        )
        t.attempt("{A.name} told {B.name} to stop")
        t.tell(
            "one after the other, the other {A.children} came and stood beside {A.name}. soon "
            "there were <many> of them."
        )
        t.tell("{B} looked from one to the next. {B.he} did not feel so big any more.")
        t.world.give(t.character("B"), t.object("X"), t.character("C"))
        t.tell(
            "{B} gave {X} back and went away without a word.",
            '"It was only a joke," {B} [mumbled|said], and gave {X} back.',
        )
        t.outcome("they stood together and {B.name} gave the {X.n} back")
        t.feel("A", "proud", "{A.he} had been brave", said=True)
        t.moral("together, the small ones are strong")
    elif way == 1:
        t.tell("<idea A>.")
        t.say(
            "A",
            "I bet you can't [hold your breath|stand on one leg|close your eyes] until I count "
            "to <many>.",
            "A strong {B.kind} like you can surely [stand on one leg|balance it on your "
            "nose|keep both eyes shut] for a while, right?",
            how="said",
        )
        t.attempt("{A.name} tricked {B.name} with a bet")
        t.say("B", "of course I can! / Watch me!", how="said")
        t.tell(
            "{B} put {X} down [and shut {B.his} eyes|to show how strong {B.he} was]. quick as a "
            "flash, {C.name} took {X} and ran."
        )
        t.world.drop(t.character("B"), t.object("X"), "on the ground")
        t.world.take(t.character("C"), t.object("X"))
        t.feel("B", "surprised", "{X} was gone", said=True)
        t.tell(
            "everyone laughed, and in the end even {B.name} had to laugh.",
            "{B} turned red, and then {B.he} stamped off."
            if not t.fable
            else "{B} grumbled and stamped off.",
        )
        t.outcome("{A.name} tricked {B.name} and {C.name} got the {X.n} back")
        t.moral("a good idea can be stronger than strong arms")
    else:
        t.tell(
            "{A} looked at {B.name} closely. behind the mean face, {B.he} looked "
            "[sad|lonely|hungry]."
        )
        t.say("A", "why are you so angry, {B.name}?", "do you want to play with us?", how="asked")
        t.attempt("{A.name} asked {B.name} what was wrong")
        t.tell("{B} did not know what to say. nobody had ever asked that before.")
        t.say(
            "B",
            "nobody [ever plays|wants to play] with me.",
            "everyone runs away from me.",
            mood="lonely",
        )
        t.note_feeling("B", "lonely", "nobody played with {B.name}")
        t.world.give(t.character("B"), t.object("X"), t.character("C"))
        t.tell('{B} gave {X} back. "Sorry," {B.he} [mumbled|whispered].')
        t.say("C", "you can play with us, / if you don't push.", how="said")
        t.outcome("{B.name} gave the {X.n} back and became a friend")
        t.moral("sometimes a mean face hides a lonely heart")
    t.paragraph()
    finish.ending(
        t,
        "<from_then>, {P} was a [happier|friendlier] place.",
        "after that, {C.name} was never afraid to go {P.to} again.",
    )


_NOISES = {
    "drum": "boom, boom, boom",
    "bell": "clang, clang, clang",
    "trumpet": "toot, toot, toot",
    "horn": "toot, toot, toot",
    "flute": "tweet, tweet, tweet",
    "violin": "squeak, squeak, squeak",
    "fiddle": "squeak, squeak, squeak",
}


@plot("noisy neighbor")
def noisy_neighbour(t: Tale) -> None:
    """Somebody's noise disturbs A; a talk brings an agreement, or something new."""
    t.set_time("evening", "night")
    t.set_sky("sunny", "cloudy")
    t.hero(traits=("quiet", "grumpy", "gentle", "shy", "patient"))
    t.peer("B", trait="noisy")
    t.thing("X", "music", owner="B")
    t.named_place("P", t.wording("the {A.home}") if t.fable else "the house next door", "in")
    begin.opening(
        t,
        "{A} was [in bed|almost asleep] when a [loud|terrible|strange] noise began"
        if t.world.dark
        else "{A} wanted to [rest|read|sit] quietly when a [loud|terrible] noise began",
        about="{B.intro} had moved in next door.",
    )
    where = "{B.names} home" if t.fable else "{B.names} window"
    t.tell(
        f"{_NOISES.get(t.object('X').noun.noun, 'plink, plonk, plink')} - it came from {where}. "
        f"{{B.name}} was playing {{X.a}}."
    )
    if t.fable:
        t.named_place("P", t.wording("the {B.home}"), "in")
        t.tell(
            "the noise came out of {P} and [woke up everyone nearby|made every leaf tremble].",
            "there was no noise like it for miles around. it came from {P}, all [night|evening] "
            "long.",
        )
    else:
        t.tell(
            "{A} looked over to {P}, where [all the windows were bright|light came through the "
            "curtains|somebody danced behind the curtains]."
        )
    t.problem("{B.name} made too much noise", "{B.name} was playing the {X.n}")
    t.want("A", "to have some peace and quiet")
    t.tell(
        "{A} put a pillow over {A.his} head. it did not help."
        if not t.fable
        else "{A} put leaves into {A.his} ears. it did not help {A.him}.",
        "{A} [closed|shut] the [window|door]. it did not help.",
    )
    t.attempt("{A.name} tried not to hear it")
    t.feel("A", "angry", "the noise did not stop")
    t.tell_if("inner", '{A} [knocked on the wall|shouted, "Quiet!"], but nobody heard it.')
    t.paragraph()
    t.tell(
        "<at_last>, {A} went over and knocked.",
        "so {A} took a deep breath and [knocked|went over].",
    )
    t.say(
        "A",
        "I can't [sleep|rest]. / Could you please be quiet?",
        "your {X.n} is very loud. / Must you play it now?",
        mood="tired",
    )
    t.attempt("{A.name} went over and asked")
    t.talk(
        "B",
        "oh! I am sorry. / I did not know that you could hear it.",
        "is it so loud? / I am so sorry.",
        mood="surprised",
    )
    reason = t.dice.below(3)
    if reason == 0:
        t.say("B", "I play because I am alone here. / The music keeps me company.", mood="lonely")
        t.note_feeling("B", "lonely", "{B.name} was new and alone")
        t.say(
            "A",
            "then come and [have tea|eat] with me tomorrow.",
            "you can visit me. / But not with the {X.n}!",
        )
        t.tell(
            "the next day they [had tea|ate soup] together, and {B} told [funny stories|of "
            "faraway places]."
        )
        t.outcome("{B.name} stopped and they became friends")
    elif reason == 1:
        t.say(
            "B",
            "I have to practice for the big concert. / But I will play in the morning.",
            how="said",
        )
        t.tell("they [agreed|made a plan]: music in the morning, quiet at night.")
        t.tell("on the day of the concert, {A} sat in the first row and clapped the loudest.")
        t.outcome("they agreed on a time for music")
    else:
        t.say("B", "do you want to try it?", "shall I teach you?", how="asked")
        t.give("B", "X", "A")
        t.tell(
            "{A} tried, and [it squeaked|it sounded terrible|it sounded like a sick goose] so "
            "that {A.name} and {B.name} had to laugh."
        )
        t.tell(
            "<from_then>, they made music together every [Saturday|afternoon], but never at night."
        )
        t.outcome("{A.name} learned to play, too")
    t.feel("A", "happy", "{B.name} had listened to {A.o}")
    t.moral("[it is better to talk than to be angry|a friendly word can solve a loud problem]")
    finish.ending(
        t,
        "that night it was [quiet|very quiet], and {A} slept like a [stone|baby|log].",
        "and sometimes, when it was too quiet, {A} even missed the noise a little.",
    )
