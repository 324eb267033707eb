"""Traits of character, and the sentences that show them."""

from __future__ import annotations

TRAITS: dict[str, tuple[str, ...]] = {
    # in the patterns {1} is who has the trait
    "kind": (
        "{1} always [shared|helped others|had a nice word for everyone|saw when somebody was "
        "sad], and {1.he} never [made fun of anyone|said a mean word|forgot to say thank you].",
        "when somebody was [sad|alone|hurt], {1.name} was the first to [come|notice|help|ask why].",
    ),
    "shy": (
        "{1} was so shy that {1.he} [hid|blushed|looked away|said nothing] whenever [somebody "
        "new came|somebody asked {1.him} something|there were many others around].",
        "{1.name} [spoke in a voice as soft as a whisper|turned pink when somebody looked at "
        "{1.him}|liked to watch from far away] and [kept {1.his} thoughts to {1.self}|dreamed "
        "of being brave|hardly ever laughed out loud].",
    ),
    "brave": (
        "{1} was not afraid of [thunder|spiders|the dark|big dogs|high trees], only of "
        "[baths|cold water|carrots|hiccups].",
        "everyone said that {1.name} was [braver than a lion|the bravest of all|not afraid of "
        "anything], and [that was true|{1.he} thought so, too|most of the time it was true].",
    ),
    "curious": (
        "{1} wanted to know [everything|how all things worked|why the sky was blue|where the "
        "wind came from] and [looked under every stone|asked everyone|could not walk past a "
        "hole].",
        "[all day long|from morning to night|even at breakfast], {1.name} asked [why the grass "
        "was green|where the sun went at night|who made the rain|how many stars there were|what "
        "was behind the hills].",
    ),
    "clever": (
        "{1} was good at [riddles|puzzles|finding answers|finding things out], and [others came "
        "to {1.him} for help|nobody could trick {1.him}|{1.he} loved hard questions].",
        "{1.name} always [thought first and acted later|had a good idea|knew a way], even when "
        "[the others gave up|it looked hopeless|nobody else did].",
    ),
    "stubborn": (
        "when {1.name} said no, it [meant no|was no], and [that was that|nobody could change "
        "it|not even the rain could change it].",
        "{1} did not like to be told what to [do|eat|wear|say], and {1.he} [often stamped {1.his} "
        "foot|always had {1.his} own plan|shook {1.his} head very often].",
    ),
    "impatient": (
        "{1} hated to wait, and even [a minute|an hour|one day] felt like a [year|week|hundred "
        "years] to {1.him}.",
        "{1.name} wanted everything [now|right now|at once], [never later|not tomorrow|not "
        "after supper].",
    ),
    "careless": (
        "{1} [often left things lying around|never put things back|forgot things everywhere], "
        "and then {1.he} [wondered where they were|had to look for them|asked everybody for "
        "help].",
        "{1.name} was always in a hurry and hardly ever [looked twice|looked where {1.he} was "
        "going|thought about what could happen].",
    ),
    "careful": (
        "{1} [looked twice before every step|did everything slowly and well|counted everything "
        "twice], and {1.he} never [broke anything|lost anything|forgot anything].",
        "{1.name} kept {1.his} things [neat and clean|in a neat row|in little boxes] and knew "
        "where each of them was.",
    ),
    "funny": (
        "{1} could make [anyone|everyone|even a stone|even the grumpy ones] laugh with [a funny "
        "face|one little joke|a silly walk|{1.his} stories].",
        "{1.name} knew [a hundred|so many] [jokes|riddles|silly songs] and made the "
        "[best|silliest|funniest] faces.",
    ),
    "lazy": (
        '{1} liked to [sleep late|lie in the sun|do nothing] and said, "I will do it '
        '[later|tomorrow|next week]."',
        "{1.name} was never in a hurry, least of all when there was [work to do|something to "
        "carry|something to clean].",
    ),
    "greedy": (
        "{1} always wanted more: more [food|toys|sweets], more [things|treasures|space], more "
        "of everything.",
        "{1.name} [never liked to share|kept the biggest piece for {1.self}|took the most], and "
        "{1.he} [hid the rest|counted what was left|looked at what the others had].",
    ),
    "proud": (
        "{1} thought {1.he} was [better|faster and smarter|stronger|more beautiful] than "
        "[everybody else|all the others|anybody in the world].",
        "{1.name} liked to [show off|talk about {1.self}|look at {1.self} in the water] [all "
        "day|from morning to night|whenever {1.he} could].",
    ),
    "gentle": (
        "{1} was so gentle that even [butterflies|little birds|shy mice|ladybugs] [were not "
        "afraid of {1.him}|came close to {1.him}|sat down next to {1.him}].",
        "{1.name} never [pushed|shouted|pulled at things], and {1.he} [spoke softly to "
        "everyone|stepped around every ant|petted even the prickly ones].",
    ),
    "cheerful": (
        "{1} [sang|hummed|whistled] from [morning to night|breakfast to bedtime], even [in the "
        "rain|when it was cold|when things went wrong].",
        "{1.name} [woke up with a smile every day|could find something good in every "
        "day|laughed more than anyone], and [that made others happy, too|that was catching].",
    ),
    "messy": (
        "{1} left [socks|crumbs|toys|muddy footprints|sticky spots] and "
        "[string|paper|nutshells|feathers] [wherever {1.he} went|all over the place].",
    ),
    "dreamy": (
        "{1} often forgot [where {1.he} was|the time|what {1.he} wanted to say] because {1.he} "
        "[looked at the clouds|thought of faraway lands|listened to the wind|was making up a "
        "story].",
    ),
    "helpful": (
        "{1} liked nothing better than to [carry things|fix things|be useful].",
        "whenever there was [work to do|something to carry|a problem], {1.name} [came "
        "running|was there|asked if {1.he} could help].",
    ),
    "honest": (
        "{1} [always told the truth|never told a lie|said what was true], even when [it was "
        "hard|nobody wanted to hear it|it made trouble].",
    ),
    "patient": (
        "{1} never [minded waiting|gave up|hurried], no matter how [long it took|hard it was].",
        "{1.name} could [sit still for an hour|wait and wait|watch a snail cross the path] "
        "without a [word|sigh].",
    ),
    "quiet": (
        "{1} did not talk much, but {1.he} [saw|noticed|heard] [everything|what others did "
        "not|every little thing|each bird and beetle].",
    ),
    "grumpy": (
        "{1} grumbled about the [rain|wind|snow] and grumbled about the [sun|birds|noise], and "
        "{1.he} hardly ever smiled.",
    ),
}
