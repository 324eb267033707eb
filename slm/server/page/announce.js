// Messages: screen reader announcements and the error notice.

import { byId } from "./dom.js";

/** Announce a short status message to screen readers. */
export function announce(text) {
  byId("status-message").textContent = text;
}

/**
 * Show an error until the next success. Background work passes its name as `source`, so that its
 * own success does not hide an error of something the user asked for.
 */
export function showError(error, source = "") {
  if (error.name === "AbortError") return;
  const notice = byId("notice");
  notice.dataset.source = source;
  const isUnreachable = error instanceof TypeError;
  notice.textContent = isUnreachable ? "The server does not respond. Is it still running?" : sentence(error.message);
  notice.hidden = false;
}

/** Hide the error notice; with a `source`, only if the error came from it. */
export function clearError(source = "") {
  const notice = byId("notice");
  if (!source || notice.dataset.source === source) notice.hidden = true;
}

function sentence(text) {
  const trimmed = text.trim();
  return trimmed.charAt(0).toUpperCase() + trimmed.slice(1) + (/[.!?)]$/.test(trimmed) ? "" : ".");
}

/** Collects generated text and announces each complete sentence to screen readers. */
export class SentenceReader {
  constructor(name = "") {
    this.name = name;
    this.pending = "";
  }

  push(text) {
    this.pending += text;
    const match = /^([\s\S]*[.!?]["'”’]?)(\s[\s\S]*)$/.exec(this.pending);
    if (match) {
      this.log(match[1]);
      this.pending = match[2];
    }
  }

  finish() {
    this.log(this.pending);
    this.pending = "";
  }

  log(text) {
    const trimmed = text.trim();
    if (!trimmed) return;
    const log = byId("story-log");
    const line = document.createElement("p");
    line.textContent = this.name ? `${this.name}: ${trimmed}` : trimmed;
    log.append(line);
    while (log.childElementCount > 40) log.firstElementChild.remove();
  }
}
