"""Plots about changes in the family: a baby, a birthday, a new home."""

from __future__ import annotations

from storyworld.plots.registry import plot
from storyworld.scenes import begin, finish, moments
from storyworld.tale import Tale


@plot("the new baby")
def new_baby(t: Tale) -> None:
    """A new baby takes all the attention; A finds out what it means to be the big one."""
    t.set_time("morning", "afternoon")
    t.set_sky("sunny", "rainy", "cloudy")
    t.hero(fable=0.3, traits=("curious", "stubborn", "funny", "impatient", "gentle"))
    t.parent()
    baby = t.sibling("S", older=False)
    baby.traits[:] = ["tiny"]
    t.named_place(
        "P",
        t.wording("the {A.home}")
        if t.fable
        else t.pick(("the living room", "the baby's room", "the nursery")),
        "in",
    )
    t.thing("X", "soft" if not t.fable else "wear", owner="A")
    begin.opening(
        t,
        "{M} brought home a new baby. it was a little {S.kind} called {S.name}",
        "a baby was born. the baby was a little {S.kind} called {S.name}",
    )
    baby.is_mentioned = True
    t.tell(
        'now everything was about {S.name}: "Hush, {A.name}, the baby is '
        '[sleeping|tired|sick]," {M} said, or "Later, {A.name}, the baby is '
        '[hungry|wet|crying]."',
        "{S} [cried|screamed] and slept and [cried|screamed] again, and {M} had no time for "
        "anything else.",
        "visitors came from near and far. they all looked at the baby, and nobody looked at "
        "{A.name}.",
    )
    t.problem("nobody had time for {A.name}", "the new baby needed so much care")
    t.want("A", "to be noticed again")
    t.feel("A", "jealous", "everybody looked only at {S.name}")
    if t.dice.chance(0.6):
        t.say(
            "A",
            "will you [read to me|play with me|tell me a story]?",
            "can we [play|sing|go out] now, / just you and me?",
            mood="jealous",
        )
        t.say(
            "M",
            "not now. / The baby needs me.",
            "soon, {A.name}. / Soon.",
            "when the baby sleeps. / Just a little while.",
            mood="tired",
        )
    else:
        t.say("A", "can we give it back?", "it only cries. / Babies are boring.", mood="jealous")
        t.say(
            "M",
            "you were that small once, too.",
            "wait a little. / One day you will play together.",
            mood="tired",
        )
    t.paragraph()
    t.tell(
        "{A} [made a big mess|banged on a pot|stood on {A.his} head|sang as loudly as {A.he} "
        "could] so that somebody would look, but {M.name} only [sighed.|looked the other "
        'way.|said, "Hush!"]'
    )
    t.attempt("{A.name} tried to get attention")
    t.tell(
        "<later>, {M} fell asleep in the chair. then {S} began to cry {P.in}."
        if not t.fable
        else "<later>, {M} went out to find food. then {S} began to cry {P.in}."
    )
    t.tell("{A} [waited|looked around], but nobody came. so {A} [tiptoed|went] to the baby.")
    way = t.dice.below(3)
    if way == 0:
        t.tell(
            "{A} sang a song, the one about [the moon|three ducks|a sleepy bear|the rain]. "
            "[very softly|in a low voice] at first, then a little louder."
        )
        t.attempt("{A.name} sang a song for the baby")
    elif way == 1:
        t.tell(
            "{A} made [a funny face|a face like a fish|a noise like a duck|a face like a sleepy "
            "frog]. then {A.he} made another one."
        )
        t.attempt("{A.name} made funny faces")
    else:
        t.tell("{A} [put|laid] {A.his} own {X.fn} next to {S.name}.")
        t.world.give(t.character("A"), t.object("X"), baby)
        t.attempt("{A.name} gave the baby the {X.n}")
    t.tell(
        "{S} stopped crying. {S.he} looked at {A.name}, and then - {S.he} smiled. it was "
        "{S.his} very first smile.",
        "the crying stopped. a tiny {S.hand} reached out and held on to {A.name}.",
    )
    t.feel("A", t.pick(("surprised", "happy", "proud")), "{S.name} had calmed down", said=True)
    t.paragraph()
    t.talk(
        "M",
        "look, {S.name} loves you already!",
        "nobody else could do that. / You are [a great help|wonderful].",
        mood="happy",
    )
    t.tell(
        'then {M} took {A.o} in {M.his} arms. "There is enough love for both of you," {M.he} '
        "[whispered|said]."
    )
    t.outcome("{A.name} calmed the baby and liked being the big one")
    t.moral("love does not get smaller when you share it")
    finish.ending(
        t,
        "<from_then>, when {S.name} cried, everybody called for {A.name}.",
        '"I can\'t wait until you can run and climb with me," {A} whispered into a tiny ear.',
    )


@plot("birthday surprise")
def birthday(t: Tale) -> None:
    """Everybody seems to have forgotten the birthday; the truth is a surprise."""
    t.set_time("morning")
    t.set_sky("sunny", "cloudy", "windy")
    t.hero(fable=0.5)
    t.peer("B")
    t.peer("C")
    t.thing("X", "gift")
    t.world.own(t.character("B"), t.object("X"))
    t.somewhere("out")
    age = t.pick(("four", "five", "six", "seven"))
    t.word("AGE", age)
    begin.opening(
        t,
        "{A} woke up very early, for it was {A.his} birthday",
        "{A} was so excited that {A.he} could not sleep any more. {A.he} was turning {AGE}",
    )
    t.want("A", "to have a birthday party")
    t.feel("A", "excited", "it was {A.his} birthday", said=True)
    t.tell(
        "{A} {A.ran} to {B.intro}, {A.his} best friend."
        if t.fable
        else "{A} {A.ran} next door to {B.intro}, {A.his} best friend."
    )
    t.say(
        "A",
        "guess what day it is today!",
        "good morning, {B.name}! / Do you know what today is?",
        mood="excited",
    )
    t.say(
        "B",
        "[Monday|Tuesday|Friday]? / Sorry, I have to go.",
        "a day like any other. / I am very busy, {A.name}.",
        "I can't play today. / I have to [wash my socks|sweep the floor|count my buttons]."
        if not t.fable
        else "I can't play today. / I have to sweep my {B.home}.",
        how="said",
    )
    t.tell(
        "then {A} met {C.intro}. but {C} only [waved|yawned|said hello] and hurried away, [with "
        "a big bag|with something behind {C.his} back]."
    )
    t.attempt("{A.name} reminded {B.name} and {C.name}")
    t.problem(
        "{A.name} thought that everybody had forgotten the birthday",
        "the friends did not say a word about it",
    )
    t.feel("A", t.pick(("sad", "lonely", "disappointed")), "nobody remembered {A.his} birthday")
    t.paragraph()
    if t.dice.chance(0.25):
        _forgotten_after_all(t)
        return
    t.tell_if(
        "detail",
        "{A} walked around alone <all_day>."
        if not t.fable
        else "{A} sat under a tree and looked at the clouds <all_day>.",
        "{A} [kicked a stone|drew circles in the dust] and wondered why.",
    )
    moments.think_it_over(
        t,
        "maybe they don't like me any more",
        "a birthday is not so important",
        "next year, perhaps",
    )
    t.world.later("afternoon")
    t.tell(
        "in the afternoon, {A} found a [note|leaf with a message|piece of paper]. it said: come "
        "{P.to}!",
        "in the afternoon, a little bird dropped a note. it said: come {P.to}!"
        if t.fable
        else "in the afternoon, there was a note under the door. it said: come {P.to}!",
    )
    t.go("A", "P")
    t.tell(
        "everything was quiet {P.in}. then somebody [giggled|sneezed] {P.spot}.",
        "at first, {A} saw nobody. then something moved {P.spot}.",
    )
    t.tell(
        '"Surprise!" all the friends [shouted|cried] and jumped out. there were [red and '
        "blue|yellow|colorful] [balloons|paper lanterns|ribbons|flowers] in the trees and a "
        "cake with {AGE} candles."
    )
    t.feel("A", "surprised", "all the friends had planned a party", said=True)
    t.talk(
        "B",
        "did you really think / we forgot?",
        "we could not tell you. / It was so hard to keep it secret!",
        mood="happy",
    )
    t.paragraph()
    t.give("B", "X", "A", narrate=False)
    t.tell("{B} gave {A.o} {X.a}. [it was just what {A.he} had wished for|{A} loved it at once].")
    t.tell_if(
        "detail",
        "they sang, they danced, and [{C.name} fell into the cake|a squirrel ran off with a "
        "cookie|{B.name} ate four pieces of cake].",
    )
    moments.play(t)
    t.outcome("the friends had planned a surprise party")
    t.note_feeling("A", "happy", "the friends had not forgotten")
    t.moral("good friends do not forget you")
    finish.ending(
        t,
        "when {A} blew out the candles, {A.he} made a [secret wish|wish and told nobody|wish "
        "with {A.his} eyes shut].",
        "it was the best birthday {A} [ever had|had ever had].",
    )


def _forgotten_after_all(t: Tale) -> None:
    """The bittersweet version: the friends had really forgotten, and make up for it."""
    t.world.later("evening")
    t.tell("{A} [sat|waited] {P.in} all alone, but there was no [cake|party].")
    t.tell(
        "the day went by, and nobody came. {A} ate [a piece of bread|a bun|an apple] all alone and "
        "went to bed early.",
        "{A} waited until it was dark, but [nobody came|no one came by]. so {A.he} went to bed.",
    )
    t.tell("then there was a [soft|shy|hurried] knock. it was {B.name}, quite out of breath.")
    t.say("B", "I forgot it! / I am so sorry, {A.name}.", "your birthday! / How could I forget?")
    t.attempt("{B.name} came in the evening to say sorry")
    t.give("B", "X", "A", narrate=False)
    t.tell(
        "{B} had brought {X.a} and a [small|little] [cookie|bun|pancake] with one candle on it.",
        "in one {B.hand}, {B} held {X.a}, and in the other a [small|little] candle.",
    )
    t.say("A", "you came. / That is what counts.", "it is still my birthday / for two more hours!")
    t.outcome("{B.name} had forgotten the birthday but came late with a {X.n}")
    t.note_feeling("A", "happy", "{B.name} had come after all")
    t.moral("it is never too late to say sorry")
    finish.ending(
        t,
        "the two of them sat in the candlelight and told stories until {A.he} yawned.",
        "and the next day, they had the party, one day late and twice as loud.",
    )


@plot("moving home")
def moving(t: Tale) -> None:
    """A family moves; what is lost, and what is found in the new place."""
    t.set_time("morning")
    t.set_sky("sunny", "cloudy", "rainy", "windy")
    t.hero(fable=0.3, traits=("shy", "dreamy", "curious", "gentle", "stubborn"))
    t.parent()
    t.thing("X", "soft" if not t.fable else "treasure", owner="A")
    t.word(
        "OLD",
        "[the apple tree|the swing|the creaky stairs|the little window|the cat next door|the "
        "old neighbor]"
        if not t.fable
        else "[the old tree|the brook|the soft moss|the view]",
    )
    t.named_place("P", t.wording("the new {A.home}"), "in")
    begin.opening(
        t,
        "{M} said that they were going to move",
        "the family packed everything into [boxes|big boxes|bags and boxes]"
        if not t.fable
        else "the family packed everything into [baskets|bundles]",
    )
    t.tell("{A} did not want to [go|leave]. {A.he} would miss {OLD} and all {A.his} friends.")
    t.problem("{A.name} did not want to leave the old {A.home}", "the family had to move")
    t.want("A", "to stay in the old {A.home}")
    t.feel("A", "sad", "{A.he} had to leave {OLD}", said=True)
    t.say(
        "M",
        "I will miss it, too. / But a new place has new treasures.",
        "you can take your {X.n} with you. / And we will all be together.",
        "home is where we are together.",
        how="said",
    )
    t.tell(
        "{A} said goodbye to {OLD}, held {X} tight and did not look back.",
        "{A} said goodbye to every corner and every stone. then they left.",
    )
    t.attempt("{A.name} said goodbye to everything")
    t.paragraph()
    t.go("A", "P", narrate=False)
    t.tell(
        "{P} was [big and empty|strange|very quiet]. it smelled of [paint|dust|wood], and [the "
        "floor creaked|every step echoed]."
        if not t.fable
        else "{P} was [strange|empty|dark]. it smelled of [earth|wet leaves], and nothing was "
        "where it should be."
    )
    t.tell_if(
        "detail",
        "[that night|the first night], {A} could not sleep. {A.he} told {X} all about it."
        if t.object("X").noun.noun not in ("coin",)
        else "that night, {A} could not sleep.",
    )
    t.feel("A", "lonely", "everything was strange")
    t.world.next_day()
    found = t.dice.below(3)
    t.tell("the next morning, {A} [woke up early|heard a noise outside|went out to look around].")
    t.peer("B").stranger = True
    if found == 0:
        t.tell("it was {B.intro} with a [plate of cookies|basket of plums|jar of jam].")
        t.say(
            "B",
            "welcome! / I live next door. Shall I show you everything?",
            "hello! / Are you new? I was new last year, too.",
        )
        t.attempt("{B.name} showed {A.name} the neighborhood")
        t.tell("{B} showed {A.o} the best [climbing tree|hill for sleds|place for berries|puddle].")
    elif found == 1:
        t.tell(
            "{A} went to look and found a little gate behind the bushes. behind it was a [tiny "
            "garden|pond with frogs|tree house|meadow] - and {B.intro}."
        )
        t.say(
            "B",
            "nobody ever found this place before. / It can be ours.",
            "hello! / You can come in.",
        )
        t.attempt("{A.name} explored the new place")
    else:
        t.tell(
            "somebody was sitting on the wall. it was {B.intro}, and {B.he} was crying."
            if not t.fable
            else "somebody was sitting under a bush. it was {B.intro}, and {B.he} was crying."
        )
        t.say(
            "B",
            "my best friend has just moved away.",
            "I have nobody to play with any more.",
            mood="sad",
        )
        t.note_feeling("B", "sad", "{B.names} best friend had moved away")
        t.say(
            "A",
            "I have just moved here. / Let's be alone together!",
            "I am all alone, too. / Do you want to hold my {X.n}?",
            how="said",
        )
        t.attempt("{A.name} comforted {B.name}")
    t.paragraph()
    moments.play(t)
    t.feel("A", "happy", "{A.he} was not alone any more", said=True)
    t.outcome("{A.name} found a new friend in the new place")
    t.moral("saying goodbye can also be the start of something new")
    finish.ending(
        t,
        'in the evening, {A} wrote a letter to the old friends: "Come and see us soon!"',
        '"Good night, new {A.home}," {A} whispered, and the {A.home} creaked back.'
        if not t.fable
        else '"Good night, new {A.home}," {A} whispered. it did not feel strange any more.',
    )
