"""Installs the build into an empty prefix and uses it from outside the tree:
by CMake and by pkg-config, and with --smelt compiles a model with the installed
driver, as a library opened at run time and as an object linked in."""
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples" / "c"
DIGITS = EXAMPLES.parent / "digits" / "digits.onnx"


def call(*command, status=0, env=None):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, env=env)
    if done.returncode != status:
        sys.exit(f"{' '.join(map(str, command))}\nended with {done.returncode}, wanted {status}\n{done.stdout}{done.stderr}")
    return done.stdout


def examples(smelt, tmp, cc, flags, env):
    """examples/c, each with what it must say."""
    def build(name, *more):
        call(cc, "-std=c11", "-Wall", "-Werror", f"-I{tmp}", EXAMPLES / f"{name}.c", *more, *flags, "-pthread", "-o", tmp / name)
        return tmp / name

    for name in ("first", "second"):
        call(smelt, "compile", DIGITS, "-o", tmp / f"{name}.o", env=env)
    wanted = [(build("run"), [tmp / "digits.so"], "prob"),
              (build("threads"), [tmp / "digits.so"], "4 threads, 20 runs each: the same 40 bytes"),
              (build("memory"), [tmp / "digits.so"], "written in place: yes, allocations of the second run: 0"),
              (build("two_models", tmp / "first.o", tmp / "second.o"), [], "first: 1 in, 1 out\nsecond: 1 in, 1 out")]
    for program, arguments, text in wanted:
        said = call(program, *arguments)
        if text not in said:
            sys.exit(f"{program.name} said {said!r}, wanted {text!r}")
    print("the examples run")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", required=True)
    parser.add_argument("--cc", required=True)
    parser.add_argument("--smelt", action="store_true", help="the build has the driver")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as tmp:
        tmp = pathlib.Path(tmp)
        prefix = tmp / "prefix"
        call("cmake", "--install", options.build, "--prefix", prefix)
        for file in ("include/smelt.h", "lib/libsmelt_runtime.a"):
            if not (prefix / file).is_file():
                sys.exit(f"the installed tree lacks {file}")

        call("cmake", "-G", "Ninja", "-S", HERE / "project", "-B", tmp / "cmake", f"-DCMAKE_PREFIX_PATH={prefix}",
             f"-DCMAKE_C_COMPILER={options.cc}")
        call("cmake", "--build", tmp / "cmake")
        env = {**os.environ, "XDG_CACHE_HOME": str(tmp / "cache"), "PKG_CONFIG_PATH": str(prefix / "lib" / "pkgconfig")}
        flags = call("pkg-config", "--static", "--cflags", "--libs", "smelt", env=env).split()
        source = HERE / "project" / "app.c"
        call(options.cc, "-std=c99", "-Wall", "-Werror", source, *flags, "-o", tmp / "app")
        for app in (tmp / "cmake" / "app", tmp / "app"):
            call(app, tmp / "missing.so", status=66)
        print("a program outside the tree builds by CMake and by pkg-config")

        if options.smelt:
            smelt = prefix / "bin" / "smelt"
            wanted = "image to 1.000\n"  # ten probabilities
            call(smelt, "compile", DIGITS, "-o", tmp / "digits.so", env=env)
            call(smelt, "compile", DIGITS, "-o", tmp / "digits.o", env=env)
            call(options.cc, "-std=c99", "-DMODEL=smelt_artifact_digits", source, tmp / "digits.o", *flags, "-o", tmp / "linked")
            for said in (call(tmp / "app", tmp / "digits.so"), call(tmp / "linked")):
                if said != wanted:
                    sys.exit(f"the program said {said!r}, wanted {wanted!r}")
            print("it runs a model as a library and as an object")
            examples(smelt, tmp, options.cc, flags, env)


if __name__ == "__main__":
    main()
