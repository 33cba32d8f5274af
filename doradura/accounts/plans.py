"""What people use the bot under. The words are label values and stand in the database."""

from __future__ import annotations

from typing import Final, Literal, get_args

Plan = Literal["free"]
"""What a download is asked for under."""
PaidPlan = Literal["premium", "vip"]
"""What can be bought. Nothing sells them yet, so all their values are 0; what people use meanwhile is "free"."""

FREE: Final[Plan] = "free"
"""What everybody has."""
PLANS: Final[tuple[Plan, ...]] = get_args(Plan)
PAID_PLANS: Final[tuple[PaidPlan, ...]] = get_args(PaidPlan)
