"""Seeds: mixing numbers into one, and seeding PyTorch with it."""

from __future__ import annotations


def mix_seed(*numbers: int) -> int:
    """One well-mixed 63-bit seed from several numbers, the same on every platform.

    The finaliser of SplitMix64: Steele, Lea & Flood 2014, https://doi.org/10.1145/2660193.2660195.
    """
    mask = (1 << 64) - 1
    state = 0
    for number in numbers:
        state = (state + (number & mask) + 0x9E3779B97F4A7C15) & mask
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & mask
        state ^= state >> 31
    return state >> 1


def seed_everything(*numbers: int) -> None:
    """Seed PyTorch on every device from one or more numbers.

    Training calls it with (seed, step, rank) before each step, so that dropout is a function of the
    step, and a resumed run does not need a saved generator.
    """
    import torch

    torch.manual_seed(mix_seed(*numbers))
