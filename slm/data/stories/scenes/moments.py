"""Moments on the way: a thought, an animal passing by, a snack, somebody to ask, the way home."""

from __future__ import annotations

from slm.data.stories.grammar import capital
from slm.data.stories.tale import Tale


def introduce(t: Tale, key: str, *how: str) -> None:
    """Somebody comes into the story."""
    t.tell(*(line.replace("{1", "{" + key) for line in (how or _ARRIVALS)))


_ARRIVALS = (
    "<soon>, {1.intro} came by.",
    "then {1.intro} came along.",
    "there {A} met {1.intro}.",
)


def passer_by(t: Tale) -> None:
    """A small side event, for narrators who like detail."""
    if not t.likes("detail") or t.world.dark:
        return
    if t.world.sky in ("sunny", "cloudy", "windy") and t.world.season != "winter":
        t.tell(
            "a [little|tiny|small|curious] <little_animal> [watched|looked on] from [a branch|under a leaf|the grass|behind a stone].",
            "[far away|somewhere near|not far off], a [dog barked|bird sang|bell rang|cow mooed|rooster crowed].",
            "a [yellow|white|blue|bright] butterfly [flew|fluttered|danced] [by|past|over {A.his} head].",
            "a [big|lazy|round|busy] bumblebee [hummed|buzzed] [by|past|from flower to flower].",
            "the wind [moved|shook|tickled] the [leaves|grass|flowers] [softly|a little|all around].",
        )
    elif t.world.sky == "rainy":
        t.tell(
            "[the rain|a raindrop] [ran|dripped|tickled] down {A.his} [nose|neck|ears].",
            "the puddles [grew|got bigger] and [bigger|wider].",
        )
    elif t.world.season == "winter":
        t.tell(
            "{A.s} breath made [little|white] clouds in the cold air.",
            "a [robin|crow|sparrow] [hopped|sat] [over the frozen ground|on a bare branch].",
        )


def snack(t: Tale, who: str = "together") -> None:
    """They eat something."""
    meal = "<fable_meal>" if t.fable else "<meal>"
    t.tell(
        f"they [sat down and|stopped and|found a good spot and] [ate|shared|had] {meal}.",
        f"then they [ate|had|shared] {meal}, and [it tasted wonderful|everything tasted twice as good|not a crumb was left].",
    )


def play(t: Tale) -> None:
    """A and B play."""
    game = "<fable_game>" if t.fable else "<game>"
    t.tell(
        f"they played {game} [and {game} |]<all_day>.",
        f"{{A.name}} and {{B.name}} played {game} [until they were out of breath|and laughed a lot|<all_day>].",
        f"first they played {game}, [and then|then] they played {game}.",
        "they [ran|raced] [around|up and down|here and there] and [laughed|shouted|giggled] <all_day>.",
    )


def ask_around(t: Tale, question: str, key: str = "Q") -> None:
    """A asks a passer-by who cannot help."""
    who = t.adult(key) if t.dice.chance(0.5) else t.peer(key)
    if who.role == "adult":
        t.tell(f"{{A}} [asked|went to ask|ran to] {{{key}.name}}, [the {{{key}.kind}} next door|who was passing by|who lived nearby]."
               if not t.fable else f"{{A}} [went to|found|ran to] {{{key}.name}}.")
    else:
        t.tell(f"then {{{key}.intro}} came by.", f"{{A}} met {{{key}.intro}}.")
    t.say("A", question)
    t.say(
        key,
        "no, I am sorry. / I have [not|been busy all day and have not] seen [it|anything like that].",
        "I wish I could help, [{A.name}|dear|my friend]. / But I [saw|have seen] nothing.",
        "hmm, no. / Did you look everywhere?",
        "not here. / [But keep looking|Good luck|Don't give up]!",
    )


def thanks(t: Tale, giver: str, helper: str, what: str = "") -> None:
    """`giver` thanks `helper`."""
    lines = [
        f"<thanks>, {{{helper}.name}}! / {what or 'You are so kind.'}",
        f"<thanks>! / [{what or 'I will never forget this.'}|You are [a true friend|the best|so kind].]",
        f"how can I ever thank you, {{{helper}.name}}?",
    ]
    t.say(giver, *lines, mood="grateful")
    t.talk(
        helper,
        "you are welcome. / [That is what friends are for|I was glad to help|It was nothing].",
        "[any time|it was my pleasure], {%s.name}." % giver,
        "friends help each other.",
    )


def homeward(t: Tale) -> None:
    """Evening falls and everybody goes home."""
    if t.world.hour in ("morning", "noon", "afternoon"):
        t.world.later("evening")
    if t.world.sky in ("sunny", "cloudy", "windy"):
        t.tell(
            "when the sun [went down|set|sank behind the hills], {A} <walk_home>.",
            "the shadows grew long, and it was time to go home.",
            "in the evening, {A} <walk_home>, [tired but happy|humming a tune|with a warm heart].",
        )
    else:
        t.tell("in the evening, {A} <walk_home>, [tired but happy|humming a tune|with a warm heart].")


def think_it_over(t: Tale, *thoughts: str) -> None:
    """A thinks, in words."""
    if t.likes("inner"):
        t.tell(
            *(f'"{capital(thought)}" {{A}} thought.' if thought[-1] in "?!" else f'"{capital(thought)}," {{A}} thought.' for thought in thoughts),
            *(f'{{A}} thought, "{capital(thought)}{"" if thought[-1] in "?!" else "."}"' for thought in thoughts),
        )
