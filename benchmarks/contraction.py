"""The cost of contraction: python benchmarks/contraction.py.

Seconds of one training step on 256 windows of 16 rows and 38 columns, one thread, minimum of 60,
plain and contractive alternating, for a shallow encoder (closed form), a deep one (Hutchinson's
estimator) and a convolutional one.
"""

from __future__ import annotations

import time

import torch

from aedetect.models.settings import ModelSettings
from aedetect.models.variants import VARIANTS
from aedetect.training.fit import build_network

CASES = {
    "shallow": ModelSettings(variant="contractive", hidden=(), activation="tanh"),
    "deep": ModelSettings(variant="contractive"),
    "convolutional": ModelSettings(variant="contractive", backbone="convolutional"),
}


def main() -> None:
    """Print a line for each encoder."""
    torch.set_num_threads(1)
    values, noise = torch.randn(256, 16, 38), torch.Generator().manual_seed(0)
    for name, settings in CASES.items():
        model = build_network(settings, length=16, inputs=38, outputs=38, seed=0)
        seconds: dict[str, list[float]] = {"undercomplete": [], "contractive": []}
        for _ in range(60):
            for variant, taken in seconds.items():
                start = time.process_time()
                rebuilt, penalty = VARIANTS[variant].step(model, values, noise)  # type: ignore[index]
                torch.autograd.backward((rebuilt - values).square().mean() + penalty)
                taken.append(time.process_time() - start)
        plain, contractive = (min(taken) * 1_000 for taken in seconds.values())
        ratio = contractive / plain
        print(f"{name:14} {plain:5.2f} ms plain {contractive:6.2f} ms contractive  x {ratio:.2f}")


if __name__ == "__main__":
    main()
