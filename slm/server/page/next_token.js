// The candidates for the next token, with two probabilities: the model's, and that after the sampling settings.

import { requestJson } from "./api.js";
import { clearError, showError } from "./announce.js";
import { byId, compact, h, latest, percent, spokenToken, tokenText } from "./dom.js";
import { filtersOf } from "./settings.js";

const CANDIDATES = 12;

const keyOf = (model, ids) => `${model} ${ids.join(",")}`;

export class NextToken {
  /** `choose(token)` is called with the candidate that the user selects. */
  constructor(choose) {
    this.choose = choose;
    this.list = byId("next");
    this.rows = [];
    this.update = latest((body) => this.fetch(body));
  }

  /** Show the candidates after these ids under these settings. */
  show(model, ids, settings) {
    this.requested = keyOf(model, ids);
    this.list.setAttribute("aria-busy", this.requested !== this.shown);
    return this.update({ model, ids, ...filtersOf(settings), top: CANDIDATES });
  }

  /** Mark the candidates as out of date while the story is generated. */
  suspend() {
    this.requested = null;
    this.list.setAttribute("aria-busy", "true");
  }

  async fetch(body) {
    try {
      this.draw(await requestJson("/insight/next", body));
      this.shown = keyOf(body.model, body.ids);
      this.list.setAttribute("aria-busy", this.requested !== this.shown);
      clearError("next");
    } catch (error) {
      showError(error, "next");
    }
  }

  draw(answer) {
    const highest = Math.max(answer.candidates[0]?.probability ?? 0,
      ...answer.candidates.map((candidate) => candidate.sampled), 0.001);
    while (this.rows.length < answer.candidates.length) this.rows.push(this.makeRow());
    this.rows.forEach((row, index) => this.fill(row, answer.candidates[index], highest));
    byId("next-summary").textContent = `${compact(answer.kept)} of ${compact(answer.vocab_size)} can be sampled here. `
      + `Entropy: ${answer.entropy.toFixed(1)} bits (model), ${answer.sampled_entropy.toFixed(1)} bits (sampling).`;
  }

  makeRow() {
    const text = h("span", { class: "candidate-text" });
    const modelBar = h("span", { class: "model-bar" });
    const sampledBar = h("span", { class: "sampled-bar" });
    const value = h("span", { class: "value" });
    const button = h("button", { type: "button", class: "candidate" },
      text, h("span", { class: "track", "aria-hidden": "true" }, modelBar, sampledBar), value);
    const row = { item: h("li", {}, button), button, text, modelBar, sampledBar, value, token: null };
    // A candidate that belongs to an earlier position cannot be chosen.
    button.addEventListener("click", () => row.token && this.requested === this.shown && this.choose(row.token));
    this.list.append(row.item);
    return row;
  }

  fill(row, candidate, highest) {
    row.token = candidate ?? null;
    row.item.hidden = !candidate;
    if (!candidate) return;
    row.text.textContent = tokenText(candidate);
    row.modelBar.style.width = `${(100 * candidate.probability) / highest}%`;
    row.sampledBar.style.width = `${(100 * candidate.sampled) / highest}%`;
    row.value.textContent = percent(candidate.sampled);
    row.button.classList.toggle("filtered-out", candidate.sampled === 0);
    row.button.setAttribute("aria-label", `${spokenToken(candidate)}: model probability ${
      percent(candidate.probability)}, sampling probability ${percent(candidate.sampled)}. Append to the story.`);
  }
}
