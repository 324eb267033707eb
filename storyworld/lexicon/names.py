"""Names for children, animals and grown-ups."""

from __future__ import annotations


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


BOYS = _names(
    "Tim Tom Ben Max Sam Jack Leo Finn Noah Liam Luke Adam Oscar Toby Henry Peter Jake "
    "Billy Bobby Charlie Danny Eddie Felix George Harry Ivan Jamie Kevin Louis Marco Nick "
    "Oliver Paul Ravi Simon Theo Victor Will Zack Arlo Bruno Caleb David Eli Frank Gabe "
    "Hugo Isaac Joey Kai Lars Mateo Nico Owen Pablo Quinn Rory Seth Tariq Amir Kofi Juan "
    "Omar Yusuf Emil Anton Milo Jonah Otis Walter Ned Alfie Ralph Dylan Jasper Logan Mason "
    "Ethan Aaron"
)
GIRLS = _names(
    "Lily Sue Mia Anna Emma Lucy Amy Sara Molly Zoe Ella Ruby Rose Grace Daisy Hannah Ivy "
    "Jane Kate Lola Maya Nora Olivia Polly Rachel Sophie Tina Violet Wendy Alice Bella "
    "Clara Dora Eva Fiona Gina Holly Iris Julia Kim Laura Mary Nina Penny Rita Sally Tess "
    "Uma Vera Willa Yara Zara Abby Betty Chloe Dina Elsa Freya Greta Heidi Ines June Lena "
    "Mina Nadia Paula Rosa Selma Thea Amina Leila Priya Yuki Mei Carmen Ada Josie Matilda "
    "Stella Hazel"
)
ANIMAL_NAMES = _names(
    "Rusty Pip Bobo Fluffy Hoppy Nibbles Patches Pepper Ginger Whiskers Biscuit Buttons "
    "Coco Dash Fuzzy Gus Honey Jingle Kiki Lulu Mimi Nutmeg Oreo Peanut Quill Ruffles Scout "
    "Teddy Twinkle Waffles Ziggy Bramble Clover Dusty Echo Fern Goldie Hazel Inky Juno Kip "
    "Limpet Maple Nico Otto Pebble Ripple Sandy Tumble Velvet Willow Basil Chip Dot Ember "
    "Freckle Gizmo Happy Jasper Kernel Lucky Moss Noodle Olive Plum Rocky Sunny Toffee "
    "Wobble Zippy Berry Cricket Doodle Flip Hugo Pogo Tango Bumble Speckle Snowy Smudge "
    "Acorn Thistle Pickle Mango Marble"
)
SURNAMES = _names(
    "Brown Green Hill Wood Baker Bell Bird Cook Fisher Gray Hart King Lane Miller Page "
    "Potter Reed Stone Turner Walker White Young Bloom Finch Frost Marsh Moon Nash Olsen "
    "Parker Rossi Silva Taylor Wells Winter Lopez Kumar Jones"
)
