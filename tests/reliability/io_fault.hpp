/// The fixture of R8: faults of system calls at every call, and what they leave.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "io/temporary_directory.hpp"
#include "reliability/faulty_calls.hpp"
#include "support/figure.hpp"

namespace natgrad {

/// The errors that calls of one kind are made to give.
using Errors = std::vector<std::pair<testing::Call, std::vector<int>>>;

/// An operation in which one call failed.
struct Attempt {
  testing::Fault fault;
  testing::MadeCall failed;
  std::vector<testing::MadeCall> made;  // all calls
  std::string message;                  // of the DataError; empty where the operation succeeded
};

class R8 : public ::testing::Test {
 public:
  static void SetUpTestSuite() { faults_ = broken_ = damages_ = undetected_ = 0; }
  static void TearDownTestSuite() {
    report_figure("R8",
                  fmt::format("{} faults of system calls while saving, loading, locking and writing metrics: "
                              "{} lost anything or went unreported; {} truncations and flips of a 4 KB "
                              "checkpoint: {} undetected (allowed: 0, 0)",
                              faults_, broken_, damages_, undetected_));
  }

 protected:
  /// Lets every call of the kinds in `errors` give each of its errors in turn, until operation() makes no
  /// more of them. prepare() comes before each operation, check(attempt) behind it.
  template <class Prepare, class Operation, class Check>
  void try_every_fault(const Errors& errors, Prepare prepare, Operation operation, Check check) {
    for (const auto& [call, values] : errors) {
      for (const int error : values) {
        for (int index = 0;; ++index) {
          Attempt attempt{.fault = {call, index, error}, .failed = {}, .made = {}, .message = {}};
          SCOPED_TRACE(to_string(attempt.fault));
          prepare();
          const bool met = run(attempt, operation);
          if (!met && index == 0) ADD_FAILURE() << "there was no such call";
          if (!met) break;
          const int failures = failures_so_far();
          check(attempt);
          ++faults_;
          broken_ += failures_so_far() > failures;
        }
      }
    }
  }

  /// Counts a damaged file among those of the figure.
  void count_damage(bool detected) {
    ++damages_;
    undetected_ += !detected;
  }

  /// Expects that a fault that loses something gave an error with the file and the reason, and others none.
  static void expect_reported(const Attempt& attempt, const std::string& path, bool harmless) {
    EXPECT_EQ(attempt.message.empty(), harmless) << attempt.message;
    if (harmless) return;
    EXPECT_NE(attempt.message.find(path), std::string::npos) << attempt.message;
    EXPECT_NE(attempt.message.find(std::strerror(attempt.fault.error)), std::string::npos) << attempt.message;
  }

  /// Whether the call may be repeated, or the rest be transferred by another.
  static bool passes(int error) { return error == EINTR || error == testing::half; }

  const testing::TemporaryDirectory directory_;

 private:
  template <class Operation>
  static bool run(Attempt& attempt, Operation operation) {
    testing::FaultyCalls calls({attempt.fault});
    try {
      operation();
    } catch (const DataError& error) {
      attempt.message = error.what();
    }
    attempt.made = calls.made();
    int index = attempt.fault.index;
    for (const testing::MadeCall& made : attempt.made)
      if (made.call == attempt.fault.call && index-- == 0) attempt.failed = made;
    return calls.met() == 1;
  }

  static int failures_so_far() {
    return ::testing::UnitTest::GetInstance()->current_test_info()->result()->total_part_count();
  }

  static inline int faults_, broken_, damages_, undetected_;
};

}  // namespace natgrad
