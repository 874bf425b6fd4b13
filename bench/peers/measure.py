"""Measures one peer on one case, in a process of its own with one thread pool; prints a line of JSON."""

import argparse
import json
import resource

from case import Case, make_inputs, median_seconds


def make_step(case, inputs, method):
    if method == "numpy":
        from numpy_step import NumpyStep

        return NumpyStep(case, inputs)
    from jax_step import JaxStep

    return JaxStep(case, inputs, method.removeprefix("jax-"))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", type=Case.parse, required=True, help="as step_bench describes it, JSON")
    parser.add_argument("--method", choices=("numpy", "jax-factored", "jax-jacobian"), required=True)
    parser.add_argument("--seconds", type=float, required=True, help="time bound of each measurement")
    options = parser.parse_args()
    step = make_step(options.case, make_inputs(options.case), options.method)
    measured = {
        "gradient_seconds": median_seconds(step.gradient, options.seconds),
        "direction_seconds": median_seconds(step.direction, options.seconds),
        "peak_resident_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
