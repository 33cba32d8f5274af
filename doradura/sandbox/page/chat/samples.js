// Things to try: sample links of this very server, as buttons.

import { el, icon } from "/page/elements/dom.js";

/** The samples as {text, name, about}; the links are whole, since the bot, not the browser, will fetch them. */
export function samples(origin = location.origin) {
  const video = `${origin}/media/sample.mp4`;
  return [
    { text: video, name: "A video link", about: "shows what there is to choose from" },
    { text: `/download ${video} mp3 320k`, name: "Download as MP3", about: "starts at once, no questions" },
    { text: `${origin}/media/hls/index.m3u8`, name: "A live-style stream", about: "HLS, in many small pieces" },
    { text: `${origin}/media/page.html`, name: "A web page", about: "with a video and its subtitles inside" },
    { text: `${origin}/media/missing.mp4`, name: "A broken link", about: "to see how a refusal reads" },
  ];
}

/** Buttons for the samples; `pick(text)` is called with the one pressed. */
export function sampleChips(pick) {
  return samples().map((sample) =>
    el(
      "button",
      { type: "button", class: "chip", title: sample.text, on: { click: () => pick(sample.text) } },
      el("strong", {}, sample.name),
      el("span", {}, sample.about),
    )
  );
}

/** What an empty chat shows. */
export function drawHint(node, bot, send) {
  const start = el("button", { type: "button", class: "strong", on: { click: () => send("/start") } }, "Start");
  const help = el("button", { type: "button", class: "quiet", on: { click: () => send("/help") } }, "/help");
  node.replaceChildren(
    el(
      "div",
      { class: "hint-card" },
      el("img", { src: "/page/icon.svg", alt: "", width: 72, height: 72 }),
      el("h3", {}, `Say hello to ${bot.first_name}`),
      el("p", {}, "These samples lie on this computer; a link of your own is fetched from where it leads. Try one:"),
      el("div", { class: "hint-row" }, start, help),
      el("div", { class: "chips" }, sampleChips(send)),
    ),
  );
}

/** What is shown until a bot calls. */
export function drawWaiting(node) {
  const command = `DORADURA_TELEGRAM_API_URL=${location.origin}`;
  node.replaceChildren(
    el(
      "div",
      { class: "hint-card" },
      el("span", { class: "pulse", "aria-hidden": "true" }),
      el("h3", {}, "Waiting for the bot to connect"),
      el("p", {}, "The sandbox is ready. As soon as a bot makes its first call to it, the chat opens here by itself."),
      el("p", { class: "note" }, "For a bot of your own, point it here:"),
      el("code", { class: "code-line" }, command),
    ),
  );
}

/** Fill the popover beside the text field. */
export function drawSamplesMenu(node, pick, attach) {
  node.replaceChildren(
    el("p", { class: "samples-title" }, "Try one of these"),
    el("div", { class: "chips" }, sampleChips(pick)),
    el(
      "button",
      { type: "button", class: "chip chip-plain", on: { click: attach } },
      icon("file"),
      el("strong", {}, "Attach a file from this computer"),
    ),
  );
}
