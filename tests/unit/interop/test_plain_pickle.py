from __future__ import annotations

import contextlib
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slm.interop.plain_pickle import dumps, loads

KEYS = st.one_of(st.text(max_size=5), st.integers(-(2**31), 2**31 - 1))
VALUES = st.recursive(KEYS, lambda inner: st.dictionaries(KEYS, inner, max_size=5), max_leaves=10)


@given(VALUES, st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_values_come_back(value: object, protocol: int) -> None:
    assert pickle.loads(dumps(value)) == value  # type: ignore[arg-type]
    if protocol >= 1:
        assert loads(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("value", [print, 1.5, [1], (1, 2), None, b"x", {1: print}, {(1, 2): 3}])
def test_anything_else_is_refused(value: object, protocol: int) -> None:
    with pytest.raises(ValueError, match=r"contains more|neither"):
        loads(pickle.dumps(value, protocol))


@given(st.binary(max_size=60))
def test_damage_is_a_value_error(content: bytes) -> None:
    with contextlib.suppress(ValueError):
        loads(b"\x80\x02" + content)
