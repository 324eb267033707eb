"""Plots about things that are lost or out of reach."""

from __future__ import annotations

from storyworld.plots.registry import plot
from storyworld.scenes import begin, finish, moments
from storyworld.tale import Tale


@plot("lost thing")
def lost_thing(t: Tale) -> None:
    """A thing is dropped somewhere; search after search fails until the right spot is tried."""
    t.set_time("morning", "afternoon")
    t.set_sky("sunny", "cloudy", "windy")
    t.hero(traits=("careless", "dreamy", "cheerful", "curious", "messy", "brave", "funny"))
    place = t.somewhere("out")
    t.thing("X", t.pick(("toy", "treasure", "wear")), owner="A")
    begin.opening(
        t,
        "{A} took {A.his} {X.fn} {P.to}",
        "{A} went {P.to} and took {A.his} {X.fn} along",
        about="[of all {A.his} things|of everything {A.he} had], {A} loved {A.his} {X.fn} the "
        "most.",
    )
    t.character("A").place = place
    t.want("A", "to find the lost {X.n}")
    begin.look(t)
    t.tell(
        "{A} {A.ran} and {A.jumped} and [rolled|played] <all_day>.",
        "{A} played [here, there and everywhere|from one end to the other] <all_day>.",
        "{A} played there until {A.his} legs were tired.",
    )
    spots = t.dice.shuffled(place.spots)
    where = t.lose("A", "X", spots[0])
    t.paragraph()
    t.tell(
        "when {A} wanted to go home, {X} {X.was} gone!",
        "<suddenly>, {A} [stopped|stood still]. where {X.was} {X}?",
        "but when it was time to go, {A} could not find {X}.",
    )
    t.problem(
        "{A.name} lost the {X.n}",
        "{A.name} was playing and did not notice that the {X.n} fell down",
    )
    t.feel("A", t.pick(("sad", "worried", "sad")), "{X} {X.was} gone", said=True)
    helped = t.dice.chance(0.6)
    if helped:
        t.peer("B")
        moments.introduce(
            t, "B", "{1.intro} [saw|heard] {A.him} and [came over|came closer|stopped]."
        )
        t.say(
            "B",
            "what is wrong?",
            "why do you look so [sad|worried]?",
            "[did you lose something|what are you looking for]?",
        )
        t.say(
            "A",
            "I [can't find|lost|have lost] my {X.n}!",
            "my {X.n} {X.is} gone, / and I have looked everywhere.",
            mood="sad",
        )
        t.say(
            "B",
            "<comfort>. / I will help you [look|search].",
            "let's look <together>.",
            "[two|four] eyes see more than [one|two]. / Let's [look|go]!",
        )
    for spot in spots[1 : t.dice.between(2, 4)]:
        place_words = t.wording(spot)
        who = "B" if helped and t.dice.chance(0.45) else "A"
        t.attempt(f"{{{who}.name}} looked {place_words}")
        t.tell(
            f"{{{who}}} <looked_for> {place_words}, but {{{who}.he}} found [only|nothing "
            f"but] <oddity_wild>.",
            f"{{{who}}} <looked_for> {place_words}. [no {{X.n}}|nothing]!",
            f"{place_words} {{{who}}} found <oddity_wild>, but no {{X.n}}.",
        )
    moments.think_it_over(t, "where did I have {X.it} last?", "I must not give up", "think, think")
    t.paragraph()
    finder = "B" if helped and t.dice.chance(0.4) else "A"
    if t.dice.chance(0.88):
        t.world.find(t.character(finder), t.object("X"), where)
        t.tell(
            f"<at_last>, {{{finder}}} looked {where}. there {{X.was}} {{X}}, [safe and "
            f"sound|just where {{A.name}} had played|waiting quietly]!",
            f"then {{{finder}}} saw something {where}. [could it be|was it]? yes! it was the "
            f"{{X.n}}!"
            if not t.object("X").noun.plural
            else f"then {{{finder}}} looked {where}. there they were: the {{X.n}}!",
        )
        if finder == "B":
            t.give("B", "X", "A")
        t.feel("A", t.pick(("happy", "relieved")), "{X} {X.was} found", said=True)
        if helped:
            moments.thanks(t, "A", "B", "You found my {X.n}." if finder == "B" else "")
        t.outcome(f"the {{X.n}} {{X.was}} found {where}")
        t.moral("it is good to [take care of|look after] the things you love")
        finish.ending(
            t,
            "{A} [held|hugged|carried] {X} [tight|close] all the way home.",
            "<from_then>, {A} [always put {X} in a safe place|kept an eye on {X}].",
        )
    else:
        t.tell(
            "they looked until it was [almost dark|too dark to see], but {X} did not turn up."
            if helped
            else "{A} looked until it was [almost dark|too dark to see], but {X} did not turn up."
        )
        t.parent()
        t.tell("at home, {A} told {M.name} about it.")
        t.say(
            "M",
            "I am sorry, [my dear|{A.name}]. / Maybe [somebody else|another child] will find "
            "{X.it} and be happy.",
        )
        t.note_feeling(
            "A",
            "sad",
            "the {X.n} was never found"
            if not t.object("X").noun.plural
            else "the {X.n} were never found",
        )
        t.outcome("the {X.n} {X.was} never found")
        finish.ending(
            t,
            "{A} [nodded|sighed and nodded]. {A.he} hoped that {X} had found a good new home.",
            mood="soft",
        )


@plot("stuck in a tree")
def stuck_up_high(t: Tale) -> None:
    """Something flies up into a tree; jumping, poking and climbing may or may not reach it."""
    t.set_time("morning", "afternoon")
    t.set_sky("windy", "windy", "sunny")
    t.hero(fable=0.35, on_foot=True)
    t.peer("B")
    place = t.somewhere("green")
    t.character("A").place = place
    t.thing("X", "fly", owner="A")
    begin.opening(
        t,
        "{A} and {B.intro} took {X.a} {P.to}",
        "{A} [ran|went] {P.to} with {A.his} friend {B.name} and {X.a}",
        "{A} [tried out|played with] {A.his} {X.fn} {P.in}. {A.his} friend {B.name} [was there "
        "too|came to watch]",
    )
    t.want("A", "to get the {X.n} down from the tree")
    begin.look(t)
    t.tell(
        "{X} [flew|went|sailed] [up and up|higher and higher], [over the bushes|above their "
        "heads|up to the clouds].",
        "[whoosh|swish]! the wind [lifted|took|carried] {X} [high|high up|far up] into the air.",
        "{A.name} and {B.name} [laughed|cheered] as {X} [danced|jumped|turned] in the wind.",
    )
    t.lose("A", "X", "in the tree")
    height = t.dice.between(2, 5)
    t.word("TREE", "[the tallest|an old|a big|a tall] [oak|tree|pine|chestnut tree|elm]")
    t.tell(
        "then [a strong wind came|the wind turned|a gust came along], and {X} got stuck in {TREE}.",
        "but then {X} [landed|got caught] in the [top|branches] of {TREE}.",
    )
    t.problem("the {X.n} was stuck in a tree", "the wind blew it there")
    t.feel(
        "A",
        t.pick(("sad", "worried", "disappointed")),
        "{X} was stuck high up in the tree",
        said=True,
    )
    t.talk("A", "<oh_no>! / My {X.n}!", "how will we [ever|] get it down?", mood="worried")
    t.paragraph()
    tries = t.dice.shuffled(
        [
            (
                1,
                "{A.name} jumped",
                "{A} [jumped|hopped] as high as {A.he} could, but [the branch was too high|it "
                "was not high enough|{A.he} only touched the leaves].",
            ),
            (
                3,
                "they poked with a long stick",
                "{B} found a long stick and [poked|pushed] at {X}. [it moved a little|a leaf "
                "fell down|some leaves fell on {B.his} nose]",
            ),
            (
                4,
                "{B.name} threw a pine cone",
                "{B} threw [a pine cone|a small stick|a ball of moss] at {X}. [thump|bump]! it "
                "hit the branch next to {X}",
            ),
            (
                4,
                "they shook the tree",
                "<together> they [shook|pushed] the tree [as hard as they could|with all their "
                "strength]. [the leaves rustled|some twigs fell]",
            ),
            (
                2,
                "{A.name} stood on the shoulders of {B.name}",
                "{A} climbed on {B.s} [back|shoulders] and [stretched|reached] up. [they "
                "wobbled|they swayed left and right]",
            ),
        ]
    )
    down = False
    for reach, done, words in tries[: t.dice.between(2, 3)]:
        t.attempt(done)
        down = reach >= height
        if words.endswith("."):
            t.tell(words)
            down = False
        elif down:
            t.tell(
                words
                + ", and then - [plop|hop|swish]! - {X} [came down|fell down|dropped into the "
                "grass]."
            )
            break
        else:
            t.tell(words + ", but {X} [stayed where it was|did not come down|stayed up there].")
    else:
        down = False
    if down:
        t.outcome("they got the {X.n} down themselves")
        t.take("A", "X", narrate=False)
        t.feel("A", "happy", "{X} was down again", said=True)
        t.moral("if the first way does not work, another may")
    else:
        helper = t.dice.below(3)
        flyers = t.neighbours(flies=True) if t.fable else []
        if helper <= 1 and flyers:
            t.peer("C", noun=t.pick(flyers))
            moments.introduce(
                t, "C", "<soon>, {1.intro} [came by|came along|looked down from a branch]."
            )
            t.say(
                "C",
                "I can [reach|get] that for you. / [Just wait|Wait a moment|One moment]!",
                "what are you looking at? / Oh, I see. That is easy for me.",
            )
            t.tell("{C} {C.ran} up to {X}, pulled it free and brought it down.")
            t.world.take(t.character("C"), t.object("X"))
            t.give("C", "X", "A", narrate=False)
            t.outcome("{C.name} brought the {X.n} down")
            moments.thanks(t, "A", "C")
            t.moral("it is no shame to ask for help")
        elif helper <= 1 and not t.fable:
            t.adult("C", "gardener")
            t.tell(
                "{C.name} had [seen it all|been watching|heard them] and [came over|came with a "
                "smile]."
            )
            t.say(
                "C",
                "that needs [somebody tall|a ladder|long arms].",
                "shall I [try|help]? / I have a ladder.",
            )
            t.tell(
                "{C} [brought|leaned] [a|a long] ladder [to|against] the tree, climbed up "
                "<carefully C> and [freed|untangled] {X}."
            )
            t.world.take(t.character("C"), t.object("X"))
            t.give("C", "X", "A")
            t.outcome("{C.name} got the {X.n} down with a ladder")
            moments.thanks(t, "A", "C")
            t.moral("it is no shame to ask for help")
        else:
            t.tell(
                "they sat down under the tree and did not know what to do. then the wind came "
                "back.",
                '"let\'s wait," {B.name} said. so they [waited|sat down and waited].',
            )
            t.tell(
                "[whoosh|swish]! a gust of wind shook the branches, and {X} "
                "[fell|floated|sailed] down, right before {A.names} feet.",
                "the same wind that had taken {X} blew it free again, and it [fell|floated] "
                "down to their feet.",
            )
            t.take("A", "X", narrate=False)
            t.outcome("the wind blew the {X.n} down again")
            t.feel("A", "surprised", "the wind gave {X} back", said=True)
            t.moral("sometimes it is best to wait")
    t.paragraph()
    finish.ending(
        t,
        "they played with {X} [until|till] [supper|evening|the first star came out], but far "
        "away from the tree.",
        "<from_then>, {A} looked for a place without trees first.",
    )
