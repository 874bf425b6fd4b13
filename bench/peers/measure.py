"""Measures one peer on one case, in a process of its own with one thread pool; prints a line of JSON."""

import argparse
import json
import os
import resource

from case import Case, make_inputs, median_seconds

METHODS = ("numpy", "jax-factored", "jax-jacobian", "torch-factored", "torch-jacobian")


def make_step(case, inputs, method, device):
    if method == "numpy":
        from numpy_step import NumpyStep

        return NumpyStep(case, inputs)
    framework, method = method.split("-")
    if framework == "torch":
        from torch_step import TorchStep

        return TorchStep(case, inputs, method, device)
    os.environ["JAX_PLATFORMS"] = device  # read when JAX is imported
    from jax_step import JaxStep

    return JaxStep(case, inputs, method)


def measure(options):
    try:
        step = make_step(options.case, make_inputs(options.case), options.method, options.device)
    except ImportError as error:
        return {"skipped": str(error)}
    measured = {
        "gradient_seconds": median_seconds(step.gradient, options.seconds),
        "direction_seconds": median_seconds(step.direction, options.seconds),
        "peak_resident_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }
    if options.device != "cpu":
        measured["peak_bytes"] = step.peak_bytes()
    return measured


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", type=Case.parse, required=True, help="as step_bench describes it, JSON")
    parser.add_argument("--method", choices=METHODS, required=True)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="of JAX and PyTorch")
    parser.add_argument("--seconds", type=float, required=True, help="time bound of each measurement")
    print(json.dumps(measure(parser.parse_args())))


if __name__ == "__main__":
    main()
