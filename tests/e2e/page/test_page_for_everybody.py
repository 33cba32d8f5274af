"""The web chat for people who see little, hear it read, use no pointer, or write from right to left."""

from __future__ import annotations

import re
from typing import Literal

from playwright.sync_api import Page, expect

from tests.e2e.page import ADMIN, USER, FakeBot, bubble, keyboard, open_chat, type_and_send
from tests.e2e.page.contrast import low_contrasts
from tests.e2e.page.test_page_tools import INVOICE

FORMATTED = (
    "<b>bold</b> <a href='https://a.example'>link</a> <code>code</code> <pre>block</pre>"
    "<blockquote>quote</blockquote> #tag @somebody /help <tg-spoiler>hidden</tg-spoiler>"
)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
MOTIONS: tuple[Literal["reduce", "no-preference"], ...] = ("reduce", "no-preference")
HEBREW = "שלום עולם"
UNSEEN_FOCUS = """() => {
    const style = getComputedStyle(document.activeElement);
    const ring = parseFloat(style.outlineWidth) >= 2 && style.outlineStyle !== "none";
    const name = document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent;
    return ring || style.boxShadow.includes("0px 0px 0px") ? null : `${document.activeElement.tagName} ${name}`;
}"""
CONTROLS = {"button", "textbox", "searchbox", "combobox", "slider", "checkbox", "link", "menuitem", "option", "listbox"}


def furnish(page: Page, bot: FakeBot) -> None:
    """Open a chat that has a message of each kind."""
    sample = bot.sample()
    open_chat(page, bot)
    type_and_send(page, "https://a.example and my own words")
    said = bot.update()["message"]["message_id"]
    rows = [{"text": "Press", "callback_data": "x"}, {"text": "Open", "url": "https://a.example"}]
    bot.say(FORMATTED, parse_mode="HTML", reply_parameters={"message_id": said}, reply_markup=keyboard(rows))
    bot.call("sendAudio", chat_id=USER, title="Tune", performer="Band", files={"audio": ("a.m4a", sample)})
    bot.call("sendVideo", chat_id=USER, duration=10, caption="film", files={"video": ("a.mp4", sample)})
    bot.call("sendDocument", chat_id=USER, files={"document": ("a.zip", b"x", "application/zip")})
    bot.call("sendInvoice", chat_id=USER, **INVOICE)
    bot.call("sendPoll", chat_id=USER, question="Why?", options=[{"text": "So"}, {"text": "Not so"}])
    bot.call("sendContact", chat_id=USER, phone_number="+49 1", first_name="Ann")
    bot.call("pinChatMessage", chat_id=USER, message_id=said)
    bot.say("keys", reply_markup={"keyboard": [[{"text": "Yes"}, {"text": "No"}]]})
    bot.say("unread", to=ADMIN)
    expect(page.get_by_role("button", name="Admin, 1 new")).to_be_visible()


def open_by_key(page: Page, key: str) -> None:
    """Press a key that works anywhere."""
    page.locator("#log").focus()
    page.keyboard.press(key)


def test_every_word_stands_out(page: Page, bot: FakeBot, complaints: list[str]) -> None:
    """Each text in sight has 4.5 : 1 against what is behind it, large ones 3 : 1, whatever is open (WCAG 1.4.3)."""
    page.emulate_media(reduced_motion="reduce")
    page.set_viewport_size({"width": 1700, "height": 2600})
    bot.call("setMyCommands", commands=[{"command": "start", "description": "begin"}])
    furnish(page, bot)
    seen: dict[str, tuple[list[str], int]] = {}
    judge(page, seen, "chat")
    page.get_by_role("button", name="Chat menu").click()
    judge(page, seen, "menu")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Sample links and files").click()
    judge(page, seen, "samples")
    page.keyboard.press("Escape")
    page.get_by_label("Message", exact=True).press_sequentially("/st")
    expect(page.locator("#suggestions")).to_be_visible()
    judge(page, seen, "suggestions")
    page.get_by_label("Message", exact=True).fill("")
    page.route("**/messages?**", lambda route: route.fulfill(status=400, json={"error": "not now"}))
    type_and_send(page, "refused")
    expect(page.get_by_role("alert")).to_be_visible()
    complaints.clear()
    open_by_key(page, "/")
    open_by_key(page, "Alt+c")
    expect(page.locator(".calls li")).not_to_have_count(0)
    page.get_by_role("button", name="Clear all").click()
    expect(page.locator(".toast")).to_be_visible()
    page.locator(".calls summary").first.click()
    page.mouse.move(5, 5)
    judge(page, seen, "error, search, calls, toast")
    open_by_key(page, "Alt+n")
    open_by_key(page, "?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.wait_for_function("() => document.getAnimations().every(each => each.playState !== 'running')")
    judge(page, seen, "dialog, a second pane")
    assert {name: low for name, (low, _) in seen.items() if low} == {}
    counts = {name: count for name, (_, count) in seen.items()}
    assert counts["chat, dark"] >= 50
    assert all(count > counts["chat, dark"] for name, count in counts.items() if not name.startswith("chat")), counts


def judge(page: Page, seen: dict[str, tuple[list[str], int]], name: str) -> None:
    """Measure what is open now, in both schemes."""
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        seen[f"{name}, {scheme}"] = low_contrasts(page)


def test_the_measure_finds_what_is_too_faint(page: Page, bot: FakeBot) -> None:
    """A text just below the ratio is named, one just above is not: the test before can fail."""
    page.emulate_media(reduced_motion="reduce")
    open_chat(page, bot)
    bot.say("judged")
    for colour, faint in (("rgb(119, 119, 119)", True), ("rgb(117, 117, 117)", False)):
        bubble(page, "judged").evaluate(
            "(node, colour) => { const text = node.querySelector('.text'); text.style.color = colour;"
            "node.querySelector('.bubble').style.background = '#fff'; }",
            colour,
        )
        assert any("judged" in each for each in low_contrasts(page)[0]) == faint


def test_every_control_has_a_name_and_shows_its_focus(page: Page, bot: FakeBot) -> None:
    """What the browser tells a screen reader names each control; Tab rings each one that it reaches."""
    furnish(page, bot)
    open_by_key(page, "Alt+n")
    open_by_key(page, "Alt+c")
    expect(page.locator(".calls li")).not_to_have_count(0)
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    controls = [node for node in tree if node["role"]["value"] in CONTROLS and not node["ignored"]]
    assert len(controls) > 40
    assert [node["role"]["value"] for node in controls if not node["name"]["value"].strip()] == []
    page.locator("#people button").first.focus()
    ringless = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        ringless.add(page.evaluate(UNSEEN_FOCUS))
    assert ringless == {None}


def test_news_are_read_out_once_and_quietly(page: Page, bot: FakeBot) -> None:
    """One line for what comes together, with whose it is; many are counted; own words and edits are not read."""
    open_chat(page, bot)
    page.goto(f"{bot.server}/?token={bot.token}#{USER},{ADMIN}")
    expect(page.get_by_role("log")).to_have_count(2)
    said = page.locator("#announcer")
    type_and_send_first(page, "my own words")
    message_id = bot.say("first words")
    expect(said).to_have_text(f"Bot {bot.user_id}: first words")
    bot.call("editMessageText", chat_id=USER, message_id=message_id, text="other words")
    expect(bubble(page, "other words")).to_be_visible()
    bot.say("for the other", to=ADMIN)
    expect(said).to_have_text(f"Bot {bot.user_id} in Admin: for the other")
    for number in range(8):
        bot.say(f"line {number}")
    expect(said).to_have_text(re.compile(r"^[4-8] new messages$"))
    expect(page.get_by_role("log").first).to_have_attribute("aria-live", "off")


def type_and_send_first(page: Page, text: str) -> None:
    """Say something in the first pane."""
    field = page.get_by_label("Message", exact=True).first
    field.fill(text)
    field.press("Enter")
    expect(bubble(page, text)).to_be_visible()


def test_who_wants_no_motion_gets_none(page: Page, bot: FakeBot) -> None:
    """With prefers-reduced-motion nothing moves: no arrival, no smooth scrolling, no running animation."""
    page.emulate_media(reduced_motion="reduce")
    for number in range(40):
        bot.say(f"line {number}")
    open_chat(page, bot)
    log = page.get_by_role("log")
    log.evaluate("node => { node.scrollTop = 0; }")
    page.get_by_role("button", name="To the newest message").click()
    at_once = log.evaluate("node => node.scrollHeight - node.scrollTop - node.clientHeight")
    assert at_once < 2
    moving = "() => document.getAnimations().filter(each => each.effect.getComputedTiming().duration > 1).length"
    status = page.locator("#bot-status")
    for motion, expected in ((MOTIONS[0], 0), (MOTIONS[1], 1)):
        page.emulate_media(reduced_motion=motion)
        bot.say("so that it types anew")
        expect(status).not_to_have_text("typing")
        bot.call("sendChatAction", chat_id=USER, action="typing")
        expect(status).to_have_text("typing")
        page.wait_for_function(
            "() => [...document.querySelectorAll('.arriving')].every((node) => !node.getAnimations().length)"
        )
        assert page.evaluate(moving) == expected


def test_words_from_the_right_run_from_the_right(page: Page, bot: FakeBot) -> None:
    """Hebrew runs right to left in messages, names, buttons and the field; what stands around it stays."""
    bot.act("users", first_name=HEBREW)
    open_chat(page, bot)
    bot.say(HEBREW, reply_markup=keyboard([{"text": HEBREW, "callback_data": "x"}]))
    field = page.get_by_label("Message", exact=True)
    field.fill(HEBREW)
    expect(bubble(page, HEBREW)).to_be_visible()
    directions = page.evaluate(
        """(words) => [...document.querySelectorAll(".text, .key-text, .person-name, textarea")]
        .filter((node) => (node.value ?? node.textContent) === words)
        .map((node) => [node.className || node.tagName, getComputedStyle(node).direction])""",
        HEBREW,
    )
    assert ["text", "rtl"] in directions
    assert {direction for _, direction in directions} == {"rtl"}
    assert {name for name, _ in directions} == {"text", "key-text", "person-name", "TEXTAREA"}
    assert page.evaluate("getComputedStyle(document.querySelector('.bubble')).direction") == "ltr"
