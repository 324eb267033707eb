// The Training view: metrics, the loss curve and the samples of a run in progress.

import { requestJson } from "./api.js";
import { clearError, showError } from "./announce.js";
import { drawCurve, LossSeries } from "./chart.js";
import { OverTimeView } from "./over_time.js";
import { byId, compact, h, latest } from "./dom.js";

const POLL_INTERVAL = 2000; // milliseconds
const FINISHED_AFTER = 20; // seconds of silence after which an evaluation counts as the final one
const STALLED_AFTER = 120; // seconds of silence after which an unfinished run may have stopped

export class RunView {
  constructor() {
    this.cursor = "";
    this.reset();
    this.timer = 0;
    this.overTime = new OverTimeView();
    this.poll = latest(() => this.readNew()); // two requests with one cursor would get the same records
  }

  /** Whether the server has a run to show. */
  async exists() {
    const { run } = await requestJson("/run");
    if (run) this.setRun(run);
    return run !== null;
  }

  enter() {
    clearTimeout(this.timer);
    this.poll();
    this.overTime.load();
  }

  leave() {
    clearTimeout(this.timer);
    this.overTime.stop();
  }

  reset() {
    this.training = new LossSeries();
    this.validation = [];
    this.samples = [];
    this.anomalies = [];
    this.lastStep = null;
    this.lastEvaluation = null;
  }

  setRun(run) {
    byId("run-title").textContent = run.name;
    this.settings = run.settings;
  }

  async readNew() {
    try {
      if (!this.settings) this.setRun((await requestJson("/run")).run);
      let answer;
      do {
        answer = await requestJson(`/run/records?after=${encodeURIComponent(this.cursor)}`);
        if (answer.restarted) this.reset();
        this.cursor = answer.cursor;
        answer.records.forEach((record) => this.add(record));
      } while (answer.more);
      this.secondsAgo = answer.seconds_ago;
      this.draw();
      clearError("run");
    } catch (error) {
      showError(error, "run");
    }
    clearTimeout(this.timer);
    const interval = this.isFinished ? 5 * POLL_INTERVAL : POLL_INTERVAL;
    if (!byId("run").hidden) this.timer = setTimeout(() => this.poll(), interval);
  }

  add(record) {
    if (record.kind === "train") {
      this.lastStep = record;
      if (typeof record.loss === "number") this.training.add(record.step, record.loss);
    } else if (record.kind === "validation") {
      this.lastEvaluation = record;
      if (typeof record.loss === "number") this.validation.push({ step: record.step, loss: record.loss });
    } else if (record.kind === "sample") {
      this.samples.unshift(record);
    } else if (record.kind === "anomaly") {
      this.anomalies.push(record.step);
    }
  }

  /** A run with a time budget ends slightly early, with an evaluation of its last step. */
  get isFinished() {
    if (this.lastStep === null) return false;
    return this.lastStep.progress >= 0.9999
      || (this.lastStep.progress > 0.9 && this.lastEvaluation?.step === this.lastStep.step
        && this.secondsAgo > FINISHED_AFTER);
  }

  draw() {
    const { lastStep, lastEvaluation } = this;
    byId("run-status").textContent = this.status();
    const state = `${this.isFinished} ${this.cursor}`;
    if (state === this.drawnState) return;
    this.drawnState = state;
    const secondsLeft = lastStep && lastStep.progress > 0 && !this.isFinished
      ? (lastStep.elapsed_seconds * (1 - lastStep.progress)) / lastStep.progress : 0;
    const metrics = [
      ["progress", this.isFinished ? "100%" : lastStep ? `${Math.floor(100 * lastStep.progress)}%` : "–"],
      ["time left", secondsLeft ? duration(secondsLeft) : "–"],
      ["step", lastStep ? lastStep.step.toLocaleString("en") : "–"],
      ["tokens", lastStep ? compact(lastStep.tokens) : "–"],
      ["tokens/s", lastStep ? compact(lastStep.tokens_per_second) : "–"],
      ["training loss", lastStep?.loss?.toFixed(3) ?? "–"],
      ["validation loss", lastEvaluation?.loss?.toFixed(3) ?? "–"],
      ["bits per byte", lastEvaluation?.bits_per_byte?.toFixed(3) ?? "–"],
    ];
    const bar = h("progress", { max: 1, value: this.isFinished ? 1 : lastStep?.progress ?? 0,
      "aria-label": "Progress of the run" });
    byId("run-metrics").replaceChildren(bar, h("dl", {}, ...metrics.flatMap(([name, value]) =>
      [h("div", {}, h("dt", {}, name), h("dd", {}, value))])));
    if (this.training.points.length) drawCurve(byId("run-curve"), this.training.points, this.validation, this.anomalies);
    this.drawSamples();
    this.overTime.load(); // a run in progress has kept more checkpoints
  }

  status() {
    if (!this.lastStep) return "No training step yet.";
    const trained = duration(this.lastStep.elapsed_seconds);
    if (this.isFinished) return `Finished. Training time: ${trained}.`;
    const silence = this.secondsAgo > STALLED_AFTER
      ? `No new records for ${duration(this.secondsAgo)}; the run may have stopped.` : "Running.";
    return `${silence} Training time so far: ${trained}.`;
  }

  drawSamples() {
    const container = byId("run-samples");
    if (!this.samples.length) {
      container.replaceChildren(h("p", { class: "hint" }, "No samples yet. The model writes one at each evaluation."));
      return;
    }
    container.replaceChildren(...this.samples.map((sample) => h("article", { class: "sample" },
      h("h3", {}, `Step ${sample.step.toLocaleString("en")}`),
      h("p", { lang: "en" }, h("span", { class: "sample-prompt" }, sample.prompt), sample.text))));
  }
}

/** 42 s, 3 min 5 s, 2 h 10 min. */
function duration(seconds) {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}
