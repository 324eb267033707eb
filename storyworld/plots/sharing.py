"""Plots about wanting a thing for oneself, and what comes of it."""

from __future__ import annotations

from storyworld.plots.registry import plot
from storyworld.scenes import begin, finish, moments
from storyworld.tale import Tale


@plot("learning to share")
def sharing(t: Tale) -> None:
    """Two want one thing: a quarrel, then a way to share it (or the thing suffers)."""
    t.set_time("morning", "afternoon")
    t.set_sky("sunny", "cloudy", "windy")
    t.hero(traits=("greedy", "stubborn", "proud", "grumpy", "impatient"))
    place = t.somewhere("out")
    t.character("A").place = place
    t.peer("B")
    t.thing("X", t.pick(("toy", "fly", "ride", "music")), owner="A")
    begin.opening(
        t,
        "{A} took {A.his} {X.fn} {P.to}",
        "{A} was {P.in} with {A.his} {X.fn}",
        about="{A} had {X.a} and [never let anyone touch it|was very proud of it|thought it was "
        "the best in the world].",
    )
    begin.look(t)
    moments.introduce(
        t,
        "B",
        "{1.intro} came and [watched|looked on].",
        "<soon>, {1.intro} stopped and looked at {X}.",
    )
    t.say(
        "B",
        "what a [nice|lovely|great] {X.n}! / May I [try|have a turn]?",
        "can I play too?",
        "may I play with it, / just for a little while?",
    )
    t.say(
        "A",
        "no! / It is mine!",
        "no, / you will break it.",
        "go away. / This {X.n} is only for me.",
        mood="angry",
    )
    t.problem(
        "{A.name} did not want to share the {X.n}",
        "{A.name} thought that {B.name} would break it or keep it",
    )
    t.want("A", "to keep the {X.n} for {A.self}")
    t.want("B", "to play with the {X.n}")
    t.feel("B", t.pick(("sad", "disappointed", "lonely")), "{A.name} did not share {X}", said=True)
    t.paragraph()
    way = t.dice.below(3)
    if way == 0:
        t.tell(
            "so {A} played alone. [but after a while|but soon], it was [not much fun|rather "
            "boring|no fun].",
            "{A} went on [playing|to play] by {A.self}. but there was nobody to [laugh "
            "with|talk to|play with].",
        )
        t.feel("A", t.pick(("lonely", "bored")), "there was nobody to play with")
        t.tell(
            "{B} was playing {P.spot} with [some sticks|a row of stones|leaves and mud], and "
            "{B.he} was [laughing|singing|having fun]."
        )
        t.attempt("{A.name} played alone")
        t.say(
            "A",
            "what are you playing?",
            "can I play with you? / You can [use|have] my {X.n}, too.",
            mood="shy",
        )
    elif way == 1:
        soft = "soft" in t.object("X").noun.tags
        t.word("BROKEN", "torn" if soft else "broken")
        t.tell(
            "{B} [pulled|tugged] at one side, and {A} [pulled|tugged] at the other. "
            + ("rip!" if soft else "[crack|snap]!")
        )
        t.world.shatter(t.object("X"))
        t.tell("now {X} was {BROKEN}, and both of them [stared at it|were quiet|felt bad].")
        t.attempt("they pulled at the {X.n} until it was {BROKEN}")
        t.feel("A", "sad", "{X} was {BROKEN}", said=True)
        t.say(
            "B",
            "I am sorry. / Let me help you fix it.",
            "I did not want this. / Shall we mend it <together>?",
            mood="sorry",
        )
        t.tell(
            "they sat down {P.spot} and worked <together>. {A.name} held the pieces, and "
            "{B.name} " + ("[sewed|tied]" if soft else "[tied|fitted|stuck]") + " them together."
        )
        t.world.mend(t.object("X"))
        t.talk(
            "A",
            "[it works|it is whole] again! / Now you [go first|may try it].",
            "we did it! / Do you want to go first?",
            mood="happy",
        )
    else:
        t.tell(
            "just then {A} let go for a moment, and {X} slid away. it went down [the path|a "
            "little slope] and into a [ditch|muddy hole|thorn bush]."
        )
        t.world.drop(t.character("A"), t.object("X"), "in a hole")
        t.tell("{A} tried to reach it, but {A.his} arms were too short.")
        t.attempt("{A.name} tried to get it out alone")
        t.feel("A", "worried", "{A.he} could not reach {X}")
        t.say(
            "B",
            "I can [reach it|help you]. / Hold my [{B.hand}|legs].",
            "wait, / I will [help|climb down].",
        )
        t.tell("{B} reached [down|deep down] and pulled {X} out.")
        t.world.take(t.character("B"), t.object("X"))
        t.give("B", "X", "A")
        t.feel("A", "sorry", "{A.he} had been mean and {B.name} had helped all the same")
        t.say(
            "A",
            "thank you. / I was not nice to you. [You can play first|Here, you go first].",
            mood="sorry",
        )
    t.give("A", "X", "B", narrate=False)
    t.paragraph()
    t.attempt("they took turns")
    t.tell(
        "they took turns. first it was {B.s} turn, and then it was {A.s} turn, and they counted "
        "to <many> each time.",
        "now {A} showed {B.o} [a game|two games|three games] with {X}, and they [took "
        "turns|invented new ones] <all_day>.",
    )
    t.feel("B", "happy", "{A.name} shared {X}", said=True)
    t.outcome("{A.name} shared the {X.n} with {B.name}")
    t.moral(
        "[sharing makes everything more fun|things are twice as nice when you share them|a toy "
        "is more fun with a friend]"
    )
    finish.ending(
        t,
        '"[Will you come again tomorrow|Same time tomorrow]?" {A} asked, and {B} nodded.',
        "{A.name} still had only one {X.n}, but {A.he} had a friend now.",
    )


@plot("the last piece")
def last_piece(t: Tale) -> None:
    """One treat, several hungry friends: who gets it?"""
    t.set_time("afternoon", "noon")
    t.set_sky("sunny", "cloudy")
    t.hero(fable=0.5)
    t.peer("B")
    t.peer("C")
    place = t.somewhere("out")
    t.character("A").place = place
    t.thing("X", t.pick(("treat", "fruit")), owner="A")
    begin.opening(
        t,
        "{A} sat {P.in} with {X.a}",
        "{A} went {P.to}. {A.he} had {X.a} [in a paper bag|in a basket|wrapped in a leaf]",
    )
    t.tell(
        "it smelled so [good|sweet|much of honey|fresh] that {A.names} mouth began to water.",
        "{A} had waited for it all [day|morning].",
    )
    begin.look(t)
    t.tell(
        "{A} was about to take a bite when {B.intro} and {C.intro} came by.",
        "just then, {B.intro} and {C.intro} came along.",
    )
    t.talk(
        "B",
        "that smells [good|wonderful]. / I have not eaten since [breakfast|yesterday].",
        "I am so hungry / that I could eat a [tree|bush|hat].",
        mood="disappointed",
    )
    t.note_feeling("B", "sad", "{B.name} was hungry")
    t.problem(
        "there was one {X.n} and three hungry friends", "{B.name} and {C.name} had nothing to eat"
    )
    t.want("A", "to eat the {X.n}")
    t.paragraph()
    way = t.dice.below(3)
    if way == 0:
        moments.think_it_over(
            t, "it is too small for three", "if I share, only a bite is left for me"
        )
        t.tell("{A} looked at {X}. then {A.he} looked at the two hungry faces.")
        t.tell(
            "{A} [broke|cut] {X} into three pieces. [one was big, one was middle-sized and one "
            "was small|they were not quite equal]."
        )
        t.attempt("{A.name} broke the {X.n} into three pieces")
        t.tell(
            "{A} gave the big piece to {B.name}, the next one to {C.name}, and kept the small one."
        )
        t.feel("B", "grateful", "{A.name} had shared {X}", said=True)
        t.say(
            "C",
            "I have a bottle of milk. / Let's share that, too!",
            "I have [two plums|some nuts]. / Let's share [them|those], too!",
            "wait! / I have [some cheese|some berries|a carrot] in my bag.",
        )
        t.tell(
            "so in the end everyone had enough, and it was [a real feast|the best lunch of the "
            "week|a fine little party]."
        )
        t.outcome("{A.name} shared the {X.n} and all had enough")
        t.moral("when everyone gives a little, there is enough for all")
    elif way == 1:
        t.say(
            "A",
            "let's have a contest. / Who [tells the best joke|makes the funniest face|can stand "
            "on one leg the longest] gets it!",
        )
        t.attempt("they held a contest")
        t.tell(
            "{B.name} went first. everyone laughed.",
            "first it was {B.names} turn. {B.he} was [very good|so funny] that the birds looked "
            "down.",
        )
        t.tell("then {C} [tried|had a turn], and they all laughed so much that nobody watched {X}.")
        t.beast("D", t.pick(("crow", "dog", "seagull")), bird=False)
        t.tell(
            "when they turned around, a {D.kind} was [eating|swallowing] the last crumb.",
            "at that moment, a {D.kind} came, took {X} and was gone.",
        )
        t.character("D").is_mentioned = True
        t.world.grab(t.character("D"), t.object("X"))
        t.world.consume(t.character("D"), t.object("X"))
        t.feel("A", "surprised", "the {D.kind} had taken {X}", said=True)
        t.say(
            "A",
            "now nobody has it. / [At least we laughed|Next time we share at once].",
            how="said",
        )
        t.outcome("a {D.kind} ate the {X.n} while they were playing")
        t.moral("it is better to share at once than to wait and lose it all")
    else:
        t.tell("{A} [ate|swallowed] {X} quickly, all alone. not even a crumb was left.")
        t.world.consume(t.character("A"), t.object("X"))
        t.attempt("{A.name} ate it alone")
        t.talk("C", "oh. / [Well, never mind|I had hoped for a bite].", mood="disappointed")
        t.feel("A", "sorry", "the others were still hungry")
        t.tell(
            "{A} ran home and came back with a whole basket of [bread|plums|buns|nuts and berries]."
        )
        t.attempt("{A.name} brought more food from home")
        t.tell(
            "they sat in a circle and ate until they were full.",
            '"for you," {A} said, and they all ate together.',
        )
        t.outcome("{A.name} was sorry and brought food for all")
        t.moral("food tastes better when nobody has to watch you eat it")
    t.paragraph()
    moments.play(t)
    finish.ending(
        t,
        "<from_then>, the three of them met there every [Sunday|week|day].",
        "their tummies were [full|warm] and so were their hearts.",
    )


@plot("greedy lesson")
def greedy(t: Tale) -> None:
    """Somebody wants ever more, and it becomes too much."""
    t.set_time("morning", "afternoon")
    t.set_sky("sunny", "cloudy")
    t.hero(fable=0.85, traits=("greedy",))
    t.peer("B")
    place = t.somewhere("out")
    t.character("A").place = place
    t.word("FOOD", "{A.food}" if t.fable else "[cookies|cherries|plums|pancakes]")
    begin.opening(
        t,
        "{A} found a [whole|big|huge] [heap|pile|basket] of {FOOD} {P.in}",
        "{A.name} and {B.intro} found a [heap|pile] of {FOOD} {P.in}",
    )
    t.say(
        "A",
        "mine, / all mine!",
        "this is all for me!",
        "I want [it all|everything]!",
        mood="excited",
    )
    t.say(
        "B",
        "there is enough for [everyone|all of us]. / May I have a little?",
        "leave some for the others. / Too much is not good for you.",
        how="said",
    )
    t.say("A", "no! / Find your own.", "no. / I saw it first.", mood="angry")
    t.want("A", "to have all the food for {A.self}")
    t.problem("{A.name} took too much", "{A.name} was greedy and would not share")
    t.paragraph()
    way = t.dice.below(3)
    if way == 0:
        t.tell(
            "{A} ate and ate. [one more bite, and one more|first a little, then a lot], until "
            "{A.his} tummy was as round as a [ball|pumpkin|drum]."
        )
        t.attempt("{A.name} ate everything alone")
        t.tell(
            "then {A} wanted to go home. but {A.he} was so full that {A.he} could not [walk|get "
            "up|move].",
            "then it began to [hurt|ache|rumble]. oh, how {A.his} tummy hurt!",
        )
        t.feel("A", "sorry", "{A.he} had eaten too much")
        t.say("A", "help! / I feel [so sick|terrible].", mood="sad")
        t.tell(
            "{B} [came back|heard it and came] with [a cup of mint tea|some warm tea|a soft "
            "blanket] and [sat with {A.o}|stayed] until the pain was gone."
        )
    elif way == 1:
        t.tell(
            "{A} put everything into a big sack and pulled it home. it was so heavy that {A.he} "
            "had to stop [every few steps|again and again]."
        )
        t.attempt("{A.name} tried to carry it all away")
        t.tell(
            "[crack|rip], the sack tore open, and all of {A.names} {FOOD} rolled [into the "
            "river|down the hill into the mud|down a deep hole]."
        )
        t.feel("A", "sad", "everything was gone")
        t.tell("{B} had seen it. {B.he} came with the little that {B.he} had found {P.spot}.")
        t.say("B", "here. / We can share [this|what I have].", how="said")
    else:
        t.tell(
            "{A} hid the food {P.spot} and [sat down|lay down] in front of it to guard it [day "
            "and night|all night long]."
        )
        t.attempt("{A.name} hid the food and guarded it")
        t.tell(
            "while the others [danced|played|sang songs] {P.in}, {A} [could not join them|sat "
            "there alone|did not dare to leave]."
        )
        t.tell("after [three|four|five] days, the food was [old and moldy|bad and full of worms].")
        t.feel("A", "sad", "the food was spoiled and nobody had enjoyed it")
        t.say("B", "come and eat with us. / There is [soup|a place] for you.", how="said")
    t.feel("A", "surprised", "{B.name} was kind although {A.name} had been greedy")
    t.say(
        "A",
        "I was [greedy|wrong]. / [I am sorry|Next time we share].",
        "you are so kind to me, / and I gave you nothing.",
        mood="sorry",
    )
    t.paragraph()
    t.outcome("{A.name} was sorry and learned to share")
    t.moral(
        "[those who want everything often end with nothing|enough is better than too much|too "
        "much of a good thing is not good]"
    )
    finish.ending(
        t,
        "the next time {A} found {FOOD}, {A.he} called everybody.",
        "{A.name} and {B.name} shared their [supper|dinner] that evening, and it tasted better "
        "than a whole heap eaten alone.",
    )
