from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

PACKAGES = ("slm", "slm.api", "slm.checkpoint", "slm.data", "slm.generation", "slm.model")


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_found(package: str) -> None:
    module = importlib.import_module(package)
    assert set(module._HOMES) == set(module.__all__)
    for name in module.__all__:
        assert getattr(module, name) is getattr(importlib.import_module(module._HOMES[name]), name)
        assert name in dir(module)


@pytest.mark.parametrize("package", PACKAGES)
def test_another_name_is_an_error(package: str) -> None:
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nothing'"):
        _ = importlib.import_module(package).nothing


@pytest.mark.parametrize("package", PACKAGES)
def test_importing_a_package_does_not_import_pytorch(package: str) -> None:
    program = f"import sys, {package}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_name_is_what_its_home_says_now(monkeypatch: pytest.MonkeyPatch) -> None:
    from slm import config, get_default_configs

    assert get_default_configs is config.get_default_configs
    monkeypatch.setattr(config, "get_default_configs", "another")
    assert importlib.import_module("slm").get_default_configs == "another"
