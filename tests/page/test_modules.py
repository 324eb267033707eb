"""The page's modules on their own, run in the browser."""

from __future__ import annotations

import pytest
import torch

from slm.generation import GenerationOptions
from slm.insight import ranked_logprobs, weigh_options
from tests.page.conftest import Words

TREE = """
async () => {
  const { StoryTree, pathTo, textOf, idsTo, surprisalOf } = await import("/page/tree.js");
  const token = (id, text, probability) => ({ id, text, kind: "text", probability });
  const tree = new StoryTree();
  const a = tree.addAll(tree.root, [token(1, "One"), token(2, " day")], "user");
  const b = tree.addAll(a, [token(3, " a"), token(4, " fox", 0.25)], "model");
  const c = tree.addAll(a, [token(5, " the"), token(6, " dog")], "model");
  const again = tree.addAll(a, [token(3, " a", 0.5)], "user");
  const shape = (segment) => [segment.text, ...segment.children.map(shape)];
  const result = {
    size: tree.size,
    same: again === b.parent,
    updated: again.probability,
    author: again.author,
    path: idsTo(b),
    text: textOf(pathTo(c)),
    newest: tree.leaf(tree.root) === b,
    surprisal: [surprisalOf(b), surprisalOf(c)],
    shape: shape(tree.segments()),
  };
  tree.choose(c);
  result.chosen = tree.leaf(tree.root) === c;
  return result;
}
"""


def test_the_tree(open_page):
    assert open_page().evaluate(TREE) == {
        "size": 7,
        "same": True,
        "updated": 0.5,
        "author": "model",
        "path": [1, 2, 3, 4],
        "text": "One day the dog",
        "newest": True,
        "surprisal": [2, None],
        "shape": ["One day", [" a fox"], [" the dog"]],
        "chosen": True,
    }


STREAM = """
async (pieces) => {
  const { requestEvents } = await import("/page/api.js");
  const bytes = pieces.map((piece) => new Uint8Array(piece));
  const body = () => new ReadableStream({
    start(controller) { bytes.forEach((piece) => controller.enqueue(piece)); controller.close(); },
  });
  const plain = window.fetch;
  window.fetch = async () => new Response(body());
  const found = [];
  try {
    for await (const event of requestEvents("/x", {})) found.push(event);
  } catch (error) {
    found.push(error.message);
  } finally {
    window.fetch = plain;
  }
  return found;
}
"""


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_a_stream_in_any_pieces(open_page, size):
    """The network may cut events and characters anywhere."""
    text = (
        ': a comment\n\ndata: {"a": "é🦊"}\r\n\r\ndata: {"b":\ndata: 2}\n\n'
        'data:{"c": 3}\n\ndata: [DONE]\n\ndata: {"d": 4}\n\n'
    ).encode()
    pieces = [list(text[start : start + size]) for start in range(0, len(text), size)]
    assert open_page().evaluate(STREAM, pieces) == [{"a": "é🦊"}, {"b": 2}, {"c": 3}]


def test_a_stream_that_fails(open_page):
    text = b'data: {"a": 1}\n\ndata: {"error": {"message": "the model failed"}}\n\n'
    assert open_page().evaluate(STREAM, [list(text)]) == [{"a": 1}, "the model failed"]


SAMPLED = """
async ([logprobs, settings]) => {
  const { entropyBits, sampledProbabilities } = await import("/page/distribution.js");
  const probabilities = sampledProbabilities(logprobs, settings);
  return [probabilities, entropyBits(probabilities)];
}
"""
SETTINGS = [
    {},
    {"temperature": 0.0, "top_p": 0.5},
    {"temperature": 0.35},
    {"temperature": 2.0},
    {"top_k": 7},
    {"top_k": 1000},
    {"top_p": 0.6},
    {"top_p": 0.05},
    {"min_p": 0.3},
    {"min_p": 1.0},
    {"temperature": 1.7, "top_k": 60, "top_p": 0.9, "min_p": 0.02},
]


def test_the_page_filters_as_generation_does(open_page):
    """What the sliders show is what `slm.generation.sampling` samples from."""
    page = open_page()
    tokenizer = Words()
    size = tokenizer.vocab_size
    logits = 2.5 * torch.randn(size, generator=torch.Generator().manual_seed(0))
    ranked = ranked_logprobs(logits)
    for changed in SETTINGS:
        settings = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, **changed}
        weighed = weigh_options(logits, tokenizer, GenerationOptions(**settings), top=size)
        expected = [one.sampled for one in weighed.candidates if one.sampled > 0]
        shown, entropy = page.evaluate(SAMPLED, [ranked.tolist(), settings])
        assert shown == pytest.approx(expected, rel=1e-4), settings
        assert len(shown) == weighed.kept
        assert entropy == pytest.approx(weighed.sampled_entropy, abs=1e-4)


LATEST = """
async () => {
  const { latest } = await import("/page/dom.js");
  const done = [];
  let release;
  const run = latest(async (value) => {
    if (value === 1) await new Promise((resolve) => { release = resolve; });
    done.push(value);
  });
  const first = run(1);
  run(2);
  run(3);
  release();
  await first;
  return done;
}
"""


def test_only_the_latest_call_waits(open_page):
    assert open_page().evaluate(LATEST) == [1, 3]


TICKS = "async ([low, high]) => (await import('/page/chart.js')).ticks(low, high, 5)"


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 100, [0, 20, 40, 60, 80, 100]),
        (1.25, 3.5, [1.5, 2, 2.5, 3, 3.5]),
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
    ],
)
def test_round_ticks(open_page, low, high, expected):
    assert open_page().evaluate(TICKS, [low, high]) == expected


SERIES = """
async (count) => {
  const { LossSeries } = await import("/page/chart.js");
  const series = new LossSeries();
  for (let step = 1; step <= count; step += 1) series.add(step, step % 2);
  const { points } = series;
  const mean = points.reduce((sum, one) => sum + one.loss * one.count, 0) / count;
  return { n: points.length, mean, last: points.at(-1).step };
}
"""


@pytest.mark.parametrize(("count", "least"), [(2_000, 2_000), (100_000, 1_000)])
def test_a_long_curve_has_few_points(open_page, count, least):
    series = open_page().evaluate(SERIES, count)
    assert least <= series["n"] <= 2_000
    assert (series["mean"], series["last"]) == (pytest.approx(0.5), count)


PERCENTAGES = "async (fractions) => fractions.map((await import('/page/dom.js')).percent)"


def test_percentages(open_page):
    shown = open_page().evaluate(PERCENTAGES, [0, 0.0001, 0.0123, 0.0995, 0.5, 1])
    assert shown == ["0%", "<0.1%", "1.2%", "10%", "50%", "100%"]


TINTS = """
async () => {
  const { tintOf } = await import("/page/colors.js");
  return [
    [1, 0.9, 0.5, 0.01, null].map((p) => tintOf(p, "probability")),
    [1, 0.5, 0.001].map((p) => tintOf(p, "surprisal")),
    tintOf(0.5, "none"),
  ];
}
"""


def test_tints(open_page):
    assert open_page().evaluate(TINTS) == [[5, 5, 3, 0, None], [0, 1, 5], None]
