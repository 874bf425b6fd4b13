/// R9: where an allocation fails, whichever it is, there is a clean error, and nothing is left behind.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <exception>
#include <functional>
#include <new>
#include <string>

#include "natgrad/matrix.hpp"
#include "support/faults.hpp"
#include "support/figure.hpp"

namespace natgrad {

using faults::Memory;

/// What became of the runs in which an allocation failed.
struct Tally {
  Index indices = 0, errors = 0, successes = 0, unclean = 0, leaks = 0;
};

/// Promise R9.
class R9 : public ::testing::Test {
 public:
  /// Whether the message says how many bytes are free; and, of a device's memory, which were wanted or in
  /// what call.
  static bool names_bytes(const std::string& message) {
    return message.find("free") != std::string::npos &&
           (message.find("bytes wanted") != std::string::npos ||
            message.find("Create") != std::string::npos ||
            message.find("cudaMallocHost") != std::string::npos ||
            message.find("Instantiate") != std::string::npos);
  }

  /// Runs while an allocation fails; says in `finding_`, whose memory is there already, what is not clean.
  void attempt(Memory memory, const std::function<std::string()>& run, const std::string& expected) {
    try {
      if (run() != expected) finding_ = "another result";
      ++tally_.successes;
    } catch (const OutOfMemory& error) {
      ++tally_.errors;
      if (memory == Memory::device && !names_bytes(error.what())) finding_ = error.what();
    } catch (const std::bad_alloc&) {
      ++tally_.errors;
      if (memory == Memory::device) finding_ = "bad_alloc";
    } catch (const std::exception& error) {
      finding_ = error.what();
    }
  }

  /// Fails every allocation in turn, alone and with all that follow.
  void fail_every(Memory memory, const std::string& name, const std::function<std::string()>& run) {
    const std::string expected = run();  // warms up
    run();
    faults::fail(memory, 0);
    run();
    const std::int64_t count = faults::asked_for(memory);
    ASSERT_GT(count, 0) << name;
    for (const bool all_after : {false, true})
      for (std::int64_t i = 1; i <= count; ++i) {
        where_ = fmt::format("{}, {} allocation {}{} of {}", name, memory == Memory::host ? "host" : "device",
                             i, all_after ? " and all after" : "", count);
        finding_.clear();
        const std::int64_t host = faults::live(Memory::host), device = faults::live(Memory::device);
        {
          const faults::Scope scope(memory, i, all_after);
          attempt(memory, run, expected);
        }
        const std::int64_t host_left = faults::live(Memory::host) - host;
        const std::int64_t device_left = faults::live(Memory::device) - device;
        ++tally_.indices;
        if (host_left != 0 || device_left != 0) {
          ++tally_.leaks;
          finding_ += fmt::format(": {} host and {} device allocations left", host_left, device_left);
        }
        if (!finding_.empty() && ++tally_.unclean <= 20) findings_ += where_ + ": " + finding_ + "\n";
      }
  }

  void SetUp() override {
    finding_.reserve(1000);
    previous_ = std::set_terminate([] {
      faults::fail(Memory::host, 0);
      std::printf("terminated at %s\n", where_.c_str());
      std::fflush(stdout);
      std::abort();
    });
  }
  void TearDown() override { std::set_terminate(previous_); }

  void expect_clean(const std::string& what) {
    report_figure("R9",
                  fmt::format("{} on {}: {} indices failed, alone and with all after: {} clean errors, {} "
                              "successes, {} unclean, {} leaks (allowed: 0, 0)",
                              what, faults::device(), tally_.indices, tally_.errors, tally_.successes,
                              tally_.unclean, tally_.leaks));
    EXPECT_EQ(tally_.unclean, 0) << findings_;
    EXPECT_EQ(tally_.leaks, 0);
    EXPECT_GT(tally_.errors, tally_.indices / 2) << "hardly any allocation failed";
  }

  static inline std::string where_;
  Tally tally_;
  std::string finding_, findings_;
  std::terminate_handler previous_ = nullptr;
};

}  // namespace natgrad
