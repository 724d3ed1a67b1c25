# The lit suite: RUN lines find smelt, smelt-opt, FileCheck and not on the PATH;
# %python has the packages of requirements.txt, %source is the repository.
# Features: one for each of Smelt's tools that is built (REQUIRES: smelt-opt),
# corpus (SMELT_CORPUS is set; %corpus), aarch64-cross, and the machine's architecture.
import os
import platform
import shutil

import lit.formats

config.name = "smelt"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.test_source_root = os.path.dirname(__file__)
config.excludes = ["models", "hostile", "lint", "install", "Inputs"]

config.environment["PATH"] = os.pathsep.join(
    [config.smelt_bin, config.llvm_bin, os.environ["PATH"]])
# A test never reads or fills the user's compile cache.
config.environment["XDG_CACHE_HOME"] = os.path.join(config.test_exec_root, "cache")
config.environment["NO_COLOR"] = "1"

config.substitutions += [
    ("%python", config.smelt_python),
    ("%source", config.smelt_source),
    ("%smelt_lib", config.smelt_lib),
]
config.available_features.add(platform.machine())
for tool in ("smelt", "smelt-opt", "smelt-reduce", "smelt-lsp-server", "smelt-test-import"):
    if os.path.exists(os.path.join(config.smelt_bin, tool)):
        config.available_features.add(tool)
# The runtime was built for aarch64 too, and this machine can run it.
if os.path.exists(os.path.join(config.smelt_lib, "aarch64", "libsmelt_runtime.a")) and shutil.which("qemu-aarch64"):
    config.available_features.add("aarch64-cross")
corpus = os.environ.get("SMELT_CORPUS")
if corpus:
    config.available_features.add("corpus")
    config.environment["SMELT_CORPUS"] = corpus
    config.substitutions.append(("%corpus", corpus))
