// What those hear who do not see: the story sentence by sentence, and what has happened.

import { byId } from "./dom.js";

/** Say in a few words what has happened. */
export function announce(text) {
  byId("teller").textContent = text;
}

/**
 * Show what went wrong, until the next time something goes right. What looks on by itself, unasked,
 * gives its name as `watcher`: that it goes well tells nothing of what a person has asked for.
 */
export function complain(error, watcher = "") {
  if (error.name === "AbortError") return;
  const notice = byId("notice");
  notice.dataset.watcher = watcher;
  const lost = error instanceof TypeError;
  notice.textContent = lost ? "The server does not answer. Is it still running?" : sentence(error.message);
  notice.hidden = false;
}

export function calm(watcher = "") {
  const notice = byId("notice");
  if (!watcher || notice.dataset.watcher === watcher) notice.hidden = true;
}

function sentence(text) {
  const trimmed = text.trim();
  return trimmed.charAt(0).toUpperCase() + trimmed.slice(1) + (/[.!?)]$/.test(trimmed) ? "" : ".");
}

/** Collects a story that is told and reads out each sentence when it is whole. */
export class Reader {
  constructor(name = "") {
    this.name = name;
    this.held = "";
  }

  push(text) {
    this.held += text;
    const end = /^([\s\S]*[.!?]["'”’]?)(\s[\s\S]*)$/.exec(this.held);
    if (end) {
      this.say(end[1]);
      this.held = end[2];
    }
  }

  finish() {
    this.say(this.held);
    this.held = "";
  }

  say(text) {
    const words = text.trim();
    if (!words) return;
    const log = byId("announcer");
    const line = document.createElement("p");
    line.textContent = this.name ? `${this.name}: ${words}` : words;
    log.append(line);
    while (log.childElementCount > 40) log.firstElementChild.remove();
  }
}
