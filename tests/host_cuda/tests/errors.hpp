/// What tests expect of a kernel's errors.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "host_cuda/host_cuda.hpp"

namespace host_cuda {

/// What `action` throws, or "" where it throws no KernelError.
template <class Action>
std::string kernel_error(Action action) {
  try {
    action();
  } catch (const KernelError& error) {
    return error.what();
  }
  return "";
}

inline void expect_contains(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << '"' << text << "\" lacks \"" << part << '"';
}

}  // namespace host_cuda
