/// Shape errors that name their operation.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "natgrad/error.hpp"

namespace natgrad {

/// Whether call() throws a ShapeError whose message begins with the operation.
template <class Call>
::testing::AssertionResult rejects_shapes(const std::string& operation, Call call) {
  try {
    call();
  } catch (const ShapeError& error) {
    if (std::string(error.what()).starts_with(operation + ":")) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << "\"" << error.what() << "\" does not begin with " << operation;
  }
  return ::testing::AssertionFailure() << operation << " took the shapes";
}

}  // namespace natgrad
