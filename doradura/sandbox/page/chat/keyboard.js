// Keyboards: the buttons under a message, and the ones above the text field.

import { el, icon } from "/page/elements/dom.js";
import { safeAddress } from "/page/chat/entities.js";

/** An address at which a payment is made rather than a page read (Bot API, createInvoiceLink). */
const INVOICE = /^https:\/\/t\.me\/(\$|invoice\/)/;

/**
 * The buttons of an inline keyboard. `actions` has press(data, node), pay(node, invoiceLink?), copy(text) and
 * type(text); press and pay get the button, to mark it busy.
 */
export function inlineKeyboard(rows, actions) {
  return el(
    "div",
    { class: "keys", role: "group", "aria-label": "Buttons" },
    rows.map((row) => el("div", { class: "keys-row" }, row.map((button) => inlineButton(button, actions)))),
  );
}

function inlineButton(button, actions) {
  const label = el("span", { class: "key-text", dir: "auto" }, button.text);
  const address = button.url;
  if (address && INVOICE.test(address)) return pressable(label, null, (node) => actions.pay(node, address));
  if (address && safeAddress(address)) {
    return el("a", { class: "key", href: address, target: "_blank", rel: "noopener noreferrer" }, label, icon("out"));
  }
  if (button.callback_data !== undefined) {
    return pressable(label, null, (node) => actions.press(button.callback_data, node));
  }
  if (button.pay) return pressable(label, null, (node) => actions.pay(node, null));
  if (button.copy_text) return pressable(label, "copy", () => actions.copy(button.copy_text.text));
  const query = button.switch_inline_query_current_chat;
  if (query !== undefined) return pressable(label, null, () => actions.type(query));
  return el("button", { type: "button", class: "key", disabled: true, title: "The sandbox has no such button" }, label);
}

function pressable(label, glyph, act) {
  const node = el(
    "button",
    { type: "button", class: "key" },
    label,
    glyph ? icon(glyph) : null,
    el("span", { class: "spinner", "aria-hidden": "true" }),
  );
  node.addEventListener("click", () => {
    if (node.getAttribute("aria-busy") !== "true") act(node);
  });
  return node;
}

/** Run `work` with the button marked busy, whatever becomes of it. */
export async function whileBusy(node, work) {
  node.setAttribute("aria-busy", "true");
  try {
    return await work();
  } finally {
    node.removeAttribute("aria-busy");
  }
}

/** The newest reply keyboard that a chat's messages (oldest first) leave in place, or null. */
export function replyKeyboardOf(messages) {
  for (let index = messages.length - 1; index >= 0; index -= 1) {
    const markup = messages[index].reply_markup;
    if (markup?.remove_keyboard) return null;
    if (markup?.keyboard) return markup;
  }
  return null;
}

/** Its buttons; `send(text)` is called with the text of the one pressed. */
export function replyKeyboard(markup, send) {
  return markup.keyboard.map((row) =>
    el(
      "div",
      { class: "keys-row" },
      row.map((button) => {
        const text = typeof button === "string" ? button : button.text;
        const special = typeof button !== "string" &&
          Object.keys(button).some((key) => key.startsWith("request_") || key === "web_app");
        return el("button", {
          type: "button",
          class: "key",
          dir: "auto",
          disabled: special,
          on: { click: () => send(text) },
        }, text);
      }),
    )
  );
}
