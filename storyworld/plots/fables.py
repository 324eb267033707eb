"""Fables of animals that live together."""

from __future__ import annotations

from storyworld.lexicon.kinds import ANIMALS, BIRDS, SPECIES
from storyworld.plots.registry import plot
from storyworld.scenes import begin, finish, moments
from storyworld.tale import Tale

# small enough to be carried over a river, and not able to get over it
_SMALL_WALKERS = tuple(
    s.noun for s in SPECIES.values() if s.size in (1, 2) and not s.flies and not s.swims
)


@plot("food for the winter")
def winter_food(t: Tale) -> None:
    """One works, one plays all summer; then winter comes."""
    t.set_time("morning")
    t.world.season = t.pick(("summer", "autumn"))
    t.set_sky("sunny")
    t.hero(
        fable=1.0,
        species=("ant", "squirrel", "mouse", "hedgehog", "beaver", "badger", "bee"),
        traits=("patient", "careful", "helpful", "quiet"),
    )
    t.peer("B", trait="lazy")
    t.somewhere("out")
    begin.opening(
        t,
        "{A} was {P.in} to gather {A.food} for the winter",
        "{A} carried {A.food} home, again and again, across {P}",
    )
    t.tell("{B.intro} lay in the sun and [sang|hummed|looked at the clouds|played a leaf flute].")
    t.say(
        "B",
        "why do you work so hard? / The sun is shining!",
        "come and [dance|sing|play] with me!",
        how="said",
    )
    t.say(
        "A",
        "winter will come. / You should gather food, too.",
        "I must fill my {A.home}. / Have you thought of the snow?",
        how="said",
    )
    t.say("B", "winter is far away.", "oh, I will do that [tomorrow|next week].", how="said")
    t.want("A", "to have enough food for the winter")
    t.want("B", "to sing and enjoy the sun")
    t.tell(
        "so {A} worked and {B} played, day after day, until the leaves turned [yellow|red and "
        "gold|brown|red] and [fell|danced to the ground|blew away]."
    )
    t.paragraph()
    t.world.season = "winter"
    t.world.next_day()
    t.world.weather("snowy")
    t.tell(
        "one morning, everything was white. {B} was [cold|shivering] and had nothing to eat.",
        "then the snow came. {B} looked for food everywhere, but there was [nothing|only snow].",
    )
    t.problem("{B.name} had no food in winter", "{B.name} had played all summer")
    t.feel("B", "sorry", "{B.he} had not gathered any food")
    t.attempt("{B.name} looked for food in the snow")
    t.tell(
        "<at_last>, {B} knocked at {A.s} door.", "{B} went through the deep snow to {A.s} {A.home}."
    )
    t.say(
        "B",
        "I am so cold and hungry. / May I come in?",
        "you were right. / Could you give me a little?",
        mood="sad",
    )
    t.attempt("{B.name} asked {A.name} for help")
    end = t.dice.below(3)
    t.paragraph()
    if end == 0:
        t.say(
            "A",
            "come in. / There is enough for two.",
            "sit by the fire. / I have missed your songs.",
            how="said",
        )
        t.tell(
            "{B} ate and grew warm. then {B.he} sang all {B.his} summer songs, and the long "
            "winter nights [flew by|were short]."
        )
        t.outcome("{A.name} shared and {B.name} sang for them")
        t.moral(
            "[one gives bread, the other gives songs, and both are needed|it is good to think "
            "of tomorrow, and it is good to share]"
        )
    elif end == 1:
        t.say("A", "I will share with you. / But next summer, you will help me.", how="said")
        t.tell(
            "{B} promised it. and when summer came again, {B.he} worked from morning to noon "
            "and sang from noon to night."
        )
        t.outcome("{A.name} shared and {B.name} helped the next summer")
        t.moral("work comes first, and then comes play")
    else:
        t.say("A", "I have only enough for one. / But let us ask the others.", how="said")
        t.tell(
            "they went from door to door. here they got a [nut|seed], there a [root|dry apple], "
            "and in the end it was enough."
        )
        t.attempt("they asked the others")
        t.outcome("everybody gave a little and it was enough")
        t.moral("when everyone gives a little, nobody has to go hungry")
    t.feel("B", "grateful", "{A.name} had not sent {B.o} away")
    finish.ending(
        t,
        "when the first flower came up through the snow, they were still friends.",
        "<from_then>, {B} gathered a little every day, and sang while {B.he} did it.",
    )


@plot("crossing the river")
def river(t: Tale) -> None:
    """Friends must cross a river; each has an idea; what works depends on who they are."""
    t.set_time("morning", "afternoon")
    t.set_sky("sunny", "cloudy")
    t.hero(
        fable=1.0,
        species=_SMALL_WALKERS,
        traits=("clever", "brave", "careful", "impatient", "curious"),
    )
    t.peer("B", noun=t.pick(t.neighbours(flies=False, swims=False, sizes=(1, 2))))
    t.named_place("P", t.pick(("the river", "the wide river", "the deep stream")), "at")
    goal, arrival = t.pick(
        (
            (
                "sweet blackberries",
                "and there they were, the blackberries, [black|dark|ripe] and sweet.",
            ),
            ("the big feast", "and they were just in time: the feast had only begun."),
            ("ripe apples", "and there hung the apples, [red and round|ripe and red]."),
            ("a field of clover", "and there was the clover, as far as they could see."),
            (
                "{B.names} grandmother",
                "and there stood {B.names} grandmother, who had [seen it all|waited for them].",
            ),
            ("the best mushrooms", "and they found mushrooms [as big as hats|everywhere]."),
        )
    )
    t.word("GOAL", goal)
    begin.opening(
        t,
        "{A} and {B.intro} came to {P}",
        "{A} went for a long walk with {B.intro}. then they stood {P.in}",
    )
    t.tell(
        "they wanted to get to {GOAL} on the other side, but the water was [deep and fast|cold and "
        "deep|wild and cold|much too deep]."
    )
    t.problem("they could not cross {P}", "the water was deep and they could not swim")
    t.want("A", "to get to the other side")
    t.feel("A", "disappointed", "the water was too deep", said=True)
    t.say("B", "how can we get [across|over there]?", "I can't swim. / Can you?", how="asked")
    t.paragraph()
    fails = t.dice.sample(
        (
            (
                "jump",
                "{A} took a long run and jumped. splash! {A.he} landed near the bank and came "
                "out [dripping|as wet as a fish].",
            ),
            (
                "wait until the water was gone",
                '"Maybe it will run dry," {B} said. they sat and waited. the river just went on '
                "and on.",
            ),
            (
                "walk through it",
                "{B} put one foot in, then the other. then the water reached {B.his} chin, and "
                "{B.he} came back.",
            ),
            (
                "throw stones into it",
                "they threw stones into the water to make a path. plop, plop, plop. the river "
                "swallowed them all.",
            ),
            (
                "find a shallow place",
                "they went up along the bank and down again, but it was deep everywhere.",
            ),
        ),
        t.dice.between(1, 2),
    )
    for what, words in fails:
        t.word("TRY", what)
        t.attempt("they tried to {TRY}")
        t.tell(words)
    end = t.dice.below(4)
    if end == 0:
        t.peer("C", noun=t.pick(("turtle", "otter", "beaver")))
        t.tell("then a head came out of the water. it was {C.intro}.")
        t.say(
            "C",
            "where do you want to go? / Hop on my back!",
            "shall I take you over? / One at a time, please.",
            how="asked",
        )
        t.attempt("{C.name} carried them over")
        t.tell(
            "one after the other, they rode over the water, and not even their {A.hands} got wet."
        )
        t.outcome("{C.name} carried them across")
        moments.thanks(t, "A", "C")
        t.moral("strangers can be friends you have not met yet")
    elif end == 1:
        t.tell("<idea A>. an old tree stood close to the water, half fallen already.")
        t.attempt("they made a bridge of a fallen tree")
        t.tell(
            "{A.name} and {B.name} pushed with all their might until - crack! - the tree fell "
            "right across [the water|to the other bank] and [was a bridge|made a fine bridge]."
        )
        t.outcome("they made a bridge of a tree")
        t.moral("two heads and a good push can do a lot")
    elif end == 2:
        t.tell(
            "<idea A>. they tied [logs|thick branches|reeds] together with long grass and made "
            "a raft."
        )
        t.attempt("they built a raft")
        t.tell(
            "the raft turned around twice, and {B} almost fell in. but then it bumped against "
            "the other bank."
        )
        t.outcome("they built a raft")
        t.moral("if there is no way, you can make one")
    else:
        t.tell(
            "they could not do it that day. so they sat down on the bank and [ate what they "
            "had|looked at the water|watched the fish]."
        )
        t.tell(
            "and look, right behind them was a bush full of [berries|hazelnuts] that they had "
            "not seen before."
        )
        t.attempt("they looked around on their own side")
        t.outcome("they stayed on their side and found something good there")
        t.moral("sometimes the good things are on your own side of the river")
    t.paragraph()
    if end < 3:
        t.tell(arrival)
    t.feel(
        "A",
        "happy",
        "they had found a way" if end < 3 else "there was something good on their own side",
        said=True,
    )
    finish.ending(
        t,
        "they ate, laughed and rested, and they went home [in the red evening sun|before it was "
        "dark].",
        "and the river? it just went on and on, as rivers do.",
    )


@plot("the odd one")
def odd_one(t: Tale) -> None:
    """Somebody looks different and is laughed at; the difference turns out to be good."""
    t.set_time("morning")
    t.set_sky("sunny", "cloudy")
    t.hero(
        fable=1.0,
        species=[n for n in ANIMALS if n not in ("frog", "elephant", "turtle")],
        traits=("gentle", "shy", "quiet", "dreamy", "kind"),
    )
    t.peer("B")
    t.peer("C")
    place = t.somewhere("out")
    t.character("A").place = place
    feathers = t.character("A").kind in BIRDS
    oddities = [
        ("a loud, deep voice", "called so loudly that everybody heard it and found the way"),
        ("very big feet", "did not sink into the soft mud and showed the others where to walk"),
        ("only one good eye", "saw the narrow path that all the others had missed with two eyes"),
        ("blue spots from head to toe", "was so easy to see that nobody lost sight of {A.him}"),
        (
            "bright white feathers" if feathers else "a bright white face",
            "shone in the dark, so that the others could follow",
        ),
    ]
    if not feathers:
        oddities += [
            ("very big ears", "heard the brook far away, and the brook showed the way"),
            ("a crooked tail", "let them all hold on to {A.his} tail and pulled them out"),
            ("a nose that was much too big", "smelled the way home, step by step"),
        ]
    odd, use = t.pick(oddities)
    t.word("ODD", odd)
    begin.opening(
        t,
        "all the young animals met {P.in}",
        "{A} went {P.to}, where the others were playing",
        about="{A} was not like the others: {A.he} had {ODD}.",
    )
    t.tell("{B.intro} [pointed|laughed]. {C.intro} laughed, too.")
    t.say(
        "B",
        "look at you! / How funny you are!",
        "you look so strange, {A.name}!",
        how="laughed",
    )
    t.problem("the others laughed at {A.name}", "{A.name} had {ODD}")
    t.want("A", "to be like the others")
    t.feel("A", t.pick(("sad", "lonely")), "the others laughed at {A.o}")
    t.tell(
        "{A} tried to hide it with [leaves|mud|a scarf of moss|a hat of bark]. but it did not "
        "help.",
        "{A} went away, far from the others, where nobody could see {A.him}.",
    )
    t.attempt("{A.name} tried to hide")
    t.paragraph()
    t.world.later(t.pick(("afternoon", "evening")))
    t.tell(
        "<later>, the others [went too far from home|did not see that danger was near|got into "
        "trouble]. {B.name} and {C.name} were lost in a [swamp|thick fog|dark part of the "
        "land|storm], and nobody knew [what to do|the way|where home was]."
    )
    t.feel("B", "scared", "they were in danger")
    t.tell('"Help!" {C} cried. "Who can help us?"', '{C} cried, "Is there nobody who can help us?"')
    t.tell(
        "{A} heard it and came at once. {A.he} " + use + ".",
        "nobody had thought of {A.name}. but {A.he} " + use + ".",
    )
    t.attempt("{A.name} helped with what made {A.him} different")
    t.tell(
        "so {A} led them all home, one after the other, and nobody was hurt.",
        "in this way {B.name}, {C.name} and all the others came home [safe and sound|before it "
        "was dark|without a scratch].",
    )
    t.paragraph()
    t.feel("B", "sorry", "{B.he} had laughed at {A.name}")
    t.say(
        "B",
        "we were mean to you. / I am sorry.",
        "what we laughed about / has saved us all.",
        how="said",
    )
    t.feel("A", t.pick(("proud", "happy")), "{A.he} had saved the others", said=True)
    t.outcome("what was odd about {A.name} saved the others")
    t.moral(
        "[what makes you different can make you strong|nobody should be laughed at for being "
        "different]"
    )
    finish.ending(
        t,
        "<from_then>, they all wished they had {ODD}.",
        '"I like you just as you are," said {C.name}, and {A} smiled.',
    )
