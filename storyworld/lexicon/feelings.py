"""Feelings: their names, how they show, how they sound in a voice."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Feeling:
    """One feeling. In the patterns `{?}` is who feels it."""

    words: tuple[str, ...]  # after "felt" or "was"
    signs: tuple[str, ...]  # full sentences: what one can see or what it is like inside
    voice: tuple[str, ...]  # after "said Tom"
    beats: tuple[str, ...]  # short sentences that stand before a line of speech


# words that go with "felt" but not with "was"
FELT_ONLY = frozenset(
    ("like crying", "terrible", "bad", "ten feet tall", "much better", "safe again")
)

FEELINGS: dict[str, Feeling] = {
    "happy": Feeling(
        (
            "so happy that {?.he} [danced|wanted to sing|hugged everyone|turned a "
            "somersault|laughed out loud]",
            "as happy as a [bird in spring|king|frog in the rain|bee in a flower|fish in the "
            "sea|puppy with a ball]",
            "happy",
            "very happy",
            "so happy",
            "glad",
            "full of joy",
            "cheerful",
            "as happy as could be",
        ),
        (
            "{?} [smiled|grinned] from ear to ear.",
            "{?} [jumped|hopped|danced] [up and down|around and around|in a little circle] with "
            "joy.",
            "{?.s} heart felt [light|warm|big and warm|as light as a feather|full of sunshine].",
            "{?} could not stop [smiling|laughing|humming|grinning].",
            "{?.s} eyes [sparkled|shone|were bright] like [two stars|little lamps|stars|drops "
            "of dew].",
            "a [big|warm|wide] smile [spread over|lit up|came to] {?.his} face.",
        ),
        (
            "happily",
            "with a [big|wide|happy] smile",
            ", [smiling|laughing|beaming]",
            "in a cheerful voice",
        ),
        ("{?} [smiled|laughed|beamed|giggled].", "{?} clapped {?.his} {?.hands}."),
    ),
    "sad": Feeling(
        (
            "so sad that {?.he} [could not speak|did not want to eat|forgot to be hungry|wanted "
            "to hide|sat down and cried]",
            "as sad as a [gray day|rainy day|song in the night|lost puppy]",
            "sad",
            "very sad",
            "unhappy",
            "so sad",
            "gloomy",
            "like crying",
        ),
        (
            "[big|hot|salty] tears [ran|rolled] down {?.his} cheeks.",
            "{?.s} eyes filled with tears.",
            "{?} [hung|lowered] {?.his} head and [sighed|sniffed|said nothing].",
            "{?} [sat down|sat very still] and [began to cry|cried quietly|stared at the ground].",
            "a [lump|tight feeling] came into {?.his} throat.",
            "{?.s} heart felt as heavy as a [stone|rock|big gray stone|wet blanket].",
        ),
        ("sadly", "in a [small|sad|shaky] voice", "with tears in {?.his} eyes", "with a sigh"),
        ("{?} [sniffed|sighed|wiped {?.his} eyes].",),
    ),
    "scared": Feeling(
        (
            "so scared that {?.he} [could not move|forgot to breathe|wanted to run|held {?.his} "
            "breath|hid {?.his} face]",
            "as scared as a [mouse before a cat|rabbit before a fox|leaf in the wind]",
            "scared",
            "very scared",
            "afraid",
            "frightened",
            "so scared",
            "a little bit afraid",
        ),
        (
            "{?.s} heart [beat|thumped|pounded] [like a drum|very fast|so loudly].",
            "{?.s} [knees|legs] [shook|trembled|felt like jelly|were as weak as noodles].",
            "{?} [shivered|trembled] from head to toe.",
            "{?} [held {?.his} breath|did not dare to move|wanted to hide|swallowed hard].",
            "{?} shut {?.his} eyes [tight|for a moment] and [counted to three|took a deep breath].",
        ),
        ("in a [shaky|tiny|small] voice", ", [trembling|shivering]", "nervously"),
        ("{?} [shivered|trembled|swallowed hard|took a step back].",),
    ),
    "angry": Feeling(
        (
            "so angry that {?.he} [kicked a stone|turned red|shook all over|did not say a "
            "word|wanted to scream]",
            "as angry as a [wasp|wet cat|goose|bull]",
            "angry",
            "very angry",
            "cross",
            "mad",
            "so angry",
            "grumpy",
        ),
        (
            "{?} [stamped {?.his} foot|frowned|crossed {?.his} arms|made a grumpy face].",
            "{?.s} face turned [red|hot|as red as a tomato].",
            "{?} [wanted to shout|felt hot inside|puffed out {?.his} cheeks].",
        ),
        ("angrily", "in a [cross|loud|grumpy] voice", "with a frown"),
        ("{?} [frowned|stamped {?.his} foot|made a grumpy face].",),
    ),
    "proud": Feeling(
        (
            "so proud that {?.he} [grew an inch|told everyone|walked on tiptoe|could have "
            "burst|wanted to tell the whole world]",
            "as proud as a [peacock|king|rooster|queen|captain]",
            "proud",
            "very proud",
            "so proud",
            "proud and happy",
            "ten feet tall",
        ),
        (
            "{?} stood [tall|up straight] and [smiled|beamed|grinned].",
            "{?.s} chest swelled with pride.",
            "{?} felt [ten feet tall|as tall as a tree|as strong as a bear|like a real hero].",
            "{?} could hardly believe {?.he} had [really done it|done it].",
        ),
        ("proudly", "in a proud voice", ", [beaming|grinning]"),
        ("{?} [beamed|stood up tall|grinned].",),
    ),
    "sorry": Feeling(
        (
            "so sorry that {?.he} [could not sleep|could not eat|wanted to cry|did not know "
            "where to look|had no words]",
            "sorry",
            "very sorry",
            "bad",
            "ashamed",
            "terrible",
            "so sorry",
        ),
        (
            "{?} [looked at {?.his} feet|could not look up|hung {?.his} head].",
            "{?.s} [tummy|stomach] [hurt|felt funny|felt tight|was in a knot].",
            "{?.s} cheeks [turned red|grew hot|burned].",
            "{?} wished {?.he} could [go back and do it over|start the day again|make it right].",
        ),
        ("quietly", "in a [small|low|soft] voice", "with red cheeks"),
        ("{?} [looked down|hung {?.his} head|blushed|took a deep breath].",),
    ),
    "lonely": Feeling(
        (
            "so lonely that {?.he} [talked to a stone|talked to the clouds|counted {?.his} "
            "toes|made friends with a beetle]",
            "as lonely as [the moon|a tree on a hill|one shoe|a single star]",
            "lonely",
            "very lonely",
        ),
        (
            "{?} [sighed|looked around], but there was [nobody to talk to|no one to play with].",
            "it felt as if [the whole world|everybody else] had a friend, but not {?.o}.",
            "everything seemed [too big|too quiet|gray] that day.",
        ),
        ("in a [small|lonely|quiet] voice", "softly"),
        ("{?} [sighed|looked down].",),
    ),
    "jealous": Feeling(
        (
            "so jealous that {?.he} [could not smile|did not look up|did not say a word|had to "
            "look away]",
            "jealous",
            "a little jealous",
            "very jealous",
            "green with envy",
        ),
        (
            "{?} [frowned|pouted|turned away] and [kicked a stone|said nothing|looked the other "
            "way].",
            "something [small and prickly|hot and green|sour] sat in {?.his} tummy.",
            "it did not seem [fair|right] to {?.o} at all.",
        ),
        ("in a [sulky|sour|grumpy] voice", "with a pout"),
        ("{?} [pouted|frowned|crossed {?.his} arms].",),
    ),
    "excited": Feeling(
        (
            "so excited that {?.he} [could not stand still|jumped up and down|forgot {?.his} "
            "breakfast|dropped everything|talked much too fast]",
            "excited",
            "very excited",
            "so excited",
            "thrilled",
            "too excited to sit still",
        ),
        (
            "{?} [hopped from foot to foot|could not sit still|bounced up and down].",
            "{?.s} heart [skipped|jumped|leaped] with [joy|excitement].",
            "{?} [wiggled|jumped|bounced] like a [rubber ball|little frog|spring].",
            "{?.s} eyes grew [wide|big|round|as big as plates].",
        ),
        ("excitedly", ", [bouncing|jumping] up and down", "with [shining|wide|bright] eyes"),
        ("{?} [bounced up and down|clapped {?.his} {?.hands}|gasped].",),
    ),
    "worried": Feeling(
        (
            "so worried that {?.he} [could not sit still|could not think|bit {?.his} lip|walked "
            "up and down|forgot to eat]",
            "worried",
            "very worried",
            "uneasy",
            "so worried",
            "nervous",
        ),
        (
            "{?} [bit {?.his} lip|walked up and down|looked left and right|frowned].",
            "{?.s} tummy felt [tight|funny|as if it were full of butterflies].",
            "{?} could think of nothing else.",
        ),
        ("in a worried voice", "nervously", "with a frown", "anxiously"),
        ("{?} [bit {?.his} lip|looked around|frowned].",),
    ),
    "surprised": Feeling(
        (
            "so surprised that {?.he} [sat down|forgot to speak|almost fell over|had to look "
            "twice|dropped everything]",
            "surprised",
            "very surprised",
            "amazed",
            "astonished",
            "so surprised",
        ),
        (
            "{?.s} eyes [grew|opened] [wide|as big as saucers|as round as the moon].",
            "{?.s} mouth [fell|dropped] open.",
            "{?} [gasped|blinked|stared|jumped back|rubbed {?.his} eyes].",
            "{?} could hardly believe {?.his} eyes.",
        ),
        ("in surprise", "with [wide|big|round] eyes"),
        ("{?} [gasped|blinked|stared].",),
    ),
    "curious": Feeling(
        (
            "so curious that {?.he} [could not look away|forgot the time|had to look|came "
            "closer and closer]",
            "as curious as a [cat|kitten|young goat]",
            "curious",
            "very curious",
            "full of questions",
            "eager to know more",
        ),
        (
            "{?} [leaned|moved|stepped] [closer|a little closer].",
            "{?} tilted {?.his} head and [looked|listened|wondered].",
            "{?} just had to know more.",
        ),
        ("curiously", "with [wide|big|bright] eyes", ", [leaning closer|tilting {?.his} head]"),
        ("{?} [tilted {?.his} head|leaned closer|looked up].",),
    ),
    "grateful": Feeling(
        (
            "so grateful that {?.he} [had tears in {?.his} eyes|could not speak|wanted to hug "
            "everyone|did not know what to say]",
            "grateful",
            "very grateful",
            "thankful",
            "so thankful",
        ),
        (
            "{?.s} heart felt warm.",
            "{?} did not know how to say [thank you|thanks] enough.",
            "{?} [would never forget|knew {?.he} would always remember] such [kindness|a kind "
            "deed].",
        ),
        ("gratefully", "with a [thankful|warm|happy] smile", "in a warm voice"),
        ("{?} [smiled|beamed|put a {?.hand} on {?.his} heart].",),
    ),
    "relieved": Feeling(
        (
            "so relieved that {?.he} [laughed and cried|had to sit down|laughed out loud|could "
            "breathe again|hugged everyone]",
            "relieved",
            "very relieved",
            "so relieved",
            "much better",
            "safe again",
        ),
        (
            "{?} let out a [long|big|deep] [breath|sigh].",
            "it was as if a [heavy bag|big stone|heavy stone] had fallen from {?.his} back.",
            "{?} [laughed|smiled] and wiped {?.his} [forehead|brow].",
        ),
        ("with a sigh of relief", "at last", "with a [weak|small|big] smile"),
        ("{?} [let out a long breath|smiled|breathed out].",),
    ),
    "disappointed": Feeling(
        (
            "so disappointed that {?.he} [did not say a word|wanted to go home|kicked a "
            "stone|sat down in the dust|could have cried]",
            "disappointed",
            "very disappointed",
            "let down",
            "so disappointed",
        ),
        (
            "{?.s} [shoulders|face|smile] fell.",
            "{?} [sighed|let out a long sigh] and [looked down|kicked the ground|shook {?.his} "
            "head].",
            "{?} had [hoped|wished] so hard that it would go [well|another way].",
        ),
        ("with a sigh", "in a [flat|small|sad] voice", "sadly"),
        ("{?} [sighed|looked down|shook {?.his} head].",),
    ),
    "bored": Feeling(
        (
            "so bored that {?.he} [counted the clouds|yawned ten times|talked to a fly|drew "
            "lines in the dust]",
            "bored",
            "very bored",
            "so bored",
            "tired of doing nothing",
        ),
        (
            "{?} [yawned|sighed] and [looked out|rolled on the floor|counted {?.his} toes].",
            "the [minutes|hours] went by as slowly as [snails|turtles|an old snail].",
        ),
        ("with a yawn", "with a sigh", "in a bored voice"),
        ("{?} [yawned|sighed].",),
    ),
    "tired": Feeling(
        (
            "so tired that {?.he} [could hardly stand|yawned like a lion|leaned on a wall]",
            "as tired as a [dog after a long run|bear in winter]",
            "tired",
            "very tired",
            "sleepy",
            "so tired",
            "worn out",
        ),
        (
            "{?} [yawned|gave a big yawn|rubbed {?.his} eyes].",
            "{?.s} [legs|eyelids|feet] felt as heavy as [lead|stones|bags of sand].",
        ),
        ("sleepily", "with a yawn", "in a sleepy voice"),
        ("{?} [yawned|rubbed {?.his} eyes].",),
    ),
    "shy": Feeling(
        (
            "so shy that {?.he} [looked at the ground|could not say a word|hid {?.his} "
            "face|wanted to be invisible]",
            "as shy as a [mouse|deer|young deer|snail]",
            "shy",
            "very shy",
            "too shy to speak",
            "nervous",
            "a little shy",
        ),
        (
            "{?} [looked at {?.his} feet|hid behind a [bush|tree|corner]|said nothing at first].",
            "{?.s} cheeks turned [pink|red|warm].",
            "the words got stuck in {?.his} throat.",
        ),
        ("shyly", "in a [tiny|soft|quiet] voice", ", [blushing|looking down]"),
        ("{?} [blushed|looked down|took a deep breath].",),
    ),
    "calm": Feeling(
        (
            "as calm as a [lake|pond in the evening|sleeping cat|summer night]",
            "so calm that {?.he} [could hear the wind|almost fell asleep|began to hum|smiled "
            "without knowing it]",
            "calm",
            "quiet and calm",
            "peaceful",
            "at peace",
        ),
        (
            "{?} [took a deep breath|breathed in and out|leaned back] and [smiled|closed "
            "{?.his} eyes].",
            "everything was [quiet|still|peaceful] now.",
        ),
        ("calmly", "in a calm voice", "gently", "softly"),
        ("{?} [smiled|nodded slowly|took a slow breath].",),
    ),
}
