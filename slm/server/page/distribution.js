// The filters of slm/generation/sampling.py for one distribution, so that the bars follow a slider without a
// request. A test compares the results with Python's.

/**
 * The probabilities with which the most likely tokens are sampled, the most likely first.
 *
 * `logprobs`: the log-probabilities of all tokens in nats, in that order. Each filter keeps the first tokens
 * of the order, and the result has an entry for each that passes all of them.
 */
export function sampledProbabilities(logprobs, { temperature, top_k, top_p, min_p }) {
  if (temperature === 0) return [1];
  const weights = (top_k ? logprobs.slice(0, top_k) : logprobs)
    .map((logprob) => Math.exp((logprob - logprobs[0]) / temperature));
  const nucleus = top_p < 1 ? top_p * sum(weights) : Infinity;
  let mass = 0;
  const end = weights.findIndex((weight) => {
    const isDropped = mass >= nucleus || weight < min_p; // never the first, whose weight is 1
    mass += isDropped ? 0 : weight;
    return isDropped;
  });
  return (end < 0 ? weights : weights.slice(0, end)).map((weight) => weight / mass);
}

/** The entropy of a distribution in bits. */
export function entropyBits(probabilities) {
  return -sum(probabilities.map((p) => (p > 0 ? p * Math.log2(p) : 0)));
}

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
