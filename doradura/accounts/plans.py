"""The plans under which people use the bot. Their names are label values and are stored in the database."""

from __future__ import annotations

from typing import Final, Literal, get_args

Plan = Literal["free"]
"""A plan under which a download is requested."""
PaidPlan = Literal["premium", "vip"]
"""A plan that can be bought. None is for sale yet, so the metrics of these are 0, and everybody uses "free"."""

FREE: Final[Plan] = "free"
"""The plan that everybody has."""
PLANS: Final[tuple[Plan, ...]] = get_args(Plan)
PAID_PLANS: Final[tuple[PaidPlan, ...]] = get_args(PaidPlan)
