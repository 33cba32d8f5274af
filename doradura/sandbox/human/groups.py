"""The human side of groups: making one, upgrading it to a supergroup, and its members' changes.

Owns no state; raises HumanError for what cannot be done.
"""

from __future__ import annotations

from doradura.sandbox.human.error import HumanError
from doradura.sandbox.human.orders import ChatOrder, MemberOrder
from doradura.sandbox.state.bot import Bot
from doradura.sandbox.state.members import change
from doradura.sandbox.state.records import Group, Object
from doradura.sandbox.state.world import World


def person(world: World, user_id: int) -> Object:
    """Return a person; an unknown one is created. Raises HumanError."""
    if user_id <= 0:
        raise HumanError(400, "a user's id is positive")
    return world.person(user_id)


def found_group(bot: Bot, chat_id: int) -> Group:
    """Return a group that the bot was added to. Raises HumanError."""
    group = bot.groups.get(chat_id)
    if group is None:
        raise HumanError(404, "there is no such group")
    return group


def add_group(bot: Bot, order: ChatOrder) -> Object:
    """Make a group with the bot in it; its first member is its creator. Raises HumanError."""
    if not order.title or not order.member_ids:
        raise HumanError(400, "a group has a title and at least one member")
    members = [person(bot.world, user_id)["id"] for user_id in order.member_ids]
    return bot.add_group(order.title, order.type, members)


def check_upgrade(group: Group) -> None:
    """Raise HumanError unless the group can become a supergroup."""
    if group.chat["type"] != "group" or group.refusal() is not None:
        raise HumanError(409, "only a group the bot is in becomes a supergroup, and only once")


def change_member(bot: Bot, chat_id: int, order: MemberOrder) -> None:
    """Make somebody a member, an administrator, gone or banned; the bot by its own id. Raises HumanError."""
    group = found_group(bot, chat_id)
    if group.migrated_to or order.user_id == group.members[0]:
        raise HumanError(409, "the creator stays what they are, and so does a group that moved")
    if order.user_id != bot.user_id:
        person(bot.world, order.user_id)
    actor = person(bot.world, order.from_id or (order.user_id if order.status == "left" else group.members[0]))
    change(bot, chat_id, actor, order.user_id, order.status)
