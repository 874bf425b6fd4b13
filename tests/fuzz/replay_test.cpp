/// The parsers over the fuzzers' corpus, and over files of a megabyte that take the most memory of their
/// kind.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <vector>

#include "fuzz/target.hpp"
#include "io/temporary_directory.hpp"
#include "support/figure.hpp"

namespace natgrad {
namespace {

using fuzz::Target;

fuzz::Input bytes(const std::string& text) { return bytes_of(std::span<const char>(text)); }

std::vector<std::string> corpus(const Target& target) {
  std::vector<std::string> files;
  for (const auto& entry :
       std::filesystem::directory_iterator(NATGRAD_FUZZ_CORPUS "/" + std::string(target.name)))
    files.push_back(entry.path().string());
  std::ranges::sort(files);
  return files;
}

TEST(R12, TheCorpusIsParsedOrRefusedByNamedErrors) {
  std::size_t files = 0;
  for (const Target& target : fuzz::targets()) {
    for (const std::string& path : corpus(target)) {
      const std::string content = testing::content_of(path);
      EXPECT_NO_THROW(run(target, bytes(content))) << path;
      ++files;
    }
  }
  report_figure("R12", fmt::format("{} corpus files replayed through {} parsers: 0 crashes (allowed: 0)",
                                   files, fuzz::targets().size()));
  EXPECT_GT(files, 100U);
}

TEST(R12, EveryPrefixOfTheCorpusIsParsedOrRefusedByNamedErrors) {
  for (const Target& target : fuzz::targets()) {
    for (const std::string& path : corpus(target)) {
      const std::string content = testing::content_of(path);
      for (std::size_t length = 0; length < std::min<std::size_t>(content.size(), 200); ++length)
        EXPECT_NO_THROW(run(target, bytes(content.substr(0, length)))) << path << " cut at " << length;
    }
  }
}

std::string repeated(std::size_t size, const std::string& unit) {
  std::string text;
  while (text.size() < size) text += unit;
  return text;
}

std::string numbered(std::size_t size, const std::string& before, const std::string& after) {
  std::string text;
  for (std::size_t k = 0; text.size() < size; ++k) text += fmt::format("{}{:x}{}", before, k, after);
  return text;
}

std::string safetensors(const std::string& header, const std::string& data = "") {
  const std::uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + header + data;
}

std::string npy(const std::string& dtype, const std::string& shape, std::size_t elements) {
  std::string header =
      fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}\n", dtype, shape);
  const auto length = static_cast<std::uint16_t>(header.size());
  return "\x93NUMPY\x01" + std::string(1, '\0') + std::string(reinterpret_cast<const char*>(&length), 2) +
         header + std::string(elements, '\1');
}

/// Files of about a megabyte that hold as many of the smallest things as their format allows.
std::vector<std::pair<const char*, std::string>> worst_files() {
  constexpr std::size_t size = 1 << 20;
  const std::string idx = {0, 0, 8, 1, 0, 16, 0, 0};
  return {
      {"npy", npy("|u1", "1048576,", size)},
      {"npy", npy("|u1", "1, 1048576", size)},
      {"npy", npy("|u1", repeated(60'000, "1,"), 1)},
      {"idx", idx + std::string(size, '\1')},
      {"csv", std::string(size, ',')},
      {"csv", repeated(size, "1\n")},
      {"csv", repeated(size, "1,1\n")},
      {"csv", "a,y\n" + repeated(size, "1,a\n")},
      {"csv", "y,a\n" + numbered(size, "", "g,1\n")},
      {"csv", "y,a\n" + numbered(size, "0.", "9,1\n")},
      {"csv", repeated(size, "a,") + "y"},
      {"csv", repeated(size, R"("""",)")},
      {"csv", repeated(size, R"("""")"
                             "\n")},
      {"safetensors", safetensors("[" + repeated(size, "1,") + "1]")},
      {"safetensors", safetensors("[" + repeated(size, "[],") + "1]")},
      {"safetensors", safetensors("{" + numbered(size, "\"", "\":{},") + "\"\":1}")},
      {"safetensors", safetensors(R"({"__metadata__":{)" + numbered(size, "\"", R"(":"",)") + R"("":""}})")},
      {"safetensors", safetensors(std::string(size, '['))},
      {"safetensors", safetensors(repeated(size, R"({"a":)"))},
      {"model", safetensors(R"({"__metadata__":{"format":"natgrad-1","class_names":")" + repeated(size, "[") +
                            "\"}}")},
      {"model",
       safetensors("{" +
                   numbered(size, "\"0x", R"(.bias":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},)") +
                   R"("__metadata__":{}})")},
      {"config", "hidden = [" + repeated(size, "1,") + "]\n"},
      {"config", numbered(size, "a", "=1\n")},
      {"config", "out = \"" + std::string(size, 'a') + "\"\n"},
      {"config", repeated(size, "a.") + "a = 1\n"},
      {"config", "a = " + std::string(size, '[')},
      {"config", "a = " + repeated(size, "{a=")},
      {"config", repeated(size, "#\n")}};
}

TEST(R12, NoFileMakesAParserAllocateBeyondItsCap) {
  std::map<std::string_view, double> factors;
  for (const auto& [name, content] : worst_files()) {
    const Target& target = fuzz::find_target(name);
    std::size_t peak = 0;
    EXPECT_NO_THROW(peak = run(target, bytes(content))) << name;
    factors[name] = std::max(factors[name], static_cast<double>(peak) / static_cast<double>(content.size()));
  }
  std::string found, allowed;
  for (const auto& [name, factor] : factors) {
    found += fmt::format("{}{} {:.0f}", found.empty() ? "" : ", ", name, factor);
    allowed += fmt::format("{}{}", allowed.empty() ? "" : ", ", fuzz::find_target(name).factor);
  }
  report_figure("R12",
                fmt::format("worst files of 1 MB, peak allocation / size: {} (allowed: {})", found, allowed));
}

}  // namespace
}  // namespace natgrad
