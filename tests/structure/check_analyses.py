#!/usr/bin/env python3
"""Whether the pipeline of the host's code generator registers every analysis that its passes may ask LLVM for. A missing
one is a crash, and passes ask for some only now and then, so no set of kernels is sure to find it.

    check_analyses.py LLVM_LIBRARY_DIR LLVM_NM

An object file that asks for an analysis refers to its key. From the passes that pipeline.cpp names on, and from the
analyses it registers, which ask for others, prints every key that is referred to and not registered.
"""
import collections
import pathlib
import re
import subprocess
import sys

PIPELINE = pathlib.Path(__file__).resolve().parents[2] / "backends/cpu/llvm/pipeline.cpp"
ARCHIVES = ["ScalarOpts", "InstCombine", "Analysis", "Core"]
# What createFunctionToLoopPassAdaptor makes.
ADAPTOR = "FunctionToLoopPassAdaptor"
# Asked for by passes over whole loop nests alone, of which there are none.
NEVER_ASKED = {"LoopNestAnalysis"}

SYMBOL = re.compile(r"^\S+?:(\S+?\.o): +(?:[0-9a-f]+ )?(\w) (.*)$")
RUN = re.compile(r"^llvm::(\w+)::run\(")
# Proxies between managers are templates, registered by the names of their instances; every run asks for each.
KEY = re.compile(r"^llvm::(\w+)::Key$")


def read_archives(folder, nm):
    """The object file of every pass and analysis, and the analyses that object files ask for."""
    object_of, asked = {}, collections.defaultdict(set)
    for name in ARCHIVES:
        path = pathlib.Path(folder) / f"libLLVM{name}.a"
        listing = subprocess.run([nm, "--demangle", "--print-file-name", path], capture_output=True, text=True, check=True)
        for line in listing.stdout.splitlines():
            if not (symbol := SYMBOL.match(line)):
                continue
            file, kind, text = symbol.groups()
            if kind in "TtWw" and (run := RUN.match(text)):
                object_of.setdefault(run[1], file)
            if kind == "U" and (key := KEY.match(text)):
                asked[file].add(key[1])
    return object_of, asked


def missing_analyses(text, object_of, asked):
    passes = re.findall(r"llvm::(\w+Pass)\(", text) + [ADAPTOR]
    registered = set(re.findall(r"(?:add\(|return |Analysis<)llvm::(\w+)", text)) | {"AAManager"}
    missing = set()
    for user in passes + sorted(registered):
        if user.endswith("Pass") and user not in object_of:
            missing.add(f"{user} is in none of the archives {', '.join(ARCHIVES)}")
        for analysis in asked[object_of[user]] if user in object_of else ():
            if analysis not in registered | NEVER_ASKED:
                missing.add(f"{user} may ask for {analysis}, which is not registered")
    return passes, registered, sorted(missing)


def main():
    text = PIPELINE.read_text()
    object_of, asked = read_archives(*sys.argv[1:])
    passes, registered, missing = missing_analyses(text, object_of, asked)
    # The check itself must notice one that is gone.
    assert missing_analyses(text.replace("MemorySSAAnalysis", "X"), object_of, asked)[2], "a missing analysis goes unseen"
    print("\n".join(missing))
    print(f"{len(passes)} passes, {len(registered)} analyses, {len(missing)} missing")
    return 1 if missing or len(passes) < 5 or len(registered) < 10 else 0


if __name__ == "__main__":
    sys.exit(main())
