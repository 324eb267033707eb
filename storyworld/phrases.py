"""Banks of wordings that many plots share. `<bank A B>` puts A for {1} and B for {2}."""

from __future__ import annotations

BANKS: dict[str, str] = {
    # --- time and order ---
    "then": "then|then|so|after that|next|and so|at once|a moment later|now",
    "soon": "soon|after a while|before long|a little later|in a little while|a few minutes later|"
    "[not|not very] long after that",
    "suddenly": "suddenly|all of a sudden|just then|at that moment|all at once|right then",
    "at_last": "at last|finally|in the end|after a long time|at long last",
    "later": "[later|late] that day|that [same|very] day|[a little|some time] later|when [the "
    "work|all that] was done",
    "days_later": "the next day|the next morning|a few days later|two days later|one week "
    "later|the day after that|"
    "on [Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday]",
    "from_then": "from [then|that day|that time] on|after that day|ever since that day|from "
    "that very day on",
    "all_day": "all [day|day long]|for [hours|a long time|the rest of the day]|until "
    "[supper time|it was time to go home|the sun went down]",
    "every_day": "every [day|morning|evening|afternoon]|day after day|each "
    "[morning|evening|day]|twice a day",
    # --- manner ---
    "carefully": "carefully|very carefully|slowly|with great care|as gently as {1.he} could",
    "quietly": "quietly|as quiet as a mouse|without a sound|softly|on tiptoe",
    "together": "together|together|side by side|as a team",
    # --- looking, thinking ---
    "looked_for": "looked|searched|peeked|peered|checked",
    "oddity": "[an old|a lost|a blue|a dusty|one] [sock|shoe|button|mitten|comb]|[a|an old] "
    "[rusty|bent] [nail|spoon|key]|"
    "[two|three|some|a few] [acorns|pebbles|dead leaves|snail shells|pine cones]|a "
    "[sleepy|slow|cross|shiny|fat] [snail|beetle|spider|worm]|"
    "[some|a lot of|a bit of] [dust|string|dirt|paper]|a [broken|chewed] [pencil|stick|cup]|a "
    "[gray|white|striped|blue] feather|"
    "a [torn|wet|crumpled] [paper bag|leaf|newspaper]|an empty [box|bottle|bag|nutshell]",
    "oddity_wild": "[two|three|some|a few] [acorns|pebbles|dead leaves|snail shells|pine "
    "cones|old nuts]|"
    "a [sleepy|slow|cross|shiny|fat|tiny] [snail|beetle|spider|worm|caterpillar]|"
    "a [gray|white|striped|blue|long|broken] feather|[some|a lot of|a bit of] "
    "[mud|moss|dirt|old bark|dry grass]|"
    "an empty [nutshell|snail shell|nest]|a [flat|round|wet|white] stone|a [crooked|long|dry] "
    "[stick|twig]",
    "idea": "<then> {1} had [an idea|a good idea|a clever idea|a wonderful idea]|"
    '<suddenly>, an idea [came to|popped into] {1.his} [head|mind]|{1.s} [eyes|face] lit up. "I '
    '[know|have it|have an idea]!" {1.he} [said|cried]',
    # --- kindness ---
    "comfort": "don't [worry|cry|be sad]|it's [okay|all right]|there, there|everything will be "
    "[fine|all right]|I am here",
    "praise": "well done|good job|I am [so|very] proud of you|you did [it|very well]|that was "
    "[wonderful|very brave|very kind|great]",
    "thanks": "thank you|thank you [so|very] much|oh, thank you|thanks [a lot|so much]",
    "oh_no": "oh no|oh dear|oh my|no, no|uh-oh|goodness",
    # --- little pictures ---
    "fast_like": "as fast as [the wind|a hare|an arrow|a rocket]|like [the wind|an arrow|a "
    "little storm]",
    "quiet_like": "as quiet as [a mouse|the snow|a shadow|a falling leaf]",
    "laughed": "laughed|giggled|laughed until {1.his} [tummy|sides] hurt|laughed out loud|burst "
    "out laughing",
    "meal": "[hot|vegetable|tomato|pumpkin|noodle|chicken] soup|[cheese|jam|egg|peanut butter] "
    "sandwiches|"
    "pancakes with [honey|berries|jam|syrup]|[bread|toast] and "
    "[butter|honey|jam|cheese]|[apple|cherry|plum] pie|"
    "[warm|cold] milk and [cookies|bread|cake]|a [big|hot] bowl of "
    "[rice|noodles|porridge|stew]|potatoes and [peas|carrots|beans]",
    "fable_meal": "[nut|berry|seed|honey] cake|[carrot|mushroom|turnip|nettle] soup|a [big|hot] "
    "bowl of [stew|porridge]|"
    "[berries|blackberries|nuts|apples] with honey|[acorn|oat|seed] "
    "bread|[plum|apple|blackberry] pie",
    "number": "two|three|four|five|six",
    "many": "ten|twelve|twenty|fifty|a hundred",
    "flower": "roses|tulips|daisies|poppies|sunflowers|buttercups|lilies|bluebells|violets",
    "little_animal": "mouse|snail|sparrow|beetle|butterfly|squirrel|robin|frog|hedgehog|ladybug|"
    "spider|lizard",
    "game": "tag|hide and seek|catch|jump rope|leapfrog|pirates|follow the leader|kings and "
    "queens|explorers",
    "fable_game": "tag|hide and seek|catch|leapfrog|follow the leader|explorers|guess the sound",
    # --- walking home, eating, sleeping ---
    "walk_home": "walked home|went home|started for home|made {1.his} way home|turned home",
}
