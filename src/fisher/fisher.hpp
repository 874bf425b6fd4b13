/// The structures, one file each; `make_fisher` chooses among them, `plan_fisher` tells what each takes.
#pragma once

#include <map>

#include "natgrad/fisher.hpp"

namespace natgrad {

/// The buffers of a structure, allocated as planned.
template <class R>
class PlannedBuffers {
 public:
  PlannedBuffers(Backend<R>& backend, const std::vector<PlannedBuffer>& plan) {
    for (const auto& [name, elements] : plan) buffers_.emplace(name, Buffer<R>(backend, elements));
  }
  Buffer<R>& operator[](const std::string& name) { return buffers_.at(name); }

 private:
  std::map<std::string, Buffer<R>> buffers_;
};

/// Of the products behind solves that are refined as often as the options say.
inline Accuracy accuracy_of(const FisherOptions& options) {
  return options.refine > 0 ? Accuracy::refined : Accuracy::full;
}

FisherPlan plan_dense(const RowsShape& shape, const FisherOptions& options);
FisherPlan plan_gram(const RowsShape& shape, const FisherOptions& options);
FisherPlan plan_metric(const RowsShape& shape, const FisherOptions& options);
FisherPlan plan_matrix_free(const RowsShape& shape, const FisherOptions& options);
FisherPlan plan_layer(const RowsShape& shape, const FisherOptions& options);
FisherPlan plan_unit(const RowsShape& shape, const FisherOptions& options);
FisherPlan plan_kronecker(const RowsShape& shape, const FisherOptions& options);
FisherPlan plan_ekfac(const RowsShape& shape, const FisherOptions& options);
FisherPlan plan_diagonal(const RowsShape& shape, const FisherOptions& options);

template <class R>
using FisherOwner = std::unique_ptr<Fisher<R>>;

template <class R>
FisherOwner<R> make_dense(Backend<R>& backend, const RowsShape& shape, const FisherOptions& options);
template <class R>
FisherOwner<R> make_gram(Backend<R>& backend, const RowsShape& shape, const FisherOptions& options);
template <class R>
FisherOwner<R> make_metric(Backend<R>& backend, const RowsShape& shape, const FisherOptions& options);
template <class R>
FisherOwner<R> make_matrix_free(Backend<R>& backend, const RowsShape& shape, const FisherOptions& options);
template <class R>
FisherOwner<R> make_layer(Backend<R>& backend, const RowsShape& shape, const FisherOptions& options);
template <class R>
FisherOwner<R> make_unit(Backend<R>& backend, const RowsShape& shape, const FisherOptions& options);
template <class R>
FisherOwner<R> make_kronecker(Backend<R>& backend, const RowsShape& shape, const FisherOptions& options);
template <class R>
FisherOwner<R> make_ekfac(Backend<R>& backend, const RowsShape& shape, const FisherOptions& options);
template <class R>
FisherOwner<R> make_diagonal(Backend<R>& backend, const RowsShape& shape, const FisherOptions& options);

}  // namespace natgrad
