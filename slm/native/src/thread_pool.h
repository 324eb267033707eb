// A few threads that run one job after another together; a job takes some microseconds.
//
// Threads that wait for a job or at a barrier spin at first: waking a sleeping thread takes longer than
// a whole layer of a small model. Soon they yield the processor between two checks, as the thread they
// wait for may need it. After a while without a job they sleep. If other programs use the same
// processors, each barrier may take milliseconds: then the caller works alone for some jobs.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#if defined(_WIN32)
#error "needs a POSIX system"
#endif
#include <unistd.h>

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

inline void cpu_relax() {
#if defined(__x86_64__) || defined(__i386__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("isb");
#endif
}

class ThreadPool {
 public:
  explicit ThreadPool(int threads) : owner_(getpid()) {
    try {
      for (; size_ < threads; size_++)
        workers_.emplace_back([this, thread = size_] { worker_loop(thread); });
    } catch (const std::system_error&) {
      // The system allows no more of them: those that have started do the work.
    }
  }

  // Not in a child process after fork(): it has none of the threads.
  ~ThreadPool() {
    {
      std::lock_guard<std::mutex> guard(mutex_);
      is_ending_ = true;
      job_number_.fetch_add(1);
    }
    wake_.notify_all();
    for (auto& worker : workers_) worker.join();
  }

  // Call work(context, thread, of) in every thread, or in this one alone; return when all have ended.
  void run(void (*work)(void*, int, int), void* context) {
    if (size_ == 1 || owner_ != getpid()) return work(context, 0, 1);
    if (solo_runs_left_ > 0) {
      solo_runs_left_--;
      return work(context, 0, 1);
    }
    const auto started_at = Clock::now();
    waited_.store(0, std::memory_order_relaxed);
    work_ = work;
    context_ = context;
    {
      std::lock_guard<std::mutex> guard(mutex_);
      job_number_.fetch_add(1, std::memory_order_release);
    }
    if (sleepers_.load() > 0) wake_.notify_all();
    work(context, 0, size_);
    barrier(size_);
    // Alone, the job would have taken the sum of the times that all threads worked.
    const Clock::duration took = Clock::now() - started_at;
    if (4 * waited_.load(std::memory_order_relaxed) > 3 * (size_ - 1) * took.count()) {
      solo_runs_left_ = next_solo_runs_;
      next_solo_runs_ = std::min(2 * next_solo_runs_, MAX_SOLO_RUNS);
    } else {
      next_solo_runs_ = MIN_SOLO_RUNS;
    }
  }

  // Wait until all `of` threads of this job have arrived.
  void barrier(int of) {
    if (of == 1) return;
    const unsigned phase = phase_.load(std::memory_order_relaxed);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == of) {
      arrived_.store(0, std::memory_order_relaxed);
      phase_.store(phase + 1, std::memory_order_release);
      return;
    }
    SpinWait spin;
    while (phase_.load(std::memory_order_acquire) == phase) spin.wait();
    const Clock::duration waited = Clock::now() - spin.since;
    if (waited > SPIN_TIME) waited_.fetch_add(waited.count(), std::memory_order_relaxed);
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr auto SPIN_TIME = std::chrono::microseconds(50);
  static constexpr auto AWAKE_TIME = std::chrono::milliseconds(2);
  static constexpr int MIN_SOLO_RUNS = 2, MAX_SOLO_RUNS = 1024;  // with the caller alone

  // Measured by the clock: a pause instruction takes ten times as long on some processors as on others.
  struct SpinWait {
    const Clock::time_point since = Clock::now();
    void wait() const {
      for (int pauses = 0; pauses < 16; pauses++) cpu_relax();
      if (Clock::now() - since > SPIN_TIME) std::this_thread::yield();
    }
  };

  void worker_loop(int thread) {
    for (unsigned seen = 0;; seen++) {
      wait_for_job_after(seen);
      if (is_ending_) return;
      work_(context_, thread, size_);
      barrier(size_);
    }
  }

  void wait_for_job_after(unsigned seen) {
    SpinWait spin;
    while (job_number_.load(std::memory_order_acquire) == seen) {
      spin.wait();
      if (Clock::now() - spin.since < AWAKE_TIME) continue;
      std::unique_lock<std::mutex> lock(mutex_);
      sleepers_.fetch_add(1);
      wake_.wait(lock, [&] { return job_number_.load() != seen; });
      sleepers_.fetch_sub(1);
    }
  }

  int size_ = 1;  // the caller and the workers; fixed before the first job
  const pid_t owner_;
  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<unsigned> job_number_{0}, phase_{0};
  std::atomic<int> arrived_{0}, sleepers_{0};
  std::atomic<Clock::rep> waited_{0};  // in this job, by all threads, without short waits
  int solo_runs_left_ = 0, next_solo_runs_ = MIN_SOLO_RUNS;
  bool is_ending_ = false;
  void (*work_)(void*, int, int) = nullptr;
  void* context_ = nullptr;
};
