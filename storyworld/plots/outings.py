"""Plots about plans and the weather."""

from __future__ import annotations

from storyworld.plots.registry import plot
from storyworld.scenes import begin, finish
from storyworld.tale import Tale


@plot("rainy day")
def rainy_day(t: Tale) -> None:
    """Rain spoils the plan; something else is made of the day."""
    t.set_time("morning")
    t.world.season = t.pick(("spring", "summer", "autumn"))
    t.set_sky("rainy")
    t.hero(
        fable=0.35,
        traits=("impatient", "cheerful", "grumpy", "funny", "dreamy", "clever"),
        on_foot=True,
    )
    t.sibling("S") if t.dice.chance(0.6) else t.peer("S")
    t.named_place(
        "P",
        t.wording("the {A.home}")
        if t.fable
        else t.pick(("the living room", "the attic", "the kitchen", "the barn")),
        "in",
    )
    t.word("PLAN", "[go to the lake|have a picnic|play outside|visit the fair|go to the hill]")
    begin.opening(
        t,
        "{A} stood {P.in} and looked out at the rain",
        "{A} sat {P.in} and watched the raindrops race",
    )
    t.tell(
        "{A} had wanted to {PLAN} with {S.intro}. now they had to stay inside."
        if t.character("S").role != "sibling"
        else "{A} had wanted to {PLAN} with {A.his} {SIB} {S.name}. now they had to stay inside."
    )
    t.want("A", "to {PLAN}")
    t.problem("they could not {PLAN}", "it was raining")
    t.feel(
        "A",
        t.pick(("disappointed", "sad", "bored", "angry")),
        "it was raining and they could not {PLAN}",
    )
    t.talk(
        "A",
        "rain, go away!",
        "what can we do now? / There is nothing to do.",
        "this is the worst day!",
        mood="bored",
    )
    t.paragraph()
    game = t.dice.below(5)
    if game == 0:
        t.say("S", "look, a cave!", "this is a ship!", how="said")
        t.tell(
            "{S} threw a blanket over [the table|two chairs|a rope]. they crawled in, and it "
            "was [dark and cozy|like another world]."
            if not t.fable
            else "{S} hung big leaves over a branch. they crawled in, and it was dark and cozy."
        )
        t.attempt("they built a cave")
        t.tell(
            "in there they were [bears|explorers|pirates|two kings], and the rain was the "
            "[sea|jungle|music]."
        )
        t.outcome("they built a cave and played in it all day")
    elif game == 1:
        t.say("S", "listen! / The rain is playing a song.", how="said")
        t.tell(
            "drip, drop, plink. they put out [cups|pots|jars|shells], big ones and small ones, "
            "and every one had its own sound."
        )
        t.attempt("they made music with the rain")
        t.tell("soon it was a whole orchestra, and {A} was the conductor.")
        t.outcome("they made music with the rain")
    elif game == 2:
        t.tell(
            "{S} made a little boat out of [paper|bark|a nutshell], and {A} made one, too. then "
            "they ran out and put them into the stream of rain."
        )
        t.attempt("they let little boats race")
        t.tell(
            "the boats danced and turned and raced [down the street|along the path]. both of "
            "them were wet to the skin, and they did not mind."
            if not t.fable
            else "the boats danced and turned and raced along. both of them were wet to the "
            "skin, and they did not mind."
        )
        t.outcome("they let boats race in the rain")
    elif game == 3:
        t.say(
            "S",
            "let's put on a play! / You are the [queen|lion|ghost], and I am the "
            "[dragon|baker|mouse].",
            how="said",
        )
        t.tell(
            "they used a [curtain|blanket|big leaf] as a coat and a [spoon|stick] as a sword. "
            "the play had [three|four] parts, and in each of them somebody [fell over|was "
            "saved|sneezed]."
        )
        t.attempt("they put on a play")
        t.outcome("they put on a play")
    else:
        t.tell(
            "<idea A>. they took off their shoes and ran outside. splash went the first "
            "puddle, and splash went the next."
            if not t.fable
            else "<idea A>. they ran outside. splash went the first puddle, and splash "
            "went the next."
        )
        t.attempt("they jumped in the puddles")
        t.tell("they [danced|jumped] in the warm rain until they were muddy up to the ears.")
        t.outcome("they jumped in the puddles")
    t.feel("A", t.pick(("happy", "excited")), "the day was fun after all")
    t.paragraph()
    t.world.later("afternoon")
    t.world.weather("sunny")
    t.tell(
        "when the sun came out at last, they did not even notice it.",
        "then the rain stopped, and there was a rainbow [over the roofs|from one end of the sky "
        "to the other|above the wet trees|so big that {A.name} gasped].",
    )
    t.say("S", "the rain has stopped! / Shall we {PLAN} now?", how="asked")
    t.talk(
        "A",
        "later. / First we must finish this.",
        "yes! / But I hope that it rains again tomorrow.",
        mood="happy",
    )
    t.moral("[a bad day can turn into a good one|you can have fun in any weather]")
    finish.ending(
        t,
        "in the evening, there was <meal> for everyone."
        if not t.fable
        else "then there was <fable_meal>, and they ate it all up.",
        "and the next time it rained, {A} cheered.",
    )


@plot("the picnic")
def picnic(t: Tale) -> None:
    """A picnic on which everything goes a bit wrong."""
    t.set_time("noon", "morning")
    t.world.season = t.pick(("spring", "summer"))
    t.set_sky("sunny", "windy")
    t.hero()
    t.peer("B")
    t.peer("C") if t.dice.chance(0.5) else t.parent("C")
    place = t.somewhere("green")
    t.character("A").place = place
    foods = t.dice.sample(
        ("sandwiches", "buns", "cheese", "cherries", "lemonade", "boiled eggs", "cake", "grapes")
        if not t.fable
        else ("nuts", "berries", "seed bread", "honey", "apples", "clover salad", "carrots"),
        3,
    )
    t.word("FOOD", ", ".join(foods[:2]) + " and " + foods[2])
    begin.opening(
        t,
        "{A} packed a basket for a picnic {P.in} with {B.intro} and {C.intro}",
        "{A.name}, {B.intro} and {C.intro} went {P.to} for a picnic",
    )
    t.tell("they had {FOOD}.", "the basket was full of {FOOD}, and everybody was hungry.")
    t.want("A", "to have a nice picnic")
    begin.look(t)
    t.tell("they spread out a [blue|red|striped|big] blanket {P.spot}.")
    t.problem("things went wrong at the picnic", "they had not thought of everything")
    t.paragraph()
    mishaps = t.dice.sample(
        (
            (
                "ants",
                "first came one ant, then came ten, and then {A.names} [basket|blanket|plate] "
                "was black with ants.",
                "they gave the ants a piece of their own, a little way off",
            ),
            (
                "wind",
                "then the wind lifted the blanket, and everything [flew around|rolled down the "
                "slope].",
                "they put a stone on every corner",
            ),
            (
                "goat",
                "a [goat|cow|donkey] came up behind {B.name} and ate [{B.his} hat|the "
                "napkins|half of the food]."
                if not t.fable
                else "somebody crept up behind {B.name} and ate half of the food. it was a "
                "stranger, thin and hungry.",
                "they made friends with it and shared the rest"
                if not t.fable
                else "they made friends with the stranger and shared the rest",
            ),
            (
                "rain",
                "then a small cloud came, stopped right above them, and it rained for exactly "
                "five minutes.",
                "they crept under the blanket and ate there",
            ),
            (
                "spilled drink",
                "{A} turned around too fast, and the [milk|juice|lemonade] ran over everything."
                if not t.fable
                else "{A} turned around too fast, and the honey ran over everything.",
                "they licked it up, one finger at a time"
                if not t.fable
                else "they licked it all up",
            ),
            (
                "ball",
                "a ball came flying from somewhere. plop, right into the middle of the food."
                if not t.fable
                else "a pine cone fell from above. plop, right into the middle of the food.",
                "they laughed and ate around it",
            ),
            (
                "bees",
                "a bee sat down on the sweetest piece, and then its friends came, too.",
                "they moved away slowly and left it to the bees",
            ),
        ),
        t.dice.between(2, 3),
    )
    for _, what, answer in mishaps:
        t.tell(what)
        t.word("ANSWER", answer)
        t.attempt("{ANSWER}")
        t.tell(
            "so {ANSWER}.",
            "{A.name} sighed, and {ANSWER}.",
            '"Never mind," said {B.name}, and {ANSWER}.',
            '"Quick!" {C.name} said, and {ANSWER}.',
        )
        t.talk(
            "B", "what else can go wrong?", "<oh_no>!", "this is a very special picnic.", how=None
        )
    t.feel("A", t.pick(("disappointed", "worried")), "nothing went as {A.he} had planned")
    t.say("A", "I wanted it to be so nice. / And now everything is a mess.", mood="sad")
    t.paragraph()
    t.tell(
        "{B.name} looked at {C.name}, {C.name} looked at {B.name}, and they both began to "
        "[laugh|giggle|laugh out loud]."
    )
    t.say(
        "B",
        "this is the funniest picnic / I ever had!",
        "nobody else had such a picnic!",
        how="laughed",
    )
    t.tell(
        "{A} had to laugh, too, and they ate what was left, and it [was just enough|tasted "
        "twice as good|was a fine meal]."
    )
    t.feel("A", "happy", "they could laugh about it", said=True)
    if t.dice.chance(0.4):
        t.adult("D", "farmer")
        t.tell(
            "{D.name} had seen it all from far away and came over with [a basket of plums|a big "
            "melon|warm bread|a jar of honey] for them.",
        )
        t.outcome("they laughed, and {D.name} shared food with them")
    else:
        t.outcome("they laughed about everything that went wrong")
    t.moral("[it does not have to be perfect to be good|laughing together is the best meal]")
    finish.ending(
        t,
        '"The same again next week?" {A} asked. "Of course!"',
        "years later, they still told each other about it.",
    )
