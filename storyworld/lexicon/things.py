"""Things: toys, food, tools, treasures, each with adjectives that fit."""

from __future__ import annotations

from storyworld.referents import Noun

_PAINT = "[red|blue|green|yellow|orange|purple|pink|white]"
_SIZE = "[little|big|small|tiny|large|]"
_TOY = (
    f"[{_SIZE} {_PAINT}|shiny {_PAINT}|bright {_PAINT}|new {_PAINT}|old {_PAINT}"
    f"|{_PAINT} striped|new|old]"
)
_SOFT = "[soft|fluffy|old|floppy|soft little] [brown|white|gray|blue|pink|yellow|]"
_WOOD = f"[little|small|new|old|] [wooden|{_PAINT} wooden]"
_FINE = "[shiny|sparkling|tiny|old|golden|silver|beautiful|pretty]"
_CLOTH = f"[warm|soft|new|old|favorite|] [{_PAINT}|{_PAINT}|striped|knitted|spotted]"
_TASTY = "[big|sweet|warm|fresh|yummy|tasty|round]"
_FRUIT = "[big|sweet|ripe|juicy|fresh|shiny] [red|yellow|green|]"

# group: (adjectives, tags, nouns); a noun in capitals is plural
_GROUPS: tuple[tuple[str, str, str], ...] = (
    (
        _TOY,
        "toy small",
        "ball,toy car,toy truck,kite,yo-yo,top,whistle,toy train,toy boat,toy plane,toy drum,"
        "bouncy ball,robot,puppet,toy bus,pinwheel,toy horse",
    ),
    (
        _SOFT,
        "toy small soft",
        "teddy bear,toy rabbit,doll,stuffed elephant,toy dog,rag doll,stuffed dragon,"
        "toy lamb,stuffed penguin,toy lion",
    ),
    (_WOOD, "toy small wooden", "boat,horse,train,flute,sword,duck,truck,boat,puppet"),
    (_CLOTH, "wear small soft snow", "hat,scarf,cap"),
    (_CLOTH, "wear small soft", "coat,sweater,blanket"),
    (_CLOTH, "wear small pair snow", "MITTENS,GLOVES"),
    (_CLOTH, "wear small pair", "BOOTS,SOCKS,SLIPPERS"),
    (
        _FINE,
        "treasure small",
        "ring,coin,key,button,bell,shell,marble,stone,necklace,locket,feather,pearl,medal",
    ),
    (
        _TASTY,
        "treat food small",
        "cookie,cupcake,muffin,bun,pancake,pie,honey cake,sandwich,donut,cake",
    ),
    (_FRUIT, "fruit food small", "apple,pear,plum,peach,mango"),
    (
        "[old|big|small|heavy|good|strong]",
        "tool",
        "rope,hammer,broom,bucket,ladder,basket,lamp,net,shovel",
    ),
    (
        "[pretty|blue|white|old|small|yellow|painted|favorite]",
        "fragile small",
        "cup,vase,bowl,plate,teapot,glass jar,snow globe,clay pot,mug,piggy bank,picture "
        "frame,music box",
    ),
    (
        "[little|shiny|old|wooden|small|new]",
        "music tune",
        "flute,guitar,violin,trumpet,banjo,harp,horn,fiddle",
    ),
    ("[little|shiny|old|wooden|small|new]", "music", "drum,bell"),
    ("[thick|new|old|big|small|little|blue|red] [|picture]", "book small", "book"),
    (
        "[pretty|lovely|new|little|small]",
        "gift small",
        "music box,bracelet,paint box,puzzle,watch,flute,lamp,drawing,scarf,picture frame",
    ),
    ("[round|small|tiny|brown|black|striped|flat]", "seed small", "seed,bean,acorn,nut"),
    (
        f"[{_SIZE} {_PAINT}|shiny {_PAINT}|new {_PAINT}]",
        "fly small",
        "kite,balloon,toy plane,paper plane,hat,ball,shuttlecock,frisbee",
    ),
    (f"[new|shiny|old|] {_PAINT}", "ride", "bike,scooter,sled,wagon,tricycle,cart,toy car"),
)


THINGS: tuple[Noun, ...] = tuple(
    Noun(
        noun.lower() if noun.isupper() else noun,
        looks,
        frozenset(tags.split()),
        plural=noun.isupper(),
    )
    for looks, tags, nouns in _GROUPS
    for noun in nouns.split(",")
)

FABLE_THINGS: tuple[Noun, ...] = tuple(
    Noun(noun, looks, frozenset(tags.split()))
    for looks, tags, nouns in (
        (_FINE, "toy treasure small", "stone,shell,feather,bell,button,marble,coin,acorn cup"),
        (_WOOD, "toy small wooden", "boat,flute,top,drum,whistle,cart"),
        (_CLOTH, "wear toy small soft snow", "scarf,hat,cap"),
        (_CLOTH, "wear toy small soft", "blanket"),
        (
            _TASTY,
            "treat food small",
            "honey cake,berry pie,nut bun,pancake,seed cake,cookie,pie,muffin",
        ),
        (_FRUIT, "fruit food small", "apple,pear,plum,peach,turnip,carrot,pumpkin,melon"),
        ("[old|big|small|heavy|good|strong]", "tool", "rope,basket,bucket,lamp,net,shovel,ladder"),
        (
            "[pretty|blue|white|old|small|painted]",
            "fragile small",
            "bowl,cup,clay pot,jar,lantern,teapot",
        ),
        ("[little|shiny|old|wooden|small|new]", "music tune", "flute,fiddle,horn,harp"),
        ("[little|shiny|old|wooden|small|new]", "music", "drum,bell"),
        (
            "[pretty|lovely|new|little|small]",
            "gift small",
            "bracelet,flower crown,scarf,lantern,pillow,flute",
        ),
        ("[round|small|tiny|brown|black|striped|flat]", "seed small", "seed,bean,acorn,nut"),
        (f"[{_SIZE} {_PAINT}|new {_PAINT}]", "fly small", "kite,hat,balloon,paper boat,scarf"),
        ("[old|big|little]", "book small", "book"),
        (f"[new|shiny|old|] {_PAINT}", "ride", "sled,wagon,cart,raft"),
    )
    for noun in nouns.split(",")
)


def tagged(things: tuple[Noun, ...], tag: str) -> tuple[Noun, ...]:
    """All things of a group that have a tag."""
    return tuple(thing for thing in things if tag in thing.tags)
