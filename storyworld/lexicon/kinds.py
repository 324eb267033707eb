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
    "ran": ("hurried", "hurried along", "rushed"),
    "crept": ("crept", "crawled"),
}


@dataclass(frozen=True, slots=True)
class Species:
    """An animal that can be a character of a fable."""

    noun: str
    words: Words
    home: str
    food: tuple[str, ...]
    size: int  # 0 an insect or a snail .. 5 an elephant
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
        _kind("rabbit", _HOPPER, "burrow", "carrots, clover, turnips", 2, "forest meadow farm"),
        _kind("fox", _FOUR_LEGS, "den", "berries, roasted chestnuts, eggs", 3, "forest meadow"),
        _kind("bear", _FOUR_LEGS, "cave", "berries, fish, nuts", 4, "forest"),
        _kind("squirrel", _FOUR_LEGS, "hollow tree", "nuts, acorns, seeds", 1, "forest"),
        _kind(
            "hedgehog", _SLOW, "nest of leaves", "apples, berries, mushrooms", 1, "forest meadow"
        ),
        _kind("mouse", _FOUR_LEGS, "hole", "seeds, nuts, grains", 1, "forest meadow farm"),
        _kind(
            "deer",
            _FOUR_LEGS | {"hands": ("hooves",), "hand": ("hoof",)},
            "thicket",
            "grass, leaves, apples",
            4,
            "forest meadow",
        ),
        _kind("badger", _FOUR_LEGS, "den", "roots, berries, mushrooms", 3, "forest"),
        _kind("owl", _BIRD, "hollow tree", "beetles, seeds", 2, "forest", flies=True),
        _kind("bird", _BIRD, "nest", "seeds, worms, cherries", 1, "forest meadow farm", flies=True),
        _kind("robin", _BIRD, "nest", "seeds, worms, berries", 1, "forest meadow farm", flies=True),
        _kind("crow", _BIRD, "nest", "corn, seeds, bread", 2, "forest meadow farm", flies=True),
        _kind(
            "frog",
            _HOPPER | {"hands": ("hands",), "hand": ("hand",)},
            "reed hut",
            "flies, bugs",
            1,
            "water",
            swims=True,
        ),
        _kind(
            "duck",
            _BIRD | {"walked": ("waddled", "went", "walked"), "ran": ("hurried", "waddled fast")},
            "nest in the reeds",
            "water plants, seeds",
            2,
            "water farm",
            swims=True,
        ),
        _kind(
            "turtle",
            _SLOW | {"hands": ("feet",), "hand": ("foot",)},
            "hole by the bank",
            "water plants, berries",
            2,
            "water",
            swims=True,
        ),
        _kind("beaver", _FOUR_LEGS, "lodge", "bark, roots, leaves", 3, "water", swims=True),
        _kind("otter", _FOUR_LEGS, "den by the bank", "fish, clams", 3, "water", swims=True),
        _kind(
            "monkey",
            _FOUR_LEGS | {"hands": ("hands",), "hand": ("hand",)},
            "tree house",
            "bananas, mangoes, figs",
            3,
            "jungle",
        ),
        _kind(
            "elephant",
            _FOUR_LEGS | {"hands": ("feet",), "hand": ("trunk",)},
            "grove",
            "leaves, bananas, grass",
            5,
            "jungle",
        ),
        _kind("lion", _FOUR_LEGS, "den", "meat pies, sausages", 4, "jungle"),
        _kind("tiger", _FOUR_LEGS, "den", "fish, sausages", 4, "jungle"),
        _kind("parrot", _BIRD, "nest", "nuts, mangoes, seeds", 2, "jungle", flies=True),
        _kind(
            "giraffe",
            _FOUR_LEGS | {"hands": ("hooves",), "hand": ("hoof",)},
            "grove",
            "leaves, figs",
            5,
            "jungle",
        ),
        _kind("cat", _FOUR_LEGS, "barn", "fish, sausages", 2, "farm"),
        _kind("puppy", _FOUR_LEGS, "doghouse", "bones, sausages", 2, "farm"),
        _kind(
            "lamb",
            _FOUR_LEGS | {"hands": ("hooves",), "hand": ("hoof",)},
            "barn",
            "grass, hay, clover",
            3,
            "farm meadow",
        ),
        _kind(
            "pig",
            _FOUR_LEGS | {"hands": ("feet",), "hand": ("foot",)},
            "pen",
            "corn, apples, potatoes",
            3,
            "farm",
        ),
        _kind(
            "goat",
            _FOUR_LEGS | {"hands": ("hooves",), "hand": ("hoof",)},
            "barn",
            "hay, grass, old cabbage leaves",
            3,
            "farm meadow",
        ),
        _kind(
            "pony",
            _FOUR_LEGS | {"hands": ("hooves",), "hand": ("hoof",)},
            "stable",
            "hay, oats, apples",
            4,
            "farm meadow",
        ),
        _kind(
            "chick",
            _BIRD | {"walked": ("hopped", "went", "pattered"), "ran": ("ran", "scurried")},
            "nest",
            "corn, seeds",
            1,
            "farm",
        ),
        _kind("ant", _SLOW, "ant hill", "seeds, grains", 0, "meadow forest"),
        _kind(
            "bee", _BIRD | {"walked": ("flew", "buzzed")}, "hive", "honey", 0, "meadow", flies=True
        ),
        _kind(
            "ladybug",
            _BIRD | {"walked": ("crawled", "flew")},
            "leaf",
            "tiny green bugs",
            0,
            "meadow",
            flies=True,
        ),
        _kind(
            "snail",
            _SLOW | {"hands": ("feelers",), "hand": ("feeler",)},
            "shell",
            "leaves",
            0,
            "meadow",
        ),
    )
}
# what the young ones of some kinds are called when they are big
_GROWN_NOUNS = {"puppy": "dog", "lamb": "sheep", "ladybug": "bug"}


def grown_noun(kind: str, gender: str) -> str:
    """What an animal of this kind is called when it is big."""
    if kind == "chick":
        return "hen" if gender == "f" else "rooster"
    return _GROWN_NOUNS.get(kind, kind)


ANIMALS = tuple(s.noun for s in SPECIES.values() if s.size > 0)
WALKERS = tuple(s.noun for s in SPECIES.values() if s.size > 0 and not s.flies)
BIRDS = frozenset(("owl", "bird", "robin", "crow", "duck", "parrot", "chick"))
LANDS = ("forest", "meadow", "water", "jungle", "farm")

GROWN: Words = {
    **CHILD,
    "small": ("kind", "tall", "friendly", "nice"),
    "walked": ("walked", "went", "came"),
    "ran": ("hurried", "rushed", "ran"),
    "hobby": (
        "sit in the sun",
        "tell stories",
        "work in the garden",
        "bake bread",
        "read the paper",
    ),
}
OLD: Words = {
    **GROWN,
    "small": ("old", "kind old", "wise old", "friendly old"),
    "walked": ("walked slowly", "came", "went"),
}
BIRD_WORDS: Words = _BIRD
BEAST_WORDS: Words = _FOUR_LEGS
