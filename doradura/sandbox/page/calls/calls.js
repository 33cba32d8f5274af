// The panel of Bot API calls: what the bot asked for and was answered, newest first.

import { ApiError } from "/page/state/api.js";
import { callNode, isGood } from "/page/calls/call.js";
import { el, icon } from "/page/elements/dom.js";
import { Faults } from "/page/calls/faults.js";

const SHOWN = 200;
const EVERY_MS = 1500;
const KEPT = 10_000; // as many as the sandbox keeps
const OVERLAP = 50; // calls are listed when answered: one that took long comes after later ones
const EVERY_METHOD = "";

export class Calls {
  #api;
  #panel;
  #faults;
  #list = el("ol", { class: "calls" });
  #empty = el("p", { class: "note calls-empty" });
  #calls = new Map(); // n -> call, in the order they were listed
  #newest = 0;
  #timer = null;
  #method = el("select", { name: "shown" }, new Option("every method", EVERY_METHOD));
  #failures = el("input", { type: "checkbox", name: "failures" });
  #opener = null; // what had the focus before

  constructor(api, panel) {
    this.#api = api;
    this.#panel = panel;
    this.#faults = new Faults(api);
    const close = el("button", { type: "button", class: "round", "aria-label": "Close", on: { click: () => this.toggle(false) } }, icon("close"));
    panel.append(
      el("header", { class: "panel-head" }, el("h2", {}, "Bot API calls"), close),
      this.#faults.node,
      el("div", { class: "calls-filter" }, el("label", {}, "Show", this.#method), el("label", {}, this.#failures, "Failures only")),
      this.#empty,
      this.#list,
    );
    for (const control of [this.#method, this.#failures]) control.addEventListener("change", () => this.#redraw());
    panel.addEventListener("keydown", (event) => event.key === "Escape" && this.toggle(false));
    this.#redraw();
  }

  get isOpen() {
    return !this.#panel.hidden;
  }

  toggle(open = this.#panel.hidden) {
    if (open && this.#panel.hidden) this.#opener = document.activeElement;
    this.#panel.hidden = !open;
    clearTimeout(this.#timer);
    if (!open) {
      this.#opener?.focus({ preventScroll: true });
      return;
    }
    this.#panel.querySelector("button").focus({ preventScroll: true });
    this.#poll();
    this.#faults.look();
  }

  async #poll() {
    try {
      const found = await this.#api.requests(Math.max(0, this.#newest - OVERLAP));
      if ((found.at(-1)?.n ?? 0) < this.#newest) this.#forget(); // the newest is not there: the sandbox was started anew
      this.#take(found.filter(({ n }) => !this.#calls.has(n)));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    }
    clearTimeout(this.#timer);
    if (!this.#panel.hidden) this.#timer = setTimeout(() => this.#poll(), EVERY_MS);
  }

  #take(calls) {
    for (const call of calls) this.#calls.set(call.n, call);
    for (const n of this.#calls.keys()) {
      if (this.#calls.size <= KEPT) break;
      this.#calls.delete(n);
    }
    this.#newest = Math.max(this.#newest, ...calls.map(({ n }) => n));
    this.#listMethods();
    this.#list.prepend(...calls.filter((call) => this.#isShown(call)).slice(-SHOWN).reverse().map(callNode));
    while (this.#list.children.length > SHOWN) this.#list.lastElementChild.remove();
    this.#tellEmpty();
  }

  #forget() {
    this.#calls.clear();
    this.#newest = 0;
    this.#redraw();
  }

  #isShown(call) {
    const { value } = this.#method;
    return (value === EVERY_METHOD || call.method === value) && !(this.#failures.checked && isGood(call));
  }

  /** Offer the methods that were called. */
  #listMethods() {
    const called = [...new Set([...this.#calls.values()].map(({ method }) => method))].filter(Boolean).sort();
    const known = [...this.#method.options].slice(1).map((option) => option.value);
    if (called.every((name) => known.includes(name))) return;
    const { value } = this.#method;
    this.#method.replaceChildren(new Option("every method", EVERY_METHOD), ...called.map((name) => new Option(name, name)));
    this.#method.value = value;
  }

  #redraw() {
    const shown = [...this.#calls.values()].filter((call) => this.#isShown(call)).slice(-SHOWN);
    this.#list.replaceChildren(...shown.reverse().map(callNode));
    this.#tellEmpty();
  }

  #tellEmpty() {
    this.#empty.hidden = this.#list.children.length > 0;
    this.#empty.textContent = this.#calls.size ? "No such call yet." : "No calls yet.";
  }
}
