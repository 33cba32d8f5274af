// The player of an audio file or voice message: cover, title, a place to seek, and how long it is.

import { el, icon } from "/page/elements/dom.js";
import { play, quietOthers, unplayable } from "/page/chat/playing.js";
import { lengthOf, position, sizeOf } from "/page/elements/words.js";

export class AudioPlayer {
  #file;
  #title;
  #audio;
  #glyph = el("span", { class: "cover-glyph" }, icon("play"));
  #toggle;
  #seek;
  #times;

  /** @param {object} file an Audio or Voice of the Bot API, with file_url. Nothing is loaded until it is played. */
  constructor(file) {
    this.#file = file;
    this.#title = file.title ?? file.file_name ?? "Voice message";
    this.#audio = el("audio", { src: file.file_url, preload: "none" });
    const picture = file.thumbnail ? el("img", { src: file.thumbnail.file_url, alt: "" }) : null;
    this.#toggle = el("button", { type: "button", class: "cover" }, picture, this.#glyph);
    this.#seek = el("input", {
      type: "range",
      min: 0,
      step: "any",
      value: 0,
      "aria-label": `Position in ${this.#title}`,
    });
    this.#times = el("span", { class: "audio-times" });
    this.node = el("div", { class: "audio" }, this.#toggle, this.#body(), this.#audio);
    this.#listen();
    this.#draw();
  }

  #body() {
    const { performer, file_url: href, file_name: download, file_size: bytes } = this.#file;
    const size = sizeOf(bytes);
    return el(
      "div",
      { class: "audio-body" },
      el("strong", { class: "audio-title", dir: "auto", title: this.#title }, this.#title),
      performer ? el("span", { class: "audio-performer", dir: "auto" }, performer) : null,
      this.#seek,
      el(
        "div",
        { class: "audio-foot" },
        this.#times,
        size ? el("a", { href, download: download ?? this.#title, title: "Download" }, size) : null,
      ),
    );
  }

  #listen() {
    const audio = this.#audio;
    this.#toggle.addEventListener("click", () => (audio.paused ? play(audio) : audio.pause()));
    this.#seek.addEventListener("input", () => {
      if (audio.readyState === HTMLMediaElement.HAVE_NOTHING) audio.load();
      audio.currentTime = Number(this.#seek.value);
    });
    audio.addEventListener("play", () => quietOthers(audio));
    audio.addEventListener("error", () => this.node.append(unplayable(this.#file)));
    for (const event of ["play", "pause", "ended", "timeupdate", "durationchange", "seeking"]) {
      audio.addEventListener(event, () => this.#draw());
    }
  }

  #draw() {
    const { currentTime, paused, duration } = this.#audio;
    const total = Number.isFinite(duration) ? duration : this.#file.duration;
    const length = lengthOf(total);
    this.#seek.max = total || 100;
    this.#seek.value = currentTime;
    this.#seek.style.setProperty("--done", `${total ? (100 * currentTime) / total : 0}%`);
    this.#seek.setAttribute("aria-valuetext", position(currentTime));
    const begun = currentTime > 0 || !paused;
    this.#times.textContent = begun ? [position(currentTime), length].filter(Boolean).join(" / ") : length;
    const word = paused ? "Play" : "Pause";
    if (this.#toggle.getAttribute("aria-label") === `${word} ${this.#title}`) return;
    this.#toggle.setAttribute("aria-label", `${word} ${this.#title}`);
    this.#glyph.replaceChildren(icon(word.toLowerCase()));
  }
}
