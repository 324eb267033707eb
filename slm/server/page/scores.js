// Small pictures of scores over the steps of a run, one for each score, with a cursor at one step.

import { h, svg } from "./dom.js";

const WIDTH = 200;
const HEIGHT = 84;
const INSET = 4; // room for dots and thick lines

/**
 * Draw panels of { title, low, high, chance, lines: [{ name, half_at_step, points }] } whose points are
 * [step, value, low, high]. Returns a function that moves the cursor of all panels to a step.
 */
export function drawScores(container, panels) {
  const steps = panels.flatMap((panel) => panel.lines.flatMap((line) => line.points.map((point) => point[0])));
  const first = Math.log(Math.max(1, Math.min(...steps)));
  const last = Math.log(Math.max(...steps));
  const x = (step) => INSET
    + ((Math.log(Math.max(1, step)) - first) / Math.max(last - first, 1e-9)) * (WIDTH - 2 * INSET);
  const drawn = panels.map((panel) => drawScore(panel, x));
  container.replaceChildren(h("div", { class: "scores" }, ...drawn.map((one) => one.figure)));
  return (step) => drawn.forEach((one) => one.moveTo(step));
}

function drawScore(panel, x) {
  const y = (value) => HEIGHT - INSET
    - ((value - panel.low) / Math.max(panel.high - panel.low, 1e-9)) * (HEIGHT - 2 * INSET);
  const at = (step, value) => `${x(step).toFixed(1)} ${y(value).toFixed(1)}`;
  const figures = h("span");
  const chart = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": description(panel) });
  for (const edge of [panel.low, panel.high]) {
    chart.append(svg("line", { class: "axis", x1: 0, x2: WIDTH, y1: y(edge), y2: y(edge) }));
  }
  if (panel.chance !== null) {
    chart.append(svg("line", { class: "chance", x1: 0, x2: WIDTH, y1: y(panel.chance), y2: y(panel.chance) }));
  }
  panel.lines.forEach((line, number) => {
    const upper = line.points.map(([step, , , high]) => at(step, high));
    const lower = line.points.map(([step, , low]) => at(step, low)).reverse();
    const half = line.points.find(([step]) => step === line.half_at_step);
    chart.append(svg("g", number ? { class: "held-out" } : {},
      svg("path", { class: "interval", d: `M${[...upper, ...lower].join("L")}Z` }),
      svg("path", { class: "line", d: `M${line.points.map(([step, value]) => at(step, value)).join("L")}` }),
      half ? svg("circle", { class: "half", cx: x(half[0]), cy: y(half[1]), r: 4 }) : null));
  });
  const cursor = svg("line", { class: "cursor", y1: 0, y2: HEIGHT, visibility: "hidden" });
  chart.append(cursor);
  const moveTo = (step) => {
    cursor.setAttribute("x1", x(step));
    cursor.setAttribute("x2", x(step));
    cursor.setAttribute("visibility", "visible");
    figures.textContent = panel.lines.map((line) => valueAt(line, step, panel.high)).join(" / ");
  };
  return { figure: h("figure", { class: "score" }, h("figcaption", {}, h("span", {}, panel.title), figures), chart), moveTo };
}

const shown = (value, high) => value.toFixed(high > 20 ? 0 : 3);

/** The value of the last checkpoint up to a step that has one. */
function valueAt(line, step, high) {
  const before = line.points.filter((point) => point[0] <= step).at(-1);
  return before ? shown(before[1], high) : "–";
}

function description(panel) {
  return panel.lines.map((line) => {
    const [first, last] = [line.points[0], line.points.at(-1)];
    const half = line.half_at_step === null ? "" : `, half of it by step ${line.half_at_step.toLocaleString("en")}`;
    return `${line.name}: from ${shown(first[1], panel.high)} at step ${first[0].toLocaleString("en")} to ${
      shown(last[1], panel.high)} at step ${last[0].toLocaleString("en")}${half}.`;
  }).join(" ");
}
