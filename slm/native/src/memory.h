// Memory for weights, for keys and values, and for intermediate results.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#include <sys/mman.h>

// Zeroed memory that starts at a cache line.
class AlignedBuffer {
 public:
  void allocate(size_t bytes) {
    memory_.reset(std::calloc(bytes + 64, 1));  // zeros; the system provides pages when they are written
    if (!memory_) throw std::bad_alloc();
  }
  template <class Item>
  Item* as() const {
    return reinterpret_cast<Item*>((reinterpret_cast<uintptr_t>(memory_.get()) + 63) & ~uintptr_t(63));
  }

 private:
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  std::unique_ptr<void, Free> memory_;
};

// Allocates parts of large chunks, which are freed together, in pages of 2 MB if the system has them.
// A step reads all weights and all keys and values: with pages of 4 KB, a processor spends a good part
// of that time on address translation.
class HugePageArena {
 public:
  // Zeroed memory at a multiple of `alignment`, a divisor of the page size.
  uint8_t* allocate(size_t bytes, size_t alignment = 64) {
    size_t start = (used_ + alignment - 1) / alignment * alignment;
    if (start + bytes > size_) {
      add_chunk(std::max(bytes, CHUNK));
      start = 0;
    }
    used_ = start + bytes;
    return start_ + start;
  }

 private:
  static constexpr size_t HUGE_PAGE = size_t(2) << 20;
  static constexpr size_t CHUNK = 16 * HUGE_PAGE;

  struct Unmap {
    size_t bytes;
    void operator()(void* memory) const { munmap(memory, bytes); }
  };

  void add_chunk(size_t bytes) {
    // One page more, to start at a page.
    const size_t whole = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE + HUGE_PAGE;
    void* memory = mmap(nullptr, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    chunks_.emplace_back(memory, Unmap{whole});
    const auto address = reinterpret_cast<uintptr_t>(memory);
    start_ = reinterpret_cast<uint8_t*>((address + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1));
    size_ = whole - HUGE_PAGE;
    used_ = 0;
#if defined(MADV_HUGEPAGE)
    madvise(start_, size_, MADV_HUGEPAGE);  // if it is refused, pages are small
#endif
  }

  std::vector<std::unique_ptr<void, Unmap>> chunks_;
  uint8_t* start_ = nullptr;  // of the newest chunk
  size_t size_ = 0, used_ = 0;
};
