from __future__ import annotations

from itertools import islice

import pytest

from slm.evals.stories.reference import Reference
from storyworld import generate_stories


@pytest.fixture(scope="session")
def stories() -> list[str]:
    """Stories of the built-in corpus."""
    return [story.text for story in islice(generate_stories(0), 900)]


@pytest.fixture(scope="session")
def reference(stories: list[str]) -> Reference:
    return Reference(stories[:700])
