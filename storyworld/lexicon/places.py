"""Places, with spots where things can lie, and what one sees and hears there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Site:
    """A kind of place. `sights` are sentences that are true there in dry daylight.

    Among the tags are the lands it is part of (`town` for children, else as in `kinds.LANDS`) and
    `in` or `out`, `home`, `away` (from home) and `green` (where plants grow).
    """

    name: str
    prep: str
    tags: frozenset[str]
    spots: tuple[str, ...]
    sights: tuple[str, ...]


def _site(name: str, prep: str, tags: str, spots: str, *sights: str) -> Site:
    return Site(name, prep, frozenset(tags.split()), tuple(spots.split(", ")), sights)


SITES: tuple[Site, ...] = (
    _site(
        "the park",
        "in",
        "town out away green play grass tree",
        "under the [slide|swings|old bench], behind the [big oak|rose bush|fountain], "
        "[by|next to] the [duck pond|sandbox|gate], in the [tall grass|flower bed|sandbox], "
        "near the [merry-go-round|picnic table]",
        "[children|boys and girls] were [laughing|playing tag|shouting] [near the swings|on the "
        "grass|by the fountain].",
        "[a man|an old lady|a girl] was [feeding|watching] the ducks [on the pond|by the water].",
        "a [brown|black|spotted|white] dog was [chasing|running after] a [stick|ball|leaf].",
        "[pigeons|sparrows] were [hopping|strutting] [along the path|around the benches].",
    ),
    _site(
        "the playground",
        "at",
        "town out play",
        "under the [slide|climbing frame|seesaw], behind the [swings|bench|fence], in the "
        "sandbox, by the gate, next to the monkey bars",
        "the swings were [creaking|going up and down|flying high].",
        "[two|three|some] [boys|girls|children] were [digging in the sandbox|going down the "
        "slide|hanging from the bars].",
    ),
    _site(
        "the beach",
        "at",
        "town out away shore sand",
        "under the [towel|umbrella], behind a [sandcastle|big rock|rock], in the [wet "
        "sand|seaweed], near the [boat|pier|lifeguard chair], between two [rocks|dunes]",
        "the [waves|little waves|foamy waves] [rolled|splashed|tumbled] [onto the sand|in and "
        "out].",
        "seagulls [cried|called|sailed] [over the water|above the boats|overhead].",
        "a [white|red|tiny] boat [bobbed|sailed|rocked] on the [blue|bright|wide] sea.",
    ),
    _site(
        "the garden",
        "in",
        "town out green home grass tree plant",
        "under the [rose bush|apple tree|wheelbarrow|hedge], behind the [shed|watering "
        "can|flower pots], [between|among] the [cabbages|tulips|bean poles], in the [tall "
        "grass|herb bed], by the [fence|rain barrel]",
        "[bees|butterflies|ladybugs] [flew|went|danced] from [flower to flower|rose to rose].",
        "the [roses|tulips|sunflowers|daisies] [nodded|swayed|bloomed] [by the wall|along the "
        "path|in neat rows].",
        "a [snail|beetle|caterpillar] [crept|crawled] [up a leaf|over a stone|along the fence].",
    ),
    _site(
        "the backyard",
        "in",
        "town out green home grass tree play",
        "under the [porch|picnic table|bushes], behind the [doghouse|garage|old tree], in the "
        "[tall grass|leaf pile], by the [fence|hose], near the clothesline",
        "[shirts and socks|clean sheets|towels] [flapped|danced|hung] on the clothesline.",
        "a [robin|sparrow|blackbird] [pulled a worm|pecked at the grass|sang on the fence].",
    ),
    _site(
        "the farm",
        "at",
        "town out away green animal grass",
        "under the [hay cart|tractor], behind the [barn|henhouse|milk cans], in the [hay|corn "
        "field|stable], by the [well|pigpen], next to the [gate|water trough]",
        "[hens|chickens] [scratched|pecked] [in the dust|around the yard|by the barn].",
        "the cows [chewed|mooed|stood] [slowly|in the shade|by the fence].",
        "a [pink|muddy|fat] pig [rolled in the mud|slept in the straw|grunted happily].",
    ),
    _site(
        "the pine forest",
        "in",
        "town out away green wild tree",
        "under [a log|the ferns|a pine tree], behind a [mossy rock|tree stump|fallen tree], in "
        "[a hollow tree|the leaves|a pile of sticks], by the [stream|old path], between the "
        "roots of an old tree",
        "[sunlight|golden light|the light] [fell|came] through the [leaves|branches|trees].",
        "a squirrel [ran|raced|jumped] [up a tree|along a branch|from tree to tree].",
        "[small birds|birds] [sang|called|chirped] [high up|in the branches|above the path].",
    ),
    _site(
        "the school yard",
        "in",
        "town out away play people",
        "under the [bench|steps], behind the [bike racks|big tree|wall], by the "
        "[door|gate|drinking fountain], next to the [hopscotch squares|fence], in the "
        "[bushes|corner]",
        "[some|many] children [jumped rope|played tag|traded stickers|ran in circles].",
        "the [school bell|big bell] [shone|hung] [over the door|on the wall].",
    ),
    _site(
        "the library",
        "in",
        "town in quiet people",
        "under the [table|reading chair], behind the [shelf|desk|curtain], between two "
        "[books|shelves], on the [top shelf|window seat|carpet], by the [door|globe]",
        "[it smelled of paper and dust|it was very quiet|someone turned a page] [there|inside].",
        "[a girl|an old man|a boy] was [reading|looking at] a [thick|big|picture] book [by the "
        "window|in the corner].",
    ),
    _site(
        "the market",
        "at",
        "town out away people shop",
        "under the [fruit stand|flower stall|cart], behind the [cheese stall|barrels|crates], "
        "between the [baskets|boxes|melons], by the [fountain|bread stall], next to the [fish "
        "stand|honey jars]",
        "there were [baskets|piles|boxes] of [apples|lemons|carrots|plums|tomatoes|pumpkins] "
        "[everywhere|on every side].",
        "[a woman|a man|an old farmer] was [selling|calling out about] [fresh bread|sweet "
        "honey|fish|flowers].",
        "it smelled of [bread and cheese|oranges|flowers and soap].",
    ),
    _site(
        "the kitchen",
        "in",
        "town in home",
        "under the [table|sink|stove], behind the [door|bread box|flour jar], in the "
        "[drawer|cupboard|basket], on the [shelf|windowsill], next to the [fridge|fruit bowl]",
        "[something|a pot of soup|a kettle] [bubbled|sang|hummed] on the stove.",
        "it smelled of [cinnamon|warm bread|fresh coffee|butter] [there|in the whole house].",
    ),
    _site(
        "the bedroom",
        "in",
        "town in home",
        "under the [bed|pillow|blanket|rug], behind the [curtain|door|toy box], in the "
        "[closet|drawer|laundry basket], on the [shelf|windowsill], between the [wall and the "
        "bed|books]",
        "[toys|books|crayons] [lay|were] [all over the floor|on the rug|on the bed].",
        "the clock on the wall [went tick, tock|ticked softly].",
    ),
    _site(
        "the attic",
        "in",
        "town in home",
        "under an old [sheet|table|chair], behind [a trunk|a stack of boxes|the chimney], in a "
        "[dusty box|basket|drawer], on a [shelf|beam], next to the [window|mirror]",
        "dust [danced|floated] in the [thin|pale] light.",
        "a [spider|small spider] had made a web [between two beams|in the corner].",
    ),
    _site(
        "the lake",
        "at",
        "town water out away green shore wild",
        "under the [dock|old boat|willow], behind [the reeds|a rock|the boathouse], in the "
        "[reeds|tall grass], by the [water's edge|dock], between two [stones|logs]",
        "the water [shone|glittered|was as smooth as glass].",
        "[a frog|a fish|a turtle] [splashed|jumped|slid] [into|in] the water.",
        "dragonflies [danced|hummed] over the [reeds|water].",
    ),
    _site(
        "the town square",
        "in",
        "town out away people",
        "under the [bench|statue|clock tower], behind the [fountain|flower cart], by the "
        "[bakery door|lamp post|steps], next to the [mailbox|well], between the [flower "
        "pots|stones]",
        "people [walked|hurried|strolled] by with [bags|baskets|dogs and umbrellas|ice cream].",
        "the clock tower [rang|went ding, dong].",
    ),
    _site(
        "the hill",
        "on",
        "town out away green wild grass wind",
        "under the [lone tree|bush], behind the [big stone|stone wall|hedge], in the [tall "
        "grass|clover], by the [path|fence], between two [rocks|bushes]",
        "from there one could see [the whole town|the river|all the little houses].",
        "the grass [waved|bent|rippled] like [a green sea|water].",
    ),
    # --- where animals talk ---
    _site(
        "the forest",
        "in",
        "forest out away green wild tree",
        "under [a log|the ferns|a fir tree], behind a [mossy stone|tree stump|fallen "
        "oak], in [a hollow tree|the dry leaves|a bush], by the [stream|old path], between the "
        "roots of an oak",
        "[sunlight|golden light] [fell|dripped] through the [leaves|branches].",
        "the [birds|robins|thrushes] [sang|called|chirped] [high up|in the branches|from every "
        "tree].",
        "it smelled of [moss|pine|mushrooms|wet earth].",
    ),
    _site(
        "the clearing",
        "in",
        "forest jungle out away green wild play",
        "under the [ferns|big leaves], behind the [big rock|stump|bushes], in the [tall "
        "grass|moss], by the [spring|fallen tree], between two [stones|trees]",
        "[butterflies|moths|bees] [danced|flew] [over the flowers|in the light].",
        "the grass was [soft|green|thick] and full of [flowers|clover|tiny beetles].",
    ),
    _site(
        "the meadow",
        "in",
        "meadow out away green grass plant",
        "under a [hawthorn|hazel bush|bush], behind a [big stone|clump of tall grass], in the "
        "[clover|tall grass|poppies], by the [brook|old fence], between two [thistles|stones]",
        "[bees|butterflies|grasshoppers] [hummed|danced|hopped] [among the flowers|in the grass].",
        "[daisies|poppies|buttercups] [nodded|grew] [everywhere|on every side].",
    ),
    _site(
        "the pond",
        "by",
        "water out away green",
        "under a [willow|wet log], behind the [reeds|rushes|big stone], in the "
        "[reeds|tall grass], by the [bank|old boat], between two [stones|roots]",
        "dragonflies [danced|hummed|darted] over the [water|reeds].",
        "the water [shone|glittered|was as smooth as glass].",
        "[tiny fish|tadpoles] [swam|darted] [in the shallow water|between the plants].",
    ),
    _site(
        "the river bank",
        "on",
        "water out away green wild",
        "under the [willow|bridge|roots], behind [a boulder|the reeds], in the [soft "
        "sand|tall grass], by the [old dam|ferns], between two [rocks|logs]",
        "the river [ran|gurgled|rushed] [over the stones|past the willows].",
        "[a kingfisher|a heron|a swallow] [flew|swooped] over the water.",
    ),
    _site(
        "the jungle",
        "in",
        "jungle out away green wild tree",
        "under the [big leaves|vines|palm tree], behind a [banana tree|rock|waterfall], in [a "
        "hollow trunk|the ferns|the vines], by the [river|mango tree], between two [roots|palms]",
        "[bright|red and green|noisy] birds [flew|called] from [tree to tree|the tree tops].",
        "[long vines|big flowers] hung from [every tree|the branches].",
    ),
    _site(
        "the farmyard",
        "in",
        "farm out away green animal",
        "under the [hay cart|old wagon], behind the [barn|henhouse|woodpile], in the "
        "[hay|straw|stable], by the [well|pigpen|gate], between two [sacks|buckets]",
        "the [hens|chickens] [scratched|pecked] [in the dust|by the barn].",
        "[the rooster|an old rooster] [sat|crowed|stood] on the [fence|gate|roof].",
        "it smelled of [hay|straw|milk and hay].",
    ),
    _site(
        "the orchard",
        "in",
        "farm meadow out away green tree plant",
        "under [an apple tree|a ladder|a plum tree], behind [a basket|the stone wall|a "
        "tree], in the [tall grass|old wheelbarrow|clover], by the [gate|beehive], between two "
        "[crates|trees]",
        "[red apples|yellow pears|ripe plums] [hung|shone] [on every branch|in the leaves].",
        "[wasps|bees] [hummed|buzzed] [around the fruit|in the warm air].",
    ),
)


def sites(*tags: str) -> tuple[Site, ...]:
    """All kinds of place that have every one of the tags."""
    return tuple(site for site in SITES if site.tags.issuperset(tags))
