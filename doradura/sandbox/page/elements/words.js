// How figures and times are written. Pure functions.

const clock = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const full = new Intl.DateTimeFormat("en", { dateStyle: "full", timeStyle: "medium" });
const thisYear = new Intl.DateTimeFormat("en", { weekday: "long", month: "long", day: "numeric" });
const anyYear = new Intl.DateTimeFormat("en", { year: "numeric", month: "long", day: "numeric" });

/** "14:03" of a Bot API date (seconds since 1970). */
export const clockTime = (seconds) => clock.format(seconds * 1000);

/** The whole date and time, for a tooltip. */
export const fullTime = (seconds) => full.format(seconds * 1000);

/** A key that two times share when they are of one local day. */
export const dayKey = (seconds) => new Date(seconds * 1000).toDateString();

/** "Today", "Yesterday" or the date. */
export function dayName(seconds, now = new Date()) {
  const day = new Date(seconds * 1000);
  if (day.toDateString() === now.toDateString()) return "Today";
  const before = new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1);
  if (day.toDateString() === before.toDateString()) return "Yesterday";
  return (day.getFullYear() === now.getFullYear() ? thisYear : anyYear).format(day);
}

/** "3:07" or "1:02:03"; empty when unknown, for nothing is ever shown as 0:00 because it is not known. */
export function lengthOf(seconds) {
  if (!Number.isFinite(seconds) || seconds <= 0) return "";
  return position(Math.round(seconds));
}

/** As `lengthOf`, with 0 written as 0:00: where a player stands. */
export function position(seconds) {
  const whole = Math.floor(seconds);
  const pad = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours ? `${hours}:${pad(minutes)}:${pad(whole % 60)}` : `${minutes}:${pad(whole % 60)}`;
}

/** "12 ms" or "3.4 s"; empty when unknown. */
export function took(seconds) {
  if (!Number.isFinite(seconds)) return "";
  return seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`;
}

/** "4.2 MB"; empty when unknown. */
export function sizeOf(bytes) {
  if (!Number.isFinite(bytes)) return "";
  let amount = bytes;
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (amount < 1000 || unit === "GB") {
      return `${unit === "B" || amount >= 100 ? Math.round(amount) : amount.toFixed(1)} ${unit}`;
    }
    amount /= 1000;
  }
  return "";
}

/** "⭐ 150" for Telegram Stars, else the amount in the currency's own form. */
export function price(amount, currency) {
  if (currency === "XTR") return `⭐ ${amount}`;
  try {
    return new Intl.NumberFormat([], { style: "currency", currency }).format(amount / 100);
  } catch (error) {
    if (error instanceof RangeError) return `${amount} ${currency}`;
    throw error;
  }
}
