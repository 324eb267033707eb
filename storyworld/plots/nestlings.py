"""Plots about the very young."""

from __future__ import annotations

from storyworld.plots.registry import plot
from storyworld.scenes import begin, finish
from storyworld.tale import Tale


@plot("the egg")
def egg(t: Tale) -> None:
    """An egg is found; who does it belong to, and what comes out?"""
    t.set_time("morning", "afternoon")
    t.world.season = t.pick(("spring", "summer"))
    t.set_sky("sunny", "cloudy", "windy")
    t.hero(traits=("curious", "patient", "gentle", "careful", "impatient"))
    t.peer("B")
    place = t.somewhere("green")
    t.character("A").place = place
    t.made(
        "X",
        "egg",
        t.pick(("big white", "small blue", "spotted", "green", "brown", "huge", "golden")),
    )
    begin.opening(t, "{A} was {P.in} with {B.intro}", "{A} and {B.intro} went {P.to}")
    begin.look(t)
    spot = t.lay("X", "{P.spot}")
    t.tell(
        f"{spot}, they found {{X.a}}, [still warm|round and smooth|half hidden|all alone].",
        f"{{A}} almost stepped on {{X.a}}, which lay {spot}.",
    )
    t.world.find(t.character("A"), t.object("X"), spot)
    t.feel("A", t.pick(("surprised", "excited", "curious")), "{A.he} had found {X.a}", said=True)
    t.say("B", "what is inside? / A [dragon|snake|swan|dinosaur]?", "whose is it?", how="asked")
    t.problem("the egg was all alone", "it had lost its nest")
    t.want("A", "to look after the egg")
    t.say("A", "we must keep it warm.", "it needs somebody to look after it.", how="said")
    t.tell(
        "they made a [little|round|soft|warm] nest of [moss|soft grass|leaves|a scarf and some "
        "hay|feathers], and {A.name} and {B.name} took turns to [keep it warm|sit with it|watch "
        "over it]."
    )
    t.attempt("they kept the egg warm")
    t.tell_if(
        "detail",
        "one day, two days, three days went by, and {A.names} egg just [lay there|did "
        "nothing|slept on].",
        "{A} listened [every hour|every morning|at noon and at night], but there was [no "
        "sound|nothing at all|only silence].",
    )
    t.talk("B", "maybe nobody is at home.", "I am tired of waiting.", mood="bored")
    t.attempt("they waited for days")
    t.world.next_day()
    t.paragraph()
    t.tell(
        "<suddenly>, there was a tiny [tick, tick|knock, knock|tap, tap], and a "
        "[thin|long|crooked] crack ran over {A.names} egg.",
        "on the [fourth|fifth|sixth|seventh] day, the egg began to [wobble|shake|roll a "
        "little], and [crick, crack|tick, crack|crack, crack], it opened right before {A.names} "
        "eyes!",
    )
    baby, parent = t.pick(
        (
            ("duckling", "duck"),
            ("chick", "hen"),
            ("little owl", "owl"),
            ("little turtle", "turtle"),
            ("little swan", "swan"),
            ("gosling", "goose"),
            ("little ostrich", "ostrich"),
        )
    )
    t.word("BABY", baby)
    t.word("PARENT", parent)
    t.tell(
        'out came a [wet|tiny|yellow|wobbly] {BABY} that looked at {A.name} and said, "Peep!"'
        if "turtle" not in baby
        else "out came a wet {BABY}. it blinked at {A.name}."
    )
    t.feel("A", "happy", "the {BABY} had come out", said=True)
    t.say("B", "it thinks that you are its mother!", "how small it is!", how="laughed")
    t.tell_if(
        "detail",
        "wherever {A} went, the {BABY} went, too: [over the grass|around the tree], left and "
        "right and through every puddle.",
    )
    t.paragraph()
    end = t.dice.below(3)
    if end == 0:
        t.tell(
            "at the water, a {PARENT} was calling and calling, and [the {BABY} stopped and "
            "listened|the {BABY} lifted its head|the {BABY} left {A.names} side], and then it "
            "ran to her as fast as it could."
        )
        t.outcome("the {BABY} found its mother")
        t.attempt("they brought the {BABY} to the {PARENT}")
        t.tell_if("detail", "{A} was a little sad, but {A.he} waved. this was how it should be.")
        t.note_feeling("A", "calm", "the {BABY} was with its mother")
    elif end == 1:
        t.tell(
            "nobody came to ask for it. so it stayed, and it grew and grew, until it was bigger "
            "than {B.name}'s hat."
        )
        t.outcome("the {BABY} stayed with {A.name}")
    else:
        t.tell(
            "they asked at the farm. a mother {PARENT} with many little ones looked at the "
            "{BABY}, moved aside and took it under her wing."
            if "turtle" not in baby
            else "they brought it to the pond, where other turtles sat in the sun and made room "
            "for one more."
        )
        t.attempt("they looked for a family for it")
        t.outcome("the {BABY} got a new family")
    t.moral("[good things need patience|care and patience can work wonders]")
    finish.ending(
        t,
        "{A} kept a piece of the shell. it was as thin as paper.",
        "and every spring, {A} looked under the bushes, just to be sure.",
    )


@plot("learning to fly")
def fly(t: Tale) -> None:
    """A young bird does not dare to fly, until there is a reason."""
    t.set_time("morning")
    t.world.season = t.pick(("spring", "summer"))
    t.set_sky("sunny", "windy", "cloudy")
    t.hero(
        fable=1.0,
        species=("bird", "robin", "owl", "crow", "parrot", "ladybug"),
        traits=("shy", "impatient", "curious", "careful", "stubborn"),
    )
    t.parent()
    t.sibling("S", older=True)
    place = t.somewhere("out")
    t.character("A").place = place
    t.word("HIGH", "[the branch|the edge of the nest|a thin branch]")
    begin.opening(
        t,
        "{A} sat on {HIGH} high above {P} and looked down",
        "all the young ones {P.in} learned to fly. only {A} still sat on {HIGH}",
    )
    t.say("M", "today you will fly, {A.name}.", "spread your wings and jump!", how="said")
    t.say(
        "A",
        "it is too high!",
        "I am too small. / What if I fall?",
        "my wings are not ready.",
        mood="scared",
    )
    t.want("A", "to learn to fly")
    t.problem("{A.name} did not dare to fly", "it was so high")
    t.feel("A", "scared", "it was so high")
    t.tell(
        "{S.name}, {A.s} {SIB}, flew in a [big|wide|perfect] circle and landed again, and it "
        "looked so [easy|simple|light].",
    )
    first = t.dice.below(3)
    if first == 0:
        t.tell(
            "{A} closed {A.his} eyes, jumped, flapped and flapped, and - plop! - landed in a "
            "[bush|heap of leaves|soft bush|puddle]."
        )
        t.attempt("{A.name} jumped and fell into a bush")
    elif first == 1:
        t.tell(
            "{A} flapped {A.his} wings as hard as {A.he} could, but {A.his} feet did not let go "
            "of the branch."
        )
        t.attempt("{A.name} flapped but did not let go")
    else:
        t.tell("{A} practiced on the ground. {A.he} ran, flapped and fell on {A.his} nose.")
        t.attempt("{A.name} practiced on the ground")
    t.talk("S", "that was funny! / Do it again!", "you look like a jumping potato!", how="laughed")
    t.paragraph()
    way = t.dice.below(4)
    if way == 0:
        t.tell(
            "then {S.name} got caught in a [bush full of thorns|spider's web|bit of old string] "
            "on the other side of the brook."
        )
        t.say("S", "help! / I can't get free!", how="cried")
        t.tell(
            "{A} forgot that {A.he} was afraid. {A.he} jumped, spread {A.his} wings, and flew! "
            "with {A.his} beak, {A.he} pulled {S.name} free."
            if t.character("A").kind != "ladybug"
            else "{A} forgot that {A.he} was afraid. {A.he} jumped, spread {A.his} wings, and "
            "flew! together they pulled until {S.name} was free."
        )
        t.attempt("{A.name} flew to help {S.name}")
    elif way == 1:
        t.tell(
            "a warm wind came up from below. it lifted {A.s} feathers, one by one."
            if t.character("A").kind != "ladybug"
            else "a warm wind came up from below. it lifted {A.s} tiny wings."
        )
        t.say("M", "don't fight the wind. / Lie down on it like on a pillow.", how="said")
        t.tell("{A} let go. {A.he} did not fall. the wind carried {A.him}!")
        t.attempt("{A.name} let the wind carry {A.him}")
    elif way == 2:
        t.say(
            "M",
            "first only to the next branch.",
            "one small hop today, / and a bigger one tomorrow.",
            how="said",
        )
        t.tell(
            "so {A} hopped to the next branch. the next day, {A.he} hopped a little farther. "
            "and on the fifth day there was no branch any more, only air, and {A} flew."
        )
        t.attempt("{A.name} took small steps")
    else:
        t.tell(
            "in the evening, all the others flew off to [see the sunset|drink at the brook]. it "
            "was very quiet. {A} did not want to be alone."
        )
        t.tell(
            '"Wait for me!" {A} called, and jumped, and before {A.he} knew it, {A.he} was flying.'
        )
        t.attempt("{A.name} flew after the others")
    t.paragraph()
    t.tell(
        "below {A.him} were the [trees|flowers|bushes|paths], as small as [toys|pebbles|beads], "
        "and the air was [cool|soft|sweet|full of light]."
    )
    t.feel("A", t.pick(("proud", "happy", "excited")), "{A.he} could fly", said=True)
    t.talk("M", "I knew it was in you.", "look at you!", mood="proud")
    t.outcome("{A.name} learned to fly")
    t.moral("[you can do more than you think|courage comes when you need it]")
    finish.ending(
        t,
        "and now it was hard to get {A.o} down again for supper.",
        '"Tomorrow I will fly to the moon," {A} said, and fell asleep.',
    )
