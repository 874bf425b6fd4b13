/// Everything: natural-gradient training of dense networks on CUDA and CPUs.
#pragma once

#include "natgrad/backend.hpp"
#include "natgrad/checkpoint.hpp"
#include "natgrad/dataset.hpp"
#include "natgrad/device.hpp"
#include "natgrad/direction.hpp"
#include "natgrad/error.hpp"
#include "natgrad/fisher.hpp"
#include "natgrad/metrics.hpp"
#include "natgrad/model_file.hpp"
#include "natgrad/natural_gradient.hpp"
#include "natgrad/network.hpp"
#include "natgrad/optimizer.hpp"
#include "natgrad/plan.hpp"
#include "natgrad/scores.hpp"
#include "natgrad/trainer.hpp"
