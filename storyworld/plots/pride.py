"""Plots about those who are too sure of themselves."""

from __future__ import annotations

from storyworld.plots.registry import plot
from storyworld.scenes import begin, finish
from storyworld.tale import Tale


@plot("false alarm")
def false_alarm(t: Tale) -> None:
    """Somebody cries for help for fun once too often."""
    t.set_time("morning", "afternoon")
    t.set_sky("sunny", "cloudy", "windy")
    t.hero(traits=("funny", "lazy", "proud", "clever"), on_foot=True)
    t.peer("B")
    t.peer("C")
    place = t.somewhere("out")
    t.character("A").place = place
    danger, real = t.pick(
        (
            ("a snake", "snake"),
            ("a wolf", "wolf"),
            ("a swarm of wasps", "swarm of wasps"),
            ("a big angry dog", "big angry dog"),
            ("a wild boar", "wild boar"),
            ("an angry goose", "angry goose"),
        )
    )
    t.word("DANGER", danger)
    t.word("IT", real)
    begin.opening(t, "{A} was bored {P.in}", "{A} sat {P.spot} {P.in} and yawned")
    t.say(
        "A",
        "I know how to have some fun.",
        "let's see how fast they can run.",
        how=t.pick(("thought", "said")),
    )
    t.want("A", "to have some fun")
    for number in range(t.dice.between(1, 2)):
        t.tell(
            f'"Help, help! {danger.capitalize()}!" {{A}} [shouted|screamed].',
            f'then {{A}} [screamed|cried], "Help! There is {danger}!"',
        )
        if number == 0:
            t.tell(
                "{B.intro} and {C.intro} came running with [sticks|a net|stones and sticks], "
                "quite out of breath. but there was nothing. {A} <laughed A>."
                if not t.fable
                else "{B.intro} and {C.intro} came at once, quite out of breath. but there was "
                "nothing. {A} <laughed A>."
            )
            t.attempt("{A.name} called for help for fun")
            t.say("A", "ha, ha! / You should see your faces!", "it was only a joke!", how="said")
            t.feel("B", "angry", "{A.name} had tricked them")
        else:
            t.tell(
                "again {B.name} and {C.name} came running, and again there was nothing but "
                "{A.name}, who laughed."
            )
            t.attempt("{A.name} did it again")
            t.say(
                "C",
                "that is not funny. / One day nobody will come.",
                "don't do that again.",
                mood="angry",
            )
    t.paragraph()
    t.tell(
        "then, one day, something [rustled|moved|growled] {P.spot}, and {A} [turned "
        "around|looked up] and saw {DANGER}, a real one!",
        "the next day, {A} heard a strange sound. there it was: {DANGER}!",
    )
    t.feel("A", "scared", "there was really {DANGER}", said=True)
    t.say(
        "A",
        "help! / This time it is true!",
        "help! / Please, somebody help me!",
        how=t.pick(("screamed", "shouted", "cried")),
    )
    t.problem("nobody believed {A.name}", "{A.name} had lied before")
    t.tell(
        '{B} heard it, but [did not even get up|shook {B.his} head|went on eating]. "[Just '
        'another|That is only a|Another] [joke|trick], {C.name}," {B.he} said.'
    )
    way = t.dice.below(3)
    if way == 0:
        t.tell(
            "{A} [ran|raced] as never before, [through thorns and puddles|over sticks and "
            "stones], and came home [scratched and muddy|dirty and tired]."
        )
        t.attempt("{A.name} ran away alone")
        t.outcome("nobody came and {A.name} had to run for it")
    elif way == 1:
        t.word("REFUGE", "a tall tree" if not t.fable else "a big rock")
        t.tell("{A} climbed up {REFUGE} and sat there until it was dark and the danger was gone.")
        t.attempt("{A.name} climbed up {REFUGE}")
        t.outcome("nobody came and {A.name} sat up there until dark")
    else:
        t.tell(
            "only {C} stopped and listened. this time {A.s} voice was different. {C} {C.ran} "
            "over, made a terrible noise with [two stones|an old pot|a big stick] and chased it "
            "away."
        )
        t.attempt("{C.name} came after all")
        t.outcome("only {C.name} came and helped")
    t.paragraph()
    t.say(
        "A",
        "why did nobody come?" if way < 2 else "I am so sorry. / I will never do that again.",
        mood="sorry",
    )
    t.say(
        "B",
        "how could we know / that it was true this time?",
        "you cried for help so often. / We thought it was a joke.",
        how="said",
    )
    t.feel("A", "sorry", "{A.he} had played tricks on {A.his} friends", said=True)
    t.moral(
        "[nobody believes a liar, even when he tells the truth|"
        "those who play with trust may lose it]"
    )
    finish.ending(
        t,
        "<from_then>, {A} called for help only when {A.he} needed it.",
        "{A} still told jokes, but of another kind.",
        mood="soft",
    )


@plot("the warning")
def warning(t: Tale) -> None:
    """A does not listen to a warning and pays for it a little."""
    t.set_time("morning", "afternoon")
    t.set_sky("sunny", "cloudy")
    t.hero(traits=("stubborn", "brave", "impatient", "careless", "curious"), on_foot=True)
    t.adult("E", "neighbor")
    place = t.somewhere("green")
    t.character("A").place = place
    what, fall, hurt = t.pick(
        (
            (
                "climb on the old wall",
                "a stone came loose, and {A} fell into the nettles",
                "{A.his} legs burned like fire",
            ),
            (
                "walk on the rotten log",
                "the log broke in the middle, and {A} fell into the cold water",
                "{A.he} was wet to the bone",
            ),
            (
                "poke the wasps' nest",
                "the wasps came out, and they were not happy",
                "{A.his} nose was twice as big as before",
            ),
            (
                "eat the green plums",
                "{A.his} tummy began to turn like a wheel",
                "{A.his} tummy hurt",
            ),
            (
                "run down the steep path",
                "{A.his} feet were faster than {A.he} was, and {A} rolled all the way down",
                "{A.he} had scratches everywhere",
            ),
            (
                "go into the mud hole",
                "the mud held on to {A.his} feet and did not let go",
                "{A.he} could not move",
            ),
            (
                "touch the prickly plant",
                "a hundred tiny spikes stuck in {A.his} skin",
                "it itched and hurt everywhere",
            ),
            (
                "swing from the thin branch",
                "the branch cracked, and down {A.he} went",
                "{A.his} bottom hurt",
            ),
        )
    )
    t.word("WHAT", what)
    begin.opening(
        t,
        "{A} was {P.in} and looked for something [new|exciting] to do",
        "{A} went {P.to}. {A.he} wanted to do something exciting",
    )
    begin.look(t)
    t.tell("{A} wanted to {WHAT}.")
    t.want("A", "to {WHAT}")
    t.tell(
        "{E.name} came by and saw it.",
        "{E.name}, who [knew the place well|was very old and wise], came past.",
    )
    t.say(
        "E",
        "I would not {WHAT}. / It is dangerous.",
        "be careful, {A.name}! / Do not {WHAT}.",
        how="said",
    )
    t.say(
        "A", "I am not afraid!", "I know what I am doing.", "only babies are careful.", how="said"
    )
    t.problem("{A.name} did not listen to a warning", "{A.name} thought that nothing could happen")
    t.attempt("{A.name} went on to {WHAT}")
    t.paragraph()
    t.tell(
        "as soon as {E.name} was gone, {A} began to {WHAT}.",
        "{A} waited until {E.name} had left. then {A.he} began.",
    )
    t.tell_if("detail", "at first, it was [fun|easy].", '"See?" {A} said. "Nothing happens."')
    t.tell("<suddenly>, " + fall + ".", "but then " + fall + ".")
    t.cast["?"] = t.character("A")
    t.feel("A", t.pick(("scared", "sorry")), hurt)
    t.say("A", "help!", "ouch, ouch, ouch!", "oh, why did I not listen?", how="cried")
    t.attempt("{A.name} called for help")
    if t.dice.chance(0.7):
        t.tell(
            "{E.name} heard it and came back. {E.he} did not scold, but "
            "[helped {A.name} up|took {A.names} {A.hand}] and brought {A.him} home."
        )
        t.outcome("{E.name} came back and helped")
        t.say(
            "A",
            "you were right. / I am sorry.",
            "thank you. / Next time I will listen.",
            mood="sorry",
        )
        t.say(
            "E",
            "I know how it hurts. / I did the same when I was small.",
            "now you know it, / and you will not forget it.",
            how="said",
        )
        t.feel("A", "grateful", "{E.name} had come back and had not scolded")
    else:
        t.tell("nobody heard it. it took {A.o} [an hour|a long time] to get home, step by step.")
        t.outcome("{A.name} had to get home alone and hurt")
        t.parent()
        t.say("M", "what happened to you?", how="asked")
        t.tell(
            "{A} told everything, and {M} put [cool water|a cold cloth] on every spot that hurt."
        )
        t.feel("A", "calm", "{M.name} took care of {A.o}")
    t.paragraph()
    t.moral("[it is wise to listen to those who know|a warning can save you a lot of pain]")
    finish.ending(
        t,
        '<days_later>, {A} saw a little {A.kind} who wanted to do the same. "Don\'t!" {A} said. '
        '"Let me tell you why."',
        "it took three days until nothing hurt any more.",
    )


@plot("the race")
def race(t: Tale) -> None:
    """A boaster and a slower one race; the ending depends on what happens on the way."""
    t.set_time("morning")
    t.set_sky("sunny", "cloudy", "windy")
    t.hero(fable=0.75, traits=("proud",), on_foot=True)
    t.peer("B", trait="patient")
    t.somewhere("out")
    t.word("GOAL", "[the old oak|the big stone|the mill|the bridge|the crooked tree|the gate]")
    begin.opening(
        t,
        "everybody came together {P.in}, and {A} began to boast",
        "{A} stood {P.in} and talked about {A.self} again",
    )
    t.talk(
        "A",
        "I am the fastest of all! / Nobody can beat me.",
        "look at my legs! / I could win with my eyes closed.",
        mood="proud",
    )
    t.tell(
        "the others [sighed|groaned|rolled their eyes], but {B.intro} [spoke up|stepped "
        "forward|raised {B.his} {B.hand}]."
    )
    t.say(
        "B",
        "let's have a race, then. / From here to {GOAL}.",
        "I will race you to {GOAL}.",
        how="said",
    )
    t.say(
        "A",
        "you? / You are as slow as [honey|a snail|cold honey]!",
        "ha, ha! / That will be easy.",
        how="laughed",
    )
    t.want("A", "to win the race")
    t.want("B", "to show that {B.name} can do it, too")
    t.tell(
        '"One, two, three, go!" {A.name} {A.ran} off <fast_like>, and soon {A.he} was out of sight.'
    )
    t.paragraph()
    event = t.dice.below(4)
    t.problem("{A.name} was so sure to win that {A.he} was careless", "{A.name} was proud")
    if event == 0:
        t.tell(
            "{A} looked back. nobody was there. so {A.he} lay down {P.spot} for a [little "
            "nap|short rest], and fell asleep."
        )
        t.attempt("{A.name} took a nap on the way")
        t.tell("{B} came by, <quiet_like>, and went on, step after step.")
    elif event == 1:
        t.tell(
            "on the way, {A} stopped again and again to [tell everyone how fast {A.he} was|show "
            "{A.his} best jumps|bow to the birds]."
        )
        t.attempt("{A.name} stopped to show off")
        t.tell("{B} did not stop once. {B.he} looked only at the path ahead.")
    elif event == 2:
        t.tell(
            "{A} wanted to take a shortcut and got stuck in a [thorn bush|muddy ditch|prickly "
            "hedge]. the more {A.he} pulled, the worse it got."
        )
        t.attempt("{A.name} took a shortcut and got stuck")
        t.feel("A", "scared", "{A.he} could not get out alone")
        t.say("A", "help! / I am stuck!", how="cried")
    else:
        t.tell("then, in the middle of the way, a small mouse sat by the path with a hurt foot.")
        t.tell(
            "{A} jumped over it and did not even look. but {B} stopped and [tied a leaf around "
            "the foot|brought it some water]."
        )
        t.attempt("{B.name} stopped to help a mouse")
    t.paragraph()
    if event in (0, 1):
        t.tell(
            "when {A} woke up at last, {B} was already at {GOAL}. everyone was cheering!"
            if event == 0
            else "when {A} came to the end at last, {B} was already at {GOAL}. everyone was "
            "cheering!"
        )
        t.outcome("{B.name} won the race")
        t.feel("A", "surprised", "{B.name} had won", said=True)
        t.say("A", "how did you do that?", "you won. / I was too sure of myself.", how="said")
        t.say("B", "step by step.", "I just did not stop.", how="said")
        t.feel("B", "proud", "{B.he} had won the race")
        t.moral("slow and steady can win the race")
    elif event == 2:
        t.tell(
            "{B} came by and stopped. {B.he} could have won now. but {B.he} [pulled the "
            "branches apart|held out a {B.hand}] and helped {A.o} out."
        )
        t.tell_if(
            "detail", "then they went on to {GOAL}, side by side, and arrived at the same time."
        )
        t.outcome("{B.name} helped {A.name} and they finished together")
        t.feel("A", "grateful", "{B.name} had stopped to help")
        t.moral("a good friend is worth more than a prize")
    else:
        t.tell(
            "{A} was the first at {GOAL}. but nobody cheered. they had all seen what had happened."
        )
        t.tell("when {B} came much later, with the mouse on {B.his} back, everybody clapped.")
        t.outcome("{A.name} won but {B.name} was cheered for helping")
        t.feel("A", "sorry", "{A.he} had not stopped to help")
        t.moral("being kind counts more than being fast")
    finish.ending(
        t,
        "{A} did not boast for a [long|very long] time after that.",
        '"[Well done|Good race]," {A} said, and this time {A.he} meant it.',
    )
