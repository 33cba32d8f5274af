// Ways to see how the bot copes: faults for its next calls, and the flood limits.

import { ApiError } from "/page/state/api.js";
import { el } from "/page/elements/dom.js";
import { toast } from "/page/elements/notices.js";

const METHODS = [
  "sendMessage",
  "editMessageText",
  "sendAudio",
  "sendVideo",
  "sendDocument",
  "answerCallbackQuery",
  "getUpdates",
  "*",
];
const FAULTS = {
  busy: {
    label: "Too many requests, once",
    body: { times: 1, error_code: 429, description: "Too Many Requests: retry after 5", retry_after: 5 },
  },
  error: {
    label: "An internal error, 3 times",
    body: { times: 3, error_code: 500, description: "Internal Server Error" },
  },
  blocked: {
    label: "Blocked by the user, once",
    body: { times: 1, error_code: 403, description: "Forbidden: bot was blocked by the user" },
  },
  slow: { label: "10 seconds of delay, once", body: { times: 1, delay_seconds: 10 } },
  before: { label: "Cut off before it is done, once", body: { times: 1, drop: "before" } },
  after: { label: "Done, but the answer is lost, once", body: { times: 1, drop: "after" } },
};

export class Faults {
  #api;
  #floods = el("input", { type: "checkbox", name: "floods" });

  constructor(api) {
    this.#api = api;
    const fault = select("fault", Object.entries(FAULTS).map(([key, { label }]) => [key, label]));
    const method = select("method", METHODS.map((name) => [name, name === "*" ? "any method" : name]));
    const set = () => this.#set(FAULTS[fault.value], method.value);
    this.node = el(
      "div",
      { class: "faults" },
      el("p", { class: "note" }, "See how the bot copes when Telegram misbehaves."),
      el("div", { class: "faults-row" }, el("label", {}, "The next call of", method)),
      el("div", { class: "faults-row" }, el("label", {}, "meets", fault)),
      el(
        "div",
        { class: "faults-row" },
        el("button", { type: "button", class: "quiet", on: { click: () => this.#clear() } }, "Clear all"),
        el("button", { type: "button", class: "strong", on: { click: set } }, "Set"),
      ),
      el("div", { class: "switches" }, el("label", {}, this.#floods, "Flood limits")),
    );
    this.#floods.addEventListener("change", () => this.#flood(this.#floods.checked));
  }

  /** Ask how the switch stands; without an answer it shows what it showed. */
  async look() {
    try {
      this.#floods.checked = (await this.#api.get("flood-limits")).enabled;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    }
  }

  async #set({ label, body }, method) {
    const name = method === "*" ? "any method" : method;
    await this.#told(() => this.#api.post("faults", { method, ...body }), () => `Set for ${name}: ${label}`);
  }

  async #clear() {
    const many = ({ deleted }) => `${deleted} ${deleted === 1 ? "fault" : "faults"} cleared`;
    await this.#told(() => this.#api.delete("faults"), many);
  }

  async #flood(enabled) {
    await this.#told(
      () => this.#api.post("flood-limits", { enabled }),
      (limits) =>
        limits.enabled
          ? `On: ${limits.bot_per_second} a second in all, ${limits.chat_per_second} in a chat, ${limits.group_per_minute} a minute in a group`
          : "Flood limits are off",
    );
  }

  async #told(call, words) {
    try {
      toast(words(await call()));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      toast(error.message, { kind: "bad" });
    }
  }
}

function select(name, options) {
  return el("select", { name }, options.map(([value, label]) => new Option(label, value)));
}
