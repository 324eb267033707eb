"""Plots about places: hidden, spoiled, too well chosen."""

from __future__ import annotations

from storyworld.plots.registry import plot
from storyworld.scenes import begin, finish, moments
from storyworld.tale import Tale


@plot("the secret place")
def secret_place(t: Tale) -> None:
    """A finds a hidden place and must decide whether to keep it secret."""
    t.set_time("morning", "afternoon")
    t.world.season = t.pick(("spring", "summer"))
    t.set_sky("sunny", "cloudy")
    t.hero(traits=("quiet", "dreamy", "shy", "curious", "brave"))
    place = t.somewhere("green")
    t.character("A").place = place
    t.word(
        "DOOR",
        "[a hole in the hedge|a gap in the wall|a curtain of leaves|a narrow path|a low door "
        "under the ivy]",
    )
    t.word(
        "SECRET",
        "[a small pond with water lilies|a garden full of wild roses|a round room made of "
        "willow branches|a meadow with blue flowers|a tiny waterfall|a bench under an old "
        "cherry tree]",
    )
    begin.opening(
        t,
        "{A} was {P.in} and [followed a beetle|chased a leaf|looked for a quiet spot]",
        "{A} went {P.to} to be alone",
    )
    t.tell(
        "{P.spot}, {A} found {DOOR} that [{A.he} had never seen before|was almost hidden|nobody "
        "else had noticed]."
    )
    t.tell(
        "{A} crept through, and on the other side was {SECRET}.",
        "{A} crawled through and could hardly believe {A.his} eyes: there was {SECRET}!",
    )
    t.feel("A", t.pick(("surprised", "happy", "excited")), "{A.he} had found {SECRET}", said=True)
    t.tell_if(
        "detail",
        "it was so still that one could hear the [bees|leaves|grass] breathe.",
        "the light was green and gold.",
    )
    t.say("A", "this is my secret place.", "nobody knows this but me.", how="whispered")
    t.want("A", "to keep the place secret")
    t.tell_if(
        "detail",
        "<every_day>, {A} went there, to [read|dream|think|sing] and to watch the "
        "[clouds|dragonflies|birds].",
    )
    t.paragraph()
    t.peer("B")
    t.tell(
        "one day, {A} saw {B.intro}. {B.he} sat on a stone and cried.",
        "then {A} met {B.intro}, who looked very unhappy.",
    )
    t.say(
        "B",
        "everyone laughed at me. / I want to be where nobody sees me.",
        "we have to move away, / and I don't want to go.",
        "my grandpa is ill, / and I am so worried.",
        mood="sad",
    )
    t.note_feeling("B", "sad", "something bad had happened to {B.name}")
    t.problem(
        "{B.name} was unhappy and {A.name} had a secret place",
        "{A.name} wanted to keep the place secret",
    )
    moments.think_it_over(
        t,
        "if I show it, it is not a secret any more",
        "it is mine",
        "what if {B.name} tells everyone?",
    )
    end = t.dice.below(4)
    if end < 3:
        t.tell(
            "{A} thought for a [long time|while|long, long time], and then {A.he} [made up "
            "{A.his} mind|took a deep breath|stood up]."
        )
        t.say(
            "A",
            "come with me. / But you must not tell anyone.",
            "can you keep a secret?",
            how="said",
        )
        t.attempt("{A.name} showed {B.name} the secret place")
        t.tell(
            "when {B} saw it, {B.he} forgot to cry, and {A.name} and {B.name} sat [side by "
            "side|there for an hour|close together] and [said nothing|listened to the "
            "leaves|just breathed]."
        )
        t.feel("B", "grateful", "{A.name} had shared the secret")
        t.outcome("{A.name} shared the secret place with {B.name}")
        if end == 2:
            t.tell(
                "the next time, {B} brought a [little bench|string of lanterns|bag of seeds], "
                "and the place was even better."
            )
        t.moral("a secret can be nicer when you share it with a friend")
    else:
        t.tell(
            "{A} said nothing and went there alone. but the place was not the same. {A.he} "
            "could only think of {B.s} sad face."
        )
        t.attempt("{A.name} kept the secret")
        t.feel("A", "sorry", "{A.he} had not helped {B.name}")
        t.tell("the next day, {A} looked for {B.name} everywhere and did not stop until they met.")
        t.say("A", "I want to show you something.", how="said")
        t.tell(
            '{B} looked around with wide eyes. "So this is where you always are," {B.he} said. '
            '"Thank you."'
        )
        t.attempt("{A.name} showed it to {B.name} the next day")
        t.outcome("{A.name} shared the secret place a day later")
        t.moral("it is never too late to be kind")
    t.paragraph()
    finish.ending(
        t,
        "<from_then>, it was the secret place of two.",
        "they carved [two letters|a star|a heart] into an old board, and nobody else ever found "
        "it.",
    )


@plot("cleaning up together")
def litter(t: Tale) -> None:
    """A place is spoiled; one begins to clean up, others join in."""
    t.set_time("morning", "afternoon")
    t.world.season = t.pick(("spring", "summer"))
    t.set_sky("sunny", "cloudy", "windy")
    t.hero(traits=("helpful", "kind", "stubborn", "patient", "brave", "careful"))
    place = t.somewhere("out")
    t.character("A").place = place
    t.word("BEAST", "[duck|frog|turtle|hedgehog|bird|mouse]")
    t.word(
        "TRASH",
        "[paper and cans|old bottles and bags|broken toys and boxes|cups and wrappers]"
        if not t.fable
        else "[old ropes and boxes|rotten apples and nutshells|broken jars and cups|torn nets and "
        "sticks]",
    )
    begin.opening(
        t,
        "{A} came {P.to} and stopped",
        "{A} wanted to play {P.in}",
        about="of all places, {A} loved {P} the most[| because it was so green there| and went "
        "there every day|, in the sun and in the rain]."
        if "green" in place.tags
        else "of all places, {A} loved {P} the most[| and went there every day|, in the sun and "
        "in the rain].",
    )
    t.tell(
        "there was trash everywhere: {TRASH}.",
        "the ground was full of {TRASH}, and [it smelled bad|it looked terrible|there was no "
        "place to play|even the flowers looked sad].",
    )
    t.tell(
        "a [little|small|young|poor] {BEAST} [had something around its neck|was stuck in it|had "
        "its foot caught in it] and [could not get free|looked at {A.name} with sad eyes|was "
        "afraid]."
    )
    t.problem("{P} was full of trash", "nobody had cleaned up after themselves")
    t.want("A", "to make {P} clean again")
    t.feel("A", t.pick(("sad", "angry")), "{P} was full of trash")
    t.tell(
        "first, {A} freed the {BEAST}, and then {A.he} began to pick [things|everything] up, "
        "[one after the other|piece by piece|bit by bit|without a word]."
    )
    t.attempt("{A.name} freed the {BEAST}")
    t.attempt("{A.name} began to clean up")
    t.paragraph()
    t.peer("B")
    t.tell("{B.intro} came by and watched.")
    t.say(
        "B",
        "you can never do that alone. / It is too much!",
        "why do you do it? / It is not your trash.",
        how="said",
    )
    t.say(
        "A",
        "if nobody starts, / it will never be clean.",
        "somebody has to begin.",
        "every piece counts.",
        how="said",
    )
    t.tell(
        "{B} [stood there for a while|scratched {B.his} head]. then {B.he} bent down and picked "
        "up [a bottle|a can|a piece, too]."
        if not t.fable
        else "{B} stood there for a while. then {B.he} bent down and picked up a piece, too."
    )
    t.attempt("{B.name} helped")
    t.tell(
        "soon there were [three|four], then [five|six|eight], then <many>, and some [brought "
        "bags|sang|told jokes] while the pile [grew and grew|grew as high as {A.name}|became a "
        "hill].",
        "others saw {A.name} and {B.name} and came to help, and even [the grumpy ones|the very "
        "small ones|the lazy ones|those with no time] [carried something|stayed until the end].",
    )
    t.attempt("many others joined in")
    twist = t.dice.below(3)
    if twist == 0:
        t.tell(
            "under all the trash, they found [a lost ring|an old bell|a little boat]. it was "
            "cleaned and got a place of honor."
        )
    elif twist == 1:
        t.tell(
            "out of the old things they built a [funny giant|big fish|dragon] to watch over {P}."
        )
    t.paragraph()
    t.tell(
        "in the end, one could see the [grass|ground|flowers] again, and the {BEAST} came back.",
        "by evening, {P} was [clean|as clean as never before].",
    )
    t.outcome("{P} was clean again because everybody helped")
    t.feel("A", "proud", "{P} was clean again", said=True)
    t.talk(
        "B",
        "look at that! / And we did it.",
        "I did not think that it could be done.",
        mood="happy",
    )
    t.moral("[big things begin with one small step|if one begins, others will follow]")
    finish.ending(
        t,
        'they put up a sign: "Please keep this place clean. The little ones live here."',
        "<from_then>, everyone took their things home again.",
    )


@plot("the hidden game")
def hide_and_seek(t: Tale) -> None:
    """A hides so well that nobody finds A; then what?"""
    t.set_time("afternoon")
    t.set_sky("sunny", "cloudy")
    t.hero(traits=("proud", "funny", "quiet", "clever", "patient"))
    t.peer("B")
    t.peer("C")
    place = t.somewhere("out")
    t.character("A").place = place
    begin.opening(
        t,
        "{A.name}, {B.intro} and {C.intro} played hide and seek {P.in}",
        '{A} was {P.in} with {B.intro} and {C.intro}. "Let\'s play hide and seek!" {C} said',
    )
    t.want("A", "to find the best hiding place of all")
    t.tell_if("detail", "{B.name} closed {B.his} eyes and counted to <many>.")
    spots = t.dice.shuffled(place.spots)
    t.word("ONE", spots[0])
    t.word("TWO", spots[1])
    t.word("THREE", spots[2])
    t.tell(
        "{C} hid {ONE}. {A} looked {TWO}, but that was too easy. then {A.he} found a spot "
        "{THREE} and made {A.self} very small."
    )
    t.attempt("{A.name} hid {THREE}")
    t.tell(
        '"[Ready or not, here I come|I am coming]!" {B} called. {B} looked {TWO}, but [nobody '
        "was there|there was nobody], and then {B.he} looked {ONE} and [cried|called|laughed], "
        '"[Found you|I see you|There you are], {C.name}!"'
    )
    t.tell_if(
        "detail",
        "{A} smiled. nobody would ever find {A.him} there.",
        "{A} heard steps come near and go away again. {A.he} held {A.his} breath and grinned.",
    )
    t.paragraph()
    t.tell(
        "{A} waited and waited. a [black|green|small|shiny] [beetle|snail|ladybug|ant] walked "
        "over {A.his} [nose|foot|ear|knee], and it became [very quiet|quiet|darker and "
        "darker|rather cold]."
    )
    t.problem("nobody found {A.name}", "the hiding place was too good")
    t.feel("A", t.pick(("bored", "lonely", "worried")), "nobody came")
    moments.think_it_over(
        t, "have they forgotten me?", "maybe they went home", "I will stay a little longer"
    )
    end = t.dice.below(3)
    if end == 0:
        t.tell(
            "then {A} felt a [big|tiny|terrible] sneeze coming and held {A.his} nose, but it "
            "was no use: Achoo!"
        )
        t.attempt("{A.name} had to sneeze")
        t.say("B", "there you are!", "that was a loud hiding place!", how="laughed")
        t.outcome("a sneeze gave {A.name} away")
        t.feel("A", "relieved", "they had found {A.o} at last", said=True)
    elif end == 1:
        t.tell(
            "{A} fell asleep. when {A.he} woke up, it was evening, and voices were calling "
            "{A.his} name."
        )
        t.world.later("evening")
        t.attempt("{A.name} fell asleep")
        t.say("C", "{A.name}! / Where are you? Please come out!", how="called")
        t.tell("{A} crawled out. everybody came running and hugged {A.him}.")
        t.note_feeling("C", "worried", "they could not find {A.name}")
        t.talk("B", "we looked for you for hours! / We were so worried.", mood="relieved")
        t.outcome("{A.name} fell asleep and they found {A.name} in the evening")
        t.feel("A", "sorry", "they had all been worried")
    else:
        t.tell(
            "<at_last>, {A} came out by {A.self}, and {B.name} and {C.name} "
            '[shouted|cried|called], "[You win|You won], {A.name}! [Show us|Tell us] where you '
            'were!"'
        )
        t.attempt("{A.name} came out")
        t.tell(
            "{A} thought about it. should {A.he} keep it secret? then {A.he} showed it to them, "
            "and all three squeezed in together and giggled."
        )
        t.outcome("{A.name} won and shared the hiding place")
        t.feel("A", "happy", "they were all together again")
    t.moral(
        "[it is nice to hide, but it is nicer to be found|the best part of a game is the friends]"
    )
    finish.ending(
        t,
        '"Now it is my turn to count," {A} said.',
        "the next day, they played something else: " + ("<fable_game>." if t.fable else "<game>."),
    )
