// The text field and what surrounds it. What was typed stays until the sandbox took it.

import { displayName, el, icon } from "/page/elements/dom.js";
import { summary } from "/page/chat/message.js";
import { matching } from "/page/chat/commands.js";
import { drawSamplesMenu } from "/page/chat/samples.js";
import { read, write } from "/page/state/route.js";

/**
 * `deliver` has send(text, replyTo), edit(message, text) and attach(file, caption), which promise whether the sandbox
 * took it; commands(), which promises a list; and lastOwn(), a message or null.
 */
export class Composer {
  #parts;
  #deliver;
  #text;
  #about = null; // {kind: "reply" | "edit", message}
  #draft = null; // the key under which the text is remembered
  #choices = [];
  #chosen = 0;
  #busy = false;

  /** @param {object} parts of the pane @param {AbortSignal} signal ends what listens outside of it */
  constructor(parts, deliver, signal) {
    this.#parts = parts;
    this.#deliver = deliver;
    this.#text = parts.text;
    this.#parts.composer.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#text.addEventListener("input", () => this.#typed());
    this.#text.addEventListener("focus", () => this.#grow());
    this.#text.addEventListener("keydown", (event) => this.#key(event));
    this.#text.addEventListener("blur", () => setTimeout(() => this.#suggest([]), 150));
    this.#parts.samplesButton.addEventListener("click", () => this.toggleSamples());
    this.#parts.commandsButton.addEventListener("click", () => {
      this.fill(this.#choices.length ? "" : "/");
      this.#typed();
    });
    this.#parts.file.addEventListener("change", () => {
      const files = [...this.#parts.file.files];
      this.#parts.file.value = "";
      this.#attach(files);
    });
    this.#text.addEventListener("paste", (event) => {
      if (!event.clipboardData.files.length) return;
      event.preventDefault();
      this.#attach([...event.clipboardData.files]);
    });
    this.#takeDrops(parts.root);
    this.#parts.composer.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !this.#parts.samples.hidden) {
        this.toggleSamples(false);
        this.#parts.samplesButton.focus();
      }
    });
    document.addEventListener("pointerdown", (event) => {
      if (!this.#parts.composer.contains(event.target)) this.toggleSamples(false);
    }, { signal });
    drawSamplesMenu(this.#parts.samples, (text) => this.#sendSample(text), () => this.#parts.file.click());
    this.#grow();
  }

  /** Open another chat's draft. */
  open(key) {
    this.#draft = `draft:${key}`;
    this.#setAbout(null);
    this.#set(read(this.#draft));
    this.toggleSamples(false);
    this.fail(null);
    this.#offerCommands();
  }

  /** The button that lists the bot's commands is there when there are some. */
  async #offerCommands() {
    const draft = this.#draft;
    const commands = await this.#deliver.commands();
    if (draft === this.#draft) this.#parts.commandsButton.hidden = commands.length === 0;
  }

  /** Show why something was not sent, beside what was not sent; null clears it. */
  fail(text) {
    this.#parts.composerError.hidden = !text;
    this.#parts.composerError.textContent = text ?? "";
  }

  focus() {
    this.#text.focus({ preventScroll: true });
  }

  /** Put a text into the field, ready to be sent. */
  fill(text) {
    this.#set(text);
    this.toggleSamples(false);
    this.focus();
    this.#text.setSelectionRange(text.length, text.length);
  }

  reply(message) {
    this.#setAbout({ kind: "reply", message });
    this.focus();
  }

  edit(message) {
    this.#setAbout({ kind: "edit", message });
    this.fill(message.text);
  }

  toggleSamples(open = this.#parts.samples.hidden) {
    this.#parts.samples.hidden = !open;
    this.#parts.samplesButton.setAttribute("aria-expanded", String(open));
    if (open) this.#parts.samples.querySelector("button").focus({ preventScroll: true });
  }

  /** Send a sample, as the card of an empty chat does; what was being typed stays. */
  #sendSample(text) {
    this.toggleSamples(false);
    this.#text.focus();
    return this.#deliver.send(text);
  }

  async #submit() {
    const text = this.#text.value.trim();
    if (!text || this.#busy) return;
    const about = this.#about;
    const draft = this.#draft;
    this.#suggest([]);
    this.#setBusy(true);
    try {
      const sent = about?.kind === "edit"
        ? await this.#deliver.edit(about.message, text)
        : await this.#deliver.send(text, about?.message);
      if (!sent || draft !== this.#draft) return;
      if (this.#text.value.trim() === text) this.#set("");
      if (this.#about === about) this.#setAbout(null);
    } finally {
      this.#setBusy(false);
    }
  }

  /** Files let fall on the chat are sent; the browser would open them and leave the page. */
  #takeDrops(chat) {
    const over = (event, on) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      chat.classList.toggle("dropping", on);
    };
    chat.addEventListener("dragover", (event) => over(event, true));
    chat.addEventListener("dragleave", (event) => chat.contains(event.relatedTarget) || over(event, false));
    chat.addEventListener("drop", (event) => {
      over(event, false);
      if (!this.#parts.composerRow.hidden && !this.#text.disabled) this.#attach([...event.dataTransfer.files]);
    });
  }

  /** Send files in order; what is typed is the first one's caption. */
  async #attach(files) {
    this.toggleSamples(false);
    if (!files.length || this.#busy) return;
    const draft = this.#draft;
    this.#setBusy(true);
    try {
      for (const file of files) {
        if (draft !== this.#draft) return;
        if (!await this.#deliver.attach(file, this.#text.value.trim())) return;
        if (draft === this.#draft) this.#set("");
      }
    } finally {
      this.#setBusy(false);
    }
  }

  #setBusy(busy) {
    this.#busy = busy;
    this.#parts.send.setAttribute("aria-busy", String(busy));
  }

  #set(text) {
    this.#text.value = text;
    this.#remember();
    this.#grow();
  }

  #remember() {
    if (this.#draft && this.#about?.kind !== "edit") write(this.#draft, this.#text.value);
  }

  async #typed() {
    this.#remember();
    this.#grow();
    this.fail(null);
    const typed = this.#text.value;
    if (!typed.startsWith("/")) {
      this.#suggest([]);
      return;
    }
    const commands = await this.#deliver.commands();
    if (this.#text.value === typed && !this.#busy) this.#suggest(matching(commands, typed));
  }

  #grow() {
    this.#text.style.height = "auto";
    const high = this.#text.scrollHeight; // none while its pane is not on the screen
    if (high) this.#text.style.height = `${high}px`;
    this.#parts.send.classList.toggle("ready", this.#text.value.trim() !== "");
  }

  #key(event) {
    if (event.isComposing) return;
    if (this.#choices.length && this.#choiceKey(event)) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.#submit();
    } else if (event.key === "Escape" && this.#about) {
      if (this.#about.kind === "edit") this.#set("");
      this.#setAbout(null);
    } else if (event.key === "ArrowUp" && !this.#text.value) {
      const last = this.#deliver.lastOwn();
      if (last) {
        event.preventDefault();
        this.edit(last);
      }
    }
  }

  /** True when the key was for the list of commands. Enter sends what was typed whole; Tab completes. */
  #choiceKey(event) {
    const choice = this.#choices[this.#chosen];
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      this.#chosen = (this.#chosen + (event.key === "ArrowDown" ? 1 : -1) + this.#choices.length) %
        this.#choices.length;
      this.#drawChoices();
    } else if (event.key === "Tab" || (event.key === "Enter" && this.#text.value !== `/${choice.command}`)) {
      this.fill(`/${choice.command}${event.key === "Tab" ? " " : ""}`);
      this.#suggest([]);
      if (event.key === "Enter") this.#submit();
    } else if (event.key === "Escape") {
      this.#suggest([]);
    } else {
      return false;
    }
    event.preventDefault();
    return true;
  }

  #suggest(choices) {
    this.#choices = choices;
    this.#chosen = 0;
    this.#drawChoices();
  }

  #drawChoices() {
    const list = this.#parts.suggestions;
    list.hidden = this.#choices.length === 0;
    list.replaceChildren(...this.#choices.map(({ command, description }, index) =>
      el(
        "div",
        {
          class: "suggestion",
          role: "option",
          id: `${list.id}-${index}`,
          "aria-selected": String(index === this.#chosen),
          on: {
            pointerdown: (event) => {
              event.preventDefault();
              this.fill(`/${command}`);
              this.#suggest([]);
              this.#submit();
            },
          },
        },
        el("strong", {}, `/${command}`),
        el("span", { dir: "auto" }, description),
      )
    ));
    const chosen = list.children[this.#chosen];
    if (chosen) {
      this.#text.setAttribute("aria-activedescendant", chosen.id);
      chosen.scrollIntoView({ block: "nearest" });
    } else {
      this.#text.removeAttribute("aria-activedescendant");
    }
  }

  #setAbout(about) {
    this.#about = about;
    const node = this.#parts.composerAbout;
    node.hidden = !about;
    if (!about) {
      node.replaceChildren();
      return;
    }
    const { kind, message } = about;
    const close = () => {
      if (kind === "edit") this.#set("");
      this.#setAbout(null);
      this.focus();
    };
    node.replaceChildren(
      icon(kind),
      el(
        "div",
        {},
        el("strong", {}, kind === "edit" ? "Edit your message" : `Reply to ${displayName(message.from)}`),
        el("span", { dir: "auto" }, summary(message)),
      ),
      el("button", { type: "button", class: "round", "aria-label": "Cancel", on: { click: close } }, icon("close")),
    );
  }
}
