// What the page tells beside the messages: toasts that pass, and dialogs that wait for an answer.

import { el } from "/page/elements/dom.js";

const LONGEST_SECONDS = 9;

/** A line that passes by itself, after a time to read it. */
export function toast(text, { kind = "plain" } = {}) {
  const node = el("button", { type: "button", class: `toast ${kind}`, dir: "auto", title: "Press to close" }, text);
  node.addEventListener("click", () => node.remove());
  document.getElementById("toasts").append(node);
  setTimeout(() => node.remove(), 1000 * Math.min(LONGEST_SECONDS, 3 + text.length / 20));
}

/** A question or notice that waits. Resolves to the form's values, or null when it was closed. */
export function ask({ title, text, fields = [], confirm = "OK", cancel = null }) {
  const id = `dialog-${Math.random().toString(36).slice(2)}`;
  const inputs = fields.map((field) =>
    el(
      "label",
      {},
      el("span", {}, field.label),
      el("input", {
        name: field.name,
        dir: "auto",
        type: field.type ?? "text",
        required: field.required,
        value: field.value,
        pattern: field.pattern,
        title: field.title,
        placeholder: field.placeholder,
        maxlength: 64,
        autocomplete: "off",
      }),
    )
  );
  const form = el(
    "form",
    { method: "dialog" },
    title ? el("h3", { id, dir: "auto" }, title) : null,
    text ? el("p", { id: title ? null : id, dir: "auto" }, text) : null,
    inputs,
    el(
      "div",
      { class: "dialog-row" },
      cancel ? el("button", { type: "button", class: "quiet", on: { click: () => dialog.close() } }, cancel) : null,
      el("button", { type: "submit", class: "strong", value: "yes" }, confirm),
    ),
  );
  const dialog = el("dialog", { "aria-labelledby": id }, form);
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      const values = Object.fromEntries(new FormData(form));
      dialog.remove();
      resolve(dialog.returnValue === "yes" ? values : null);
    });
  });
}
