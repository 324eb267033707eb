"""A trained model to use: it writes, scores and explains text.

PyTorch is imported when it is needed first: native code that generates on a CPU needs none of it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from slm.api.generation import (
    DEFAULTS,
    completion_notes,
    generation_options,
    option_notes,
    prompts_of,
)
from slm.config import GPTConfig, RunConfig
from slm.generation.options import GenerationOptions, require_text
from slm.log import Log
from slm.quantities import counted, parameters
from slm.reporting.display import say
from slm.storage.user_paths import user_path

if TYPE_CHECKING:
    from slm.evals.suite import SuiteResult
    from slm.generation import Generator
    from slm.insight import AttentionPatterns, Lens, NextToken, ScoredText
    from slm.interop.source import ExportSource
    from slm.model import GPT
    from slm.model_card import ModelCard
    from slm.tokenizer.base import Tokenizer
    from slm.train_state import TrainState


class LanguageModel:
    """A model with its tokenizer. Make one with `slm.load`.

    Not for several threads at once.

    Attributes:
        path: the checkpoint directory, or the model file.
        tokenizer: has `encode` and `decode`.
        config: the shape of the model.
        settings: all settings of the run that trained it, as called from here.
        state: how far that run had come: step, tokens, validation loss.
        weights_dtype: in which the weights are stored.
        weights_sha256: of the file with the weights of a checkpoint.
        card: what its maker says about the model; None: nothing.
    """

    def __init__(
        self,
        path: Path,
        *,
        tokenizer: Tokenizer,
        settings: RunConfig,
        state: TrainState,
        build_model: Callable[[], GPT],
        build_generator: Callable[[], Generator],
        weights_dtype: str = "float32",
        weights_sha256: str | None = None,
        card: ModelCard | None = None,
        log: Log = say,
    ) -> None:
        self.path = path
        self.tokenizer = tokenizer
        self.settings = settings
        self.state = state
        self._build_model = build_model
        self._build_generator = build_generator
        self.weights_dtype = weights_dtype
        self.weights_sha256 = weights_sha256
        self.card = card
        self._log = log

    @property
    def config(self) -> GPTConfig:
        """The shape of the model."""
        return self.settings.model

    @functools.cached_property
    def model(self) -> GPT:
        """The model as an `nn.Module` in float32 and evaluation mode, built when first asked for.

        `lm.model(idx)` returns logits [B, T, V] and no loss for ids [B, T].
        """
        return self._build_model()

    @functools.cached_property
    def generator(self) -> Generator:
        """What generates: native code on a CPU where that is possible, else PyTorch."""
        return self._build_generator()

    # -- generation --------------------------------------------------------------------------------

    def generate(
        self,
        prompt: str | Sequence[str],
        *,
        n: int = 1,
        seed: int | None = None,
        max_new_tokens: int = DEFAULTS.max_new_tokens,
        temperature: float = DEFAULTS.temperature,
        top_k: int | None = DEFAULTS.top_k,
        top_p: float = DEFAULTS.top_p,
        min_p: float = DEFAULTS.min_p,
        repetition_penalty: float = DEFAULTS.repetition_penalty,
        stop: str | Sequence[str] = (),
    ) -> list[str]:
        """Continue a prompt, or several prompts together.

        The texts are those of `slm generate` with the same values. Several prompts run through the
        model together, which is faster. In native code each text is the same as alone; PyTorch
        rounds sums in other ways.

        Args:
            prompt: a prompt or a list of prompts.
            n: continuations of each prompt.
            seed: equal seeds give equal texts; None: a random one.
            max_new_tokens: tokens added at most.
            temperature: 0 takes the most likely token, 1 samples from the model's own distribution.
            top_k: sample from the k most likely tokens only; 0 or None: from all.
            top_p: sample from the most likely tokens that together reach this probability.
            min_p: drop tokens less likely than this share of the most likely one's probability.
            repetition_penalty: above 1, tokens that are already in the text become less likely.
            stop: a string, or several; the text ends before the first of them.

        Returns:
            Prompt and continuation of each text: the n texts of the first prompt, then those of the
            second, and so on.

        Raises:
            ConfigError: a value is out of its range, or a prompt is not a text.
            TokenizerError: a prompt is not valid Unicode.
        """
        prompts = prompts_of(prompt)
        options = generation_options(
            n=n,
            seed=seed,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            min_p=min_p,
            repetition_penalty=repetition_penalty,
            stop=stop,
        )
        self._note(*option_notes(options))
        completions = self.generator.complete(prompts, options)
        self._note(*completion_notes(completions, self.config.block_size))
        return [completion.prompt + completion.text for completion in completions]

    def stream(
        self,
        prompt: str,
        *,
        seed: int | None = None,
        max_new_tokens: int = DEFAULTS.max_new_tokens,
        temperature: float = DEFAULTS.temperature,
        top_k: int | None = DEFAULTS.top_k,
        top_p: float = DEFAULTS.top_p,
        min_p: float = DEFAULTS.min_p,
        repetition_penalty: float = DEFAULTS.repetition_penalty,
        stop: str | Sequence[str] = (),
    ) -> Iterator[str]:
        """Continue a prompt and yield the text piece by piece, the prompt first.

            for piece in lm.stream("Once upon a time"):
                print(piece, end="", flush=True)

        The pieces joined are the text that `generate` returns for the same seed.

        Args:
            prompt: the beginning of the text.
            seed, max_new_tokens, temperature, top_k, top_p, min_p, repetition_penalty, stop: see
                `generate`.

        Raises:
            ConfigError: a value is out of its range, or the prompt is not a text.
            TokenizerError: the prompt is not valid Unicode.
        """
        require_text("prompt", prompt)
        options = generation_options(
            n=1,
            seed=seed,
            max_new_tokens=max_new_tokens,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            min_p=min_p,
            repetition_penalty=repetition_penalty,
            stop=stop,
        )
        self._note(*option_notes(options))
        return self._pieces(prompt, options)

    def _pieces(self, prompt: str, options: GenerationOptions) -> Iterator[str]:
        yield prompt
        for event in self.generator.stream(prompt, options):
            if event.text:
                yield event.text
            if event.completion is not None:
                self._note(*completion_notes([event.completion], self.config.block_size))

    # -- insight -----------------------------------------------------------------------------------

    def score(self, text: str, *, top: int = 10) -> ScoredText:
        """The surprisal of every token of a text, loss, perplexity and bits per byte.

        Args:
            text: any text.
            top: number of alternatives at each position.

        Raises:
            DataError: the text is empty.
            ConfigError, TokenizerError: it is not a text, or not valid Unicode.
        """
        from slm.insight import score_text

        return score_text(self.model, self.tokenizer, text, top=top)

    def next_token(
        self,
        text: str,
        *,
        top: int = 20,
        temperature: float = DEFAULTS.temperature,
        top_k: int | None = DEFAULTS.top_k,
        top_p: float = DEFAULTS.top_p,
        min_p: float = DEFAULTS.min_p,
        repetition_penalty: float = DEFAULTS.repetition_penalty,
    ) -> NextToken:
        """The most likely next tokens, and how often each is sampled.

        Args:
            text: the beginning; may be empty.
            top: number of candidates.
            temperature, top_k, top_p, min_p, repetition_penalty: see `generate`.

        Raises:
            ConfigError: a value is out of its range, or the text is not one.
            TokenizerError: the text is not valid Unicode.
        """
        from slm.insight import next_token

        options = GenerationOptions(
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            min_p=min_p,
            repetition_penalty=repetition_penalty,
        )
        return next_token(self.model, self.tokenizer, text, options, top=top)

    def attention(self, text: str, *, layers: Sequence[int] | None = None) -> AttentionPatterns:
        """The attention weights of every head over the tokens of a text.

        Args:
            text: at most block_size - 1 tokens.
            layers: numbers of layers, from 0; None: all.

        Raises:
            DataError: the text does not fit into the context, or there is no such layer.
            ConfigError, TokenizerError: it is not a text, or not valid Unicode.
        """
        from slm.insight import attention_patterns

        return attention_patterns(self.model, self.tokenizer, text, layers=layers)

    def lens(self, text: str, *, top: int = 5) -> Lens:
        """What the model would predict after each layer (the logit lens).

        Args:
            text: at most block_size - 1 tokens.
            top: number of candidates at each position.

        Raises:
            DataError: the text does not fit into the context.
            ConfigError, TokenizerError: it is not a text, or not valid Unicode.
        """
        from slm.insight import logit_lens

        return logit_lens(self.model, self.tokenizer, text, top=top)

    # -- evaluation --------------------------------------------------------------------------------

    def evaluate(
        self,
        suite: str,
        *,
        source: str | Path | None = None,
        limit: int | None = None,
        seed: int = 0,
        progress: bool = True,
    ) -> SuiteResult:
        """Test what the model can do, as `slm eval --suite` does.

            result = lm.evaluate(suite="facts")
            print(result.score)

        Args:
            suite: stories, facts or blimp.
            source: stories: the text to compare with; None: the training text. blimp: its files;
                None: those of the hub.
            limit: stories: samples of each prompt; None: 4. facts: pairs of each kind; None: 100.
                blimp: pairs of each paradigm; None: all.
            seed: of the items and of the intervals. Equal seeds give equal results.
            progress: show the progress.

        Raises:
            UsageError: there is no such suite.
            ConfigError: a value is out of its range.
            DataError, HubError: the items cannot be read.
            MissingExtraError: stories needs the extra `quality`.
        """
        from slm.api.suites import ModelSubject, suite_named
        from slm.reporting.display import stage_progress

        found = suite_named(suite, source=source, limit=limit, log=self._log)
        with stage_progress(shown=progress) as report:
            return found.run(ModelSubject(self), seed=seed, progress=report)

    # -- other programs ----------------------------------------------------------------------------

    def save_pretrained(
        self, folder: str | Path, target: str = "hf", *, dtype: str | None = None
    ) -> Path:
        """Write the model for another program, as `slm export` does.

            lm.save_pretrained("stories-hf")
            lm.save_pretrained("stories.gguf", "gguf", dtype="q8_0")

        Args:
            folder: what to write: a folder, or for gguf a file.
            target: slm, hf, gguf, ollama, onnx, llama2c or nanogpt.
            dtype: of the weights; None: the target's default.

        Returns:
            The folder or file.

        Raises:
            UsageError: there is no such target, or something is there already.
            ConfigError: the target cannot hold the model or the dtype.
            MissingExtraError: a package that the target needs is not installed.
            WriteError, NoSpaceError: nothing is left behind.
        """
        from slm.interop.card import sample_text
        from slm.interop.export import export, target_named

        sample = sample_text(self.generator) if target_named(target).name == "hf" else ""
        source = self._export_source()
        folder = user_path(folder)
        export(source, target, folder, dtype=dtype, sample=sample, log=self._note)
        return folder

    def push(self, name: str, *, private: bool = False, license: str = "unknown") -> str:
        """Upload the model to the Hugging Face Hub, as `slm push` does.

        Args:
            name: `owner/name`; the repository is made where it does not exist.
            private: whether a new repository is private.
            license: of the weights, as an identifier of the hub such as `mit`.

        Returns:
            The address of the model.

        Raises:
            UsageError: it is not a name.
            ConfigError: transformers has no such architecture.
            HubError: the hub cannot be reached, or does not let this user write there.
        """
        from slm.interop import hub
        from slm.interop.card import sample_text

        hub.require_hub(name)
        source, sample = self._export_source(), sample_text(self.generator)
        return hub.push(
            source, name, sample=sample, private=private, license=license, log=self._note
        )

    def _export_source(self) -> ExportSource:
        from slm.interop.source import ExportSource
        from slm.native.engine import arrays_of

        weights = functools.partial(arrays_of, self.model)
        return ExportSource(
            self.path, self.settings, self.tokenizer, self.state, weights, self.card
        )

    def _note(self, *sentences: str) -> None:
        for sentence in sentences:
            self._log(f"note: {sentence}")

    def __repr__(self) -> str:
        from slm.model.costs import model_costs

        config, step = self.config, self.state.step
        return (
            f"<LanguageModel {self.path}: {parameters(model_costs(config).parameters)}, "
            f"{counted(config.n_layer, 'layer')} of width {config.n_embd}, "
            f"context {config.block_size}, tokenizer {self.tokenizer.name}"
            f"{f', step {step:,}' if step else ''}>"
        )
