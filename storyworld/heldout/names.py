"""Names that no story of the corpus has."""

from __future__ import annotations

from collections.abc import Sequence

from storyworld.lexicon import names
from storyworld.tale import Tale


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


BOYS = _names(
    "Alan Boris Conrad Dmitri Edgar Floyd Gordon Howard Igor Jerome Kurt Lionel Magnus Neville "
    "Pierre Quentin Roland Stefan Timur Ulrich Vincent Wesley Xavier Yannick Barnaby Cyril Duncan "
    "Edmund Hector Rupert"
)
GIRLS = _names(
    "Agnes Bianca Celia Delia Edith Flora Gwen Helga Ingrid Joan Klara Lotte Maeve Naomi Ottilie "
    "Petra Roxana Sigrid Tamar Ursula Viola Wilma Zelda Astrid Beatrix Cora Esther Fatou Harriet "
    "Rebecca"
)
ANIMAL_NAMES = _names(
    "Blinky Cobble Dapple Fidget Gravel Hiccup Jigsaw Knobby Lichen Muddle Noggin Puddle Quibble "
    "Rascal Sprocket Tinsel Umber Wisp Yarrow Zigzag Barkley Crumpet Domino Fennel Grumble "
    "Hopscotch Kettle Radish Saffron Turnip"
)
SURNAMES = _names(
    "Abbott Becker Carter Dalton Evans Foster Graham Hughes Irving Jensen Keller Larsen Mercer "
    "Norris Osborne Porter Quincy Russell Sutton Thorne"
)

_IN_PLACE_OF = {
    names.BOYS: BOYS,
    names.GIRLS: GIRLS,
    names.ANIMAL_NAMES: ANIMAL_NAMES,
    names.SURNAMES: SURNAMES,
}


class HeldOutTale(Tale):
    """A tale whose people and animals have other names than those of the corpus."""

    def _name(self, pool: Sequence[str]) -> str:
        return super()._name(_IN_PLACE_OF[tuple(pool)])
