// What may come next: the model's own odds, and what the sliders make of them.

import { ask } from "./api.js";
import { calm, complain } from "./announce.js";
import { byId, h, latest, percent, short, spoken, visible } from "./dom.js";
import { filtersOf } from "./settings.js";

const SHOWN = 12;

const placeOf = (model, ids) => `${model} ${ids.join(",")}`;

export class NextWord {
  /** `choose(token)` is called with the candidate that someone takes. */
  constructor(choose) {
    this.choose = choose;
    this.list = byId("next");
    this.rows = [];
    this.update = latest((question) => this.fetch(question));
  }

  /** Show what may come after these ids under these settings. */
  show(model, ids, settings) {
    this.wanted = placeOf(model, ids);
    this.list.setAttribute("aria-busy", this.wanted !== this.shown);
    return this.update({ model, ids, ...filtersOf(settings), top: SHOWN });
  }

  /** The story is being told: what is shown is of a place that it has left. */
  leave() {
    this.wanted = null;
    this.list.setAttribute("aria-busy", "true");
  }

  async fetch(question) {
    try {
      this.draw(await ask("/insight/next", question));
      this.shown = placeOf(question.model, question.ids);
      this.list.setAttribute("aria-busy", this.wanted !== this.shown);
      calm("next");
    } catch (error) {
      complain(error, "next");
    }
  }

  draw(found) {
    const most = Math.max(found.candidates[0]?.probability ?? 0,
      ...found.candidates.map((candidate) => candidate.sampled), 0.001);
    while (this.rows.length < found.candidates.length) this.rows.push(this.makeRow());
    this.rows.forEach((row, place) => this.fill(row, found.candidates[place], most));
    const words = found.kept === 1 ? "Only one token" : `${short(found.kept)} of ${short(found.vocab_size)} tokens`;
    byId("next-summary").textContent = `${words} can come; ${found.entropy.toFixed(1)} bits of doubt, `
      + `${found.sampled_entropy.toFixed(1)} after the sliders.`;
  }

  makeRow() {
    const word = h("span", { class: "word" });
    const own = h("span", { class: "own" });
    const sampled = h("span", { class: "sampled" });
    const figure = h("span", { class: "figure" });
    const button = h("button", { type: "button", class: "candidate" },
      word, h("span", { class: "track", "aria-hidden": "true" }, own, sampled), figure);
    const row = { item: h("li", {}, button), button, word, own, sampled, figure, token: null };
    // What is still shown for an earlier place is not to be had at this one.
    button.addEventListener("click", () => row.token && this.wanted === this.shown && this.choose(row.token));
    this.list.append(row.item);
    return row;
  }

  fill(row, candidate, most) {
    row.token = candidate ?? null;
    row.item.hidden = !candidate;
    if (!candidate) return;
    row.word.textContent = visible(candidate);
    row.own.style.width = `${(100 * candidate.probability) / most}%`;
    row.sampled.style.width = `${(100 * candidate.sampled) / most}%`;
    row.figure.textContent = percent(candidate.sampled);
    row.button.classList.toggle("dropped", candidate.sampled === 0);
    row.button.setAttribute("aria-label", `${spoken(candidate)}: drawn ${percent(candidate.sampled)}, `
      + `the model's own ${percent(candidate.probability)}. Add it to the story.`);
  }
}
