"""Exercises of lesson 5: embedding, heads, attention, norm, MLP, block, and the whole model."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from course.answers import lesson5 as answers
from course.exercise import Exercise, Misconception

_CHANCE = torch.Generator().manual_seed(5)


def _random(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=_CHANCE)


def _layer(width: int, out: int) -> Callable[[Tensor], Tensor]:
    """A linear layer with fixed random weights."""
    weight, bias = _random(width, out), _random(out)
    return lambda x: x @ weight + bias


_IDS = torch.tensor([2, 0, 2, 1])
_UP, _DOWN = _layer(4, 8), _layer(8, 4)
_NORM_1, _ATTENTION, _NORM_2, _MLP = (_layer(4, 4) for _ in range(4))
_BLOCKS = [_layer(4, 4) for _ in range(3)]
_Q, _K, _V = (_random(2, 4, 3) for _ in range(3))

EXERCISES = [
    Exercise(
        number="5.1",
        name="embed",
        solution=answers.embed,
        cases=[(_IDS, _random(4, 3), _random(6, 3)), (_IDS[:2], _random(4, 2), _random(6, 2))],
        misconceptions=[
            Misconception(
                "token vectors without positions",
                "The two 2s get the same vector, so the model cannot know which came first. Add "
                "the vectors of the positions.",
                answers.tokens_only,
            ),
            Misconception(
                "position vectors looked up by id",
                "The position of a token is its place in the list, not its id. The positions are "
                "0, 1, 2, ...",
                answers.position_by_id,
            ),
            Misconception(
                "positions counted from 1",
                "The first token has position 0.",
                answers.from_position_one,
            ),
            Misconception(
                "vectors multiplied instead of added",
                "Add the two vectors.",
                answers.multiplied,
            ),
            Misconception(
                "vectors joined end to end",
                "The result keeps the width C. Add the two vectors instead of concatenating them.",
                answers.side_by_side,
            ),
            Misconception(
                "the same position vector for all tokens",
                "Each token needs the vector of its own position: a slice of the table, not one "
                "row of it.",
                answers.one_position,
            ),
        ],
        hints=[
            "`token_table[ids]` looks up one row for each id.",
            "The positions are 0 to len(ids) - 1: the first `len(ids)` rows of the other table.",
        ],
        insight="Every later part only reads these vectors and adds to them.",
    ),
    Exercise(
        number="5.2",
        name="split_heads",
        solution=answers.split_heads,
        cases=[(torch.arange(24.0).view(3, 8), 2), (torch.arange(24.0).view(4, 6), 3)],
        misconceptions=[
            Misconception(
                "a reshape that mixes tokens",
                "`x.view(n_head, T, D)` cuts the numbers in the order in which they are stored, so "
                "a head gets whole tokens instead of a part of each. First split the width: [T, "
                "n_head, D].",
                answers.only_reshaped,
            ),
            Misconception(
                "tokens before heads",
                "The split is right. Now swap the first two dimensions: [n_head, T, D].",
                answers.not_swapped,
            ),
            Misconception(
                "features dealt out in turn",
                "Head 0 has the first D features, head 1 the next D. Split the width into [n_head, "
                "D], not into [D, n_head].",
                answers.every_other_feature,
            ),
            Misconception(
                "features before tokens",
                "The order is head, token, feature.",
                answers.features_first,
            ),
            Misconception(
                "parts of `n_head` features",
                "There are `n_head` heads, each with C / n_head features.",
                answers.parts_of_that_size,
            ),
        ],
        hints=[
            "Two steps: split the last dimension into two, then swap two dimensions.",
            "`x.view(T, n_head, D)` splits; `.transpose(0, 1)` swaps the first two dimensions.",
        ],
    ),
    Exercise(
        number="5.3",
        name="attend",
        solution=answers.attend,
        cases=[(_Q, _K, _V), (2 * _K, _Q, _V)],
        misconceptions=[
            Misconception(
                "attention that sees later tokens",
                "Token t may read the tokens 0 to t only. Set the other scores to minus infinity "
                "before the softmax.",
                answers.sees_the_future,
            ),
            Misconception(
                "a mask that hides the token itself",
                "Token t may read itself, too. For the first token nothing else is there, and a "
                "softmax over nothing gives NaN.",
                answers.not_itself,
            ),
            Misconception(
                "scores that are not scaled",
                "Divide the scores by the root of the head's width, or a few large scores take all "
                "the weight.",
                answers.without_scale,
            ),
            Misconception(
                "scores scaled by the full width",
                "Each head compares vectors of its own width D = C / n_head. Divide by sqrt(D).",
                answers.scaled_by_full_width,
            ),
            Misconception(
                "scores divided by D instead of its root",
                "A dot product of D random numbers grows like sqrt(D). Divide by the root.",
                answers.without_root,
            ),
            Misconception(
                "a softmax over the wrong dimension",
                "For each query the weights over the keys sum to 1: the softmax is over the last "
                "dimension.",
                answers.softmax_over_queries,
            ),
            Misconception(
                "heads joined by a reshape alone",
                "The heads are [n_head, T, D]. Swap the first two dimensions before you join the "
                "last two, or the tokens are mixed.",
                answers.joined_by_reshape,
            ),
            Misconception(
                "heads added up",
                "The results of the heads are put side by side: n_head times D features are C.",
                answers.heads_added,
            ),
            Misconception(
                "heads that are not joined",
                "Join them at the end: [n_head, T, D] becomes [T, C].",
                answers.not_joined,
            ),
            Misconception(
                "masked scores that are 0",
                "A score of 0 still gets a weight. Minus infinity gets none.",
                answers.masked_with_zero,
            ),
        ],
        hints=[
            "The matrix form for one head works for all heads at once: `@` treats the first "
            "dimension as a batch. Only the transpose of k must swap the last two dimensions.",
            "`torch.ones(T, T, dtype=torch.bool).tril()` is True where a token may look. "
            "`scores.masked_fill(~allowed, -math.inf)` hides the rest.",
            "At the end, `heads.transpose(0, 1)` is [T, n_head, D], and `.flatten(start_dim=1)` "
            "joins the last two dimensions.",
        ],
        insight="All heads in one matrix multiplication.",
    ),
    Exercise(
        number="5.4",
        name="layer_norm",
        solution=answers.layer_norm,
        cases=[
            (3 * _random(3, 4) + 2, _random(4), _random(4)),
            (_random(2, 5), _random(5), _random(5)),
        ],
        misconceptions=[
            Misconception(
                "mean and variance over the tokens",
                "Each token is normalized by itself, over its features: the last dimension. Over "
                "the tokens, the first token would depend on later ones.",
                answers.over_tokens,
            ),
            Misconception(
                "one mean and variance for everything",
                "Each token has its own mean and variance: `dim=-1, keepdim=True`.",
                answers.over_everything,
            ),
            Misconception(
                "a mean that is not subtracted",
                "This is RMSNorm, which newer models use. LayerNorm subtracts the mean first.",
                answers.without_the_mean,
            ),
            Misconception(
                "a division by the variance",
                "Divide by the standard deviation: the root of the variance.",
                answers.by_the_variance,
            ),
            Misconception(
                "a variance with n - 1",
                "`x.var()` divides by n - 1 by default. Here it is the mean of the squares: divide "
                "by n, `x.var(..., correction=0)`.",
                answers.one_fewer,
            ),
            Misconception(
                "a weight and a bias that are not used",
                "At the end, multiply each feature by its weight and add its bias.",
                answers.without_weights,
            ),
            Misconception(
                "a forgotten weight",
                "Multiply by the weight before you add the bias.",
                answers.weight_forgotten,
            ),
            Misconception(
                "a forgotten bias",
                "The bias is added at the end.",
                answers.bias_forgotten,
            ),
        ],
        hints=[
            "Center first: subtract `x.mean(dim=-1, keepdim=True)`. The variance is the mean of "
            "the squares of what remains.",
            "`centered / torch.sqrt(variance + 1e-5) * weight + bias`.",
        ],
        insight="Whatever size the vectors have, the next part sees numbers around 1.",
    ),
    Exercise(
        number="5.5",
        name="mlp",
        solution=answers.mlp,
        cases=[(_random(3, 4), _UP, _DOWN), (2 * _random(2, 4), _UP, _DOWN)],
        misconceptions=[
            Misconception(
                "two linear layers with nothing between",
                "Two linear layers are one linear layer in disguise: they can learn nothing that "
                "one could not. Apply `gelu` between them.",
                answers.without_gelu,
            ),
            Misconception(
                "gelu after the second layer",
                "The result should be able to be negative: apply `gelu` between the layers.",
                answers.gelu_at_the_end,
            ),
            Misconception(
                "gelu before the first layer",
                "Apply `gelu` to the 4 C numbers between the layers.",
                answers.gelu_at_the_start,
            ),
            Misconception(
                "gelu after both layers",
                "Once is enough: between the layers.",
                answers.gelu_twice,
            ),
            Misconception(
                "relu instead of gelu",
                "ReLU works nearly as well, but the weights of this model were made for `gelu`.",
                answers.with_relu,
            ),
            Misconception(
                "an input added to the result",
                "The block adds the result to the stream. The MLP itself returns only what it "
                "adds.",
                answers.with_residual,
            ),
            Misconception(
                "another formula of GELU",
                "PyTorch's `gelu` is the exact function; the `gelu` above, which the project uses, "
                "is close to it. Use that one.",
                answers.exact_gelu,
            ),
        ],
        hints=[
            "`up` and `down` are functions: call them.",
            "From the inside out: `up`, then `gelu`, then `down`.",
        ],
    ),
    Exercise(
        number="5.6",
        name="block",
        solution=answers.block,
        cases=[(_random(3, 4), _NORM_1, _ATTENTION, _NORM_2, _MLP)],
        misconceptions=[
            Misconception(
                "parts in a chain, without the stream",
                "Each part *adds* to x: `x = x + ...`. Without it, every block replaces all that "
                "was there before.",
                answers.without_stream,
            ),
            Misconception(
                "an MLP that does not see what attention added",
                "The MLP reads the x to which the attention has already added.",
                answers.in_parallel,
            ),
            Misconception(
                "norms after the addition",
                "The first transformers did this. Here a norm is on the way into a part: "
                "`attention(norm_1(x))`, and nothing on the stream itself changes x.",
                answers.norm_afterwards,
            ),
            Misconception(
                "a normalized x in the sum",
                "Only the part reads the normalized x. What it returns is added to x itself.",
                answers.stream_normalized,
            ),
            Misconception(
                "parts that read x without a norm",
                "Each part reads its own norm of x.",
                answers.without_norms,
            ),
            Misconception(
                "an MLP whose result replaces x",
                "The attention is right. Add the result of the MLP to x, too.",
                answers.attention_added_only,
            ),
            Misconception(
                "the first norm used twice",
                "The MLP has its own norm, `norm_2`.",
                answers.first_norm_twice,
            ),
            Misconception(
                "the MLP before the attention",
                "First the attention gathers, then the MLP computes with what was gathered.",
                answers.mlp_first,
            ),
            Misconception(
                "an attention whose result is lost",
                "The MLP adds to the new x, which holds what the attention has added.",
                answers.attention_lost,
            ),
            Misconception(
                "norms of the results instead of the inputs",
                "A part reads a normalized copy of x: `attention(norm_1(x))`.",
                answers.results_normalized,
            ),
        ],
        hints=[
            "Two lines, one for each part. Each has the form x + part(norm(x)).",
            "`x = x + attention(norm_1(x))`; the second line has `mlp` and `norm_2`.",
        ],
        insight="Two lines are the heart of every transformer.",
    ),
    Exercise(
        number="5.7",
        name="gpt",
        solution=answers.gpt,
        cases=[(_random(3, 4), _BLOCKS, _layer(4, 4), _random(6, 4))],
        misconceptions=[
            Misconception(
                "logits without the final norm",
                "Blocks only add, so x has grown. Normalize it with `final_norm` before the "
                "comparison with the tokens.",
                answers.without_final_norm,
            ),
            Misconception(
                "a return inside the loop",
                "Only the first block was used. Return after the loop.",
                answers.first_block_only,
            ),
            Misconception(
                "blocks that all read the first x",
                "Each block reads what the block before it returned: `x = each(x)`.",
                answers.all_blocks_read_the_start,
            ),
            Misconception(
                "a final norm after every block",
                "The final norm is used once, after the last block.",
                answers.norm_between,
            ),
            Misconception(
                "probabilities instead of logits",
                "Return the logits: the softmax belongs to the loss and to the choice of a token.",
                answers.probabilities,
            ),
            Misconception(
                "the last position only",
                "Every position predicts its next token: return all rows, [T, V].",
                answers.last_position_only,
            ),
            Misconception(
                "vectors that are not compared with the tokens",
                "The logits are dot products with the rows of the token table: [T, C] times [C, "
                "V].",
                answers.hidden_states,
            ),
            Misconception(
                "a final norm that comes first",
                "The final norm comes after the last block.",
                answers.norm_first,
            ),
        ],
        hints=[
            "A loop over the blocks, then the norm, then one matrix multiplication.",
            "The logit of a token is the dot product of x with its row of the table: `... @ "
            "token_table.T`.",
        ],
        insight="That is GPT. The rest of the work is finding good weights.",
    ),
]
