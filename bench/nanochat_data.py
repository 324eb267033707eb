"""Gives nanochat the text of a race in its own formats; runs in its environment and checkout.

    python bench/nanochat_data.py TEXTS_FILE IDS_FILE -- ARGUMENTS OF scripts.tok_train

Writes the training documents as the Parquet files that it reads, trains its tokenizer with its own
script, and writes the ids of the held-out documents. `NANOCHAT_BASE_DIR` is where it keeps files.
"""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

ROW_GROUP = 1000
"""Documents that are read at once."""


def main() -> None:
    texts_file, ids_file, _, *arguments = sys.argv[1:]
    sys.path[0] = str(Path.cwd())
    import pyarrow as pa
    import pyarrow.parquet as pq
    from nanochat.dataset import DATA_DIR

    texts = json.loads(Path(texts_file).read_text("utf-8"))
    data = Path(DATA_DIR)
    data.mkdir(parents=True)
    # The last file is its validation text, which the race does not use.
    for name, documents in (("shard_00000", texts["train"]), ("shard_00001", texts["all"])):
        table = pa.table({"text": documents})
        pq.write_table(table, data / f"{name}.parquet", row_group_size=ROW_GROUP)
    sys.argv = ["scripts.tok_train", *arguments]
    runpy.run_module("scripts.tok_train", run_name="__main__", alter_sys=True)

    from nanochat.tokenizer import get_tokenizer

    tokenizer = get_tokenizer()
    ids = {name: tokenizer.encode(texts[name]) for name in ("sample", "all")}
    content = {**ids, "boundary": tokenizer.get_bos_token_id()}
    Path(ids_file).write_text(json.dumps(content), "utf-8")


if __name__ == "__main__":
    main()
