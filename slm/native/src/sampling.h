// One id for a row of logits: what slm/generation/sampling.py does, in the same order.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "vectors.h"

// Must agree with _Filters in slm/native/sampling.py.
struct Filters {
  int32_t top_k;      // 0: among all ids
  float temperature;  // 0: the likeliest id
  float top_p, min_p;
};

// Instead of an id, where the logits are no numbers.
constexpr int32_t NO_ID = -1;

struct Candidate {
  float logit;
  int32_t id;
};

// Of equal logits the one with the lower id counts as the larger.
inline bool before(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

// The largest of the logits; infinite if one of them is no number, or none is above minus infinity.
inline float top_of(const float* logits, int count) {
  Floats largest = all(-INFINITY);
  Ints below = Ints{} - 1;
  int i = 0;
  for (; i + LANES <= count; i += LANES) {
    const Floats some = load<Floats>(logits + i);
    largest = larger(some, largest);
    below &= some < all(INFINITY);  // which NaN is not
  }
  float top = largest_of(largest);
  for (int lane = 0; lane < LANES; lane++)
    if (!below[lane]) return INFINITY;
  for (; i < count; i++) {
    if (!(logits[i] < INFINITY)) return INFINITY;
    top = std::max(top, logits[i]);
  }
  return top;
}

class Drawing {
 public:
  // `uniform` is above 0 and at most 1.
  int32_t draw(const float* logits, int vocab_size, const Filters& filters, double uniform) {
    const float top = top_of(logits, vocab_size);
    if (std::isinf(top)) return NO_ID;
    if (filters.temperature == 0)
      return int32_t(std::find(logits, logits + vocab_size, top) - logits);
    logits_ = logits, vocab_size_ = vocab_size, filters_ = filters;
    top_ = top / filters.temperature;
    if (filters.top_k > 0 && filters.top_k < vocab_size) return among_likeliest(uniform);
    return filters.top_p < 1.0f ? among_nucleus(uniform) : among_all(uniform);
  }

 private:
  int32_t among_likeliest(double uniform) {
    find_likeliest(filters_.top_k);
    float total = 0;
    for (const Candidate& candidate : best_) total += power_of(candidate);
    if (filters_.top_p < 1.0f) keep_mass(total);
    keep_near_top();
    return among_best(uniform);
  }

  // The likeliest ids that reach top_p together. They are seldom many, so a few are tried first.
  int32_t among_nucleus(double uniform) {
    fill_powers();
    float total = 0;
    for (int id = 0; id < vocab_size_; id++) total += powers_[id];
    for (int count = FIRST_TRY;; count *= 8) {
      count = std::min(count, vocab_size_);
      find_likeliest(count);
      if (keep_mass(total) || count == vocab_size_) break;
    }
    keep_near_top();
    std::sort(best_.begin(), best_.end(),
              [](const Candidate& a, const Candidate& b) { return a.id < b.id; });
    return among_best(uniform);
  }

  int32_t among_all(double uniform) {
    fill_powers();
    reached_.resize(vocab_size_);
    const float threshold = lowest();
    double sum = 0;
    for (int id = 0; id < vocab_size_; id++) {
      if (filters_.min_p <= 0.0f || logits_[id] / filters_.temperature >= threshold)
        sum += powers_[id];
      reached_[id] = sum;
    }
    return place_of(uniform);
  }

  int32_t among_best(double uniform) {
    reached_.clear();
    double sum = 0;
    for (const Candidate& candidate : best_) reached_.push_back(sum += power_of(candidate));
    return best_[place_of(uniform)].id;
  }

  // Where the running sum reaches this share of the whole; there it always makes a step up.
  int32_t place_of(double uniform) const {
    const double height = std::max(uniform * reached_.back(), std::numeric_limits<double>::min());
    const auto place = std::lower_bound(reached_.begin(), reached_.end(), height);
    return int32_t(place - reached_.begin());
  }

  float power_of(const Candidate& candidate) const {
    return std::exp(candidate.logit / filters_.temperature - top_);
  }

  void fill_powers() {
    powers_.resize(vocab_size_);
    const Floats top = all(top_), temperature = all(filters_.temperature);
    int id = 0;
    for (; id + LANES <= vocab_size_; id += LANES) {
      const Floats below = load<Floats>(logits_ + id) / temperature - top;
      store(powers_.data() + id, choose(below < -87.0f, Floats{}, exponential(below)));
    }
    for (; id < vocab_size_; id++) powers_[id] = std::exp(logits_[id] / filters_.temperature - top_);
  }

  // The k likeliest, in descending order.
  void find_likeliest(int k) {
    best_.clear();
    const float bound = reached_by(k);
    const auto take = [&](int first, int last) {
      for (int id = first; id < last; id++)
        if (logits_[id] >= bound) best_.push_back({logits_[id], id});
    };
    int id = 0;
    for (; id + LANES <= vocab_size_; id += LANES)
      if (largest_of(load<Floats>(logits_ + id)) >= bound) take(id, id + LANES);
    take(id, vocab_size_);
    if (best_.size() > size_t(k)) {
      std::nth_element(best_.begin(), best_.begin() + (k - 1), best_.end(), before);
      best_.resize(k);
    }
    std::sort(best_.begin(), best_.end(), before);
  }

  // What at least k logits reach, and few more: the k-th of the maxima of about 2 k groups of logits.
  float reached_by(int k) {
    const int vectors = vocab_size_ / LANES, group = std::min(vocab_size_ / (2 * k), vectors);
    if (group < 2) return -INFINITY;
    maxima_.clear();
    for (int first = 0; first < vectors; first += group) {
      Floats largest = all(-INFINITY);
      for (int v = first; v < std::min(first + group, vectors); v++)
        largest = larger(load<Floats>(logits_ + size_t(v) * LANES), largest);
      for (int lane = 0; lane < LANES; lane++) maxima_.push_back(largest[lane]);
    }
    if (maxima_.size() < size_t(k)) return -INFINITY;
    std::nth_element(maxima_.begin(), maxima_.begin() + (k - 1), maxima_.end(), std::greater<float>());
    return maxima_[k - 1];
  }

  // Keep the first that reach top_p of the whole mass; whether they do.
  bool keep_mass(float total) {
    float mass = 0;
    size_t count = 0;
    while (count < best_.size() && mass < filters_.top_p) mass += power_of(best_[count++]) / total;
    best_.resize(std::max<size_t>(1, count));
    return mass >= filters_.top_p;
  }

  float lowest() const { return top_ + std::log(filters_.min_p); }

  void keep_near_top() {
    if (filters_.min_p <= 0.0f) return;
    const float threshold = lowest();
    size_t count = 1;
    while (count < best_.size() && best_[count].logit / filters_.temperature >= threshold) count++;
    best_.resize(count);
  }

  static constexpr int FIRST_TRY = 64;

  const float* logits_ = nullptr;
  int vocab_size_ = 0;
  Filters filters_{};
  float top_ = 0;  // the largest logit, divided by the temperature
  std::vector<Candidate> best_;
  std::vector<float> powers_, maxima_;
  std::vector<double> reached_;
};
