"""The examples below every help text; a test parses each of them."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[str, ...]] = {
    "slm": (
        "slm train --minutes 3 --source builtin:easy --out runs/demo",
        'slm generate --checkpoint runs/demo "Once upon a time"',
    ),
    "slm prepare": (
        "slm prepare --source builtin --limit 1000 --out data/small",
        "slm prepare --source book.txt --tokenizer chars --out data/book",
    ),
    "slm train": (
        "slm train --minutes 10 --source builtin --out runs/ten",
        "slm train --out runs/ten --resume",
        "slm train --init-from runs/ten --source book.txt --minutes 5 --out runs/book",
    ),
    "slm generate": (
        'slm generate "Once upon a time"',
        'slm generate --checkpoint runs/ten "Once upon a time" -n 3',
        "slm generate --checkpoint runs/ten --file prompts.txt --json",
    ),
    "slm serve": (
        "slm serve",
        "slm serve --checkpoint runs/ten",
        "slm serve --checkpoint runs/ten --beside runs/demo --port 8001",
    ),
    "slm eval": (
        "slm eval --checkpoint runs/ten --source book.txt",
        "slm eval --checkpoint runs/ten --suite facts --over-time",
        "slm eval --endpoint http://127.0.0.1:8000 --source book.txt --json",
    ),
    "slm report": (
        "slm report runs/ten",
        "slm report runs/ten --suites facts --out ten.html",
    ),
    "slm compare": (
        "slm compare runs/ten runs/demo",
        "slm compare runs/ten runs/book --source book.txt --json",
    ),
    "slm export": (
        "slm export runs/ten hf ten-hf --license mit",
        "slm export runs/ten gguf ten.gguf --dtype q8_0",
        "slm export runs/ten slm ten --dtype int8 --card card.toml",
    ),
    "slm import": (
        "slm import hf:openai-community/gpt2 gpt2",
        "slm import stories15M.bin stories15M --tokenizer tokenizer.bin",
    ),
    "slm push": (
        "slm push runs/ten mia/stories --private",
        "slm push runs/ten mia/stories --license mit --json",
    ),
    "slm info": (
        "slm info builtin",
        "slm info runs/ten",
        "slm info data/small --json",
    ),
    "slm inspect": (
        'slm inspect "The cat sat on the mat."',
        'slm inspect --checkpoint runs/ten --what next "Once upon a"',
    ),
    "slm presets": (
        "slm presets tiny",
        "slm presets --settings",
    ),
    "slm data": (
        "slm data check book.txt",
        "slm data check builtin --limit 1000 --json",
    ),
    "slm data check": (
        "slm data check stories.txt --clean stories",
        "slm data check builtin --limit 1000 --json",
    ),
    "slm bench": (
        "slm bench train --preset tiny",
        "slm bench generate --preset tiny",
    ),
    "slm bench train": (
        "slm bench train --preset modern-12m --steps 20",
        "slm bench train --preset tiny --quick --json",
    ),
    "slm bench generate": (
        "slm bench generate --preset modern-12m --dtype int8",
        "slm bench generate --preset tiny --no-peers --rounds 1",
    ),
    "python train.py": (
        "python train.py --source builtin --preset tiny",
        "python train.py --no-train",
    ),
}


def epilog(command: str) -> str:
    r"""The end of a command's help text; `\b` keeps its lines from being wrapped."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in EXAMPLES[command])])
