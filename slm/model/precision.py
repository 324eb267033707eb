"""Which number format the products compute in: that of autocast where it is on."""

from __future__ import annotations

import torch
from torch import Tensor


def product_dtype(x: Tensor) -> torch.dtype:
    """The number format in which a product of `x` is computed here."""
    device_type = x.device.type
    if torch.amp.is_autocast_available(device_type) and torch.is_autocast_enabled(device_type):
        return torch.get_autocast_dtype(device_type)
    return x.dtype


def for_products(x: Tensor) -> Tensor:
    """`x` in the format of the products; one conversion where several products read it."""
    return x.to(product_dtype(x))
