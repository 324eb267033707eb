"""Plots about a big day and the courage it takes."""

from __future__ import annotations

from storyworld.plots.registry import plot
from storyworld.scenes import begin, finish
from storyworld.tale import Tale


@plot("stage fright")
def stage(t: Tale) -> None:
    """A must perform in front of everybody and is afraid; something gives courage."""
    t.set_time("morning")
    t.set_sky("sunny", "cloudy", "rainy")
    t.hero(traits=("shy", "quiet", "dreamy", "gentle", "careful"))
    t.peer("B")
    act, fault = t.pick(
        (
            ("sing a song", "the words"),
            ("say a poem", "the first line"),
            ("dance", "the steps"),
            ("play the part of the king", "the first words"),
            ("play the drum", "the beat"),
            ("do a magic trick", "the magic word"),
            ("tell a story", "the beginning"),
            ("play the flute", "the tune"),
            ("play the part of the tree", "when to move"),
            ("juggle three balls", "the order"),
        )
    )
    t.word("ACT", act)
    t.word("FAULT", fault)
    if t.fable:
        t.somewhere("out")
        t.word("SHOW", "the [summer|spring|big|full moon] [feast|festival|party]")
    else:
        t.at_hall()
        t.word("SHOW", "the [school|spring|winter|summer|big] [show|play|concert]")
    begin.opening(
        t,
        "{A} put on {A.his} best clothes for {SHOW} {P.in}"
        if not t.fable
        else "{A} brushed {A.self} for {SHOW} {P.in}",
        "{A} woke up with a funny feeling. today was {SHOW} {P.in}, and {A.he} was going to {ACT}",
        about="{A} had practiced for [weeks|many days] to {ACT} at {SHOW}.",
    )
    t.want("A", "to {ACT} at {SHOW}")
    t.problem("{A.name} was afraid to {ACT}", "so many eyes would look at {A.name}")
    t.tell(
        "there were so many [people|faces]! [every chair was taken|they all looked to the front]."
        if not t.fable
        else "all the animals had come, big and small, from far and near."
    )
    t.feel("A", "scared", "everybody would look at {A.him}")
    t.say(
        "A",
        "I can't do it. / I have forgotten {FAULT}.",
        "what if I forget {FAULT}?",
        "I want to go home.",
        mood="scared",
    )
    t.paragraph()
    help_ = t.dice.below(4)
    if help_ == 0:
        t.thing("X", "treasure")
        t.world.own(t.character("B"), t.object("X"))
        t.say(
            "B",
            "take my {X.n}. / It brings good luck.",
            "hold my {X.n}. / It always helps me.",
            how="said",
        )
        t.give("B", "X", "A")
        t.attempt("{B.name} gave {A.name} a {X.n} for luck")
    elif help_ == 1:
        t.say(
            "B",
            "just look at me, / and forget the others.",
            "think that they are all [cabbages|sheep|teddy bears|pumpkins]!",
            how="said",
        )
        t.tell("that made {A.o} [giggle|smile] a little.")
        t.attempt("{B.name} told {A.name} a trick")
    elif help_ == 2:
        t.say(
            "B",
            "breathe in like you smell a flower, / and breathe out like you blow out a candle.",
            how="said",
        )
        t.tell("{A} breathed in and out, [three|five] times. {A.his} knees stopped shaking.")
        t.attempt("{A.name} breathed in and out")
    else:
        t.say(
            "B",
            "I will go up there with you.",
            "you will not be alone. / I will stand next to you.",
            how="said",
        )
        t.attempt("{B.name} went up with {A.name}")
    t.tell(
        "then it was {A.s} turn, and {A.he} went [up|to the front|out], [step by step|on shaky "
        "legs|with a dry mouth]."
    )
    t.paragraph()
    ending = t.dice.below(3)
    if ending == 0:
        t.tell(
            "at first, {A.his} voice was as small as a mouse. then it grew and grew, and "
            "[soon|in the end] everything went [well|by itself]."
            if act in ("sing a song", "say a poem", "tell a story", "play the part of the king")
            else "at first, everything shook. then it went better and better, and in the end it "
            "went all by itself."
        )
        t.outcome("{A.name} did it well")
    elif ending == 1:
        t.tell(
            "then, all at once, {A} forgot {FAULT}. for a moment, it was very quiet. but {B} "
            "[nodded and smiled|gave {A.him} a sign], and {A} remembered and went on to the end."
        )
        t.outcome("{A.name} made a mistake but went on")
    else:
        t.tell(
            "then a [butterfly|fly|bee] landed right on {A.s} nose. {A} sneezed, everybody "
            "laughed, and {A} laughed, too. after that, it was easy."
        )
        t.outcome("a funny thing happened and made it easy")
    t.attempt("{A.name} went to the front")
    t.tell(
        "everyone clapped [and cheered|and stamped their feet|for a long time].",
        "how they all clapped!",
    )
    t.feel("A", t.pick(("proud", "happy")), "{A.he} had dared to {ACT}", said=True)
    t.talk(
        "B", "I knew it! / You were [great|wonderful].", "see? / And nobody ate you.", mood="happy"
    )
    t.moral("[being brave means doing it even when you are afraid|a mistake is no reason to stop]")
    finish.ending(
        t,
        '"Can I do it again?" {A} asked.',
        "{A} bowed [twice|three times], just like a real star.",
    )


@plot("first day of school")
def school(t: Tale) -> None:
    """Everything is new; one small thing makes it good."""
    t.set_time("morning")
    t.set_sky("sunny", "cloudy", "rainy", "windy")
    t.hero(fable=0.25, traits=("shy", "curious", "quiet", "dreamy", "stubborn"))
    t.parent()
    t.adult("E", "teacher")
    t.named_place(
        "P",
        "the school"
        if not t.fable
        else t.pick(("the forest school", "the school under the oak", "the meadow school")),
        "at",
    )
    t.thing("X", "soft" if not t.fable else "treasure", owner="A")
    begin.opening(
        t,
        "{A} went to school for the very first time",
        "{M} woke {A.o} early. it was the first day of school",
        about="{A} had a new [bag|red bag|blue bag] and {A.his} {X.fn} in it.",
    )
    t.tell(
        "{P} was [big|loud|full of strange faces|bigger than it looked], and {A} held {M.s} "
        "{M.hand} [very tight|tight|with all {A.his} strength]."
    )
    t.problem("{A.name} was afraid of the first day at {P}", "everything was new and strange")
    t.want("A", "to stay with {M.name}")
    t.feel("A", t.pick(("scared", "shy", "worried")), "everything was new", said=True)
    t.say(
        "A",
        "don't go, {M.name}.",
        "can I come home with you?",
        "what if nobody likes me?",
        mood="worried",
    )
    t.say(
        "M",
        "I will be back [at noon|after lunch]. / I promise.",
        "your {X.n} is with you. / And I will come back soon.",
        how="said",
    )
    t.tell_if(
        "detail",
        "then {M} [waved|smiled|waved three times|blew a kiss] and [was gone|left|went away], "
        "and {A.name} was alone.",
    )
    t.paragraph()
    t.peer("B").stranger = True
    way = t.dice.below(3)
    if way == 0:
        t.tell(
            "{A} sat down in the last row and looked at the floor. next to {A.him} sat "
            "{B.intro}, who was crying."
        )
        t.tell("{A} took out {X} and put it between them.")
        t.say("A", "you can hold it, / if you want.", how="whispered")
        t.attempt("{A.name} comforted {B.name}")
        t.say(
            "B",
            "thank you. / What is its name?"
            if not t.fable
            else "thank you. / It is [nice|pretty].",
            mood="grateful",
        )
    elif way == 1:
        t.tell(
            '"Who can tell us something about [frogs|the moon|snails|the sea|bees|trees|the '
            'stars]?" {E.name} asked.'
        )
        t.tell("it was quiet. {A} knew a lot about that. slowly, {A.his} {A.hand} went up.")
        t.attempt("{A.name} raised a {A.hand}")
        t.tell("{A} told them, and everyone listened. {B.intro} turned around and smiled at {A.o}.")
    else:
        t.tell(
            "at the break, {A} stood alone by the [wall|door|fence]. then a ball rolled to "
            "{A.his} feet. {B.intro} waved."
        )
        t.say(
            "B",
            "throw it back! / Do you want to play?",
            "we need one more! / Are you coming?",
            how="called",
        )
        t.tell("{A} took a deep breath and kicked the ball back as hard as {A.he} could.")
        t.attempt("{A.name} joined the game")
    t.paragraph()
    t.tell(
        "after that, the time [flew|went by quickly|passed like nothing]: they "
        "[painted|sang|counted beans|learned the letter A|built a tower], and [{E.name} read a "
        "story|they had a snack|{E.name} showed them a globe]."
    )
    t.feel("A", "happy", "{A.he} was not alone any more", said=True)
    t.world.later("noon")
    t.tell(
        "when {M} came back, {A} [ran up to {M.o}|did not want to go home yet|had so much to tell]."
    )
    t.say("M", "how was it?", "well, how was your day?", how="asked")
    t.say(
        "A", "can I go again tomorrow?", "good! / I have a friend called {B.name}.", mood="excited"
    )
    t.outcome("{A.name} found a friend and liked {P}")
    t.moral("new things are only new once")
    finish.ending(
        t,
        "the next morning, {A} was up before the sun.",
        "the next morning, {A} let go of {M.s} {M.hand} at the gate and waved.",
    )
