"""Plots that follow the year."""

from __future__ import annotations

from storyworld.plots.registry import plot
from storyworld.scenes import begin, finish
from storyworld.tale import Tale


@plot("the seed")
def seed(t: Tale) -> None:
    """Waiting for a seed to grow, with impatience, mistakes and patience."""
    t.set_time("morning", "afternoon")
    t.world.season = "spring"
    t.set_sky("sunny", "cloudy", "windy")
    t.hero(traits=("impatient", "patient", "curious", "gentle", "stubborn", "dreamy"))
    t.grandparent("G") if t.dice.chance(0.5) else t.parent("G")
    place = t.somewhere("green")
    t.character("A").place = place
    t.thing("X", "seed")
    t.world.own(t.character("G"), t.object("X"))
    begin.opening(t, "{G} gave {A.name} {X.a}", "{A} got {X.a} from {G.name}")
    t.give("G", "X", "A", narrate=False)
    t.say(
        "G",
        "put it into the ground, / and you will see a wonder.",
        "it looks like nothing. / But something is asleep in it.",
        how="said",
    )
    t.tell(
        "{A} dug a hole {P.in}, {P.spot}, put {X} in and covered {X.it} with earth. then {A.he} "
        "poured water on it."
    )
    t.world.drop(t.character("A"), t.object("X"), "in the ground")
    t.attempt("{A.name} planted the {X.n}")
    t.want("A", "to see the {X.n} grow")
    t.tell(
        "{A} sat down and waited for [one minute, two minutes, three minutes|a whole hour|an "
        "hour and a half], but nothing [happened|moved|came up].",
        "the next morning, {A} {A.ran} out at once, but there was [nothing to see|only brown "
        "earth|nothing new].",
    )
    t.say("A", "when will it grow?", "is it sleeping?", "hurry up, little {X.n}!", how=None)
    t.problem("the {X.n} did not seem to grow", "it needed time")
    t.feel("A", t.pick(("disappointed", "bored")), "nothing could be seen")
    t.paragraph()
    mistakes = t.dice.sample(
        (
            (
                "dug it up to look",
                "{A} dug it up to see what it was doing. it was doing nothing, so {A.he} put it "
                "back.",
            ),
            (
                "gave it too much water",
                "{A} gave it water ten times a day, until there was a little lake with a frog "
                "in it.",
            ),
            ("sang to it", "{A} sang to it, in case it was lonely."),
            ("told it to hurry", "{A} told it to grow, first nicely, then in a loud voice."),
            ("put a scarf over it", "{A} put a scarf over it, so that it would not be cold."),
            (
                "told it stories",
                "{A} told it a story every evening, always the one about the tall tree.",
            ),
        ),
        t.dice.between(1, 2),
    )
    for what, words in mistakes:
        t.attempt("{A.name} " + what)
        t.tell(words)
    t.say(
        "G",
        "you can't pull at it. / It grows when it is ready.",
        "give it water, sun and time. / Mostly time.",
        how="said",
    )
    t.tell(
        "so {A} [waited|learned to wait]. {A.he} gave it a little water every day and [counted "
        "the days|did other things|pulled out the weeds]."
    )
    t.attempt("{A.name} waited and took care of it")
    t.paragraph()
    if t.dice.chance(0.3):
        t.tell(
            "one night there was a storm. {A} {A.ran} out and held a [basket|bucket|big leaf] "
            "over the spot until it was over."
        )
        t.attempt("{A.name} protected it from a storm")
    t.tell(
        "then, one morning, there was something green, no bigger than a [fingernail|ladybug|drop].",
        "and one day, a tiny green [tip|leaf] looked out of the earth.",
    )
    t.feel(
        "A",
        t.pick(("excited", "happy", "surprised")),
        "a green leaf had come out of the earth",
        said=True,
    )
    t.say("A", "{G.name}! / Come quickly! It is here!", "it woke up!", mood="excited")
    noun = t.object("X").noun.noun
    end = {"seed": t.dice.below(3), "bean": 1}.get(noun, 2)
    if end == 0:
        t.tell(
            "it grew and grew. in the summer, it was a sunflower, taller than {G.name}, with a "
            "face like the sun."
        )
        t.outcome("it became a tall sunflower")
    elif end == 1:
        t.tell(
            "by the end of the summer, there were "
            + ("beans" if noun == "bean" else "[peas|pumpkins|tomatoes]")
            + " for everyone, "
            "and one new seed for next year."
        )
        t.outcome("it bore fruit and gave new seeds")
    else:
        t.tell(
            'it was a tree, but a very small one. "When you are as old as I am," said {G.name}, '
            '"you can sit in its shade."'
        )
        t.outcome("it became a little tree")
    t.moral("good things take time")
    finish.ending(
        t,
        "and {A} learned to wait, at least a little.",
        '{A} put a sign next to it: "Do not hurry."',
    )


@plot("the snowman")
def snowman(t: Tale) -> None:
    """A snowman is built, loved, and melts."""
    t.set_time("morning")
    t.world.season = "winter"
    t.set_sky("snowy", "sunny", "cloudy")
    t.hero(fable=0.3, traits=("cheerful", "dreamy", "gentle", "funny", "curious"), on_foot=True)
    t.peer("B") if t.dice.chance(0.5) else t.sibling("B")
    place = t.somewhere("out")
    t.character("A").place = place
    t.thing("X", "snow", owner="A")
    begin.opening(
        t,
        "{A} woke up, and the world was white. {A.he} {A.ran} {P.to} at once",
        "{A} saw that it had snowed all night, and {A.he} {A.ran} {P.to}",
    )
    t.tell(
        "{B.intro} was already there, [throwing snowballs|catching snowflakes|making tracks in "
        "the snow]."
        if t.character("B").role != "sibling"
        else "{B.name}, {A.s} {SIB}, came along, too."
    )
    t.say("A", "let's build a snowman!", "the biggest snowman of all!", mood="excited")
    t.want("A", "to build a snowman with {B.name}")
    t.tell(
        "they rolled one big ball, one middle-sized ball and one small ball, until their "
        "{A.hands} were [red|cold].",
        "{A.name} and {B.name} [pushed and rolled|rolled and lifted|pushed and pulled] while "
        "the snow [creaked|glittered|stuck to everything].",
    )
    t.tell_if(
        "detail",
        "the snowman got a [carrot|pine cone|stick|red leaf|potato] for a nose, two "
        "[stones|nuts|buttons|acorns|bottle caps] for eyes and a [wide|big|crooked|] smile of "
        "[pebbles|seeds|twigs|berries].",
    )
    t.world.give(t.character("A"), t.object("X"), t.character("B"))
    t.world.drop(t.character("B"), t.object("X"), "on the snowman")
    t.tell(
        "<at_last>, {A} gave him {A.his} own {X.fn}.",
        "{A} took off {A.his} {X.fn} and put {X.it} on the snowman.",
    )
    t.word("NAME", "[Frosty Bob|Mr. Cold|Snow King|Uncle Ice|Captain White|Mr. Puff|Icy Fred]")
    t.tell(
        "they called him {NAME}, and <every_day> {A.name} and {B.name} came and [told him the "
        "news|sang to him|said good morning to him|told him a joke]."
    )
    t.attempt("they built a snowman")
    t.feel("A", "happy", "{NAME} was their friend")
    t.paragraph()
    t.world.next_day()
    t.world.weather("sunny")
    t.tell(
        "but then the sun grew [warmer|stronger], and {NAME} became [thinner|smaller|a little "
        "crooked] until his nose began to [hang|drop|slip].",
        "one day, there was a [warm|soft|mild] wind, and drip, drip went the "
        "[roofs|trees|branches|icicles], and drip went {NAME}.",
    )
    t.problem("{NAME} was melting", "it got warmer")
    t.feel("A", t.pick(("worried", "sad")), "{NAME} was melting")
    for what, words in t.dice.sample(
        (
            (
                "built a roof for him",
                "they built a roof of [branches|boards] over him, to keep the sun away.",
            ),
            ("brought him new snow", "they carried snow from the shady side and patched him up."),
            (
                "fanned cold air",
                "{A.name} and {B.name} waved an old [blanket|coat|towel] to keep him cool, but "
                "that only made them [tired|hot|laugh].",
            ),
            (
                "asked the sun to go away",
                '"Please, sun, go behind a cloud!" {A} begged. the sun only smiled.',
            ),
        ),
        t.dice.between(1, 2),
    ):
        t.attempt("they " + what)
        t.tell(words)
    t.tell(
        "but <days_later> there was only a puddle where {NAME} had been, and in it lay "
        "{A.names} {X.n}."
    )
    t.world.find(t.character("A"), t.object("X"), "on the snowman")
    t.paragraph()
    t.say("A", "now he is gone.", "goodbye, {NAME}.", mood="sad")
    end = t.dice.below(3)
    if end == 0:
        t.say(
            "B",
            "he is not gone. / He is in the brook now, and then in the sea, and next winter he "
            "comes back.",
            how="said",
        )
        t.outcome("{NAME} melted but will come back as snow")
    elif end == 1:
        t.tell(
            "where {NAME} had stood, a [small|tiny|lovely] white flower came up: [it was a "
            "snowdrop|the first snowdrop of the year|a snowdrop]."
        )
        t.outcome("{NAME} melted and a snowdrop grew there")
    else:
        t.tell(
            "{B} had kept one snowball of him, deep in the cold cellar. in the summer they took "
            "it out and laughed."
            if not t.fable
            else "{B} had kept one snowball of him, deep in a cold cave. in the summer they "
            "took it out and laughed."
        )
        t.outcome("{NAME} melted but one snowball was kept")
    t.feel("A", "calm", "{NAME} would come back one day")
    t.moral(
        "[nothing lasts forever, and that makes it precious|after every winter there is a "
        "spring, and after that another winter]"
    )
    finish.ending(
        t,
        'and when the first snow fell again, {A} ran out and called, "Welcome back!"',
        "{A} wore {X} again the next winter, and the winter after that.",
        mood="soft",
    )
