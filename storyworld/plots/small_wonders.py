"""Short plots about things that puzzle the little ones."""

from __future__ import annotations

from storyworld.plots.registry import plot
from storyworld.scenes import begin, finish
from storyworld.tale import Tale


@plot("the echo")
def echo(t: Tale) -> None:
    """Somebody answers from the rocks, always with the same words."""
    t.set_time("morning", "afternoon")
    t.set_sky("sunny", "cloudy", "windy")
    t.hero(traits=("curious", "grumpy", "funny", "stubborn", "cheerful", "impatient"))
    t.parent() if t.dice.chance(0.5) else t.grandparent("M")
    t.named_place("P", t.pick(("the valley", "the old quarry", "the big cave", "the canyon")), "in")
    begin.opening(t, "{A} was {P.in} with {M.name}", "{A} and {M.name} came to {P}")
    cross = t.dice.chance(0.6)
    first, second = ("Who are you?", "Go away!") if cross else ("Hello!", "Come out!")
    t.tell(
        f'"{first}" {{A}} [called|shouted]. "{first}" [came back|said a voice from far away].',
        f'{{A}} [called|shouted], "{first}" and a voice [answered|called back], "{first}"',
    )
    t.problem("a voice repeated everything", "{A.name} did not know what an echo is")
    t.want("A", "to know who was calling")
    t.feel("A", t.pick(("surprised", "curious")), "somebody answered", said=True)
    t.tell(
        f'"{second}" {{A}} [cried|called], and the voice [cried it, too|said the same|called it '
        f"back]."
    )
    t.attempt("{A.name} called again")
    if cross:
        t.feel("A", "angry", "the voice was so [rude|cheeky]")
    t.paragraph()
    t.say(
        "A",
        "there is somebody over there / who says all that I say!",
        "who is that, {M.name}?",
        mood="angry" if cross else "curious",
    )
    t.say("M", "try it with kind words.", "say something nice, / and listen.", how="said")
    t.attempt("{M.name} told {A.name} to try kind words")
    kind = t.pick(("I like you", "You are my friend", "Have a good day", "Let us play"))
    t.tell(f'"{kind}!" {{A}} called. "{kind}!" came back, [soft and clear|loud and clear|gently].')
    t.feel("A", "happy", "the voice was friendly now", said=True)
    if t.dice.chance(0.5):
        t.say("M", "that is an echo. / It is your own voice, coming home.", how="said")
        t.outcome("{A.name} learned that the voice was an echo")
    else:
        t.tell("{A} [waved at the rocks|made up a name for the voice], and {M.name} only smiled.")
        t.outcome("{A.name} made friends with the voice")
    t.moral("the world answers you as you call")
    finish.ending(t, '"Good night!" {A} called at last, and {P} called it back.')


@plot("the shadow")
def shadow(t: Tale) -> None:
    """Somebody dark follows wherever one goes."""
    t.set_time("morning", "afternoon")
    t.set_sky("sunny")
    t.hero(traits=("curious", "funny", "dreamy", "brave", "shy", "impatient"), on_foot=True)
    place = t.somewhere("out")
    t.character("A").place = place
    begin.opening(
        t, "{A} was {P.in} and saw that somebody followed {A.him}", "{A} {A.walked} {P.to}"
    )
    t.tell(
        "it was [dark and flat|long and thin|gray and silent], and it [did|copied] all that "
        "{A.he} did.",
        "behind {A.him}, on the ground, there was somebody [long and dark|thin and gray].",
    )
    t.problem("somebody dark followed {A.name}", "{A.name} did not know that it was a shadow")
    t.want("A", "to get rid of the shadow")
    t.feel("A", t.pick(("surprised", "scared", "angry")), "it followed {A.him} everywhere")
    t.say("A", "go away!", "why do you follow me?", "stop doing what I do!", mood="angry")
    for what, words in t.dice.sample(
        (
            ("ran away", "{A} {A.ran} <fast_like>. the dark one was just as fast."),
            (
                "jumped over it",
                "{A} [jumped|leaped] high into the air, but it was there when {A.he} came down.",
            ),
            ("hid from it", "{A} hid {P.spot}. it waited there, too."),
            (
                "turned around fast",
                "{A} turned around as fast as {A.he} could. it was [faster|quicker].",
            ),
            (
                "made a face at it",
                "{A} [made a face|waved both arms], and it did [just the same|so, too].",
            ),
        ),
        t.dice.between(1, 2),
    ):
        t.attempt("{A.name} " + what)
        t.tell(words)
    t.paragraph()
    if t.dice.chance(0.5):
        t.peer("B")
        t.tell("then {B.intro} came by and [laughed|smiled].")
        t.say("B", "that is your shadow! / Look, I have one, too.", "the sun makes it. / See mine!")
        t.attempt("{B.name} explained it")
        t.tell(
            "they made their shadows [shake hands|dance|into a monster with four arms] <all_day>."
        )
        t.outcome("{B.name} explained the shadow and they played with it")
    else:
        t.tell(
            "then a cloud came, and it was gone. {A} [looked around|waited]. it was a bit "
            "[lonely|empty]."
        )
        t.tell("when the sun came back, {A} [waved|bowed], and the dark one [waved|bowed], too.")
        t.attempt("{A.name} waited for it to come back")
        t.outcome("{A.name} missed the shadow and made friends with it")
    t.feel("A", "happy", "it was a [good|funny|faithful] friend after all")
    t.moral("[your shadow is nothing to fear|some friends never leave you]")
    finish.ending(
        t, "in the evening, it grew as tall as a [tree|tower|giant], and then it went to bed."
    )


@plot("the snowflake")
def snowflake(t: Tale) -> None:
    """Somebody wants to keep a thing that cannot be kept."""
    t.set_time("morning", "afternoon")
    t.world.season = "winter"
    t.set_sky("snowy")
    t.hero(fable=0.3, traits=("dreamy", "gentle", "curious", "patient", "quiet", "impatient"))
    t.grandparent("G")
    place = t.somewhere("out")
    t.character("A").place = place
    begin.opening(
        t, "{A} stood {P.in} and looked up into the snow", "{A} {A.ran} {P.to} to see the snow"
    )
    t.tell(
        "a snowflake like a [star|flower|tiny wheel|feather] landed on {A.his} "
        "[nose|{A.hand}|scarf]."
        if not t.fable
        else "a snowflake like a [star|flower|tiny wheel|feather] landed on {A.his} "
        "[nose|{A.hand}].",
    )
    t.say("A", "I will [bring|give] you to {G.name}!", "you are so pretty. / I will keep you!")
    t.want("A", "to bring the snowflake to {G.name}")
    t.problem("the snowflake melted", "it was too warm")
    ways = t.dice.sample(
        (
            (
                "held it tight",
                "{A} held it [tight|in both {A.hands}]. when {A.he} looked, there was only a drop.",
            ),
            (
                "breathed on it",
                "{A} [breathed on|kissed] the next one to keep it warm. it was gone at once.",
            ),
            (
                "ran home with it",
                "{A} {A.ran} home with the next one. at the door, it was [water|gone].",
            ),
            (
                "put it in a box",
                "{A} put one into a little [box|nutshell]. inside, there was soon only a wet spot.",
            ),
        ),
        t.dice.between(1, 2),
    )
    for what, words in ways:
        t.attempt("{A.name} " + what)
        t.tell(words)
    t.feel("A", t.pick(("sad", "disappointed")), "no snowflake wanted to stay")
    t.paragraph()
    end = t.dice.below(3)
    if end == 0:
        t.say("A", "come out, {G.name}! / You must see it here.", how="called")
        t.tell(
            "so {G.name} came out, and they [stood|looked up] <together> until they were both "
            "white."
        )
        t.outcome("{G.name} came out to see the snow")
        t.feel("A", "happy", "{G.name} saw the snow, too")
    elif end == 1:
        t.tell(
            "so {A} looked at one for a long time and then [drew|scratched] it on a "
            "[stone|board|window]."
        )
        t.outcome("{A.name} made a picture of a snowflake for {G.name}")
        t.say("G", "this one will never melt.", "how fine it is!", how="said")
        t.feel("A", "proud", "{G.name} liked the picture")
    else:
        t.say("G", "I have seen so many of them. / Tell me about yours.", how="said")
        t.tell(
            "{A} told {G.o} about [every point of it|how it shone|its six arms], and {G.name} "
            "could see it."
        )
        t.outcome("{A.name} told {G.name} about the snowflake")
        t.feel("G", "happy", "{A.name} told it so well")
    t.moral("[some things can only be kept in the heart|beauty does not have to last to be real]")
    finish.ending(
        t, "and outside, it snowed and snowed.", "no two of them were alike, {A.name} knew."
    )


@plot("guess the sound")
def guess_the_sound(t: Tale) -> None:
    """A game with closed eyes, and a sound nobody can guess."""
    t.set_time("morning", "afternoon")
    t.set_sky("sunny", "cloudy", "windy")
    t.hero(traits=("quiet", "curious", "clever", "funny", "patient", "dreamy"))
    t.peer("B")
    place = t.somewhere("out")
    t.character("A").place = place
    begin.opening(
        t,
        "{A} and {B.intro} sat {P.in} and had nothing to do",
        "{A.name} and {B.intro} were {P.in} and thought of a new game",
    )
    t.say(
        "A", "close your eyes. / What do you hear?", "let's shut our eyes / and guess the sounds!"
    )
    sounds = t.dice.sample(
        (
            "a bee in a flower",
            "a far bell",
            "the wind in the leaves",
            "a bird on a branch",
            "somebody with a bucket",
            "a cricket in the grass",
            "a cart on the road",
            "two leaves that rub",
            "a dog that dreams",
            "water over stones",
        ),
        2,
    )
    for who, sound in zip("BA", sounds, strict=True):
        t.say(who, f"[that is|I hear] {sound}.", f"listen! / It is {sound}.", how="said")
    t.tell(
        "then there was [a new sound|another sound]: [tap, tap|plip, plop|crick, crack|hum, "
        "hum|swish, swish]."
    )
    t.problem("nobody could guess a sound", "they could not see where it came from")
    t.want("A", "to know what made the sound")
    t.feel("A", "curious", "there was a sound that nobody knew", said=True)
    guess = t.pick(
        (
            "a giant who eats nuts",
            "a mouse with boots",
            "a clock under the ground",
            "a tiny train",
            "a ghost with a cold",
        )
    )
    t.say("B", f"it is {guess}!", f"maybe it is {guess}?", mood="excited")
    t.attempt("they guessed")
    t.paragraph()
    answer = t.pick(
        (
            "a snail that ate a dry leaf",
            "a drop that fell into a tin",
            "a seed pod that opened in the sun",
            "a beetle that climbed up a straw",
            "a woodpecker at work",
            "a loose string that flapped in the wind",
        )
    )
    t.word("ANSWER", answer)
    if t.dice.chance(0.75):
        t.tell("they followed it <quietly>, farther and farther. {P.spot}, they saw it: {ANSWER}!")
        t.attempt("they followed the sound")
        t.outcome("it was {ANSWER}")
        t.feel("B", "surprised", "it was only {ANSWER}", said=True)
    else:
        t.tell("they looked {P.spot} and all around, but they never found out what it was.")
        t.attempt("they looked for it")
        t.outcome("they never found out what it was")
        t.feel("A", "happy", "they had a secret to wonder about")
    t.moral("[the world is full of sounds when you are quiet|those who listen find the most]")
    finish.ending(
        t,
        '"Again!" said {B.name}, and they closed their eyes.',
        "that night, {A} lay awake a little and listened.",
    )
