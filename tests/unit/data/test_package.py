"""The package's names, and that asking for them is cheap."""

from __future__ import annotations

import subprocess
import sys

import pytest

import slm.data


def test_names_are_found_where_they_live() -> None:
    assert {name: getattr(slm.data, name).__name__ for name in slm.data.__all__} == {
        name: name for name in slm.data.__all__
    }
    assert set(dir(slm.data)) >= set(slm.data.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = slm.data.nothing


def test_no_heavy_library_is_imported() -> None:
    code = (
        "import sys, slm.data.prepare, slm.data.loader, slm.data.sources\n"
        "heavy = {'torch', 'datasets', 'pyarrow', 'pandas', 'huggingface_hub'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
