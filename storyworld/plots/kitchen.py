"""Plots about cooking and eating."""

from __future__ import annotations

from storyworld.plots.registry import plot
from storyworld.scenes import begin, finish
from storyworld.tale import Tale


@plot("baking goes wrong")
def baking(t: Tale) -> None:
    """A cake for somebody; one thing goes wrong, and the result is not what was planned."""
    t.set_time("morning", "afternoon")
    t.set_sky("rainy", "sunny", "cloudy", "snowy")
    t.hero(fable=0.25, traits=("messy", "impatient", "cheerful", "helpful", "careless", "funny"))
    t.grandparent("G")
    t.sibling("S") if t.dice.chance(0.5) else t.peer("S")
    t.named_place("P", "the kitchen", "in")
    t.made(
        "X",
        t.pick(("cake", "pie", "tart", "pudding"))
        if not t.fable
        else t.pick(("honey cake", "berry pie", "nut cake")),
        t.pick(("big", "round", "sweet", "special")),
    )
    begin.opening(t, "{A} was {P.in} with {S.intro}", "{A} and {S.intro} stood {P.in}")
    t.say(
        "A",
        "let's bake a {X.n} for {G.name}!",
        "{G.name} is coming today. / Let's make a {X.n}!",
        mood="excited",
    )
    t.want("A", "to bake a {X.n} for {G.name}")
    t.tell_if(
        "detail",
        "they put on aprons and took a big bowl. in went [flour|the flour], in went "
        "[butter|milk|honey], in went [four|three|six] eggs.",
        "{A.name} [stirred|poured the milk], and {S.name} [cracked the eggs|measured the "
        "flour]. there was flour on [their noses|the floor|everything].",
    )
    t.talk("S", "how much sugar?", "is that enough?", "it looks like [mud|snow|glue]!", how="said")
    slip = t.dice.below(4)
    t.paragraph()
    if slip == 0:
        t.tell(
            "then {A} reached for the sugar. but the jar next to it looked just the same. it "
            "was the salt!"
        )
        t.problem("the {X.n} tasted salty", "{A.name} took salt instead of sugar")
        t.tell(
            "when the {X.n} was [done|ready], {S} tried a crumb. {S.his} face went [green|crooked]."
        )
        t.talk(
            "S", "yuck! / It is full of salt!", "ugh! / It tastes like the sea!", mood="surprised"
        )
    elif slip == 1:
        t.tell(
            "they put it into the oven and went to [play|look at the rain|draw]. they [played "
            "and played|forgot all about it]."
        )
        t.tell("<suddenly>, {A} smelled smoke. oh no, the {X.n}! it was as black as coal.")
        t.problem("the {X.n} was burnt", "they forgot it in the oven")
    elif slip == 2:
        t.tell(
            "{A} did not want to wait and opened the oven again and again. [is it ready now? "
            "and now? and now?|every two minutes {A.he} looked in.]"
        )
        t.tell("at last they took it out. it was as flat as a [plate|hat|pancake].")
        t.problem("the {X.n} was flat", "{A.name} opened the oven too often")
    else:
        t.tell(
            "<at_last>, the {X.n} was ready. it was [golden and round|beautiful]. {A} carried "
            "it to the table, [proud as a king|singing]."
        )
        t.tell(
            "then {A} [slipped on some flour|tripped over the cat|tripped over a spoon]. "
            "[splat|plop|crash]! the {X.n} lay on the floor."
        )
        t.problem("the {X.n} fell on the floor", "{A.name} tripped")
    t.object("X").is_mentioned = True
    t.feel(
        "A", t.pick(("sad", "disappointed", "sorry")), "the {X.n} was [spoiled|ruined]", said=True
    )
    t.tell(
        "[just then|at that moment], there was a knock at the door, and [it was|in came|there "
        "stood] {G.name}.",
        "and there was {G.name} already, at the door.",
    )
    t.say(
        "G",
        "hello, my dears! / What happened here?",
        "what smells so [funny|strange] here?",
        how="asked",
    )
    t.say(
        "A",
        "we wanted to surprise you, / but it all went wrong.",
        "it was for you. / Now it is ruined.",
        mood="sad",
    )
    t.attempt("they told {G.name} what had happened")
    t.paragraph()
    t.say(
        "G",
        "do you know what happened to my first {X.n}? / The dog would not even eat it."
        if not t.fable
        else "do you know what happened to my first {X.n}? / Not even the ants would eat it.",
        "ha! / I once baked a {X.n} that was as hard as a stone.",
        how="laughed",
    )
    if t.dice.chance(0.6):
        t.say(
            "G",
            "come, we will make another one <together>.",
            "we still have flour, don't we? / Let's try again.",
            how="said",
        )
        t.attempt("they baked again together with {G.name}")
        t.tell(
            "so {A.name}, {S.name} and {G.name} [stirred and baked|started over|put on their "
            "aprons again], and this time they [looked at every jar twice|set a clock|waited "
            "patiently|carried it with six {A.hands}]."
        )
        t.tell("the second {X.n} was [light and sweet|just right|the best they had ever eaten].")
        t.outcome("they baked a second {X.n} that was good")
    else:
        t.tell(
            "they [cut off the bad parts|took what was left], put [berries|jam|honey|cream] on "
            "top and ate it with big spoons. it looked funny, but it tasted [good|not so bad]."
        )
        t.attempt("they made the best of it")
        t.tell(
            '"We have invented a new dish," {A} said.'
            + " they called it [mud surprise|the happy mess|moon pudding|the upside-down {X.n}]."
        )
        t.outcome("they made a funny new dish of it")
    t.feel("A", "happy", "{G.name} was not cross and they all laughed together")
    t.moral(
        "[a mistake is not the end|what counts is the love you put in|you can always try again]"
    )
    finish.ending(
        t,
        "there was not a crumb left in the evening.",
        "then they [washed the dishes|cleaned up] <together>, and that took longer than the "
        "baking.",
    )


@plot("picky eater")
def picky(t: Tale) -> None:
    """A will not taste something, until there is a reason."""
    t.set_time("evening", "noon")
    t.set_sky("sunny", "cloudy", "rainy")
    t.hero(fable=0.3, traits=("stubborn", "funny", "curious", "grumpy"))
    t.parent()
    t.word(
        "DISH",
        "[pea soup|carrot soup|pumpkin soup|spinach|broccoli|bean stew|mushroom soup|cabbage soup]",
    )
    t.word(
        "ONLY",
        "[noodles|bread|pancakes|white rice|apples]" if not t.fable else "[berries|bread|honey]",
    )
    t.named_place("P", "the kitchen" if not t.fable else t.wording("the {A.home}"), "in")
    begin.opening(
        t,
        "{M} put a bowl in front of {A.name} {P.in}. it was {DISH}",
        "there was {DISH} for [supper|dinner] {P.in}",
        about="{A} ate only {ONLY}. {A.he} ate {ONLY} in the morning, {ONLY} at noon and {ONLY} "
        "at night[|, day after day|, all week long].",
    )
    t.say(
        "A",
        "yuck! / I don't like {DISH}.",
        "I will not eat that. / It is [too green|too strange|slimy].",
        "can I have {ONLY}?",
        mood="angry",
    )
    t.say(
        "M",
        "how do you know? / You never tried.",
        "just one spoon.",
        "one small bite, {A.name}?",
        how=t.pick(("said", "asked")),
    )
    t.problem("{A.name} did not want to eat {DISH}", "{A.name} had never tried it")
    t.want("A", "to eat only {ONLY}")
    t.tell_if("detail", "{A} [shut {A.his} mouth tight|shook {A.his} head|pushed the bowl away].")
    t.paragraph()
    way = t.dice.below(3)
    if way == 0:
        t.peer("B")
        t.tell(
            "then {B.intro} came to visit. {B.he} [smelled the food|looked at the bowl] and smiled."
        )
        t.say(
            "B",
            "{DISH}! / That is my favorite! May I have some?",
            "if you don't want it, / can I have it?",
            mood="excited",
        )
        t.tell('{B} ate one spoon, and another, and another, and said "Mmm!" every time.')
        t.attempt("{B.name} ate and enjoyed it")
        t.feel("A", "curious", "{B.name} liked it so much")
    elif way == 1:
        t.say(
            "M",
            "then help me cook tomorrow, / and we will see.",
            "do you want to know what is in it? / Come and look.",
            how="said",
        )
        t.world.next_day("noon") if t.world.hour == "evening" else t.world.later("evening")
        t.tell(
            "so they cooked <together>. {A} [washed|picked] the vegetables, stirred the pot and "
            "[threw in a pinch of salt|added the herbs]."
        )
        t.attempt("{A.name} helped to cook it")
        t.feel("A", "curious", "{A.he} had made it {A.self}")
    else:
        t.say(
            "M",
            "this is what [bears|giants|pirates|dragons|wizards] eat, / to grow strong.",
            "do you know that [pirates|giants|dragons] love {DISH}?",
            how="said",
        )
        t.tell("{A} looked into the bowl again. now it looked like dragon food.")
        t.attempt("{M.name} made a game of it")
        t.feel("A", "curious", "{M.name} had said that heroes eat it")
    t.tell(
        "{A} took a tiny [bite|sip], waited [a moment|a little] and then took a [bigger|much "
        "bigger|second] one.",
        "{A} closed {A.his} eyes, held {A.his} nose and tasted it.",
    )
    t.attempt("{A.name} took a tiny bite")
    t.paragraph()
    if t.dice.chance(0.75):
        t.talk(
            "A",
            "it is [good|sweet|not bad]! / Is there more?",
            "mmm! / Why did nobody tell me?",
            mood="surprised",
        )
        t.tell(
            "{A} ate it all up, down to the last drop.",
            "soon {A.his} bowl was [empty|as clean as a mirror].",
        )
        t.outcome("{A.name} tried it and liked it")
        t.feel("A", "happy", "it tasted good", said=True)
    else:
        t.say("A", "I still don't like it. / But now I know.", "no. / But I tried!", how="said")
        t.say("M", "that is fine. / I am proud that you tried.", how="said")
        t.outcome("{A.name} tried it and did not like it, but was proud to have tried")
        t.feel("A", "proud", "{A.he} had tried something new")
    t.moral("you cannot know what you like until you try")
    finish.ending(
        t,
        "the next day, {A} asked for [something red|something purple|something with a funny "
        "name] to try.",
        "and the day after, {A} tried [plums|cheese|mushrooms|beets], too.",
    )
