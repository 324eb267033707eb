"""Plots of the night: darkness, noises, no sleep."""

from __future__ import annotations

from storyworld.plots.registry import plot
from storyworld.scenes import begin, finish
from storyworld.tale import Tale


@plot("afraid of the dark")
def dark(t: Tale) -> None:
    """The dark frightens A; light, company or a closer look make it friendly."""
    t.set_time("night")
    t.set_sky("sunny", "cloudy", "windy")
    t.hero(fable=0.3, traits=("shy", "dreamy", "curious", "gentle", "funny"))
    t.parent()
    t.named_place(
        "P",
        t.wording("the {A.home}")
        if t.fable
        else t.pick(("the bedroom", "the dark room", "the little room under the roof")),
        "in",
    )
    begin.opening(
        t,
        "{A} lay {P.in} and could not sleep",
        "{A} lay {P.in} with wide open eyes",
        about="there was one thing that {A} did not like: the dark.",
    )
    t.want("A", "to not be afraid of the dark")
    t.word(
        "SHADOW",
        "[a tall man with a hat|a big bird|a hand with long fingers|a bear|a wolf with long ears]",
    )
    t.word(
        "REAL",
        "[a coat on a hook|a chair with clothes on it|the curtain|a branch outside]"
        if not t.fable
        else "[a bent branch|a bush in the wind|a big leaf]",
    )
    t.tell(
        "something [moved|creaked|rustled|stirred] in the [corner|dark corner|middle of the "
        "room|dark], and {A} wondered: was that {SHADOW}?",
        "there was a [big|black|strange|long] shadow [on the wall|in the corner|by the door] "
        "that looked like {SHADOW}!",
    )
    t.problem("{A.name} was afraid of the dark", "a shadow looked like {SHADOW}")
    t.feel("A", "scared", "there was a shadow that looked like {SHADOW}", said=True)
    t.tell(
        "{A} pulled the blanket over {A.his} [head|nose|eyes|ears], but [now it was even "
        "darker|that did not help|there it was even darker]."
        if not t.fable
        else "{A} crept deeper into the leaves. but there it was even darker."
    )
    t.attempt("{A.name} hid")
    t.say("A", "{M.name}! / {M.name}, come quickly!", "{M.name}? / Are you there?", mood="scared")
    t.tell("{M} came [at once|with a small lamp|with a candle] and sat down next to {A.o}.")
    t.paragraph()
    way = t.dice.below(3)
    if way == 0:
        t.say("M", "let's look at it <together>.", "shall we go and say hello to it?", how="said")
        t.tell(
            "{A.name} held {M.s} {M.hand}, and step by step they went closer. it was only {REAL}!"
        )
        t.attempt("they went and looked at the shadow")
        t.talk("A", "you are just [funny|silly]!", "it is only {REAL}!", mood="relieved")
        t.outcome("the shadow was only {REAL}")
    elif way == 1:
        t.say(
            "M",
            "close your eyes and listen. / The dark is full of [small|friendly] sounds.",
            "do you know who is awake now? / Listen!",
            how="said",
        )
        t.tell(
            "they listened. there was [an owl that called its friends|a cricket that played its "
            "fiddle|the wind that sang in the leaves], and far away [a train|a dog|a frog]."
        )
        t.attempt("they listened to the sounds of the night")
        t.outcome("{A.name} learned to like the sounds of the night")
    else:
        t.say(
            "M", "come, I will show you something / that you can only see in the dark.", how="said"
        )
        t.tell(
            "they went outside. the sky was full of stars, thousands and thousands of them."
            if t.world.sky == "sunny"
            else "they went outside. [in the bushes|among the trees|over the grass], tiny "
            "lights were dancing. they were fireflies!"
        )
        t.attempt("they went outside into the dark")
        t.talk(
            "A",
            "oh! / Are they always there?",
            "how [beautiful|pretty]! / And the day never told me.",
            mood="surprised",
        )
        t.outcome("{A.name} saw that the dark has its own lights")
    t.feel("A", "calm", "the dark was not so bad", said=True)
    t.paragraph()
    t.say(
        "M",
        "the dark is just the day / with its eyes closed.",
        "good night, my brave {A.kind}.",
        how="said",
    )
    t.moral(
        "[many scary things are harmless when you look at them closely|the dark has its own beauty]"
    )
    finish.ending(
        t,
        "{A} yawned, turned over and slept until morning.",
        '"Good night, dark," {A} whispered. and the dark was quiet and soft.',
    )


@plot("the harmless monster")
def monster(t: Tale) -> None:
    """A strange noise, a brave search, and a small animal at the end of it."""
    t.set_time("evening", "night")
    t.set_sky("windy", "cloudy", "sunny", "foggy")
    t.hero(traits=("brave", "curious", "shy", "clever", "funny"))
    t.peer("B")
    place = t.somewhere("out")
    noun, noise, needs = t.pick(
        (
            ("kitten", "a long, thin cry", "hungry"),
            ("hedgehog", "a loud snuffling and puffing", "stuck"),
            ("baby owl", "a deep hoo, hoo", "lost"),
            ("puppy", "a howl that went up and down", "lonely"),
            ("frog", "a deep, hollow croak", "stuck"),
            ("duckling", "a scratching and peeping", "lost"),
            ("raccoon", "a rattling and clanging", "hungry"),
            ("baby goat", "a strange, shaky cry", "lost"),
            ("mole", "a scraping under the ground", "stuck"),
        )
    )
    t.beast("C", noun)
    t.word("NOISE", noise)
    t.word("NEEDS", needs)
    begin.opening(
        t,
        "{A.name} and {B.intro} were {P.in} when they heard {NOISE}",
        "{A} was {P.in} with {B.intro}. <suddenly>, they heard {NOISE}",
    )
    t.character("A").place = place
    spot = t.wording(t.pick(place.spots))
    t.word("SPOT", spot)
    t.say("B", "what was that?", "did you hear that? / It came from over there!", mood="scared")
    t.say(
        "A",
        "[maybe|perhaps] it is a monster / with [big teeth|three heads|red eyes|long claws].",
        "it sounds like a [ghost|monster|dragon]!",
        mood="scared",
    )
    t.problem("they heard a strange noise", "something {SPOT} made {NOISE}")
    t.feel("A", "scared", "they heard {NOISE}", said=True)
    t.want("A", "to find out what made the noise")
    t.paragraph()
    t.tell(
        "{B} wanted to run. but {A} [picked up a stick|held {B.s} {B.hand}|took one step, and "
        "another].",
        'they wanted to run away, but then {A} thought, "What if it needs help?"',
    )
    t.say(
        "A",
        "we must find out what it is.",
        "let's go and look. / Very, very quietly.",
        how="whispered",
    )
    t.attempt("they went to look for the noise")
    t.tell("they {A.crept} closer, <quiet_like>, and there it was again: {NOISE}!")
    if t.dice.chance(0.5):
        t.tell(
            "[a twig cracked|something moved in the dark|two eyes shone in the dark], and they "
            "both [jumped|froze|held their breath]."
        )
    t.tell(
        "{A} looked {SPOT}, and [what sat there|what was it|what did {A.he} see]? {C.a}!",
        "{SPOT}, something moved, but it was [not a monster at all|no monster|no ghost|nothing "
        "with big teeth]: it was {C.a}!",
    )
    t.feel(
        "A", t.pick(("relieved", "surprised")), "the monster was only a little {C.kind}", said=True
    )
    t.talk("B", "that is the monster? / It is so [small|tiny]!", "hello, monster!", how="laughed")
    t.paragraph()
    t.tell(
        "the {C.kind} was {NEEDS} and [shivered from nose to tail|looked at {A.name} with big "
        "eyes|had been calling for help|looked up at {B.name}]."
    )
    if needs == "hungry":
        t.tell(
            "they brought it a bowl of [milk|water and some bread|food] and watched it eat."
            if not t.fable
            else "they brought it [a bowl of food|something to eat] and watched it eat."
        )
        t.attempt("they gave the {C.kind} something to eat")
    elif needs == "stuck":
        t.tell(
            "its foot was caught [between two stones|in some string|under a root]. {A.name} "
            "[lifted|pulled], {B.name} held it gently, and then it was free."
        )
        t.attempt("they freed the {C.kind}")
    elif needs == "lost":
        t.tell(
            "not far away, {A.name} and {B.name} found its mother, who was "
            "[looking|calling|searching] [everywhere|here and there] and was so [glad|happy] to "
            "see her little one."
        )
        t.attempt("they brought the {C.kind} to its mother")
    else:
        t.tell(
            "they petted it, and it [licked {A.s} nose|wagged its tail|fell asleep in {A.s} arms]."
        )
        t.attempt("they kept the {C.kind} company")
    t.outcome("the monster was a {C.kind} that was {NEEDS}, and they helped it")
    t.moral("[things are often less scary than they sound|it is good to look before you run away]")
    finish.ending(
        t,
        '<from_then>, when they heard a strange noise, they said, "Maybe it is a {C.kind}!"',
        "and they called it Monster, just for fun."
        if needs == "lonely"
        else "they laughed about their monster all the way home.",
    )


@plot("cannot sleep")
def sleepless(t: Tale) -> None:
    """A cannot sleep and tries one thing after another."""
    t.set_time("night")
    t.set_sky("sunny", "windy", "cloudy", "rainy")
    t.hero(fable=0.45, traits=("curious", "cheerful", "funny", "dreamy", "stubborn"))
    t.parent()
    t.named_place("P", t.wording("the {A.home}") if t.fable else "the bedroom", "in")
    begin.opening(
        t,
        "{A} lay {P.in} and was not tired at all",
        "everyone was asleep, but {A} was wide awake {P.in}",
    )
    why = t.pick(
        (
            "tomorrow was a big day",
            "{A.he} had slept too long in the afternoon",
            "{A.he} had a bad dream",
            "{A.his} head was full of thoughts",
        )
    )
    t.word("WHY", why)
    t.problem("{A.name} could not sleep", why)
    t.want("A", "to fall asleep")
    t.tell(
        "{A} could not sleep because {WHY}."
        if "dream" not in why
        else "{A} had dreamed of a [big wave|dark hole|huge spider], and now {A.he} could not "
        "sleep again."
    )
    t.say("A", "{M.name}, / I can't sleep.", "{M.name}, / are you awake?", how="whispered")
    t.note_feeling("A", "tired", "{A.name} could not sleep")
    ideas = t.dice.sample(
        (
            (
                "count sheep",
                "{A} counted sheep, one, two, three, but the sheep [jumped around|would not "
                "stand still] and [made noise|ate the grass|wanted to play].",
            ),
            (
                "drink warm milk",
                "{M} brought a cup of warm milk with honey. {A} drank it. now {A} was awake and "
                "had a white beard.",
            ),
            (
                "turn the pillow",
                "{A} turned the pillow, then {A.he} turned {A.self}, [and then the pillow "
                "again|but it did not help].",
            ),
            (
                "listen to a story",
                "{M} told a story about [a lazy bear|a sleepy king|a very slow snail]. it was "
                "so good that {A} wanted another one.",
            ),
            (
                "look at the moon",
                "{A} looked out. the moon [was out|shone], and it was not asleep either."
                if t.world.sky == "sunny"
                else "{A} looked out. nothing moved in the dark, and that was not interesting.",
            ),
            ("hum a song", "{M} hummed a song. {A} hummed along, louder and louder."),
            (
                "think of nothing",
                "{A} tried to think of nothing. but nothing looked like [a white elephant|a big "
                "cake|a boat], and {A} had to giggle.",
            ),
        ),
        t.dice.between(2, 4),
    )
    t.paragraph()
    for idea, words in ideas:
        t.word("IDEA", idea)
        t.attempt("{A.name} tried to {IDEA}")
        t.say("M", "try to {IDEA}.", "shall we {IDEA}?", "maybe it helps to {IDEA}.", how=None)
        t.tell(words)
    t.paragraph()
    end = t.dice.below(3)
    if end == 0:
        t.say(
            "M", "then don't sleep. / Just lie there and stay awake as long as you can.", how="said"
        )
        t.attempt("{A.name} tried to stay awake")
        t.tell(
            '"That is easy," {A} said, and kept {A.his} eyes wide open, and then half open, and '
            "then {A.he} was asleep."
        )
        t.outcome("{A.name} tried to stay awake and fell asleep")
    elif end == 1:
        t.tell(
            "<at_last>, {M} lay down next to {A.o}. they listened to the [rain|wind|quiet night]."
            if t.world.sky == "rainy"
            else "<at_last>, {M} lay down next to {A.o}. they listened to the [wind|quiet night]."
        )
        t.tell(
            "somebody began to snore. it was {M.name}! {A} smiled, put {A.his} head on {M.s} "
            "shoulder, and slept, too."
            if not t.fable
            else "somebody began to snore. it was {M.name}! {A} smiled, snuggled up, and slept, "
            "too."
        )
        t.attempt("{M.name} lay down next to {A.name}")
        t.outcome("{M.name} fell asleep first and then {A.name}")
    else:
        t.say("M", "tell me the best thing of your day.", "what was good today?", how="said")
        t.tell(
            "{A} [told about|remembered] [the red leaf|the funny dog|the warm bread|the "
            "game|the big puddle|the swing]. then [the second best thing|another good thing]. "
            "then one more, and {A.his} voice got slower and slower."
        )
        t.attempt("{A.name} told the best things of the day")
        t.tell("before {A} came to the end, {A.he} was asleep.")
        t.outcome("{A.name} fell asleep while telling about the day")
    t.note_feeling("A", "calm", "{M.name} was near")
    t.moral("good thoughts make the softest pillow")
    finish.ending(
        t,
        "good night, {A.name}.",
        '"Good night," {M} whispered, and closed the door softly.'
        if not t.fable
        else '"Good night," {M} whispered.',
    )
