"""Short plots about small troubles with quick ends."""

from __future__ import annotations

from storyworld.plots.registry import plot
from storyworld.scenes import begin, finish
from storyworld.tale import Tale


@plot("the hat in the wind")
def hat_in_the_wind(t: Tale) -> None:
    """The wind takes something to wear; somebody else has found a use for it."""
    t.set_time("morning", "afternoon")
    t.set_sky("windy")
    t.hero(on_foot=True)
    place = t.somewhere("out")
    t.character("A").place = place
    t.made("X", t.pick(("hat", "cap", "scarf")), t.pick(("red", "blue", "yellow", "striped")))
    t.world.own(t.character("A"), t.object("X"))
    begin.opening(t, "{A} was {P.in} in {A.his} {X.fn}", "{A} wore {A.his} {X.fn} {P.in}")
    where = t.lose("A", "X", "{P.spot}")
    t.tell(
        "[whoosh|swish|hui]! the wind took {X} and [carried|blew|threw] it away.",
        "a gust of wind [pulled|tore] {X} off and [played|danced] with it.",
    )
    t.problem("the wind took the {X.n}", "{A.name} did not hold on to it")
    t.want("A", "to get the {X.n} back")
    t.feel("A", t.pick(("sad", "angry", "surprised")), "the wind had taken {X}", said=True)
    t.tell(
        "{A} {A.ran} after it, [over a puddle|past a fence|under a branch|around a tree] and "
        "[over a wall|through a hedge|between two bushes|along the path].",
    )
    t.attempt("{A.name} ran after it")
    t.paragraph()
    if t.dice.chance(0.5):
        noun = t.pick(("mouse", "hedgehog", "robin", "kitten", "duckling", "squirrel"))
        t.beast("C", noun)
        t.tell(f"<at_last>, it lay {where}. but somebody was [sleeping|sitting] in it: {{C.a}}!")
        t.feel("A", "surprised", "a {C.kind} was in the {X.n}", said=True)
        t.tell(
            "{A} did not want to wake it up, so {A.he} [waited|sat down and waited] <all_day>.",
            '"[You may keep it|It is yours] until [tomorrow|the wind stops]," {A} whispered.',
        )
        t.outcome("a {C.kind} had made a bed of the {X.n}")
        t.moral("what you lose may be just what another needs")
        finish.ending(t, "<from_then>, the {C.kind} had [the finest|the warmest] bed of all.")
    else:
        t.world.find(t.character("A"), t.object("X"), where)
        t.tell(f"<at_last>, it got caught {where}, and {{A}} [jumped|leaped] and caught it.")
        t.tell("{A} [put it on|shook off the dust] and held it with both {A.hands}.")
        t.outcome("{A.name} caught the {X.n}")
        t.note_feeling("A", "happy", "the {X.n} was back")
        t.moral("it is good to hold on to what you love")
        finish.ending(t, '"[You can\'t have it|Not today], wind!" {A} [laughed|called].')


@plot("one umbrella")
def umbrella(t: Tale) -> None:
    """It rains, and somebody has no roof over the head."""
    t.set_time("morning", "afternoon")
    t.set_sky("rainy")
    t.hero(traits=("kind", "shy", "gentle", "helpful", "cheerful", "dreamy"), on_foot=True)
    t.peer("B")
    place = t.somewhere("out")
    t.character("A").place = place
    t.made(
        "X",
        "leaf" if t.fable else "umbrella",
        t.pick(("big green", "big yellow", "big red", "large")),
    )
    t.world.own(t.character("A"), t.object("X"))
    begin.opening(
        t,
        "{A} {A.walked} through the rain {P.in} under {X.a}",
        "{A} was {P.in} with {X.a}, and not a drop fell on {A.him}",
    )
    t.tell(
        "[not far away|by the path|a little farther on] stood {B.intro}, [wet from head to "
        "toe|dripping and cold|wet and shivering].",
        "then {A} saw {B.intro}, who had [nothing|no roof] over {B.his} head.",
    )
    t.problem("{B.name} was getting wet", "it was raining and {B.name} had no {X.n}")
    t.feel("B", t.pick(("sad", "lonely")), "{B.he} was wet and cold")
    t.say("A", "come under my {X.n}! / There is room for two.", "do you want to share?")
    t.attempt("{A.name} shared the {X.n}")
    t.want("A", "to keep {B.name} dry")
    t.paragraph()
    t.tell(
        "so they went on <together>. {A.s} left side got wet, and {B.s} right side got wet.",
        "they walked in step, [left, right, left, right|slowly and close together].",
    )
    t.talk("B", "the rain sounds like [a drum|tiny feet|music] from here.", "now I like the rain.")
    end = t.dice.below(3)
    if end == 0:
        t.world.weather("sunny")
        t.tell(
            "when the rain stopped, they did not even [notice|see] it.", "then the sun came out."
        )
        t.outcome("they shared it until the rain stopped")
    elif end == 1:
        t.tell(
            "at {B.names} {B.home}, there was [something warm to drink|a dry towel|a warm corner] "
            "for both of them.",
        )
        t.outcome("{A.name} brought {B.name} home and they warmed up")
    else:
        t.give("A", "X", "B", narrate=False)
        t.tell(
            'at the corner, {A} gave {X} to {B.o}. "[You live farther away|You need it more]," '
            "{A.he} said, and {A.ran} home through the rain.",
        )
        t.outcome("{A.name} gave {B.name} the {X.n}")
    t.feel("B", "grateful", "{A.name} had shared {X}")
    t.moral("[a shared roof makes a friend|half a roof is enough for a friend]")
    finish.ending(t, "after that, {B} hoped for rain.", "it was the driest walk of {B.names} life.")


@plot("a small rescue")
def small_rescue(t: Tale) -> None:
    """A tiny creature is in trouble, and somebody looks closely enough to see it."""
    t.set_time("morning", "afternoon")
    t.world.season = t.pick(("spring", "summer"))
    t.set_sky("sunny", "cloudy", "windy")
    t.hero(traits=("quiet", "gentle", "curious", "patient", "careful", "kind"))
    place = t.somewhere("out")
    t.character("A").place = place
    noun, trouble, tool = t.pick(
        (
            ("beetle", "lay on its back and kicked its legs", "[a straw|a leaf|a twig]"),
            ("bee", "had fallen into a puddle", "[a leaf|a stick|a blade of grass]"),
            ("snail", "was in the middle of the path", "[a big leaf|a flat stone|a piece of bark]"),
            (
                "butterfly",
                "was stuck in a spider's web",
                "[a thin twig|a feather|a blade of grass]",
            ),
            (
                "caterpillar",
                "hung on a thin thread above a puddle",
                "[a stick|a leaf|a long straw]",
            ),
            ("ant", "ran in circles on a leaf in a puddle", "[a stick|a long straw|a twig]"),
            ("little spider", "could not get out of a bucket", "[a straw|a string|a twig]"),
        )
    )
    t.beast("C", noun)
    t.word("TOOL", tool)
    begin.opening(t, "{A} was {P.in} and looked at the ground", "{A} sat {P.spot} {P.in}")
    t.tell(f"there was {{C.a}}. it {trouble}.", f"{{A}} bent down. {{C.a}} {trouble}.")
    t.problem(f"a {{C.kind}} {trouble}", "it was too small to help itself")
    t.want("A", "to help the {C.kind}")
    t.feel("A", t.pick(("sad", "worried")), "the {C.kind} could not help itself")
    t.say(
        "A", "wait, [little one|my friend]. / I will help you.", "don't be afraid.", how="whispered"
    )
    t.paragraph()
    if t.dice.chance(0.45):
        t.tell("the first time, [it did not work|it slipped off again|the wind was too strong].")
        t.attempt("{A.name} tried once and it did not work")
    t.tell(
        "<carefully A>, {A} held out {TOOL}. the {C.kind} [climbed up|held on tight].",
        "{A} took {TOOL} and helped the {C.kind}, <carefully A>, until it was safe.",
    )
    t.attempt("{A.name} helped with care")
    t.tell(
        "it [sat|stayed] there for a moment, as if to say [thank you|goodbye], and went on its "
        "way.",
        "the {C.kind} [rested a little|shook itself|dried in the air] and was gone.",
    )
    t.outcome("the {C.kind} was safe")
    t.feel("A", t.pick(("happy", "proud")), "the {C.kind} was safe", said=True)
    t.moral("[nobody is too small to be helped|it is good to look closely]")
    finish.ending(
        t,
        "nobody had seen it, but {A} [smiled|whistled|hummed] all the way home.",
        "<from_then>, {A} looked where {A.he} put {A.his} feet.",
    )


@plot("saying thank you")
def thank_you(t: Tale) -> None:
    """Somebody always helps and is never thanked, until today."""
    t.set_time("morning", "afternoon")
    t.set_sky("sunny", "cloudy", "windy")
    t.hero(traits=("kind", "quiet", "cheerful", "dreamy", "careful"))
    t.adult("E", t.pick(("baker", "mail carrier", "gardener", "bus driver", "cook", "farmer")))
    t.somewhere("out")
    t.word(
        "WORK",
        "[swept the paths|brought the letters|mended fences|fed the birds|watered the trees]",
    )
    t.made("X", t.pick(("flower", "drawing", "apple", "bunch of flowers", "shell", "feather")), "")
    begin.opening(
        t,
        "{A} went {P.to} and saw {E.name} at work",
        "{A} watched {E.name} {P.in}",
        about="<every_day>, {E.name} {WORK}, and nobody ever said a word about it.",
    )
    t.problem("nobody ever thanked {E.name}", "everybody was used to the help")
    t.say("A", "who thanks {E.name}?", "has anybody ever said thank you to {E.name}?", how="asked")
    t.note_feeling("A", "sorry", "nobody had ever thanked {E.name}")
    t.want("A", "to thank {E.name}")
    t.paragraph()
    t.take("A", "X", narrate=False)
    t.tell(
        "so {A} [found|got] a [nice|pretty|lovely] {X.n} and waited {P.spot}.",
        "{A} thought about it for a [long time|while] and came back with a [nice|pretty] {X.n}.",
    )
    t.attempt("{A.name} brought a {X.n}")
    t.say("A", "this is for you, / because you always help us.", "thank you for all you do!")
    t.give("A", "X", "E")
    t.feel("E", t.pick(("surprised", "happy")), "{A.name} had said thank you", said=True)
    end = t.dice.below(3)
    if end == 0:
        t.say(
            "E", "in all these years, / you are the first.", "you have made my day.", mood="happy"
        )
        t.outcome("{E.name} was thanked for the first time")
    elif end == 1:
        t.tell(
            "others saw it and felt [a little ashamed|bad]. the next day, there were <many> gifts."
        )
        t.outcome("others began to thank {E.name}, too")
    else:
        t.tell("{E} [wiped {E.his} eyes|said nothing|blushed] and then worked on, humming a song.")
        t.outcome("{E.name} was so touched that no words came")
    t.moral("[a thank you costs nothing and means a lot|it is good to notice those who help]")
    finish.ending(t, "and {E.name} kept the {X.n} for a long, long time.", "{A} felt warm inside.")
