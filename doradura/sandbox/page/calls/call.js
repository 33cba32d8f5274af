// One Bot API call in the panel: a line that opens to what was sent and answered.

import { el } from "/page/elements/dom.js";
import { toast } from "/page/elements/notices.js";
import { took } from "/page/elements/words.js";

/** Whether the bot got what it asked for. */
export const isGood = (call) => call.status === 200;

/** The line of one call; what it opens to is written only then. */
export function callNode(call) {
  const { n, method, status, response, took_seconds: seconds } = call;
  const good = isGood(call);
  const inside = el("pre", { tabindex: 0, "aria-label": `Call ${n}` });
  const copy = el("button", { type: "button", class: "quiet call-copy", on: { click: () => copyText(curl(call)) } }, "Copy as curl");
  const details = el(
    "details",
    {},
    el(
      "summary",
      {},
      el("span", { class: "call-n" }, String(n)),
      el("strong", {}, method),
      el("span", { class: "call-took" }, took(seconds)),
      el("span", { class: good ? "call-ok" : "call-bad" }, status === null ? "cut off" : String(status)),
      good || !response?.description ? null : el("span", { class: "call-why" }, response.description),
    ),
    inside,
    copy,
  );
  details.addEventListener("toggle", () => {
    inside.textContent = details.open ? written(call) : "";
  });
  return el("li", { class: good ? "good" : "bad" }, details);
}

/** What was sent and answered; JSON that came in a form's field is written as JSON, not as a text with its quotes escaped. */
function written({ params, files, fault, response }) {
  const shown = params && Object.fromEntries(Object.entries(params).map(([name, value]) => [name, structure(value) ?? value]));
  const told = Object.entries({ params: shown, files, fault, response }).filter(([, value]) => value !== undefined && value !== null);
  return JSON.stringify(Object.fromEntries(told), null, 2);
}

function structure(value) {
  if (typeof value !== "string" || !/^[[{]/.test(value)) return null;
  try {
    return JSON.parse(value);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** A shell command that makes the call again: JSON, or a form when files went with it, whose paths are to be put in. */
function curl({ method, params, files }) {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const address = `${location.origin}/botTOKEN/${method}`;
  const names = Object.entries(files ?? {});
  if (!names.length) {
    return `curl -s ${address} -H 'content-type: application/json' -d ${quoted(JSON.stringify(params ?? {}))}`;
  }
  const texts = Object.entries(params ?? {}).map(([name, value]) =>
    `--form-string ${quoted(`${name}=${typeof value === "string" ? value : JSON.stringify(value)}`)}`
  );
  const paths = names.map(([name, { filename }]) => `-F ${quoted(`${name}=@${filename || "FILE"}`)}`);
  return [`curl -s ${address}`, ...texts, ...paths].join(" ");
}

function copyText(text) {
  navigator.clipboard.writeText(text).then(
    () => toast("Copied; put the bot's token in for TOKEN"),
    () => toast("The browser did not allow copying.", { kind: "bad" }),
  );
}
