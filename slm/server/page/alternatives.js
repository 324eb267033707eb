// The card for a token of a story: its probability and the alternatives to it.

import { requestJson } from "./api.js";
import { showError } from "./announce.js";
import { h, percent, spokenToken, tokenText } from "./dom.js";
import { pathTo, surprisalOf } from "./tree.js";

const CANDIDATES = 8;
const MIN_CANDIDATES = 4; // shown however improbable they are
const MIN_PROBABILITY = 0.0005; // of the others
const OPEN_DELAY = 140; // milliseconds that the pointer rests on a token before its card opens
const CLOSE_DELAY = 260;
const MAX_CACHED = 500;

/** The page's only card, which opens at a token of any pane. */
export class Alternatives {
  /** `choose(pane, node, token)` is called to put `token` in the position of `node`. */
  constructor(choose) {
    this.choose = choose;
    this.cache = new Map();
    this.target = null;
    this.timer = 0;
    this.card = h("div", { class: "card", role: "dialog", "aria-label": "Alternatives", hidden: true,
      onkeydown: (event) => this.handleKey(event),
      onpointerenter: () => clearTimeout(this.timer),
      onpointerleave: () => this.leave() });
    document.body.append(this.card);
    document.addEventListener("pointerdown", (event) => {
      if (!this.card.contains(event.target) && !event.target.closest?.(".token")) this.close();
    });
    addEventListener("resize", () => this.close());
  }

  /** The pointer has entered a token. */
  hover(pane, node, element) {
    clearTimeout(this.timer);
    if (this.target?.node !== node) this.timer = setTimeout(() => this.open(pane, node, element), OPEN_DELAY);
  }

  /** The pointer has left the token or the card. */
  leave() {
    clearTimeout(this.timer);
    if (!this.isPinned) this.timer = setTimeout(() => this.close(), CLOSE_DELAY);
  }

  async open(pane, node, element, { pinned = false } = {}) {
    clearTimeout(this.timer); // which may be about to close the card
    this.target = { pane, node, element };
    this.isPinned = pinned;
    element.classList.add("open");
    this.previous?.classList.toggle("open", this.previous === element);
    this.previous = element;
    let answer;
    try {
      answer = await this.fetch(pane, node);
    } catch (error) {
      showError(error);
      return;
    }
    if (this.target?.node !== node) return; // another token was opened meanwhile
    this.draw(node, answer);
    this.position(element);
    if (pinned) this.card.querySelector("button")?.focus({ preventScroll: true });
  }

  async fetch(pane, node) {
    const ids = pathTo(node).slice(0, -1).map((before) => before.id);
    const key = `${pane.model} ${ids.join(",")}`;
    if (!this.cache.has(key)) {
      if (this.cache.size > MAX_CACHED) this.cache.clear();
      this.cache.set(key, requestJson("/insight/next", { model: pane.model, ids, top: CANDIDATES }));
      this.cache.get(key).catch(() => this.cache.delete(key));
    }
    return this.cache.get(key);
  }

  draw(node, answer) {
    const surprisal = surprisalOf(node);
    const index = answer.candidates.findIndex((candidate) => candidate.id === node.id);
    const rank = index < 0 ? `not in the top ${CANDIDATES}` : `rank ${index + 1}`;
    const figures = surprisal === null ? rank
      : `Probability ${percent(node.probability)}, surprisal ${surprisal.toFixed(1)} bits, ${rank}`;
    const highest = answer.candidates[0]?.probability || 1;
    this.card.replaceChildren(
      h("p", { class: "card-token" }, tokenText(node)),
      h("p", { class: "hint" }, figures),
      h("ul", {}, ...answer.candidates
        .filter((candidate, at) => at < MIN_CANDIDATES || candidate.probability > MIN_PROBABILITY)
        .map((candidate) => this.row(candidate, node, highest))),
      h("p", { class: "hint foot" }, "Choose a token to continue from here."),
    );
  }

  row(candidate, node, highest) {
    const isCurrent = candidate.id === node.id;
    const bar = h("span", { class: "model-bar" });
    bar.style.width = `${(100 * candidate.probability) / highest}%`;
    const button = h("button", { type: "button", class: isCurrent ? "candidate current" : "candidate",
      "aria-current": isCurrent ? "true" : null,
      "aria-label": `${spokenToken(candidate)}, ${percent(candidate.probability)}${isCurrent ? ", current" : ""}`,
      onclick: () => this.choseCandidate(candidate) },
      h("span", { class: "candidate-text" }, tokenText(candidate)),
      h("span", { class: "track", "aria-hidden": "true" }, bar),
      h("span", { class: "value" }, percent(candidate.probability)));
    return h("li", {}, button);
  }

  choseCandidate(candidate) {
    const { pane, node } = this.target;
    this.close();
    this.choose(pane, node, candidate);
  }

  position(element) {
    const card = this.card;
    card.hidden = false;
    if (matchMedia("(max-width: 40rem)").matches) { // the style puts it at the bottom of the screen
      card.style.left = card.style.top = "";
      return;
    }
    const token = [...element.getClientRects()].at(-1) ?? element.getBoundingClientRect();
    const maxLeft = document.documentElement.clientWidth - card.offsetWidth - 12;
    const isBelow = token.bottom + 8 + card.offsetHeight < innerHeight || token.top < card.offsetHeight + 8;
    card.style.left = `${Math.max(12, Math.min(token.left - 16, maxLeft)) + scrollX}px`;
    card.style.top = `${(isBelow ? token.bottom + 8 : token.top - card.offsetHeight - 8) + scrollY}px`;
  }

  handleKey(event) {
    const buttons = [...this.card.querySelectorAll("button")];
    const index = buttons.indexOf(document.activeElement);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      buttons[(index + step + buttons.length) % buttons.length].focus();
    } else if (event.key === "Escape" || event.key === "Tab") {
      event.preventDefault();
      event.stopPropagation();
      const { element } = this.target;
      this.close();
      element.focus();
    }
  }

  close() {
    clearTimeout(this.timer);
    this.card.hidden = true;
    this.previous?.classList.remove("open");
    this.target = null;
    this.isPinned = false;
  }
}
