/// Operations that come again and again between two synchronisations, replayed as CUDA graphs.
///
/// A stretch is what is enqueued from one synchronisation to the next. At first its operations run as they
/// come, and are written down. A stretch that comes a second time is captured as a graph. From then on the
/// operations of a beginning stretch are withheld for as long as each is alike, but for real numbers, the one
/// that is written down; at the end the graph is launched in their place, once it has taken over numbers that
/// are others now (a graph that always has to is given up). Where an operation is another
/// one, those withheld run, and the stretch goes on as if nothing had been.
///
/// So whoever enqueues need not know of graphs, and a graph is never launched for other operations than those
/// asked for: a change of shapes, of memory or of λ is seen by itself.
#pragma once

#include <concepts>
#include <list>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "cuda/handles.hpp"

namespace natgrad {

class Replay {
 public:
  explicit Replay(bool enabled) : enabled_(enabled) {}

  /// True: the operation owner.method(arguments...) is withheld and must not be run now. False: it must.
  template <auto method, class Owner, class... Arguments>
  bool withhold(Owner& owner, const Arguments&... arguments) {
    if (!enabled_ || running_) return false;
    if (written_.empty() && follow(Call<method, Owner, Arguments...>(owner, arguments...))) return true;
    run_withheld();
    write(std::make_shared<Call<method, Owner, Arguments...>>(owner, arguments...));
    return false;
  }
  bool is_withholding() const { return !withheld_.empty(); }

  /// Enqueues what is withheld and ends the stretch: before anything that is no operation, or one that comes
  /// with other numbers every time.
  void end_stretch(cudaStream_t stream);
  /// Drops what is withheld, which will never run.
  void abandon() noexcept {
    withheld_.clear();
    written_.clear();
  }
  /// Forgets all stretches: memory that is no argument of an operation, but used by it, has moved.
  void forget() { stretches_.clear(); }

  /// Graphs launched and captured so far.
  std::size_t launches() const { return launches_; }
  std::size_t captures() const { return captures_; }

 private:
  /// An operation with its arguments.
  struct Written {
    virtual ~Written() = default;
    virtual void run() const = 0;
    virtual bool equals(const Written& other) const = 0;
    /// Equal but for real numbers.
    virtual bool resembles(const Written& other) const = 0;
    virtual std::shared_ptr<const Written> copy() const = 0;
  };
  template <auto method, class Owner, class... Arguments>
  class Call final : public Written {
   public:
    Call(Owner& owner, const Arguments&... arguments) : owner_(owner), arguments_(arguments...) {}
    void run() const override {
      std::apply([this](const Arguments&... arguments) { (owner_.*method)(arguments...); }, arguments_);
    }
    bool equals(const Written& other) const override {
      const auto* call = dynamic_cast<const Call*>(&other);
      return call != nullptr && call->arguments_ == arguments_;
    }
    bool resembles(const Written& other) const override {
      const auto* call = dynamic_cast<const Call*>(&other);
      return call != nullptr &&
             resemble(arguments_, call->arguments_, std::index_sequence_for<Arguments...>());
    }
    std::shared_ptr<const Written> copy() const override { return std::make_shared<Call>(*this); }

   private:
    Owner& owner_;
    std::tuple<Arguments...> arguments_;
  };
  template <class Tuple, std::size_t... i>
  static bool resemble(const Tuple& a, const Tuple& b, std::index_sequence<i...>) {
    return ((std::floating_point<std::tuple_element_t<i, Tuple>> || std::get<i>(a) == std::get<i>(b)) && ...);
  }

  using Operations = std::vector<std::shared_ptr<const Written>>;
  struct Stretch {
    Operations operations;
    GraphExecHandle graph{};
    bool captured = false;  // or tried to be
    int updates = 0;        // in a row
  };

  bool follow(const Written& operation);
  void run_withheld();
  void write(std::shared_ptr<const Written> operation);
  void launch(Stretch& stretch, cudaStream_t stream);
  void learn(const Operations& operations, cudaStream_t stream);
  GraphHandle capture(const Operations& operations, cudaStream_t stream);

  bool enabled_;
  bool running_ = false;          // operations that are written down
  std::list<Stretch> stretches_;  // the last used first
  Operations withheld_;           // of this stretch, each alike one of a stretch with a graph
  Operations written_;            // of this stretch, where it follows none
  bool too_long_ = false;         // to be written down
  std::size_t launches_ = 0, captures_ = 0;
};

}  // namespace natgrad
