// A training run while it goes on: figures, the curve, and the stories it tells.

import { ask } from "./api.js";
import { calm, complain } from "./announce.js";
import { drawCurve } from "./chart.js";
import { byId, h, short } from "./dom.js";

const EVERY = 2000; // milliseconds between two looks
const QUIET = 20; // seconds after which a last evaluation was the last
const SILENT = 120; // seconds after which a run that is not done seems to stand still

export class RunView {
  constructor() {
    this.place = "";
    this.forget();
    this.timer = 0;
  }

  /** Whether this server shows a run at all. */
  async exists() {
    const { run } = await ask("/run");
    if (run) this.describe(run);
    return run !== null;
  }

  enter() {
    clearTimeout(this.timer);
    this.look();
  }

  leave() {
    clearTimeout(this.timer);
  }

  forget() {
    this.training = [];
    this.validation = [];
    this.stories = [];
    this.anomalies = [];
    this.newest = null;
    this.check = null;
  }

  describe(run) {
    byId("run-title").textContent = run.name;
    this.settings = run.settings;
  }

  async look() {
    try {
      if (!this.settings) this.describe((await ask("/run")).run);
      let answer;
      do {
        answer = await ask(`/run/records?after=${encodeURIComponent(this.place)}`);
        if (answer.restarted) this.forget();
        this.place = answer.place;
        answer.records.forEach((record) => this.take(record));
      } while (answer.more);
      this.secondsAgo = answer.seconds_ago;
      this.draw();
      calm("run");
    } catch (error) {
      complain(error, "run");
    }
    clearTimeout(this.timer);
    if (!byId("run").hidden) this.timer = setTimeout(() => this.look(), this.isDone ? 5 * EVERY : EVERY);
  }

  take(record) {
    if (record.kind === "train") {
      this.newest = record;
      if (typeof record.loss === "number") this.training.push({ step: record.step, loss: record.loss });
    } else if (record.kind === "validation") {
      this.check = record;
      if (typeof record.loss === "number") this.validation.push({ step: record.step, loss: record.loss });
    } else if (record.kind === "sample") {
      this.stories.unshift(record);
    } else if (record.kind === "anomaly") {
      this.anomalies.push(record.step);
    }
  }

  /** A run by the clock ends a little before its time, with an evaluation of its last step. */
  get isDone() {
    if (this.newest === null) return false;
    return this.newest.progress >= 0.9999
      || (this.newest.progress > 0.9 && this.check?.step === this.newest.step && this.secondsAgo > QUIET);
  }

  draw() {
    const { newest, check } = this;
    byId("run-status").textContent = this.status();
    const state = `${this.isDone} ${this.place}`;
    if (state === this.drawn) return;
    this.drawn = state;
    const left = newest && newest.progress > 0 && !this.isDone
      ? (newest.elapsed_seconds * (1 - newest.progress)) / newest.progress : 0;
    const figures = [
      ["done", this.isDone ? "all" : newest ? `${Math.floor(100 * newest.progress)} %` : "–"],
      ["left", this.isDone ? "none" : left ? time(left) : "–"],
      ["step", newest ? newest.step.toLocaleString("en") : "–"],
      ["tokens read", newest ? short(newest.tokens) : "–"],
      ["tokens/s", newest ? short(newest.tokens_per_second) : "–"],
      ["training loss", newest?.loss?.toFixed(3) ?? "–"],
      ["validation loss", check?.loss?.toFixed(3) ?? "–"],
      ["bits per byte", check?.bits_per_byte?.toFixed(3) ?? "–"],
    ];
    const bar = h("progress", { max: 1, value: this.isDone ? 1 : newest?.progress ?? 0, "aria-label": "How much of the run is done" });
    byId("run-figures").replaceChildren(bar, h("dl", {}, ...figures.flatMap(([name, value]) =>
      [h("div", {}, h("dt", {}, name), h("dd", {}, value))])));
    if (this.training.length) drawCurve(byId("run-curve"), this.training, this.validation, this.anomalies);
    this.drawStories();
  }

  status() {
    if (!this.newest) return "The run has not made a step yet.";
    const trained = `trained for ${time(this.newest.elapsed_seconds)}`;
    if (this.isDone) return `Done; ${trained}.`;
    if (this.secondsAgo > SILENT) return `Nothing new for ${time(this.secondsAgo)}: stopped, perhaps. ${trained[0].toUpperCase()}${trained.slice(1)}.`;
    return `Running; ${trained} so far.`;
  }

  drawStories() {
    const place = byId("run-stories");
    if (!this.stories.length) {
      place.replaceChildren(h("p", { class: "hint" }, "The model tells a story whenever it is evaluated. None yet."));
      return;
    }
    place.replaceChildren(...this.stories.map((story) => h("article", { class: "excerpt" },
      h("h3", {}, `After step ${story.step.toLocaleString("en")}`),
      h("p", { lang: "en" }, h("span", { class: "by-you" }, story.prompt), story.text))));
  }
}

/** 42 s, 3 min 5 s, 2 h 10 min. */
function time(seconds) {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}
