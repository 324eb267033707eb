"""Plots about what takes time: skills, music, teeth."""

from __future__ import annotations

from storyworld.plots.registry import plot
from storyworld.scenes import begin, finish
from storyworld.tale import Tale


@plot("learning something hard")
def skill(t: Tale) -> None:
    """A skill is learned through failed tries, a hint and practice (sometimes not yet)."""
    t.set_time("morning", "afternoon")
    t.set_sky("sunny", "cloudy")
    t.hero(
        fable=0.3,
        traits=("impatient", "stubborn", "brave", "careful", "shy", "funny"),
        on_foot=True,
    )
    t.sibling("S", older=True) if t.dice.chance(0.5) else t.grandparent("S")
    skills: tuple[tuple[str, str, str, str], ...] = (
        (
            (
                "ride a bike",
                "the bike wobbled and fell into a bush",
                "look ahead, not at your feet",
                "out",
            ),
            (
                "swim",
                "{A.his} legs sank and {A.he} swallowed water",
                "lie on the water like a leaf",
                "shore",
            ),
            ("whistle", "only air came out", "make your lips as round as a cherry", "out"),
            (
                "skip stones on the water",
                "the stone went plop and was gone",
                "take a flat one and throw it low",
                "shore",
            ),
            (
                "jump rope",
                "the rope got caught around {A.his} feet",
                "listen to the beat of the rope",
                "out",
            ),
            (
                "stand on {A.his} head",
                "{A.he} fell over like a sack",
                "look at one point and breathe",
                "out",
            ),
            ("climb a rope", "{A.he} slid down again", "hold the rope with your feet, too", "out"),
            ("catch a ball", "the ball hit {A.his} nose", "keep your eyes on the ball", "out"),
            ("skate", "{A.he} sat down hard on {A.his} bottom", "bend your knees a little", "out"),
            (
                "walk on stilts",
                "{A.he} fell into the grass",
                "take small steps and do not stop",
                "out",
            ),
        )
        if not t.fable
        else (
            (
                "swim",
                "{A.he} swallowed water and had to cough",
                "lie on the water like a leaf",
                "out",
            ),
            ("whistle", "only air came out", "make your mouth as round as a cherry", "out"),
            (
                "jump over the ditch",
                "{A.he} landed in the middle of the mud",
                "run first and look at the other side",
                "out",
            ),
            (
                "walk along a thin log",
                "{A.he} fell down on the left and then on the right",
                "look ahead, not at your feet",
                "out",
            ),
            (
                "roll down the hill like a ball",
                "{A.he} rolled into a thorn bush",
                "make yourself small and round",
                "out",
            ),
            (
                "dance on two legs",
                "{A.he} fell over like a sack",
                "listen to the beat and do not think",
                "out",
            ),
            (
                "balance on one foot",
                "{A.he} tipped over at once",
                "look at one point and breathe",
                "out",
            ),
        )
    )
    if t.fable:  # not everybody lives by the water
        skills = skills if t.world.land == "water" else skills[1:]
    what, fail, hint, where = t.pick(skills)
    t.world.season = "summer"
    t.word("WHAT", what)
    t.word("HINT", hint)
    place = t.somewhere("green" if where == "out" else where)
    t.character("A").place = place
    begin.opening(
        t,
        "{A} was {P.in} and wanted to learn to {WHAT}",
        "{A} went {P.to} to learn to {WHAT}",
        about="all the others could {WHAT}, only {A.name} [could not|could not do it|still "
        "could not].",
    )
    t.want("A", "to learn to {WHAT}")
    begin.look(t)
    t.problem("{A.name} could not {WHAT}", "it was hard and needed practice")
    t.tell("{A} tried. but " + fail + ".", "{A} took a deep breath and tried. oh no, " + fail + "!")
    t.attempt("{A.name} tried and failed")
    t.tell(
        "{A.name} tried again, and again, [three|four|five|six] times in all, but it [did not "
        "work|went wrong every time|only got worse|was no use].",
        "{A.s} second try was no better, and the [third was|next ones were|next one was] even "
        "worse.",
    )
    t.attempt("{A.name} tried again")
    t.feel(
        "A", t.pick(("angry", "sad", "disappointed")), "it [did not work|would not work]", said=True
    )
    t.talk(
        "A", "I will never learn it!", "it is too hard for me.", "I give up!", mood="disappointed"
    )
    t.paragraph()
    if t.character("S").role == "sibling":
        t.tell(
            "{S.name}, {A.s} {SIB}, had watched it all.", "then {A.s} {SIB} {S.name} came along."
        )
    else:
        t.tell(
            "{S.name} had watched it all [from a bench|with a smile]."
            if not t.fable
            else "{S.name} had watched it all with a smile."
        )
    t.say(
        "S",
        "may I tell you a secret? / You must {HINT}.",
        "I fell down a hundred times / when I learned it. Try this: {HINT}.",
        "you are almost there. / Just {HINT}.",
        how="said",
    )
    t.attempt("{S.name} gave {A.name} a hint")
    t.tell_if(
        "detail",
        "{A} [nodded|wiped {A.his} nose|stood up again] and tried it like that, and [it was a "
        "little better|it almost worked|this time it was not so bad].",
    )
    t.tell(
        "<every_day>, {A} practiced. there were [bumps and scratches|bad days and good days], "
        "but {A.he} did not stop.",
        "{A} practiced for [a whole week|many days], with and without help.",
    )
    t.attempt("{A.name} practiced every day")
    t.paragraph()
    if t.dice.chance(0.85):
        t.tell(
            "and then, one [morning|evening|day], it [worked|just happened]. {A} could {WHAT}!",
            "<at_last>, {A} did it. {A.he} could really {WHAT}!",
        )
        t.say("A", "look! / Look at me!", "{S.name}, / did you see that?", mood="excited")
        t.feel("A", "proud", "{A.he} could {WHAT}", said=True)
        t.talk("S", "<praise>!", "I knew that you could do it.", mood="happy")
        t.outcome("{A.name} learned to {WHAT}")
    else:
        t.tell(
            "summer ended, and {A} still could not do it very well. but it was much better than "
            "before."
        )
        t.say(
            "S", "next year you will do it.", "some things need more than one summer.", how="said"
        )
        t.outcome("{A.name} could not do it yet but got better")
        t.feel("A", "calm", "{S.name} believed in {A.o}")
    t.moral(
        "[practice makes perfect|if you fall, you get up and try again|nobody is born a master]"
    )
    finish.ending(
        t,
        "and when a smaller one could not {WHAT}, guess who helped?",
        'the first thing {A} said the next morning was: "Can we go again?"',
    )


@plot("making music")
def music(t: Tale) -> None:
    """An instrument sounds terrible at first; a listener, a tune, a use for it."""
    t.set_time("morning", "afternoon")
    t.set_sky("sunny", "rainy", "cloudy")
    t.hero(traits=("quiet", "dreamy", "patient", "shy", "cheerful", "stubborn"))
    t.grandparent("G")
    t.thing("X", "tune")
    t.world.own(t.character("G"), t.object("X"))
    t.somewhere("out")
    begin.opening(
        t,
        "{G} [opened an old box|came to visit]. {G.he} had {X.a} for {A.name}",
        "{A} found {X.a} that had once belonged to {G.name}",
    )
    t.give("G", "X", "A", narrate=False)
    t.want("A", "to play a song on the {X.n}")
    t.tell(
        "{A} tried to play, and {X} sounded like [a sick cow|a door that needs oil|a cat with a "
        "cold|two angry geese|a hungry donkey|a goose in a bucket]."
    )
    t.attempt("{A.name} tried to play")
    t.tell_if(
        "detail",
        "the dog ran out. the cat hid under the sofa."
        if not t.fable
        else "the birds flew up. the snails hid in their shells.",
    )
    t.sibling("S") if t.dice.chance(0.5) else t.peer("S")
    t.tell(
        "{S.name}, {A.s} {SIB}, held both {S.hands} over {S.his} ears."
        if t.character("S").role == "sibling"
        else "{S.intro} came by and made a face."
    )
    t.say("S", "please stop! / My ears hurt.", "is that supposed to be music?", how="said")
    t.problem("{A.name} could not play the {X.n} well", "it was new and nobody wanted to listen")
    t.feel("A", t.pick(("sad", "disappointed")), "nobody wanted to listen")
    t.paragraph()
    t.tell(
        "so {A} took {X} and went {P.to}, where {A.he} disturbed nobody.",
        "so {A} went {P.to} to practice alone.",
    )
    t.tell(
        "there {A} listened to [the wind|a bird|a woodpecker|the crickets|a brook] and tried to "
        "play what {A.he} heard on {A.his} {X.n}."
        if t.world.sky != "rainy"
        else "there {A} listened to the rain, and {A.he} tried to play what {A.he} heard."
    )
    t.attempt("{A.name} practiced alone and listened to nature")
    t.tell(
        "<every_day>, {A} played there: first one note, then [two|three|five], then a whole "
        "[tune|song|melody]."
    )
    t.tell_if("inner", "sometimes, {A} wanted to throw {X} into the bushes. but {A.he} never did.")
    t.paragraph()
    end = t.dice.below(3)
    if end == 0 and t.character("S").role == "sibling":
        t.tell(
            "one evening, {S} could not sleep. {A} played softly, and the tune filled the "
            "{A.home}. {S.name} smiled and closed {S.his} eyes."
        )
        t.say("S", "play it again, / please.", "that was beautiful.", how="whispered")
        t.outcome("{A.name} played {S.name} to sleep")
    elif end <= 1:
        t.tell(
            "one day, somebody began to clap. "
            + ("an old {A.kind}" if t.fable else "an old lady")
            + " had been listening {P.spot} every day."
        )
        t.tell('"I come here only for your music," came a soft voice. {A} turned pink with joy.')
        t.outcome("somebody had been listening all the time")
    else:
        t.tell(
            "when {G} had {G.his} birthday, {A} played the song for {G.o}. it was very quiet. "
            "{G} had tears in {G.his} eyes, but {G.he} was smiling."
        )
        t.talk(
            "G",
            "that is the song / I played when I was young.",
            "nobody has played it so well / since I was young.",
            mood="happy",
        )
        t.outcome("{A.name} played for {G.name}")
    t.feel("A", "proud", "{A.he} could make others happy with {X}", said=True)
    t.moral("[good things need time|what sounds bad today may sound good tomorrow]")
    finish.ending(
        t, "{X} always lay next to {A.his} bed after that.", "and the {X.n} sang and sang."
    )


@plot("the lost tooth")
def tooth(t: Tale) -> None:
    """A wobbly tooth: fear, tries, and how it comes out at last."""
    t.set_time("morning")
    t.set_sky("sunny", "rainy", "cloudy")
    t.hero(fable=0.0, traits=("brave", "impatient", "curious", "shy", "funny", "careful"))
    t.parent()
    t.peer("B")
    t.named_place(
        "P",
        t.pick(("the kitchen", "the bathroom", "the living room", "the garden", "the school yard")),
        "in",
    )
    begin.opening(
        t,
        "{A} was {P.in} when {A.he} felt it: a tooth was loose",
        "{A} bit into an apple {P.in}. something wobbled. it was a tooth!",
    )
    t.tell(
        "{A} pushed it with {A.his} tongue. wiggle, wiggle, to the left and to the right.",
        "{A} showed it to everyone: to {M.name}, to the cat, to the mirror.",
    )
    afraid = t.dice.chance(0.5)
    if afraid:
        t.problem("{A.name} was afraid to lose the tooth", "it might hurt")
        t.feel("A", "scared", "it might hurt to lose the tooth")
        t.want("A", "to keep the tooth in {A.his} mouth")
        t.tell("so {A} ate only [soup|porridge|soft bread] and spoke very little.")
        t.attempt("{A.name} ate only soft food")
    else:
        t.problem("the tooth did not come out", "it was not loose enough yet")
        t.feel("A", "excited", "all the others had lost a tooth already")
        t.want("A", "to lose the tooth at last")
        for how, words in t.dice.sample(
            (
                ("ate a hard apple", "{A} ate a hard apple, and then a carrot. the tooth stayed."),
                (
                    "tied a string to it",
                    "{A} tied a string to the tooth and to the door. but then {A.he} did not "
                    "dare to close the door.",
                ),
                ("made faces", "{A} made a hundred funny faces. the tooth wiggled, but it stayed."),
                (
                    "hopped on one leg",
                    "{A} hopped on one leg for ten minutes. the only thing that came off was a "
                    "shoe.",
                ),
            ),
            t.dice.between(1, 2),
        ):
            t.tell(words)
            t.attempt("{A.name} " + how)
    t.paragraph()
    t.say(
        "M",
        "it will come out / when it is ready.",
        "don't worry. / A new one is already waiting below.",
        how="said",
    )
    t.tell("then {B.intro} came to play.")
    way = t.dice.below(3)
    if way == 0:
        t.tell(
            "{B} told a joke about [a cow on skates|a snail in a hurry|a king without a hat]. "
            "{A} laughed and laughed, and - plop! - there lay the tooth."
        )
        t.outcome("the tooth came out while {A.name} was laughing")
    elif way == 1:
        t.tell(
            "they ate [cookies|toast|popcorn|carrots], and {A} [stopped|sat up] because there "
            "was something hard in {A.his} mouth: the tooth!"
        )
        t.outcome("the tooth came out while {A.name} was eating")
    else:
        t.tell(
            'they played [catch|tag|ball] and bumped into each other. "Oh," said {A.name} and held '
            "up the tooth."
        )
        t.outcome("the tooth came out while they were playing")
    t.tell(
        "it had not hurt at all.",
        "{A} put {A.his} tongue into the gap, and it felt [funny|like a little "
        "window|strange|soft and new].",
    )
    t.feel("A", "proud", "the tooth was out", said=True)
    t.say(
        "A",
        "look! / I have a window in my mouth.",
        "{M.name}, {M.name}! / It is out!",
        mood="excited",
    )
    t.paragraph()
    t.tell(
        "that night, {A} put the tooth under {A.his} pillow. in the morning, there was [a shiny "
        "coin|a tiny letter|a small gift] in its place.",
        "{A} put the tooth into a little box[| and wanted to keep it forever]",
    )
    t.moral("[many things come by themselves when it is time|what we fear is often not so bad]")
    finish.ending(
        t,
        "all day long, {A} whistled through the gap.",
        "and then {A} felt the next one. wiggle, wiggle.",
    )
