"""Wrong answers to the exercises of lessons 1 and 2."""

from __future__ import annotations

import math

from course.answers.lesson1 import merge
from tests.unit.course.learners.registry import REJECTED, rejected, written

# Lesson 1


@written("1.1", "characters numbered by `ord`")
def _(text):
    result = []
    for letter in text:
        result.append(ord(letter))
    return result


@written("1.2", "pairs that do not overlap")
def _(ids):
    counts = {}
    for i in range(0, len(ids) - 1, 2):
        pair = (ids[i], ids[i + 1])
        counts[pair] = counts.get(pair, 0) + 1
    return counts


@written("1.2", "a list closed to a circle")
def _(ids):
    counts = {}
    for i in range(len(ids)):
        pair = (ids[i - 1], ids[i])  # ids[-1] is the last one
        counts[pair] = counts.get(pair, 0) + 1
    return counts


@written("1.2", "a last pair left out")
def _(ids):
    counts = {}
    for i in range(len(ids) - 2):
        pair = (ids[i], ids[i + 1])
        counts[pair] = counts.get(pair, 0) + 1
    return counts


@written("1.2", "counts that start from 0")
def _(ids):
    counts = {}
    for pair in zip(ids, ids[1:], strict=False):
        if pair in counts:
            counts[pair] += 1
        else:
            counts[pair] = 0
    return counts


@written("1.4", "the last id lost")
def _(ids, pair, new_id):
    result, skip = [], False
    for left, right in zip(ids, ids[1:], strict=False):
        if skip:
            skip = False
        elif (left, right) == pair:
            result.append(new_id)
            skip = True
        else:
            result.append(left)
    return result


@written("1.4", "only the first pair replaced")
def _(ids, pair, new_id):
    result = list(ids)
    for i in range(len(result) - 1):
        if (result[i], result[i + 1]) == pair:
            result[i : i + 2] = [new_id]
            break
    return result


@written("1.5", "pairs counted once and never again")
def _(ids, n_merges):
    from collections import Counter

    counts = Counter(zip(ids, ids[1:], strict=False))
    return [pair for pair, _ in counts.most_common(n_merges)]


@written("1.6", "every token decoded by itself")
def _(ids, merges):
    def letters(one):
        if one < 256:
            return bytes([one])
        left, right = merges[one - 256]
        return letters(left) + letters(right)

    return "".join(letters(one).decode("utf-8", "replace") for one in ids)


@written("1.6", "no rule for bytes that are not UTF-8")
def _(ids, merges):
    def letters(one):
        return bytes([one]) if one < 256 else b"".join(map(letters, merges[one - 256]))

    return b"".join(map(letters, ids)).decode()


@written("1.7", "the position of a merge used as its id")
def _(text, merges):
    ids = list(text.encode())
    for number in range(len(merges)):
        result, i = [], 0
        while i < len(ids):
            if tuple(ids[i : i + 2]) == merges[number]:
                result.append(number)
                i += 2
            else:
                result.append(ids[i])
                i += 1
        ids = result
    return ids


@written("1.4", "a list compared with a tuple")
def _(ids, pair, new_id):
    result, i = [], 0
    while i < len(ids):
        if ids[i : i + 2] == pair:
            result.append(new_id)
            i += 2
        else:
            result.append(ids[i])
            i += 1
    return result


@written("1.7", "merges whose result is lost")
def _(text, merges):
    ids = list(text.encode())
    for rank, pair in enumerate(merges):
        merge(ids, pair, 256 + rank)
    return ids


REJECTED["1.3", "bytes"] = [b"an", b"ban", b"ana"]
REJECTED["1.3", "one text"] = "an ban ana"
REJECTED["1.3", "the longest repeated parts"] = ["an", "anan", "ban"]


@rejected("1.2", "an index past the end")
def _(ids):
    return {(ids[i], ids[i + 1]): 1 for i in range(len(ids))}


@rejected("1.5", "parts of the text instead of ids")
def _(ids, n_merges):
    return [(b"a", b"n"), (b"b", b"an")][:n_merges]


# Lesson 2


@written("2.1", "pairs that cross from one story to the next")
def _(stories):
    counts, previous = {}, None
    for ids in stories:
        for b in ids:
            if previous is not None:
                row = counts.setdefault(previous, {})
                row[b] = row.get(b, 0) + 1
            previous = b
    return counts


@written("2.2", "the share among all pairs")
def _(counts, a, b, n_tokens):
    n = 0
    for row in counts.values():
        for count in row.values():
            n += count
    return (counts.get(a, {}).get(b, 0) + 1) / (n + n_tokens)


@written("2.3", "a sum instead of a mean")
def _(probabilities):
    result = 0
    for p in probabilities:
        result -= math.log(p)
    return result


@written("2.3", "the logarithm of the mean probability")
def _(probabilities):
    return math.log(len(probabilities) / sum(probabilities))


@written("2.4", "a power of 2")
def _(loss):
    return math.pow(2, loss)


@written("2.5", "bits per token")
def _(loss, n_tokens, n_bytes):
    return loss * n_tokens / math.log(2) / n_tokens


@written("2.6", "always the likeliest token")
def _(probabilities, r):
    return probabilities.index(max(probabilities))


@written("2.6", "the token after the right one")
def _(probabilities, r):
    i, total = 0, 0.0
    while total <= r and i < len(probabilities) - 1:
        total += probabilities[i]
        i += 1
    return i


@written("2.1", "counts of the last story only")
def _(stories):
    for ids in stories:
        counts = {}
        for a, b in zip(ids, ids[1:], strict=False):
            counts.setdefault(a, {})
            counts[a][b] = counts[a].get(b, 0) + 1
    return counts  # without any story there is no such name


@written("2.2", "counts without smoothing")
def _(counts, a, b, n_tokens):
    row = counts.get(a, {})
    return row.get(b, 0) / max(1, sum(row.values()))  # an empty row is 0 here, an error there


@written("2.6", "a border that belongs to the token before it")
def _(probabilities, r):
    borders = [sum(probabilities[: i + 1]) for i in range(len(probabilities))]
    return next((i for i, border in enumerate(borders) if border >= r), len(borders) - 1)


@rejected("2.2", "missing rows not expected")
def _(counts, a, b, n_tokens):
    return (counts[a][b] + 1) / (sum(counts[a].values()) + n_tokens)


@rejected("2.2", "a missing row added to the counts")
def _(counts, a, b, n_tokens):
    row = counts.setdefault(a, {})
    return (row.get(b, 0) + 1) / (sum(row.values()) + n_tokens)
