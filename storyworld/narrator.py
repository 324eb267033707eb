"""The narrator: renders patterns as sentences and paragraphs, and keeps pronouns unambiguous."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from storyworld.dice import Dice
from storyworld.grammar import capital, polish
from storyworld.pattern import compiled, render
from storyworld.referents import Character, Place, Referent, Thing

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Style:
    """How this narrator likes to tell: probabilities of the optional sentences, and the length."""

    detail: float  # what things look, sound and smell like
    talk: float  # what people say on the way
    inner: float  # what people think and feel
    length: int  # bytes the narrator would like to fill
    paragraph: int  # bytes after which a new scene begins a new paragraph

    @classmethod
    def drawn(cls, dice: Dice) -> Style:
        detail, talk, inner = dice.pick(
            ((0.7, 0.35, 0.3), (0.3, 0.85, 0.3), (0.3, 0.5, 0.6), (0.5, 0.6, 0.4), (0.2, 0.2, 0.1))
        )
        length = dice.between(80, 480)
        return cls(detail, talk, inner, length, dice.pick((90, 140, 140, 200, 260, 420, 9999)))


class Narrator:
    """Tells sentences about a cast.

    `sentence` numbers the sentences; `_last` holds, for each pronoun gender, who was mentioned
    last, and `_rival` the last sentence that mentioned somebody else whom the pronoun would fit.
    """

    def __init__(self, dice: Dice) -> None:
        self.dice = dice
        self.roll = dice.roll
        self.style = Style.drawn(dice)
        self.cast: dict[str, Referent] = {}
        self.sentence = 0
        self.quoting = False
        self.written = 0
        self.answering = False  # whether the sentence before was speech, by
        self.speaker: Character | None = None
        self.subject: Referent | None = None  # the first character this sentence mentions
        self._subject_at = -1
        self._last: dict[str, Referent] = {}
        self._rival: dict[str, int] = {}
        self._paragraphs: list[list[str]] = [[]]
        self._in_paragraph = 0

    # --- choosing -----------------------------------------------------------------------------

    def pick(self, options: Sequence[T]) -> T:
        return options[int(self.roll() * len(options))]

    def maybe(self, probability: float) -> bool:
        """Whether to tell something optional: less and less likely as the story fills."""
        room = self.style.length - self.written
        return room > 0 and self.roll() < probability

    def likes(self, what: str) -> bool:
        """Whether this narrator adds a `detail`, some `talk` or an `inner` thought here."""
        return self.maybe(float(getattr(self.style, what)))

    # --- speaking -----------------------------------------------------------------------------

    def tell(self, *patterns: str) -> None:
        """Say one of the patterns, as a sentence or more of its own."""
        source = patterns[int(self.roll() * len(patterns))]
        self.sentence += 1
        self.answering = False
        self.write(render(compiled(source), self))

    def tell_if(self, what: str, *patterns: str) -> None:
        """Say one of the patterns if this narrator likes such things and there is room."""
        if self.likes(what):
            self.tell(*patterns)

    def write(self, text: str) -> None:
        """Append finished text to the paragraph."""
        if not text:
            return
        text = capital(text)
        if text[-1] not in '.!?"':
            text += "."
        self._paragraphs[-1].append(text)
        self._in_paragraph += len(text)
        self.written += len(text)

    def wording(self, pattern: str) -> str:
        """A pattern rendered for use inside a sentence."""
        return render(compiled(pattern), self)

    def quoted(self, pattern: str) -> str:
        """A pattern as a speaker would say it: names, and no effect on later pronouns."""
        before = self.quoting
        self.quoting = True
        text = render(compiled(pattern), self)
        self.quoting = before
        return text

    def paragraph(self) -> None:
        """A new scene: begins a new paragraph if the old one is long enough."""
        self.answering = False
        if self._in_paragraph >= self.style.paragraph and len(self._paragraphs) < 6:
            self._paragraphs.append([])
            self._in_paragraph = 0
            self.sentence += 3  # names again, rather than pronouns

    def lately(self, count: int) -> str:
        """The last `count` texts that were written."""
        texts = [text for paragraph in self._paragraphs for text in paragraph]
        return " ".join(texts[-count:])

    def text(self) -> str:
        """The story so far."""
        return polish("\n".join(" ".join(sentences) for sentences in self._paragraphs if sentences))

    # --- keeping pronouns clear -----------------------------------------------------------------

    def note(self, referent: Referent) -> None:
        """Remember a mention."""
        gender = referent.gender
        if self._subject_at != self.sentence and gender in "mfit":
            self.subject = referent
            self._subject_at = self.sentence
        last = self._last.get(gender)
        if last is not referent:
            if last is not None:
                self._rival[gender] = last.seen
            self._last[gender] = referent
        referent.seen = self.sentence

    def clear(self, referent: Referent) -> bool:
        """Whether a pronoun now could only mean this referent."""
        gender = referent.gender
        if self._last.get(gender) is not referent:
            return False
        seen = referent.seen
        rival = self._rival.get(gender, -9)
        if seen == self.sentence:
            return rival < seen
        return seen >= self.sentence - 2 and rival < seen - 1

    def only_one(self, character: Character) -> bool:
        """Whether `the little fox` could only be this one."""
        kind = character.kind
        same = [c for c in self.cast.values() if isinstance(c, Character) and c.kind == kind]
        return len(same) == 1

    # --- the cast -----------------------------------------------------------------------------

    def character(self, key: str) -> Character:
        found = self.cast[key]
        assert isinstance(found, Character), key
        return found

    def object(self, key: str) -> Thing:
        found = self.cast[key]
        assert isinstance(found, Thing), key
        return found

    def locale(self, key: str = "P") -> Place:
        found = self.cast[key]
        assert isinstance(found, Place), key
        return found
