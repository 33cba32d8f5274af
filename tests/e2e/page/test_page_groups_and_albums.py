"""Albums, and who speaks and who belongs in a group, in a real browser."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.e2e.page import ADMIN, USER, FakeBot, bubble, open_chat, type_and_send
from tests.e2e.page.test_page_side_by_side import friends, message

BOXES = "nodes => nodes.map(node => { const box = node.getBoundingClientRect(); return [box.x, box.y, box.width]; })"


def album(bot: FakeBot, kind: str, contents: list[bytes], caption: str) -> list[int]:
    """Send one; its message_ids."""
    files = {f"f{number}": (f"{number}.bin", content, "image/jpeg") for number, content in enumerate(contents)}
    media: list[dict[str, Any]] = [{"type": kind, "media": f"attach://{name}"} for name in files]
    media[0]["caption"] = caption
    sent = bot.call("sendMediaGroup", chat_id=USER, media=media, files=files)
    return [each["message_id"] for each in sent]


def albums(page: Page) -> Locator:
    """The albums on the page."""
    return page.get_by_role("group", name="Album of")


def test_an_album_is_one_block(page: Page, bot: FakeBot) -> None:
    """Pictures that come while the chat is open stand in one mosaic with their caption, and so after a reload."""
    open_chat(page, bot)
    bot.say("before")
    picture = page.screenshot(type="jpeg")
    first, *_ = album(bot, "photo", [picture] * 3, "Three of them")
    bot.say("after")
    expect(bubble(page, "after")).to_be_visible()
    for _ in range(2):
        expect(albums(page)).to_have_count(1)
        expect(albums(page)).to_have_accessible_name("Album of 3")
        expect(albums(page)).to_contain_text("Three of them")
        expect(albums(page).get_by_role("link", name="Open the photo")).to_have_count(3)
        (x, y, wide), left, right = albums(page).locator(".photo").evaluate_all(BOXES)
        assert left[1] == right[1] > y, "the second and third stand side by side below the first"
        assert left[0] == x < right[0]
        assert left[2] == right[2] < wide / 2
        order = page.get_by_role("article").evaluate_all("nodes => nodes.map(node => Number(node.dataset.id))")
        assert order == [first - 1, first, first + 1, first + 2, first + 3]
        page.reload()
    bot.call("editMessageCaption", chat_id=USER, message_id=first, caption="Four, said wrongly")
    expect(albums(page)).to_contain_text("Four, said wrongly")


def test_an_album_shrinks_and_goes(page: Page, bot: FakeBot) -> None:
    """What is deleted leaves the block; with the last of it the block goes, and the next is another."""
    open_chat(page, bot)
    one, two = album(bot, "document", [b"1", b"2"], "Files")
    expect(albums(page)).to_have_accessible_name("Album of 2")
    bot.call("deleteMessage", chat_id=USER, message_id=one)
    expect(albums(page)).to_have_accessible_name("Album of 1")
    expect(albums(page)).not_to_contain_text("Files")
    bot.call("deleteMessage", chat_id=USER, message_id=two)
    expect(albums(page)).to_have_count(0)
    album(bot, "document", [b"3", b"4"], "More")
    album(bot, "document", [b"5", b"6"], "Still more")
    expect(albums(page)).to_have_count(2)
    expect(albums(page).last).to_contain_text("Still more")


def test_who_speaks_in_a_group_is_chosen(page: Page, bot: FakeBot) -> None:
    """The bot gets each message as that of whom the page names; the other's words stand as another's."""
    group = friends(bot)
    page.goto(f"{bot.server}/?token={bot.token}#{group}:{ADMIN}")
    type_and_send(page, "as the admin")
    assert message(bot)["from"]["id"] == ADMIN
    page.get_by_label("You speak as").select_option("User")
    expect(page.get_by_text("you are User")).to_be_visible()
    type_and_send(page, "as the user")
    assert message(bot)["from"]["id"] == USER
    expect(page.get_by_role("article", name=re.compile("^Admin,"))).to_contain_text("as the admin")
    expect(page.get_by_role("article", name=re.compile("^You,"))).to_contain_text("as the user")


def test_a_group_becomes_a_supergroup_under_the_readers_eyes(page: Page, bot: FakeBot) -> None:
    """Made so from the menu: the same person goes on writing, in the chat with the new id."""
    group = friends(bot)
    page.goto(f"{bot.server}/?token={bot.token}#{group}:{USER}")
    type_and_send(page, "before")
    assert message(bot)["chat"]["type"] == "group"
    page.get_by_role("button", name="Chat menu").click()
    page.get_by_role("menuitem", name="Make it a supergroup").click()
    expect(bubble(page, "This supergroup was a group before")).to_be_visible()
    type_and_send(page, "after")
    said = message(bot)
    while "text" not in said:
        said = message(bot)
    assert (said["text"], said["from"]["id"], said["chat"]["type"]) == ("after", USER, "supergroup")
    assert page.evaluate("location.hash") == f"#{said['chat']['id']}:{USER}"


def test_members_come_and_go(page: Page, bot: FakeBot) -> None:
    """People are removed and added, the bot is made an administrator, removed and brought back, all by buttons."""
    group = friends(bot)
    page.goto(f"{bot.server}/?token={bot.token}#{group}:{ADMIN}")
    page.get_by_role("button", name="2 people here").click()
    members = page.get_by_role("dialog", name="Members of Friends")
    rows = members.get_by_role("listitem")
    expect(rows).to_contain_text(["made the group", "member", "the bot, member"])
    members.get_by_role("button", name="Remove User").click()
    expect(rows.filter(has_text="User")).to_contain_text("not here")
    members.get_by_role("button", name="Add User").click()
    expect(rows.filter(has_text="User")).to_contain_text("member")
    members.get_by_role("button", name="Make admin Bot").click()
    expect(rows.filter(has_text="the bot")).to_contain_text("administrator")
    assert bot.call("getChatMember", chat_id=group, user_id=bot.user_id)["status"] == "administrator"
    members.get_by_role("button", name="Remove Bot").click()
    expect(rows.filter(has_text="the bot")).to_contain_text("not here")
    members.get_by_role("button", name="Done").click()
    back = page.get_by_role("button", name="The bot is not in this group. Press to bring it back.")
    back.click()
    expect(page.get_by_label("Message", exact=True)).to_be_visible()
    assert bot.call("getChatMember", chat_id=group, user_id=bot.user_id)["status"] == "member"
    expect(bubble(page, "User left")).to_have_count(1)
    expect(bubble(page, "User joined")).to_have_count(1)
