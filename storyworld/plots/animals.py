"""Plots about caring for an animal."""

from __future__ import annotations

from storyworld.plots.registry import plot
from storyworld.scenes import begin, finish
from storyworld.tale import Tale

# what needs water: the tags of its place
_WATER = {"frog": ("water",), "little fish": ("water",)}


@plot("the injured animal")
def injured(t: Tale) -> None:
    """A finds a hurt animal, cares for it, and must let it go (or is visited later)."""
    t.set_time("morning", "afternoon")
    t.set_sky("sunny", "cloudy", "rainy", "windy")
    t.hero(fable=0.0, traits=("kind", "gentle", "patient", "quiet", "helpful", "careful"))
    t.parent()
    place = t.somewhere("green")
    t.character("A").place = place
    noun, hurt, food, bird = t.pick(
        (
            ("bird", "a broken wing", "seeds and water", True),
            ("squirrel", "a hurt paw", "nuts", False),
            ("hedgehog", "a cut on its foot", "apples and water", False),
            ("rabbit", "a hurt leg", "carrots and clover", False),
            ("owl", "a hurt wing", "little bits of meat", True),
            ("fox cub", "a thorn in its paw", "bread and milk", False),
            ("duck", "a string around its foot", "corn", True),
            ("turtle", "a crack in its shell", "lettuce", False),
            ("crow", "a bent wing", "bread", True),
        )
    )
    t.beast("C", noun, bird=bird)
    t.word("HURT", hurt)
    t.word("FOOD", food)
    begin.opening(
        t,
        "{A} was {P.in} when {A.he} heard a tiny cry",
        "{A} went {P.to} and saw something move {P.spot}",
    )
    t.tell(
        "there lay {C.a} with {HURT}.",
        "it was {C.a} that had {HURT} and [could not get up|looked at {A.name} with fear|tried "
        "to get up and fell again].",
    )
    t.problem("a {C.kind} was hurt", "the {C.kind} had {HURT}")
    t.want("A", "to help the {C.kind}")
    t.feel("A", t.pick(("worried", "sad")), "the {C.kind} was hurt", said=True)
    t.say(
        "A",
        "don't be afraid. / I will help you.",
        "you poor little thing!",
        how=t.pick(("whispered", "said")),
    )
    t.tell(
        "{A} took off {A.his} [scarf|sweater|cap], wrapped the {C.kind} in it and carried it "
        "home <carefully A>."
    )
    t.attempt("{A.name} carried the {C.kind} home")
    t.paragraph()
    t.say(
        "M",
        "the poor thing! / Let's [make it a bed in a box|find a warm box].",
        "you must be very gentle. / It is afraid.",
        how="said",
    )
    t.tell(
        "{M.name} and {A.name} [cleaned the wound|put on a tiny bandage|looked at it closely] "
        "and gave it {FOOD}, but [at first it did not eat|it only shivered|it turned its head "
        "away|it ate just one bite]."
    )
    t.attempt("they gave it {FOOD}")
    t.tell(
        "<every_day>, {A} sat next to the box and [talked to it|sang softly|read to it]. then, "
        "one day, it [ate from {A.s} hand|lifted its head|was hungry]."
    )
    t.tell_if("inner", "{A} gave it a name: [Pip|Button|Spot|Dot|Feather|Lucky|Star].")
    t.feel("A", "happy", "the {C.kind} was getting better")
    t.paragraph()
    t.tell(
        "after [two|three|four|five] weeks, {A.names} {C.kind} was [well|strong|healthy] again "
        "and [looked out of the window|looked at the trees|wanted to get out of the box|moved "
        "around the whole room]."
    )
    t.say(
        "M", "it wants to go home now.", "it belongs [out there|in the wild], {A.name}.", how="said"
    )
    t.feel("A", "sad", "{A.he} had to let it go")
    t.tell(
        "<together> they went back {P.to}. {A} opened {A.his} hands, and the {C.kind} [looked "
        "back once and was gone|sat still for a moment, and then it was gone|was gone before "
        "{A.he} could say goodbye]."
    )
    t.attempt("{A.name} let it go")
    if t.dice.chance(0.6):
        t.tell(
            "<days_later>, there was a [knock|tap] at the window. the {C.kind} had come back to "
            "say hello, and it was not alone: it had brought its little ones."
            if bird
            else "in the spring, {A} saw it again {P.in}. it was not alone: it had two little ones."
        )
        t.outcome("the {C.kind} got well and came back to visit")
        t.feel("A", "happy", "the {C.kind} had not forgotten {A.o}")
    else:
        t.tell("{A} cried a little, and smiled a little, too.")
        t.outcome("the {C.kind} got well and went back to the wild")
    t.moral("[to love somebody can mean to let them go|even a small helper can save a life]")
    finish.ending(
        t,
        "and sometimes, when a {C.kind} called in the trees, {A} called back."
        if bird and noun != "duck"
        else "and sometimes, {A} went {P.to} and wondered where the {C.kind} was.",
        "{A} kept the box, just in case.",
    )


@plot("the stray")
def stray(t: Tale) -> None:
    """A stray animal follows A; may it stay?"""
    t.set_time("morning", "afternoon")
    t.set_sky("rainy", "rainy", "windy", "snowy")
    t.hero(fable=0.0)
    t.parent()
    t.somewhere("away")
    t.beast("C", t.pick(("puppy", "kitten", "dog", "cat", "goat", "donkey")))
    t.word("LOOK", "[thin and wet|muddy from head to tail|wet and cold|dirty and hungry]")
    begin.opening(
        t,
        "{A} was on the way home from {P}",
        "{A} came from {P} and walked fast, because it was cold"
        if t.world.sky == "snowy"
        else "{A} came from {P} and jumped over the puddles",
    )
    t.tell(
        "then {A.he} saw {C.a}. it was {LOOK}.",
        "{C.a} was sitting [by the road|at a corner|under a bush], {LOOK}.",
    )
    t.problem("the {C.kind} had no home", "nobody took care of it")
    t.feel("A", "sad", "the {C.kind} had no home")
    t.say("A", "hello, you. / Are you all alone?", "where do you live?", how="asked")
    t.tell(
        "the {C.kind} [looked up with big brown eyes|licked {A.s} hand|made a tiny sound|shook "
        "its ears], and when {A} went on, it followed {A.o}, [step for step|close behind|all "
        "the way home]."
    )
    t.want("A", "to keep the {C.kind}")
    t.paragraph()
    t.say(
        "A",
        "{M.name}, can we keep it? / Please, please!",
        "look who came with me! / May it stay?",
        mood="excited",
    )
    t.say(
        "M",
        "it may belong to somebody. / We must ask first.",
        "an animal is a lot of work. / And perhaps someone misses it.",
        how="said",
    )
    t.attempt("{A.name} asked {M.name}")
    t.tell(
        "they gave it a warm bath and [something to eat|a bowl of food|a dry blanket], and then "
        '{A} made a sign: "Found: one {C.kind}."'
    )
    t.attempt("they put up signs")
    t.tell_if(
        "detail",
        "{A} put up <many> signs [in the whole town|on trees and doors|everywhere], and every "
        "time somebody [called|knocked|rang the bell], {A.his} heart stood still.",
    )
    t.feel("A", "worried", "somebody might come for the {C.kind}")
    t.paragraph()
    if t.dice.chance(0.65):
        t.tell(
            "[one week went by, and then another|a week went by|ten days went by|two weeks went "
            "by], but nobody [came|called|asked] for {A.names} {C.kind}."
        )
        t.say("M", "well, / then it must be ours.", "it seems that it has chosen you.", how="said")
        t.feel("A", "excited", "the {C.kind} could stay", said=True)
        t.tell(
            "{A} named it [Lucky|Rain|Button|Biscuit|Mud|Puddle|Cloud]. <every_day>, {A.he} "
            "[fed it|brushed it|went out with it], even when it rained."
        )
        t.outcome("nobody came and the {C.kind} could stay")
        t.moral("love also means work, and it is worth it")
        finish.ending(
            t,
            "at night, two were breathing in {A.s} room, and one of them snored.",
            "and from that day on, {A} never walked home alone.",
        )
    else:
        t.adult("E", "neighbor")
        t.tell(
            "on the [third|fifth] day, {E.name} stood at the door. {E.he} lived alone. the "
            "{C.kind} jumped up at {E.him} and was mad with joy."
        )
        t.talk(
            "E",
            "there you are! / I looked for you everywhere.",
            "you found my best friend. / Thank you!",
            mood="relieved",
        )
        t.note_feeling("E", "relieved", "the {C.kind} was found")
        t.feel("A", "sad", "the {C.kind} had to go")
        t.say("E", "will you come and visit us? / It needs somebody to run with.", how="asked")
        t.outcome("the owner came and {A.name} may visit")
        t.moral("doing the right thing can hurt a little and still be good")
        finish.ending(
            t,
            "so {A} went there every [afternoon|Saturday]. it was almost like having a {C.kind} "
            "of {A.his} own.",
            mood="soft",
        )


@plot("set it free")
def set_free(t: Tale) -> None:
    """A keeps a wild creature in a jar or cage, sees that it is unhappy, lets it go."""
    t.set_time("evening", "afternoon")
    t.world.season = t.pick(("spring", "summer"))
    t.set_sky("sunny", "cloudy")
    t.hero(fable=0.0, traits=("curious", "dreamy", "impatient", "kind", "stubborn"))
    t.grandparent("G")
    noun, sign, gift = t.pick(
        (
            ("frog", "did not sing any more", "a big concert from the water"),
            (
                "butterfly",
                "did not open its wings",
                "a whole cloud of butterflies over the flowers",
            ),
            ("firefly", "shone only a little", "a dance of a hundred lights in the dark grass"),
            ("grasshopper", "did not jump any more", "music from every corner of the grass"),
            ("little fish", "swam in tiny circles", "a silver jump out of the water"),
            ("lizard", "did not move at all", "a green flash on the warm stones"),
            ("cricket", "was silent", "a song from the dark bushes"),
        )
    )
    t.character("A").place = t.somewhere("green", *_WATER.get(noun, ()))
    by_day = noun in ("butterfly", "little fish", "lizard")
    t.beast("C", noun)
    t.word("SIGN", sign)
    t.word("GIFT", gift)
    boxes = () if noun in ("little fish", "frog") else ("box with holes",)
    t.made("X", t.pick(("glass jar", "jar", *boxes)), "")
    begin.opening(
        t,
        "{A} caught {C.a} {P.in}",
        "{A} was {P.in}. <carefully A>, {A.he} put {A.his} hands around {C.a}",
    )
    t.character("A").is_mentioned = True
    t.tell(
        "{A} put it into {X.a} "
        + {"little fish": "full of water.", "frog": "with some water and a stone."}.get(
            noun, "with some [grass|leaves|moss]."
        )
    )
    t.say("A", "now you are mine!", "you will live in my room!", mood="excited")
    t.want("A", "to keep the {C.kind}")
    t.feel("A", "proud", "{A.he} had caught the {C.kind} all alone")
    t.paragraph()
    t.tell("the next day, the {C.kind} {SIGN}.", "but at home, the {C.kind} {SIGN}.")
    t.problem("the {C.kind} was unhappy", "{A.name} had shut it in")
    t.tell(
        "{A} gave it [a flower|fresh leaves|a name], but [it was no use|nothing changed].",
        "{A} [sang to it|moved it into the sun|told it a joke]. nothing helped.",
    )
    t.attempt("{A.name} tried to make it happy")
    t.say(
        "A",
        "what is wrong with it? / It has all it needs.",
        "why is it so sad, {G.name}?",
        how="asked",
    )
    t.say(
        "G",
        "would you like to live in a box, / even a golden one?",
        "how would it be for you, / all alone behind glass?"
        if "jar" in t.object("X").noun.noun
        else "how would it be for you, / all alone in the dark?",
        how="asked",
    )
    t.attempt("{A.name} asked {G.name}")
    t.tell_if(
        "detail",
        "{A} thought of [the wind|the grass under {A.his} feet|running|the wide sky] and was "
        "quiet for a [long time|while|long, long time].",
    )
    t.feel("A", "sorry", "the {C.kind} was not free")
    t.paragraph()
    t.tell(
        "they went back {P.to} together. {A} opened the lid.",
        "{A} carried {X} back {P.to} and opened it.",
    )
    t.attempt("{A.name} let it go")
    t.say("A", "go home. / I am sorry.", "goodbye, little friend.", how="whispered")
    t.tell(
        "for [a moment|a little while|three breaths], nothing happened, and then {A.names} "
        "{C.kind} was [gone|free|gone without a sound]."
    )
    t.outcome("{A.name} let the {C.kind} go")
    t.tell(
        "the next morning, {A} came again, and there was {GIFT}."
        if by_day
        else "and that night there was {GIFT}.",
        f"the next {'day' if by_day else 'evening'}, {{A}} came again, and there was {{GIFT}}.",
    )
    t.feel("A", "happy", "the {C.kind} was free", said=True)
    t.moral(
        "[some things are most beautiful when they are free|not everything we love must be ours]"
    )
    finish.ending(
        t,
        "the jar stood empty by the window. {A} put a flower in it."
        if "jar" in t.object("X").noun.noun
        else "{A} used the empty {X.n} for {A.his} pencils.",
        '"Hello, all of you," {A} said.'
        if by_day
        else '"Good night, all of you," {A} said into the dark.',
    )
