"""Plots about promises and lies."""

from __future__ import annotations

from storyworld.plots.registry import plot
from storyworld.scenes import begin, finish, moments
from storyworld.tale import Tale


@plot("the promise")
def promise(t: Tale) -> None:
    """A promises something; something more tempting comes; kept or broken."""
    t.set_time("morning")
    t.set_sky("sunny", "cloudy", "windy")
    t.hero(traits=("dreamy", "cheerful", "helpful", "honest", "careless", "funny"))
    t.peer("B")
    t.peer("C")
    t.somewhere("away")
    t.word(
        "TASK",
        "[water the flowers|feed the fish|feed the hens|look after the garden]"
        if not t.fable
        else "[watch the nest|water the seedlings|guard the nuts|look after the garden]",
    )
    t.word(
        "FUN",
        "[build a hut|have a picnic|have a race|dance|play pirates|play hide and seek]"
        if not t.fable
        else "[build a hut|have a feast|have a race|dance|play hide and seek]",
    )
    begin.opening(
        t,
        "{B.intro} came to {A.name} with a question",
        "{A} met {B.intro}, who was about to go on a trip",
    )
    t.say(
        "B",
        "I must go away for [two|three] days. / Will you {TASK} for me?",
        "can you {TASK} / while I am away?",
        how="asked",
    )
    t.say("A", "yes, I promise!", "of course. / You can count on me.", how="said")
    t.want("A", "to keep a promise to {TASK}")
    t.tell_if(
        "detail",
        "on the first day, {A} did just that, and it was [easy|not much work|even fun].",
        "{A} kept {A.his} word on the first day.",
    )
    t.world.next_day()
    t.paragraph()
    t.tell("but on the second day, {C.intro} came by.")
    t.say(
        "C",
        "we are going {P.to} to {FUN}. / Come with us, right now!",
        "everyone is {P.in}, and we will {FUN}! / Are you coming?",
        mood="excited",
    )
    t.problem(
        "{A.name} had to choose between a promise and fun", "{C.name} asked {A.name} to come along"
    )
    moments.think_it_over(
        t, "just this once will not matter", "but I gave my word", "{B.name} will never know"
    )
    if t.dice.chance(0.5):
        t.attempt("{A.name} did the work first")
        t.say(
            "A",
            "I can't come yet. / I made a promise.",
            "you go first. / I have something to do.",
            how="said",
        )
        t.feel("A", "sad", "{A.he} could not go along")
        t.tell(
            "{A} worked [quickly|hard], and when everything was done, {A.he} {A.ran} {P.to}. "
            "[there was still time for fun|the others had saved a place for {A.him}]."
        )
        t.world.next_day()
        t.tell(
            "when {B} came back, everything was [fresh and green|in good order|just as it "
            "should be]."
        )
        t.talk(
            "B",
            "you kept your promise! / You are a true friend.",
            "I knew I could trust you. / Look, I brought you something.",
            mood="happy",
        )
        t.feel("A", "proud", "{A.he} had kept {A.his} promise")
        t.outcome("{A.name} kept the promise")
        t.moral("a promise is a promise")
        finish.ending(
            t,
            '"Next time, ask me again," {A} said, and {A.he} meant it.',
            "and {C.name}? {C.he} asked {A.name} to look after {C.his} things, too.",
        )
    else:
        t.attempt("{A.name} went along and forgot the promise")
        t.tell("so {A} went along. it was [great|wonderful], and {A.he} forgot everything else.")
        t.world.next_day()
        t.tell(
            "when {B} came back, [it was too late|it did not look good]: what {A.name} should "
            "have looked after was in a bad state."
        )
        t.feel("B", "disappointed", "{A.name} had forgotten the promise")
        t.say("B", "you promised.", "I trusted you.", mood="sad")
        t.feel("A", "sorry", "{A.he} had broken {A.his} promise", said=True)
        t.tell(
            "{A} said sorry, but words were not enough, and so for a whole [week|month] {A.he} "
            "came every [day|morning|afternoon] and helped {B.name} to make it right."
        )
        t.attempt("{A.name} helped every day to make it right")
        t.say(
            "B",
            "I forgive you. / Everybody forgets once.",
            "now I can trust you again.",
            how="said",
        )
        t.outcome("{A.name} broke the promise but made it right again")
        t.moral("trust is easy to lose, and it takes time to win it back")
        finish.ending(
            t,
            "<from_then>, {A} thought twice before {A.he} promised anything.",
            "the next promise {A} made, {A.he} kept.",
            mood="soft",
        )


@plot("a lie grows")
def lie(t: Tale) -> None:
    """A small lie needs a bigger one, until the truth comes out."""
    t.set_time("morning", "afternoon")
    t.set_sky("sunny", "rainy", "cloudy")
    t.hero(fable=0.3, traits=("clever", "funny", "impatient", "shy", "proud"))
    t.parent()
    t.sibling("S", older=False)
    t.thing("X", "treat")
    t.world.own(t.character("M"), t.object("X"))
    t.named_place("P", "the kitchen" if not t.fable else t.wording("the {A.home}"), "in")
    begin.opening(
        t,
        "{M} put {X.a} on a flat stone {P.in}" if t.fable else "{M} put {X.a} on the table {P.in}",
        "{M} made {X.a} and left {X.it} {P.in}",
    )
    t.world.drop(t.character("M"), t.object("X"), "on the table")
    t.say(
        "M",
        "that is for [tonight|the guests|Grandma|after supper]. / Nobody touches it, please.",
        "it is for later. / Don't eat it, all right?",
        how="said",
    )
    t.want("A", "to eat the {X.n}")
    t.tell(
        "but it smelled so good! {A} took [one little crumb|just one bite], and another, until "
        "nothing was left.",
        "{A} tried to think of something else. but soon there was only an empty plate."
        if not t.fable
        else "{A} tried to think of something else. but soon there was nothing left.",
    )
    t.take("A", "X", narrate=False)
    t.world.consume(t.character("A"), t.object("X"))
    t.paragraph()
    t.say("M", "who ate the {X.n}?", "where is the {X.n}?", how="asked")
    blame_child = t.dice.chance(0.5)
    t.problem("{A.name} ate the {X.n} and lied about it", "{A.name} was afraid to tell the truth")
    t.note_feeling("A", "scared", "{M.name} asked about the {X.n}")
    if blame_child:
        t.say("A", "it was {S.name}!", "{S.name} ate it. / I saw it.", how="said")
        t.attempt("{A.name} blamed {S.name}")
        t.tell(
            "{S.name} was {A.s} {SIB}. {S.he} [was too small to speak|looked up with big "
            "eyes|began to cry]."
        )
        t.tell(
            "{M} took away {S.names} [toy|blanket|favorite toy] and sent {S.him} to bed without "
            "a story."
        )
        t.feel("S", "sad", "{S.name} was punished for nothing", said=True)
    else:
        t.say(
            "A",
            "a [dog|crow|cat|monkey] came in and took it!",
            "it was a big bird. / It flew in and ate it.",
            how="said",
        )
        t.attempt("{A.name} made up a story about an animal")
        t.say("M", "really? / How did it get in?", "and where is it now?", how="asked")
        t.tell(
            '"The door was open," {A} said. "And then it [jumped out again|flew up the '
            'chimney|said thank you and left]." with every word, the story got bigger.'
        )
        t.tell(
            "{S.name}, {A.s} {SIB}, [believed it|heard it] and was afraid that the animal would "
            "come back."
        )
        t.note_feeling("S", "scared", "an animal might come back")
    t.paragraph()
    t.tell_if(
        "detail",
        "{A} could not [play|sleep|look at anybody] after that. the lie was like a stone in "
        "{A.his} tummy.",
        "the {X.n} had been sweet, but now there was a bitter taste in {A.s} mouth.",
    )
    t.feel("A", "sorry", "[a lie|the lie] had hurt {S.name}")
    t.tell("<at_last>, {A} went to {M.name}.")
    t.say(
        "A",
        "it was me. / I ate the {X.n}.",
        "I lied to you. / I ate it all, and {S.name} did nothing."
        if blame_child
        else "there was no animal. / It was me.",
        mood="sorry",
    )
    t.attempt("{A.name} told the truth")
    t.say(
        "M",
        "I [knew it|thought so]. / There were crumbs on your chin.",
        "thank you for the truth. / That was harder than the lie.",
        how="said",
    )
    t.tell(
        "{A} had to help to make a new one and give the first piece to {S.name}.",
        "{A} said sorry to {S.name}, too, and {S} [gave {A.o} a kiss|laughed again].",
    )
    t.feel("A", "relieved", "the truth was out", said=True)
    t.outcome("{A.name} told the truth and was forgiven")
    t.moral(
        "[a lie makes everything heavier|the truth makes the heart light|one lie leads to another]"
    )
    finish.ending(
        t, "that night, {A} slept well again.", '"No more stories like that," {A} said to {A.self}.'
    )
