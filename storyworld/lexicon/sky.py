"""The weather and the light, in words."""

from __future__ import annotations

SKY_WORDS = {
    "sunny": ("sunny", "bright", "warm", "fine"),
    "cloudy": ("cloudy", "gray", "mild"),
    "windy": ("windy", "breezy", "gusty"),
    "rainy": ("rainy", "wet"),
    "snowy": ("snowy", "cold"),
    "foggy": ("foggy", "misty"),
    "stormy": ("stormy", "wild"),
}
SKY: dict[str, tuple[str, ...]] = {
    "sunny": (
        "the sun was [shining|smiling]",
        "the sky was [blue|clear|as blue as a cornflower]",
        "there was not a cloud in the sky",
        "the air was [soft|fresh|sweet]",
    ),
    "cloudy": (
        "[gray|white|big] clouds [hung in|covered|filled] the sky",
        "the sun was hiding behind the clouds",
        "clouds like [sheep|pillows|cotton] drifted [by|over the hills]",
    ),
    "windy": (
        "the wind [blew|whistled|played] [in the trees|around the corners|over the grass]",
        "the wind was [strong|wild|full of tricks]",
        "leaves and dust danced in the wind",
    ),
    "rainy": (
        "rain [fell|came down|dripped] [softly|without a stop|from a gray sky]",
        "[raindrops|the rain] [drummed|pattered|tapped] on the [stones|leaves]",
        "there were puddles everywhere",
    ),
    "snowy": (
        "snow [fell|came down] in [big|soft|thick] flakes",
        "everything was [white|white and still|soft and white]",
    ),
    "foggy": (
        "a [thick|white|gray] fog lay over everything",
        "the fog was as [thick|white] as [milk|wool]",
    ),
    "stormy": ("dark clouds [raced|rolled] over the sky", "the wind [howled|roared]"),
}
# what one says of it besides, where the weather was named just before
SKY_BESIDES: dict[str, tuple[str, ...]] = {
    "cloudy": ("the sky was [white|pale|like milk]", "the air was [cool|soft|still]"),
    "windy": (
        "the trees [swayed|bent|rustled] [and creaked|from side to side|]",
        "[hats|leaves|feathers] flew through the air",
    ),
    "snowy": ("everything was [still|soft and quiet]", "the air was [cold|clear and cold]"),
    "foggy": ("one could not see [ten steps|the next tree|very far]",),
}

CLEAR_NIGHT = (
    "the [moon|stars] shone [in the sky|over the roofs|above the trees]",
    "the sky was [full of stars|dark and deep]",
    "the [round|thin|silver] moon was [up|out|high in the sky]",
)
DARK_NIGHT = (
    "everything was [still|quiet and dark|dark]",
    "there was no moon [in the sky|to be seen]",
)
EVENING = ("the sun was low", "the sky was pink and gold", "the shadows were long")

# what one notices of the season, wherever trees grow
AIR = {
    "spring": (
        "the first [flowers|daisies|bees|butterflies] were out",
        "it smelled of [wet earth|fresh grass|blossoms]",
        "the trees were [full of buds|green again|in bloom]",
        "the birds were [building nests|back again|singing everywhere]",
        "the snow was gone [at last|from the hills]",
    ),
    "summer": (
        "it smelled of [roses|strawberries|warm grass]",
        "the grass was [high|soft|full of crickets]",
        "the [berries|strawberries|blackberries] were ripe",
        "the days were [long|long and warm]",
        "[swallows|bees|dragonflies] were in the air",
    ),
    "autumn": (
        "the leaves were [red and gold|turning yellow|falling]",
        "it smelled of [mushrooms|wood smoke|wet leaves]",
        "[nuts|acorns|chestnuts] fell from the trees",
        "the [geese|swallows|birds] were flying south",
        "there were [cobwebs|puddles|mushrooms] everywhere",
    ),
    "winter": (
        "the trees were [bare|white|black and bare]",
        "it smelled of [snow|wood smoke|cold air]",
        "the ground was [hard|frozen|as hard as stone]",
        "the days were [short|short and dark]",
        "there was ice on [the puddles|every puddle|the brook]",
    ),
}
# what one notices besides where there are fields
FIELD_AIR = {
    "spring": ("[lambs|young goats|foals] jumped in the fields",),
    "summer": (
        "it smelled of hay",
        "the [cherries|plums] were ripe",
        "the corn stood [high|tall] in the fields",
    ),
    "autumn": (
        "[apples|pears] fell from the trees",
        "there were pumpkins everywhere",
        "the fields were [empty|brown|bare]",
    ),
    "winter": ("[ice flowers|frost|little icicles] sat on the windows",),
}
# the jungle has no seasons
JUNGLE_AIR = (
    "it smelled of [wet leaves|flowers|ripe fruit]",
    "the [parrots|monkeys] were [loud|wide awake]",
    "the [mangoes|figs|bananas] were ripe",
    "[butterflies|hummingbirds] were in the air",
)
