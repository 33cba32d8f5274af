"""The sandbox's web chat in a real browser: the Sandbox in a process of its own, a bot played by plain HTTP calls."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, CDPSession, Page, Route, ViewportSize, expect

from tests.e2e.page import (
    ADMIN,
    HOSTILE,
    PLAYS,
    USER,
    FakeBot,
    bubble,
    http,
    keyboard,
    open_chat,
    sandbox,
    type_and_send,
)
from tests.ports import free_port


def test_page_waits_for_the_bot_and_then_opens_by_itself(page: Page, media_directory: Path, tmp_path: Path) -> None:
    """Before any bot called, the page says so; at the first call the chat opens without a reload."""
    with sandbox(media_directory, tmp_path) as server:
        page.goto(server)
        expect(page.get_by_role("heading", name="Waiting for the bot to connect")).to_be_visible()
        field = page.get_by_label("Message", exact=True).bounding_box()
        assert field is not None
        assert 38 <= field["height"] <= 48, "one line"
        FakeBot(server).call("getMe")
        expect(page.get_by_role("heading", name=re.compile("Say hello to"))).to_be_visible()
        expect(page.get_by_label("Message", exact=True)).to_be_enabled()
        page.goto("about:blank")


def test_typed_message_reaches_the_bot_and_its_answer_appears(page: Page, bot: FakeBot) -> None:
    """Enter sends, Shift+Enter makes a line; the bot gets the text and its formatted answer appears."""
    open_chat(page, bot)
    field = page.get_by_label("Message", exact=True)
    field.fill("first")
    field.press("Shift+Enter")
    field.press_sequentially("second")
    field.press("Enter")
    update = bot.update()
    assert update["message"]["text"] == "first\nsecond"
    assert update["message"]["from"]["id"] == USER
    expect(field).to_have_value("")
    bot.say(
        "Read <b>this</b> and /help",
        parse_mode="HTML",
        reply_parameters={"message_id": update["message"]["message_id"]},
    )
    answer = bubble(page, "Read this")
    expect(answer.locator("strong", has_text="this")).to_be_visible()
    expect(answer.get_by_role("button", name=re.compile("^You"))).to_contain_text("first second")
    answer.get_by_role("button", name="/help").click()
    assert bot.update()["message"]["text"] == "/help"


def test_sample_chip_sends_a_whole_link(page: Page, bot: FakeBot) -> None:
    """An empty chat offers samples; pressing one sends this server's whole link, and the hint goes."""
    open_chat(page, bot)
    page.get_by_role("button", name="Download as MP3").first.click()
    assert bot.update()["message"]["text"] == f"/download {bot.server}/media/sample.mp4 mp3 320k"
    expect(page.get_by_role("region", name="Getting started")).to_be_hidden()


def test_sample_of_the_menu_is_sent_too(page: Page, bot: FakeBot) -> None:
    """Beside the text field a sample acts as on the card: it is sent at once, and what was being typed stays."""
    open_chat(page, bot)
    page.get_by_label("Message", exact=True).fill("half a word")
    page.get_by_role("button", name="Sample links and files").click()
    page.get_by_role("button", name="A web page").last.click()
    assert bot.update()["message"]["text"] == f"{bot.server}/media/page.html"
    expect(page.get_by_label("Message", exact=True)).to_have_value("half a word")


def test_newcomers_begin_as_the_user(page: Page, bot: FakeBot) -> None:
    """Whoever opens the page for the first time is the person who is no admin."""
    page.goto(f"{bot.server}/?token={bot.token}")
    expect(page.get_by_role("button", name="User, open")).to_be_visible()
    expect(page.get_by_role("button", name="Admin", exact=True)).to_be_visible()


@pytest.mark.parametrize("size", [{"width": 360, "height": 640}, {"width": 1280, "height": 800}], ids=["phone", "wide"])
def test_answers_stay_in_sight(page: Page, bot: FakeBot, size: ViewportSize) -> None:
    """After each of five messages the bot's answer, which comes while the page scrolls and then grows, is in sight."""
    page.set_viewport_size(size)
    open_chat(page, bot)
    for number in range(5):
        type_and_send(page, f"message {number}")
        bot.update()
        answer = bot.say(f"answer {number}")
        tall = f"answer {number}\n" + "line\n" * 14 + f"end {number}"
        bot.call("editMessageText", chat_id=USER, message_id=answer, text=tall)
        bot.say(f"after {number}", reply_markup=keyboard([{"text": "Press", "callback_data": "x"}]))
        expect(bubble(page, f"after {number}")).to_be_visible()
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        expect(bubble(page, f"after {number}")).to_be_in_viewport(ratio=0.9)


def test_button_press_shows_the_bots_answer(page: Page, bot: FakeBot) -> None:
    """A pressed button turns until the bot answers; a text is a toast, an alert a dialog."""
    open_chat(page, bot)
    bot.say(
        "Choose",
        reply_markup=keyboard([{"text": "MP3", "callback_data": "mp3"}, {"text": "Stop", "callback_data": "stop"}]),
    )
    button = page.get_by_role("button", name="MP3", exact=True)
    button.click()
    query = bot.update()["callback_query"]
    assert query["data"] == "mp3"
    expect(button).to_have_attribute("aria-busy", "true")
    bot.call("answerCallbackQuery", callback_query_id=query["id"], text="Queued as MP3")
    expect(page.locator(".toast")).to_have_text("Queued as MP3")
    expect(button).not_to_have_attribute("aria-busy", "true")
    page.get_by_role("button", name="Stop", exact=True).click()
    query = bot.update()["callback_query"]
    bot.call("answerCallbackQuery", callback_query_id=query["id"], text="Really stopped", show_alert=True)
    expect(page.get_by_role("dialog")).to_contain_text("Really stopped")
    page.get_by_role("button", name="OK").click()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_edits_and_deletions_appear_at_once(page: Page, bot: FakeBot) -> None:
    """An edit changes the message in place, its keyboard too; a deleted message goes."""
    open_chat(page, bot)
    kept = bot.say("Loading 10%", reply_markup=keyboard([{"text": "Cancel", "callback_data": "c"}]))
    gone = bot.say("Short-lived")
    expect(bubble(page, "Loading 10%")).to_be_visible()
    expect(bubble(page, "Short-lived")).to_be_visible()
    bot.call("editMessageText", chat_id=USER, message_id=kept, text="Loading 90%")
    bot.call("deleteMessage", chat_id=USER, message_id=gone)
    expect(bubble(page, "Loading 90%")).to_contain_text("edited")
    expect(bubble(page, "Short-lived")).to_have_count(0)
    expect(bubble(page, "Loading")).to_have_count(1)
    expect(page.get_by_role("button", name="Cancel", exact=True)).to_have_count(0)


def test_changes_made_while_disconnected_are_caught_up(
    page: Page, media_directory: Path, tmp_path: Path, complaints: list[str]
) -> None:
    """After a restart of the sandbox the page shows what was sent, edited and deleted before it was connected again."""
    port = str(free_port())
    with sandbox(media_directory, tmp_path, port=port) as server:
        bot = FakeBot(server)
        open_chat(page, bot)
        edited, gone = bot.say("Old words"), bot.say("Goes away")
        expect(bubble(page, "Goes away")).to_be_visible()
    expect(page.get_by_text("Trying again")).to_be_visible()
    page.route("**/sandbox/**", lambda route: route.abort())
    with sandbox(media_directory, tmp_path, port=port):
        bot.call("editMessageText", chat_id=USER, message_id=edited, text="New words")
        bot.call("deleteMessage", chat_id=USER, message_id=gone)
        bot.say("Said meanwhile")
        page.unroute("**/sandbox/**")
        expect(bubble(page, "Said meanwhile")).to_be_visible()
        expect(bubble(page, "New words")).to_be_visible()
        expect(bubble(page, re.compile("Old words|Goes away"))).to_have_count(0)
        expect(page.get_by_text("Trying again")).to_be_hidden()
        page.goto("about:blank")
    assert all("Failed to load resource" in complaint for complaint in complaints)
    complaints.clear()


def test_video_and_audio_play_with_length_and_names(page: Page, bot: FakeBot) -> None:
    """A sent video and audio show what is known of them, and really play."""
    sample = bot.sample()
    open_chat(page, bot)
    bot.call(
        "sendVideo",
        chat_id=USER,
        duration=10,
        width=640,
        height=360,
        files={"video": ("sample.mp4", sample, "video/mp4")},
    )
    play = page.get_by_role("button", name="Play the video, 0:10")
    box = play.bounding_box()
    assert box is not None
    assert abs(box["width"] / box["height"] - 640 / 360) < 0.02
    play.click()
    page.wait_for_function(PLAYS, arg="video")
    bot.call(
        "sendAudio",
        chat_id=USER,
        title="Doradura sample",
        performer="Sandbox",
        duration=10,
        files={"audio": ("sample.m4a", sample, "audio/mp4")},
    )
    audio = bubble(page, "Doradura sample")
    expect(audio).to_contain_text("Sandbox")
    expect(audio).to_contain_text("0:10")
    audio.get_by_role("button", name="Play Doradura sample").click()
    expect(audio.get_by_role("button", name="Pause Doradura sample")).to_be_visible()
    page.wait_for_function(PLAYS, arg="audio")
    assert page.evaluate("document.querySelector('video').paused"), "one thing plays at a time"


def test_an_edited_caption_does_not_stop_the_player(page: Page, bot: FakeBot) -> None:
    """What plays goes on playing when its caption is edited."""
    sample = bot.sample()
    open_chat(page, bot)
    sent = bot.call(
        "sendAudio", chat_id=USER, title="Tune", caption="one", files={"audio": ("sample.m4a", sample, "audio/mp4")}
    )
    page.get_by_role("button", name="Play Tune").click()
    page.wait_for_function("() => document.querySelector('audio').currentTime > 0")
    bot.call("editMessageCaption", chat_id=USER, message_id=sent["message_id"], caption="two")
    expect(bubble(page, "two")).to_be_visible()
    assert not page.evaluate("document.querySelector('audio').paused")


def test_each_user_has_a_chat_and_the_switch_is_remembered(page: Page, bot: FakeBot) -> None:
    """The switch shows the other's chat and who has news; a reload opens the same one; a new user can be added."""
    open_chat(page, bot, USER)
    bot.say("For the user")
    bot.say("For the admin", to=ADMIN)
    people = page.get_by_role("navigation", name="Chats")
    people.get_by_role("button", name="Admin, 1 new").click()
    expect(bubble(page, "For the admin")).to_be_visible()
    expect(bubble(page, "For the user")).to_have_count(0)
    type_and_send(page, "I am the admin")
    assert bot.update()["message"]["from"]["id"] == ADMIN
    page.reload()
    expect(bubble(page, "For the admin")).to_be_visible()
    people.get_by_role("button", name="Add a user").click()
    page.get_by_label("First name").fill("Dana")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(people.get_by_role("button", name="Dana, open")).to_be_visible()
    type_and_send(page, "hello")
    assert bot.update()["message"]["from"]["first_name"] == "Dana"


def test_a_press_in_a_busy_moment_counts(page: Page, bot: FakeBot) -> None:
    """A chat is opened although the list changes while the button is held down."""
    open_chat(page, bot)
    row = page.locator(".person[data-chat='1000']")
    row.hover()
    page.mouse.down()
    bot.say("just now", to=ADMIN)
    expect(row).to_contain_text("just now")
    page.mouse.up()
    expect(row).to_have_attribute("aria-current", "true")


def test_a_group_appears_and_one_speaks_in_it(page: Page, bot: FakeBot) -> None:
    """A group made meanwhile joins the list with its first message; in it one speaks as the user chosen last."""
    open_chat(page, bot, USER)
    group = bot.act("chats", title="Friends", type="group", member_ids=[ADMIN, USER])["id"]
    bot.update()
    bot.say("Hello, friends", to=group)
    page.get_by_role("navigation", name="Chats").get_by_role("button", name="Friends").click()
    expect(page.get_by_role("heading", name="Friends")).to_be_visible()
    expect(page.get_by_text("you are User")).to_be_visible()
    expect(bubble(page, "Hello, friends")).to_be_visible()
    type_and_send(page, "/help")
    message = bot.update()["message"]
    assert (message["chat"]["id"], message["from"]["id"]) == (group, USER)


def test_hostile_text_stays_text(page: Page, bot: FakeBot) -> None:
    """Markup in names, texts, captions and buttons is shown as it stands, and a script link is no link."""
    open_chat(page, bot)
    link = [{"type": "text_link", "offset": 0, "length": 4, "url": "http://ok.example/"}]
    bot.say(f"link {HOSTILE}", entities=link, reply_markup=keyboard([{"text": HOSTILE, "callback_data": "x"}]))
    bot.call(
        "sendDocument",
        chat_id=USER,
        caption=HOSTILE,
        files={"document": ("<b>x.html", b"<script>1</script>", "text/html")},
    )
    expect(bubble(page, HOSTILE)).to_have_count(2)
    expect(page.get_by_role("button", name=HOSTILE)).to_be_visible()
    assert page.locator(".log img, .log script, .people img[src=x]").count() == 0
    assert "taken over" not in page.title()
    address = "async () => (await import('/page/chat/entities.js')).safeAddress('javascript:alert(1)')"
    assert page.evaluate(address) is None
    expect(page.get_by_role("link", name="link")).to_have_attribute("rel", "noopener noreferrer")


def test_refused_text_stays_in_the_box(page: Page, bot: FakeBot, complaints: list[str]) -> None:
    """What the sandbox refuses stays typed, with the reason beside it, and can be sent again."""
    open_chat(page, bot)
    field = page.get_by_label("Message", exact=True)
    refuse = re.compile(f"/sandbox/chats/{USER}/messages")
    page.route(refuse, lambda route: route.fulfill(status=400, json={"error": "not now"}))
    type_and_send(page, "precious words")
    expect(page.get_by_role("alert")).to_contain_text("not now")
    expect(field).to_have_value("precious words")
    assert len(complaints) == 1, "the browser notes the 400 itself"
    complaints.clear()
    page.unroute(refuse)
    field.press("Enter")
    expect(bubble(page, "precious words")).to_be_visible()
    expect(field).to_have_value("")


def test_a_block_is_shown_wherever_it_was_made(page: Page, bot: FakeBot) -> None:
    """A block from elsewhere shows at once, one made here outlives the browser's memory, and both can be undone."""
    open_chat(page, bot)
    unblock = page.get_by_role("button", name="Press to unblock it")
    bot.act(f"chats/{USER}/block", from_id=USER, blocked=True)
    unblock.click()
    expect(page.get_by_label("Message", exact=True)).to_be_visible()
    page.get_by_role("button", name="Chat menu").click()
    page.get_by_role("menuitem", name="Block the bot").click()
    expect(unblock).to_be_visible()
    page.evaluate("localStorage.clear()")
    page.reload()
    unblock.click()
    type_and_send(page, "back again")
    expect(bubble(page, "back again")).to_be_visible()


def test_reader_is_not_pulled_down_by_news(page: Page, bot: FakeBot) -> None:
    """At the end the list follows; scrolled up it stays and offers the new messages."""
    for number in range(40):
        bot.say(f"line {number}")
    open_chat(page, bot)
    log = page.get_by_role("log")
    expect(bubble(page, re.compile("line 39"))).to_be_in_viewport()
    log.evaluate("node => { node.scrollTop = 0; }")
    jump = page.get_by_role("button", name="To the newest message")
    expect(jump).to_be_visible()
    bot.say("the news")
    button = page.get_by_role("button", name="1 new message")
    expect(button).to_be_visible()
    assert log.evaluate("node => node.scrollTop") == 0
    button.click()
    expect(bubble(page, "the news")).to_be_in_viewport()
    bot.say("more news")
    expect(bubble(page, "more news")).to_be_in_viewport()


def test_commands_are_suggested(page: Page, bot: FakeBot) -> None:
    """A slash lists the bot's commands; the arrow keys and Enter send one."""
    commands = [{"command": name, "description": f"about {name}"} for name in ("start", "download", "formats", "stats")]
    bot.call("setMyCommands", commands=commands)
    open_chat(page, bot)
    page.get_by_label("Message", exact=True).press_sequentially("/st")
    expect(page.locator("#suggestions").get_by_role("option")).to_have_text(["/startabout start", "/statsabout stats"])
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert bot.update()["message"]["text"] == "/stats"


def test_the_commands_are_found_without_knowing_the_slash(page: Page, bot: FakeBot) -> None:
    """A bot that has commands has a button for them; a press on one sends it; without commands there is no button."""
    open_chat(page, bot)
    button = page.get_by_role("button", name="The bot's commands")
    expect(button).to_be_hidden()
    bot.call("setMyCommands", commands=[{"command": "stats", "description": "figures"}])
    page.reload()
    button.click()
    page.get_by_role("option", name="/stats figures").click()
    assert bot.update()["message"]["text"] == "/stats"
    expect(page.get_by_label("Message", exact=True)).to_have_value("")


def test_a_list_of_commands_that_comes_late_stays_away(page: Page, bot: FakeBot) -> None:
    """Who was quicker than the list has sent their command: no suggestion is left behind."""
    bot.call("setMyCommands", commands=[{"command": "stats", "description": "figures"}])
    open_chat(page, bot)
    late: list[Route] = []
    released = False
    page.route(
        re.compile(r"/(commands|messages)\?"), lambda route: route.continue_() if released else late.append(route)
    )
    with page.expect_request("**/messages?**"):
        type_and_send(page, "/stats")
    while late:  # more may come while one is on its way
        late.sort(key=lambda each: "messages" in each.request.url)
        route = late.pop(0)
        with page.expect_response(route.request.url):
            route.continue_()
    released = True
    expect(bubble(page, "/stats")).to_be_visible()
    expect(page.get_by_label("Message", exact=True)).to_have_value("")
    expect(page.locator("#suggestions")).to_be_hidden()


def test_a_chats_own_commands_are_suggested(page: Page, bot: FakeBot) -> None:
    """What is set for one chat is suggested there alone, and no more once it is deleted."""
    every, own = ({"command": name, "description": "x"} for name in ("start", "stats"))
    scope = {"type": "chat", "chat_id": USER}
    bot.call("setMyCommands", commands=[every])
    bot.call("setMyCommands", commands=[every, own], scope=scope)
    open_chat(page, bot)
    options = page.locator("#suggestions").get_by_role("option")
    page.get_by_label("Message", exact=True).press_sequentially("/st")
    expect(options).to_have_text(["/startx", "/statsx"])
    bot.call("deleteMyCommands", scope=scope)
    page.get_by_label("Message", exact=True).press_sequentially("a")
    expect(options).to_have_text(["/startx"])


def test_chat_action_is_shown(page: Page, bot: FakeBot) -> None:
    """What the bot says it is doing stands in the head, in the list for a chat that is not open, until its message."""
    open_chat(page, bot)
    bot.call("sendChatAction", chat_id=ADMIN, action="typing")
    row = page.get_by_role("navigation", name="Chats").get_by_role("button", name="Admin")
    expect(row).to_contain_text("typing")
    bot.say("done", to=ADMIN)
    expect(row).to_contain_text("done")
    bot.call("sendChatAction", chat_id=USER, action="upload_video")
    status = page.locator("#bot-status")
    expect(status).to_have_text("sending a video")
    bot.say("here")
    expect(status).to_contain_text("@")


def test_the_page_opens_the_default_bot_after_a_restart(page: Page, media_directory: Path, tmp_path: Path) -> None:
    """Without a token the page talks to the bot that called first since the start, as the sandbox itself does."""
    first, second = 700_000_001, 700_000_002
    with sandbox(media_directory, tmp_path) as server:
        for number in (first, second):
            FakeBot(server, number).say("before")
    with sandbox(media_directory, tmp_path) as server:
        bot = FakeBot(server, second)
        bot.say("for the page")
        page.goto(f"{server}/#{USER}")
        expect(bubble(page, "for the page")).to_be_visible()
        expect(page.get_by_role("heading", name=f"Bot {second}")).to_be_visible()
        page.goto("about:blank")


def test_long_names_and_words_fit_a_narrow_screen(browser: Browser, media_directory: Path, tmp_path: Path) -> None:
    """At 360 px, on a phone too, no name, word, title or label makes the page wider than its window."""
    with sandbox(media_directory, tmp_path) as server:
        bot = FakeBot(server)
        bot.call("getMe")
        for name in ("W" * 200, "word " * 40, "Dana", "Erin"):
            bot.act("users", first_name=name)
        group = bot.act("chats", title="G" * 200, type="group", member_ids=[3000])["id"]
        rows = [[{"text": "L" * 300, "callback_data": "a"}, {"text": "label " * 40, "callback_data": "b"}]]
        said = bot.say("w" * 3000, to=group, reply_markup=keyboard(*rows))
        bot.say("answer", to=group, reply_parameters={"message_id": said})
        song = {"audio": ("n" * 200 + ".m4a", bot.sample(), "audio/mp4")}
        bot.call("sendAudio", chat_id=group, title="T" * 200, performer="P" * 200, files=song)
        bot.call("sendDocument", chat_id=group, files={"document": ("n" * 200, b"x", "application/zip")})
        for mobile in (False, True):
            fits_a_narrow_screen(browser, f"{server}/#{group}", mobile=mobile)


def fits_a_narrow_screen(browser: Browser, address: str, *, mobile: bool) -> None:
    """Open the chat in a narrow window of its own and measure it."""
    size: ViewportSize = {"width": 360, "height": 640}
    with browser.new_context(viewport=size, is_mobile=mobile, has_touch=mobile) as context:
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.goto(address)
        expect(page.get_by_role("article")).to_have_count(4)
        widths = page.evaluate("""() => [
            innerWidth,
            ...[document.documentElement, document.getElementById("log")].map((node) => node.scrollWidth),
            ...[...document.querySelectorAll(".chat .bubble, .chat .key")].map((n) => n.getBoundingClientRect().right),
        ]""")
        assert all(width <= 360 for width in widths), widths
        for control in ("Send", "Chat menu"):
            expect(page.get_by_role("button", name=control)).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_narrow_screen_has_no_sideways_scroll(page: Page, bot: FakeBot, scheme: Any) -> None:
    """At 360 px everything fits, long words, code and wide pictures included, in both schemes."""
    page.set_viewport_size({"width": 360, "height": 640})
    page.emulate_media(color_scheme=scheme)
    open_chat(page, bot)
    bot.say(
        f"<pre>{'wide code ' * 30}</pre>{'x' * 300}",
        parse_mode="HTML",
        reply_markup=keyboard([{"text": f"button {number}", "callback_data": str(number)} for number in range(8)]),
    )
    type_and_send(page, f"{bot.server}/media/{'long-name-' * 30}.mp4")
    expect(page.get_by_role("article")).to_have_count(2)
    widths = page.evaluate(
        "[document.documentElement, document.getElementById('log')].map(n => [n.scrollWidth, n.clientWidth])"
    )
    assert all(scroll <= client for scroll, client in widths), widths
    expect(page.get_by_role("button", name="Send")).to_be_in_viewport()


def test_a_thousand_messages_stay_quick(page: Page, bot: FakeBot) -> None:
    """A long chat opens, and takes one more message, without a stall a person would notice."""
    with http() as client:
        for number in range(1000):
            client.post(f"{bot.server}/bot{bot.token}/sendMessage", json={"chat_id": USER, "text": f"message {number}"})
    open_chat(page, bot)
    expect(page.get_by_role("article")).to_have_count(1000)
    expect(bubble(page, "message 999")).to_be_in_viewport()
    page.get_by_role("navigation", name="Chats").get_by_role("button", name="Admin").click()
    expect(page.get_by_role("article")).to_have_count(0)
    busy = page.context.new_cdp_session(page)
    busy.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.locator(".person[data-chat='2000']").click()
    expect(page.get_by_role("article")).to_have_count(1000)
    expect(bubble(page, "message 999")).to_be_in_viewport()
    opened = busy_seconds(busy)
    assert 0.05 < opened < 1.5
    bot.say("one more")
    expect(bubble(page, "one more")).to_be_in_viewport()
    assert busy_seconds(busy) - opened < 0.6


def busy_seconds(session: CDPSession) -> float:
    """How long the page's own thread has had the processor: a busy machine makes it wait longer, not work longer."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return float(next(each["value"] for each in metrics if each["name"] == "TaskDuration"))


def test_the_line_behind_a_quotation_stays(page: Page, bot: FakeBot) -> None:
    """A quotation ends its line, whether the line's end is in it (as Markdown has it) or behind it (as HTML has it)."""
    open_chat(page, bot)
    shown = """async (length) => {
        const { renderText } = await import("/page/chat/entities.js");
        const quotation = { type: "blockquote", offset: 0, length };
        return renderText("a\\n\\nb", [quotation], () => {}).map((node) => node.textContent ?? node);
    }"""
    assert page.evaluate(shown, 2) == ["a\n", "\nb"]
    assert page.evaluate(shown, 1) == ["a", "\nb"]
