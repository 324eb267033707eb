"""The built-in corpus: an endless, seeded supply of small stories, told from a simulated world."""

from slm.data.stories.facts import CharacterFacts, FeelingFacts, StoryFacts
from slm.data.stories.story import CORPUS_VERSION, Story, generate_stories, story_at

__all__ = [
    "CORPUS_VERSION",
    "CharacterFacts",
    "FeelingFacts",
    "Story",
    "StoryFacts",
    "generate_stories",
    "story_at",
]
