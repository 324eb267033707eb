// Color scales: maps a token's probability to one of six tints.

/** For each scale, the five thresholds between the tints and the label of each tint. */
export const COLOR_SCALES = {
  probability: {
    thresholds: [0.02, 0.1, 0.3, 0.6, 0.9],
    labels: ["under 2%", "2–10%", "10–30%", "30–60%", "60–90%", "over 90%"],
  },
  surprisal: {
    thresholds: [0.5, 1.5, 3, 5, 8],
    labels: ["under 0.5 bits", "0.5–1.5", "1.5–3", "3–5", "5–8", "over 8 bits"],
  },
};

/** The tint of a probability, 0 to 5; null if the probability is unknown or there is no such scale. */
export function tintOf(probability, scale) {
  if (probability === null || !(scale in COLOR_SCALES)) return null;
  const value = scale === "surprisal" ? surprisalBits(probability) : probability;
  return COLOR_SCALES[scale].thresholds.filter((threshold) => value >= threshold).length;
}

/** Surprisal in bits: -log2 of a probability. */
export const surprisalBits = (probability) => -Math.log2(Math.max(probability, 1e-12));
