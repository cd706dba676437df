// memory: where each buffer lies in the arena. In: sizes and lifetimes; out: offsets such that buffers alive at the same time do not overlap. Pure.
#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <vector>

namespace regnet {

// A buffer: its size and the steps from which to which it is needed.
struct Lifetime {
  std::size_t bytes = 0;
  int first = 0;  // step that writes the buffer
  int last = 0;   // last step that reads it, inclusive
};

// Where the buffers lie.
struct MemoryLayout {
  std::vector<std::size_t> offsets;  // one per buffer, multiples of the alignment
  std::size_t bytes = 0;             // of the whole arena
};

// Largest buffers first, each at the lowest offset where it fits between those it shares a step with. For chains of residual blocks this reaches
// the lower bound, the largest sum of buffers alive in one step, or comes close.
inline MemoryLayout plan_memory(const std::vector<Lifetime>& buffers, std::size_t alignment = 64) {
  const auto rounded = [&](std::size_t bytes) { return (bytes + alignment - 1) / alignment * alignment; };
  std::vector<std::size_t> order(buffers.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return buffers[a].bytes > buffers[b].bytes; });
  MemoryLayout layout{std::vector<std::size_t>(buffers.size(), 0), 0};
  std::vector<std::size_t> placed;  // by ascending offset
  for (const std::size_t buffer : order) {
    const Lifetime& life = buffers[buffer];
    std::size_t offset = 0;
    for (const std::size_t other : placed) {
      const bool together = buffers[other].first <= life.last && life.first <= buffers[other].last;
      if (!together) continue;
      if (offset + rounded(life.bytes) <= layout.offsets[other]) break;
      offset = std::max(offset, layout.offsets[other] + rounded(buffers[other].bytes));
    }
    layout.offsets[buffer] = offset;
    layout.bytes = std::max(layout.bytes, offset + rounded(life.bytes));
    placed.insert(
        std::upper_bound(placed.begin(), placed.end(), buffer, [&](std::size_t a, std::size_t b) { return layout.offsets[a] < layout.offsets[b]; }),
        buffer);
  }
  return layout;
}

}  // namespace regnet
