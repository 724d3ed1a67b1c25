//===- ElementwiseBinary.h - Evaluating binary ops (internal) ---------------===//
//
// Part of Smelt, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef SMELT_DIALECTS_SMELT_EVAL_ELEMENTWISEBINARY_H
#define SMELT_DIALECTS_SMELT_EVAL_ELEMENTWISEBINARY_H

#include "dialects/smelt/eval/Families.h"

namespace smelt::eval {

/// add, sub, ..., cmp; refuses any other op.
HostTensor evaluateBinary(Call &call);

} // namespace smelt::eval

#endif // SMELT_DIALECTS_SMELT_EVAL_ELEMENTWISEBINARY_H
