# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Single nodes of the NN, recurrent, quantize, ML, Microsoft and legacy families
# against a peer: evaluated by TOOL, or compiled and run by COMPILER.
import argparse
import sys

import numpy as np

import cases_microsoft
import cases_ml
import cases_nn
import cases_quantize
import cases_recurrent
from harness import Suite


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tool")
    parser.add_argument("--compiler")
    parser.add_argument("--only", default="", help="cases whose name contains it")
    options = parser.parse_args()
    suite, pattern = Suite(options.tool, options.compiler), options.only
    check, refuse = suite.check, suite.refuse
    suite.check = lambda name, *a, **k: check(name, *a, **k) if pattern in name else None
    suite.refuse = lambda name, *a, **k: refuse(name, *a, **k) if pattern in name else None
    for family in (cases_nn, cases_recurrent, cases_quantize, cases_ml, cases_microsoft):
        suite.rng = np.random.default_rng(7)
        family.run(suite)
    return suite.finish()


if __name__ == "__main__":
    sys.exit(main())
