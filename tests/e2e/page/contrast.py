"""How well the page's words stand out from what is behind them: WCAG 2.2's ratios, computed in the browser."""

from __future__ import annotations

from playwright.sync_api import Page

# For each text in sight: its colour over what is painted behind it. A gradient counts with each of its colours, the
# worst of them; a picture or film behind a text is taken for black, then for white.
_LOW = r"""async () => {
    const passing = document.getAnimations().filter((each) => each.effect.getComputedTiming().endTime !== Infinity);
    await Promise.allSettled(passing.map((each) => each.finished)); // what fades in is judged when it is there
    const parse = (text) => {
        const numbers = text.match(/[\d.]+/g).map(Number);
        return { rgb: numbers.slice(0, 3), alpha: numbers[3] ?? 1 };
    };
    const over = ({ rgb, alpha }, below) => rgb.map((part, index) => part * alpha + below[index] * (1 - alpha));
    const linear = (part) => (part /= 255) <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    const light = ([red, green, blue]) => 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
    const ratio = (one, two) => {
        const [low, high] = [light(one), light(two)].sort((a, b) => a - b);
        return (high + 0.05) / (low + 0.05);
    };
    const painted = (node) => {
        const style = getComputedStyle(node);
        const stops = (style.backgroundImage.match(/rgba?\([^)]*\)/g) ?? []).map(parse);
        const flat = parse(style.backgroundColor);
        return (below) => below.map((each) => over(flat, each)).flatMap((ground) =>
            stops.length ? stops.map((stop) => over(stop, ground)) : [ground]);
    };
    const grounds = (node) => {
        const box = node.getBoundingClientRect();
        const stack = document.elementsFromPoint(
            Math.min(innerWidth - 1, Math.max(0, box.x + Math.min(box.width / 2, 20))), box.y + box.height / 2);
        const at = stack.indexOf(node);
        const below = (at < 0 ? chain(node) : stack.slice(at)).reverse();
        return below.reduce(
            (all, each) => each.matches("img, video") ? [[0, 0, 0], [255, 255, 255]] : painted(each)(all),
            [parse(getComputedStyle(document.body).backgroundColor).rgb],
        );
    };
    const chain = (node) => node ? [node, ...chain(node.parentElement)] : [];
    const opacity = (node) => chain(node).reduce((all, each) => all * Number(getComputedStyle(each).opacity), 1);
    const low = [];
    let count = 0;
    const judge = (node, words, style) => {
        const box = node.getBoundingClientRect();
        const out = box.bottom < 0 || box.top > innerHeight || box.right < 0 || box.left > innerWidth;
        if (out || !box.width || !node.checkVisibility({ opacityProperty: true, visibilityProperty: true })) return;
        if (node.closest(":disabled, .unseen, [aria-hidden=true]:not(.avatar)")) return;
        count += 1;
        const size = parseFloat(style.fontSize);
        const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
        const ink = parse(style.color);
        ink.alpha *= opacity(node) * Number(style.opacity === getComputedStyle(node).opacity ? 1 : style.opacity);
        const worst = Math.min(...grounds(node).map((ground) => ratio(over(ink, ground), ground)));
        const name = node.className || node.tagName;
        if (worst < (large ? 3 : 4.5)) low.push(`${worst.toFixed(2)} ${name}: ${words.slice(0, 40)}`);
    };
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const words = walker.currentNode.data.trim();
        const node = walker.currentNode.parentElement;
        if (words && !/^\p{Emoji_Presentation}+$/u.test(words)) judge(node, words, getComputedStyle(node));
    }
    for (const field of document.querySelectorAll("textarea, input[type=search], input[type=text]")) {
        const style = getComputedStyle(field, "::placeholder");
        if (field.placeholder && !field.value) judge(field, field.placeholder, style);
    }
    return { low, count };
}"""


def low_contrasts(page: Page) -> tuple[list[str], int]:
    """Return the texts in sight below 4.5 (3 when large), each with its ratio, and how many texts were judged."""
    found = page.evaluate(_LOW)
    return found["low"], found["count"]
