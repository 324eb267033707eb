"""Plots about being far from home."""

from __future__ import annotations

from storyworld.plots.registry import plot
from storyworld.scenes import begin, finish
from storyworld.tale import Tale


@plot("shelter from the storm")
def storm(t: Tale) -> None:
    """A storm surprises them; shelter, and what one does while it thunders."""
    t.set_time("morning", "afternoon")
    t.set_sky("sunny", "cloudy", "windy")
    t.hero(on_foot=True)
    t.peer("B")
    place = t.somewhere("green", "away")
    t.character("A").place = place
    begin.opening(t, "{A.name} and {B.intro} were {P.in}", "{A} went {P.to} with {B.intro}")
    begin.look(t)
    t.tell(
        "{A.name} and {B.name} were so busy [with their game|looking for beetles|picking "
        "berries|catching leaves|telling jokes] that they did not [look up at the sky|see the "
        "dark clouds|notice the wind]."
    )
    t.world.weather("stormy")
    t.tell(
        "<suddenly>, it grew dark, the wind [howled|roared|shook the trees], and the first "
        "[big|fat|cold|heavy] drops fell [on {A.names} nose|on {B.names} head|all around them].",
        "[black|dark|big gray] clouds came over the [hills|trees|fields], and then there was a "
        "flash, and it thundered [so loudly that {A.name} jumped|right above {B.name}|like a "
        "giant drum].",
    )
    t.say("B", "a storm! / What shall we do?", "we can't make it home!", mood="scared")
    t.problem("a storm came and they were far from home", "they had not looked at the sky")
    t.want("A", "to find a safe and dry place")
    t.feel("B", "scared", "it thundered", said=True)
    t.paragraph()
    t.tell(
        '"Not under the [big|tall] tree, {B.name}!" {A} [called|shouted|cried]. "[That is '
        'dangerous|Lightning likes tall trees|It is not safe there]!"'
    )
    t.word(
        "SHELTER",
        "[a small cave|an old hut|a wooden shed|a barn|the space under a bridge|a big hollow rock]",
    )
    t.tell(
        "they {A.ran} through the [rain|wind and rain] until they saw {SHELTER}.",
        "then {A} remembered {SHELTER} not far away. they {A.ran} there as fast as they could.",
    )
    t.attempt("they ran to {SHELTER}")
    guest = t.dice.chance(0.55)
    if guest:
        if t.fable:
            t.peer("C")
            t.tell("but somebody was already there. it was {C.intro}, wet to the bone.")
            t.say("C", "come in, come in! / There is room for [three|all of us].", how="said")
        else:
            t.beast("C", t.pick(("dog", "goat", "sheep", "cat", "donkey")))
            t.tell("somebody was already there: {C.a}, wet to the bone. it moved over a little.")
        t.attempt("they shared the shelter")
    t.tell(
        "[boom|crack|bang], it thundered again, and {A.name} and {B.name} [jumped|held on "
        "tight|moved closer together|covered their ears]."
    )
    way = t.dice.below(3)
    if way == 0:
        t.say(
            "A",
            "let's count from the flash to the thunder.",
            "let's sing louder than the thunder!",
            how="said",
        )
        t.tell("so they did, and with every flash the thunder was a little farther away.")
    elif way == 1:
        t.say(
            "A",
            "the clouds are just moving their furniture.",
            "the sky is only playing the drums.",
            how="said",
        )
        t.tell("{B} had to laugh. with every boom they laughed a little more.")
    else:
        t.tell(
            "they sat close <together> and told each other stories about [the sun|warm "
            "soup|summer|pancakes]."
        )
    t.attempt("they kept each other's courage up")
    t.feel("B", "calm", "{A.name} was there")
    t.paragraph()
    t.world.weather("sunny")
    t.tell(
        "<at_last>, it grew light, the rain [stopped|became thin|went away], and [a rainbow "
        "stood over the hills|every leaf shone|the sun came out again|steam rose from the "
        "ground]."
    )
    if guest and not t.fable:
        t.tell("the {C.kind} shook itself and went with them as far as the first house.")
    t.tell_if(
        "detail",
        "on the way home, they jumped into every puddle.",
        "everything smelled [fresh|of wet earth].",
    )
    t.outcome(
        "the storm passed and they went home safely"
        + (", with a guest they had met" if guest else "")
    )
    t.note_feeling("A", "happy", "the storm was over")
    t.moral("[in a storm, it is good to have a friend|it is wise to look at the sky now and then]")
    finish.ending(
        t,
        "at home, there was a warm blanket and <meal>."
        if not t.fable
        else "at home, there was <fable_meal>.",
        '"You were brave," {B} said. "I was not," said {A.name}. "But we were two."',
    )


@plot("lost and found the way")
def lost_way(t: Tale) -> None:
    """A strays, gets lost, and gets home by a clue noticed earlier or by help."""
    t.set_time("morning", "afternoon")
    t.set_sky("sunny", "foggy", "cloudy")
    t.hero(traits=("curious", "dreamy", "brave", "careless", "impatient", "clever"), on_foot=True)
    t.parent()
    t.somewhere("out", "wild") if (
        not t.fable or t.world.land in ("forest", "jungle", "water")
    ) else t.somewhere("out")
    t.character("A").place = t.locale()
    t.word("LURE", "a [blue|yellow|big|bright] [butterfly|dragonfly|bird]")
    mark = t.pick(
        (
            "an old windmill",
            "a crooked pine tree",
            "a rock that looked like a bear",
            "a little red bridge",
            "a tree with a hole like a mouth",
            "a big anthill",
            "a broken fence",
            "a tall white stone",
        )
    )
    t.word("MARK", mark)
    t.word("THEMARK", "the " + mark.split(" ", 1)[1])
    begin.opening(
        t,
        "{A} was {P.in} with {M.name}",
        "{A} and {M.name} went {P.to} [to pick berries|to gather wood|to look for mushrooms|for "
        "a walk]",
    )
    begin.look(t)
    t.say("M", "stay close to me.", "don't run too far.", how="said")
    t.tell(
        "but then {A} saw {LURE} and followed it, [past|around] {MARK}, farther and farther.",
        "{A} only wanted to look at {LURE}. {A.he} ran after it, past {MARK} and over a "
        "[brook|hill|ditch].",
    )
    t.tell(
        "when {A} [turned around|looked back|stopped], {M.name} was [not there|gone|nowhere to "
        "be seen], and [every tree|every path|every stone|everything] looked the same."
    )
    t.problem("{A.name} was lost", "{A.name} ran after {LURE}")
    t.want("A", "to find the way back to {M.name}")
    t.feel("A", "scared", "{A.he} did not know the way back", said=True)
    t.say("A", "{M.name}! / Where are you?", "hello? / Is anybody there?", how="called")
    t.tell(
        "only [the wind|an echo] answered."
        if t.world.sky != "foggy"
        else "the fog swallowed every sound."
    )
    t.attempt("{A.name} called")
    t.paragraph()
    t.tell(
        "first, {A} {A.ran} to the left, and then {A.he} {A.ran} to the right, but [that only "
        "made it worse|it all looked the same|there was no path]."
    )
    t.attempt("{A.name} ran here and there")
    way = t.dice.below(4)
    if way == 0:
        t.tell("then {A} sat down and thought. what had {A.he} passed? right, {THEMARK}!")
        t.tell(
            "{A} climbed up [a big stone|a little hill|a stump] and looked around. and there it "
            "was!"
            if t.world.sky != "foggy"
            else "{A} went slowly, step by step, and listened. and there it was, gray in the fog!"
        )
        t.attempt("{A.name} looked for {THEMARK}")
        t.tell("from there, {A} knew the way.")
        t.outcome("{A.name} found the way back by {THEMARK}")
    elif way == 1:
        t.tell(
            'then {A} remembered what {M.name} had always said: "If you are lost, stay where '
            'you are. I will find you."'
        )
        t.tell(
            "so {A} sat down by {THEMARK}, hugged {A.his} knees and sang, so that {M.name} "
            "could hear {A.o}."
        )
        t.attempt("{A.name} stayed in one place and sang")
        t.tell("{A} sang every song {A.he} knew. and then there were steps. it was {M.name}!")
        t.outcome("{M.name} found {A.name} by the song")
    elif way == 2:
        helper = t.peer("B") if t.fable else t.adult("B", "ranger")
        helper.stranger = True
        t.tell(
            "then somebody came along the path. it was {B.intro}."
            if t.fable
            else "then somebody came along the path. it was {B.name}, the ranger."
        )
        t.say("B", "are you all alone out here?", "are you lost, little one?", how="asked")
        t.say(
            "A",
            "yes. / I came past {MARK}.",
            "I can't find {M.name}. / There was {MARK}, and then I got lost.",
            mood="sad",
        )
        t.say("B", "{THEMARK}? / I know where that is. Come with me.", how="said")
        t.attempt("{A.name} asked {B.name} for help")
        t.outcome("{B.name} showed {A.name} the way")
    else:
        t.tell(
            "then {A} saw {A.his} own footprints in the [mud|soft ground]. {A.he} followed them "
            "back, one by one, as far as {THEMARK}."
        )
        t.attempt("{A.name} followed the footprints back")
        t.outcome("{A.name} followed the footprints back")
    t.paragraph()
    t.tell(
        "{M} came running [and hugged {A.name} and would not let go|and took {A.name} in "
        "{M.his} arms|and lifted {A.name} up high]."
        if way != 1
        else "{M} [hugged {A.name} and would not let go|took {A.name} in {M.his} arms]."
    )
    t.talk(
        "M", "I was so worried!", "there you are! / I looked everywhere for you.", mood="relieved"
    )
    t.note_feeling("M", "worried", "{A.name} was lost")
    t.say(
        "A",
        "I am sorry. / I will stay close now.",
        "next time I will tell you where I go.",
        mood="sorry",
    )
    t.feel("A", "relieved", "{A.he} was with {M.name} again", said=True)
    t.moral(
        "[it helps to stop and think when you are lost|it is wise to remember the way you came]"
    )
    finish.ending(
        t,
        "they went home [hand in hand|side by side]."
        if not t.fable
        else "they went home side by side.",
        "and {LURE}, just like the one before, flew by as if nothing had happened.",
    )
