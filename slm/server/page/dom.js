// DOM helpers: elements without a framework and without HTML strings, and text for numbers and tokens.

/**
 * An element with attributes and children: h("p", { class: "hint", onclick: f }, "text", child).
 * Attributes that are false, null or undefined are omitted; true gives an empty attribute.
 */
export function h(tag, attributes = {}, ...children) {
  return withContent(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
  return withContent(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function withContent(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export const byId = (id) => document.getElementById(id);

/** A fraction as a percentage: 42%, 3.1%, <0.1%. */
export function percent(fraction) {
  const value = 100 * fraction;
  if (value >= 9.95) return `${Math.round(value)}%`;
  if (value >= 0.1) return `${value.toFixed(1)}%`;
  return value > 0 ? "<0.1%" : "0%";
}

/** A token's text shown on its own, with visible white space. */
export function tokenText(token) {
  if (token.kind === "end") return "end of text";
  if (token.text === "") return "▯"; // part of a character
  return token.text.replace(/\n/g, "↵").replace(/^ /, "").replace(/ /g, "␣").replace(/\t/g, "⇥") || "␣";
}

const SPOKEN = { " ": "space", "\n": "newline", "": "part of a character", ".": "period", ",": "comma",
  "!": "exclamation point", "?": "question mark", '"': "quotation mark", "'": "apostrophe" };

/** A token's name for screen readers. */
export function spokenToken(token) {
  if (token.kind === "end") return "end of text";
  return SPOKEN[token.text] ?? SPOKEN[token.text.trim()] ?? token.text.trim();
}

/** 1,234 and 123k and 1.62M. */
export function compact(number) {
  if (number >= 1e6) return `${(number / 1e6).toPrecision(3)}M`;
  if (number >= 1e5) return `${Math.round(number / 1e3)}k`;
  return Math.round(number).toLocaleString("en");
}

/**
 * Wraps an async function so that one call runs at a time. Of the calls made meanwhile, only the
 * last one runs afterwards.
 */
export function latest(work) {
  let busy = false;
  let waiting = null;
  return async function run(...args) {
    if (busy) {
      waiting = args;
      return;
    }
    busy = true;
    try {
      await work(...args);
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
