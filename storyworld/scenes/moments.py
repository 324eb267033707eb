"""Moments on the way: somebody comes, a game, a snack, thanks, a thought."""

from __future__ import annotations

from storyworld.grammar import capital
from storyworld.phrases import BANKS
from storyworld.tale import Tale


def introduce(t: Tale, key: str, *how: str) -> None:
    """Somebody comes into the story."""
    t.tell(*(line.replace("{1", "{" + key) for line in (how or _ARRIVALS)))


_ARRIVALS = (
    "<soon>, {1.intro} came by.",
    "then {1.intro} came along.",
    "there {A} met {1.intro}.",
)


def snack(t: Tale, who: str = "together") -> None:
    """They eat something."""
    meal = "<fable_meal>" if t.fable else "<meal>"
    t.tell(
        f"they [sat down and|stopped and|found a good spot and] [ate|shared|had] {meal}.",
        f"then they [ate|had|shared] {meal}, and [it tasted wonderful|everything tasted twice "
        f"as good|not a crumb was left].",
    )


def play(t: Tale) -> None:
    """A and B play."""
    games = BANKS["fable_game" if t.fable else "game"].split("|")
    first, second = t.dice.sample(games, 2)
    t.tell(
        f"they played {first} [and {second} |]<all_day>.",
        f"{{A.name}} and {{B.name}} played {first} [until they were out of breath|and laughed a "
        f"lot|<all_day>].",
        f"first they played {first}, [and then|then] they played {second}.",
        "they [ran|raced] [around|up and down|here and there] and [laughed|shouted|giggled] "
        "<all_day>.",
    )


def thanks(t: Tale, giver: str, helper: str, what: str = "") -> None:
    """`giver` thanks `helper`."""
    lines = [
        f"<thanks>, {{{helper}.name}}! / {what or 'You are so kind.'}",
        f"<thanks>! / [{what or 'I will never forget this.'}|You are [a true friend|the best|so "
        f"kind].]",
        f"how can I ever thank you, {{{helper}.name}}?",
    ]
    t.say(giver, *lines, mood="grateful", to=helper)
    t.talk(
        helper,
        "you are welcome. / [That is what friends are for|I was glad to help|It was nothing].",
        f"[any time|it was my pleasure], {{{giver}.name}}.",
        "friends help each other.",
    )


def think_it_over(t: Tale, *thoughts: str) -> None:
    """A thinks, in words."""
    if t.likes("inner"):
        t.tell(
            *(
                f'"{capital(thought)}" {{A}} thought.'
                if thought[-1] in "?!"
                else f'"{capital(thought)}," {{A}} thought.'
                for thought in thoughts
            ),
            *(
                f'{{A}} thought, "{capital(thought)}{"" if thought[-1] in "?!" else "."}"'
                for thought in thoughts
            ),
        )
