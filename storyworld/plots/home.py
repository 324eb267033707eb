"""Plots about taking care, of others and of one's own things."""

from __future__ import annotations

from storyworld.plots.registry import plot
from storyworld.scenes import begin, finish
from storyworld.tale import Tale


@plot("cheering up a sick one")
def sick_grandparent(t: Tale) -> None:
    """Somebody dear is ill; A brings things, and what helps is not what A thought."""
    t.set_time("morning", "afternoon")
    t.set_sky("sunny", "rainy", "cloudy", "snowy")
    t.hero(traits=("kind", "gentle", "funny", "helpful", "cheerful"))
    sick = t.grandparent("G") if t.dice.chance(0.6) else t.peer("G")
    t.parent() if sick.role == "adult" else t.adult("M", "doctor")
    t.word("BED", "[bed|the big bed|a soft chair by the window]" if not t.fable else "{A.bed}")
    t.named_place("P", t.wording("{G.names} {G.home}"), "in")
    begin.opening(
        t,
        "{M} told {A.him} that {G.name} was [ill|sick]",
        "{A} heard that {G.name} was [ill|sick in bed] [|and could not come out]",
    )
    t.problem("{G.name} was ill", "{G.name} had [a bad cold|a fever|a bad cough]")
    t.feel("A", t.pick(("worried", "sad")), "{G.name} was ill")
    t.say("A", "I will cheer {G.him} up!", "what can I do?", "can I visit {G.him}?", how="said")
    t.want("A", "to cheer up {G.name}")
    t.go("A")
    t.tell(
        "{G} lay there under a [thick|warm|soft|woolen] blanket, with "
        + ("" if t.fable else "a red nose and ")
        + "[tired|sleepy|wet] eyes."
    )
    t.paragraph()
    gifts = t.dice.sample(
        (
            "a bunch of <flower>",
            "a jar of honey",
            "hot soup",
            "a drawing of a [boat|bird|rainbow]",
            "a warm scarf",
            "a basket of apples",
        ),
        t.dice.between(1, 2),
    )
    for number, gift in enumerate(gifts):
        t.word("GIFT", gift)
        t.attempt("{A.name} brought {GIFT}")
        if number:
            t.tell(
                "then {A} came with {GIFT}, but that [did not help either|was no better|only "
                "made {G.him} sneeze]."
            )
            continue
        t.tell(
            "{A} brought {GIFT}. {G} [smiled a little|said thank you], but then {G.he} "
            "[coughed|sneezed|sighed] again.",
            '{A} had brought {GIFT}. "How kind," {G} said, but {G.his} voice was weak.',
        )
    t.feel("A", "disappointed", "nothing seemed to help")
    way = t.dice.below(3)
    if way == 0:
        t.tell(
            "so {A} just sat down [by the bed|next to {G.name}] and told what had happened that "
            "week: [the goat on the roof|the frog in the soup|the dog with the hat], and how "
            "everybody had laughed."
        )
        t.attempt("{A.name} told funny stories")
        t.tell(
            "first, {G} smiled. then {G.he} chuckled. then {G.he} laughed so much that the bed "
            "shook."
        )
        t.talk(
            "G",
            "laughing is the best medicine.",
            "oh, {A.name}! / That was better than any tea.",
            mood="happy",
        )
    elif way == 1:
        t.say(
            "G",
            "do you know what I would like? / Somebody to hold my {G.hand}.",
            "just stay a little. / That is all I need.",
            how="said",
        )
        t.tell(
            "so {A} stayed. they listened to the [rain|clock|birds|wind] and said nothing at all."
            if t.world.sky == "rainy" and not t.fable
            else "so {A} stayed. they listened to the [quiet|birds|wind] and said nothing at all."
        )
        t.attempt("{A.name} stayed and held {G.names} {G.hand}")
    else:
        t.tell(
            "{A} called all the friends. they stood under the window and sang the "
            "[silliest|loudest|oldest] song they knew."
            if not t.fable
            else "{A} called all the animals. they stood outside and sang the "
            "[silliest|loudest|oldest] song they knew."
        )
        t.attempt("{A.name} and the friends sang outside")
        t.tell("{G} [sat up|came to the window] and began to hum along.")
    t.feel("G", "happy", "{A.name} had come", said=True)
    t.paragraph()
    better = t.dice.chance(0.8)
    if better:
        t.tell(
            "<days_later>, {G} was [well again|up and about|much better].",
            "<days_later>, the [cough|fever] was gone.",
        )
        t.outcome("{G.name} got well again")
    else:
        t.tell("it took a long time until {G} was well. but {A} came every single day.")
        t.outcome("{G.name} got well slowly and {A.name} came every day")
    t.moral("the best gift is [your time|to be there]")
    finish.ending(
        t,
        "and when {A} caught a cold [that winter|later], guess who came with soup and stories?",
        '"You were my best medicine," {G} said.',
    )


@plot("tidying up")
def tidy(t: Tale) -> None:
    """The mess swallows something that is needed; order brings it back."""
    t.set_time("morning", "afternoon")
    t.set_sky("rainy", "sunny", "cloudy")
    t.hero(fable=0.2, traits=("messy", "lazy", "dreamy", "careless"))
    t.parent()
    t.somewhere("home", "in") if not t.fable else t.named_place(
        "P", t.wording("the {A.home}"), "in"
    )
    t.thing("X", t.pick(("toy", "wear", "book", "music")))
    t.word(
        "WHY",
        t.quoted(
            t.pick(
                (
                    "show {X.it} to a friend",
                    "take {X.it} to a party",
                    "take {X.it} on a trip",
                    "have {X.it} for a game",
                )
            )
        ),
    )
    begin.opening(
        t,
        "there was such a mess {P.in} that one could not see the floor",
        "everything lay around {P.in}: [blocks|crayons|cars], [socks|scarves|shoes], "
        "[crumbs|feathers|strings]"
        if not t.fable
        else "everything lay around {P.in}: [stones|nutshells|pine cones], [leaves|sticks|moss], "
        "[crumbs|feathers|strings]",
    )
    t.say(
        "M", "please tidy up, {A.name}.", "{A.name}, / will you clean this up, please?", how="said"
    )
    t.talk("A", "later.", "but I like it that way.", "tomorrow, maybe.", mood="bored")
    t.tell(
        "<soon>, {A} looked for {A.his} {X.fn}, because {A.he} wanted to {WHY}. but where "
        "{X.was} {X.he}?",
        "then {A} needed {A.his} {X.fn}, because {A.he} wanted to {WHY}.",
    )
    t.want("A", "to find the {X.n}")
    t.problem("{A.name} could not find the {X.n}", "there was such a mess")
    deck = t.dice.shuffled(
        (
            "under a [pile of clothes|heap of paper|heap of toys]",
            "behind [the pillows|a tower of boxes|the basket]",
            "in [a school bag|a big box|a drawer]",
            "under [the rug|an old cushion]",
        )
        if not t.fable
        else (
            "under a [pile of leaves|heap of feathers|heap of moss]",
            "behind [a root|a heap of nutshells|the basket]",
            "in [an old pot|a big basket|a bundle of grass]",
            "under [a big leaf|some dry grass]",
        )
    )
    oddity = "<oddity_wild>" if t.fable else "<oddity>"
    where = t.lay("X", deck[0])
    for spot in deck[1 : t.dice.between(2, 3)]:
        t.word("SPOT", spot)
        t.attempt("{A.name} looked {SPOT}")
        t.tell(
            f"{{A}} [dug|looked] {{SPOT}}. {{A.he}} found {oddity}, but no {{X.n}}.",
            f"{{SPOT}} {{A}} found {oddity}.",
        )
    t.feel("A", t.pick(("angry", "worried")), "{X} could not be found")
    t.paragraph()
    t.say(
        "M",
        "shall I help you? / We can make it a game.",
        "when everything has its place, / nothing can hide.",
        how="said",
    )
    if t.dice.chance(0.5):
        t.tell(
            "so {M.name} and {A.name} made a game of it: everything [red|round|soft|small] went "
            "first, then everything [blue|long|hard|big], and they [sang|laughed|whistled] "
            "while they worked."
        )
    else:
        t.tell(
            "{A} sighed and began. [books here, blocks there|big things here, small things "
            "there], and all the [crumbs|dust] out of the door."
            if not t.fable
            else "{A} sighed and began: [big things here, small things there|soft things here, "
            "hard things there], and all the [crumbs|dust] out of the {A.home}."
        )
    t.attempt("{A.name} tidied up")
    t.tell_if(
        "detail",
        "on the way {A} found [three lost socks|a forgotten apple|an old friend: a toy bear "
        "without an ear|a button, a coin and a letter]."
        if not t.fable
        else "on the way {A} found [a forgotten apple|last year's nuts|a button and a bell].",
    )
    t.world.find(t.character("A"), t.object("X"), where)
    t.tell(
        f"and then, {where}, there {{X.was}} {{X}}!",
        f"<at_last>, {{A}} looked {where}. hooray! there {{X.was}} {{X}}.",
    )
    t.feel("A", "happy", "{X} {X.was} there again", said=True)
    t.outcome("{A.name} tidied up and found the {X.n}")
    t.paragraph()
    t.talk(
        "M",
        "and look how big the floor is! / You can dance on it.",
        "well done. / Now there is room to play.",
        mood="happy",
    )
    t.moral("[what has its place is easy to find|a little order saves a lot of searching]")
    finish.ending(
        t,
        "so they danced, once around [the table|the room]."
        if not t.fable
        else "so they danced, once around the {A.home}.",
        "it stayed tidy for [two whole days|almost a week|three days|a whole day], and {A.name} "
        "was very proud of that.",
    )
