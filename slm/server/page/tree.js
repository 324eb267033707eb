// The story tree: each node is a token, each path from the root a story.

import { surprisalBits } from "./colors.js";

/**
 * A node has the token's `id`, `text` and `kind`; its `probability` under the model; its `author`,
 * "user" or "model"; and `ended`, whether the story ends after it.
 */
export class StoryTree {
  constructor() {
    this.root = { number: 0, parent: null, children: [], newest: null, ended: false };
    this.size = 1;
  }

  /** Add a token after a node; returns the existing child if it has the same token. */
  add(parent, token, author) {
    let node = parent.children.find((child) => child.id === token.id);
    if (!node) {
      node = { number: this.size, parent, children: [], newest: null, ended: false, author,
        id: token.id, text: token.text, kind: token.kind, probability: token.probability ?? null };
      this.size += 1;
      parent.children.push(node);
    }
    if (node.probability === null) node.probability = token.probability ?? null;
    parent.newest = node;
    return node;
  }

  /** Add several tokens in sequence; returns the last node. */
  addAll(parent, tokens, author) {
    return tokens.reduce((node, token) => this.add(node, token, author), parent);
  }

  /** The end of the newest story through a node. */
  leaf(node) {
    while (node.newest) node = node.newest;
    return node;
  }

  /** Make the story that ends at a node the newest one through each of its nodes. */
  choose(node) {
    for (let at = node; at.parent; at = at.parent) {
      at.parent.newest = at;
      if (!at.parent.children.includes(at)) at.parent.children.push(at); // it was removed
    }
    return node;
  }

  /** Remove the nodes from one back to an earlier one, which stays; a node that has children stays too. */
  removeBack(node, ancestor) {
    for (let at = node; at !== ancestor && !at.children.length; at = at.parent) {
      at.parent.children = at.parent.children.filter((child) => child !== at);
      if (at.parent.newest === at) at.parent.newest = at.parent.children.at(-1) ?? null;
    }
  }

  /**
   * The tree with each unbranched run of tokens joined: { start, end, text, children }. The root's
   * segment may be empty.
   */
  segments(from = this.root) {
    const nodes = from === this.root ? [] : [from];
    let end = from;
    while (end.children.length === 1) {
      end = end.children[0];
      nodes.push(end);
    }
    return { start: from, end, text: textOf(nodes),
      children: end.children.map((child) => this.segments(child)) };
  }
}

/** The nodes from the start of a story to a node. */
export function pathTo(node) {
  const path = [];
  for (let at = node; at.parent; at = at.parent) path.push(at);
  return path.reverse();
}

export const idsTo = (node) => pathTo(node).map((at) => at.id);

export const textOf = (nodes) =>
  nodes.filter((node) => node.kind !== "end").map((node) => node.text).join("");

/** A node's surprisal in bits; null if its probability is unknown. */
export const surprisalOf = (node) => (node.probability === null ? null : surprisalBits(node.probability));
