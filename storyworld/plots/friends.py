"""Plots about finding, losing and keeping friends."""

from __future__ import annotations

from storyworld.plots.registry import plot
from storyworld.scenes import begin, finish, moments
from storyworld.tale import Tale


@plot("a new friend")
def new_friend(t: Tale) -> None:
    """A lonely one meets a newcomer; shyness has to be overcome."""
    t.set_time("morning", "afternoon")
    t.set_sky("sunny", "cloudy", "windy")
    t.hero(traits=("shy", "quiet", "dreamy", "gentle"))
    place = t.somewhere("out")
    t.character("A").place = place
    t.thing("X", "toy", owner="A")
    begin.opening(
        t,
        "{A} sat alone {P.spot} {P.in} with {A.his} {X.fn}",
        "{A} was {P.in} and played alone with {A.his} {X.fn}",
        about="[there was one thing {A} did not have: a friend|{A} often wished for a "
        "friend to [play|laugh|talk] with|more than anything, {A} wanted a friend].",
    )
    t.want("A", "to have a friend")
    begin.look(t)
    t.feel("A", "lonely", "{A.he} had nobody to play with")
    t.problem("{A.name} had no friend", "{A.name} was too {A.trait} to speak to others")
    t.peer("B").stranger = True
    moments.introduce(
        t,
        "B",
        "then {1.intro} came [along|by|closer]. {1.he} was new there.",
        "<suddenly>, {A} saw {1.intro}, who had just moved there.",
    )
    t.paragraph()
    first = t.dice.below(3)
    if first == 0:
        t.tell(
            "{A} wanted to say hello, but no word came out.",
            "{A} opened {A.his} mouth and closed it again.",
        )
        t.attempt("{A.name} tried to say hello")
        spot = t.lose("A", "X", "on the ground")
        t.tell(
            "{A} was so nervous that {X} [fell|slipped] from {A.his} {A.hands} and landed right "
            "before {B.s} feet."
        )
        t.world.find(t.character("B"), t.object("X"), spot)
        t.say("B", "you dropped this. / What a [nice|pretty] {X.n}!", "is this yours? / I like it.")
        t.give("B", "X", "A")
    elif first == 1:
        t.tell(
            "{B} [fell|tripped] over a [root|stone] and [hurt|scraped] {B.his} knee."
            if not t.fable
            else "{B} tripped over a root and fell."
        )
        t.tell("{A} forgot to be shy and {A.ran} to help.")
        t.attempt("{A.name} helped {B.name} up")
        t.say("A", "are you hurt?", "<comfort>. / I will help you.")
        t.say("B", "thank you. / I am {B.name}. What is your name?", mood="grateful")
        t.say("A", "I am {A.name}.", "my name is {A.name}. / Do you want to play?", mood="shy")
    else:
        t.tell("{B} [looked|smiled] at {A.o}. {A} [looked|smiled] back, just a little.")
        t.say("B", "hello! / I am {B.name}. What are you playing?", "hi! / Can I sit here?")
        t.tell("{A} [took a deep breath|held {X} tight].")
        t.attempt("{A.name} took a deep breath and answered")
        t.say(
            "A",
            "I am {A.name}. / You can play with my {X.n}.",
            "yes. / Do you want to see my {X.n}?",
            mood="shy",
        )
    t.tell_if(
        "talk",
        "they found out that both of them liked [frogs|pancakes|long stories|puddles|the smell "
        "of rain].",
    )
    t.paragraph()
    t.character("B").stranger = False
    moments.play(t)
    if t.likes("detail"):
        moments.snack(t)
    t.feel("A", "happy", "{A.he} had found a friend", said=True)
    t.outcome("{A.name} and {B.name} became friends")
    t.say(
        "B",
        "will you be here tomorrow?",
        "let's meet again tomorrow!",
        "you are my first friend here.",
    )
    t.moral("[a small hello can be the start of a friendship|a friend may be only one hello away]")
    finish.ending(
        t,
        "<from_then>, the two of them were together every day.",
        "{A} did not sit alone any more.",
    )


@plot("quarrel and making up")
def quarrel(t: Tale) -> None:
    """Best friends quarrel over what to do; each is lonely; one takes the first step."""
    t.set_time("morning")
    t.set_sky("sunny", "cloudy", "windy")
    t.hero(traits=("stubborn", "proud", "impatient", "funny", "brave"), on_foot=True)
    t.peer("B")
    t.somewhere("out")
    first, second = t.dice.sample(
        (
            "build a tower",
            "look for beetles",
            "play pirates",
            "fly a kite",
            "climb the big rock",
            "play hide and seek",
            "dig a deep hole",
            "catch falling leaves",
            "make a boat",
            "draw in the sand",
            "race to the gate",
            "play knights",
        ),
        2,
    )
    t.word("ONE", first)
    t.word("TWO", second)
    begin.opening(
        t,
        "{A} and {B.name} met {P.in}",
        "the two friends met {P.in}",
        about="{A.s} best friend was {B.intro}[|, and they did everything <together>|, who "
        "lived nearby|, and nobody saw one without the other].",
    )
    begin.look(t)
    t.say("A", "let's {ONE}!", "today I want to {ONE}.", mood="excited")
    t.say(
        "B",
        "no, I want to {TWO}!",
        "we did that yesterday. / I want to {TWO}.",
        "that is boring. / Let's {TWO}.",
    )
    t.want("A", "to {ONE}")
    t.want("B", "to {TWO}")
    t.tell(
        "they [argued|shouted|quarreled], louder and louder, until [both of them were "
        "tired|both were cross|nobody listened any more].",
        "they [argued|quarreled] until even the [birds|sparrows|crows] flew away.",
    )
    t.say("A", "then I will play alone!", "you are not my friend any more!", mood="angry")
    t.problem(
        "{A.name} and {B.name} had a quarrel",
        "{A.name} wanted to {ONE} and {B.name} wanted to {TWO}",
    )
    t.feel("A", "angry", "{B.name} did not want to {ONE}", said=True)
    t.tell("{A} went one way, and {B} went the other.")
    t.paragraph()
    t.tell(
        "{A} tried to {ONE} alone, but [something was missing|it was not the same|it was no fun]."
    )
    t.attempt("{A.name} tried to {ONE} alone")
    t.tell_if(
        "detail",
        "every time something funny happened, {A} turned around to tell {B.name}. but nobody "
        "was there.",
    )
    t.feel("A", t.pick(("lonely", "sad", "sorry")), "{B.name} was not there")
    t.world.later("afternoon")
    t.made(
        "X",
        t.pick(("drawing", "flower crown", "paper boat", "necklace of daisies", "wooden heart")),
        "[small|pretty|nice]",
    )
    step = t.dice.below(3)
    if step == 0:
        t.world.take(t.character("A"), t.object("X"))
        t.tell("so {A} made {X.a} and [brought|carried] it to {B.names} {B.home}.")
        t.attempt("{A.name} made a {X.n} for {B.name}")
        t.say(
            "A",
            "this is for you. / I am sorry that I shouted.",
            "I made this for you. / Can we be friends again?",
            mood="sorry",
        )
        t.give("A", "X", "B", narrate=False)
        t.talk(
            "B",
            "I am sorry, too. / I missed you.",
            "oh, it is lovely! / I am sorry, too.",
            mood="happy",
        )
    elif step == 1:
        t.tell(
            "<at_last>, {A} set out to find {B.name}. and who came down the path? it was "
            "{B.name}, who was looking for {A.name}!"
        )
        t.attempt("both went to look for each other")
        t.tell(
            '"I am sorry," {A.name} and {B.name} said at the very same time, and then they both '
            "[laughed|had to laugh|giggled|cried a little and laughed a little]."
        )
    else:
        t.adult("E")
        t.say(
            "E",
            "where is {B.name} today?",
            "you look like a rainy day, {A.name}. / What is wrong?",
            how="asked",
        )
        t.say("A", "we had a quarrel. / I don't know how to stop it.", mood="sad")
        t.say(
            "E",
            "somebody must go first. / It takes only [three words|one step].",
            "a quarrel is like a stone in the shoe. / Take it out, and you can walk again.",
        )
        t.attempt("{A.name} asked {E.name} for advice")
        t.tell('so {A} {A.ran} to {B.name}. "I am sorry," {A.he} said, and {B} said it, too.')
    t.paragraph()
    t.tell(
        "then they made a plan: first they would {ONE}, and after that they would {TWO}.",
        "this time they did both: first they went off to {TWO}, and after that they had time to "
        "{ONE}.",
    )
    t.feel("A", "happy", "they were friends again", said=True)
    t.outcome(
        "they made up by " + ("a gift", "chance", "a word of advice")[step] + " and did both things"
    )
    t.moral(
        "[a friend is worth more than being right|saying sorry is hard, but it makes things "
        "good again]"
    )
    finish.ending(
        t,
        "it turned out that the two games [fit together very well|made one great game].",
        "and when they quarreled again one day, it was over much faster.",
    )


@plot("left out")
def left_out(t: Tale) -> None:
    """A group will not let B play; A notices and changes the game."""
    t.set_time("morning", "afternoon")
    t.set_sky("sunny", "cloudy")
    t.hero(traits=("kind", "brave", "gentle", "helpful", "clever"))
    t.peer("B", trait="quiet")
    t.peer("C")
    place = t.somewhere("out")
    t.character("A").place = place
    t.word("GAME", "<fable_game>" if t.fable else "<game>")
    begin.opening(
        t,
        "{A.name}, {C.intro} and some other {A.children} were playing {GAME} {P.in}",
        "{A} was playing {GAME} {P.in} with {C.intro} and many others",
    )
    begin.look(t)
    t.tell(
        "{B.intro} stood [at the side|a little way off] and watched them.",
        "not far away sat {B.intro}, all alone.",
    )
    reason = t.pick(
        ("too slow", "too small", "too new", "too quiet")
        if t.fable
        else ("too slow", "too little", "new here", "too quiet")
    )
    t.word("WHY", reason)
    t.say("B", "may I play with you?", "can I play, too?", mood="shy")
    t.say(
        "C",
        "no, you are {WHY}.",
        "you? / No, you are {WHY} for this game."
        if reason.startswith("too")
        else "no. / You are {WHY}.",
        how="said",
    )
    t.want("B", "to play with the others")
    t.problem("{B.name} was not allowed to play", "{C.name} said that {B.name} was {WHY}")
    t.feel("B", t.pick(("sad", "lonely")), "{C.name} did not let {B.o} play", said=True)
    t.paragraph()
    t.tell(
        "{A} saw {B.s} face, and the game was no fun any more.", "{A} stopped. it was not right."
    )
    moments.think_it_over(t, "how would I feel?", "that could be me", "nobody should be left out")
    way = t.dice.below(3)
    if way == 0:
        t.say(
            "A",
            "then I will not play either.",
            "if {B.name} can't play, / I don't want to play.",
            how="said",
        )
        t.attempt("{A.name} left the game")
        t.tell(
            "{A} sat down next to {B.name}, and they began a new game with [sticks and leaves|a "
            "long rope|pebbles|riddles]."
        )
        t.tell(
            "it looked like so much fun that one after the other came over. in the end, even "
            '{C.name} asked, "May I play, too?"'
        )
        t.say("B", "of course. / Everybody may play.", "yes, come!", how="said")
    elif way == 1:
        t.say(
            "A",
            "let's change the rules, / so that everyone can play!",
            "I know a game that is better with one more.",
            mood="excited",
        )
        t.attempt("{A.name} changed the rules of the game")
        t.tell(
            "in the new game, [the quiet ones were the best hiders|the small ones could crawl "
            "where nobody else could|everybody had to go as slowly as a snail]. and {B.name} "
            "was very good at it!"
        )
        t.talk("C", "wow, {B.name}, / you are great at this!", mood="surprised")
    else:
        t.say("A", "{B.name} plays with me.", "come on, {B.name}, / you are with me!", how="said")
        t.attempt("{A.name} took {B.name} into the game")
        t.tell(
            "at first, {B} was nervous. but then {B.he} [had an idea|showed them a trick|found a "
            "way to play it] that nobody had thought of, and the game was better than before."
        )
        t.say("C", "that was [clever|amazing]. / I was wrong about you.", mood="sorry")
    t.paragraph()
    t.feel("B", "happy", "{B.he} could play with the others", said=True)
    t.outcome(
        (
            "a new game won them all over",
            "new rules let everybody play",
            "{A.name} took {B.name} into the game and {B.name} was good at it",
        )[way]
    )
    moments.thanks(t, "B", "A", "You saw me.")
    t.moral("[a game is best when nobody is left out|there is room for one more]")
    finish.ending(
        t,
        "<from_then>, nobody was told to [go away|stay out] {P.in}.",
        "and {C.name}? {C.he} saved a place for {B.name} every day.",
    )
