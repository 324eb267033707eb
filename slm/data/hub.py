"""Datasets from the Hugging Face Hub, resolved by `datasets` and kept in the hub's own cache.

The `datasets` library determines the files of each split. Whole files are downloaded one after the
other, as they are needed, into the cache that all Hugging Face tools share. So an interrupted
download resumes, and a second run works offline. A missing network is reported at once: the
libraries would retry for half a minute.
"""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import os
import re
import statistics
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from slm.config import DEFAULT_SOURCE
from slm.data.documents import DocumentPart, first_sizes
from slm.data.readers import Format, kind_of, read_documents
from slm.data.source_options import SourceOptions
from slm.data.splits import HeldOut, Split, limited
from slm.errors import DataError, HubError, SlmError, causes
from slm.storage.files import atomic_write
from slm.storage.safe_reading import read_bounded, strict_json

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
REVISION = "main"
PROBE_SECONDS = 1.2
"""With the start of the program, an error is there within two seconds."""
TINYSTORIES_BYTES = 830.0
"""Mean size of a story in TinyStories, so that a plan for it does not need a download."""
_LISTING_FORMAT = "slm-hub-listing"
_LARGEST_LISTING_BYTES = 16 << 20
_FORMATS: dict[str, Format] = {
    "arrow": "arrow",
    "csv": "csv",
    "json": "json",
    "parquet": "parquet",
    "text": "text",
}
"""Formats of the kinds of dataset that `datasets` finds; other kinds contain no text, or code."""
_NO_NETWORK_HINT = (
    "train on the built-in corpus with --source builtin, or on a file with --source PATH"
)


class HubSource:
    """A dataset of the hub; its own validation split is used if it has one."""

    def __init__(self, name: str, options: SourceOptions) -> None:
        self.name = name
        self._options = options
        self._listing: dict[str, Any] | None = None
        self._again: set[str] = set()  # files to download although they are cached
        self._online = False
        self._held_out = HeldOut(
            lambda: self._documents("train"),
            name=name,
            options=options,
        )

    @property
    def expected_stories(self) -> int | None:
        return self._options.limit

    @property
    def expected_bytes(self) -> int | None:
        return None

    @functools.cached_property
    def story_bytes(self) -> float:
        """The mean of the first stories, for which the first file is downloaded.

        Raises:
            DataError: the dataset cannot be read.
        """
        if self.name == DEFAULT_SOURCE:
            return TINYSTORIES_BYTES
        return statistics.fmean(first_sizes(self._documents("train")) or [TINYSTORIES_BYTES])

    @property
    def has_validation(self) -> bool:
        """Whether the dataset is known to have its own validation split."""
        listing = self._listing or _load_listing(self.name)
        return listing is not None and "validation" in listing["splits"]

    def identity(self) -> dict[str, Any]:
        return {
            "kind": "hub",
            "name": self.name,
            "revision": REVISION,
            "seed": self._options.seed,
            "limit": self._options.limit,
            "validation_fraction": self._options.validation_fraction,
        }

    def details(self) -> dict[str, Any]:
        return {} if self._listing is None else {"commit": self._listing["commit"]}

    def forget(self) -> None:
        listing = _load_listing(self.name)
        if listing is not None:
            self._again = {file for files in listing["splits"].values() for file in files}
        self._listing = None

    def parts(self, split: Split) -> Iterator[DocumentPart]:
        if "validation" in self._files():
            limit = self._options.limit if split == "train" else None
            return limited(self._documents(split), limit, name=f"{self.name} ({split})")
        return self._held_out.parts(split)

    def _documents(self, split: Split) -> Iterator[DocumentPart]:
        for file in self._files()[split]:
            path = self._download(file)
            known = kind_of(path.name).format
            format = known or _FORMATS[str((self._listing or {})["kind"])]
            yield from read_documents(
                path,
                name=f"{self.name}/{file}",
                format=format,
                source=self.name,
                allow_zero_bytes=self._options.allow_zero_bytes,
                log=self._options.log,
            )

    def _files(self) -> dict[str, list[str]]:
        """The files of each split, as paths inside the repository."""
        if self._listing is None:
            self._listing = self._find()
        splits: dict[str, list[str]] = self._listing["splits"]
        return splits

    def _find(self) -> dict[str, Any]:
        known = _load_listing(self.name)
        problem = hub_problem()
        if problem is not None:
            if known is not None and not self._again:
                self._options.log(f"{problem}: using the cached copy of {self.name}")
                return known
            raise HubError(
                f"cannot download the dataset {self.name}: {problem}", hint=_NO_NETWORK_HINT
            )
        self._online = True
        with hub_errors(self.name):
            from huggingface_hub import HfApi

            commit = HfApi().dataset_info(self.name, revision=REVISION, timeout=10).sha
        if known is not None and known["commit"] == commit:
            return known
        listing = _resolve(self.name, str(commit))
        _save_listing(self.name, listing)
        return listing

    def _download(self, file: str) -> Path:
        with hub_errors(self.name):
            from huggingface_hub import hf_hub_download, try_to_load_from_cache

            commit = str((self._listing or {})["commit"])
            cached = try_to_load_from_cache(self.name, file, revision=commit, repo_type="dataset")
            if self._online and (file in self._again or not isinstance(cached, str)):
                self._options.log(f"downloading {file} of {self.name}")
            local = hf_hub_download(
                self.name,
                file,
                repo_type="dataset",
                revision=commit,
                local_files_only=not self._online,
                force_download=file in self._again,
            )
        self._again.discard(file)
        return Path(local)


def hub_problem() -> str | None:
    """The reason why the hub cannot be used; None if it responds."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    return unreachable(constants.ENDPOINT)


def unreachable(endpoint: str) -> str | None:
    """The reason why the hub cannot be reached; None if it responds.

    Any HTTP response counts, and so do TLS errors: the libraries report those. Name resolution has
    no timeout of its own, hence the thread. The environment variable HF_HUB_ETAG_TIMEOUT (seconds)
    sets the timeout, as it does for the libraries.
    """
    seconds = PROBE_SECONDS
    with contextlib.suppress(ValueError):
        seconds = float(os.environ.get("HF_HUB_ETAG_TIMEOUT", seconds))
    outcome: list[str | None] = []

    def probe() -> None:
        try:
            request = urllib.request.Request(endpoint, method="HEAD")
            with urllib.request.urlopen(request, timeout=seconds):
                outcome.append(None)
        except urllib.error.HTTPError as error:
            error.close()
            outcome.append(None)
        except Exception as error:
            reason = getattr(error, "reason", error)
            if type(reason).__name__.startswith("SSL"):
                outcome.append(None)
            elif isinstance(reason, TimeoutError):
                return
            else:
                outcome.append(f"{endpoint} cannot be reached ({reason})")

    thread = threading.Thread(target=probe, name="hub-probe", daemon=True)
    thread.start()
    thread.join(seconds + 0.1)
    if not outcome:
        return f"{endpoint} did not answer within {seconds:g} s (HF_HUB_ETAG_TIMEOUT changes that)"
    return outcome[0]


def quiet_datasets() -> ModuleType:
    """Import the `datasets` library with its progress bars and log messages turned off.

    If the program has imported it before, its settings are not changed.
    """
    ours = "datasets" not in sys.modules
    import datasets

    if ours:
        from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

        datasets.disable_progress_bars()
        datasets.logging.set_verbosity(datasets.logging.CRITICAL)
        disable_progress_bars()
        logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    return sys.modules["datasets"]


@contextlib.contextmanager
def hub_errors(name: str) -> Iterator[None]:
    """Turn any exception of the hub libraries into a `HubError`."""
    quiet_datasets()
    try:
        yield
    except SlmError:
        raise
    except Exception as error:
        raise _hub_error(name, error) from error


def _hub_error(name: str, error: Exception) -> HubError:
    kinds = {type(cause).__name__ for cause in causes(error)}
    if "GatedRepoError" in kinds:
        return HubError(
            f"the dataset {name} is gated: its owner has to grant you access",
            hint="request access on its page, then log in with: hf auth login",
        )
    if kinds & {"RepositoryNotFoundError", "DatasetNotFoundError"}:
        return HubError(
            f"the hub has no dataset {name} that you can access",
            hint="check the name (owner/name); for a private one, log in with: hf auth login",
        )
    if kinds & {"EmptyDatasetError", "DataFilesNotFoundError"}:
        return HubError(f"the dataset {name} has no readable files")
    if kinds & {"LocalEntryNotFoundError", "OfflineModeIsEnabled"}:
        return HubError(
            f"the dataset {name} is not completely in the cache, and there is no network",
            hint=_NO_NETWORK_HINT,
        )
    first_line = str(error).strip().split("\n")[0][:300]
    return HubError(
        f"cannot download the dataset {name}: {first_line or type(error).__name__}",
        hint="try again; a download resumes where it stopped",
    )


def _resolve(name: str, commit: str) -> dict[str, Any]:
    """The files of each split at a commit, found by `datasets`."""
    with hub_errors(name):
        builder = quiet_datasets().load_dataset_builder(name, revision=commit)
        prefix = f"hf://datasets/{name}@{commit}/"
        splits = {
            str(split): [str(file).removeprefix(prefix) for file in files]
            for split, files in (builder.config.data_files or {}).items()
        }
        kind = type(builder).__module__.rsplit(".", 1)[-1]
    if kind not in _FORMATS:
        raise DataError(
            f"the dataset {name} has the unsupported kind {kind!r}, expected one of "
            f"{', '.join(_FORMATS)}",
            hint="download it, convert it to text, and give that with --source PATH",
        )
    if "train" not in splits:
        found = ", ".join(splits) or "none"
        raise DataError(
            f"the dataset {name} has no split 'train', found {found}",
            hint="download it and give a file with --source PATH",
        )
    return {"format": _LISTING_FORMAT, "commit": commit, "kind": kind, "splits": splits}


def _listing_path(name: str) -> Path:
    from huggingface_hub import cached_assets_path

    return Path(cached_assets_path("slm", namespace="datasets", subfolder=name)) / "files.json"


def _load_listing(name: str) -> dict[str, Any] | None:
    """The listing saved by an earlier run; None if there is none, or if it is invalid."""
    try:
        listing = strict_json(read_bounded(_listing_path(name), _LARGEST_LISTING_BYTES))
    except (OSError, ValueError):
        return None
    if not isinstance(listing, dict) or listing.get("format") != _LISTING_FORMAT:
        return None
    splits = listing.get("splits")
    files = list(splits.values()) if isinstance(splits, dict) else [None]
    sound = (
        isinstance(listing.get("commit"), str)
        and listing.get("kind") in tuple(_FORMATS)
        and all(isinstance(part, list) and all(map(_is_inside, part)) for part in files)
        and isinstance(splits, dict)
        and "train" in splits
    )
    return listing if sound else None


def _is_inside(file: Any) -> bool:
    """Whether this is the name of a file inside a repository."""
    return isinstance(file, str) and not {"", ".", ".."} & set(re.split(r"[/\\]", file))


def _save_listing(name: str, listing: dict[str, Any]) -> None:
    try:
        atomic_write(_listing_path(name), json.dumps(listing, indent=1))
    except (OSError, SlmError):
        return  # without the cache, the hub is asked again
