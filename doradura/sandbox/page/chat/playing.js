// What players of sound and of pictures share.

import { el } from "/page/elements/dom.js";

/** Start; a refused start shows as the player's own error event, and an interrupted one is no fault. */
export function play(media) {
  media.play().catch((error) => {
    if (!["AbortError", "NotSupportedError", "NotAllowedError"].includes(error.name)) throw error;
  });
}

/** One thing plays at a time. */
export function quietOthers(playing) {
  for (const media of document.querySelectorAll("audio, video")) if (media !== playing) media.pause();
}

/** What stands under a file the browser cannot play. */
export function unplayable(file) {
  const link = el("a", { href: file.file_url, download: true }, "Download it");
  return el("p", { class: "unplayable" }, "This file cannot be played here. ", link);
}
