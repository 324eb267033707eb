// The candidates for the next token, with two probabilities: the model's, and that after the sampling settings.

import { requestJson } from "./api.js";
import { clearError, showError } from "./announce.js";
import { byId, compact, h, latest, percent, spokenToken, tokenText } from "./dom.js";
import { entropyBits, sampledProbabilities } from "./distribution.js";

const CANDIDATES = 10;

const keyOf = (model, ids) => `${model} ${ids.join(",")}`;

export class NextToken {
  /** `choose(token)` is called with the candidate that the user selects. */
  constructor(choose) {
    this.choose = choose;
    this.list = byId("next");
    this.summary = ""; // of what is drawn, in words
    this.rows = Array.from({ length: CANDIDATES }, () => this.makeRow());
    this.rest = makeRest();
    this.list.append(...this.rows.map((row) => row.item), this.rest.item);
    this.update = latest((model, ids) => this.fetch(model, ids));
  }

  /** Show the candidates after these ids under these settings. Other settings need no request. */
  show(model, ids, settings) {
    this.settings = settings;
    this.requested = keyOf(model, ids);
    if (this.isCurrent) this.draw();
    else this.update(model, ids);
    this.list.setAttribute("aria-busy", !this.isCurrent);
  }

  /** Mark the candidates as out of date while the story is generated. */
  suspend() {
    this.requested = null;
    this.list.setAttribute("aria-busy", "true");
  }

  /** Whether the candidates belong to the position that was requested last. */
  get isCurrent() {
    return this.requested === this.shown;
  }

  async fetch(model, ids) {
    const key = keyOf(model, ids);
    try {
      const answer = await requestJson("/insight/next", { model, ids, top: CANDIDATES, logprobs: true });
      if (this.requested !== key) return; // the story has changed meanwhile
      this.answer = answer;
      this.shown = key;
      this.draw();
      this.list.setAttribute("aria-busy", "false");
      clearError("next");
    } catch (error) {
      showError(error, "next");
    }
  }

  draw() {
    const { candidates, logprobs, vocab_size } = this.answer;
    const sampled = sampledProbabilities(logprobs, this.settings);
    this.rows.forEach((row, rank) => this.fill(row, candidates[rank], sampled[rank] ?? 0));
    const others = vocab_size - candidates.length;
    const rest = 1 - total(candidates.map((candidate) => candidate.probability));
    this.rest.item.hidden = others === 0;
    this.rest.text.textContent = `${compact(others)} others`;
    setBars(this.rest, Math.max(0, rest), Math.max(0, 1 - total(sampled.slice(0, candidates.length))));
    const entropy = entropyBits(logprobs.map(Math.exp));
    this.summary = `${compact(sampled.length)} of ${compact(vocab_size)} can be sampled here. `
      + `Entropy: ${entropy.toFixed(1)} bits (model), ${entropyBits(sampled).toFixed(1)} bits (sampling).`;
    byId("next-summary").textContent = this.summary;
  }

  makeRow() {
    const bars = makeBars();
    const button = h("button", { type: "button", class: "candidate" }, ...bars.parts);
    const row = { item: h("li", {}, button), button, token: null, ...bars };
    // A candidate that belongs to an earlier position cannot be chosen.
    button.addEventListener("click", () => row.token && this.isCurrent && this.choose(row.token));
    return row;
  }

  fill(row, candidate, sampled) {
    row.token = candidate ?? null;
    row.item.hidden = !candidate;
    if (!candidate) return;
    row.text.textContent = tokenText(candidate);
    setBars(row, candidate.probability, sampled);
    row.button.classList.toggle("filtered-out", sampled === 0);
    row.button.setAttribute("aria-label", `${spokenToken(candidate)}: model probability ${
      percent(candidate.probability)}, sampling probability ${percent(sampled)}. Append to the story.`);
  }
}

/** The row of all tokens that are not listed; it cannot be chosen. */
function makeRest() {
  const bars = makeBars();
  return { item: h("li", { class: "candidate rest" }, ...bars.parts), ...bars };
}

function makeBars() {
  const text = h("span", { class: "candidate-text" });
  const modelBar = h("span", { class: "model-bar" });
  const sampledBar = h("span", { class: "sampled-bar" });
  const value = h("span", { class: "value" });
  const track = h("span", { class: "track", "aria-hidden": "true" }, modelBar, sampledBar);
  return { text, modelBar, sampledBar, value, parts: [text, track, value] };
}

/** Both bars on a scale from 0 to 1, so that all bars of a kind have the same length in total. */
function setBars(row, probability, sampled) {
  row.modelBar.style.width = percentage(probability);
  row.sampledBar.style.width = percentage(sampled);
  row.value.textContent = percent(sampled);
}

const percentage = (fraction) => `${100 * fraction}%`;

const total = (numbers) => numbers.reduce((sum, number) => sum + number, 0);
