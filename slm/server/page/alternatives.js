// The card beside a word of a story: how likely it was, and what else could have stood there.

import { ask } from "./api.js";
import { complain } from "./announce.js";
import { h, percent, spoken, visible } from "./dom.js";
import { pathTo, surpriseOf } from "./tree.js";

const SHOWN = 8;
const FEWEST = 4; // shown however unlikely they are
const DELAY = 140; // milliseconds that the pointer rests on a word before its card opens

/** One card for the page, opened at a word of any sheet. */
export class Alternatives {
  /** `choose(sheet, node, token)`: put `token` where `node` stands. */
  constructor(choose) {
    this.choose = choose;
    this.known = new Map();
    this.at = null;
    this.timer = 0;
    this.card = h("div", { class: "card", role: "dialog", "aria-label": "Other words", hidden: true,
      onkeydown: (event) => this.key(event),
      onpointerenter: () => clearTimeout(this.timer),
      onpointerleave: () => this.leave() });
    document.body.append(this.card);
    document.addEventListener("pointerdown", (event) => {
      if (!this.card.contains(event.target) && !event.target.closest?.(".token")) this.close();
    });
    addEventListener("resize", () => this.close());
  }

  /** The pointer is on a word. */
  hover(sheet, node, element) {
    clearTimeout(this.timer);
    if (this.at?.node !== node) this.timer = setTimeout(() => this.open(sheet, node, element), DELAY);
  }

  /** The pointer has left. */
  leave() {
    clearTimeout(this.timer);
    if (!this.pinned) this.timer = setTimeout(() => this.close(), 260);
  }

  async open(sheet, node, element, { pinned = false } = {}) {
    clearTimeout(this.timer); // which may be about to close the card
    this.at = { sheet, node, element };
    this.pinned = pinned;
    element.classList.add("at");
    this.previous?.classList.toggle("at", this.previous === element);
    this.previous = element;
    let found;
    try {
      found = await this.fetch(sheet, node);
    } catch (error) {
      complain(error);
      return;
    }
    if (this.at?.node !== node) return; // another word meanwhile
    this.draw(node, found);
    this.place(element);
    if (pinned) this.card.querySelector("button")?.focus({ preventScroll: true });
  }

  async fetch(sheet, node) {
    const ids = pathTo(node).slice(0, -1).map((before) => before.id);
    const name = `${sheet.model} ${ids.join(",")}`;
    if (!this.known.has(name)) {
      if (this.known.size > 500) this.known.clear();
      this.known.set(name, ask("/insight/next", { model: sheet.model, ids, top: SHOWN }));
      this.known.get(name).catch(() => this.known.delete(name));
    }
    return this.known.get(name);
  }

  draw(node, found) {
    const surprise = surpriseOf(node);
    const rank = found.candidates.findIndex((candidate) => candidate.id === node.id);
    const place = rank < 0 ? `not among the ${SHOWN} likeliest` : rank === 0 ? "the likeliest" : `choice ${rank + 1}`;
    const figures = surprise === null ? place
      : `${percent(node.probability)}, ${surprise.toFixed(1)} bits of surprise, ${place}`;
    const most = found.candidates[0]?.probability || 1;
    this.card.replaceChildren(
      h("p", { class: "card-word" }, visible(node)),
      h("p", { class: "hint" }, figures),
      h("ul", {}, ...found.candidates.filter((candidate, at) => at < FEWEST || candidate.probability > 0.0005)
        .map((candidate) => this.row(candidate, node, most))),
      h("p", { class: "hint foot" }, "Choose one, and the story goes on from there."),
    );
  }

  row(candidate, node, most) {
    const here = candidate.id === node.id;
    const bar = h("span", { class: "own" });
    bar.style.width = `${(100 * candidate.probability) / most}%`;
    const button = h("button", { type: "button", class: here ? "candidate here" : "candidate",
      "aria-current": here ? "true" : null,
      "aria-label": `${spoken(candidate)}, ${percent(candidate.probability)}${here ? ", stands here" : ""}`,
      onclick: () => this.take(candidate) },
      h("span", { class: "word" }, visible(candidate)),
      h("span", { class: "track", "aria-hidden": "true" }, bar),
      h("span", { class: "figure" }, percent(candidate.probability)));
    return h("li", {}, button);
  }

  take(candidate) {
    const { sheet, node } = this.at;
    this.close();
    this.choose(sheet, node, candidate);
  }

  place(element) {
    const card = this.card;
    card.hidden = false;
    if (matchMedia("(max-width: 40rem)").matches) { // a sheet at the bottom, by the style
      card.style.left = card.style.top = "";
      return;
    }
    const word = [...element.getClientRects()].at(-1) ?? element.getBoundingClientRect();
    const room = document.documentElement.clientWidth - card.offsetWidth - 12;
    const below = word.bottom + 8 + card.offsetHeight < innerHeight || word.top < card.offsetHeight + 8;
    card.style.left = `${Math.max(12, Math.min(word.left - 16, room)) + scrollX}px`;
    card.style.top = `${(below ? word.bottom + 8 : word.top - card.offsetHeight - 8) + scrollY}px`;
  }

  key(event) {
    const buttons = [...this.card.querySelectorAll("button")];
    const at = buttons.indexOf(document.activeElement);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      buttons[(at + step + buttons.length) % buttons.length].focus();
    } else if (event.key === "Escape" || event.key === "Tab") {
      event.preventDefault();
      event.stopPropagation();
      const { element } = this.at;
      this.close();
      element.focus();
    }
  }

  close() {
    clearTimeout(this.timer);
    this.card.hidden = true;
    this.previous?.classList.remove("at");
    this.at = null;
    this.pinned = false;
  }
}
