"""Exercises of lesson 1: bytes, byte pairs, merges, and a tokenizer."""

from __future__ import annotations

from course.answers import lesson1 as answers
from course.exercise import Exercise, Misconception

_HUM = list(b"hum hum humbug hum")
_BANANAS = list(b"banana bandana")
# "ab", "bc", "abc", "é", "ca": overlapping tokens, for which the order of the merges matters.
_MERGES = [(97, 98), (98, 99), (256, 99), (195, 169), (99, 97)]

EXERCISES = [
    Exercise(
        number="1.1",
        name="text_to_bytes",
        solution=answers.text_to_bytes,
        cases=[("Hi!",), ("",), ("café",), ("5 €",), ("🦊",)],
        misconceptions=[
            Misconception(
                "characters numbered by `ord`",
                "`ord` gives the Unicode code point, which can be far above 255. UTF-8 writes one "
                "character as one to four bytes.",
                answers.code_points,
            ),
            Misconception(
                "the wrong encoding: latin-1",
                "latin-1 has one byte for each of 256 characters and fails for all others. Use "
                "UTF-8.",
                answers.latin,
            ),
            Misconception(
                "the wrong encoding: UTF-16",
                "UTF-16 uses two or four bytes a character, and two bytes at the start. Use UTF-8.",
                answers.utf16,
            ),
            Misconception(
                "a list of characters",
                "A model computes with numbers. First encode the text, then make the list.",
                answers.characters,
            ),
            Misconception(
                "a `bytes` object instead of a list",
                "The bytes are right. `list(...)` turns them into a list of integers.",
                answers.bytes_object,
            ),
            Misconception(
                "the wrong encoding: Latin-1",
                "Latin-1 has one byte for each of 256 characters, and no emoji. Use UTF-8.",
                answers.as_latin1,
            ),
        ],
        hints=[
            "A `str` has a method that turns it into `bytes`. Which encoding does it need?",
            'The method is `encode`, the encoding is "utf-8". `list` turns `bytes` into integers.',
        ],
        insight="One character can be several bytes, and any text is a list of numbers below 256.",
    ),
    Exercise(
        number="1.2",
        name="count_pairs",
        solution=answers.count_pairs,
        cases=[([1, 2, 3],), (_HUM,), ([2, 1, 2, 1, 1],), ([5, 5, 5],), ([7],), ([],)],
        misconceptions=[
            Misconception(
                "pairs that do not overlap",
                "After the pair at positions 0 and 1 comes the pair at positions 1 and 2.",
                answers.without_overlap,
            ),
            Misconception(
                "a list closed to a circle",
                "The last id has no neighbor to its right. n ids have n - 1 pairs.",
                answers.in_a_circle,
            ),
            Misconception(
                "pairs without order",
                "(1, 2) and (2, 1) are different pairs: the order of letters matters.",
                answers.without_order,
            ),
            Misconception(
                "a last pair left out",
                "n ids have n - 1 pairs. Check where your loop or slice ends.",
                answers.without_the_last,
            ),
            Misconception(
                "each pair counted once only",
                "A pair that is found again adds one to its count.",
                answers.all_ones,
            ),
            Misconception(
                "counts that start from 0",
                "A pair that has been seen once has the count 1.",
                answers.from_zero,
            ),
        ],
        hints=[
            "`zip(ids, ids[1:])` yields each id together with the next one.",
            "Start with an empty dict. For each pair: `counts[pair] = counts.get(pair, 0) + 1`.",
        ],
    ),
    Exercise(
        number="1.3",
        name="first_merges",
        solution=answers.first_merges,
        misconceptions=[
            Misconception(
                "pairs counted once and never again",
                "After the first merge `an` is one token. Count the pairs of the new list: which "
                "neighbors does `an` have?",
                ["an", "na", "ba"],
            ),
            Misconception(
                "a tie decided for the later pair",
                "After the first merge, `b`+`an` and `an`+`a` both occur twice. Take the one that "
                "comes first in the text.",
                ["an", "ana", "ban"],
            ),
            Misconception(
                "a last merge that occurs only once",
                "`ban`+`an` occurs once. Another pair occurs twice.",
                ["an", "ban", "banan"],
            ),
            Misconception(
                "`na` merged before `an`",
                "Count again: `an` occurs four times, `na` three times.",
                ["na", "ba", "bana"],
            ),
        ],
        hints=[
            "Write the text as single letters, and count each pair of neighbors: `an` occurs most.",
            "Now write it with `an` as one token: b an an a _ b an d an a. Count again. There is a "
            "tie; the pair that comes first in the text wins.",
            "The second merge gives `ban`. Write the text with it: ban an a _ ban d an a. Count "
            "once more.",
        ],
        insight="You have trained a tokenizer by hand.",
    ),
    Exercise(
        number="1.4",
        name="merge",
        solution=answers.merge,
        cases=[
            ([1, 2, 3, 1, 2], (1, 2), 9),
            ([1, 2], (1, 2), 9),
            ([5, 5, 5], (5, 5), 9),
            ([2, 1, 2, 1, 1], (1, 2), 9),
            ([1, 2, 4], (1, 2), 9),
            ([1, 1, 2], (1, 2), 9),
            ([], (1, 2), 9),
        ],
        misconceptions=[
            Misconception(
                "only the first pair replaced",
                "All occurrences should be replaced. Do not return inside the loop.",
                answers.first_only,
            ),
            Misconception(
                "the second id of a pair kept",
                "The new id stands for both. After a match, continue two positions further.",
                answers.second_stays,
            ),
            Misconception(
                "the last id lost",
                "The last id has no right neighbor, but it still belongs to the result.",
                answers.last_is_lost,
            ),
            Misconception(
                "the pair replaced in either order",
                "(1, 2) should not match 2, 1.",
                answers.either_order,
            ),
            Misconception(
                "pairs replaced from right to left",
                "In 5, 5, 5 the first two ids become the new one. Go from left to right.",
                answers.from_the_right,
            ),
            Misconception(
                "the new id added and the old ones kept",
                "The new id takes the place of the two.",
                answers.appended,
            ),
            Misconception(
                "a list compared with a tuple",
                "A part of a list is a list, and no list equals a tuple: `[1, 2] == (1, 2)` is "
                "False. Compare the two ids one by one, or use `tuple(...)`.",
                answers.nothing_found,
            ),
        ],
        hints=[
            "A `while` loop with an index `i` can advance by one or by two; a `for` loop cannot.",
            "If ids[i] and ids[i + 1] are the pair, append `new_id` and add 2 to `i`. Otherwise "
            "append ids[i] and add 1.",
            "Check `i + 1 < len(ids)` before you look at ids[i + 1].",
        ],
    ),
    Exercise(
        number="1.5",
        name="learn_merges",
        solution=answers.learn_merges,
        cases=[
            (_BANANAS, 5),
            (_HUM, 6),
            ([1, 1, 1, 1, 1, 1, 1, 1], 3),
            ([1, 2], 1),
            ([1, 2, 3], 0),
        ],
        misconceptions=[
            Misconception(
                "pairs counted once and never again",
                "Each merge changes the list and therefore the counts. Count again in every step.",
                answers.never_recounted,
            ),
            Misconception(
                "the same pair found in every step",
                "Replace the pair in `ids` before you count again.",
                answers.not_merged,
            ),
            Misconception(
                "the rarest pair merged",
                "Merge the pair with the largest count: `max`, not `min`.",
                answers.rarest,
            ),
            Misconception(
                "one new id for all merges",
                "Every merge makes a new token with its own id: 256, 257, 258, ...",
                answers.one_new_id,
            ),
            Misconception(
                "new ids that start from 257",
                "The bytes use 0 to 255, so the first new id is 256.",
                answers.ids_from_257,
            ),
            Misconception(
                "a tie decided for the last pair",
                "Of pairs with the same count, take the one that is first in the text. `max` does "
                "so by itself, because a dict keeps the order in which keys were added.",
                answers.last_of_equals,
            ),
            Misconception(
                "a stop while there are still pairs",
                "Also a pair that occurs only once is merged. Stop when there is no pair left.",
                answers.frequent_pairs_only,
            ),
            Misconception(
                "new ids that continue the largest id of the text",
                "The new ids come after those of all 256 bytes, also of bytes that the text does "
                "not contain.",
                answers.after_the_largest_id,
            ),
        ],
        hints=[
            "In each step: count the pairs, find the most frequent one, append it to the list of "
            "merges, replace it in `ids`.",
            "`max(counts, key=lambda pair: counts[pair])` is the pair with the largest count.",
            "The new id of step 0 is 256: `ids = merge(ids, pair, 256 + step)`.",
        ],
    ),
    Exercise(
        number="1.6",
        name="decode",
        solution=answers.decode,
        cases=[
            ([256, 32, 258], _MERGES),
            ([259, 33], _MERGES),
            ([195, 169], []),
            ([72, 105], []),
            ([195], []),
            ([], _MERGES),
        ],
        misconceptions=[
            Misconception(
                "every token decoded by itself",
                "`é` is two bytes, which can be in two tokens. First join all bytes, then decode.",
                answers.token_by_token,
            ),
            Misconception(
                "bytes read as characters by `chr`",
                "A byte is not a character: `é` is two bytes. Join the bytes, then decode UTF-8.",
                answers.as_characters,
            ),
            Misconception(
                "a merge undone only once",
                "The parts of a merge can be merges themselves, as in 258 = 256 + 99.",
                answers.one_level,
            ),
            Misconception(
                "no rule for bytes that are not UTF-8",
                'A model can produce half a character. `decode("utf-8", errors="replace")` shows a '
                "sign for it instead of stopping.",
                answers.strict,
            ),
            Misconception(
                "bytes instead of text",
                "The bytes are right; decode them.",
                answers.as_bytes,
            ),
            Misconception(
                "bytes left out that are not UTF-8",
                'Half of a character should show as �: `errors="replace"`.',
                answers.invalid_left_out,
            ),
        ],
        hints=[
            "First make the vocabulary: a list of `bytes`, in which the position is the id.",
            "It starts with `[bytes([byte]) for byte in range(256)]`. Each merge (left, right) "
            "appends `vocabulary[left] + vocabulary[right]`.",
            '`b"".join(...)` joins the bytes of all ids. Then `decode("utf-8", errors="replace")`.',
        ],
    ),
    Exercise(
        number="1.7",
        name="encode",
        solution=answers.encode,
        cases=[
            ("abc", _MERGES),
            ("abcabca", _MERGES),
            ("bca", _MERGES),
            ("cabc", _MERGES),
            ("café", _MERGES),
            ("", _MERGES),
            ("ab", []),
        ],
        misconceptions=[
            Misconception(
                "the longest token taken from the left",
                "Byte-pair encoding repeats the merges of the training in their order. The result "
                "can differ from the longest match.",
                answers.longest_match,
            ),
            Misconception(
                "merges applied from the last to the first",
                "A later merge joins tokens that earlier merges make. Start with the first merge.",
                answers.latest_first,
            ),
            Misconception(
                "the position of a merge used as its id",
                "Merge number 0 has the id 256, because the bytes use 0 to 255.",
                answers.ranks_as_ids,
            ),
            Misconception(
                "only one merge applied",
                "Apply all merges, one after another. Do not return inside the loop.",
                answers.only_one_merge,
            ),
            Misconception(
                "merges learned again from the text",
                "Use the merges that were given. A model knows only the ids of its own vocabulary.",
                answers.trained_anew,
            ),
            Misconception(
                "merges whose result is lost",
                "`merge` returns a new list and leaves the old one as it is. Give the new list a "
                "name and go on with it.",
                answers.never_merged,
            ),
        ],
        hints=[
            "Start with the bytes of the text. Then you need `merge`, once for each merge.",
            "`for rank, pair in enumerate(merges)` gives the merges in order with their numbers.",
        ],
    ),
]
