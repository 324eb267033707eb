// A curve of losses: training lightly, validation clearly, and a reading line to point along it.

import { h, svg } from "./dom.js";

const WIDTH = 800;
const HEIGHT = 320;
const MARGIN = { left: 44, right: 16, top: 14, bottom: 34 };

/**
 * Draw two series of { step, loss } into a place.
 * A few very high losses at the beginning do not flatten the rest.
 */
export function drawCurve(place, training, validation, anomalies) {
  const steps = [...training, ...validation].map((point) => point.step);
  const last = Math.max(1, ...steps);
  const losses = [...training, ...validation].map((point) => point.loss).sort((a, b) => a - b);
  const low = Math.floor(4 * (losses[0] ?? 0)) / 4;
  const high = Math.max(low + 0.5, Math.ceil(4 * (losses[Math.ceil(0.99 * (losses.length - 1))] ?? 1)) / 4);
  const x = (step) => MARGIN.left + (step / last) * (WIDTH - MARGIN.left - MARGIN.right);
  const y = (loss) => HEIGHT - MARGIN.bottom
    - ((Math.min(loss, high) - low) / (high - low)) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  const line = (points) => points.map((point, at) => `${at ? "L" : "M"}${x(point.step).toFixed(1)} ${y(point.loss).toFixed(1)}`).join("");
  const best = validation.reduce((a, b) => (b.loss < (a?.loss ?? Infinity) ? b : a), null);

  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img",
    "aria-label": spokenCurve(training, validation, best) });
  for (const tick of ticks(low, high, 5)) {
    picture.append(svg("line", { class: "grid", x1: MARGIN.left, x2: WIDTH - MARGIN.right, y1: y(tick), y2: y(tick) }),
      svg("text", { class: "tick", x: MARGIN.left - 8, y: y(tick) + 4, "text-anchor": "end" }, String(tick)));
  }
  for (const tick of ticks(0, last, 6)) {
    picture.append(svg("text", { class: "tick", x: x(tick), y: HEIGHT - 10, "text-anchor": "middle" }, tick.toLocaleString("en")));
  }
  for (const step of anomalies) {
    picture.append(svg("line", { class: "odd", x1: x(step), x2: x(step), y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom }));
  }
  picture.append(svg("path", { class: "training", d: line(training) }), svg("path", { class: "smooth", d: line(smoothed(training)) }),
    svg("path", { class: "validation", d: line(validation) }),
    ...validation.map((point) => svg("circle", { class: "validation-point", cx: x(point.step), cy: y(point.loss), r: 3 })));
  const cursor = svg("line", { class: "cursor", y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom, visibility: "hidden" });
  picture.append(cursor);

  const reading = h("p", { class: "hint reading-line" }, resting(best));
  picture.addEventListener("pointermove", (event) => {
    const box = picture.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * WIDTH;
    const step = ((at - MARGIN.left) / (WIDTH - MARGIN.left - MARGIN.right)) * last;
    const near = nearest(training, step);
    if (!near) return;
    cursor.setAttribute("x1", x(near.step));
    cursor.setAttribute("x2", x(near.step));
    cursor.setAttribute("visibility", "visible");
    const check = nearest(validation.filter((point) => point.step <= near.step), near.step);
    reading.textContent = `Step ${near.step.toLocaleString("en")}: training ${near.loss.toFixed(3)}`
      + (check ? `, validation ${check.loss.toFixed(3)} (at step ${check.step.toLocaleString("en")})` : "");
  });
  picture.addEventListener("pointerleave", () => {
    cursor.setAttribute("visibility", "hidden");
    reading.textContent = resting(best);
  });
  place.replaceChildren(h("p", { class: "curve-key" }, h("span", { class: "key-training" }, "training"),
    h("span", { class: "key-validation" }, "validation"), h("span", { class: "hint" }, "loss in nats a token, by steps")),
    picture, reading);
}

const resting = (best) => (best ? `Best validation loss: ${best.loss.toFixed(3)} at step ${best.step.toLocaleString("en")}.` : "Not evaluated yet.");

function spokenCurve(training, validation, best) {
  const now = training.at(-1);
  return `Loss by steps. Training loss now ${now ? now.loss.toFixed(2) : "unknown"}. ${validation.length} evaluations. ${resting(best)}`;
}

function nearest(points, step) {
  let best = null;
  for (const point of points) {
    if (!best || Math.abs(point.step - step) < Math.abs(best.step - step)) best = point;
  }
  return best;
}

/** The mean of each point and its neighbours, so that the trend is seen in the noise. */
function smoothed(points) {
  const reach = Math.ceil(points.length / 80);
  return points.map((point, at) => {
    const side = Math.min(reach, at, points.length - 1 - at); // as many before it as behind it
    const near = points.slice(at - side, at + side + 1);
    return { step: point.step, loss: near.reduce((sum, one) => sum + one.loss, 0) / near.length };
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
