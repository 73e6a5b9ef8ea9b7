#!/usr/bin/env python3
"""Generated kernels beside hand-written prototypes of the same layers, in one run.

    prototypes.py --sources FOLDER [--build build] [--models FOLDER] [--rounds 3] [--only TEXT]
                  [--weights cold] [--json FILE]

FOLDER has programs of one file each, whose first lines name their compiler and options; they print a line per layer.
They are built in a temporary folder. A round runs each program and stops it after each line while `bench_kernels` measures
the layers of that line (or `sardonyx bench`, where a program runs a whole model), all on one thread: both see the machine
in the same seconds. A figure is the minimum over the rounds, the table has the prototype's time over ours: above 1 ours is
faster. Ours is the candidate with the lowest estimate, the one that a model would get; `best` is the fastest of the few
cheapest. Layers that `bench_kernels` cannot make yet have no figure.
"""
import argparse
import json
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile

CHEAPEST = 2  # candidates per layer that are measured
PEAK = 267e9  # what the prototypes' percentages refer to, operations per second


class Row:
    """A layer: its times in µs per round, of the prototype and of ours."""

    def __init__(self, name, layer, only="codegen", cold=False, layers=1):
        self.name, self.layer, self.only, self.cold, self.layers = name, layer, only, cold, layers
        self.theirs, self.ours, self.best, self.candidate = [], [], [], ""

    def figures(self):
        result = {"layer": self.name, "cold": self.cold, "prototype_us": min(self.theirs),
                  "prototype_median_us": statistics.median(self.theirs)}
        if self.ours:
            result |= {"ours_us": min(self.ours), "ours_median_us": statistics.median(self.ours),
                       "best_us": min(self.best), "ratio": min(self.theirs) / min(self.ours),
                       "candidate": self.candidate}
        return result


def conv_direct(text):
    pattern = r"^(\w+)\s+(\d+)->\s*(\d+) @\s*(\d+) (\d)x\d s(\d) x\d+ \|\s+([\d.]+) ms.*?cold W\s+([\d.]+) ms"
    for net, ic, oc, size, kernel, stride, hot, cold in re.findall(pattern, text, re.M):
        layer = f"conv:{ic},{oc},{size},{kernel},{stride}"
        family = "contraction" if kernel == "1" else "window"
        for is_cold, time in ((False, hot), (True, cold)):
            yield Row(f"{net} {ic}-{oc}@{size} {kernel}x{kernel}s{stride}", layer, family, is_cold), float(time) * 1e3


def winograd(text):
    pattern = r"^(\w+)\s+(\d+)->\s*(\d+) @\s*(\d+) x\d+ F\((\d)\).*?([\d.]+) ms .*?cold U\s+([\d.]+) ms"
    for net, ic, oc, size, outputs, hot, cold in re.findall(pattern, text, re.M):
        for is_cold, time in ((False, hot), (True, cold)):
            yield Row(f"{net} {ic}-{oc}@{size} F({outputs})", f"conv:{ic},{oc},{size},3", f"outputs={outputs}",
                      is_cold), float(time) * 1e3


def gemm(text):
    pattern = (r"^gemm (\d+)x(\d+)x(\d+) best .*? ([\d.]+) ms.*?cold weights: kc\d+ ([\d.]+)% \+prefetch ([\d.]+)%; "
               r"kc=K ([\d.]+)% \+prefetch ([\d.]+)%")
    for m, n, k, hot, *shares in re.findall(pattern, text, re.M):
        cold = 2e6 * int(m) * int(n) * int(k) / (max(map(float, shares)) / 100 * PEAK)
        for is_cold, time in ((False, float(hot) * 1e3), (True, cold)):
            yield Row(f"product {m}x{n}x{k}", f"product:{m},{n},{k}", "contraction", is_cold), time


def int8(text):
    for name, time in re.findall(r"^(\S+ .*?)\s+\|.*?\|\s+([\d.]+)\s+[\d.]+%", text, re.M):
        if product := re.match(r"BERT (\d+)x(\d+)x(\d+)$", name):
            m, k, n = product.groups()
            yield Row(f"8 bits {name}", f"product8:{m},{n},{k}"), float(time)
        elif conv := re.match(r"RN50 (\d+) (\d+)-(\d+) (\d)x\d$", name):
            size, ic, oc, kernel = conv.groups()
            yield Row(f"8 bits {name}", f"conv8:{ic},{oc},{size},{kernel}"), float(time)


def maps(text):
    for rows, columns, time in re.findall(r"^softmax (\d+) x (\d+): ([\d.]+) ns/elem", text, re.M):
        yield Row(f"softmax {rows}x{columns}", f"softmax:{rows},{columns}"), float(time) * int(rows) * int(columns) / 1e3
    for time in re.findall(r"^residual\+LayerNorm 128x768 two-pass variance: [\d.]+ ns/elem \(([\d.]+) us", text, re.M):
        yield Row("residual + layer norm 128x768", "norm:128,768"), float(time)
    for time in re.findall(r"^gelu\(erf\) div .*?128x3072 \(L3\) ([\d.]+)", text, re.M):
        yield Row("gelu 128x3072", "gelu:128,3072"), float(time) * 128 * 3072 / 1e3


def lstm(text):
    for time in re.findall(r"^fp32 R panels, fused, zig-zag order\s+([\d.]+) ms", text, re.M):
        yield Row("LSTM, two layers both ways", "model:lstm_bi2"), float(time) * 1e3


def inverted_residual(text):
    for time in re.findall(r"^mobilenet_v2 .*?^simple rule .*?: ([\d.]+) ms", text, re.M | re.S):
        yield Row("MobileNet-V2, fused blocks", "model:mobilenet_v2"), float(time) * 1e3


def attention(text):
    times = {}
    for length, time in re.findall(r"^S=(\d+)\s+.*?\s([\d.]+) us", text, re.M):
        times[length] = min(float(time), times.get(length, float("inf")))
    for length, time in times.items():
        yield Row(f"attention 12 heads, {length}", f"attention:12,{length},{length},64", "attention"), time


def decode(text):
    """Weights of a token: times of all products of GPT-2, the vocabulary padded as the prototype has it, in
    four parts. Its attention: caches of 12 layers in turn."""
    products = [(12, "2304,768"), (12, "768,768"), (12, "3072,768"), (12, "768,3072"),
                (4, "12608,768")]
    for keys, time in re.findall(r"^KV step T=(\d+)\s+12 layers natural.*?:\s+([\d.]+) us", text, re.M):
        yield Row(f"a token's attention, 12 layers of {keys} keys", [(12, f"cache:12,{keys},64")], "attention",
                  layers=12), float(time)
    for kind, family, pattern in (("product", "contraction", "fp32 packed"), ("product_bf16", "narrow", "bf16 packed"),
                                  ("product_i8", "narrow", "int8 weights, fp32 act"),
                                  ("product_i4", "narrow", "int4 g32, fp32 act")):
        if times := re.findall(rf"^{pattern}.*?([\d.]+) ms/token", text, re.M):
            layers = [(count, f"{kind}:1,{shape}") for count, shape in products]
            yield Row(f"GPT-2 weights of a token, {kind}", layers, family, cold=True), min(map(float, times)) * 1e3


PROGRAMS = {"conv_direct": conv_direct, "winograd": winograd, "gemm": gemm, "light_int8": int8, "light_math": maps,
            "light_lstm": lstm, "light_invres": inverted_residual, "light_attention": attention, "light_decode": decode}


def build(source, folder):
    """Compiles as the source's build line says, without the vendor's library that some compare with on top."""
    line = re.search(r"clang\+\+-\d+ [^\n;|()]*?" + re.escape(source.name), source.read_text())
    words = [word for word in line.group(0).split()[:-1] if word != "-DUSE_DNNL"]
    target = folder / source.stem
    subprocess.run([*words, str(source), "-o", str(target)], check=True)
    return target


class Ours:
    def __init__(self, arguments):
        self.folder, self.models = arguments.build, arguments.models
        self.known = {}

    def layer(self, layer, row):
        """(cheapest estimate, fastest) in µs and the name of the former; None where the layer can't be made."""
        command = [self.folder / "bench/bench_kernels", layer, "--json", "--only", row.only, "--cheapest", str(CHEAPEST),
                   "--layers", str(row.layers)]
        done = subprocess.run(command + ["--cold"] * row.cold, capture_output=True, text=True)
        lines = [json.loads(line) for line in done.stdout.splitlines()] if done.returncode == 0 else []
        if not lines:
            return None
        chosen = min(lines, key=lambda line: line["estimate_us"])
        point = " ".join(f"{key}={value}" for key, value in chosen["point"].items())
        return chosen["us"], min(line["us"] for line in lines), f"{chosen['candidate']} {point}".strip()

    def model(self, name):
        if not self.models or not (self.models / name).exists():
            return None
        command = [self.folder / "tools/sardonyx", "bench", "--library", self.folder / "onnxifi/libonnxifi.so", "--json",
                   "--threads", "1", "--time", "1", self.models / name]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        figures = json.loads(done.stdout)["benchmarks"]
        time = next(f["real_time"] for f in figures if f["aggregate_name"] == "min") / 1e3
        return time, time, name

    def measure(self, row):
        if isinstance(row.layer, str) and row.layer.startswith("model:"):
            result = self.model(row.layer[6:])
        elif isinstance(row.layer, str):
            result = self.layer(row.layer, row)
        else:
            parts = [(count, self.layer(layer, row)) for count, layer in row.layer]
            if any(part is None for _, part in parts):
                result = None
            else:
                result = [sum(count * part[i] for count, part in parts) for i in (0, 1)] + [parts[0][1][2]]
        if result:
            row.ours.append(result[0])
            row.best.append(result[1])
            row.candidate = result[2]


def run(program, rows_of, measure):
    """The rows of a program's output with its times. Calls measure(row) as soon as a line gives a row, the program being
    stopped meanwhile."""
    text, seen = "", set()
    with subprocess.Popen([program], stdout=subprocess.PIPE, text=True) as process:
        try:
            for line in process.stdout:
                text += line
                fresh = {(row.name, row.cold): row for row, _ in rows_of(text) if (row.name, row.cold) not in seen}
                if fresh:
                    process.send_signal(signal.SIGSTOP)
                    for row in fresh.values():
                        measure(row)
                    process.send_signal(signal.SIGCONT)
                    seen |= fresh.keys()
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        raise subprocess.CalledProcessError(process.returncode, program)
    return rows_of(text)


def print_table(results, file=sys.stdout):
    for result in results:
        times = [f"{result[key]:10.1f}" if key in result else f"{'-':>10}"
                 for key in ("prototype_us", "ours_us", "best_us")]
        ratio = f"{result['ratio']:6.2f}" if "ratio" in result else f"{'-':>6}"
        print(f"{result['layer']:42} {'cold' if result['cold'] else 'hot':7} {' '.join(times)} {ratio}  "
              f"{result.get('candidate', '')}", file=file, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", type=pathlib.Path, required=True, help="folder of the prototypes")
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build"), help="build folder of this project")
    parser.add_argument("--models", type=pathlib.Path, help="folder of models in ONNX's test layout")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="rows whose name contains this text")
    parser.add_argument("--weights", choices=("hot", "cold", "both"), default="both", help="from the cache, from memory")
    parser.add_argument("--programs", default=",".join(PROGRAMS), help="programs to run, by name")
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()
    rows, ours = {}, Ours(arguments)

    def wanted(row):
        return arguments.only in row.name and arguments.weights != ("hot" if row.cold else "cold")

    def measure(row):
        if wanted(row):
            ours.measure(rows.setdefault((row.name, row.cold), row))

    with tempfile.TemporaryDirectory() as folder:
        names = arguments.programs.split(",")
        programs = {name: build(arguments.sources / f"{name}.cpp", pathlib.Path(folder)) for name in names}
        for _ in range(arguments.rounds):
            for name, program in programs.items():
                for row, time in run(program, PROGRAMS[name], measure):
                    if wanted(row):
                        row = rows[row.name, row.cold]
                        row.theirs.append(time)
                        print_table([row.figures()], sys.stderr)  # progress
    results = [row.figures() for row in rows.values()]
    print(f"{'layer':42} {'weights':7} {'prototype':>10} {'ours':>10} {'best':>10} {'ratio':>6}  candidate")
    print_table(results)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
