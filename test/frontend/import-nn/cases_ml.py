# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# ai.onnx.ml: trees, linear and kernel models, encoders.
import numpy as np

ML = dict(domain="ai.onnx.ml", opset=3)


def trees(weights, targets, prefix, **more):
    """Two trees of depth 2 and 1 on features 0 and 1; one weight per leaf."""
    leaves = [(0, 2), (0, 3), (0, 4), (1, 1), (1, 2)]
    return dict(
        nodes_treeids=[0] * 5 + [1] * 3, nodes_nodeids=[0, 1, 2, 3, 4, 0, 1, 2],
        nodes_modes=["BRANCH_LEQ", "BRANCH_GT", "LEAF", "LEAF", "LEAF", "BRANCH_LT", "LEAF", "LEAF"],
        nodes_featureids=[0, 1, 0, 0, 0, 1, 0, 0], nodes_values=[0.5, -0.25, 0.0, 0.0, 0.0, 0.75, 0.0, 0.0],
        nodes_truenodeids=[1, 3, 0, 0, 0, 1, 0, 0], nodes_falsenodeids=[2, 4, 0, 0, 0, 2, 0, 0],
        nodes_missing_value_tracks_true=[1, 0, 0, 0, 0, 0, 0, 0],
        **{f"{prefix}_treeids": [a for a, _ in leaves], f"{prefix}_nodeids": [b for _, b in leaves],
           f"{prefix}_ids": targets, f"{prefix}_weights": weights}, **more)


def support_vectors(t, x):
    f, ort = t.floats, dict(domain="ai.onnx.ml", opset=1, peer="onnxruntime", result_types={0: np.int64, 1: np.float32}, outputs=2, atol=1e-4)
    rows = ((0, 0),)
    for classes, per_class in ((2, [2, 1]), (3, [2, 3, 1]), (5, [1, 2, 1, 3, 2])):
        vectors, pairs = sum(per_class), classes * (classes - 1) // 2
        machine = dict(kernel_params=[0.25, 0.5, 2.0], vectors_per_class=per_class, support_vectors=f(vectors * 4).tolist(),
                       coefficients=f((classes - 1) * vectors).tolist(), rho=f(pairs).tolist(), classlabels_ints=[7, 3, 5, 1, 2][:classes])
        sigmoids = dict(prob_a=(-1 - np.abs(f(pairs))).tolist(), prob_b=f(pairs).tolist())
        for kind in ("LINEAR", "POLY", "RBF", "SIGMOID"):
            t.check(f"svc {classes} {kind}", "SVMClassifier", [x], kernel_type=kind, symbolic=rows, **machine, **ort)
        for post in ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"):
            t.check(f"svc {classes} {post}", "SVMClassifier", [x], kernel_type="RBF", post_transform=post, **machine, **ort)
        if t.compiler:  # the coupling is the runtime's
            t.check(f"svc {classes} probabilities", "SVMClassifier", [x], kernel_type="RBF", symbolic=rows, **machine, **sigmoids, **ort)
            t.check(f"svc {classes} logistic of probabilities", "SVMClassifier", [x], kernel_type="RBF", post_transform="LOGISTIC", **machine, **sigmoids, **ort)
    t.check("svc linear", "SVMClassifier", [x], kernel_type="LINEAR", kernel_params=[0.0, 0.0, 0.0], coefficients=f(12).tolist(), rho=[0.25], classlabels_ints=[0, 1, 2], post_transform="SOFTMAX", symbolic=rows, **ort)
    t.refuse("svc rho", "SVMClassifier", [x], 65, "rho", vectors_per_class=[1, 1], support_vectors=[0.0] * 8, coefficients=[1.0, 1.0],
             rho=[0.0, 1.0], classlabels_ints=[0, 1], domain="ai.onnx.ml", opset=1)


def run(t):
    f = t.floats
    x = f(7, 3)
    x[2, 0] = np.nan
    rows = ((0, 0),)
    weights = [1.0, 2.5, -0.5, 0.25, 3.0]
    positive = [0.125, 0.25, 0.5, 0.25, 0.125]
    t.check("tree regressor PROBIT", "TreeEnsembleRegressor", [x], peer="onnxruntime", **ML,
            **trees([0.25, 0.5, 0.125, 0.25, 0.375], [0, 0, 0, 0, 0], "target", n_targets=1), post_transform="PROBIT", atol=1e-4)
    for post in ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"):
        t.check(f"tree classifier {post}", "TreeEnsembleClassifier", [x], outputs=2, symbolic=rows, **ML,
                **trees(weights, [0, 1, 2, 0, 1], "class", classlabels_int64s=[5, 3, 9], post_transform=post))
    # One class of weights among two labels: the other is its complement.
    for post in ("NONE", "LOGISTIC"):
        t.check(f"tree binary {post}", "TreeEnsembleClassifier", [x], outputs=2, symbolic=rows, **ML,
                **trees(positive, [0] * 5, "class", classlabels_int64s=[0, 1], post_transform=post))
    t.check("tree base values", "TreeEnsembleClassifier", [x], outputs=2, **ML,
            **trees(weights, [0, 1, 2, 0, 1], "class", classlabels_int64s=[0, 1, 2], base_values=[0.5, -1.0, 2.0]))
    for kind in ("SUM", "AVERAGE"):
        t.check(f"tree regressor {kind}", "TreeEnsembleRegressor", [x], symbolic=rows, **ML,
                **trees(weights, [0, 1, 0, 1, 0], "target", n_targets=2, aggregate_function=kind))
    for kind in ("MIN", "MAX"):
        t.check(f"tree regressor {kind}", "TreeEnsembleRegressor", [x], **ML,
                **trees(weights, [0] * 5, "target", n_targets=1, aggregate_function=kind), base_values=[10.0])

    x = f(5, 4)
    t.check("linear classifier", "LinearClassifier", [x], outputs=2, **ML, coefficients=f(12).tolist(),
            intercepts=f(3).tolist(), classlabels_ints=[4, 7, 1], post_transform="SOFTMAX", symbolic=rows)
    t.check("linear binary", "LinearClassifier", [x], outputs=2, **ML, coefficients=f(4).tolist(), intercepts=[0.25],
            classlabels_ints=[0, 1], post_transform="LOGISTIC")
    t.check("linear regressor", "LinearRegressor", [x], **ML, coefficients=f(8).tolist(), intercepts=f(2).tolist(), targets=2,
            post_transform="NONE", symbolic=rows)
    for kind in ("LINEAR", "POLY", "RBF", "SIGMOID"):
        t.check(f"svm {kind}", "SVMRegressor", [x], **ML, kernel_type=kind, kernel_params=[0.25, 0.5, 2.0], n_supports=3,
                support_vectors=f(12).tolist(), coefficients=f(3).tolist(), rho=[0.5], post_transform="NONE", atol=1e-3)
    support_vectors(t, x)
    t.check("scaler", "Scaler", [x], **ML, offset=f(4).tolist(), scale=[1.0, 2.0, 0.5, 4.0], symbolic=rows)
    for norm in ("MAX", "L1", "L2"):
        t.check(f"normalizer {norm}", "Normalizer", [x], norm=norm, symbolic=rows, **ML)
    t.check("binarizer", "Binarizer", [x], threshold=0.5, **ML)
    hole = x.copy()
    hole[1, 2] = np.nan
    t.check("imputer", "Imputer", [hole], **ML, imputed_value_floats=[1.0, 2.0, 3.0, 4.0], replaced_value_float=np.nan)
    t.check("imputer int", "Imputer", [t.ints(0, 3, 4, 2)], **ML, imputed_value_int64s=[7], replaced_value_int64=1)
    t.check("feature vectorizer", "FeatureVectorizer", [x, f(5, 2), f(5)], **ML, inputdimensions=[3, 4, 1])
    t.check("feature extractor", "ArrayFeatureExtractor", [x, np.array([2, 0, 2])], **ML, symbolic=rows)
    t.check("one hot", "OneHotEncoder", [t.ints(0, 5, 6)], **ML, cats_int64s=[3, 1, 0], zeros=1, symbolic=rows)
    t.check("label encoder", "LabelEncoder", [t.ints(0, 5, 6)], **ML, keys_int64s=[3, 1, 0], values_floats=[0.5, 1.5, 2.5],
            default_float=-9.0, symbolic=rows)
    t.check("label encoder ints", "LabelEncoder", [f(6)], **ML, keys_floats=[0.25, 0.5, -1.0], values_int64s=[5, 6, 7],
            default_int64=-2)

    broken = trees(weights, [0, 1, 2, 0, 1], "class", classlabels_int64s=[0, 1, 2])
    cycle = dict(broken, nodes_truenodeids=[0, 3, 0, 0, 0, 1, 0, 0])
    t.refuse("tree cycle", "TreeEnsembleClassifier", [x], 65, "is reached twice, want a tree", outputs=2, **ML, **cycle)
    t.refuse("tree feature", "TreeEnsembleClassifier", [x[:, :1].copy()], 65, "feature id of tree node 1 is 1, want 0 to 0",
             outputs=2, **ML, **broken)
    t.refuse("tree target", "TreeEnsembleClassifier", [x], 65, "target of tree node", outputs=2, **ML,
             **dict(broken, class_ids=[0, 1, 3, 0, 1]))
    t.refuse("tree arrays", "TreeEnsembleClassifier", [x], 65, "nodes_values has 2 entries, want 8", outputs=2, **ML,
             **dict(broken, nodes_values=[0.0, 1.0]))
    t.refuse("scaler width", "Scaler", [x], 65, "offset has 3 entries, want 1 or 4", **ML, offset=[1.0] * 3, scale=[1.0] * 4)
