"""Plots about swapping and borrowing."""

from __future__ import annotations

from storyworld.plots.registry import plot
from storyworld.scenes import begin, finish, moments
from storyworld.tale import Tale


@plot("the swap")
def swap(t: Tale) -> None:
    """Two swap toys; one regrets it; they find out what each toy is worth to whom."""
    t.set_time("morning", "afternoon")
    t.set_sky("sunny", "cloudy")
    t.hero()
    t.peer("B")
    place = t.somewhere("out")
    t.character("A").place = t.character("B").place = place
    while True:
        if "new" not in t.thing("X", "toy").adjectives:  # an old one will be missed
            break
    t.world.own(t.character("A"), t.object("X"))
    while True:
        t.thing("Y", "toy")
        y = t.object("Y")
        same = y.noun.noun.split()[-1] == t.object("X").noun.noun.split()[-1]
        if not same and "old" not in y.adjectives.split():
            break
    t.world.own(t.character("B"), t.object("Y"))
    begin.opening(
        t,
        "{A} met {B.intro} {P.in}",
        "{A} went {P.to}. {B.intro} was there, too",
        about="{A} had {X.a}. [{A.his} grandmother had made it|it was always with {A.him}|it "
        "slept next to {A.him} every night].",
    )
    t.tell("{B} had {Y.a}. it was [brand-new|much bigger|so shiny]!")
    t.say(
        "A",
        "I like your {Y.n}. / [Shall we swap|Do you want to swap]?",
        "your {Y.n} is better than mine. / Will you trade?",
        mood="excited",
    )
    t.say("B", "[okay|sure]! / My {Y.n} for your {X.n}.", "let me think. / All right!", how="said")
    t.world.swap(t.character("A"), t.object("X"), t.character("B"), t.object("Y"))
    t.tell(
        "so {A.name} got {Y}, and {B.name} got {X}.",
        "they shook {A.hands}. now {Y} belonged to {A.name}, and {X} belonged to {B.name}."
        if not t.fable
        else "now {Y} belonged to {A.name}, and {X} belonged to {B.name}.",
    )
    t.attempt("{A.name} swapped the {X.n} for the {Y.n}")
    t.want("A", "to have the {Y.n}")
    t.paragraph()
    t.tell(
        "at first, {Y} was [great fun|very exciting]. {A} played with it <all_day>."
        if not t.fable
        else "at first, {Y} was great fun."
    )
    t.world.later("evening")
    t.tell(
        "but [in the evening|at bedtime], the place [by the pillow|on the shelf|beside the bed] "
        "was empty.",
        "but when it got dark, {A} [missed|thought of] {X}.",
    )
    t.problem("{A.name} missed the old {X.n}", "{A.name} had swapped it for a {Y.n}")
    t.feel("A", t.pick(("sad", "lonely")), "{A.he} missed {X}")
    t.world.next_day()
    t.tell("the next morning, {A} {A.ran} to {B.names} {B.home}.")
    kept = t.dice.chance(0.3)
    if not kept:
        t.say(
            "A",
            "can we swap back, please?",
            "I miss my {X.n}. / [May I have it back|Can we trade again], please?",
            mood="worried",
        )
        t.attempt("{A.name} asked to swap back")
        if t.dice.chance(0.6):
            t.say(
                "B",
                "I wanted to ask you the same! / I missed my {Y.n}, too.",
                "yes! / I could not sleep without my {Y.n}.",
                mood="relieved",
            )
        else:
            t.say("B", "but I like the {X.n}!", "hmm. / A deal is a deal.")
            t.say(
                "A", "you may [visit it|play with it] every [day|Sunday]. / I promise.", how="said"
            )
            t.say("B", "[all right|well, then yes]. / That is fair.", how="said")
        t.world.swap(t.character("A"), t.object("Y"), t.character("B"), t.object("X"))
        t.outcome("they swapped back")
        t.feel("A", "happy", "{X} was back", said=True)
        t.moral("old things that we love are worth more than new ones")
    else:
        t.tell(
            "there sat {B.name} with {X}, and {B.he} was [hugging it|singing to it|showing it the "
            "garden]."
        )
        t.talk(
            "B",
            "I never had [such a good|a real] {X.n}. / [I love it so much|I am so happy with it].",
            mood="happy",
        )
        t.tell("{A} wanted to ask for it. but when {A.he} saw that smile, {A.he} could not.")
        t.say(
            "A",
            "take good care of it.",
            "it likes [stories|warm places]. / Take good care of it.",
            how="said",
        )
        t.outcome("{A.name} let {B.name} keep the {X.n}")
        t.note_feeling("A", "calm", "{B.name} loved the {X.n} so much")
        t.moral("it can feel good to let a dear thing go to somebody who needs it")
    t.paragraph()
    finish.ending(
        t,
        "and then they [played together|took both toys outside] <all_day>.",
        "two toys and two friends: that was the best of all.",
    )


@plot("borrowed without asking")
def borrowed(t: Tale) -> None:
    """A takes a thing without asking, something happens to it, A has to own up."""
    t.set_time("morning", "afternoon")
    t.set_sky("sunny", "cloudy", "windy")
    t.hero(fable=0.3, traits=("impatient", "curious", "careless", "stubborn"))
    t.sibling("S", older=True)
    t.thing("X", t.pick(("ride", "music")))
    t.world.own(t.character("S"), t.object("X"))
    place = t.somewhere("out")
    begin.opening(
        t,
        "{S.name} was [away|at a friend's|asleep], and there {X.was} {X}, [just standing "
        "there|all alone]",
        about="{A} had a {SIB} called {S.name}. {S.name} had {X.a}.",
    )
    t.say(
        "A",
        "I will only [use|borrow] it for a [minute|little while].",
        "{S.name} will never know.",
        how=t.pick(("thought", "whispered", "said")),
    )
    t.world.drop(t.character("S"), t.object("X"), "at home")
    t.take("A", "X", narrate=False)
    t.want("A", "to use the {X.n} of {S.name}")
    t.tell(
        "so {A} took {X} and {A.ran} {P.to}.",
        "{A} did not ask. {A.he} took {X} and {A.ran} {P.to}.",
    )
    t.character("A").place = place
    begin.look(t)
    t.tell(
        "what fun it was! {A} forgot the time.",
        "{A} [tried it out|showed it to everyone|played with it] <all_day>.",
    )
    t.paragraph()
    lost = t.dice.chance(0.4)
    if lost:
        where = t.lose("A", "X", "{P.spot}")
        t.tell(
            "then {A} sat down to rest and left {X} behind. {A.he} was halfway home before "
            "{A.he} noticed it."
        )
        t.problem(
            "{A.name} lost the {X.n} of {S.name}",
            "{A.name} took it without asking and left it behind",
        )
        t.feel("A", "scared", "{X} was not {A.his} own and now it was lost")
        t.tell(
            f"{{A}} {{A.ran}} back and looked [here and there|everywhere]. <at_last>, {{A.he}} "
            f"found it {where}, but it was [wet|scratched|covered in mud]."
        )
        t.world.find(t.character("A"), t.object("X"), where)
        t.attempt("{A.name} ran back to look for it")
    else:
        t.world.shatter(t.object("X"))
        t.tell(
            "then {A} [slipped|stumbled|tripped over a root], and {X} fell on the stones. "
            "[crack|snap]! [it was broken|a piece broke off]."
        )
        t.problem(
            "{A.name} broke the {X.n} of {S.name}", "{A.name} took it without asking and fell"
        )
        t.feel("A", t.pick(("scared", "sorry")), "{X} was broken and it was not {A.his} own")
    moments.think_it_over(
        t, "maybe I can just put it back", "what will {S.name} say?", "if only I had asked"
    )
    t.tell(
        "at home, {S.name} was already [looking for|asking about] {X}.",
        "{S.name} stood at the door.",
    )
    t.say("S", "where is my {X.n}?", "have you seen my {X.n}?", how="asked")
    t.say(
        "A",
        "I took it. / I did not ask, and [now it is broken|I broke it]. I am sorry."
        if not lost
        else "I took it without asking. / And I almost lost it. I am so sorry.",
        mood="sorry",
    )
    t.attempt("{A.name} told {S.name} the truth")
    t.feel("S", "angry", "{A.name} had not asked", said=True)
    t.paragraph()
    t.tell_if(
        "detail", "for a while, nobody [spoke|said a word].", "{S} said nothing for a long time."
    )
    t.tell(
        "then {A} [cleaned|washed and polished] {X} until it shone."
        if lost
        else "then {A} took {A.his} own [savings|treasures] to pay for the damage, and together "
        "they mended {X}."
        if not t.fable
        else "then {A} worked all evening to mend {X}."
    )
    if not lost:
        t.world.mend(t.object("X"))
    t.say(
        "S",
        "all right. / Next time, just ask. I would have said yes.",
        "thank you for making it good again. / Next time, ask me, and we will go together.",
    )
    t.feel("A", "relieved", "{S.name} was not angry any more", said=True)
    t.outcome("{A.name} made it good again and {S.name} forgave")
    t.moral(
        "[you should always ask before you take something|asking first is better than being "
        "sorry later]"
    )
    finish.ending(
        t,
        "the next day, {A} asked. and {S.name} said yes.",
        '<from_then>, "May I?" was the first thing {A} said.',
    )
