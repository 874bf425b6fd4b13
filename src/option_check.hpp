/// Checks of options' values.
#pragma once

#include <cstdio>

#include "natgrad/error.hpp"

namespace natgrad {

/// Throws UsageError "option is value, must be range" unless `allowed`.
inline void require_option(bool allowed, const char* option, double value, const char* range) {
  if (allowed) return;
  char message[200];
  std::snprintf(message, sizeof message, "%s is %g, must be %s", option, value, range);
  throw UsageError(message);
}

}  // namespace natgrad
