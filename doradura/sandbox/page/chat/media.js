// Players and files in a message. Everything plays from the object's `file_url`, a path on this server.

import { AudioPlayer } from "/page/chat/audio.js";
import { el, icon } from "/page/elements/dom.js";
import { play, quietOthers, unplayable } from "/page/chat/playing.js";
import { lengthOf, sizeOf } from "/page/elements/words.js";

const BOX = { width: 420, height: 420 };
const PHOTO = { width: 420, height: 480 };

/**
 * What a message carries, as {key, node()}: null when it is text only. Two versions of a message with equal keys carry
 * the same file, so that an edit of the caption does not stop what is playing.
 */
export function mediaOf(message) {
  const photo = message.photo?.at(-1);
  if (photo) return { key: photo.file_unique_id, node: () => photoNode(photo) };
  if (message.animation) {
    return {
      key: message.animation.file_unique_id,
      node: () => videoNode(message.animation, { loop: true }),
    };
  }
  for (
    const [kind, draw] of [
      ["video", videoNode],
      ["video_note", videoNode],
      ["audio", audioNode],
      ["voice", audioNode],
      ["document", documentNode],
      ["sticker", photoNode],
    ]
  ) {
    const file = message[kind];
    if (file) return { key: `${kind} ${file.file_unique_id} ${file.title ?? ""}`, node: () => draw(file) };
  }
  return null;
}

/** Give `node` the shape of the picture before it is loaded, so that nothing jumps. */
function shape(node, file, box) {
  const width = file.width || file.length || 320;
  const height = file.height || file.length || 180;
  const scale = Math.min(box.width / width, box.height / height, Math.max(1, 240 / width));
  node.style.width = `${Math.round(width * scale)}px`;
  node.style.aspectRatio = `${width} / ${height}`;
}

function photoNode(file) {
  const image = el("img", { src: file.file_url, alt: "Photo", decoding: "async", loading: "lazy" });
  const link = el("a", {
    class: "photo",
    href: file.file_url,
    target: "_blank",
    rel: "noopener",
    "aria-label": "Open the photo",
  }, image);
  shape(link, file, PHOTO);
  return link;
}

function videoNode(file, { loop = false } = {}) {
  const poster = file.thumbnail?.file_url;
  const video = el("video", {
    src: file.file_url,
    poster,
    playsinline: true,
    loop,
    preload: poster ? "none" : "metadata",
  });
  const length = lengthOf(file.duration);
  const label = `Play the video${length ? `, ${length}` : ""}`;
  const start = el(
    "button",
    { type: "button", class: "video-start", "aria-label": label },
    el("span", { class: "disc" }, icon("play")),
    length ? el("span", { class: "video-length" }, length) : null,
  );
  const frame = el("div", { class: "video" }, video, start);
  shape(frame, file, BOX);
  start.addEventListener("click", () => {
    start.remove();
    video.controls = true;
    video.focus();
    play(video);
  });
  video.addEventListener("play", () => quietOthers(video));
  video.addEventListener("error", () => frame.append(unplayable(file)));
  return frame;
}

const audioNode = (file) => new AudioPlayer(file).node;

function documentNode(file) {
  const name = file.file_name ?? "File";
  return el(
    "a",
    { class: "document", href: file.file_url, download: name, "aria-label": `Download ${name}` },
    el("span", { class: "document-disc" }, icon("download")),
    el(
      "span",
      { class: "document-body" },
      el("strong", { title: name, dir: "auto" }, name),
      el("span", {}, sizeOf(file.file_size) || "File"),
    ),
  );
}
