"""Several people's chats side by side in one window, in a real browser."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.e2e.page import ADMIN, USER, FakeBot, keyboard, open_chat


def pane(page: Page, name: str) -> Locator:
    """A pane by whose it is."""
    return page.get_by_role("region", name=name)


def say(chat: Locator, text: str) -> None:
    """Type into one pane's own field."""
    chat.get_by_label("Message", exact=True).fill(text)
    chat.get_by_label("Message", exact=True).press("Enter")


def friends(bot: FakeBot) -> int:
    """Make a group of both people; its id."""
    return int(bot.act("chats", title="Friends", type="group", member_ids=[ADMIN, USER])["id"])


def message(bot: FakeBot) -> dict[str, Any]:
    """The next message a person sent."""
    update = bot.update()
    while "message" not in update:
        update = bot.update()
    result: dict[str, Any] = update["message"]
    return result


def test_two_people_write_and_press_side_by_side(page: Page, bot: FakeBot) -> None:
    """Each pane speaks as its own person, shows its own chat alone, and keeps its own draft and buttons."""
    open_chat(page, bot, ADMIN)
    page.get_by_role("button", name="Another chat beside this one").click()
    user, admin = pane(page, "User with"), pane(page, "Admin with")
    expect(user.get_by_label("Message", exact=True)).to_be_focused()
    say(user, "I am the user")
    admin.get_by_label("Message", exact=True).fill("not sent yet")
    said = message(bot)
    assert (said["from"]["id"], said["text"]) == (USER, "I am the user")
    bot.say("For the admin", to=ADMIN, reply_markup=keyboard([{"text": "Go", "callback_data": "go"}]))
    expect(admin.get_by_role("article")).to_contain_text(["For the admin"])
    expect(user.get_by_role("article")).to_contain_text(["I am the user"])
    expect(admin.get_by_label("Message", exact=True)).to_have_value("not sent yet")
    admin.get_by_role("button", name="Go", exact=True).click()
    query = bot.update()["callback_query"]
    assert (query["from"]["id"], query["data"]) == (ADMIN, "go")
    bot.call("answerCallbackQuery", callback_query_id=query["id"])


def test_the_list_opens_into_the_pane_with_the_focus(page: Page, bot: FakeBot) -> None:
    """A chat that is open elsewhere only gets the focus; Ctrl opens beside; F6 goes round; a closed pane is gone."""
    group = friends(bot)
    open_chat(page, bot, USER)
    people = page.get_by_role("navigation", name="Chats")
    people.get_by_role("button", name="Admin").click(modifiers=["Control"])
    expect(page.get_by_role("log")).to_have_count(2)
    people.get_by_role("button", name="User, open beside").click()
    expect(page.get_by_role("log")).to_have_count(2)
    expect(pane(page, "User with").get_by_label("Message", exact=True)).to_be_focused()
    people.get_by_role("button", name="Friends").click()
    expect(pane(page, "User in Friends")).to_be_visible()
    assert page.evaluate("location.hash") == f"#{group}:{USER},{ADMIN}"
    page.keyboard.press("F6")
    expect(pane(page, "Admin with").get_by_label("Message", exact=True)).to_be_focused()
    pane(page, "User in Friends").get_by_role("button", name="Close this chat").click()
    expect(page.get_by_role("log")).to_have_count(1)
    expect(page.get_by_role("button", name="Close this chat")).to_be_hidden()
    assert page.evaluate("location.hash") == f"#{ADMIN}"


def test_a_reload_finds_the_panes_again(page: Page, bot: FakeBot) -> None:
    """Chats, who speaks in them and which has the focus; without the address the browser still knows."""
    group = friends(bot)
    open_chat(page, bot, USER)
    page.goto(f"{bot.server}/?token={bot.token}#{USER},{group}:{ADMIN}")
    pane(page, "Admin in Friends").get_by_label("Message", exact=True).click()
    for way in ("reload", "address"):
        if way == "reload":
            page.reload()
        else:
            page.goto("about:blank")
            page.goto(f"{bot.server}/?token={bot.token}")
        expect(pane(page, "User with")).to_be_visible()
        expect(page.locator(".chat.focused")).to_have_accessible_name("Admin in Friends")
    say(pane(page, "Admin in Friends"), "hello")
    assert message(bot)["from"]["id"] == ADMIN


def test_on_a_phone_one_pane_is_shown(page: Page, bot: FakeBot) -> None:
    """Below the width of two, the one with the focus alone is there, and the list changes what it shows."""
    open_chat(page, bot, USER)
    page.goto(f"{bot.server}/?token={bot.token}#{USER},{ADMIN}")
    expect(page.get_by_role("log")).to_have_count(2)
    page.set_viewport_size({"width": 390, "height": 780})
    expect(page.get_by_role("log")).to_have_count(1)
    expect(pane(page, "User with")).to_be_visible()
    page.get_by_role("navigation", name="Chats").get_by_role("button", name="Admin").click()
    expect(page.get_by_role("log")).to_have_count(1)
    expect(pane(page, "Admin with")).to_be_visible()
    field = pane(page, "Admin with").get_by_label("Message", exact=True).bounding_box()
    assert field is not None
    assert 38 <= field["height"] <= 48, "one line"
    bot.say("unseen", to=USER)
    expect(page.get_by_role("button", name="User, open beside, 1 new")).to_be_visible()


def test_news_in_a_pane_without_the_focus_are_read(page: Page, bot: FakeBot) -> None:
    """What is in sight is not unread, whichever pane has the focus; the list marks the others only."""
    open_chat(page, bot, USER)
    page.goto(f"{bot.server}/?token={bot.token}#{USER},{ADMIN}")
    expect(page.get_by_role("log")).to_have_count(2)
    bot.say("seen", to=ADMIN)
    expect(page.get_by_role("navigation", name="Chats").get_by_role("button", name="Admin")).to_contain_text("seen")
    expect(page.get_by_role("button", name="Admin, open beside", exact=True)).to_be_visible()
