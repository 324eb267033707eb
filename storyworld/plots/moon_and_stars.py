"""Plots about what shines at night."""

from __future__ import annotations

from storyworld.plots.registry import plot
from storyworld.scenes import begin, finish
from storyworld.tale import Tale


@plot("catching the moon")
def moon(t: Tale) -> None:
    """A wants the moon and tries to get it."""
    t.set_time("night")
    t.set_sky("sunny")
    t.hero(traits=("dreamy", "curious", "stubborn", "brave", "gentle", "impatient"), on_foot=True)
    t.parent() if t.dice.chance(0.5) else t.grandparent("M")
    place = t.somewhere("out")
    t.character("A").place = place
    begin.opening(
        t,
        "{A} stood {P.in} and looked up at the moon",
        "{A} could not sleep and went {P.to}. the moon was [round|big and round|full]",
    )
    t.tell_if(
        "detail",
        "it was as round as a [ball|plate|cheese|pancake] and as bright as [silver|milk|a lamp].",
    )
    t.say(
        "A",
        "I want to have the moon!",
        "moon, come down and play with me!",
        "I will catch you, moon!",
        mood="excited",
    )
    t.want("A", "to have the moon")
    t.problem("{A.name} could not reach the moon", "the moon was too far away")
    t.paragraph()
    ways = t.dice.sample(
        (
            (
                "climb the highest hill" if t.fable else "climb the highest tree",
                "{A} climbed up the highest "
                + ("hill" if t.fable else "tree")
                + ". but the moon was still far away, and {A.he} only found a [sleepy "
                "owl|surprised squirrel|cold wind].",
            ),
            (
                "catch it with a net",
                "{A} took a net and jumped. {A.he} caught [a moth|two leaves|the cold air], but "
                "no moon.",
            ),
            (
                "catch it in a bucket",
                "{A} filled a bucket with water. there it was, the moon! but when {A.he} wanted "
                "to take it out, it broke into a hundred pieces.",
            ),
            (
                "call it",
                "{A} called it with all the nice names {A.he} knew. the moon smiled and did not "
                "come.",
            ),
            (
                "run after it",
                "{A} {A.ran} over the hill, because the moon was just behind it. but then it "
                "was behind the next hill.",
            ),
            (
                "build a tower",
                "{A} put [stones|boxes|logs] on top of each other and climbed up. the tower "
                "wobbled, and down {A.he} came.",
            ),
            (
                "lure it with a cookie",
                "{A} put a cookie on the [wall|stump|grass]. in the end, a mouse came and ate "
                "it. the moon was not hungry.",
            ),
        ),
        t.dice.between(2, 3),
    )
    for what, words in ways:
        t.word("HOW", what)
        t.attempt("{A.name} tried to {HOW}")
        t.tell(words)
    t.feel("A", t.pick(("sad", "disappointed")), "the moon stayed where it was")
    t.paragraph()
    t.tell(
        "{M} had woken up and came out. {M.he} put a warm blanket around {A.s} shoulders."
        if not t.fable
        else "{M} had woken up and came out."
    )
    end = t.dice.below(4)
    if end == 0:
        t.say(
            "M",
            "if you had the moon in your room, / all the others would be in the dark.",
            "the moon belongs to everybody. / Who would light the way for the [ships|owls|foxes]?",
            how="said",
        )
        t.tell("{A} thought about that. then {A.he} waved at the moon.")
        t.attempt("{M.name} explained why the moon must stay")
        t.outcome("{A.name} let the moon stay in the sky")
    elif end == 1:
        t.tell(
            "{M} pointed at the [pond|puddle|water]. there was the moon, quite still, just for "
            "them."
        )
        t.say("M", "look, / it has come to visit you.", how="whispered")
        t.attempt("{M.name} showed {A.name} the moon in the water")
        t.outcome("{A.name} saw the moon in the water and was content")
    elif end == 2:
        t.tell(
            "the next day, they [cut a moon out of yellow paper, and it hung over|painted a round "
            "white stone, and it lay next to] {A.s} bed."
            if not t.fable
            else "the next day, they looked for a round white stone. it lay next to {A.s} bed "
            "and shone a little in the dark."
        )
        t.attempt("they made a moon of their own")
        t.outcome("they made a little moon of their own")
    else:
        t.say("M", "walk a few steps. / Do you see? It comes with you.", how="said")
        t.tell(
            "{A} walked to the left, and the moon came along. {A} walked to the right, and the "
            "moon came along. it followed {A.o} all the way home!"
        )
        t.attempt("{M.name} showed {A.name} that the moon comes along")
        t.outcome("{A.name} found that the moon follows everybody home")
    t.feel("A", t.pick(("happy", "calm")), "the moon was a friend after all", said=False)
    t.moral("[some things are there for everyone|you do not have to own a thing to love it]")
    finish.ending(
        t,
        '"Good night, moon," {A} said. and the moon shone into the {A.home} all night long.',
        "then {A} fell asleep, and the moon kept watch.",
    )


@plot("the fallen star")
def star(t: Tale) -> None:
    """A small star has fallen from the sky and wants to go home."""
    t.set_time("night", "evening")
    t.set_sky("sunny")
    t.hero(traits=("kind", "curious", "gentle", "brave", "dreamy"), on_foot=True)
    place = t.somewhere("out")
    t.character("A").place = place
    t.beast("C", "star")
    begin.opening(
        t,
        "{A} saw something fall from the sky",
        "{A} was {P.in} and counted the stars. suddenly one of them fell",
    )
    t.character("C").is_mentioned = True
    t.tell("it came down {P.in}, {P.spot}, with a soft [pling|hiss|plop].")
    t.tell(
        "there lay a little [silver|golden|white|yellow] star, [warm|as small as an apple|no "
        "bigger than a plum], and its light [flickered|was weak|went on and off|trembled]."
    )
    t.say("A", "did you hurt yourself?", "who are you?", how="asked")
    t.tell(
        '"I leaned [too far out|over too far|out to see the sea], and then I fell," the star '
        '[sobbed|said|told {A.him}]. "My [mother|sisters|family|brothers] will [look '
        'for me|be worried|cry], {A.name}!"'
    )
    t.problem("a star had fallen from the sky", "it had leaned too far out")
    t.want("A", "to help the star get home")
    t.feel("A", "sad", "the star was so far from home")
    t.paragraph()
    tries = t.dice.sample(
        (
            (
                "throw it up",
                "{A} threw it as high as {A.he} could. it flew up, up, up, and came down again.",
            ),
            (
                "climb the highest tree",
                "{A} put it into {A.his} [pocket|hat] and climbed the highest tree. it was not "
                "high enough."
                if not t.fable
                else "{A} carried it up the highest hill. it was not high enough.",
            ),
            (
                "tie it to a kite",
                "they tied it to a kite. the wind was too weak, and the star was too heavy.",
            ),
            (
                "ask the owl",
                'they asked the owl to carry it. "I fly high," said the owl, "but not that high."',
            ),
            (
                "send it with the smoke",
                "they tried to send it up with the smoke of a chimney. the star sneezed and "
                "turned all black.",
            ),
        ),
        t.dice.between(1, 2),
    )
    for what, words in tries:
        t.word("HOW", what)
        t.attempt("they tried to {HOW}")
        t.tell(words)
    t.tell_if(
        "detail",
        "the light of the star grew weaker and weaker.",
        '"I am getting cold," the star whispered.',
    )
    t.paragraph()
    end = t.dice.below(3)
    if end == 0:
        t.tell(
            "{A} held it close and sang to it, because {A.he} did not know what else to do. and "
            "with every song, it grew brighter and lighter."
        )
        t.attempt("{A.name} sang to the star")
        t.tell(
            '"Your songs make me light!" the star cried. it rose up and up, over '
            "the trees, and home."
        )
        t.outcome("the songs made the star light and it rose home")
    elif end == 1:
        t.tell("<idea A>. {A} carried it to the water, where all the other stars could be seen.")
        t.attempt("{A.name} carried it to the water")
        t.tell(
            "the little star jumped right into the middle of them. there was a splash of light, "
            "and when {A} looked up, it was back in the sky."
        )
        t.outcome("the star jumped into the mirror of the sky")
    else:
        t.tell("so {A} called all the friends, and they all held up their lamps and lights.")
        t.attempt("{A.name} called friends with lights")
        t.tell(
            "up in the sky, the [mother|father|family] of the star saw it and sent down a long, "
            "thin [ray|beam|thread of light], and the star climbed up [on it like on a "
            "ladder|and up|into the sky]."
        )
        t.outcome("the family of the star saw the lights and took it home")
    t.tell(
        '"[Thank you|Goodbye|I will never forget you], {A.name}!" it called, [very small and '
        "far away|from high above|already far away]."
    )
    t.feel("A", "happy", "the star was home again", said=True)
    t.moral("[a warm heart can do more than strong arms|everybody wants to go home at night]")
    finish.ending(
        t,
        "<from_then>, one star winked at {A.name} every night. only {A.name} saw it.",
        "if you look up tonight, you may see it, too. it is the one that winks.",
    )
