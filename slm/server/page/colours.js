// From a probability to one of six steps of colour.

export const COLOURS = {
  probability: {
    steps: [0.02, 0.1, 0.3, 0.6, 0.9],
    legend: ["under 2 %", "2", "10", "30", "60", "over 90 %"],
  },
  surprise: {
    steps: [0.5, 1.5, 3, 5, 8],
    legend: ["under 0.5 bits", "0.5", "1.5", "3", "5", "over 8 bits"],
  },
};

/** 0 to 5: the step of a probability; null where there is none. */
export function stepOf(probability, by) {
  if (probability === null || !(by in COLOURS)) return null;
  const value = by === "surprise" ? -Math.log2(Math.max(probability, 1e-12)) : probability;
  return COLOURS[by].steps.filter((step) => value >= step).length;
}
