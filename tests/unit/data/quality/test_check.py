from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import pytest

from slm.data.documents import DocumentPart, whole_stories
from slm.data.quality import check
from slm.data.quality.check import TextCheck
from slm.data.quality.findings import TextReport
from slm.data.readers import read_documents
from slm.errors import DataError, UsageError
from storyworld import generate_stories

for library in ("ftfy", "rensa", "py3langid"):
    pytest.importorskip(library)

GERMAN = (
    "Es war einmal ein kleiner Junge, der wohnte mit seiner Mutter in einem alten Haus am Wald. "
    "Jeden Morgen ging er mit seinem Hund zum Bach, und dann war er froh."
)


@pytest.fixture(scope="module")
def stories() -> list[str]:
    return [story.text for story in islice(generate_stories(6), 60)]


def write(path: Path, texts: list[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n<|endoftext|>\n".join(texts) + "\n", encoding="utf-8", newline="\n")
    return path


def read(path: Path) -> list[str]:
    return [text.strip("\n") for text in whole_stories(read_documents(path))]


def counts(report: TextReport) -> dict[str, int]:
    return {finding.name: finding.documents for finding in report.findings if finding.documents}


def test_sound_text_has_no_findings_and_is_written_as_it_was(
    tmp_path: Path, stories: list[str]
) -> None:
    checker = TextCheck(str(write(tmp_path / "book.txt", stories)))
    report = checker.check()
    assert counts(report) == {}
    assert (report.documents, report.held_out) == (60, 0)
    assert report.words["fewest"] == min(len(text.split()) for text in stories)
    assert report.languages == {"en": 1.0}
    cleaned = checker.clean(tmp_path / "out")
    assert read(tmp_path / "out" / "train.txt") == stories
    assert str(cleaned) == "60 documents written; no changes"


def test_each_problem_is_found_and_mended(tmp_path: Path, stories: list[str]) -> None:
    bad = [
        "It\u00e2\u20ac\u2122s late, said Tom, and he went home to his mother and his father.",
        "A zero\u200bwidth space and a bell\x07 are in this text, which is otherwise a good one.",
        stories[3],
        stories[4].replace("the", "a", 1),
        "This one ends in the middle of a sentence, because somebody cut off the",
        "and this one has lost its beginning, which nobody will ever read again in this life.",
        "Read it at https://example.org/story and tell all your friends about it tomorrow.",
        "Too short.",
        GERMAN,
    ]
    checker = TextCheck(str(write(tmp_path / "book.txt", [*stories, *bad])))
    report = checker.check()
    assert counts(report) == {
        "damaged encoding": 1,
        "control or invisible characters": 1,
        "exact duplicates": 1,
        "near duplicates": 1,
        "cut off at the end": 1,
        "cut off at the start": 1,
        "addresses, markup, legal text": 1,
        "fewer than 10 words": 1,
        "another language": 1,
    }
    assert all(finding.examples for finding in report.findings if finding.documents)
    cleaned = checker.clean(tmp_path / "out")
    assert cleaned.changes == {
        "documents with a mended encoding": 1,
        "characters removed": 2,
        "exact duplicates dropped": 1,
        "near duplicates dropped": 1,
    }
    assert str(cleaned) == (
        "67 documents written; documents with a mended encoding: 1, characters removed: 2, "
        "exact duplicates dropped: 1, near duplicates dropped: 1"
    )
    written = read(tmp_path / "out" / "train.txt")
    assert written[:60] == stories
    assert written[60].startswith("It\u2019s late")
    assert written[61].startswith("A zerowidth space and a bell are")
    assert len(written) == cleaned.documents == 67
    again = TextCheck(str(tmp_path / "out" / "train.txt")).check()
    assert not {"damaged encoding", "exact duplicates", "near duplicates"} & counts(again).keys()


def test_training_documents_that_repeat_held_out_ones(tmp_path: Path, stories: list[str]) -> None:
    write(tmp_path / "in" / "train.txt", stories[:40])
    write(tmp_path / "in" / "validation.txt", [stories[2], *stories[50:]])
    checker = TextCheck(str(tmp_path / "in"))
    report = checker.check()
    assert counts(report) == {"training documents like a held-out one": 1}
    assert report.held_out == 11
    checker.clean(tmp_path / "out")
    assert read(tmp_path / "out" / "validation.txt") == [stories[2], *stories[50:]]
    assert read(tmp_path / "out" / "train.txt") == [*stories[:2], *stories[3:40]]


def test_lines_that_all_documents_share(tmp_path: Path, stories: list[str]) -> None:
    texts = [f"The Big Book of Stories\n{text}" for text in stories]
    checker = TextCheck(str(write(tmp_path / "book.txt", texts)))
    report = checker.check()
    assert counts(report) == {"lines that many documents share": 60}
    cleaned = checker.clean(tmp_path / "out")
    assert cleaned.changes == {"repeated lines removed": 60}
    assert read(tmp_path / "out" / "train.txt") == stories


def test_a_very_long_document_is_read_in_parts(
    tmp_path: Path, stories: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    book = "\n".join(text.replace("\n", " ") for text in stories) * 60
    assert len(book) > 2 << 20
    checker = TextCheck(str(write(tmp_path / "book.txt", [book, stories[0]])))
    monkeypatch.setattr(check, "REPEATED_LINE_COUNT", 10**6)
    report = checker.check()
    assert report.documents == 2
    checker.clean(tmp_path / "out")
    assert read(tmp_path / "out" / "train.txt") == [book, stories[0]]


def test_a_very_long_document_counts_once(
    tmp_path: Path, stories: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = f"{stories[0]}\nRead\x07 that it\u00e2\u20ac\u2122s on www.a.org\n"
    parts = [DocumentPart(page, ends_story=number == 29) for number in range(30)]
    monkeypatch.setattr(check, "read_documents", lambda path, **options: iter(parts))
    checker = TextCheck(str(write(tmp_path / "book.txt", [])))
    report = checker.check()
    assert report.documents == 1
    assert report.words["most"] == 30 * len(page.split())
    assert counts(report) == {
        "damaged encoding": 1,
        "control or invisible characters": 1,
        "addresses, markup, legal text": 1,
    }
    cleaned = checker.clean(tmp_path / "out")
    assert cleaned.changes == {"documents with a mended encoding": 1, "characters removed": 30}


def test_zero_bytes_are_odd_characters(tmp_path: Path, stories: list[str]) -> None:
    texts = [stories[0].replace(" ", " \0", 2), *stories[1:]]
    checker = TextCheck(str(write(tmp_path / "book.txt", texts)))
    report = checker.check()
    assert counts(report) == {"control or invisible characters": 1}
    assert report.findings[1].examples[0].startswith("U+0000 in: ")
    assert checker.clean(tmp_path / "out").changes == {"characters removed": 2}
    assert read(tmp_path / "out" / "train.txt") == stories


def test_the_repaired_copy_may_be_inside_the_folder(tmp_path: Path, stories: list[str]) -> None:
    for number, text in enumerate(stories):
        (tmp_path / f"{number}.txt").write_text(text, encoding="utf-8", newline="\n")
    notes: list[str] = []
    checker = TextCheck(str(tmp_path), log=notes.append)
    checker.check()
    checker.clean(tmp_path / "clean")
    written = [read(tmp_path / "clean" / f"{split}.txt") for split in ("train", "validation")]
    assert sorted([*written[0], *written[1]]) == sorted(stories)
    assert len(notes) == 1  # although the text was read several times


def test_the_place_around_an_odd_character_is_shown(tmp_path: Path, stories: list[str]) -> None:
    text = "It\u00e2\u20ac\u2122s so. " * 40 + "Here\x07 it is. " + "And so on it went. " * 40
    report = TextCheck(str(write(tmp_path / "book.txt", [text, *stories]))).check()
    assert "so. Here  it is. And" in report.findings[1].examples[0]


def test_what_cannot_be_checked(tmp_path: Path, stories: list[str]) -> None:
    with pytest.raises(UsageError, match="no file or folder"):
        TextCheck(str(tmp_path / "none.txt")).check()
    (tmp_path / "empty.txt").touch()
    with pytest.raises(DataError):
        TextCheck(str(tmp_path / "empty.txt")).check()
    checker = TextCheck(str(write(tmp_path / "book.txt", stories)))
    checker.check()
    with pytest.raises(UsageError, match="exists already"):
        checker.clean(tmp_path)
    (tmp_path / "noise.txt").write_bytes(bytes(range(256)) * 50)
    with pytest.raises(DataError) as caught:
        TextCheck(str(tmp_path / "noise.txt")).check()
    assert caught.value.message


def test_the_builtin_corpus_is_sound() -> None:
    report = TextCheck("builtin", limit=200).check()
    assert counts(report) == {}
    assert report.documents > 200


def test_what_separates_lines_stays_a_separator(tmp_path: Path, stories: list[str]) -> None:
    """And joiners, which letters of some writing systems need, stay as they are."""
    odd = "Tom came home.\u2028It was tired\x0band hungry.\x0cThen he ate a whole cake alone."
    persian = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 " * 12 + "."
    checker = TextCheck(str(write(tmp_path / "book.txt", [*stories, odd, persian])))
    assert counts(checker.check())["control or invisible characters"] == 1
    cleaned = checker.clean(tmp_path / "out")
    assert cleaned.changes["odd line breaks replaced"] == 3
    assert "characters removed" not in cleaned.changes
    written = read(tmp_path / "out" / "train.txt")
    assert odd.translate({0x2028: "\n", 0x0B: "\n", 0x0C: "\n"}) in written
    assert persian.strip() in written


def test_a_marker_in_a_document_does_not_split_it(tmp_path: Path, stories: list[str]) -> None:
    inner = "This story has a marker at the end of a line:\n<|endoftext|>\nIt then begins again."
    file = tmp_path / "book.jsonl"
    lines = [json.dumps({"text": text}) for text in (*stories, inner)]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    checker = TextCheck(str(file))
    n_documents = checker.check().documents
    cleaned = checker.clean(tmp_path / "out")
    assert cleaned.changes["end-of-text markers removed"] == 1
    assert TextCheck(str(tmp_path / "out" / "train.txt")).check().documents == n_documents


def test_an_interrupted_copy_leaves_nothing(
    tmp_path: Path, stories: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    checker = TextCheck(str(write(tmp_path / "book.txt", stories)))
    checker.check()

    def stop(text: str) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(checker, "_mend", stop)
    with pytest.raises(KeyboardInterrupt):
        checker.clean(tmp_path / "out")
    assert not (tmp_path / "out").exists()
