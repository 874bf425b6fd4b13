"""Runs step_bench and its peers in turn, case by case, and prints seconds and ratios side by side.

All measure the direction of one step: forward, signals, curvature, solve. A ratio is the peer's time over
natgrad's: 2 means that natgrad takes half as long. With several rounds the best of each is taken.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from case import Case
from measure import METHODS

HERE = pathlib.Path(__file__).resolve().parent


def step_bench(options, *arguments):
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        command = [options.step_bench, "--device", options.device, *arguments, "--json", file.name]
        if subprocess.run(command, stdout=subprocess.DEVNULL).returncode != 0:
            sys.exit("compare: step_bench failed")
        return json.load(file)


def measure_peer(options, described, method):
    """Its measurements, or why there are none."""
    case = Case.parse(json.dumps(described))
    if method.endswith("-jacobian") and 1.5 * case.jacobian_bytes > available_memory(options.peer_device):
        return {"skipped": f"S alone takes {case.jacobian_bytes / 1e9:.1f} GB"}
    command = [sys.executable, HERE / "measure.py", "--case", json.dumps(described), "--method", method]
    command += ["--device", options.peer_device, "--seconds", str(options.seconds)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        return {"skipped": f"exit status {done.returncode}"}
    return json.loads(done.stdout)


def available_memory(device):
    """Bytes, of the machine or of the first GPU."""
    if device == "cuda":
        query = ["nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
        return 2**20 * int(subprocess.run(query, stdout=subprocess.PIPE, text=True).stdout.split()[0])
    with open("/proc/meminfo") as file:
        return next(1024 * int(line.split()[1]) for line in file if line.startswith("MemAvailable"))


def measure(options, described):
    """Of each method its measurements, one a round; a round takes all methods in turn."""
    measurements = {method: [] for method in ("natgrad", *options.methods)}
    for _ in range(options.rounds):
        own = step_bench(options, "--cases", described["name"], "--seconds", str(options.seconds))
        measurements["natgrad"] += own["cases"]
        for method in options.methods:
            measurements[method].append(measure_peer(options, described, method))
    return measurements


def best(measurements, quantity):
    return min((m[quantity] for m in measurements if quantity in m), default=None)


def row(name, result, quantity):
    own = best(result["natgrad"], quantity)
    cells = [f"{name:24}{own:10.4f}"]
    for measurements in list(result.values())[1:]:
        seconds = best(measurements, quantity)
        cells.append(f"{'-':>18}{'-':>8}" if seconds is None else f"{seconds:18.4f}{seconds / own:7.2f}x")
    return "".join(cells)


def table(results, methods, quantity):
    columns = "".join(f"{method + ' s':>18}{'ratio':>8}" for method in methods)
    head = f"{'case':24}{'natgrad s':>10}{columns}"
    return "\n".join([head, *(row(name, result, quantity) for name, result in results.items())])


def chosen_cases(options):
    known = step_bench(options, "--list")["cases"]
    if not options.cases:
        return [case for case in known if not case["on_request"]]
    by_name = {case["name"]: case for case in known}
    for name in options.cases.split(","):
        if name not in by_name:
            sys.exit(f'compare: case "{name}" is none of {", ".join(by_name)}')
    return [by_name[name] for name in options.cases.split(",")]


def parse_options():
    parser = argparse.ArgumentParser(prog="run.sh", description=__doc__)
    parser.add_argument("--step-bench", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--cases", help="separated by commas; without it, all that are not on request")
    parser.add_argument("--methods", help=f"peers to measure, of {', '.join(METHODS)} (default: NumPy and JAX"
                        " on the CPU, JAX and PyTorch on a GPU)")
    parser.add_argument("--device", default="cpu", help="natgrad's: cpu, cuda, cuda:N (%(default)s)")
    parser.add_argument("--peer-device", choices=("cpu", "cuda"), help="theirs (without it natgrad's)")
    parser.add_argument("--rounds", type=int, default=2, help="of all methods in turn (%(default)s)")
    parser.add_argument("--seconds", type=float, default=3.0, help="bound of one measurement (%(default)s)")
    parser.add_argument("--threads", type=int, help="cores to use (default: all that this process may use)")
    parser.add_argument("--json", help="write all measurements to this file")
    options = parser.parse_args()
    options.peer_device = options.peer_device or options.device.split(":")[0]
    default = METHODS[:3] if options.peer_device == "cpu" else METHODS[1:]
    options.methods = options.methods.split(",") if options.methods else default
    for method in options.methods:
        if method not in METHODS:
            parser.error(f'--methods: "{method}" is none of {", ".join(METHODS)}')
    return options


def main():
    options = parse_options()
    if options.threads:  # inherited by every process measured: each takes the cores that it finds
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])
    results = {}
    for described in chosen_cases(options):
        print(f"measuring {described['name']}", file=sys.stderr, flush=True)
        results[described["name"]] = measure(options, described)
    for quantity in ("direction_seconds", "gradient_seconds"):
        where = f"{len(os.sched_getaffinity(0))} cores" if options.device == "cpu" else options.device
        print(f"{quantity.removesuffix('_seconds')} ({where}, f32)")
        print(table(results, options.methods, quantity), end="\n\n")
    for name, result in results.items():
        for method, measurements in result.items():
            for reason in {m["skipped"] for m in measurements if "skipped" in m}:
                print(f"{name}: {method} left out, {reason}")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
