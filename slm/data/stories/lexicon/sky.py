"""The weather and the light, in words."""

from __future__ import annotations

SKY_WORDS = {
    "sunny": ("sunny", "bright", "warm", "fine"),
    "cloudy": ("cloudy", "gray", "mild"),
    "windy": ("windy", "breezy", "blowy"),
    "rainy": ("rainy", "wet"),
    "snowy": ("snowy", "cold"),
    "foggy": ("foggy", "misty"),
    "stormy": ("stormy", "wild"),
}
SKY: dict[str, tuple[str, ...]] = {
    "sunny": (
        "the sun was [shining|bright|warm]",
        "the sky was [blue|clear|as blue as a cornflower]",
        "there was not a cloud in the sky",
        "the air was [soft|warm|sweet]",
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
        "[raindrops|the rain] [drummed|pattered|tapped] on the [roofs|leaves]",
        "there were puddles everywhere",
    ),
    "snowy": (
        "snow [fell|came down] in [big|soft|thick] flakes",
        "everything was [white|white and still|covered in snow]",
    ),
    "foggy": (
        "a [thick|white|gray] fog lay over everything",
        "the fog was as [thick|white] as [milk|wool]",
    ),
    "stormy": ("dark clouds [raced|rolled] over the sky", "the wind [howled|roared]"),
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

# what one notices of the season
AIR = {
    "spring": (
        "the first [flowers|daisies|bees|butterflies] were out",
        "it smelled of [wet earth|fresh grass|blossoms]",
        "the trees were [full of buds|green again|in bloom]",
        "the birds were [building nests|back again|singing everywhere]",
        "the snow was gone [at last|from the hills]",
        "[lambs|young goats|foals] jumped in the fields",
    ),
    "summer": (
        "it smelled of [hay|roses|strawberries|warm grass]",
        "the grass was [high|soft|full of crickets]",
        "the [cherries|plums|berries|strawberries] were ripe",
        "the days were [long|long and warm]",
        "[swallows|bees|dragonflies] were in the air",
        "the corn stood [high|tall] in the fields",
    ),
    "autumn": (
        "the leaves were [red and gold|turning yellow|falling]",
        "it smelled of [apples|mushrooms|wood smoke|wet leaves]",
        "[nuts|acorns|chestnuts|apples] fell from the trees",
        "the [geese|swallows|birds] were flying south",
        "there were [pumpkins|cobwebs|puddles] everywhere",
        "the fields were [empty|brown|bare]",
    ),
    "winter": (
        "the trees were [bare|white|black and bare]",
        "it smelled of [snow|wood smoke|cold air]",
        "the ground was [hard|frozen|as hard as stone]",
        "the days were [short|short and dark]",
        "[ice flowers|frost|little icicles] sat on the windows",
        "there was ice on [the puddles|every puddle|the brook]",
    ),
}
