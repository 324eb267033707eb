"""Plots about making things, alone and together."""

from __future__ import annotations

from storyworld.plots.registry import plot
from storyworld.scenes import begin, finish
from storyworld.tale import Tale


@plot("the picture")
def picture(t: Tale) -> None:
    """A picture goes wrong, and the mistake becomes the best part."""
    t.set_time("morning", "afternoon")
    t.set_sky("rainy", "sunny", "cloudy", "windy")
    t.hero(fable=0.2, traits=("careful", "impatient", "dreamy", "shy", "quiet"))
    t.peer("B")
    t.parent()
    t.word("WHAT", "[a horse|a ship|a castle|a cat|the sea|a lion|a big tree|a bird|the moon]")
    t.named_place(
        "P",
        t.wording("the [kitchen|classroom|attic|living room]")
        if not t.fable
        else t.wording("the {A.home}"),
        "in",
    )
    begin.opening(
        t,
        "{A} sat {P.in} and painted {WHAT}",
        "{A} wanted to paint {WHAT}. {A.he} sat down {P.in}",
        about="{A} wanted to give {M.name} a picture.",
    )
    t.want("A", "to paint a perfect picture of {WHAT}")
    t.tell("{A.he} took the [thin|best|softest] brush and began with [blue|green|yellow|brown].")
    t.tell_if(
        "detail",
        "the picture became [very good|better and better|brighter and brighter], and {A} [held "
        "{A.his} breath|hummed|forgot the time].",
        "{A} painted for an hour without a word.",
    )
    accident = t.dice.below(3)
    if accident == 0:
        t.tell(
            "then {B.intro} came in and [bumped into the table|sneezed]. splash! a big "
            "[red|black|blue] drop fell right into the middle."
        )
        t.problem("there was a big spot on the picture", "{B.name} came in and paint was spilled")
    elif accident == 1:
        t.tell(
            "then {A} reached for the [water|yellow paint], and the glass fell over. a big "
            "[brown|gray|green] spot spread over the paper."
        )
        t.problem("there was a big spot on the picture", "the water fell over")
    else:
        t.tell(
            "then a [cat|mouse|hen|puppy] jumped on the table and walked right across the "
            "picture with [blue|red|green] feet."
        )
        t.problem("there were footprints on the picture", "an animal walked over it")
    t.feel("A", t.pick(("sad", "angry")), "the picture was [ruined|spoiled]", said=True)
    t.say("A", "it is all ruined!", "I will throw it away!", mood="angry")
    t.paragraph()
    if accident == 0:
        t.say("B", "I am so sorry. / Wait, let me look at it.", mood="sorry")
    else:
        t.tell("<soon>, {B.intro} came in and looked at it.")
    t.say(
        "B",
        "look, the spot is like a [cloud|whale|balloon|hill]!"
        if accident < 2
        else "look, that could be [flowers|stars|little fish]!",
        "I see something in it. / Turn it around!",
        mood="excited",
    )
    t.attempt("{B.name} saw something in the spot")
    t.tell(
        "{A} tilted {A.his} head, and it was true, so {A.he} took the brush and gave it "
        "[eyes|legs|wings|a tail|a smile].",
        "{A} looked again. then {A.he} took the brush, and the mistake turned into [a dragon|a "
        "kite|an island|a funny bird|a cloud].",
    )
    t.attempt("{A.name} painted something new out of it")
    t.feel("A", t.pick(("surprised", "happy", "excited")), "the picture was better than before")
    t.paragraph()
    t.tell(
        "then {A} [gave the picture to|showed the picture to] {M.name}, who looked at it for a "
        "[long time|while|long, long time]."
    )
    t.talk(
        "M",
        "this is the best part!",
        "how did you think of that?",
        "there is so much life in it!",
        mood="happy",
    )
    t.tell('{A} [winked at|smiled at] {B.name} and said, "It was an accident."')
    t.outcome(
        ("the spot" if accident < 2 else "the trail of feet")
        + " became the best part of the picture"
    )
    t.moral("a mistake can be the start of something beautiful")
    finish.ending(
        t,
        "the picture hung on the wall for many years.",
        "<from_then>, {A} made a little spot in every picture, on purpose.",
    )


@plot("building together")
def building(t: Tale) -> None:
    """Friends build something; it falls; they find out what was wrong and build it better."""
    t.set_time("morning")
    t.set_sky("sunny", "cloudy")
    t.hero(on_foot=True)
    t.peer("B")
    project, place_tag, flaw, remedy = t.pick(
        (
            (
                "a tree house",
                "tree",
                "the floor was crooked and slid down",
                "tied the boards with a strong rope",
            ),
            ("a raft", "shore", "the raft fell apart in the water", "tied the logs together twice"),
            (
                "a hut of branches",
                "out",
                "the wind blew the roof away",
                "put heavy stones on the roof",
            ),
            (
                "a bridge over the brook",
                "out",
                "the bridge broke in the middle",
                "put a stone in the middle to hold it",
            ),
            (
                "a dam",
                "out",
                "the water ran through every hole",
                "filled the holes with mud and moss",
            ),
            (
                "a tower of stones",
                "out",
                "the tower fell over",
                "put the biggest stones at the bottom",
            ),
            ("a seesaw", "out", "the seesaw tipped to one side", "moved the board a little"),
            ("a birdhouse", "out", "the roof fell off", "used longer sticks and strong glue"),
            ("a little boat", "out", "the boat sank", "made it lighter and wider"),
        )
    )
    t.word("WHAT", project)
    t.word("THE", "the " + project.split(" ", 1)[1])
    place = t.somewhere("green", *(() if t.fable else (place_tag,)))
    t.character("A").place = place
    begin.opening(
        t,
        "{A.name} and {B.intro} met {P.in} to build {WHAT}",
        "{A} and {B.intro} had a plan. they wanted to build {WHAT} {P.in}",
    )
    t.want("A", "to build {WHAT} with {B.name}")
    t.tell_if(
        "detail",
        "{A} [brought|carried] [wood|branches|sticks] and {B} [brought|carried] "
        "[stones|string|boards|moss].",
        "first they looked for everything they needed: [sticks|branches|logs], [stones|string], "
        "and a lot of [moss|leaves|mud].",
    )
    t.talk("A", "you hold it, / and I will push.", "a little to the left!", how="said")
    t.tell(
        "{A.name} and {B.name} [worked|built|carried and built] until their "
        "{A.hands} were [dirty|full of mud|sore|quite black].",
        "they [worked|built|hurried] <all_day>.",
    )
    t.paragraph()
    t.tell(
        '"Done!" they said. but a moment later, ' + flaw + ".",
        "when it was finished, they were so happy. then, with a [crash|crack|plop], " + flaw + ".",
    )
    t.problem(f"{flaw}", "they had built it in a hurry")
    t.feel("A", t.pick(("sad", "angry", "disappointed")), "all the work was for nothing")
    if t.dice.chance(0.5):
        t.say("B", "that was your fault!", "this was your mistake!", mood="angry")
        t.say("A", "no, it was yours!", how="shouted")
        t.attempt("they blamed each other")
        t.tell(
            "for a while they sat back to back and said nothing. then {B} began to giggle, and "
            "{A} had to laugh, too."
        )
    else:
        t.say(
            "B",
            "let's look at it. / Why did it happen?",
            "don't be sad. / We will find out what was wrong.",
            how="said",
        )
        t.attempt("they looked for the reason")
    t.paragraph()
    t.tell(
        "they looked at [every piece|it from all sides] and thought. this time they "
        + remedy
        + ".",
        "<idea A>. they " + remedy + ".",
    )
    t.cast["?"] = t.character("A")
    t.attempt("they " + remedy)
    t.tell(
        "<at_last>, it [held|was strong]. {A} tried it first, then {B}, and then both of them "
        "at once.",
        "and look, {THE} [held|stood firm]! it [was not very pretty|was a bit crooked|had a few "
        "holes], but it belonged to {A.name} and {B.name}.",
    )
    t.feel("A", "proud", "they had built {THE} together", said=True)
    t.outcome("they built {THE} again and better")
    t.talk(
        "B",
        "we are the best builders [in the world|of all]!",
        "next, we will build a [castle|ship|rocket]!",
        mood="happy",
    )
    t.moral(
        "[together you can do what you cannot do alone|when something falls down, you can build "
        "it up again, and better]"
    )
    finish.ending(
        t,
        "they sat there until [the sun went down|the first star came out] and ate "
        "[apples|nuts|cookies].",
        "they gave {THE} a name and painted it on a [stone|board|leaf].",
    )
