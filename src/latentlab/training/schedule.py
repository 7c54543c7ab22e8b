"""How the learning rate moves with the share of the budget that is spent."""

import math


def warmup_cosine(fraction: float, warmup: float = 0.05) -> float:
    """Factor on the peak learning rate when `fraction` in [0, 1] of the budget is spent; raises ValueError outside it.

    Linear warm-up over the first `warmup` of the budget, then half a cosine to zero (Loshchilov and Hutter 2017, eq. 5).
    The budget may be epochs or minutes: the schedule only sees the share.
    """
    if not 0.0 <= fraction <= 1.0:
        raise ValueError(f"The spent share of the budget must lie in [0, 1], got {fraction}.")
    if fraction < warmup:
        return fraction / warmup
    # η(t) = ½ (1 + cos π t)
    return 0.5 * (1.0 + math.cos(math.pi * (fraction - warmup) / (1.0 - warmup)))
