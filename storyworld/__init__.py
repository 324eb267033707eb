"""The built-in corpus: an endless, seeded supply of small stories from a simulated world."""

from storyworld.collection import COLLECTIONS, EASY, FULL, Collection
from storyworld.facts import CharacterFacts, FeelingFacts, StoryFacts
from storyworld.story import CORPUS_VERSION, Story, generate_stories, story_at

__all__ = [
    "COLLECTIONS",
    "CORPUS_VERSION",
    "EASY",
    "FULL",
    "CharacterFacts",
    "Collection",
    "FeelingFacts",
    "Story",
    "StoryFacts",
    "generate_stories",
    "story_at",
]
