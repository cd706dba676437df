// Counts what is allocated while a network runs, by replacing the global operator new of this program.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include <regnet/plan/session.hpp>
#include <regnet/weights/synthetic.hpp>

namespace {

std::atomic<bool> counting{false};
std::atomic<std::size_t> largest{0}, balance{0}, calls{0};

void* count_and_allocate(std::size_t bytes) {
  if (counting) {
    std::size_t seen = largest;
    while (bytes > seen && !largest.compare_exchange_weak(seen, bytes)) {}
    ++balance;
    ++calls;
  }
  if (void* pointer = std::malloc(bytes ? bytes : 1)) return pointer;
  throw std::bad_alloc();
}

void count_and_free(void* pointer) {
  if (counting && pointer) --balance;
  std::free(pointer);
}

}  // namespace

// Not counted, but replaced too, so that memory from malloc goes to free.
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept { return std::malloc(bytes ? bytes : 1); }
void* operator new(std::size_t bytes) { return count_and_allocate(bytes); }
void* operator new[](std::size_t bytes) { return count_and_allocate(bytes); }
void operator delete(void* pointer) noexcept { count_and_free(pointer); }
void operator delete[](void* pointer) noexcept { count_and_free(pointer); }
void operator delete(void* pointer, std::size_t) noexcept { count_and_free(pointer); }
void operator delete[](void* pointer, std::size_t) noexcept { count_and_free(pointer); }

namespace regnet {
namespace {

TEST(Session, RunOfTheOwnBackendAllocatesNothing) {
  const Graph graph = build({{1, 64, 64, 16}, {2, 48, 48, 24}}, {.resolution = 97, .classes = 5});
  const Plan plan = compile(bind(graph, synthetic_weights(parameters(graph))), {.backend = Backend::own});
  const std::vector<float> images = synthetic_input(3 * 3 * 97 * 97);
  std::vector<float> logits(15);
  for (const int threads : {1, 2, 3, 8}) {
    Session session(plan, {.batch = 3, .threads = threads});
    session.run(images, logits);
    calls = 0;
    counting = true;
    for (int round = 0; round < 10; ++round) session.run(images, logits);
    counting = false;
    EXPECT_EQ(calls, 0u) << threads << " threads";
  }
}

// oneDNN itself makes a small table of arguments for each primitive it executes, and frees it. Anything as large as an activation, and anything
// that is kept, would be ours.
TEST(Session, RunAllocatesNoActivationAndKeepsNothing) {
  const Graph graph = build({{1, 16, 16, 8}, {2, 40, 40, 8}}, {.resolution = 64, .classes = 5});
  Session session(compile(bind(graph, synthetic_weights(parameters(graph))), {.backend = Backend::onednn}), {.batch = 2, .threads = 1});
  const std::vector<float> images = synthetic_input(2 * 3 * 64 * 64);
  std::vector<float> logits(10);
  session.run(images, logits);
  counting = true;
  for (int round = 0; round < 10; ++round) session.run(images, logits);
  counting = false;
  EXPECT_EQ(balance, 0u);
  EXPECT_LE(largest, 1024u);
}

}  // namespace
}  // namespace regnet
