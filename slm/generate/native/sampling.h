// The likeliest ids of a row, and a draw among them: what slm/generate/sampling.py does with top-k.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

// Must agree with _Filters in slm/generate/native_sampling.py.
struct Filters {
  int32_t top_k;  // at least 1
  float temperature, top_p, min_p;
};

struct Candidate {
  float logit;
  int32_t id;
};

// Of equal logits the one with the lower id counts as the larger.
inline bool before(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

// The k likeliest of a row, in descending order.
inline void likeliest(const float* logits, int vocab_size, int k, std::vector<Candidate>& best) {
  best.clear();
  float lowest = -INFINITY;  // what is not above it is not among the k
  const size_t room = size_t(4) * k + 64;
  const auto prune = [&] {
    std::nth_element(best.begin(), best.begin() + (k - 1), best.end(), before);
    best.resize(k);
    lowest = best[k - 1].logit;
  };
  for (int32_t id = 0; id < vocab_size; id++) {
    if (logits[id] > lowest || best.size() < size_t(k)) {
      best.push_back({logits[id], id});
      if (best.size() == room) prune();
    }
  }
  if (best.size() > size_t(k)) prune();
  std::sort(best.begin(), best.end(), before);
}

// Filters and draw; `uniform` is above 0 and at most 1.
inline int32_t draw(const float* logits, int vocab_size, const Filters& filters, double uniform,
                    std::vector<Candidate>& best, std::vector<float>& powers) {
  likeliest(logits, vocab_size, std::min(filters.top_k, vocab_size), best);
  const auto shrink_to = [&](size_t count) { best.resize(std::max<size_t>(1, count)); };
  powers.clear();
  const float top = best[0].logit / filters.temperature;
  float total = 0;
  for (const Candidate& candidate : best) {
    powers.push_back(std::exp(candidate.logit / filters.temperature - top));
    total += powers.back();
  }
  if (filters.top_p < 1.0f) {
    float mass = 0;
    size_t count = 0;
    while (count < best.size() && mass < filters.top_p) mass += powers[count++] / total;
    shrink_to(count);
  }
  if (filters.min_p > 0.0f) {
    const float threshold = top + std::log(filters.min_p);
    size_t count = 0;
    while (count < best.size() && best[count].logit / filters.temperature >= threshold) count++;
    shrink_to(count);
  }
  double sum = 0, reached = 0;
  for (size_t i = 0; i < best.size(); i++) sum += powers[i];
  for (size_t i = 0; i < best.size(); i++) {
    reached += powers[i];
    if (reached >= uniform * sum && powers[i] > 0) return best[i].id;
  }
  return best.front().id;  // with logits that are not numbers
}
