#include "cli/resolve.hpp"

#include <gtest/gtest.h>

#include "cli/config_file.hpp"
#include "cli/set_option.hpp"
#include "io/temporary_directory.hpp"

namespace natgrad::cli {
namespace {

using testing::expect_error;
using testing::TemporaryDirectory;

TEST(Resolve, TakesTheDigitsAndTwentyStepsByDefault) {
  Options options;
  resolve_training(options);
  EXPECT_EQ(options.data, "digits");
  EXPECT_EQ(options.test_fraction, 0.2);
  EXPECT_EQ(options.steps, 20);
  EXPECT_GE(options.threads, 1);
  Options limited;
  set(limited, "epochs", "2");
  set(limited, "train-csv", "a.csv");
  resolve_training(limited);
  EXPECT_FALSE(limited.steps.has_value());
  EXPECT_EQ(limited.data, "");
  EXPECT_EQ(limited.test_fraction, 0.0);
}

TEST(Resolve, GivesEachOptimiserItsLearningRate) {
  for (const auto& [name, rate] : {std::pair{"sgd", 0.1}, {"adam", 1e-3}}) {
    Options options;
    set(options, "optimizer", name);
    resolve_training(options);
    EXPECT_EQ(options.learning_rate, rate);
  }
}

/// What resolving writes to standard error.
std::string warnings_of(Options& options) {
  ::testing::internal::CaptureStderr();
  resolve_training(options);
  return ::testing::internal::GetCapturedStderr();
}

TEST(Resolve, WarnsOfOptionsOfAnotherOptimiser) {
  const struct {
    const char *name, *text, *governor;
  } cases[] = {{"learning-rate", "1", "--optimizer sgd or adam"},
               {"fisher-samples", "2", "--fisher mc"},
               {"cg-tolerance", "1e-3", "--structure matrix-free"},
               {"preconditioner", "kronecker", "--structure matrix-free"},
               {"metric", "kronecker", "--structure gram"},
               {"mix", "0.25", "--structure gram"},
               {"model-damping", "0.1", "--step-rule quadratic"},
               {"damping-rate", "0.5", "--damping-schedule geometric"}};
  for (const auto& [name, text, governor] : cases) {
    Options options;
    set(options, name, text);
    const std::string warnings = warnings_of(options);
    EXPECT_NE(warnings.find(std::string("--") + name + " has no effect"), std::string::npos) << warnings;
    EXPECT_NE(warnings.find(governor), std::string::npos) << warnings;
  }
}

Options given(const std::vector<std::pair<const char*, const char*>>& texts) {
  Options options;
  for (const auto& [name, text] : texts) set(options, name, text);
  return options;
}

TEST(Resolve, GivesAnIdleOptionItsStandardValue) {
  Options options = given({{"structure", "gram"}, {"curvature-decay", "0.9"}, {"mix", "0.25"}});
  const std::string warnings = warnings_of(options);
  EXPECT_NE(warnings.find("--curvature-decay has no effect: it is for --structure dense or layer"),
            std::string::npos)
      << warnings;
  EXPECT_NE(warnings.find("--mix has no effect: it is for --metric kronecker"), std::string::npos)
      << warnings;
  EXPECT_EQ(options.curvature_decay, 0.0);
  EXPECT_EQ(options.mix, Options{}.mix);
  natural_gradient_options(options).validate();
  EXPECT_EQ(warnings_of(options), "") << "one warning is enough";
}

TEST(Resolve, LetsOneOfSeveralGovernorsAllowAnOption) {
  Options without = given({{"structure", "gram"}, {"refresh", "5"}});
  const std::string warnings = warnings_of(without);
  EXPECT_NE(warnings.find("diagonal or auto, or --metric kronecker"), std::string::npos) << warnings;
  EXPECT_EQ(without.refresh, 1);
  Options metric = given({{"structure", "gram"}, {"metric", "kronecker"}, {"refresh", "5"}});
  EXPECT_EQ(warnings_of(metric), "");
  EXPECT_EQ(metric.refresh, 5);
}

TEST(Resolve, LetsMomentumServeSgdAndTheTextbookStep) {
  for (const auto& [optimizer, rule, momentum] : {std::tuple{"sgd", "kl", 0.5},
                                                  {"sgd", "quadratic", 0.5},
                                                  {"natural", "kl", 0.5},
                                                  {"natural", "quadratic", 0.0},
                                                  {"adam", "kl", 0.0}}) {
    Options options = given({{"optimizer", optimizer}, {"step-rule", rule}, {"momentum", "0.5"}});
    warnings_of(options);
    EXPECT_EQ(options.momentum, momentum) << optimizer << " " << rule;
  }
}

TEST(Resolve, ReadsAdaptDampingAsADampingSchedule) {
  Options off = given({{"adapt-damping", "off"}}), on = given({{"adapt-damping", "on"}});
  resolve_training(off);
  resolve_training(on);
  EXPECT_EQ(natural_gradient_options(off).damping.schedule, DampingSchedule::constant);
  EXPECT_EQ(natural_gradient_options(on).damping.schedule, DampingSchedule::adaptive);
  EXPECT_NE(config_text(off).find("damping-schedule = \"constant\""), std::string::npos);
  Options later = read("adapt-damping = false\n");
  set(later, "damping-schedule", "geometric");
  resolve_training(later);
  EXPECT_EQ(later.damping_schedule, "geometric");
}

TEST(Resolve, HandsEveryOptionOfTheStepOn) {
  Options options = given({{"structure", "matrix-free"},
                           {"fisher", "mc"},
                           {"fisher-samples", "3"},
                           {"fisher-batch", "7"},
                           {"solver", "eigen"},
                           {"cutoff", "0.01"},
                           {"cg-tolerance", "1e-3"},
                           {"cg-iterations", "11"},
                           {"preconditioner", "kronecker"},
                           {"step-rule", "quadratic"},
                           {"model-damping", "0.25"},
                           {"damping", "0.5"},
                           {"damping-schedule", "geometric"},
                           {"damping-factor", "3"},
                           {"damping-rate", "0.75"},
                           {"min-damping", "1e-5"},
                           {"average", "0.9"}});
  EXPECT_EQ(warnings_of(options), "");
  const NaturalGradientOptions natural = natural_gradient_options(options);
  EXPECT_EQ(natural.fisher.structure, Structure::matrix_free);
  EXPECT_EQ(natural.kind, ScoreKind::mc);
  EXPECT_EQ(natural.draws, 3);
  EXPECT_EQ(natural.fisher_batch, 7);
  EXPECT_EQ(natural.solver, Solver::eigen);
  EXPECT_EQ(natural.fisher.cutoff, 0.01);
  EXPECT_EQ(natural.fisher.tolerance, 1e-3);
  EXPECT_EQ(natural.fisher.max_iterations, 11);
  EXPECT_EQ(natural.fisher.preconditioner, Structure::kronecker);
  EXPECT_EQ(natural.rule, StepRule::quadratic);
  EXPECT_EQ(natural.model_damping, 0.25);
  EXPECT_EQ(natural.damping.start, 0.5);
  EXPECT_EQ(natural.damping.schedule, DampingSchedule::geometric);
  EXPECT_EQ(natural.damping.factor, 3.0);
  EXPECT_EQ(natural.damping.rate, 0.75);
  EXPECT_EQ(natural.damping.least, 1e-5);
  EXPECT_EQ(trainer_options(options).average, 0.9);

  Options metric = given({{"structure", "gram"},
                          {"metric", "kronecker"},
                          {"mix", "0.25"},
                          {"factor-decay", "0.5"},
                          {"refresh", "4"},
                          {"refine", "2"},
                          {"momentum", "0.75"},
                          {"damping-interval", "5"}});
  EXPECT_EQ(warnings_of(metric), "");
  const NaturalGradientOptions second = natural_gradient_options(metric);
  EXPECT_TRUE(second.fisher.kronecker_metric);
  EXPECT_EQ(second.fisher.mix, 0.25);
  EXPECT_EQ(second.fisher.factor_decay, 0.5);
  EXPECT_EQ(second.fisher.refresh, 4);
  EXPECT_EQ(second.fisher.refine, 2);
  EXPECT_EQ(second.momentum, 0.75);
  EXPECT_EQ(second.damping.interval, 5);
}

TEST(Resolve, LetsAnOptimiserOfTheCommandLineReplaceThatOfTheFile) {
  Options options = read("kl = 0.3\nfisher = \"mc\"\nfisher-samples = 2\n");
  set(options, "optimizer", "adam");
  EXPECT_EQ(warnings_of(options), "");
  const std::string text = config_text(options);
  EXPECT_EQ(text.find("\nkl = "), std::string::npos) << text;
  EXPECT_EQ(text.find("fisher"), std::string::npos) << text;
  set(options, "kl", "0.2");
  EXPECT_NE(warnings_of(options).find("--kl has no effect: it is for --optimizer natural"),
            std::string::npos);
}

TEST(Resolve, RefusesContradictions) {
  const std::vector<std::vector<std::pair<const char*, const char*>>> cases = {
      {{"target", "y"}},
      {{"test-fraction", "0.5"}, {"test-x", "x"}},
      {{"activation", "tanh,relu"}},
      {{"activation", "tanh,relu"}, {"hidden", "3,3,3"}},
      {{"adapt-damping", "on"}, {"damping-schedule", "constant"}},
      {{"device", "gpu"}},
      {{"device", "cuda:-1"}},
      {{"device", "cuda:"}}};
  for (const auto& given : cases) {
    Options options;
    for (const auto& [name, text] : given) set(options, name, text);
    expect_error<UsageError>([&] { resolve_training(options); }, {std::string("--") + given.front().first});
  }
}

TEST(Resolve, Tf32MakesSolvesRefined) {
  for (const char* structure : {"dense", "gram"}) {
    Options options = given({{"tf32", "true"}, {"structure", structure}});
    resolve_training(options);
    EXPECT_EQ(options.refine, 1) << structure;
    EXPECT_TRUE(cuda_options(options).tf32);
  }
  Options twice = given({{"tf32", "true"}, {"refine", "2"}});
  resolve_training(twice);
  EXPECT_EQ(twice.refine, 2);
}

TEST(Resolve, RefusesTf32WhereSolvesCannotBeRefined) {
  const std::vector<std::pair<const char*, const char*>> others[] = {
      {{"structure", "kronecker"}}, {{"precision", "f64"}},
      {{"optimizer", "adam"}},      {{"damping", "0"}},
      {{"curvature-decay", "0.5"}}, {{"structure", "gram"}, {"metric", "kronecker"}}};
  for (auto texts : others) {
    texts.emplace_back("tf32", "true");
    Options options = given(texts);
    EXPECT_THROW(resolve_training(options), UsageError) << texts.front().first;
  }
}

TEST(Resolve, ReadsTheStepsToProfile) {
  Options options = given({{"profile-steps", "10:20"}});
  EXPECT_EQ(profile_steps(options).first, 10);
  EXPECT_EQ(profile_steps(options).last, 20);
  options.profile_steps = "7";
  EXPECT_EQ(profile_steps(options).last, 7);
  for (const char* wrong : {"0:3", "5:4", "a:b", "3:", ":3", "1:2:3"}) {
    options.profile_steps = wrong;
    EXPECT_THROW(profile_steps(options), UsageError) << wrong;
  }
}

}  // namespace
}  // namespace natgrad::cli
