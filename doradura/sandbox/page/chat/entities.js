// A message's text with its entities, as nodes. Offsets are UTF-16 units, which is what JavaScript's strings count in.

import { el } from "/page/elements/dom.js";

const PLAIN = { bold: "strong", italic: "em", underline: "u", strikethrough: "s", code: "code" };
const BLOCKS = ["pre", "blockquote", "expandable_blockquote"];

/**
 * Nodes for `text`. `onCommand(text)` is called with a bot command that was pressed.
 *
 * Telegram's entities nest and never cross, so each one's inside is rendered by the same function; one that did cross
 * is cut at its parent's end.
 */
export function renderText(text, entities, onCommand) {
  const ordered = [...(entities ?? [])].sort((a, b) => a.offset - b.offset || b.length - a.length);
  return span(text, ordered, 0, text.length, onCommand);
}

function span(text, entities, start, end, onCommand) {
  const nodes = [];
  let at = start;
  let index = 0;
  while (index < entities.length) {
    const entity = entities[index];
    const from = Math.max(entity.offset, at);
    const to = Math.min(entity.offset + entity.length, end);
    index += 1;
    if (to <= from) continue;
    const inside = [];
    while (index < entities.length && entities[index].offset < to) inside.push(entities[index++]);
    if (from > at) nodes.push(text.slice(at, from));
    nodes.push(wrap(entity, text.slice(from, to), span(text, inside, from, to, onCommand), onCommand));
    // A block ends its line by itself; a quotation written as Markdown has the line's end in it already.
    at = BLOCKS.includes(entity.type) && text[to] === "\n" && text[to - 1] !== "\n" ? to + 1 : to;
  }
  if (at < end) nodes.push(text.slice(at, end));
  return nodes;
}

function wrap(entity, text, children, onCommand) {
  if (PLAIN[entity.type]) return el(PLAIN[entity.type], {}, children);
  switch (entity.type) {
    case "pre":
      return el("pre", { "data-language": entity.language }, el("code", {}, children));
    case "blockquote":
    case "expandable_blockquote":
      return el("blockquote", {}, children);
    case "spoiler":
      return spoiler(children);
    case "text_link":
      return anchor(entity.url, children);
    case "url":
      return anchor(/^[a-z][a-z0-9+.-]*:/i.test(text) ? text : `http://${text}`, children);
    case "email":
      return anchor(`mailto:${text}`, children);
    case "bot_command":
      return el("button", { type: "button", class: "inline-link", on: { click: () => onCommand(text) } }, children);
    case "mention":
    case "text_mention":
    case "phone_number":
      return el("span", { class: "tagged" }, children);
    case "hashtag":
    case "cashtag":
      return el("button", { type: "button", class: "inline-link", title: `Find ${text}`, on: { click: (event) => find(event.target, text) } }, children);
    default:
      return el("span", {}, children);
  }
}

function find(node, text) {
  node.dispatchEvent(new CustomEvent("find", { detail: text, bubbles: true }));
}

/** A link that opens beside the chat; one that is no web or mail address stays text, whoever wrote it. */
function anchor(address, children) {
  const href = safeAddress(address);
  if (!href) return el("span", { class: "tagged", title: address }, children);
  return el("a", { href, target: "_blank", rel: "noopener noreferrer" }, children);
}

/** The address when a press on it is harmless (http, https, mailto), else null. */
export function safeAddress(address) {
  try {
    return ["http:", "https:", "mailto:"].includes(new URL(address).protocol) ? address : null;
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}

function spoiler(children) {
  const inside = el("span", { class: "spoiler-inside" }, children);
  const node = el(
    "span",
    { class: "spoiler", role: "button", tabindex: 0, "aria-label": "Hidden text, press to show" },
    inside,
  );
  const show = (event) => {
    if (event.type === "keydown" && event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    node.classList.add("shown");
    for (const name of ["role", "tabindex", "aria-label"]) node.removeAttribute(name);
    node.removeEventListener("click", show);
    node.removeEventListener("keydown", show);
  };
  node.addEventListener("click", show);
  node.addEventListener("keydown", show);
  return node;
}
