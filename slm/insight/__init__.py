"""What a trained model does inside, as figures: for notebooks, the command line and the web page.

Every function is pure, takes a model, its tokenizer and a text, and gives dataclasses of plain
values that become JSON by `as_json`.
"""

from slm.insight.attention import (
    AttentionPatterns,
    HeadStatistics,
    LayerPatterns,
    attention_patterns,
)
from slm.insight.lens import Depth, Guess, Lens, logit_lens
from slm.insight.next_token import (
    Candidate,
    NextToken,
    next_logits,
    next_token,
    ranked_logprobs,
    weigh_options,
)
from slm.insight.score import ScoredText, ScoredToken, score_text
from slm.insight.serial import as_json
from slm.insight.tokens import Text, TokenText, token_ids, token_text, token_texts
from slm.insight.trace import Trace, head_logits, trace

__all__ = [
    "AttentionPatterns",
    "Candidate",
    "Depth",
    "Guess",
    "HeadStatistics",
    "LayerPatterns",
    "Lens",
    "NextToken",
    "ScoredText",
    "ScoredToken",
    "Text",
    "TokenText",
    "Trace",
    "as_json",
    "attention_patterns",
    "head_logits",
    "logit_lens",
    "next_logits",
    "next_token",
    "ranked_logprobs",
    "score_text",
    "token_ids",
    "token_text",
    "token_texts",
    "trace",
    "weigh_options",
]
