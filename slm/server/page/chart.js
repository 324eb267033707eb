// The loss curve: training and validation loss by step, with a readout at the pointer.

import { h, svg } from "./dom.js";

const MIN_WIDTH = 300;
const MAX_WIDTH = 1100;
const MAX_POINTS = 2000;
const MARGIN = { left: 36, right: 12, top: 10, bottom: 30 };

/** Losses by step. Of a long run, each point is the mean of neighbors, so that it can be drawn in time. */
export class LossSeries {
  constructor() {
    this.points = [];
    this.stride = 1; // steps that one point stands for
  }

  add(step, loss) {
    this.append({ first: step, step, loss, count: 1 });
    if (this.points.length <= MAX_POINTS) return;
    const { points } = this;
    this.points = [];
    this.stride *= 2;
    points.forEach((point) => this.append(point));
  }

  append(point) {
    const last = this.points.at(-1);
    if (!last || point.step - last.first >= this.stride) {
      this.points.push(point);
      return;
    }
    const count = last.count + point.count;
    const loss = (last.loss * last.count + point.loss * point.count) / count;
    Object.assign(last, { step: point.step, loss, count });
  }
}

/**
 * Draw two series of { step, loss }. The axis ends at the 99th percentile of the losses, so that a
 * few very high ones at the start do not flatten the rest.
 */
export function drawCurve(container, training, validation, anomalies) {
  const series = ["training", "validation", ...(anomalies.length ? ["anomaly"] : [])];
  container.replaceChildren(h("p", { class: "curve-key" }, h("span", { class: "hint" }, "Loss (nats per token) by step"),
    ...series.map((name) => h("span", { class: `line-key key-${name}` }, name))));
  // Drawn at its real size, so that the labels are as large on a phone as on a desktop.
  const width = Math.max(MIN_WIDTH, Math.min(MAX_WIDTH, innerWidthOf(container)));
  const height = Math.round(Math.max(220, Math.min(400, 0.42 * width)));
  const steps = [...training, ...validation].map((point) => point.step);
  const last = Math.max(1, ...steps);
  const losses = [...training, ...validation].map((point) => point.loss).sort((a, b) => a - b);
  const low = Math.floor(4 * (losses[0] ?? 0)) / 4;
  const high = Math.max(low + 0.5, Math.ceil(4 * (losses[Math.ceil(0.99 * (losses.length - 1))] ?? 1)) / 4);
  const x = (step) => MARGIN.left + (step / last) * (width - MARGIN.left - MARGIN.right);
  const y = (loss) => height - MARGIN.bottom
    - ((Math.min(loss, high) - low) / (high - low)) * (height - MARGIN.top - MARGIN.bottom);
  const line = (points) => points.map((point, index) =>
    `${index ? "L" : "M"}${x(point.step).toFixed(1)} ${y(point.loss).toFixed(1)}`).join("");
  const best = validation.reduce((a, b) => (b.loss < (a?.loss ?? Infinity) ? b : a), null);

  const chart = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img",
    "aria-label": description(training, validation, best) });
  for (const tick of ticks(low, high, 5)) {
    chart.append(svg("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y(tick), y2: y(tick) }),
      svg("text", { class: "tick", x: MARGIN.left - 8, y: y(tick) + 4, "text-anchor": "end" }, String(tick)));
  }
  for (const tick of ticks(0, last, width < 500 ? 4 : 6)) {
    chart.append(svg("text", { class: "tick", x: x(tick), y: height - 8, "text-anchor": "middle" },
      tick.toLocaleString("en")));
  }
  for (const step of anomalies) {
    chart.append(svg("line", { class: "anomaly", x1: x(step), x2: x(step), y1: MARGIN.top, y2: height - MARGIN.bottom }));
  }
  chart.append(svg("path", { class: "training", d: line(training) }),
    svg("path", { class: "training-mean", d: line(movingMean(training)) }),
    svg("path", { class: "validation", d: line(validation) }),
    ...validation.map((point) =>
      svg("circle", { class: "validation-point", cx: x(point.step), cy: y(point.loss), r: 3 })));
  const cursor = svg("line", { class: "cursor", y1: MARGIN.top, y2: height - MARGIN.bottom, visibility: "hidden" });
  chart.append(cursor);

  const readout = h("p", { class: "hint readout" }, bestLoss(best));
  chart.addEventListener("pointermove", (event) => {
    const box = chart.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * width;
    const step = ((at - MARGIN.left) / (width - MARGIN.left - MARGIN.right)) * last;
    const near = nearest(training, step);
    if (!near) return;
    cursor.setAttribute("x1", x(near.step));
    cursor.setAttribute("x2", x(near.step));
    cursor.setAttribute("visibility", "visible");
    const evaluation = nearest(validation.filter((point) => point.step <= near.step), near.step);
    readout.textContent = `Step ${near.step.toLocaleString("en")}: training ${near.loss.toFixed(3)}`
      + (evaluation ? `, validation ${evaluation.loss.toFixed(3)} (at step ${evaluation.step.toLocaleString("en")})` : "");
  });
  chart.addEventListener("pointerleave", () => {
    cursor.setAttribute("visibility", "hidden");
    readout.textContent = bestLoss(best);
  });
  container.append(chart, readout);
}

function innerWidthOf(container) {
  const style = getComputedStyle(container);
  return container.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
}

const bestLoss = (best) =>
  (best ? `Best validation loss: ${best.loss.toFixed(3)} at step ${best.step.toLocaleString("en")}.` : "Not evaluated yet.");

function description(training, validation, best) {
  const current = training.at(-1);
  return `Loss by step. Current training loss: ${current ? current.loss.toFixed(2) : "unknown"}. Evaluations: ${
    validation.length}. ${bestLoss(best)}`;
}

function nearest(points, step) {
  let best = null;
  for (const point of points) {
    if (!best || Math.abs(point.step - step) < Math.abs(best.step - step)) best = point;
  }
  return best;
}

/** Each loss averaged with its neighbors: equally many on both sides, fewer after it near the end. */
function movingMean(points) {
  const reach = Math.ceil(points.length / 80);
  return points.map((point, index) => {
    const side = Math.min(reach, index);
    const window = points.slice(index - side, index + side + 1);
    return { step: point.step, loss: window.reduce((sum, one) => sum + one.loss, 0) / window.length };
  });
}

/** About `count` round numbers from low to high. */
export function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
  const found = [];
  for (let tick = Math.ceil(low / step - 1e-9) * step; tick <= high + 1e-9; tick += step) found.push(Number(tick.toFixed(6)));
  return found;
}
