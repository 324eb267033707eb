// Sampling an id from logits, with the filters of slm/generation/sampling.py in the same order.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "vectors.h"

// Must agree with _Filters in slm/native/sampling.py.
struct Filters {
  int32_t top_k;      // 0: all ids
  float temperature;  // 0: the most likely id
  float top_p, min_p;
};

// Returned instead of an id if the logits are not finite.
constexpr int32_t NO_ID = -1;

struct Candidate {
  float logit;
  int32_t id;
};

// Among equal logits, the lower id ranks first.
inline bool ranks_before(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

// The largest logit; infinite if one of them is NaN or infinite, or all are minus infinity.
inline float max_or_infinity(const float* logits, int count) {
  f32v largest = broadcast(-INFINITY);
  i32v below = i32v{} - 1;
  int i = 0;
  for (; i + LANES <= count; i += LANES) {
    const f32v some = load<f32v>(logits + i);
    largest = maximum(some, largest);
    below &= some < broadcast(INFINITY);  // false for NaN
  }
  float top = reduce_max(largest);
  for (int lane = 0; lane < LANES; lane++)
    if (!below[lane]) return INFINITY;
  for (; i < count; i++) {
    if (!(logits[i] < INFINITY)) return INFINITY;
    top = std::max(top, logits[i]);
  }
  return top;
}

class Sampler {
 public:
  // `uniform` is above 0 and at most 1.
  int32_t sample(const float* logits, int vocab_size, const Filters& filters, double uniform) {
    const float top = max_or_infinity(logits, vocab_size);
    if (std::isinf(top)) return NO_ID;
    if (filters.temperature == 0)
      return int32_t(std::find(logits, logits + vocab_size, top) - logits);
    logits_ = logits, vocab_size_ = vocab_size, filters_ = filters;
    top_ = top / filters.temperature;
    if (filters.top_k > 0 && filters.top_k < vocab_size) return sample_top_k(uniform);
    return filters.top_p < 1.0f ? sample_top_p(uniform) : sample_all(uniform);
  }

 private:
  int32_t sample_top_k(double uniform) {
    find_top_k(filters_.top_k);
    float total = 0;
    for (const Candidate& candidate : candidates_) total += weight_of(candidate);
    if (filters_.top_p < 1.0f) apply_top_p(total);
    apply_min_p();
    return sample_candidates(uniform);
  }

  // The most likely ids that together reach top_p. They are usually few, so few are tried first.
  int32_t sample_top_p(double uniform) {
    compute_weights();
    float total = 0;
    for (int id = 0; id < vocab_size_; id++) total += weights_[id];
    for (int count = FIRST_COUNT;; count *= 8) {
      count = std::min(count, vocab_size_);
      find_top_k(count);
      if (apply_top_p(total) || count == vocab_size_) break;
    }
    apply_min_p();
    std::sort(candidates_.begin(), candidates_.end(),
              [](const Candidate& a, const Candidate& b) { return a.id < b.id; });
    return sample_candidates(uniform);
  }

  int32_t sample_all(double uniform) {
    compute_weights();
    cumulative_.resize(vocab_size_);
    const float threshold = min_p_threshold();
    double sum = 0;
    for (int id = 0; id < vocab_size_; id++) {
      if (filters_.min_p <= 0.0f || logits_[id] / filters_.temperature >= threshold)
        sum += weights_[id];
      cumulative_[id] = sum;
    }
    return index_reached(uniform);
  }

  int32_t sample_candidates(double uniform) {
    cumulative_.clear();
    double sum = 0;
    for (const Candidate& candidate : candidates_) cumulative_.push_back(sum += weight_of(candidate));
    return candidates_[index_reached(uniform)].id;
  }

  // The first index at which the running sum reaches this fraction of the total; its weight is above 0.
  int32_t index_reached(double uniform) const {
    const double height = std::max(uniform * cumulative_.back(), std::numeric_limits<double>::min());
    const auto found = std::lower_bound(cumulative_.begin(), cumulative_.end(), height);
    return int32_t(found - cumulative_.begin());
  }

  float weight_of(const Candidate& candidate) const {
    return std::exp(candidate.logit / filters_.temperature - top_);
  }

  void compute_weights() {
    weights_.resize(vocab_size_);
    const f32v top = broadcast(top_), temperature = broadcast(filters_.temperature);
    int id = 0;
    for (; id + LANES <= vocab_size_; id += LANES) {
      const f32v below = load<f32v>(logits_ + id) / temperature - top;
      store(weights_.data() + id, select(below < -87.0f, f32v{}, vector_exp(below)));
    }
    for (; id < vocab_size_; id++) weights_[id] = std::exp(logits_[id] / filters_.temperature - top_);
  }

  // The k most likely ids, in descending order.
  void find_top_k(int k) {
    candidates_.clear();
    const float bound = top_k_bound(k);
    const auto add_range = [&](int first, int last) {
      for (int id = first; id < last; id++)
        if (logits_[id] >= bound) candidates_.push_back({logits_[id], id});
    };
    int id = 0;
    for (; id + LANES <= vocab_size_; id += LANES)
      if (reduce_max(load<f32v>(logits_ + id)) >= bound) add_range(id, id + LANES);
    add_range(id, vocab_size_);
    if (candidates_.size() > size_t(k)) {
      std::nth_element(candidates_.begin(), candidates_.begin() + (k - 1), candidates_.end(),
                       ranks_before);
      candidates_.resize(k);
    }
    std::sort(candidates_.begin(), candidates_.end(), ranks_before);
  }

  // A bound that at least k logits reach, and few more: the k-th largest maximum of about 2 k groups.
  float top_k_bound(int k) {
    const int vectors = vocab_size_ / LANES, group = std::min(vocab_size_ / (2 * k), vectors);
    if (group < 2) return -INFINITY;
    maxima_.clear();
    for (int first = 0; first < vectors; first += group) {
      f32v largest = broadcast(-INFINITY);
      for (int v = first; v < std::min(first + group, vectors); v++)
        largest = maximum(load<f32v>(logits_ + size_t(v) * LANES), largest);
      for (int lane = 0; lane < LANES; lane++) maxima_.push_back(largest[lane]);
    }
    if (maxima_.size() < size_t(k)) return -INFINITY;
    std::nth_element(maxima_.begin(), maxima_.begin() + (k - 1), maxima_.end(), std::greater<float>());
    return maxima_[k - 1];
  }

  // Keep the first candidates that reach top_p of the total; false if all of them do not.
  bool apply_top_p(float total) {
    float mass = 0;
    size_t count = 0;
    while (count < candidates_.size() && mass < filters_.top_p)
      mass += weight_of(candidates_[count++]) / total;
    candidates_.resize(std::max<size_t>(1, count));
    return mass >= filters_.top_p;
  }

  float min_p_threshold() const { return top_ + std::log(filters_.min_p); }

  void apply_min_p() {
    if (filters_.min_p <= 0.0f) return;
    const float threshold = min_p_threshold();
    size_t count = 1;
    while (count < candidates_.size() &&
           candidates_[count].logit / filters_.temperature >= threshold)
      count++;
    candidates_.resize(count);
  }

  static constexpr int FIRST_COUNT = 64;

  const float* logits_ = nullptr;
  int vocab_size_ = 0;
  Filters filters_{};
  float top_ = 0;  // the largest logit, divided by the temperature
  std::vector<Candidate> candidates_;
  std::vector<float> weights_, maxima_;
  std::vector<double> cumulative_;
};
