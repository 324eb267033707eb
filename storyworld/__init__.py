"""The built-in corpus: an endless, seeded supply of small stories from a simulated world."""

from storyworld.facts import CharacterFacts, FeelingFacts, StoryFacts
from storyworld.story import CORPUS_VERSION, Story, generate_stories, story_at

__all__ = [
    "CORPUS_VERSION",
    "CharacterFacts",
    "FeelingFacts",
    "Story",
    "StoryFacts",
    "generate_stories",
    "story_at",
]
