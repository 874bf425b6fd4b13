// The natural policy gradient (Kakade 2001) on a chain of states: the goal is at the right end, a small
// reward at the left one lures. The score of an action is (e_a − π(s)) φ(s)ᵀ, so that the rows are given
// factored, as inputs A = φ and signals D = e_a − π; every step changes the policy by a KL divergence of ε in
// the model.
#include <natgrad/natgrad.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

namespace {

constexpr int states = 8, actions = 2, longest = 30;    // of an episode
constexpr int parameters = actions * states + actions;  // P: a weight per action and state, a bias per action
constexpr double goal = 1.0, lure = 0.2, discount = 0.95;

/// π(· | s) = softmax(W φ(s) + b), φ(s) the unit vector of s.
std::vector<double> policy(const std::vector<double>& theta, int state) {
  std::vector<double> p(actions);
  double sum = 0.0;
  for (int a = 0; a < actions; ++a) {
    p[a] = std::exp(theta[a * states + state] + theta[actions * states + a]);
    sum += p[a];
  }
  for (double& value : p) value /= sum;
  return p;
}

struct Visit {
  int state, action;
  double to_go = 0.0;  // the discounted rewards from here on
};

/// From the third state until an end or the time is up.
std::vector<Visit> episode(const std::vector<double>& theta, std::mt19937& random) {
  std::vector<Visit> visits;
  double reward = 0.0;
  for (int state = 2; state > 0 && state < states - 1 && visits.size() < longest;) {
    std::uniform_real_distribution<double> uniform;
    const int action = uniform(random) < policy(theta, state)[0] ? 0 : 1;  // left, right
    visits.push_back({state, action});
    state += action == 0 ? -1 : 1;
    reward = state == 0 ? lure : state == states - 1 ? goal : 0.0;
  }
  for (auto visit = visits.rbegin(); visit != visits.rend(); ++visit, reward *= discount)
    visit->to_go = reward;
  return visits;
}

/// The visits of many episodes, and what the first of each are worth on the average.
struct Experience {
  std::vector<Visit> visits;
  double value = 0.0;

  Experience(const std::vector<double>& theta, std::mt19937& random, int episodes) {
    for (int i = 0; i < episodes; ++i) {
      const auto path = episode(theta, random);
      visits.insert(visits.end(), path.begin(), path.end());
      value += path.front().to_go / episodes;
    }
  }
  /// How much better an action was than what its state is worth on the average.
  std::vector<double> advantages() const {
    std::vector<double> sum(states, 0.0), number(states, 0.0), result;
    for (const Visit& visit : visits) sum[visit.state] += visit.to_go, number[visit.state] += 1.0;
    for (const Visit& visit : visits) result.push_back(visit.to_go - sum[visit.state] / number[visit.state]);
    return result;
  }
};

}  // namespace

int main() {
  using namespace natgrad;
  try {
    const auto backend = make_backend<double>("auto");
    DirectionSolver<double> solver(*backend, {});
    std::mt19937 random(1);
    std::vector<double> theta(parameters, 0.0);
    constexpr double budget = 0.02, damping = 1e-3;
    for (int step = 1; step <= 40; ++step) {
      // A = φ and D = (e_a − π)/√N, one column a visit; u = −advantage/√N: Sᵀu is the gradient of a loss.
      const Experience experience(theta, random, 200);
      const std::vector<double> advantages = experience.advantages();
      const auto samples = static_cast<Index>(experience.visits.size());
      const double scale = 1.0 / std::sqrt(static_cast<double>(samples));
      HostMatrix<double> inputs(states, samples), signals(actions, samples);
      std::vector<double> u, g(parameters, 0.0);
      for (Index n = 0; n < samples; ++n) {
        const auto [state, action, to_go] = experience.visits[static_cast<std::size_t>(n)];
        u.push_back(-scale * advantages[static_cast<std::size_t>(n)]);
        inputs(state, n) = 1.0;
        const std::vector<double> p = policy(theta, state);
        for (int a = 0; a < actions; ++a) {
          signals(a, n) = scale * ((a == action ? 1.0 : 0.0) - p[a]);
          g[a * states + state] += u.back() * signals(a, n);
          g[actions * states + a] += u.back() * signals(a, n);
        }
      }
      Buffer<double> device_inputs(*backend, inputs.view().size()),
          device_signals(*backend, signals.view().size());
      device_inputs.upload(inputs.data.data());
      device_signals.upload(signals.data.data());
      const Rows<double> rows{
          backend.get(),
          {{device_inputs.matrix(states, samples), device_signals.matrix(actions, samples)}},
          1};

      // θ ← θ − βd with ½β²dᵀFd = ε.
      std::vector<double> d;
      const DirectionReport report = solver.solve(rows, g, damping, d);
      const double beta = std::min(10.0, std::sqrt(2.0 * budget / report.quadratic));
      for (int k = 0; k < parameters; ++k) theta[k] -= beta * d[k];
      if (step % 5 == 0)
        std::printf("step %2d  value of the start %.4f  π(right | start) %.4f\n", step, experience.value,
                    policy(theta, 2)[1]);
    }
    const double reached = Experience(theta, random, 2000).value;
    const double best = goal * std::pow(discount, states - 4);  // straight to the right
    std::printf("value of the start %.4f, at best %.4f\n", reached, best);
    return reached > 0.97 * best ? 0 : 1;
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return error.exit_code();
  }
}
