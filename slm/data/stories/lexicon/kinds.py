"""Kinds of characters: children, grown-ups and animals, each with the words for what they do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Words = Mapping[str, tuple[str, ...]]

CHILD: Words = {
    "small": ("little", "little", "small", "young"),
    "walked": ("walked", "walked", "strolled", "went", "skipped"),
    "ran": ("ran", "ran", "raced", "rushed", "hurried", "dashed"),
    "crept": ("crept", "tiptoed", "sneaked"),
    "jumped": ("jumped", "leaped", "hopped"),
    "hands": ("hands",),
    "hand": ("hand",),
    "home": ("house",),
    "bed": ("bed",),
    "children": ("children", "kids"),
    "food": ("bread and jam", "soup", "a cheese sandwich", "pancakes", "noodles", "apple pie"),
    "cried": ("cried", "sobbed", "wept"),
    "hobby": (
        "play [outside|in the sand|with blocks|ball]",
        "draw [animals|funny faces|houses and trees|the sea]",
        "read [books about animals|stories about the sea|old books]",
        "sing [in the bath|silly songs|all day long]",
        "climb [trees|on everything|the hill behind the house]",
        "look for [bugs|shells|pretty stones|four-leaf clovers]",
        "ride [a red bike|a blue scooter|in the back of the truck]",
        "build [towers|tall towers|castles|things out of boxes]",
        "dance [in the kitchen|in the rain|to loud music]",
        "ask questions",
        "tell jokes",
        "bake [cookies|bread] with Grandma",
        "count [the stars|the birds|red cars]",
        "play hide and seek",
        "watch [the clouds|the trains go by|the birds|the boats]",
        "splash in [puddles|the bath|the stream]",
        "dress up as [a pirate|a king|a bear|a queen]",
        "help in the [garden|kitchen|shop]",
        "swing as high as the trees",
        "make up stories",
        "paint with bright colors",
        "run very fast",
    ),
}

_FOUR_LEGS: dict[str, tuple[str, ...]] = {
    "small": ("little", "little", "small", "young"),
    "walked": ("walked", "trotted", "went", "wandered"),
    "ran": ("ran", "raced", "dashed", "rushed"),
    "crept": ("crept", "tiptoed", "sneaked"),
    "jumped": ("jumped", "leaped"),
    "hands": ("paws",),
    "hand": ("paw",),
    "home": ("den",),
    "bed": ("bed of [leaves|moss|dry grass]",),
    "children": ("animals", "little animals"),
    "food": ("berries", "soup", "honey cake"),
    "cried": ("cried", "sobbed", "wept"),
    "hobby": (
        "[roll|run|play] in the [grass|leaves|meadow]",
        "chase [butterflies|falling leaves|dragonflies]",
        "lie in the sun",
        "tell [jokes|long stories|riddles]",
        "sing to the moon",
        "play hide and seek",
        "collect [shiny stones|pine cones|feathers|acorns]",
        "look at [the stars|the clouds|the river]",
        "explore [the woods|new paths|caves and holes]",
        "splash in the stream",
        "run races",
        "dance when nobody was looking",
        "help the other animals",
        "smell the flowers",
        "make up songs",
    ),
}
_BIRD = _FOUR_LEGS | {
    "walked": ("hopped", "fluttered", "flew", "flapped"),
    "ran": ("flew", "darted", "swooped", "hurried"),
    "crept": ("crept", "hopped softly"),
    "jumped": ("fluttered", "hopped"),
    "hands": ("wings",),
    "hand": ("wing",),
    "home": ("nest",),
    "bed": ("nest",),
    "food": ("seeds", "worms", "cherries"),
}
_HOPPER = _FOUR_LEGS | {
    "walked": ("hopped", "hopped", "went", "bounced"),
    "ran": ("hopped", "raced", "dashed", "bounded"),
    "jumped": ("jumped", "hopped", "leaped"),
}
_SLOW = _FOUR_LEGS | {
    "walked": ("walked slowly", "went", "plodded", "crawled"),
    "ran": ("hurried", "went very fast", "rushed"),
    "crept": ("crept", "crawled"),
}


@dataclass(frozen=True, slots=True)
class Species:
    """An animal that can be a character of a fable."""

    noun: str
    words: Words
    home: str
    food: tuple[str, ...]
    size: int  # 1 ant-sized .. 5 elephant-sized
    lands: tuple[str, ...]  # forest, meadow, water, jungle, farm
    flies: bool = False
    swims: bool = False


def _kind(
    noun: str,
    base: Mapping[str, tuple[str, ...]],
    home: str,
    food: str,
    size: int,
    lands: str,
    **more: bool,
) -> Species:
    foods = tuple(food.split(", "))
    words = {**base, "home": (home,), "food": foods}
    return Species(noun, words, home, foods, size, tuple(lands.split()), **more)


SPECIES: dict[str, Species] = {
    s.noun: s
    for s in (
        _kind("rabbit", _HOPPER, "burrow", "carrots, clover, lettuce", 2, "forest meadow farm"),
        _kind("fox", _FOUR_LEGS, "den", "berries, roasted chestnuts, eggs", 3, "forest meadow"),
        _kind("bear", _FOUR_LEGS, "cave", "honey, berries, fish", 4, "forest"),
        _kind("squirrel", _FOUR_LEGS, "hollow tree", "nuts, acorns, seeds", 1, "forest"),
        _kind("hedgehog", _SLOW, "nest of leaves", "apples, berries, mushrooms", 1, "forest meadow"),
        _kind("mouse", _FOUR_LEGS, "hole", "cheese, seeds, crumbs", 1, "forest meadow farm"),
        _kind("deer", _FOUR_LEGS | {"hands": ("hooves",), "hand": ("hoof",)}, "thicket",
              "grass, leaves, apples", 4, "forest meadow"),
        _kind("badger", _FOUR_LEGS, "den", "roots, berries, mushrooms", 3, "forest"),
        _kind("owl", _BIRD, "hollow tree", "beetles, seeds", 2, "forest", flies=True),
        _kind("bird", _BIRD, "nest", "seeds, worms, cherries", 1, "forest meadow farm", flies=True),
        _kind("robin", _BIRD, "nest", "seeds, worms, berries", 1, "forest meadow farm", flies=True),
        _kind("crow", _BIRD, "nest", "corn, seeds, bread", 2, "forest meadow farm", flies=True),
        _kind("frog", _HOPPER | {"hands": ("hands",), "hand": ("hand",)}, "lily pad", "flies, bugs",
              1, "water", swims=True),
        _kind("duck", _BIRD | {"walked": ("waddled", "went", "walked"), "ran": ("hurried", "waddled fast")},
              "nest in the reeds", "bread, water plants, seeds", 2, "water farm", swims=True),
        _kind("turtle", _SLOW | {"hands": ("feet",), "hand": ("foot",)}, "hole by the bank",
              "lettuce, water plants, berries", 2, "water", swims=True),
        _kind("beaver", _FOUR_LEGS, "lodge", "bark, roots, leaves", 3, "water", swims=True),
        _kind("otter", _FOUR_LEGS, "den by the bank", "fish, clams", 3, "water", swims=True),
        _kind("monkey", _FOUR_LEGS | {"hands": ("hands",), "hand": ("hand",)}, "tree house",
              "bananas, mangoes, figs", 3, "jungle"),
        _kind("elephant", _FOUR_LEGS | {"hands": ("feet",), "hand": ("trunk",)}, "clearing",
              "leaves, bananas, grass", 5, "jungle"),
        _kind("lion", _FOUR_LEGS, "den", "meat pie, stew", 4, "jungle"),
        _kind("tiger", _FOUR_LEGS, "den", "stew, fish", 4, "jungle"),
        _kind("parrot", _BIRD, "nest", "nuts, mangoes, seeds", 2, "jungle", flies=True),
        _kind("giraffe", _FOUR_LEGS | {"hands": ("hooves",), "hand": ("hoof",)}, "clearing",
              "leaves, figs", 5, "jungle"),
        _kind("cat", _FOUR_LEGS, "basket", "fish, milk", 2, "farm"),
        _kind("puppy", _FOUR_LEGS, "doghouse", "bones, sausages", 2, "farm"),
        _kind("lamb", _FOUR_LEGS | {"hands": ("hooves",), "hand": ("hoof",)}, "barn", "grass, hay, clover",
              3, "farm meadow"),
        _kind("pig", _FOUR_LEGS | {"hands": ("feet",), "hand": ("foot",)}, "pen", "corn, apples, potatoes",
              3, "farm"),
        _kind("goat", _FOUR_LEGS | {"hands": ("hooves",), "hand": ("hoof",)}, "barn",
              "hay, grass, old cabbage leaves", 3, "farm meadow"),
        _kind("pony", _FOUR_LEGS | {"hands": ("hooves",), "hand": ("hoof",)}, "stable", "hay, oats, apples",
              4, "farm meadow"),
        _kind("chick", _BIRD | {"walked": ("hopped", "went", "pattered"), "ran": ("ran", "scurried")},
              "nest", "corn, seeds", 1, "farm"),
        _kind("ant", _SLOW, "ant hill", "crumbs, seeds", 1, "meadow forest"),
        _kind("bee", _BIRD | {"walked": ("flew", "buzzed")}, "hive", "honey", 1, "meadow", flies=True),
        _kind("ladybug", _BIRD | {"walked": ("crawled", "flew")}, "leaf", "tiny green bugs", 1,
              "meadow", flies=True),
        _kind("snail", _SLOW | {"hands": ("feelers",), "hand": ("feeler",)}, "shell", "lettuce, leaves",
              1, "meadow"),
    )
}
LANDS = ("forest", "meadow", "water", "jungle", "farm")

GROWN: Words = CHILD | {
    "small": ("kind", "tall", "friendly", "nice"),
    "walked": ("walked", "went", "came"),
    "ran": ("hurried", "rushed", "ran"),
    "hobby": ("sit in the sun", "tell stories", "work in the garden", "bake bread", "read the paper"),
}
OLD: Words = GROWN | {"small": ("old", "kind old", "wise old", "friendly old"),
                      "walked": ("walked slowly", "came", "went")}
BIRD_WORDS: Words = _BIRD
BEAST_WORDS: Words = _FOUR_LEGS

TRAITS: dict[str, tuple[str, ...]] = {
    # in the patterns {1} is who has the trait
    "kind": (
        "{1} always [shared|helped others|had a nice word for everyone].",
        "when somebody was sad, {1} was the first to [come|notice|help].",
    ),
    "shy": (
        "{1} was so shy that {1.he} [hid whenever somebody new came|hardly ever spoke to strangers].",
        "{1} [spoke in a voice as soft as a whisper|turned pink when somebody looked at {1.him}].",
    ),
    "brave": (
        "{1} was not afraid of [thunder|spiders|the dark|big dogs], [only of baths|only of cold water|not even a bit].",
        "everyone said that {1} was [braver than a lion|the bravest of all].",
    ),
    "curious": (
        "{1} wanted to know [everything|how all things worked|why the sky was blue].",
        "[all day long|from morning to night], {1} asked \"Why?\" and \"How?\" and \"What is that?\"",
    ),
    "clever": (
        "{1} was good at [riddles|puzzles|finding answers|finding things out].",
        "{1} always [thought first and acted later|had a good idea].",
    ),
    "stubborn": (
        "when {1} said no, it [meant no|was no], and that was that.",
        "{1} did not like to be told what to do.",
    ),
    "impatient": (
        "{1} hated to wait. [even a minute|even one minute] felt like a [year|week] to {1.o}.",
        "{1} wanted everything [now|right now|at once].",
    ),
    "careless": (
        "{1} [often left things lying around|never put things back|forgot things everywhere].",
        "{1} was always in a hurry and hardly ever looked [twice|where {1.he} was going].",
    ),
    "careful": (
        "{1} [looked twice before every step|never broke anything|did everything slowly and well].",
        "{1} kept {1.his} things [neat and clean|in a neat row].",
    ),
    "funny": (
        "{1} could make [anyone|everyone|even a stone] laugh.",
        "{1} knew [a hundred|so many] jokes and made [the best|the silliest] faces.",
    ),
    "lazy": (
        "{1} liked to [sleep late|lie in the sun|do nothing] and said, \"I will do it [later|tomorrow].\"",
        "{1} was never in a hurry, least of all when there was work to do.",
    ),
    "greedy": (
        "{1} always wanted more: [more food, more toys, more of everything|more, more and more].",
        "{1} [never liked to share|kept the biggest piece for {1.self}].",
    ),
    "proud": (
        "{1} thought {1.he} was [better|faster and smarter] than everybody else.",
        "{1} liked to [show off|talk about {1.self}] all day.",
    ),
    "gentle": (
        "{1} was so gentle that even [butterflies|little birds|shy mice] were not afraid of {1.o}.",
        "{1} [never pushed|never shouted|spoke softly to everyone].",
    ),
    "cheerful": (
        "{1} [sang|hummed|whistled] from [morning to night|breakfast to bedtime].",
        "{1} [woke up with a smile every day|could find something good in every day].",
    ),
    "messy": (
        "{1} left [socks|crumbs|toys|muddy footprints] [wherever {1.he} went|all over the place].",
    ),
    "dreamy": (
        "{1} [often forgot where {1.he} was|looked at the clouds and forgot the time].",
    ),
    "helpful": (
        "{1} liked nothing better than to help.",
        "whenever there was work to do, {1} [came running|was there].",
    ),
    "honest": (
        "{1} [always told the truth|never told a lie], even when it was hard.",
    ),
    "patient": (
        "{1} never [minded waiting|gave up].",
        "{1} could [sit still for an hour|wait and wait] without a word.",
    ),
    "quiet": (
        "{1} did not talk much, but {1.he} [saw|noticed|heard] everything.",
    ),
    "grumpy": (
        "{1} [grumbled about the rain and grumbled about the sun|hardly ever smiled].",
    ),
}
