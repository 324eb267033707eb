// The story tree as nested lists: a segment of text, and below it the branches that continue it.

import { h } from "./dom.js";
import { pathTo } from "./tree.js";

const MAX_CHARACTERS = 60;

/** Draw a pane's tree; `choose(node)` is called with the last node of the story the user selects. */
export function drawBranches(container, pane, choose) {
  const chosen = new Set(pathTo(pane.current));
  chosen.add(pane.tree.root);
  container.replaceChildren(list([pane.tree.segments()], pane, chosen, choose));
}

export function countStories(tree) {
  const count = (segment) => (segment.children.length ? segment.children.reduce((n, c) => n + count(c), 0) : 1);
  return count(tree.segments());
}

function list(segments, pane, chosen, choose) {
  return h("ul", { class: "branch" }, ...segments.map((segment) => {
    const on = chosen.has(segment.end) || (chosen.has(segment.start) && segment.start.parent !== null);
    return h("li", {},
      h("button", { type: "button", class: on ? "segment on" : "segment", "aria-current": on ? "true" : null,
        onclick: () => choose(pane.tree.leaf(segment.end)) }, shortened(segment)),
      segment.children.length ? list(segment.children, pane, chosen, choose) : null);
  }));
}

function shortened(segment) {
  const text = segment.text.replace(/\s+/g, " ").trim();
  if (!text) return segment.start.parent ? "(end of story)" : "(start of story)";
  return text.length <= MAX_CHARACTERS ? text : `${text.slice(0, MAX_CHARACTERS).trimEnd()} …`;
}
