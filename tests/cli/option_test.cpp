#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "cli/config_file.hpp"
#include "cli/nearest_name.hpp"
#include "cli/option_value.hpp"
#include "cli/resolve.hpp"
#include "cli/set_option.hpp"
#include "io/temporary_directory.hpp"

namespace natgrad::cli {
namespace {

using testing::expect_error;
using testing::TemporaryDirectory;

void expect_refused(const std::string& toml, const std::vector<std::string>& words) {
  SCOPED_TRACE(toml);
  expect_error<UsageError>([&] { read(toml); }, {"c.toml: line "});
  expect_error<UsageError>([&] { read(toml); }, words);
}

TEST(OptionTable, NamesEveryOptionOfASubcommandOnce) {
  for (Command command : {train, plan, eval, predict, inspect}) {
    const auto names = option_names(command);
    EXPECT_EQ(std::set(names.begin(), names.end()).size(), names.size()) << to_string(command);
  }
}

TEST(OptionTable, HoldsTheNamesThatScriptsDependOn) {
  for (const char* name : {"data",      "train-x",      "train-y",       "test-x",        "test-y",
                           "train-csv", "test-csv",     "target",        "test-fraction", "autoencode",
                           "scale",     "scale-target", "hidden",        "activation",    "init",
                           "init-from", "likelihood",   "optimizer",     "fisher",        "fisher-samples",
                           "structure", "kl",           "kl-tolerance",  "damping",       "adapt-damping",
                           "max-beta",  "l2",           "learning-rate", "momentum",      "batch",
                           "steps",     "epochs",       "max-seconds",   "target-loss",   "eval-every",
                           "seed",      "device",       "precision",     "threads",       "out",
                           "overwrite", "quiet",        "print-config"})
    EXPECT_NE(find_option(train, name), nullptr) << name;
  for (const char* name : {"max-decompressed", "curvature-decay", "refresh", "step-rule", "model-damping",
                           "metric", "mix", "factor-decay", "fisher-batch", "solver", "cutoff", "refine",
                           "cg-tolerance", "cg-iterations", "preconditioner"})
    for (Command command : {train, plan, inspect})
      EXPECT_NE(find_option(command, name), nullptr) << to_string(command) << " " << name;
  for (const char* name : {"average", "damping-schedule", "damping-factor", "damping-interval",
                           "damping-rate", "min-damping", "memory-limit", "gemm-rate"})
    for (Command command : {train, plan})
      EXPECT_NE(find_option(command, name), nullptr) << to_string(command) << " " << name;
}

TEST(OptionTable, GivesPlanTheOptionsOfTrainThatSayWhatIsComputed) {
  for (const OptionEntry& entry : option_table()) {
    if ((entry.commands & train) != 0 && entry.group != "output") {
      EXPECT_NE(entry.commands & plan, 0u) << entry.name;
    }
  }
}

TEST(OptionTable, GovernsOptionsByTextsOfTrainAndTheirChoices) {
  for (const OptionEntry& entry : option_table()) {
    for (const Governors& governors : entry.traits.only_with) {
      for (const auto& [option, values] : governors) {
        const OptionEntry* governor = find_option(train, option);
        ASSERT_NE(governor, nullptr) << entry.name;
        EXPECT_TRUE(std::holds_alternative<std::string Options::*>(governor->member)) << entry.name;
        for (std::string_view value : values) {
          const auto& choices = governor->traits.choices;
          EXPECT_TRUE(value.empty() || std::ranges::find(choices, value) != choices.end())
              << entry.name << " of --" << option << " " << value;
        }
      }
    }
  }
}

TEST(OptionValue, AcceptsItsOwnStandardValue) {
  for (const OptionEntry& entry : option_table()) {
    const auto value = toml_value(entry, Options{});
    if (!value || (entry.commands & train) == 0) continue;
    const Options options = read(std::string(entry.name) + " = " + *value);
    EXPECT_EQ(toml_value(entry, options), value) << entry.name;
  }
}

TEST(OptionValue, ReadsListsWordsAndSwitches) {
  Options options;
  set(options, "hidden", "32,16");
  EXPECT_EQ(options.hidden, (std::vector<Index>{32, 16}));
  set(options, "hidden", "none");
  EXPECT_TRUE(options.hidden.empty());
  set(options, "hidden", "7");
  set(options, "hidden", "");
  EXPECT_TRUE(options.hidden.empty());
  set(options, "activation", "relu,sin");
  EXPECT_EQ(options.activation, (std::vector<std::string>{"relu", "sin"}));
  set(options, "batch", "64");
  EXPECT_EQ(options.batch, 64);
  set(options, "batch", "full");
  EXPECT_EQ(options.batch, 0);
  set(options, "adapt-damping", "off");
  EXPECT_FALSE(options.adapt_damping);
  set(options, "fisher-batch", "all");
  EXPECT_EQ(options.fisher_batch, 0);
  set(options, "seed", "9223372036854775807");
  EXPECT_EQ(options.seed, 9223372036854775807u);
}

TEST(OptionValue, RefusesWhatIsOutsideItsRangeNamingOptionValueAndRange) {
  const struct {
    const char *name, *text, *allowed;
  } cases[] = {{"kl", "0", "above 0"},
               {"kl", "nan", "finite"},
               {"kl", "inf", "finite"},
               {"kl", "0.1x", "number"},
               {"damping", "-1", "at least 0"},
               {"max-beta", "0", "above 0"},
               {"test-fraction", "1", "1"},
               {"momentum", "1", "1"},
               {"hidden", "32,0", "at least 1"},
               {"hidden", "32,", "integer"},
               {"hidden", ",", "integer"},
               {"hidden", "1.5", "integer"},
               {"batch", "0", "full"},
               {"steps", "0", "at least 1"},
               {"seed", "-1", "at least 0"},
               {"seed", "9223372036854775808", "integer"},
               {"precision", "f16", "f32, f64"},
               {"activation", "tanh,foo", "softplus"},
               {"adapt-damping", "maybe", "on or off"},
               {"structure", "blocks", "matrix-free"},
               {"metric", "euclid", "kronecker"},
               {"mix", "1", "up to"},
               {"refresh", "0", "from 1"},
               {"refine", "11", "from 0 to 10"},
               {"cg-tolerance", "0", "from 0"},
               {"damping-factor", "1", "above 1"},
               {"damping-rate", "0", "from 0"},
               {"memory-limit", "2T", "K, M or G"},
               {"memory-limit", "G", "K, M or G"},
               {"memory-limit", "9007199254740992G", "K, M or G"},
               {"memory-limit", "0", "at least 1"},
               {"average", "1", "1"},
               {"threads", "-1", "from 0"},
               {"train-x", "", "not empty"},
               {"learning-rate", "0", "above 0"},
               {"fisher-samples", "0", "at least 1"}};
  for (const auto& [name, text, allowed] : cases) {
    SCOPED_TRACE(std::string(name) + " " + text);
    Options options;
    expect_error<UsageError>([&] { set(options, name, text); }, {std::string("--") + name, text, allowed});
  }
}

TEST(OptionValue, ReadsBytesWithTheirUnits) {
  const struct {
    const char* text;
    Index bytes;
  } cases[] = {{"1", 1},
               {"3K", 3 << 10},
               {"500M", Index{500} << 20},
               {"2G", Index{2} << 30},
               {"8589934591G", Index{8589934591} << 30}};
  for (const auto& [text, bytes] : cases) {
    Options options;
    set(options, "memory-limit", text);
    EXPECT_EQ(options.memory_limit, bytes) << text;
  }
  EXPECT_EQ(read("memory-limit = \"1K\"").memory_limit, 1024);
  EXPECT_EQ(read("memory-limit = 1000").memory_limit, 1000);
}

TEST(ConfigFile, ReadsEveryTypeAsTomlWritesIt) {
  const Options options = read(
      "hidden = [4, 3]\nactivation = \"relu\"\nkl = 1\nbatch = 10\nautoencode = true\ntarget-loss = -0.5\n"
      "adapt-damping = \"off\"\nsteps = 3\n");
  EXPECT_EQ(options.hidden, (std::vector<Index>{4, 3}));
  EXPECT_EQ(options.activation, std::vector<std::string>{"relu"});
  EXPECT_EQ(options.kl, 1.0);
  EXPECT_EQ(options.batch, 10);
  EXPECT_TRUE(options.autoencode);
  EXPECT_EQ(options.target_loss, -0.5);
  EXPECT_FALSE(options.adapt_damping);
  EXPECT_EQ(options.steps, 3);
  EXPECT_EQ(options.source("kl"), Source::file);
  EXPECT_EQ(read("hidden = 5").hidden, std::vector<Index>{5});
  EXPECT_EQ(read("hidden = \"5,6\"").hidden, (std::vector<Index>{5, 6}));
  EXPECT_EQ(read("batch = \"full\"").batch, 0);
}

TEST(ConfigFile, RefusesUnknownKeysNamingTheNearest) {
  expect_refused("kl = 1\nlerning-rate = 2\n", {"line 2", "'lerning-rate'", "'learning-rate'"});
  expect_refused("[train]\nkl = 1\n", {"line 1", "'train'"});
  expect_refused("model = \"m\"\n", {"unknown key 'model'"});
}

TEST(ConfigFile, RefusesValuesOfAnotherType) {
  for (const char* toml : {"kl = \"0.1\"", "kl = [0.1]", "kl = true", "kl = 1979-05-27", "steps = 2.0",
                           "steps = \"2\"", "quiet = 1", "quiet = \"true\"", "hidden = 2.5", "hidden = [[2]]",
                           "data = 3", "adapt-damping = 1", "activation = [1]", "batch = \"half\""})
    expect_refused(toml, {"expected"});
}

TEST(ConfigFile, NamesTheLineOfMalformedToml) {
  expect_refused("kl = 1\nsteps = \n", {"line 2"});
  expect_refused("kl = 1\nkl = 2\n", {"line 2"});
}

TEST(ConfigFile, ReadsBackWhatItWrites) {
  Options options;
  set(options, "train-csv", "a \"b\"\\c.csv");
  set(options, "target", "0");
  set(options, "hidden", "5,4");
  set(options, "kl", "0.30000000000000004");
  set(options, "damping", "1e-300");
  set(options, "fisher", "mc");
  set(options, "fisher-samples", "3");
  set(options, "max-seconds", "2");
  set(options, "out", "elsewhere");
  resolve_training(options);
  const std::string text = config_text(options);
  Options again = read(text);
  resolve_training(again);
  EXPECT_EQ(config_text(again), text);
  EXPECT_EQ(again.kl, options.kl);
  EXPECT_EQ(again.damping, options.damping);
  EXPECT_TRUE(again.train_csv.ends_with("a \"b\"\\c.csv")) << again.train_csv;
  EXPECT_EQ(again.fisher_samples, 3);
  EXPECT_EQ(text.find("elsewhere"), std::string::npos);
}

TEST(NearestName, CountsInsertionsDeletionsAndSubstitutions) {
  EXPECT_EQ(edit_distance("", ""), 0u);
  EXPECT_EQ(edit_distance("abc", ""), 3u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  const std::vector<std::string_view> names = {"steps", "epochs", "seed"};
  EXPECT_EQ(nearest_name("sed", names), "seed");
  EXPECT_EQ(nearest_name("epoch", names), "epochs");
  EXPECT_EQ(nearest_name("x", {}), "");
}

}  // namespace
}  // namespace natgrad::cli
