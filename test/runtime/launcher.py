"""The command line of executables, by a small model assembled by hand: options,
exit codes, files of NumPy and ONNX in and out, sizes and linked libraries."""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
import zipfile

import numpy as np
import onnx
from onnx import helper, numpy_helper

FIXTURES = None
MAPS_WANTED = "maps: sequence of 2 [{'cat': 0.25, 'dog': 0.75}; {'cat': 1, 'dog': 0}]\nbest: string[] = 'dog'\n"


class Launcher(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.dir = pathlib.Path(self.folder.name)
        self.x = np.array([1, 2.5, -3], np.float32)

    def run_model(self, *args, status=0, program="fixture"):
        done = subprocess.run([FIXTURES / program, *map(str, args)], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, status, f"{args}\n{done.stdout}{done.stderr}")
        if status:
            self.assertIn(f"{program}: error: ", done.stderr)
        else:
            self.assertEqual(done.stderr, "")
        return done

    def error(self, status, *args, program="fixture"):
        done = self.run_model(*args, status=status, program=program)
        return done.stderr.strip().partition(": error: ")[2]

    def test_prints_results(self):
        self.assertEqual(self.run_model("--input", "x=3xf32=1,2.5,-3").stdout, "y: f32[3] = 3 6 -5\nn: i64[] = 3\n")
        self.assertEqual(self.run_model("--input=2xf32=1").stdout, "y: f32[2] = 3 3\nn: i64[] = 2\n")
        shown = self.run_model("--input", "100xf32=1").stdout.splitlines()[0]
        self.assertEqual(shown, "y: f32[100] =" + " 3" * 10 + " ... (10 of 100)")

    def test_help_and_inspect(self):
        text = self.run_model("--help").stdout
        for line in ("usage: fixture", "f32[N]", "i64[]", "--expected"):
            self.assertIn(line, text)
        self.assertEqual(json.loads(self.run_model("--inspect").stdout)["name"], "fixture")

    def test_usage_errors(self):
        self.assertIn("missing inputs: x f32[N]", self.error(64))
        self.assertIn("unknown option '--inptu'", self.error(64, "--inptu", "x"))
        self.assertIn("needs a value", self.error(64, "--input"))
        self.assertIn("the model has no input 'z'; it has 'x'", self.error(64, "--input", "z=f32=1"))
        self.assertIn("--dim N=NUMBER", self.error(64, "--fill", "ints"))
        self.assertIn("random or ints", self.error(64, "--fill", "zeros"))
        self.assertIn("a number of at least 1", self.error(64, "--threads", "0", "--input", "1xf32=1"))
        self.assertIn("input 'x' has dtype i64, f32 is wanted", self.error(65, "--input", "x=2xi64=1"))
        self.assertIn("input 'x' has rank 2 (1x2), rank 1 is wanted", self.error(65, "--input", "x=1x2xf32=1"))
        self.assertIn("No such file", self.error(66, "--input", "x=@none.npy"))
        self.assertIn("say which one", self.error(64, "--input", "1xf32=1", "--output", self.dir / "y.npy"))
        self.assertIn("cannot write", self.error(73, "--input", "1xf32=1", "--output", f"y=@{self.dir}/none/y.npy"))

    def test_numpy_files(self):
        np.save(self.dir / "x.npy", self.x)
        self.run_model("--input", f"x=@{self.dir}/x.npy", "--output", f"y=@{self.dir}/y.npy", "--output",
                       self.dir / "all.npz", "--output", f"n=@{self.dir}/n.pb", "--output", self.dir / "all.safetensors")
        np.testing.assert_array_equal(np.load(self.dir / "y.npy"), 2 * self.x + 1)
        archive = np.load(self.dir / "all.npz")
        self.assertEqual(sorted(archive), ["n", "y"])
        self.assertEqual(archive["n"], 3)
        n = onnx.TensorProto()
        n.ParseFromString((self.dir / "n.pb").read_bytes())
        self.assertEqual((n.name, numpy_helper.to_array(n)), ("n", 3))
        np.savez(self.dir / "in.npz", x=self.x, other=self.x)
        self.assertIn("3 6 -5", self.run_model("--input", f"x=@{self.dir}/in.npz").stdout)
        self.assertIn("the model has no input 'other'", self.error(64, "--input", f"@{self.dir}/in.npz"))
        random = np.random.default_rng(1)
        for n, noise in ((1, 0), (7, 1), (5000, 0), (5000, 1), (200000, 2)):
            x = (np.arange(n) * (noise != 1) + noise * random.integers(0, 50, n)).astype(np.float32)
            np.savez_compressed(self.dir / "small.npz", x=x)
            self.run_model("--input", f"@{self.dir}/small.npz", "--output", f"y=@{self.dir}/y.npy")
            np.testing.assert_array_equal(np.load(self.dir / "y.npy"), 2 * x + 1)
        with zipfile.ZipFile(self.dir / "bz.npz", "w", zipfile.ZIP_BZIP2) as archive:
            archive.write(self.dir / "x.npy", "x.npy")
        self.assertIn("0 (stored) and 8 (deflate) are read", self.error(69, "--input", f"@{self.dir}/bz.npz"))
        for order in ("all.npz", "all.safetensors"):
            self.assertIn("y: same", self.run_model("--input", f"@{self.dir}/x.npy", "--expected", f"@{self.dir}/{order}").stdout)

    def test_every_dtype_of_numpy_and_onnx(self):
        # What is read is compared with what is wanted: the file against itself by another writer.
        for dtype in "f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8 b1 c8 c16".split():
            values = np.array([[0, 1, 2], [3, 5, 7]]).astype(dtype)
            np.save(self.dir / "a.npy", values)
            np.save(self.dir / "f.npy", np.asfortranarray(values))
            (self.dir / "a.pb").write_bytes(numpy_helper.from_array(values, "x").SerializeToString())
            typed = helper.make_tensor("x", helper.np_dtype_to_tensor_dtype(values.dtype), values.shape, values.flatten())
            (self.dir / "t.pb").write_bytes(typed.SerializeToString())
            names = {"f2": "f16", "f4": "f32", "f8": "f64", "b1": "bool", "c8": "c64", "c16": "c128"}
            found = names.get(dtype, f"{dtype[0]}{8 * int(dtype[1:])}")
            for file in ("a.npy", "f.npy", "a.pb", "t.pb"):
                wanted = f"'x' has dtype {found}" if dtype != "f4" else "'x' has rank 2 (2x3)"
                self.assertIn(wanted, self.error(65, "--input", f"x=@{self.dir}/{file}"), file)

    def test_data(self):
        (self.dir / "input_0.pb").write_bytes(numpy_helper.from_array(self.x, "x").SerializeToString())
        self.assertIn("no output_k.pb", self.error(66, "--test-data", self.dir))
        (self.dir / "output_0.pb").write_bytes(numpy_helper.from_array(2 * self.x + 1, "y").SerializeToString())
        done = subprocess.run([FIXTURES / "fixture", f"--test-data={self.dir}"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0)
        self.assertIn("output 'n' has no reference", done.stderr)
        (self.dir / "output_1.pb").write_bytes(numpy_helper.from_array(np.int64(3), "n").SerializeToString())
        text = self.run_model(f"--test-data={self.dir}").stdout
        self.assertEqual(len(re.findall("^[yn]: same", text, re.M)), 2, text)
        (self.dir / "output_1.pb").write_bytes(numpy_helper.from_array(np.int64(4), "n").SerializeToString())
        done = self.run_model(f"--test-data={self.dir}", status=82)
        self.assertIn("n: DIFFERS: 1 of 1 elements; worst [] is 3, 4 is wanted", done.stdout)

    def test_expected_and_tolerances(self):
        ok = ("--input", "2xf32=1,2", "--expected")
        self.run_model(*ok, "y=2xf32=3,5")
        self.run_model(*ok, "y=2xf32=3,5.1", status=82)
        self.run_model(*ok, "y=2xf32=3,5.1", "--rtol", "0.1", "--cosine", "0.99")
        self.run_model(*ok, "y=2xf32=3,5.1", "--rtol", "0.1", "--cosine", "0")  # any cosine, not: exactly
        self.run_model(*ok, "y=2xf32=nan,5", status=82)
        self.run_model(*ok, "n=i64=3", "--rtol", "10", status=82)
        # A failed comparison prints no timing.
        done = self.run_model(*ok, "y=2xf32=3,6", "--bench", status=82)
        self.assertNotIn("median", done.stdout)

    def test_fill_bench_profile(self):
        first = self.run_model("--fill", "random", "--dim", "N=5").stdout
        self.assertEqual(first, self.run_model("--fill=random", "--dim=N=5", "--threads", "1").stdout)
        self.assertNotEqual(first, self.run_model("--fill=random", "--dim=N=5", "--seed", "1").stdout)
        for value in self.run_model("--fill", "ints", "--dim", "N=9").stdout.split("=")[1].split("\n")[0].split():
            self.assertEqual(float(value), int(value))
        table = json.loads(self.run_model("--fill=ints", "--dim=N=1000", "--bench", "-r", "7", "--format=json").stdout)
        self.assertEqual((table["model"], table["runs"]), ("fixture", 7))
        self.assertLessEqual(table["min_us"], table["median_us"])
        self.assertLessEqual(table["median_us"], table["p95_us"])
        self.assertIn("| fixture | 1 | 20 |", self.run_model("--fill=ints", "--dim=N=9", "--bench", "--threads=1").stdout)
        self.assertEqual(len(self.run_model("--fill=ints", "--dim=N=9", "--bench", "--format=csv").stdout.splitlines()), 2)
        self.assertIn("median us", self.run_model("--bench", "--dim=N=9", "--poison").stdout)
        self.assertIn("--dim N=NUMBER", self.error(64, "--bench"))
        events = json.loads(self.run_model("--fill=ints", "--dim=N=100", "--profile", "--format=json").stdout)
        self.assertEqual([(e["kernel"], e["workgroups"]) for e in events], [("scale", 7)])

    def test_maps_and_strings(self):
        given = ("--input", "p=2x2xf32=0.25,0.75,1,0")
        self.assertEqual(self.run_model(*given, program="maps").stdout, MAPS_WANTED)
        self.run_model(*given, "--output", f"maps=@{self.dir}/output_0.pb", program="maps")
        sequence = onnx.SequenceProto()
        sequence.ParseFromString((self.dir / "output_0.pb").read_bytes())
        self.assertEqual(list(sequence.map_values[0].string_keys), [b"cat", b"dog"])
        self.assertEqual(numpy_helper.to_array(sequence.map_values[0].values.tensor_values[1]), np.float32(0.75))
        (self.dir / "input_0.pb").write_bytes(
            numpy_helper.from_array(np.array([[0.25, 0.75], [1, 0]], np.float32), "p").SerializeToString())
        (self.dir / "output_1.pb").write_bytes(helper.make_tensor("best", 8, (), [b"dog"]).SerializeToString())
        text = self.run_model(f"--test-data={self.dir}", program="maps").stdout
        self.assertEqual(text.count("same"), 5, text)
        self.assertIn("worst", self.run_model(*given[:1], "p=2x2xf32=0.25,0.5,1,0", f"--expected=maps=@{self.dir}/output_0.pb",
                                              program="maps", status=82).stdout)
        self.assertIn(".npy: use .pb", self.error(64, *given, "--output", f"maps=@{self.dir}/m.npy", program="maps"))

    def test_the_example_opens_a_library(self):
        def run(*args, status=0):
            done = subprocess.run([FIXTURES / "example", *args], capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, status, done.stdout + done.stderr)
            return done.stdout + done.stderr

        self.assertEqual(run(FIXTURES / "fixture.so"), "y: 1 of f32 3\nn: of i64\n")
        self.assertIn("No such file", run(self.dir / "none.so", status=66))
        library = (FIXTURES / "fixture.so").read_bytes()
        for name, content, status, message in (
                ("text.so", b"hello" * 100, 65, "no ELF file"),
                ("cut.so", library[:2000], 65, "is cut off"),
                ("arm.so", library[:18] + (183 if library[18] == 62 else 62).to_bytes(2, "little") + library[20:], 69, "this machine is")):
            (self.dir / name).write_bytes(content)
            self.assertIn(message, run(self.dir / name, status=status))
        # Another word of the program: the checksum, which the fixture computes itself, holds; the magic does not.
        (self.dir / "magic.so").write_bytes(library.replace(b"SMELTART", b"SMELTARS"))
        self.assertIn("not a Smelt artifact", run(self.dir / "magic.so", status=65))


class Linked(unittest.TestCase):
    def test_nothing_but_libc(self):
        for program in ("fixture", "maps", "example"):
            needed = subprocess.run(["readelf", "-d", FIXTURES / program], capture_output=True, text=True, check=True).stdout
            names = set(re.findall(r"\(NEEDED\).*\[(.*?)\.so", needed))
            self.assertLessEqual(names, {"libc", "libm", "ld-linux-x86-64", "ld-linux-aarch64", "libdl", "libpthread"}, program)

    def test_size(self):
        with tempfile.TemporaryDirectory() as tmp:
            for program in ("fixture", "maps"):
                subprocess.run(["strip", "-o", f"{tmp}/{program}", FIXTURES / program], check=True)
                size = os.path.getsize(f"{tmp}/{program}")
                self.assertLessEqual(size, 300 * 1024, f"{program}: a stripped executable has {size} bytes, at most 300 KB are wanted")

    def test_only_the_descriptor_is_exported(self):
        symbols = subprocess.run(["nm", "-D", "--defined-only", FIXTURES / "fixture.so"], capture_output=True, text=True, check=True)
        self.assertEqual([line.split()[-1] for line in symbols.stdout.splitlines()], ["smelt_artifact"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fixtures", type=pathlib.Path, required=True)
    parser.add_argument("--sanitized", action="store_true", help="sizes and libraries are not those of a release")
    options = parser.parse_args()
    FIXTURES = options.fixtures
    if options.sanitized:
        del Linked
    sys.exit(unittest.main(argv=[sys.argv[0]], verbosity=1))
