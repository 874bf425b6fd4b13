// The model: what is specific to the data. Defined in model.cu, a translation unit of its own.
#pragma once

constexpr int parameters = 10;

// Feature i < parameters of a sample at (u, v) in [−1, 1]²: a monomial of degree ≤ 3. The probability of a
// label 1 is the logistic function of Σ θ_i feature_i.
__host__ __device__ double feature(int i, double u, double v);
