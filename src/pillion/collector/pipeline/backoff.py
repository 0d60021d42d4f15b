"""How long a delivery that failed waits, and whether it may try again. Pure: the random number is passed in.

The wait grows by doubling and is spread over its whole range ("full jitter"), so that collectors which failed together
do not come back together. Source of the range: Fluent Bit's documentation, "Scheduling and retries"; `scheduler.base`
and `scheduler.cap`.
"""

from __future__ import annotations

import msgspec


class Backoff(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds."""

    base: float
    cap: float

    def wait(self, attempt: int, *, after: float | None, random: float) -> float:
        """Seconds before the next attempt, when `attempt` (from 1) failed; `random` is in [0, 1).

        What the other side asked for (`after`) is waited in full, beyond the cap too, and spread as the rest is.
        """
        low = min(self.base, self.cap)
        # 2**60 seconds is beyond any cap; the exponent is bounded so that the number stays one.
        high = min(self.cap, self.base * 2.0 ** min(attempt, 60))
        wait = low + (high - low) * random
        return wait if after is None else after + (wait - low)


def retries_allowed(retry_limit: str) -> int | None:
    """`retry_limit` as a number of retries; None is without end. Raises ValueError for anything else.

    Source of the words: Fluent Bit's src/flb_output.c, `flb_output_set_property`. A number below one is taken for one
    there, with a warning.
    """
    match retry_limit.strip().lower():
        case "no_limits" | "false" | "off":
            return None
        case "no_retries":
            return 0
        case text:
            return max(1, int(text))
