// The panel of Bot API calls: what the bot asked for, what it was answered, and ways to make a call fail.

import { ApiError } from "/page/api.js";
import { el, icon } from "/page/dom.js";
import { toast } from "/page/notices.js";

const SHOWN = 200;
const EVERY_MS = 1500;

const OVERLAP = 50; // calls are listed when answered: one that took long comes after later ones

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

export class Calls {
  #api;
  #panel;
  #list = el("ol", { class: "calls" });
  #empty = el("p", { class: "note calls-empty" }, "No calls yet.");
  #newest = 0;
  #listed = new Set();
  #timer = null;
  #failures = el("input", { type: "checkbox", name: "failures" });
  #floods = el("input", { type: "checkbox", name: "floods" });

  constructor(api, panel) {
    this.#api = api;
    this.#panel = panel;
    const fault = select("fault", Object.entries(FAULTS).map(([key, { label }]) => [key, label]));
    const method = select("method", METHODS.map((name) => [name, name === "*" ? "any method" : name]));
    const set = () => this.#fault(FAULTS[fault.value], method.value);
    panel.append(
      el(
        "header",
        { class: "panel-head" },
        el("h2", {}, "Bot API calls"),
        el(
          "button",
          { type: "button", class: "round", "aria-label": "Close", on: { click: () => this.toggle(false) } },
          icon("close"),
        ),
      ),
      el(
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
      ),
      el(
        "div",
        { class: "faults-row switches" },
        el("label", {}, this.#floods, "Flood limits"),
        el("label", {}, this.#failures, "Failures only"),
      ),
      this.#empty,
      this.#list,
    );
    this.#failures.addEventListener("change", () => this.#list.classList.toggle("failures", this.#failures.checked));
    this.#floods.addEventListener("change", () => this.#flood(this.#floods.checked));
    panel.addEventListener("keydown", (event) => event.key === "Escape" && this.toggle(false));
  }

  get isOpen() {
    return !this.#panel.hidden;
  }

  toggle(open = this.#panel.hidden) {
    this.#panel.hidden = !open;
    clearTimeout(this.#timer);
    if (!open) return;
    this.#panel.querySelector("button").focus({ preventScroll: true });
    this.#poll();
    this.#askFloods();
  }

  async #poll() {
    try {
      const calls = (await this.#api.requests(Math.max(0, this.#newest - OVERLAP))).filter(({ n }) =>
        !this.#listed.has(n)
      );
      for (const { n } of calls) this.#listed.add(n);
      this.#newest = Math.max(this.#newest, ...calls.map(({ n }) => n));
      this.#list.prepend(...calls.slice(-SHOWN).reverse().map(callNode));
      while (this.#list.children.length > SHOWN) this.#list.lastElementChild.remove();
      this.#empty.hidden = this.#list.children.length > 0;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    }
    clearTimeout(this.#timer);
    if (!this.#panel.hidden) this.#timer = setTimeout(() => this.#poll(), EVERY_MS);
  }

  async #fault({ label, body }, method) {
    const name = method === "*" ? "any method" : method;
    await this.#told(() => this.#api.post("faults", { method, ...body }), () => `Set for ${name}: ${label}`);
  }

  async #clear() {
    await this.#told(() => this.#api.delete("faults"), ({ deleted }) => `${deleted} faults cleared`);
  }

  async #askFloods() {
    try {
      this.#floods.checked = (await this.#api.get("flood-limits")).enabled;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error; // the switch shows what it showed
    }
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
  return el("select", { name }, options.map(([value, label]) => el("option", { value }, label)));
}

/** One call: a line that opens to parameters and answer, written out only when it is opened. */
function callNode({ n, method, params, files, status, response, fault }) {
  const good = status === 200;
  const inside = el("pre", { tabindex: 0 });
  const details = el(
    "details",
    {},
    el(
      "summary",
      {},
      el("span", { class: "call-n" }, String(n)),
      el("strong", {}, method),
      el("span", { class: good ? "call-ok" : "call-bad" }, String(status ?? "cut")),
    ),
    inside,
  );
  details.addEventListener("toggle", () => {
    const shown = Object.fromEntries(
      Object.entries({ params, files, fault, response }).filter(([, value]) => value !== undefined && value !== null),
    );
    inside.textContent = details.open ? JSON.stringify(shown, null, 2) : "";
  });
  const copy = el("button", {
    type: "button",
    class: "quiet call-copy",
    on: { click: () => copyText(curl(method, params)) },
  }, "Copy as curl");
  details.append(copy);
  return el("li", { class: good ? "good" : "bad" }, details);
}

function curl(method, params) {
  const body = JSON.stringify(params ?? {}).replaceAll("'", "'\\''");
  return `curl -s ${location.origin}/botTOKEN/${method} -H 'content-type: application/json' -d '${body}'`;
}

function copyText(text) {
  navigator.clipboard.writeText(text).then(
    () => toast("Copied; put the bot's token in for TOKEN"),
    () => toast("The browser did not allow copying.", { kind: "bad" }),
  );
}
