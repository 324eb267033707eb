// A few threads that do one piece of work together, again and again, some microseconds apart.
//
// Threads that wait for work or for each other spin at first: waking a sleeper takes longer than a
// whole layer of a small model. Soon they let others have the processor between two looks, as the one
// that they wait for may be among these; after a while without work they sleep. Where other programs
// want the same processors, each meeting may cost milliseconds: then the caller works alone for a while.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#if defined(_WIN32)
#error "needs a system with fork() and its kin"
#endif
#include <unistd.h>

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("isb");
#endif
}

class Team {
 public:
  explicit Team(int threads) : size_(threads), owner_(getpid()) {
    for (int thread = 1; thread < threads; thread++)
      workers_.emplace_back([this, thread] { serve(thread); });
  }

  ~Team() {
    if (owner_ != getpid()) {  // a child of fork has none of the threads
      for (auto& worker : workers_) worker.detach();
      return;
    }
    {
      std::lock_guard<std::mutex> guard(mutex_);
      ends_ = true;
      round_.fetch_add(1);
    }
    wake_.notify_all();
    for (auto& worker : workers_) worker.join();
  }

  // Call work(context, thread, of) in every thread, or in this one alone; returns when all is done.
  void run(void (*work)(void*, int, int), void* context) {
    if (size_ == 1 || owner_ != getpid()) return work(context, 0, 1);
    if (runs_alone_ > 0) {
      runs_alone_--;
      return work(context, 0, 1);
    }
    const auto began_at = Clock::now();
    waited_.store(0, std::memory_order_relaxed);
    work_ = work;
    context_ = context;
    {
      std::lock_guard<std::mutex> guard(mutex_);
      round_.fetch_add(1, std::memory_order_release);
    }
    if (sleepers_.load() > 0) wake_.notify_all();
    work(context, 0, size_);
    meet(size_);
    // Alone it would have taken what all have worked together.
    const Clock::duration took = Clock::now() - began_at;
    if (4 * waited_.load(std::memory_order_relaxed) > 3 * (size_ - 1) * took.count()) {
      runs_alone_ = pause_;
      pause_ = std::min(2 * pause_, LONGEST_PAUSE);
    } else {
      pause_ = SHORTEST_PAUSE;
    }
  }

  // Wait until all `of` threads of this piece of work are here.
  void meet(int of) {
    if (of == 1) return;
    const unsigned phase = phase_.load(std::memory_order_relaxed);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == of) {
      arrived_.store(0, std::memory_order_relaxed);
      phase_.store(phase + 1, std::memory_order_release);
      return;
    }
    Patience patience;
    while (phase_.load(std::memory_order_acquire) == phase) patience.wait();
    const Clock::duration waited = Clock::now() - patience.since;
    if (waited > SPINNING) waited_.fetch_add(waited.count(), std::memory_order_relaxed);
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr auto SPINNING = std::chrono::microseconds(50);
  static constexpr auto AWAKE = std::chrono::milliseconds(2);
  static constexpr int SHORTEST_PAUSE = 2, LONGEST_PAUSE = 1024;  // of the others, in runs

  // By the clock, since a pause takes ten times as long on some processors as on others.
  struct Patience {
    const Clock::time_point since = Clock::now();
    void wait() const {
      for (int pauses = 0; pauses < 16; pauses++) relax();
      if (Clock::now() - since > SPINNING) std::this_thread::yield();
    }
  };

  void serve(int thread) {
    for (unsigned seen = 0;; seen++) {
      wait_for_round_after(seen);
      if (ends_) return;
      work_(context_, thread, size_);
      meet(size_);
    }
  }

  void wait_for_round_after(unsigned seen) {
    Patience patience;
    while (round_.load(std::memory_order_acquire) == seen) {
      patience.wait();
      if (Clock::now() - patience.since < AWAKE) continue;
      std::unique_lock<std::mutex> lock(mutex_);
      sleepers_.fetch_add(1);
      wake_.wait(lock, [&] { return round_.load() != seen; });
      sleepers_.fetch_sub(1);
    }
  }

  const int size_;
  const pid_t owner_;
  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<unsigned> round_{0}, phase_{0};
  std::atomic<int> arrived_{0}, sleepers_{0};
  std::atomic<Clock::rep> waited_{0};  // in this run, by all threads; short waits are left out
  int runs_alone_ = 0, pause_ = SHORTEST_PAUSE;
  bool ends_ = false;
  void (*work_)(void*, int, int) = nullptr;
  void* context_ = nullptr;
};
