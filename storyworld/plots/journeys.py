"""Plots about going somewhere: a map, a message."""

from __future__ import annotations

from storyworld.plots.registry import plot
from storyworld.scenes import begin, finish
from storyworld.tale import Tale


@plot("the treasure map")
def treasure(t: Tale) -> None:
    """A map, clues to solve, and a treasure that may not be gold."""
    t.set_time("morning", "afternoon")
    t.set_sky("sunny", "cloudy", "windy")
    t.hero(traits=("curious", "clever", "brave", "dreamy", "impatient"), on_foot=True)
    t.peer("B")
    place = t.somewhere("green")
    t.character("A").place = place
    t.made("X", "map", t.pick(("old", "yellow", "crumpled", "torn", "faded")))
    begin.opening(t, "{A} was {P.in} with {B.intro}", "{A} and {B.intro} were playing {P.in}")
    spot = t.lay("X", "{P.spot}")
    t.tell(
        f"{spot}, they found {{X.a}} [in a bottle|in a small tin|under a stone|rolled up like a "
        f"snail].",
        f"{{B.name}} saw something {spot} and pulled it out. it was {{X.a}}!",
    )
    t.world.find(t.character("A"), t.object("X"), spot)
    t.feel("A", "excited", "they had found {X.a}", said=True)
    t.say(
        "A",
        "look, there is a cross! / It must be a treasure!",
        "it is a treasure map! / Come on!",
        mood="excited",
    )
    t.want("A", "to find the treasure")
    t.problem("they had to solve the clues of the map", "the treasure was hidden")
    t.paragraph()
    clues = t.dice.sample(
        (
            (
                "count ten steps from the big stone",
                "they counted ten steps from the big stone, but {A.names} steps were long and "
                "{B.names} were short, so they met in the middle.",
            ),
            (
                "follow the water",
                '"Follow the water," the map said. so they walked along the [brook|ditch|stream] '
                "until it ended in a puddle with a frog.",
            ),
            (
                "look where the sun goes to sleep",
                '"Look where the sun goes to sleep," the map said. {B} thought hard. "In the west! '
                'That way!"',
            ),
            (
                "turn around at the crooked tree",
                "at the crooked tree, they turned around [once|twice|three times], until they "
                "were quite dizzy.",
            ),
            (
                "listen to the hollow tree",
                '"Listen to the hollow tree," the map said, so {A} knocked on one tree after '
                "another until one of them [sounded like a drum|went tock, tock|sounded hollow].",
            ),
            (
                "go through the green gate",
                "the green gate was no gate at all. it was a gap in the [hedge|bushes], and "
                "they had to crawl on their tummies.",
            ),
            (
                "ask the one with a hundred eyes",
                '"Ask the one with a hundred eyes," the map said. who could that be? then {A} '
                "saw it: the old fence, full of little holes!",
            ),
        ),
        t.dice.between(2, 3),
    )
    for clue, words in clues:
        t.word("CLUE", clue)
        t.attempt("they solved the clue: {CLUE}")
        t.tell(words)
    t.talk("B", "are we there yet?", "my feet hurt, / but I don't want to stop.", how=None)
    t.paragraph()
    t.tell(
        "<at_last>, {A.name} and {B.name} stood before the cross and dug with [sticks and "
        "hands|an old spoon|a flat stone|a broken pot] until they hit something hard: [a box|an "
        "old box|a rusty box|a wooden box]!"
        if not t.fable
        else "<at_last>, {A.name} and {B.name} stood before the cross and dug and dug until "
        "they hit something hard: [a box|an old box|a rusty box|a wooden box]!"
    )
    t.feel("B", "curious", "there was a box in the ground", said=True)
    end = t.dice.below(4)
    if end == 0:
        t.tell(
            "inside were [marbles and shiny buttons|glass beads and a small bell|colored stones "
            'and an old coin], and a note: "For the finder. Share it well."'
        )
        t.outcome("they found a box of small treasures and shared them")
        t.tell("they made two equal heaps, one for {A.name} and one for {B.name}.")
        t.moral("a treasure is twice as good when you share it")
    elif end == 1:
        t.tell(
            "inside lay [three cookies, hard as stones|an old boot|a wooden spoon], and nothing "
            "else. they looked at each other, and then they laughed and laughed."
        )
        t.outcome("the box held nothing of value but they had fun")
        t.moral("the best part of a treasure is the search")
    elif end == 2:
        t.adult("G", "neighbor")
        t.tell(
            "inside was a letter. it had been written by {G.name} a long, long time ago! they "
            "took it to {G.o} at once."
        )
        t.talk(
            "G",
            "I buried it when I was as small as you!",
            "oh, my old box! / I had forgotten it.",
            mood="surprised",
        )
        t.tell(
            "{G} told them all about the old days, and there was <meal> for everyone."
            if not t.fable
            else "{G} told them all about the old days, and there was <fable_meal> for everyone."
        )
        t.outcome("the box belonged to {G.name}, who told them stories")
        t.moral("old stories are a treasure, too")
    else:
        t.tell(
            'inside was a little bag of seeds. "That is all?" said {B.name}. but they put the '
            "seeds into the ground, and in the summer there were flowers as tall as a house."
        )
        t.outcome("the box held seeds that became tall flowers")
        t.moral("not every treasure shines at once")
    t.feel("A", "happy", "they had found the treasure together")
    finish.ending(
        t,
        "then they drew a new map and hid it for the next finder.",
        "{A} hung the map over {A.his} bed.",
    )


@plot("the message")
def message(t: Tale) -> None:
    """A must deliver something and is held up; what is done with the delays decides."""
    t.set_time("morning")
    t.set_sky("sunny", "windy", "rainy", "foggy")
    t.hero(traits=("dreamy", "brave", "helpful", "careless", "cheerful", "curious"), on_foot=True)
    t.parent()
    t.grandparent("G")
    place = t.somewhere("away")
    t.made(
        "X",
        t.pick(("letter", "basket", "parcel", "jar of soup", "note", "box")),
        t.pick(("small", "important", "big", "white", "")),
    )
    t.world.own(t.character("M"), t.object("X"))
    begin.opening(t, "{M} gave {A.name} {X.a}", "{M} had {X.a} for {G.name}, but no time to go")
    if t.object("X").holder is t.character("M"):
        t.give("M", "X", "A", narrate=False)
    t.say(
        "M",
        "take this to {G.name}, / and be there before dark.",
        "can you bring this to {G.name} all by yourself?",
        how="said",
    )
    t.talk("A", "I can do that!", "of course. / I am big enough.", mood="proud")
    t.want("A", "to bring the {X.n} to {G.name}")
    t.problem("{A.name} had to bring the {X.n} to {G.name}", "{M.name} had no time to go")
    t.tell("the way went past {P}.", "{A} took {X} and {A.ran} off. the way led past {P}.")
    t.character("A").place = place
    begin.look(t)
    t.paragraph()
    helped = False
    for number, kind in enumerate(t.dice.sample((0, 1, 2, 3, 4), 2)):
        if kind == 0:
            t.tell(
                'then {A} met somebody who wanted to play. "I would love to," {A} said, "but I '
                'have something to deliver."'
            )
            t.attempt("{A.name} did not stop to play")
        elif kind == 1:
            t.tell(
                "a [strong wind|big puddle|muddy ditch] was in the way. {A} held {X} high over "
                "{A.his} head and went on."
                if t.world.sky != "windy"
                else "the wind pulled at {X}, but {A} held {X.it} tight with both {A.hands}."
            )
            t.attempt("{A.name} kept the {X.n} safe")
        elif kind == 2:
            t.tell(
                "an old [hedgehog|turtle|toad|goose|hen] could not get over the [wall|brook]. "
                "{A} put {X} down, helped, and picked {X.it} up again."
            )
            t.attempt("{A.name} helped an old animal")
            helped = True
        elif kind == 3:
            t.tell(
                "the path split in two, and the sign had fallen down, but {A} remembered that "
                "{A.he} should always go along the [brook|wall|fence|hedge]."
            )
            t.attempt("{A.name} remembered the way")
        else:
            t.tell(
                "a cheeky [crow|goat|monkey] snatched {X} and was off. {A} {A.ran} after it, "
                "over sticks and stones, until it dropped {X} again."
            )
            t.attempt("{A.name} ran after a thief")
            if number == 0:
                t.feel("A", "scared", "{X} was almost lost")
    t.tell_if(
        "detail",
        "the shadows grew [longer|long], and {A} {A.ran} as fast as {A.he} could."
        if t.world.sky == "sunny"
        else "it was getting [late|dark|later and later], and {A} {A.ran} [as fast as {A.he} "
        "could|faster and faster|without a rest].",
    )
    t.world.later("evening")
    t.paragraph()
    t.tell(
        "just before dark, {A} knocked at {G.s} door.",
        "then {A} saw the light in {G.s} window at last."
        if not t.fable
        else "then {A} saw {G.s} {G.home} at last.",
    )
    t.give("A", "X", "G")
    t.talk(
        "G",
        "you came all this way alone?",
        "this is just what I have waited for!",
        mood="surprised",
    )
    inside = t.dice.below(3)
    if inside == 0:
        words = {
            "letter": "it said",
            "note": "it said",
            "parcel": "on top lay a note",
            "box": "on top lay a note",
        }.get(t.object("X").noun.noun)
        t.tell(
            f'{{G}} opened it and began to laugh. {words}: "Please give the one who brings this '
            'the biggest piece of cake."'
            if words
            else "{G} looked inside and laughed. there was enough for two."
        )
        t.outcome("{A.name} brought the {X.n} and got a treat")
    elif inside == 1:
        t.tell(
            "{G} had been very lonely that week. now {G.he} smiled and put an arm around {A.name}."
        )
        t.outcome("{A.name} brought the {X.n} and made {G.name} happy")
    else:
        t.tell(
            "they sat down together, and {A} told {G.name} about everything that had happened "
            "on the way."
        )
        t.outcome("{A.name} brought the {X.n} safely")
    t.feel("A", "proud", "{A.he} had done it all alone")
    if helped:
        t.moral("there is always time to help")
    else:
        t.moral("those who keep the goal in mind will get there")
    finish.ending(
        t,
        "that night, {A} was allowed to stay, and the rain could fall as much as it liked."
        if t.world.sky == "rainy"
        else "that night, {A} was allowed to stay with {G.name}.",
        "<from_then>, everyone called {A.name} the best messenger of all.",
    )
