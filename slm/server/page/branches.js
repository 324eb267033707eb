// The tree of stories as a list in a list: a stretch of story, and below it the ways on from there.

import { h } from "./dom.js";
import { pathTo } from "./tree.js";

const LONGEST = 60;

/** Draw the tree; `choose(node)` is called with the end of the story that someone chooses. */
export function drawBranches(place, sheet, choose) {
  const chosen = new Set(pathTo(sheet.current));
  chosen.add(sheet.tree.root);
  place.replaceChildren(list([sheet.tree.stretches()], sheet, chosen, choose));
}

export function countStories(tree) {
  const count = (stretch) => (stretch.children.length ? stretch.children.reduce((n, c) => n + count(c), 0) : 1);
  return count(tree.stretches());
}

function list(stretches, sheet, chosen, choose) {
  return h("ul", { class: "branch" }, ...stretches.map((stretch) => {
    const on = chosen.has(stretch.end) || (chosen.has(stretch.start) && stretch.start.parent !== null);
    return h("li", {},
      h("button", { type: "button", class: on ? "stretch on" : "stretch", "aria-current": on ? "true" : null,
        onclick: () => choose(sheet.tree.leaf(stretch.end)) }, shortened(stretch)),
      stretch.children.length ? list(stretch.children, sheet, chosen, choose) : null);
  }));
}

function shortened(stretch) {
  const text = stretch.text.replace(/\s+/g, " ").trim();
  if (!text) return stretch.start.parent ? "(the end)" : "(the beginning)";
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST).trimEnd()} …`;
}
