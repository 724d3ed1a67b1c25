//===- Ops.td - All ops of the smelt dialect, by family ---------------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
include "dialects/smelt/OpsMath.td"
include "dialects/smelt/OpsTensor.td"
include "dialects/smelt/OpsNN.td"
include "dialects/smelt/OpsControl.td"
include "dialects/smelt/OpsHostValue.td"
