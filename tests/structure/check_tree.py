#!/usr/bin/env python3
"""Checks of the source tree itself: who may include whom, and habits that every file keeps. Prints every breach."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LONGEST_FILE = 800

# A module may include those named here, what they may include in turn, and itself.
MODULES = {
    "runtime/base": [],
    "runtime": ["runtime/base"],
    "compiler/expr": ["runtime/base"],
    "compiler/tensor": ["compiler/expr"],
    "compiler/graph": ["compiler/expr", "compiler/tensor"],
    "compiler/gradient": ["compiler/graph", "compiler/tensor"],
    "compiler/ops": ["compiler/gradient", "compiler/graph", "compiler/tensor"],
    "compiler/sketch": ["compiler/tensor"],
    "compiler/passes": ["compiler/graph", "compiler/ops"],
    "backends": ["compiler/graph", "compiler/tensor", "compiler/sketch", "compiler/ops", "runtime"],
    "compiler/driver": ["compiler/passes", "compiler/sketch", "backends", "runtime"],
    "importer": ["compiler/graph", "compiler/ops"],
    "onnxifi": ["importer", "compiler/driver", "runtime", "backends"],
    # Hosts of the library: of the project they see the public headers alone, and the tools the base vocabulary.
    "examples": [],
    "bench": [],
    "tools": ["runtime/base"],
}
# `sardonyx opt`, `sardonyx operators` and the benchmark of kernels work on the compiler itself.
EXCEPTIONS = {
    "tools/opt_command.cpp": ["compiler/passes"],
    "tools/operators_command.cpp": ["compiler/ops"],
    "bench/kernels.cpp": ["compiler/passes", "backends"],
}

# Headers that stay in a few folders, by the first part of their path. Tests are hosts with OpenCL contexts of their own.
FENCED = {
    "llvm": ("backends/cpu/llvm",),
    "dnnl": ("backends/cpu/onednn",),
    "oneapi": ("backends/cpu/onednn",),
    "omp": ("backends/cpu/onednn",),
    "CL": ("backends/opencl", "tests"),
    "google": ("importer",),
    "re2": ("compiler/ops/onnx",),
    "xxhash.h": ("compiler/driver",),
    "png": ("compiler/ops/image", "tests"),
    "turbojpeg": ("compiler/ops/image", "tests"),
    "tiffio": ("compiler/ops/image", "tests"),
    "webp": ("compiler/ops/image", "tests"),
    "openjpeg": ("compiler/ops/image", "tests"),
}
LIBRARY = ("runtime", "compiler", "backends", "importer", "onnxifi")
ENVIRONMENT_READER = "runtime/base/settings.cpp"
SOURCES = {".h", ".c", ".cpp"}
TEXTS = SOURCES | {".py", ".md", ".txt", ".cmake", ".in", ".json", ".proto", ".map", ""}
# Places of one machine; written in pieces so that this file keeps its own rule.
MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:" + "|".join(["wo" + "rk", "tm" + "p", "ho" + "me", "ro" + "ot"]) + r")/[\w-]")

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')
GETENV = re.compile(r"\b(?:secure_)?getenv\s*\(")
PRINTS = re.compile(r"\bstd::cout\b|(?<![\w:.])(?:std::)?(?:printf|puts|putchar)\s*\(|\bstdout\b")


def files():
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        hidden = any(part.startswith(".") and part != ".ci" for part in parts[:-1])
        if hidden or parts[0].startswith("build") or "__pycache__" in parts or not path.is_file():
            continue
        if path.suffix in TEXTS and not parts[-1].startswith("."):
            yield path.relative_to(ROOT).as_posix(), path


def module_of(path):
    return max((m for m in MODULES if path.startswith(m + "/")), key=len, default=None)


def reachable(module):
    seen, stack = set(), [module]
    while stack:
        current = stack.pop()
        if current not in seen:
            seen.add(current)
            stack.extend(MODULES[current])
    return seen


def check_include(path, module, quote, target):
    if quote == "<" or module_of(target) is None:
        fences = FENCED.get(re.split(r"[/.]", target)[0])
        if fences and not path.startswith(tuple(folder + "/" for folder in fences)):
            yield f"includes <{target}>, which stays in {' and '.join(fences)}"
    if quote == '"' and module and (owner := module_of(target)):
        allowed = reachable(module)
        for extra in EXCEPTIONS.get(path, []):
            allowed |= reachable(extra)
        if owner not in allowed:
            yield f'includes "{target}": {module} may not include {owner}'


def check_file(path, text):
    lines = text.splitlines()
    is_source = pathlib.PurePath(path).suffix in SOURCES
    if is_source and len(lines) > LONGEST_FILE:
        yield 1, f"has {len(lines)} lines, more than {LONGEST_FILE}"
    module = module_of(path)
    in_library = path.startswith(tuple(folder + "/" for folder in LIBRARY))
    for number, line in enumerate(lines, 1):
        if MACHINE_PATHS.search(line) and "XXXXXX" not in line:  # templates of temporary files are everyone's
            yield number, f"names a place of one machine: {line.strip()}"
        if not is_source:
            continue
        if include := INCLUDE.match(line):
            for breach in check_include(path, module, include[1], include[2]):
                yield number, breach
        if in_library and path != ENVIRONMENT_READER and GETENV.search(line):
            yield number, f"reads the environment, which only {ENVIRONMENT_READER} does"
        if in_library and path.endswith(".cpp") and PRINTS.search(line.split("//")[0]):
            yield number, "prints on stdout"
    if path.endswith(".h") and "#pragma once" not in text and not re.search(r"^#ifndef \w+_H\b", text, re.M):
        yield 1, "has no include guard"


def check_documents():
    if (ROOT / "examples/host.c").read_text().rstrip() not in (ROOT / "README.md").read_text():
        yield "README.md: its host is not examples/host.c, which the tests build and run"
    guide = (ROOT / "docs/user_guide.md").read_text()
    settings = (ROOT / ENVIRONMENT_READER).read_text()
    for name in sorted(set(re.findall(r'"(SARDONYX_\w+|ONNX\w+_PROPERTY_\w+)"', settings))):
        if name not in guide:
            yield f"docs/user_guide.md: the setting {name} is missing"


def self_check():
    """The rules themselves must catch what they are for."""
    assert list(check_file("runtime/x.cpp", '#include "compiler/graph/graph.h"\n')), "dependency rule"
    assert list(check_file("compiler/ops/x.cpp", "#include <llvm/IR/IRBuilder.h>\n")), "fenced headers"
    assert list(check_file("importer/x.cpp", 'getenv("A");\n')), "environment"
    assert list(check_file("backends/x.cpp", 'printf("a");\n')), "stdout"
    assert list(check_file("docs/x.md", "see /" + "tm" + "p/build\n")), "machine paths"
    assert list(check_file("runtime/x.cpp", "\n" * 801)), "length"
    assert not list(check_file("compiler/driver/x.cpp", '#include "backends/backend.h"\n')), "driver may see backends"


def main():
    self_check()
    breaches, count = list(check_documents()), 0
    for path, file in files():
        try:
            text = file.read_text()
        except UnicodeDecodeError:
            continue
        count += 1
        breaches += [f"{path}:{number}: {breach}" for number, breach in check_file(path, text)]
    print("\n".join(breaches))
    print(f"{count} files, {len(breaches)} breaches")
    return 1 if breaches or count < 50 else 0


if __name__ == "__main__":
    sys.exit(main())
