// Making elements, without a framework and without markup from text.

/**
 * An element with attributes and children: h("p", { class: "hint", onclick: f }, "text", child).
 * Attributes that are false, null or undefined are left out; those that are true have no value.
 */
export function h(tag, attributes = {}, ...children) {
  return dress(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
  return dress(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function dress(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export const byId = (id) => document.getElementById(id);

/** A share as people read it: 42 %, 3.1 %, <0.1 %. */
export function percent(share) {
  const value = 100 * share;
  if (value >= 9.95) return `${Math.round(value)} %`;
  if (value >= 0.1) return `${value.toFixed(1)} %`;
  return value > 0 ? "<0.1 %" : "0 %";
}

/** A token as it is shown by itself: white space is seen. */
export function visible(token) {
  if (token.kind === "end") return "the end";
  if (token.text === "") return "▯"; // a part of a character
  return token.text.replace(/\n/g, "↵").replace(/^ /, "").replace(/ /g, "␣").replace(/\t/g, "⇥") || "␣";
}

/** The name of a token for those who listen. */
export function spoken(token) {
  if (token.kind === "end") return "the end of the story";
  const names = { " ": "space", "\n": "line break", "": "part of a character", ".": "full stop",
    ",": "comma", "!": "exclamation mark", "?": "question mark", '"': "quotation mark", "'": "apostrophe" };
  return names[token.text] ?? names[token.text.trim()] ?? token.text.trim();
}

/** 1,234 and 12.3 k and 1.62 M. */
export function short(number) {
  if (number >= 1e6) return `${(number / 1e6).toPrecision(3)} M`;
  if (number >= 1e5) return `${Math.round(number / 1e3)} k`;
  return Math.round(number).toLocaleString("en");
}

/**
 * Work of which only the newest is wanted: while one is under way, the newest of those that come
 * meanwhile waits, and takes its turn.
 */
export function latest(work) {
  let busy = false;
  let waiting = null;
  return async function run(...words) {
    if (busy) {
      waiting = words;
      return;
    }
    busy = true;
    try {
      await work(...words);
      while (waiting) {
        const next = waiting;
        waiting = null;
        await work(...next);
      }
    } finally {
      busy = false;
    }
  };
}
