"""Answers to the exercises of lesson 1: solutions, and what learners typically write instead."""

from __future__ import annotations

from collections import Counter

Pair = tuple[int, int]


# 1.1


def text_to_bytes(text: str) -> list[int]:
    return list(text.encode("utf-8"))


def code_points(text: str) -> list[int]:
    return [ord(character) for character in text]


def latin(text: str) -> list[int]:
    return list(text.encode("latin-1"))


def utf16(text: str) -> list[int]:
    return list(text.encode("utf-16"))


def characters(text: str) -> list[str]:
    return list(text)


def bytes_object(text: str) -> bytes:
    return text.encode("utf-8")


def as_latin1(text: str) -> list[int]:
    return list(text.encode("latin-1", errors="replace"))


# 1.2


def count_pairs(ids: list[int]) -> dict[tuple[int, int], int]:
    counts: dict[tuple[int, int], int] = {}
    for pair in zip(ids, ids[1:]):
        counts[pair] = counts.get(pair, 0) + 1
    return counts


def without_overlap(ids: list[int]) -> dict[Pair, int]:
    return dict(Counter(zip(ids[::2], ids[1::2])))


def in_a_circle(ids: list[int]) -> dict[Pair, int]:
    return dict(Counter(zip(ids, ids[1:] + ids[:1])))


def without_order(ids: list[int]) -> dict[Pair, int]:
    return dict(Counter((min(pair), max(pair)) for pair in zip(ids, ids[1:])))


def without_the_last(ids: list[int]) -> dict[Pair, int]:
    return dict(Counter(zip(ids[:-1], ids[1:-1])))


def all_ones(ids: list[int]) -> dict[Pair, int]:
    return dict.fromkeys(zip(ids, ids[1:]), 1)


def from_zero(ids: list[int]) -> dict[Pair, int]:
    return {pair: count - 1 for pair, count in count_pairs(ids).items()}


# 1.3

# The text is "banana bandana".
first_merges = ["an", "ban", "ana"]


# 1.4


def merge(ids: list[int], pair: tuple[int, int], new_id: int) -> list[int]:
    merged = []
    i = 0
    while i < len(ids):
        if i + 1 < len(ids) and (ids[i], ids[i + 1]) == pair:
            merged.append(new_id)
            i += 2
        else:
            merged.append(ids[i])
            i += 1
    return merged


def first_only(ids: list[int], pair: Pair, new_id: int) -> list[int]:
    for i, found in enumerate(zip(ids, ids[1:])):
        if found == pair:
            return [*ids[:i], new_id, *ids[i + 2 :]]
    return list(ids)


def second_stays(ids: list[int], pair: Pair, new_id: int) -> list[int]:
    pairs = [*zip(ids, ids[1:]), None]
    return [new_id if found == pair else ids[i] for i, found in enumerate(pairs)]


def last_is_lost(ids: list[int], pair: Pair, new_id: int) -> list[int]:
    merged = []
    i = 0
    while i < len(ids) - 1:
        if (ids[i], ids[i + 1]) == pair:
            merged.append(new_id)
            i += 2
        else:
            merged.append(ids[i])
            i += 1
    return merged


def either_order(ids: list[int], pair: Pair, new_id: int) -> list[int]:
    merged = []
    i = 0
    while i < len(ids):
        if sorted(ids[i : i + 2]) == sorted(pair):
            merged.append(new_id)
            i += 2
        else:
            merged.append(ids[i])
            i += 1
    return merged


def from_the_right(ids: list[int], pair: Pair, new_id: int) -> list[int]:
    return merge(ids[::-1], (pair[1], pair[0]), new_id)[::-1]


def appended(ids: list[int], pair: Pair, new_id: int) -> list[int]:
    merged = []
    for i, one in enumerate(ids):
        merged.append(one)
        if tuple(ids[i : i + 2]) == pair:
            merged.append(new_id)
    return merged


def nothing_found(ids: list[int], pair: tuple[int, int], new_id: int) -> list[int]:
    return list(ids)


# 1.5


def learn_merges(ids: list[int], n_merges: int) -> list[tuple[int, int]]:
    merges = []
    for step in range(n_merges):
        counts = count_pairs(ids)
        if not counts:
            break
        pair = max(counts, key=lambda pair: counts[pair])
        merges.append(pair)
        ids = merge(ids, pair, 256 + step)
    return merges


def never_recounted(ids: list[int], n_merges: int) -> list[Pair]:
    counts = count_pairs(ids)
    return sorted(counts, key=lambda pair: -counts[pair])[:n_merges]


def rarest(ids: list[int], n_merges: int) -> list[Pair]:
    merges = []
    for step in range(n_merges):
        counts = count_pairs(ids)
        pair = min(counts, key=lambda pair: counts[pair])
        merges.append(pair)
        ids = merge(ids, pair, 256 + step)
    return merges


def not_merged(ids: list[int], n_merges: int) -> list[Pair]:
    counts = count_pairs(ids)
    return [max(counts, key=lambda pair: counts[pair])] * n_merges


def one_new_id(ids: list[int], n_merges: int) -> list[Pair]:
    merges = []
    for _ in range(n_merges):
        counts = count_pairs(ids)
        pair = max(counts, key=lambda pair: counts[pair])
        merges.append(pair)
        ids = merge(ids, pair, 256)
    return merges


def ids_from_257(ids: list[int], n_merges: int) -> list[Pair]:
    merges: list[Pair] = []
    for step in range(1, n_merges + 1):
        counts = count_pairs(ids)
        pair = max(counts, key=lambda pair: counts[pair])
        merges.append(pair)
        ids = merge(ids, pair, 256 + step)
    return merges


def last_of_equals(ids: list[int], n_merges: int) -> list[Pair]:
    merges = []
    for step in range(n_merges):
        counts = count_pairs(ids)
        pair = max(reversed(counts), key=lambda pair: counts[pair])
        merges.append(pair)
        ids = merge(ids, pair, 256 + step)
    return merges


def frequent_pairs_only(ids: list[int], n_merges: int) -> list[tuple[int, int]]:
    merges: list[tuple[int, int]] = []
    while len(merges) < n_merges:
        counts = count_pairs(ids)
        pair = max(counts, key=lambda pair: counts[pair], default=None)
        if pair is None or counts[pair] == 1:
            break
        ids = merge(ids, pair, 256 + len(merges))
        merges.append(pair)
    return merges


def after_the_largest_id(ids: list[int], n_merges: int) -> list[tuple[int, int]]:
    merges: list[tuple[int, int]] = []
    while len(merges) < n_merges and (counts := count_pairs(ids)):
        pair = max(counts, key=lambda pair: counts[pair])
        ids = merge(ids, pair, max(ids) + 1)
        merges.append(pair)
    return merges


# 1.6


def decode(ids: list[int], merges: list[tuple[int, int]]) -> str:
    vocabulary = [bytes([byte]) for byte in range(256)]
    for left, right in merges:
        vocabulary.append(vocabulary[left] + vocabulary[right])
    return b"".join(vocabulary[one] for one in ids).decode("utf-8", errors="replace")


def vocabulary_of(merges: list[Pair]) -> list[bytes]:
    vocabulary = [bytes([byte]) for byte in range(256)]
    for left, right in merges:
        vocabulary.append(vocabulary[left] + vocabulary[right])
    return vocabulary


def token_by_token(ids: list[int], merges: list[Pair]) -> str:
    vocabulary = vocabulary_of(merges)
    return "".join(vocabulary[one].decode("utf-8", errors="replace") for one in ids)


def strict(ids: list[int], merges: list[Pair]) -> str:
    vocabulary = vocabulary_of(merges)
    return b"".join(vocabulary[one] for one in ids).decode("utf-8")


def as_characters(ids: list[int], merges: list[Pair]) -> str:
    vocabulary = vocabulary_of(merges)
    return "".join(chr(byte) for one in ids for byte in vocabulary[one])


def one_level(ids: list[int], merges: list[Pair]) -> str:
    parts = [pair for one in ids for pair in (merges[one - 256] if one > 255 else (one,))]
    return bytes(parts).decode("utf-8", errors="replace")


def as_bytes(ids: list[int], merges: list[Pair]) -> bytes:
    vocabulary = vocabulary_of(merges)
    return b"".join(vocabulary[one] for one in ids)


def invalid_left_out(ids: list[int], merges: list[tuple[int, int]]) -> str:
    vocabulary = [bytes([byte]) for byte in range(256)]
    for left, right in merges:
        vocabulary.append(vocabulary[left] + vocabulary[right])
    return b"".join(vocabulary[one] for one in ids).decode("utf-8", errors="ignore")


# 1.7


def encode(text: str, merges: list[tuple[int, int]]) -> list[int]:
    ids = list(text.encode("utf-8"))
    for rank, pair in enumerate(merges):
        ids = merge(ids, pair, 256 + rank)
    return ids


def latest_first(text: str, merges: list[Pair]) -> list[int]:
    ids = list(text.encode("utf-8"))
    for rank, pair in reversed(list(enumerate(merges))):
        ids = merge(ids, pair, 256 + rank)
    return ids


def longest_match(text: str, merges: list[Pair]) -> list[int]:
    vocabulary = vocabulary_of(merges)
    rest, ids = text.encode("utf-8"), []
    while rest:
        best = max(
            (one for one, token in enumerate(vocabulary) if rest.startswith(token)),
            key=lambda one: len(vocabulary[one]),
        )
        ids.append(best)
        rest = rest[len(vocabulary[best]) :]
    return ids


def ranks_as_ids(text: str, merges: list[Pair]) -> list[int]:
    ids = list(text.encode("utf-8"))
    for rank, pair in enumerate(merges):
        ids = merge(ids, pair, rank)
    return ids


def only_one_merge(text: str, merges: list[Pair]) -> list[int]:
    ids = list(text.encode("utf-8"))
    for rank, pair in enumerate(merges):
        if pair in count_pairs(ids):
            return merge(ids, pair, 256 + rank)
    return ids


def trained_anew(text: str, merges: list[Pair]) -> list[int]:
    ids = list(text.encode("utf-8"))
    for step, pair in enumerate(learn_merges(ids, len(merges))):
        ids = merge(ids, pair, 256 + step)
    return ids


def never_merged(text: str, merges: list[tuple[int, int]]) -> list[int]:
    return text_to_bytes(text)
