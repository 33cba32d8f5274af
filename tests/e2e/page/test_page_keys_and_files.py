"""Keys that work anywhere, and files let fall on the chat or pasted, in a real browser."""

from __future__ import annotations

import base64

from playwright.sync_api import Page, expect

from tests.e2e.page import ADMIN, USER, FakeBot, open_chat

DROP = """([type, target]) => {
    const files = new DataTransfer();
    files.items.add(new File(["one"], "one.txt", {type: "text/plain"}));
    files.items.add(new File(["two"], "two.txt", {type: "text/plain"}));
    const made = type === "drop"
        ? new DragEvent(type, {dataTransfer: files, bubbles: true, cancelable: true})
        : new ClipboardEvent(type, {clipboardData: files, bubbles: true, cancelable: true});
    document.querySelector(target).dispatchEvent(made);
    return made.defaultPrevented;
}"""


def test_dropped_files_are_sent_in_order(page: Page, bot: FakeBot) -> None:
    """Each becomes a message; what was typed is the first one's caption; the browser does not leave the page."""
    open_chat(page, bot)
    page.get_by_label("Message", exact=True).fill("both")
    assert page.evaluate(DROP, ["drop", "#log"])
    expect(page.get_by_role("link", name="Download two.txt")).to_be_visible()
    first, second = bot.update()["message"], bot.update()["message"]
    assert (first["document"]["file_name"], first["caption"]) == ("one.txt", "both")
    assert (second["document"]["file_name"], second.get("caption")) == ("two.txt", None)
    path = bot.call("getFile", file_id=second["document"]["file_id"])["file_path"]
    got = page.request.get(f"{bot.server}/file/bot{bot.token}/{path}")
    assert base64.b64encode(got.body()) == b"dHdv"


def test_pasted_files_are_sent(page: Page, bot: FakeBot) -> None:
    """A paste of files into the field sends them; nothing lands in the text."""
    open_chat(page, bot)
    assert page.evaluate(DROP, ["paste", "#text"])
    expect(page.get_by_role("link", name="Download two.txt")).to_be_visible()
    assert bot.update()["message"]["document"]["file_name"] == "one.txt"
    expect(page.get_by_label("Message", exact=True)).to_have_value("")


def test_keys_find_switch_and_explain(page: Page, bot: FakeBot) -> None:
    """? lists the keys, / finds, Alt+arrows change the chat, Alt+C opens the calls; what is typed stays typed."""
    open_chat(page, bot)
    field = page.get_by_label("Message", exact=True)
    field.focus()
    page.keyboard.type("/?")
    expect(field).to_have_value("/?")
    expect(page.locator("#search")).to_be_hidden()
    page.locator("#log").focus()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_contain_text("Alt+C: the panel of Bot API calls")
    page.keyboard.press("Escape")
    page.locator("#log").focus()
    page.keyboard.press("/")
    expect(page.get_by_label("Find in this chat")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("Alt+ArrowUp")
    assert page.evaluate("location.hash") == f"#{ADMIN}"
    page.keyboard.press("Alt+ArrowDown")
    assert page.evaluate("location.hash") == f"#{USER}"
    page.keyboard.press("Alt+c")
    expect(page.get_by_role("complementary", name="Bot API calls")).to_be_visible()


def test_what_is_pressed_on_a_phone_is_large_enough(page: Page, bot: FakeBot) -> None:
    """At phone width every button in sight is at least 44 px high and wide, and nothing is wider than the screen."""
    bot.say("Choose", reply_markup={"inline_keyboard": [[{"text": "One", "callback_data": "1"}]]})
    page.set_viewport_size({"width": 390, "height": 780})
    open_chat(page, bot)
    expect(page.get_by_role("button", name="One")).to_be_visible()
    page.get_by_role("button", name="Chat menu").click()
    small = page.evaluate("""() => [...document.querySelectorAll("button, select")]
        .filter((node) => node.offsetWidth && (node.offsetHeight < 44 || node.offsetWidth < 44))
        .map((node) => node.getAttribute("aria-label") ?? node.textContent)""")
    assert small == []
    assert page.evaluate("document.documentElement.scrollWidth") == 390
