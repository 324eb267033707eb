// How a run learned: every checkpoint that it has kept continues one prompt, next to the scores over time.

import { announce, clearError, showError } from "./announce.js";
import { requestJson } from "./api.js";
import { byId, h, latest } from "./dom.js";
import { drawScores } from "./scores.js";

const FEWEST = 3; // checkpoints; a run without a ladder has two
const PROMPT = "Once upon a time";

export class OverTimeView {
  constructor() {
    this.steps = [];
    this.texts = new Map(); // by step, for the current prompt and seed
    this.written = null; // the prompt and the seed of the texts
    this.writing = null; // an AbortController
    this.moveCursor = () => {};
    byId("over-time-prompt").value = PROMPT;
    byId("over-time-form").addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.writing) this.stop();
      else this.write();
    });
    byId("over-time-prompt").addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      byId("over-time-form").requestSubmit();
    });
    byId("over-time-step").addEventListener("input", () => {
      this.follows = false;
      this.show();
    });
    this.load = latest(() => this.read());
  }

  get step() {
    return this.steps[Number(byId("over-time-step").value)];
  }

  /** Ask for the checkpoints and the scores, and draw what has changed. */
  async read() {
    let answer;
    try {
      answer = await requestJson("/run/over-time");
      clearError("over-time");
    } catch (error) {
      showError(error, "over-time");
      return;
    }
    const state = JSON.stringify(answer);
    if (state === this.drawn) return;
    this.drawn = state;
    const wasLast = this.step === this.steps.at(-1);
    const before = this.step;
    this.steps = answer.steps;
    byId("over-time").hidden = this.steps.length < FEWEST;
    if (byId("over-time").hidden) return;
    byId("over-time-step").max = this.steps.length - 1;
    byId("over-time-step").value = wasLast ? this.steps.length - 1 : Math.max(0, this.steps.indexOf(before));
    this.drawScores(answer.panels);
    this.show();
  }

  drawScores(panels) {
    const container = byId("over-time-scores");
    if (!panels.length) {
      this.moveCursor = () => {};
      container.replaceChildren(h("p", { class: "hint" }, "No scores yet. ",
        h("code", {}, "slm eval --checkpoint RUN --over-time"), " tests every checkpoint of the run."));
      return;
    }
    const pictures = h("div");
    container.replaceChildren(h("p", { class: "hint" },
      `Scores from step ${this.steps[0].toLocaleString("en")} to ${this.steps.at(-1).toLocaleString("en")}, on a `
      + "logarithmic axis, and at the chosen checkpoint. All are from 0 to 100, except bits per byte. A dotted line is "
      + "what guessing gives; a dot marks where half of the change is done; the red line and the second number are for "
      + "held-out names and plots."), pictures);
    this.moveCursor = drawScores(pictures, panels);
  }

  /** Let every checkpoint continue the prompt, the selected one and the earliest ones first. */
  async write() {
    const prompt = byId("over-time-prompt").value;
    const isAgain = this.written?.prompt === prompt && this.texts.size > 0;
    this.written = { prompt, seed: isAgain ? this.written.seed + 1 : 0 };
    this.texts.clear();
    this.follows = true;
    this.writing = new AbortController();
    const { signal } = this.writing;
    byId("over-time-write").textContent = "Stop";
    try {
      for (let step = this.nextStep(); step !== undefined; step = this.nextStep()) {
        if (this.follows) byId("over-time-step").value = this.steps.indexOf(step);
        this.show();
        const body = { step, prompt, seed: this.written.seed };
        this.texts.set(step, await requestJson("/run/continue", body, signal));
        this.show();
      }
      announce(`${this.texts.size} checkpoints have continued the prompt.`);
      clearError("over-time");
    } catch (error) {
      showError(error, "over-time");
    } finally {
      this.writing = null;
      byId("over-time-write").textContent = "Write";
      this.show();
    }
  }

  nextStep() {
    if (!this.follows && !this.texts.has(this.step)) return this.step;
    return this.steps.find((step) => !this.texts.has(step));
  }

  stop() {
    this.writing?.abort();
  }

  show() {
    const { step } = this;
    if (step === undefined) return;
    const at = `step ${step.toLocaleString("en")}`;
    byId("over-time-at").textContent = at;
    const slider = byId("over-time-step");
    slider.setAttribute("aria-valuetext", at);
    slider.style.setProperty("--filled", `${(100 * slider.value) / Math.max(1, slider.max)}%`);
    this.moveCursor(step);
    byId("over-time-progress").textContent = this.writing
      ? `${this.texts.size} of ${this.steps.length} checkpoints` : "";
    const text = this.texts.get(step);
    byId("over-time-text").replaceChildren(...(text
      ? [h("span", { class: "sample-prompt" }, this.written.prompt), text.text, text.is_whole ? "" : " …"]
      : [h("span", { class: "hint" }, this.writing ? "Waiting for this checkpoint …"
        : "Press Write, then move the slider to see what the model wrote after so many steps.")]));
  }
}
