// A tree of stories: each node is a token, each way from the root a story.

/**
 * A node has the token's `id`, `text` and `kind`; `probability`, what the model gave it; `by`, who
 * chose it ("you" or "model"); `ended`, whether the model ended the story after it.
 */
export class StoryTree {
  constructor() {
    this.root = { number: 0, parent: null, children: [], newest: null, ended: false };
    this.size = 1;
  }

  /** The node of a token after another; the one that is there already, if it is the same token. */
  add(parent, token, by) {
    let node = parent.children.find((child) => child.id === token.id);
    if (!node) {
      node = { number: this.size, parent, children: [], newest: null, ended: false, by,
        id: token.id, text: token.text, kind: token.kind, probability: token.probability ?? null };
      this.size += 1;
      parent.children.push(node);
    }
    if (node.probability === null) node.probability = token.probability ?? null;
    parent.newest = node;
    return node;
  }

  /** Several tokens, one after another; the last node. */
  addAll(parent, tokens, by) {
    return tokens.reduce((node, token) => this.add(node, token, by), parent);
  }

  /** Take the nodes from one up to an earlier one out of the tree, as far as nothing branches there. */
  leave(node, upTo) {
    for (let at = node; at !== upTo && !at.children.length; at = at.parent) {
      at.parent.children = at.parent.children.filter((child) => child !== at);
      if (at.parent.newest === at) at.parent.newest = at.parent.children.at(-1) ?? null;
    }
  }

  /** The end of the story that was told last through a node. */
  leaf(node) {
    while (node.newest) node = node.newest;
    return node;
  }

  /** Choose a story: from now on it is the newest through each of its nodes. */
  choose(node) {
    for (let at = node; at.parent; at = at.parent) {
      at.parent.newest = at;
      if (!at.parent.children.includes(at)) at.parent.children.push(at); // it had left
    }
    return node;
  }

  /**
   * The tree without its long stretches: { start, end, text, children }, where from `start` to
   * `end` nothing branches. The root's stretch may be empty.
   */
  stretches(from = this.root) {
    const nodes = from === this.root ? [] : [from];
    let end = from;
    while (end.children.length === 1) {
      end = end.children[0];
      nodes.push(end);
    }
    return { start: from, end, text: textOf(nodes),
      children: end.children.map((child) => this.stretches(child)) };
  }
}

/** The nodes from the beginning of a story to a node. */
export function pathTo(node) {
  const path = [];
  for (let at = node; at.parent; at = at.parent) path.push(at);
  return path.reverse();
}

export const idsTo = (node) => pathTo(node).map((at) => at.id);

export const textOf = (nodes) =>
  nodes.filter((node) => node.kind !== "end").map((node) => node.text).join("");

/** How surprised the model was by a node, in bits; null where nobody knows. */
export const surpriseOf = (node) =>
  node.probability === null ? null : -Math.log2(Math.max(node.probability, 1e-12));
