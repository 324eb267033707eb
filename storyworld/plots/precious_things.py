"""Plots about things that are broken, found or bought."""

from __future__ import annotations

from storyworld.plots.registry import plot
from storyworld.scenes import begin, finish, moments
from storyworld.tale import Tale

_VESSELS = frozenset(("cup", "vase", "bowl", "teapot", "jar", "pot", "mug"))


@plot("broken and mended")
def broken_and_mended(t: Tale) -> None:
    """Something fragile breaks; it is mended, or something new is made of it."""
    t.set_time("morning", "afternoon")
    t.set_sky("sunny", "rainy", "cloudy", "windy")
    t.hero(fable=0.3, traits=("careless", "curious", "helpful", "messy", "impatient", "cheerful"))
    owner = t.grandparent("G") if t.dice.chance(0.5) else t.parent("G")
    t.thing("X", "fragile")
    t.world.own(owner, t.object("X"))
    t.named_place("P", "the kitchen" if not t.fable else t.wording("the {A.home}"), "in")
    begin.opening(
        t,
        "{A} was [playing|dancing|jumping around] {P.in}",
        "{A} [ran|raced] [through|around] {P}, [playing knights|chasing a fly|pretending to be "
        "a horse]",
        about="{G.name} had {X.a} that [had been a present|came from far away|{G.he} loved very "
        "much].",
    )
    t.want("A", "to make the broken {X.n} whole again")
    t.world.drop(owner, t.object("X"), "on the shelf")
    t.tell(
        "{A} [turned|spun around|jumped] too fast, and {A.his} elbow hit {X}."
        if not t.fable
        else "{A} [turned|spun around|jumped] too fast and bumped into {X}.",
        "{A} only wanted to look at {X}, but {X.it} slipped from {A.his} {A.hands}.",
        "{A} reached up to touch {X}. [oops|oh no]! {X} [fell|slipped|tipped over].",
    )
    t.world.shatter(t.object("X"))
    t.tell(
        "[crash|bang|clink|smash]! {X} [broke into <number> pieces|fell to the floor and broke].",
        "{X} [hit|fell on] the floor with a [loud|terrible] [crash|clink], and there {X.it} lay "
        "in pieces.",
    )
    t.problem("the {X.n} of {G.name} broke", "{A.name} was not careful")
    t.feel("A", t.pick(("sorry", "scared", "worried")), "{X} was broken", said=True)
    t.paragraph()
    hides = t.dice.chance(0.35)
    if hides:
        t.tell(
            "{A} hid the pieces [under the rug|behind the door|in a box|in a dark "
            "corner] and [ran off|said nothing|hoped that nobody would see]."
        )
        t.attempt("{A.name} hid the pieces")
        t.tell(
            "but {A} could not [eat|play|sit still]. the broken {X.n} was always on {A.his} mind."
        )
        t.tell("<at_last>, {A} went to {G.name}.")
    else:
        t.tell(
            "{A} [picked up|gathered] the pieces <carefully A> and [went|walked slowly] to "
            "{G.name}."
        )
    t.say(
        "A",
        "{G.name}, I broke your {X.n}. / I am [so|very] sorry.",
        "I have to tell you something. / I [broke|dropped] your {X.n}.",
        mood="sorry",
    )
    t.attempt("{A.name} told {G.name} the truth")
    t.say(
        "G",
        "[thank you for telling me|it was brave to tell me]. / [Let's see|Let us see] if we can "
        "[mend|fix] it.",
        "it was [old|only a {X.n}]. / You are more important to me. [Now let's try to mend "
        "it|Come, we will fix it].",
    )
    t.tell(
        "{G} [got|brought|found] [some glue|a pot of glue|a tube of glue|some strong glue].",
        "they [spread|laid] the pieces [on the table|out in the light] and [looked at|turned] "
        "every one.",
    )
    t.tell_if(
        "detail",
        "{A} held the pieces together while {G} counted to <many>.",
        "piece by piece, {X} [grew whole|came together] again, like a puzzle.",
    )
    t.attempt("{A.name} and {G.name} glued the pieces")
    t.paragraph()
    could_hold = t.object("X").noun.noun.split()[-1] in _VESSELS
    if t.dice.chance(0.7) or not could_hold:
        t.world.mend(t.object("X"))
        t.tell(
            "<at_last>, {X} was whole again. [there was|one could see] a thin line [where it "
            "had broken|down the side], but it [held|was strong].",
            "when the glue was dry, {X} stood there almost like new.",
        )
        t.outcome("the {X.n} was mended")
        t.feel("A", t.pick(("relieved", "happy")), "{X} was whole again", said=True)
        t.talk(
            "G",
            "now it has a story. / I like it even better.",
            "look, {A.name}. / It is as good as new!",
            mood="happy",
        )
    else:
        t.tell(
            "but one [piece was missing|little piece was lost], and {X} could not hold "
            "[water|anything] any more."
        )
        t.tell(
            "so they planted [a tiny flower|some moss|a little fern] in it and put it [on the "
            "windowsill|in the sun|by the door]."
        )
        t.outcome("the {X.n} became a home for a plant")
        t.feel("A", "happy", "the broken {X.n} was still good for something")
    t.moral("it is best to tell the truth when something goes wrong")
    finish.ending(
        t,
        "<from_then>, {A} walked [slowly|carefully] past {X}.",
        "every time {A} saw {X}, {A.he} thought of that day.",
    )


@plot("finder gives it back")
def finder(t: Tale) -> None:
    """A finds something precious, is tempted, and looks for the owner."""
    t.set_time("morning", "afternoon")
    t.set_sky("sunny", "cloudy", "windy")
    t.hero(traits=("honest", "kind", "curious", "quiet", "clever", "dreamy"))
    place = t.somewhere("away")
    t.character("A").place = place
    t.thing("X", "treasure")
    begin.opening(
        t,
        "{A} went {P.to}",
        "{A} was [walking|on the way] home and came past {P}",
        "{A} went {P.to} to play",
    )
    begin.look(t)
    spot = t.lay("X", "{P.spot}")
    t.tell(
        f"{{A}} saw something {spot}. it [shone|glittered|sparkled]. it was {{X.a}}!",
        f"there, {spot}, lay {{X.a}}.",
        f"{spot}, {{A.his}} [foot|toe] hit something [small and hard|hard]. {{A}} bent down. it "
        f"was {{X.a}}!",
    )
    t.world.find(t.character("A"), t.object("X"), spot)
    t.feel("A", t.pick(("excited", "surprised", "happy")), "{A.he} had found {X.a}", said=True)
    moments.think_it_over(
        t, "may I keep it?", "it is so [pretty|beautiful]. I want to keep it", "nobody saw me"
    )
    t.tell(
        'but then {A} thought, "[Someone must have lost it|Somebody may be looking for '
        'it|Somebody may be very sad now]."'
    )
    t.problem("{A.name} found a {X.n} that belonged to somebody else", "somebody had lost it")
    t.want("A", "to find the owner of the {X.n}")
    t.paragraph()
    for number in range(t.dice.between(0, 2)):
        key = "QR"[number]
        t.peer(key)
        t.tell(
            f"{{A}} [showed|held out] {{X}} to {{{key}.intro}}.",
            f"first {{A}} asked {{{key}.intro}}."
            if number == 0
            else f"then {{A}} asked {{{key}.intro}}.",
        )
        t.say("A", "is this your {X.n}?", "did you lose this?", how="asked")
        t.say(
            key,
            "no, it is not mine. / But it is very [pretty|nice].",
            "I wish it were! / But no.",
            "no. / Mine [is bigger|is at home].",
        )
        t.attempt(f"{{A.name}} asked {{{key}.name}}")
    t.adult("B") if t.dice.chance(0.5) else t.peer("B")
    t.tell(
        "then {A} saw {B.intro}, who was [looking|searching] [around|everywhere|on the ground] "
        "with a [sad|worried] face.",
        "<soon>, {A} heard somebody cry. it was {B.intro}."
        if t.character("B").role != "adult"
        else "<soon>, {A} saw {B.name}, who was looking for something on the ground.",
    )
    t.say(
        "B",
        "I lost my {X.n}. / My [grandmother|grandfather|best friend|mother] gave it to me.",
        "I have lost my {X.n}. / I [had it this morning|can't find it anywhere].",
        mood="sad",
    )
    t.note_feeling("B", "sad", "{B.name} had lost the {X.n}")
    t.say("A", "is it [this one|this]?", "don't be sad. / I found it!", "look what I have here!")
    t.give("A", "X", "B")
    t.attempt("{A.name} gave it to {B.name}")
    t.feel("B", t.pick(("happy", "grateful", "relieved")), "{X} was back", said=True)
    t.outcome("{B.name} got the {X.n} back")
    moments.thanks(t, "B", "A", "You could have kept it.")
    ending = t.dice.below(3)
    t.paragraph()
    if ending == 0:
        t.made("Y", "apple" if t.fable else "cookie", "[big|sweet|round]", owner="B")
        t.give("B", "Y", "A", narrate=False)
        t.tell(
            "{B} gave {A.o} {Y.a} to say thank you. [it tasted better than any other|how good "
            "it tasted]!"
        )
    elif ending == 1:
        t.tell("and so {A.name} and {B.name} became friends.")
    t.moral("giving back what is not yours [feels better than keeping it|makes two hearts happy]")
    finish.ending(
        t,
        "{A} had no {X.n} now, but {A.his} heart [felt full|was light].",
        "{A.s} pockets were empty, but {A} [whistled|hummed|smiled] all the way home."
        if not t.fable
        else "{A} had nothing in {A.his} {A.hands}, but {A} [whistled|hummed|smiled] all the "
        "way home.",
    )


@plot("at the market")
def market(t: Tale) -> None:
    """A has coins and a plan; on the way something else turns out to matter more."""
    t.set_time("morning")
    t.set_sky("sunny", "cloudy")
    t.hero(fable=0.0, traits=("patient", "kind", "dreamy", "careful", "curious", "helpful"))
    t.somewhere("shop")
    t.character("A").place = t.locale()
    coins = t.dice.between(3, 9)
    t.word(
        "COINS", ("three", "four", "five", "six", "seven", "eight", "nine")[coins - 3] + " coins"
    )
    t.thing("X", t.pick(("toy", "gift", "music")))
    t.world.place(t.object("X"), "at the stall")
    t.adult("S", "seller")
    begin.opening(
        t,
        "{A} went {P.to} with {COINS} in {A.his} pocket",
        "{A} took {COINS} from {A.his} piggy bank and {A.walked} {P.to}",
        about="for [many weeks|a long time|two months], {A} had saved {A.his} coins.",
    )
    t.want("A", "to buy a {X.n}")
    begin.look(t)
    t.tell(
        "at one stall {A} saw {X.a}. [it was just what {A.he} wanted|{A.he} could not look "
        "away|how it shone]!",
        "there, between [old lamps|plates and cups|books and boxes], stood {X.a}.",
    )
    t.say("A", "how much is the {X.n}?", "please, what does the {X.n} cost?", how="asked")
    dear = t.dice.chance(0.5)
    t.paragraph()
    if dear:
        t.say(
            "S",
            "[ten|twelve|fifteen] coins, [my dear|young friend].",
            "that one costs [ten|eleven|twenty] coins.",
            how="said",
        )
        t.problem("the {X.n} was too expensive", "{A.name} had only {COINS}")
        t.feel("A", "disappointed", "{A.he} had only {COINS}")
        if t.dice.chance(0.6):
            t.say(
                "A",
                "may I work for it? / I can [carry boxes|sweep the floor|wash the apples].",
                "can I help you [today|this morning]? / I am [strong|good at sweeping].",
            )
            t.attempt("{A.name} offered to work for it")
            t.tell(
                "so {A} [carried baskets|swept the ground|sorted apples|polished cups] [until "
                "noon|all morning|for three hours], and {A.he} did it [well|with care|with a "
                "smile]."
            )
            t.say(
                "S",
                "you [are a good worker|worked hard]. / Give me {COINS}, and the {X.n} is yours.",
            )
            t.world.take(t.character("A"), t.object("X"))
            t.outcome("{A.name} worked and got the {X.n}")
            t.feel("A", "proud", "{A.he} had [earned {X}|worked for {X}]")
            t.moral("what you work for is worth the most")
        else:
            t.thing("Y", "treat")
            t.say(
                "S",
                "but for {COINS} you can have {Y.this}.",
            )
            t.attempt("{A.name} looked for something cheaper")
            t.world.take(t.character("A"), t.object("Y"))
            t.tell(
                "{A} thought about it, and bought {Y.a} for {A.his} mom. [how she smiled|how happy "
                "she was]!"
            )
            t.outcome("{A.name} bought a {Y.n} instead")
            t.note_feeling("A", "happy", "{A.name} could give something to Mom")
            t.moral("a small gift can bring a big joy")
    else:
        t.say("S", "{COINS}, [my dear|young friend].", "just {COINS}.", how="said")
        t.adult("C") if t.dice.chance(0.3) else t.peer("C")
        t.tell("{A} was about to pay when {A.he} saw {C.intro}, who [was crying|looked very sad].")
        t.tell(
            "{C} had [dropped {C.his} eggs|lost {C.his} money|broken {C.his} jar of honey] and "
            "[could not buy any more|did not dare to go home]."
        )
        t.problem("{C.name} was in trouble", "{C.name} had no money left")
        t.note_feeling("C", "sad", "{C.name} had no money left")
        moments.think_it_over(
            t, "I can buy it next time", "what should I do?", "my coins could help"
        )
        if t.dice.chance(0.75):
            t.tell(
                "{A} looked at {X}. {A.he} looked at {C.name}. then {A} [gave {C.name} the "
                "coins|put the coins into {C.names} {C.hands}]."
            )
            t.attempt("{A.name} gave the coins to {C.name}")
            t.say(
                "A",
                "take [them|these]. / You need them more than I do.",
                "here. / I can save again.",
            )
            moments.thanks(t, "C", "A")
            if t.dice.chance(0.5):
                t.tell(
                    "{S.name} had seen it all. {S.he} [took|picked up] {X} and held it out to "
                    "{A.o}."
                )
                t.world.take(t.character("S"), t.object("X"))
                t.say(
                    "S", "this is for you. / A kind heart should have [a surprise|something nice]."
                )
                t.give("S", "X", "A", narrate=False)
                t.outcome("{A.name} helped {C.name} and was given the {X.n}")
                t.feel("A", "surprised", "{S.name} gave {A.o} {X}", said=True)
            else:
                t.outcome("{A.name} helped {C.name} and went home without the {X.n}")
                t.feel("A", "happy", "{C.name} could smile again")
            t.moral("a kind deed is worth more than a new toy")
        else:
            t.attempt("{A.name} bought the {X.n} all the same")
            t.world.take(t.character("A"), t.object("X"))
            t.tell(
                "{A} looked away and bought {X}. but at home, {X} was [no fun at all|not as "
                "nice as before]."
            )
            t.feel("A", "sorry", "{A.he} had not helped {C.name}")
            t.tell(
                "the next [week|time], {A} looked for {C.name} and shared {A.his} "
                "[lunch|cookies|snack] with {C.o}."
            )
            t.outcome("{A.name} bought the {X.n} but was sorry not to have helped")
            t.moral("it is better to help at once than to be sorry later")
    t.paragraph()
    finish.ending(
        t,
        "[Mom|Dad] heard the story at supper and [hugged {A.o}|gave {A.o} a kiss].",
        "{A} skipped home [over the bridge|through the busy streets|under the blue sky].",
    )
