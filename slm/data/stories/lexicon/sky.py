"""The weather and the light, in words."""

from __future__ import annotations

SKY_WORDS = {
    "sunny": ("sunny", "bright", "warm", "fine"),
    "cloudy": ("cloudy", "gray", "mild"),
    "windy": ("windy", "breezy", "blowy"),
    "rainy": ("rainy", "wet"),
    "snowy": ("snowy", "cold", "white"),
    "foggy": ("foggy", "misty"),
    "stormy": ("stormy", "wild"),
}
SKY: dict[str, tuple[str, ...]] = {
    "sunny": (
        "the sun was [shining|bright|warm]", "the sky was [blue|clear|as blue as a cornflower]",
        "there was not a cloud in the sky", "the [air|wind] was [soft|warm|sweet]",
    ),
    "cloudy": (
        "[gray|white|big] clouds [hung in|covered|filled] the sky", "the sun was hiding behind the clouds",
        "clouds like [sheep|pillows|cotton] drifted [by|over the hills]",
    ),
    "windy": (
        "the wind [blew|whistled|played] [in the trees|around the corners|over the grass]",
        "the wind was [strong|wild|full of tricks]", "leaves and dust danced in the wind",
    ),
    "rainy": (
        "rain [fell|came down|dripped] [softly|without a stop|from a gray sky]",
        "[raindrops|the rain] [drummed|pattered|tapped] on the [roofs|leaves]",
        "there were puddles everywhere",
    ),
    "snowy": (
        "snow [fell|came down] in [big|soft|thick] flakes", "everything was [white|white and still|covered in snow]",
    ),
    "foggy": ("a [thick|white|gray] fog lay over everything", "the fog was as [thick|white] as [milk|wool]"),
    "stormy": ("dark clouds [raced|rolled] over the sky", "the wind [howled|roared]"),
}  # fmt: skip

CLEAR_NIGHT = (
    "the [moon|stars] shone [in the sky|over the roofs|above the trees]",
    "the sky was [full of stars|dark and deep]",
    "the [round|thin|silver] moon was [up|out|high in the sky]",
)
DARK_NIGHT = ("everything was [still|quiet and dark|dark]", "there was no moon [in the sky|to be seen]")
EVENING = ("the sun was low", "the sky was pink and gold", "the shadows were long")
