"""Fables of small and clever animals."""

from __future__ import annotations

from storyworld.plots.registry import plot
from storyworld.scenes import begin, finish
from storyworld.tale import Tale


@plot("small helps big")
def small_helps_big(t: Tale) -> None:
    """A big animal spares or helps a small one, and is helped in turn."""
    t.set_time("morning", "afternoon")
    t.set_sky("sunny", "cloudy", "windy")
    t.hero(
        fable=1.0,
        species=("lion", "tiger", "bear", "elephant", "deer", "giraffe", "pony"),
        traits=("proud", "grumpy", "kind", "lazy", "brave"),
    )
    place = t.somewhere("out")
    t.character("A").place = place
    small = t.neighbours(flies=False, sizes=(0, 1)) or ["mouse"]
    t.peer("B", noun=t.pick(small))
    begin.opening(t, "{A} was resting {P.in}", "{A} lay {P.in} and slept")
    begin.look(t)
    t.tell(
        "a {B.kind} called {B.name} {B.ran} over {A.his} nose by mistake.",
        "{B.intro} did not look around and bumped right into {A.s} nose.",
    )
    t.tell("{A} [woke up|opened one eye] and held {B.o} fast with {A.his} {A.hand}.")
    t.feel("B", "scared", "{A.name} was so big")
    t.say(
        "B",
        "please let me go! / One day I will help you.",
        "don't hurt me! / I can be a good friend.",
        mood="scared",
    )
    t.say(
        "A",
        "you? Help me? / You are so small!",
        "ha, ha! / What could you do for me?",
        how="laughed",
    )
    t.tell(
        "but {A} was in a good mood and let {B.o} go.",
        "that was so funny that {A} let go. {B} hurried away as fast as {B.he} could.",
    )
    t.attempt("{A.name} let {B.name} go")
    t.world.next_day()
    t.paragraph()
    trap, freed = t.pick(
        (
            ("got caught in a net", "bit through the ropes, one after the other"),
            ("had a long thorn in {A.his} foot", "pulled the thorn out with tiny care"),
            (
                "fell into a deep pit",
                "fetched all the little animals, and together they filled the pit with branches "
                "until {A} could climb out",
            ),
            ("got stuck between two trees", "called a hundred ants to dig the roots free"),
            (
                "had something in {A.his} eye and could not see",
                "looked closely and wiped a tiny seed out of the eye",
            ),
            ("got tangled in an old rope", "chewed and chewed until the last knot fell"),
        )
    )
    t.tell("<days_later>, {A} " + trap + ".", "not long after that, {A} " + trap + ".")
    t.problem("{A.name} " + trap, "{A.name} did not see the danger")
    t.want("A", "to be free again")
    t.tell(
        "{A} [pulled|pushed|turned] and [shouted|groaned|moaned], but [it only got "
        "worse|nothing moved|it was no use]."
    )
    t.attempt("{A.name} tried alone")
    t.feel("A", "scared", "{A.he} could not help {A.self}", said=False)
    t.tell_if(
        "detail",
        "[big|strong|tall] animals came by, but [none of them could help {A.name}|they did not "
        "dare to come near|they did not know what to do|they only shook their heads].",
    )
    t.tell("then there was a tiny voice. it was {B.name}!", "{B} heard it from far away and came.")
    t.say("B", "don't move. / I will help you.", "do you remember me?", how="said")
    t.tell("{B} " + freed + ".")
    t.cast["?"] = t.character("A")
    t.attempt("{B.name} helped {A.name}")
    t.paragraph()
    t.feel("A", t.pick(("grateful", "relieved")), "{B.name} had helped {A.o}", said=True)
    t.say(
        "A",
        "I laughed at you, / and you saved me.",
        "such a small friend, / and such a big heart.",
        mood="sorry",
    )
    t.outcome("small {B.name} saved big {A.name}")
    t.moral("[even the smallest friend can be a great help|kindness comes back to you]")
    finish.ending(
        t,
        "<from_then>, {B} rode on {A.s} back wherever they went.",
        "and whenever {A} slept, {B} kept watch.",
    )


@plot("the clever trick")
def clever_trick(t: Tale) -> None:
    """A hungry hunter catches a clever one, who talks or thinks a way out."""
    t.set_time("morning", "evening")
    t.set_sky("sunny", "cloudy", "foggy")
    t.hero(
        fable=1.0,
        species=(
            "rabbit",
            "mouse",
            "squirrel",
            "hedgehog",
            "lamb",
            "duck",
            "frog",
            "chick",
            "monkey",
            "robin",
        ),
        traits=("clever",),
    )
    place = t.somewhere("out")
    t.character("A").place = place
    hunter = {"forest": "fox", "meadow": "fox", "farm": "fox", "water": "fox", "jungle": "tiger"}[
        t.world.land
    ]
    if t.world.land == "forest" and t.dice.chance(0.4):
        hunter = "bear"
    t.peer("B", noun=hunter, trait="hungry")
    begin.opening(
        t, "{A} was looking for {A.food} {P.in}", "{A} was {P.in} and did not look around"
    )
    t.tell(
        "a hungry {B.kind} called {B.name} was hiding {P.spot}.",
        "<quietly>, a {B.kind} called {B.name} crept up. {B.he} was very hungry.",
    )
    t.tell(
        "snap! {B} jumped out and held {A.o} fast.",
        "with one leap, {B} was there and caught {A.o}.",
    )
    t.say(
        "B",
        "now I will eat you up!",
        "what a nice little [supper|breakfast] you are!",
        how=t.pick(("growled", "said")),
    )
    t.problem("{B.name} wanted to eat {A.name}", "{B.name} was hungry")
    t.want("A", "to get away")
    t.feel("A", "scared", "{B.name} wanted to eat {A.o}", said=True)
    t.tell("but {A.name} [stayed calm|began to think|did not scream|thought hard and fast].")
    t.paragraph()
    trick = t.dice.below(5)
    if trick == 0:
        t.say(
            "A",
            "I am so small and thin. / Behind the hill lives my fat [uncle|cousin]. Shall I "
            "bring him?",
            how="said",
        )
        t.attempt("{A.name} promised something bigger")
        t.tell(
            "{B} thought of the big meal and let {A.o} go. {B.he} waited until [noon|night|the "
            "next day], but nobody came."
        )
    elif trick == 1:
        t.say(
            "A",
            "look into the water! / There is another {B.kind}, and it has a bigger catch.",
            how="said",
        )
        t.attempt("{A.name} showed {B.name} the mirror in the water")
        t.tell(
            "{B} looked into the pool. indeed, there was a {B.kind} with open mouth! {B} jumped "
            "at it. splash! {B.he} was wet all over, and {A} was gone."
        )
    elif trick == 2:
        t.say(
            "A",
            "before you eat me, / may I hear your famous singing?",
            "everyone says you have a beautiful voice. / Is it true?",
            how="asked",
        )
        t.attempt("{A.name} asked {B.name} to sing")
        t.tell(
            "{B} was proud of {B.his} voice. {B.he} opened {B.his} mouth wide, closed {B.his} "
            "eyes and sang. and {A}? {A.he} slipped away between the notes."
        )
    elif trick == 3:
        t.say("A", "you must wash your {B.hands} first! / All fine folks do that.", how="said")
        t.attempt("{A.name} spoke of good manners")
        t.tell(
            "{B} did not want to be rude. {B.he} went to the water to wash. when {B.he} came "
            "back with clean {B.hands}, nobody was there."
        )
    else:
        t.say(
            "A",
            "not so loud! / Do you hear the hunters? They are coming this way.",
            how="whispered",
        )
        t.attempt("{A.name} pretended to hear hunters")
        t.tell(
            "{B} pricked up {B.his} ears and looked around. something cracked {P.spot}, and off "
            "{B.he} ran, as fast as {B.his} legs could carry {B.him}. it was only a falling "
            "branch."
        )
    t.outcome("{A.name} tricked {B.name} and got away")
    t.feel("A", "relieved", "{A.he} was free", said=True)
    t.feel("B", t.pick(("angry", "disappointed")), "{A.name} had tricked {B.o}")
    t.paragraph()
    if t.dice.chance(0.35):
        t.tell(
            "that evening, {A} put a big bowl of {A.food} outside, because nobody should "
            "go hungry. {B} found it and was ashamed."
        )
        t.outcome("{A.name} got away and left food for {B.name}")
    t.moral(
        "[a clever head is better than sharp teeth|it helps to think first and be afraid later]"
    )
    finish.ending(
        t,
        "at home, {A} told the story, and everybody laughed until late.",
        "<from_then>, {A} always kept one ear open.",
    )
