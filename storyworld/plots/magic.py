"""Plots with a little magic."""

from __future__ import annotations

from storyworld.plots.registry import plot
from storyworld.scenes import begin, finish
from storyworld.tale import Tale


@plot("a wish with a twist")
def wish(t: Tale) -> None:
    """A wish comes true to the letter and turns out not to be so good."""
    t.set_time("morning", "afternoon")
    t.set_sky("sunny", "cloudy", "windy")
    t.hero(traits=("impatient", "greedy", "dreamy", "curious", "lazy", "stubborn"))
    place = t.somewhere("green")
    t.character("A").place = place
    giver, how = t.pick(
        (
            ("fairy", "caught in a spider's web"),
            ("golden fish", "lying on the dry ground"),
            ("tiny man with a green hat", "stuck in a bottle"),
            ("talking frog", "stuck under a stone"),
            ("little star", "stuck in a thorn bush"),
            ("old woman with a blue coat", "looking for her glasses"),
            ("white bird", "caught in a net"),
        )
    )
    t.beast("C", giver)
    t.word("HOW", how)
    begin.opening(
        t, "{A} was {P.in} when {A.he} saw a {C.kind}", "{A} went {P.to}. there was a {C.kind}"
    )
    t.character("C").is_mentioned = True
    t.tell(
        "the {C.kind} was {HOW}. {A} helped right away.",
        "{A} saw that the {C.kind} was {HOW}, and {A.he} helped.",
    )
    t.attempt("{A.name} helped the {C.kind}")
    t.tell(
        '"Thank you, {A.name}," said the {C.kind}. "[You have one wish|Now you may make a '
        'wish|I will give you a wish], but [choose well|think first|be careful|take your time]!"'
    )
    want, result, back, felt = t.pick(
        (
            (
                "that everything I touch turns to [gold|chocolate|sugar]",
                "now {A} wanted to drink, but the water grew hard. {A} wanted to hug a friend "
                "and did not dare to",
                "everything soft and warm was gone",
                ("sad", "lonely"),
            ),
            (
                "that it is my birthday every day",
                "there was cake in the morning, at noon and at night. on the fourth day, {A} "
                "could not look at cake any more, and nobody had a present left",
                "nothing was special any more",
                ("sad", "bored", "disappointed"),
            ),
            (
                "that it never rains again",
                "the sun shone and shone. the flowers hung their heads, the brook ran dry, and "
                "the frogs were silent",
                "everything was thirsty",
                ("sorry", "worried"),
            ),
            (
                "to be as big as a house",
                "{A} did not fit through any door. nobody could hear {A.him}, and nobody could "
                "play with {A.him}",
                "{A.he} was all alone up there",
                ("sad", "lonely"),
            ),
            (
                "to be as small as an ant",
                "the grass was a dark forest, every drop of rain was a flood, and a hungry bird "
                "came closer and closer",
                "everything was dangerous",
                ("scared", "worried"),
            ),
            (
                "that everybody does what I say",
                "everybody said yes to everything. nobody told a joke, nobody had an idea, and "
                "every game was boring",
                "nobody was a real friend any more",
                ("sad", "lonely"),
            ),
            (
                "that I never have to sleep",
                "the nights were long and dark. {A} was so tired and could not close {A.his} eyes",
                "nobody else was awake",
                ("sad", "lonely"),
            ),
            (
                "to have more toys than anyone",
                "there were toys up to the roof. {A} could not find the bed, or the door, or "
                "{A.his} old favorite toy",
                "there was no room to play",
                ("sad", "sorry"),
            ),
            (
                "to be invisible",
                "nobody saw {A.him}. nobody said good morning. at supper, nobody gave {A.him} a "
                "plate",
                "nobody knew that {A.he} was there",
                ("sad", "lonely"),
            ),
        )
    )
    t.word("WISH", want)
    t.want("A", "a wish: {WISH}")
    t.say("A", "I wish {WISH}!", "I know! / I wish {WISH}!", mood="excited")
    t.tell(
        "there was a [flash|puff of smoke|soft ringing of bells], and the wish came true.",
        "the {C.kind} [nodded|smiled|hummed three notes|said a strange word], and "
        "[swish|pling|poof|whoosh], it was so!",
    )
    t.paragraph()
    t.tell(
        "at first, {A} [laughed and danced|showed it to everyone|could hardly believe it] "
        "because it was so [wonderful|great|much fun]."
    )
    t.feel("A", "happy", "the wish had come true", said=True)
    t.tell(
        "but then it was not so good. " + result + ".",
        "but soon there was trouble. " + result + ".",
    )
    t.problem("the wish turned out badly", "{A.name} had not thought about it")
    t.cast["?"] = t.character("A")
    t.feel("A", t.pick(felt), back)
    t.say(
        "A",
        "I did not want this!",
        "how could I be so silly?",
        "I want everything to be as it was.",
        mood="sad",
    )
    t.attempt("{A.name} wanted to undo the wish")
    t.paragraph()
    t.tell(
        "{A} {A.ran} back {P.to} and called and called. <at_last>, the {C.kind} came.",
        "{A} looked here and there. {P.spot}, the {C.kind} was waiting.",
    )
    t.say("A", "please, take the wish back!", "please make it as it was before!", mood="sorry")
    cost = t.dice.below(3)
    if cost == 0:
        t.tell(
            '"I can do that," said the {C.kind}, "if you tell me what you really need." {A} '
            'thought. "[Friends|My family|Just an ordinary day]," {A.he} said.'
        )
        t.attempt("{A.name} said what was really important")
    elif cost == 1:
        t.tell(
            '"Then you must do three good deeds," said the {C.kind}. {A} did four: {A.he} '
            "[carried wood|fed the birds], comforted a crying child, shared {A.his} lunch, and "
            "swept the yard."
            if not t.fable
            else '"Then you must do three good deeds," said the {C.kind}. {A} did four, just to '
            "be sure."
        )
        t.attempt("{A.name} did good deeds")
    else:
        t.tell('the {C.kind} smiled. "I was only waiting for you to ask."')
    t.tell(
        "there was a soft sound, like a [bell|breath|drop of water|sigh|falling leaf], and "
        "{A.names} wish was [undone|gone|over|nothing but a dream]."
    )
    t.feel("A", "relieved", "everything was as before", said=True)
    t.outcome(
        "the wish was undone "
        + ("by the right answer", "after good deeds", "because {A.name} asked")[cost]
    )
    t.moral("[one should be careful with wishes|the best things are often those we already have]")
    finish.ending(
        t,
        "{A} looked around. [a warm meal, a soft bed, a friend at the door|the sky, the grass, "
        "a friend who waved]: what more could one wish for?",
        "and if {A} ever meets a {C.kind} again? {A.he} will think first.",
    )


@plot("the tiny dragon")
def dragon(t: Tale) -> None:
    """A small dragon with a problem meets A; fire can be useful."""
    t.set_time("morning", "afternoon")
    t.world.season = t.pick(("autumn", "winter", "spring"))
    t.set_sky("cloudy", "windy", "foggy")
    t.hero(traits=("brave", "curious", "clever", "kind", "funny"))
    place = t.somewhere("out")
    t.character("A").place = place
    color = t.pick(("green", "red", "blue", "purple", "golden"))
    c = t.beast("C", f"{color} dragon", gender=t.pick("mf"))
    c.name = t.pick(("Fizz", "Spark", "Puff", "Cinder", "Flick", "Smoky", "Sizzle", "Blaze"))
    begin.opening(t, "{A} heard a sneeze {P.in}", "{A} was {P.in} and smelled smoke")
    t.tell(
        "{P.spot} sat a tiny {C.kind}, no bigger than a [cat|duck|boot].",
        "it came from a tiny {C.kind}. it sat {P.spot}.",
    )
    t.feel("A", t.pick(("surprised", "scared")), "there was a real dragon", said=True)
    t.say("A", "are you going to eat me?", "are you a real dragon?", how="asked")
    t.say(
        "C",
        "no! / I only eat [nuts|hot soup|apples|toast]. My name is {C.name}.",
        "I am {C.name}, / and I have a problem.",
        how="said",
    )
    trouble, cause = t.pick(
        (
            ("cannot stop sneezing fire", "every flower makes {C.him} sneeze"),
            ("cannot make any fire", "{C.he} had swallowed too much rain"),
            ("has nobody to play with", "everybody ran away from {C.him}"),
            ("is always cold", "{C.his} cave was wet"),
        )
    )
    t.word("WHY", cause)
    t.problem("{C.name} the dragon " + trouble, "{WHY}")
    t.want("C", "help with {C.his} problem")
    t.paragraph()
    if trouble.startswith("cannot stop"):
        t.tell(
            '"Achoo!" A small flame came out, and a [leaf|stick|thistle] was gone. "I burn '
            'everything," said {C.name}. "And I don\'t want to."'
        )
        t.tell(
            "{A} tried a [scarf around the nose|cold drink|leaf on the nose]. achoo! that did "
            "not help."
        )
        t.attempt("{A.name} tried to stop the sneezing")
        t.tell(
            '<idea A>. "Come with me," {A.he} said. {A.he} brought {C.name} to [the baker, '
            "whose oven was cold|the smith, whose fire had gone out|an old couple without dry "
            "wood]."
            if not t.fable
            else '<idea A>. "Come with me," {A.he} said. {A.he} brought {C.name} to the others, '
            "who were cold and had no fire."
        )
        t.tell('"Achoo!" said {C.name}. and the fire burned.')
        t.attempt("{A.name} found a use for the fire")
        t.outcome("the sneezes of {C.name} lit a fire that was needed")
    elif trouble.startswith("cannot make"):
        t.tell('"Look," said {C.name} and blew. only a bit of steam came out.')
        t.tell(
            "{A} brought [pepper|hot tea|dry leaves|chili soup]. it did not help. then they "
            "both had the hiccups."
        )
        t.attempt("{A.name} brought something hot")
        t.tell(
            "so {A} just told a joke. {C} laughed so hard that {C.he} glowed from nose to tail, "
            "and - whoosh! - there was a flame as long as a broom."
        )
        t.attempt("{A.name} told a joke")
        t.outcome("laughing brought the fire of {C.name} back")
    elif trouble.startswith("has nobody"):
        t.tell('"Everybody screams and runs away," said {C.name}. "I only want to play."')
        t.tell("{A} brought {C.o} to the others. they screamed and ran away.")
        t.attempt("{A.name} brought {C.name} to the others")
        t.tell(
            "then {A} had another idea: in the evening, {C.name} lit all the lanterns, and the "
            "smallest came closer, and closer, and in the end they all wanted to [ride on|pet] "
            "the dragon."
        )
        t.attempt("{C.name} lit the lanterns for all")
        t.outcome("the others were no longer afraid of {C.name}")
    else:
        t.tell('{C} shivered so much that {C.his} teeth clicked. "My cave is so wet," {C.he} said.')
        t.tell(
            "{A} gave {C.o} a scarf. it was too [short|thin]. {A} gave {C.o} a blanket. {C} "
            "sneezed, and there was a hole in it."
        )
        t.attempt("{A.name} brought warm things")
        t.tell(
            '"You may sleep in our stove," said {A.name}. "It is warm there, and nobody else '
            'wants it."'
            if not t.fable
            else '"You may sleep in our {A.home}," said {A.name}. "It is dry there, and warm."'
        )
        t.attempt("{A.name} offered a place to sleep")
        t.outcome("{C.name} moved in with {A.name}")
    t.paragraph()
    t.feel("C", "happy", "{A.name} had helped {C.o}")
    t.talk("C", "nobody ever helped me before.", "you are my first friend!", mood="happy")
    t.moral("[what looks like a fault can be a gift|somebody who looks scary may need a friend]")
    finish.ending(
        t,
        "<from_then>, {A.name} always had warm [toast|feet|soup] in winter.",
        "and if you see smoke {P.in}, do not be afraid. it is only {C.name}.",
    )
