# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# RNN, GRU and LSTM against ONNX Runtime: directions, states, lengths, options.
import numpy as np


def run(t):
    steps, batch, features, hidden = 5, 3, 4, 6

    def small(*shape):
        return (t.floats(*shape) / 2).astype("f")

    for op, gates in (("RNN", 1), ("GRU", 3), ("LSTM", 4)):
        outputs = 3 if op == "LSTM" else 2
        for direction, count in (("forward", 1), ("reverse", 1), ("bidirectional", 2)):
            x = small(steps, batch, features)
            weights = [small(count, gates * hidden, features), small(count, gates * hidden, hidden),
                       small(count, 2 * gates * hidden)]
            lengths = np.array([5, 2, 4], np.int32)
            states = [small(count, batch, hidden)] * (2 if op == "LSTM" else 1)
            time = ((0, 0), (0, 1), (5, 1)) + (((6, 1),) if op == "LSTM" else ())
            options = dict(outputs=outputs, hidden_size=hidden, direction=direction, peer="onnxruntime", atol=1e-5)
            t.check(f"{op} {direction}", op, [x, *weights[:2]], symbolic=((0, 0), (0, 1)), **options)
            t.check(f"{op} {direction} states", op, [x, *weights, None, *states], symbolic=time, **options)
            t.check(f"{op} {direction} lengths", op, [x, *weights, lengths, *states], **options)
        t.check(f"{op} clip", op, [x, *[w[:1] for w in weights]], outputs=outputs, hidden_size=hidden, clip=0.3,
                peer="onnxruntime")

    x = small(steps, batch, features)
    gru = [small(1, 3 * hidden, features), small(1, 3 * hidden, hidden), small(1, 6 * hidden)]
    t.check("GRU linear before reset", "GRU", [x, *gru], outputs=2, hidden_size=hidden, linear_before_reset=1,
            peer="onnxruntime")
    t.check("GRU activations", "GRU", [x, *gru], outputs=2, hidden_size=hidden, peer="onnxruntime",
            activations=["HardSigmoid", "ScaledTanh"], activation_alpha=[0.3, 0.5], activation_beta=[0.4, 0.7])
    lstm = [small(1, 4 * hidden, features), small(1, 4 * hidden, hidden), small(1, 8 * hidden)]
    h0, c0 = small(1, batch, hidden), small(1, batch, hidden)
    t.check("LSTM peepholes", "LSTM", [x, *lstm, None, h0, c0, small(1, 3 * hidden)], outputs=3, hidden_size=hidden,
            peer="onnxruntime")
    t.check("LSTM input forget", "LSTM", [x, *lstm], outputs=3, hidden_size=hidden, input_forget=1, peer="onnxruntime")
    # Layout 1 has the batch in front, also in the states: the transposed problem.
    t.check("LSTM layout", "LSTM", [x.transpose(1, 0, 2).copy(), *lstm, None, h0.transpose(1, 0, 2).copy(),
                                    c0.transpose(1, 0, 2).copy()], outputs=3, hidden_size=hidden, layout=1)

    t.refuse("recurrent direction", "LSTM", [x, *lstm], 65, "direction is 'both'", hidden_size=hidden, direction="both")
    t.refuse("recurrent weights", "LSTM", [x, *gru], 65, "W has shape [1, 18, 4], want [1, 24, 4]", hidden_size=hidden)
    t.refuse("recurrent activation", "RNN", [x, small(1, hidden, features), small(1, hidden, hidden)], 69,
             "activation 'Gelu'", hidden_size=hidden, activations=["Gelu"])
    t.refuse("recurrent activations", "LSTM", [x, *lstm], 65, "activations has 1 entries, want 3", hidden_size=hidden,
             activations=["Tanh"])
