"""Ways to add a random node to a model of random_models.py, one function each; NODES lists them, often used ones often."""
import numpy as np

FLOATS = ("f4", "f4", "f4", "f8")
NUMBERS = ("f4", "f4", "f8", "i4", "i8", "i1", "u1")
ANY = NUMBERS + ("?",)
UNARY = ("Abs", "Neg", "Exp", "Sigmoid", "Tanh", "Erf", "Relu", "LeakyRelu", "Elu", "Selu", "Celu", "Softplus", "Softsign",
         "HardSigmoid", "HardSwish", "Sin", "Cos", "Atan", "Asinh", "Reciprocal", "Mish", "Gelu", "ThresholdedRelu", "Sinh",
         "Identity")
JUMPS = ("Floor", "Ceil", "Round", "Sign")
REDUCTIONS = ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare",
              "ReduceLogSumExp", "ReduceProd")


def ints(m, values):
    return m.constant(np.array(values, np.int64))


def partner(m, x):
    """A value that broadcasts with x."""
    fitting = [v for v in m.values if v.data.dtype == x.data.dtype and broadcasts(v.data.shape, x.data.shape)]
    if fitting and not m.one_in(3):
        return m.pick(fitting)
    shape = [1 if m.one_in(3) else d for d in x.data.shape[m.below(x.data.ndim + 1):]]
    return m.weight(x.data.dtype, shape)


def broadcasts(a, b):
    try:
        return np.prod(np.broadcast_shapes(a, b), dtype=np.int64) <= 5000
    except ValueError:
        return False


def split_axes(m, rank):
    return sorted(m.random.permutation(rank)[:1 + m.below(rank)].tolist())


# ---- maps ----
def unary(m):
    m.add(m.pick(UNARY), [m.any(FLOATS)])


def jump(m):
    m.add(m.pick(JUMPS), [m.any(FLOATS, exact=True)], jumps=True)


def positive(m):
    x = m.any(FLOATS)
    m.add("Abs", [x])
    m.add(m.pick(("Sqrt", "Log")), [m.values[-1]])


def binary(m):
    x = m.any(NUMBERS)
    m.add(m.pick(("Add", "Sub", "Mul", "Max", "Min")), [x, partner(m, x)])


def divide(m):
    x = m.any(FLOATS)
    shape = x.data.shape[m.below(x.data.ndim + 1):]
    m.add("Div", [x, m.constant(m.array(x.data.dtype, shape) + np.asarray(4, x.data.dtype))])


def integers(m):
    x = m.any(("i4", "i8"), exact=True)
    y = m.constant(np.asarray(1 + m.below(7), x.data.dtype))
    m.add(*m.pick((("Div", [x, y]), ("Mod", [x, y]), ("BitwiseAnd", [x, y]), ("BitwiseXor", [x, y]))))


def variadic(m):
    x = m.any(("f4",))
    m.add(m.pick(("Sum", "Mean", "Max", "Min")), [x, partner(m, x), partner(m, x)])


def compare(m):
    x = m.any(NUMBERS, exact=True)
    y = partner(m, x)
    if y.exact:
        m.add(m.pick(("Less", "Greater", "LessOrEqual", "GreaterOrEqual", "Equal")), [x, y], jumps=True)


def logic(m):
    x = m.any(("?",))
    m.add(*m.pick((("And", [x, partner(m, x)]), ("Or", [x, partner(m, x)]), ("Xor", [x, partner(m, x)]), ("Not", [x]))))


def where(m):
    x = m.any(NUMBERS)
    m.add("Where", [m.any(("?",), rank=x.data.ndim) if m.one_in(3) else m.weight("?", x.data.shape), x, partner(m, x)])


def clip(m):
    x = m.any(FLOATS)
    m.add("Clip", [x, m.constant(np.asarray(-0.5, x.data.dtype)), m.constant(np.asarray(1, x.data.dtype))])


def cast(m):
    x = m.any(ANY, exact=True)
    m.add("Cast", [x], jumps=True, to=m.pick((1, 11, 6, 7, 9)))


def prelu(m):
    x = m.any(("f4",), least_rank=1)
    m.add("PRelu", [x, m.weight("f4", [x.data.shape[-1]])])


# ---- reductions and norms ----
def reduce(m):
    x = m.any(("f4", "f4", "f8", "i4", "i8"), least_rank=1)
    op = m.pick(REDUCTIONS)
    if x.data.size == 0 and op in ("ReduceMax", "ReduceMin", "ReduceMean", "ReduceLogSumExp"):
        return
    axes = split_axes(m, x.data.ndim)
    if m.one_in(4):
        axes = [a - x.data.ndim for a in axes]
    operands = [x] if m.one_in(5) else [x, ints(m, axes)]
    m.add(op, operands, keepdims=m.below(2))


def position(m):
    x = m.any(("f4", "i4"), exact=True, least_rank=1)
    if x.data.size:
        m.add(m.pick(("ArgMax", "ArgMin")), [x], jumps=True, axis=m.below(x.data.ndim), keepdims=m.below(2),
              select_last_index=m.below(2))


def softmax(m):
    x = m.any(FLOATS, least_rank=1)
    m.add(m.pick(("Softmax", "LogSoftmax")), [x], axis=m.below(x.data.ndim) - (x.data.ndim if m.one_in(2) else 0))


def layer_norm(m):
    x = m.any(("f4",), least_rank=2)
    axis = 1 + m.below(x.data.ndim - 1)
    shape = x.data.shape[axis:]
    if np.prod(shape) > 1:
        m.add("LayerNormalization", [x, m.weight("f4", shape), m.weight("f4", shape)], axis=axis, epsilon=1e-2)


def batch_norm(m):
    x = m.any(("f4",), least_rank=2)
    channels = [x.data.shape[1]]
    variance = m.constant(np.abs(m.array("f4", channels)) + np.float32(0.5))
    m.add("BatchNormalization", [x, m.weight("f4", channels), m.weight("f4", channels), m.weight("f4", channels), variance])


def instance_norm(m):
    x = m.any(("f4",), least_rank=3)
    if np.prod(x.data.shape[2:]) > 1:
        channels = [x.data.shape[1]]
        m.add("InstanceNormalization", [x, m.weight("f4", channels), m.weight("f4", channels)], epsilon=1e-1)


def cumulative(m):
    x = m.any(("f4", "i4"), least_rank=1)
    m.add("CumSum", [x, m.constant(np.asarray(m.below(x.data.ndim), np.int64))], exclusive=m.below(2), reverse=m.below(2))


# ---- products ----
def matmul(m):
    x = m.any(("f4", "f4", "f8"), least_rank=1)
    columns = [m.pick((1, 3, 8, 17, 32))] if not m.one_in(6) else []
    batch = list(x.data.shape[:-2]) if m.one_in(3) and columns else []
    m.add("MatMul", [x, m.weight(x.data.dtype, batch + [x.data.shape[-1]] + columns)])


def gemm(m):
    x = m.any(("f4",), rank=2)
    across, down = m.below(2), m.below(2)
    k, columns = x.data.shape[0 if across else 1], m.pick((1, 4, 16, 19))
    weight = m.weight("f4", [columns, k] if down else [k, columns])
    operands = [x, weight] + ([m.weight("f4", [columns])] if m.one_in(2) else [])
    m.add("Gemm", operands, transA=across, transB=down, alpha=m.pick((1.0, 0.5)), beta=m.pick((1.0, 2.0)))


def einsum(m):
    x = m.any(("f4",), rank=3)
    _, _, k = x.data.shape
    if x.data.size:  # the peer divides by the size
        m.add("Einsum", [x, m.weight("f4", [4, k])], equation=m.pick(("abk,ck->abc", "abk,ck->bca", "abk,ck->ac")))


def conv(m):
    x = m.any(("f4",), rank=m.pick((3, 4, 4, 5)))
    spatial, channels = x.data.ndim - 2, x.data.shape[1]
    if channels == 0:
        return
    groups = m.pick([g for g in range(1, channels + 1) if channels % g == 0])
    kernel = [1 + m.below(3) for _ in range(spatial)]
    outputs = groups * m.pick((1, 2, 4, 8))
    attributes = {"group": groups, "strides": [1 + m.below(2) for _ in range(spatial)]}
    if m.one_in(3):
        attributes["auto_pad"] = m.pick(("SAME_UPPER", "SAME_LOWER", "VALID"))
    else:
        attributes.update(pads=[m.below(3) for _ in range(2 * spatial)], dilations=[1 + m.below(2) for _ in range(spatial)])
    operands = [x, m.weight("f4", [outputs, channels // groups] + kernel)]
    m.add("Conv", operands + ([m.weight("f4", [outputs])] if m.one_in(2) else []), **attributes)


def conv_transpose(m):
    x = m.any(("f4",), rank=4)
    channels = x.data.shape[1]
    if channels == 0:
        return
    m.add("ConvTranspose", [x, m.weight("f4", [channels, m.pick((1, 3, 4)), 2 + m.below(2), 2 + m.below(2)])],
          strides=[1 + m.below(2)] * 2, pads=[m.below(2) for _ in range(4)])


def pool(m):
    x = m.any(("f4",), rank=m.pick((3, 4)))
    spatial = x.data.ndim - 2
    kernel = [1 + m.below(max(1, min(3, d))) for d in x.data.shape[2:]]
    attributes = {"kernel_shape": kernel, "strides": [1 + m.below(2) for _ in range(spatial)], "ceil_mode": m.below(2),
                  "pads": [m.below(k) for k in kernel] * 2}
    op = m.pick(("MaxPool", "AveragePool"))
    if op == "AveragePool":
        attributes["count_include_pad"] = m.below(2)
    m.add(op, [x], **attributes)


def global_pool(m):
    x = m.any(("f4",), least_rank=3)
    m.add(m.pick(("GlobalAveragePool", "GlobalMaxPool")), [x])


# ---- movement ----
def transpose(m):
    x = m.any(ANY, least_rank=1)
    m.add("Transpose", [x], perm=m.random.permutation(x.data.ndim).tolist())


def reshape(m):
    x = m.any(ANY)
    dims = [d for d in x.data.shape]
    if len(dims) > 1 and m.one_in(2):
        at = m.below(len(dims) - 1)
        dims[at:at + 2] = [dims[at] * dims[at + 1]]
    else:
        dims.insert(m.below(len(dims) + 1), 1)
    if dims and x.data.size and m.one_in(2):
        dims[m.below(len(dims))] = -1
    m.add("Reshape", [x, ints(m, dims)], allowzero=int(x.data.size == 0))


def flatten(m):
    x = m.any(ANY)
    m.add("Flatten", [x], axis=m.below(x.data.ndim + 1))


def unsqueeze(m):
    x = m.any(ANY)
    m.add("Unsqueeze", [x, ints(m, [m.below(x.data.ndim + 1)])])


def squeeze(m):
    x = m.any(ANY)
    ones = [i for i, d in enumerate(x.data.shape) if d == 1]
    if ones:
        m.add("Squeeze", [x, ints(m, [m.pick(ones)])])


def concat(m):
    x = m.any(ANY, least_rank=1)
    axis = m.below(x.data.ndim)
    shape = list(x.data.shape)
    shape[axis] = m.pick((1, 2, 5))
    m.add("Concat", m.pick(([x, m.weight(x.data.dtype, shape)], [m.weight(x.data.dtype, shape), x, x])), axis=axis)


def split(m):
    x = m.any(ANY, least_rank=1)
    axis = m.below(x.data.ndim)
    extent = x.data.shape[axis]
    if extent > 1:
        first = 1 + m.below(extent - 1)
        m.add("Split", [x, ints(m, [first, extent - first])], outputs=2, axis=axis)


def slices(m):
    x = m.any(ANY, least_rank=1)
    axes = split_axes(m, x.data.ndim)
    backwards = m.one_in(3)
    starts = [-1 if backwards else m.below(3) for _ in axes]
    ends = [-(1 << 40) if backwards else m.pick((1 << 40, -1, 4)) for _ in axes]
    steps = [-1 - m.below(2) if backwards else 1 + m.below(2) for _ in axes]
    m.add("Slice", [x, ints(m, starts), ints(m, ends), ints(m, axes), ints(m, steps)])


def gather(m):
    x = m.any(ANY, least_rank=1)
    axis = m.below(x.data.ndim)
    extent = x.data.shape[axis]
    if extent:
        indices = m.random.integers(-extent, extent, m.shape(m.below(3), 20)).astype(np.int64)
        m.add("Gather", [x, m.constant(indices)], axis=axis)


def gather_elements(m):
    x = m.any(ANY, least_rank=1)
    axis = m.below(x.data.ndim)
    extent = x.data.shape[axis]
    if extent:
        shape = list(x.data.shape)
        shape[axis] = m.pick((1, 3))
        m.add("GatherElements", [x, m.constant(m.random.integers(-extent, extent, shape).astype(np.int64))], axis=axis)


def scatter(m):
    x = m.any(("f4", "i4"), least_rank=1)
    axis = m.below(x.data.ndim)
    extent = x.data.shape[axis]
    if extent > 1:
        shape = list(x.data.shape)
        shape[axis] = 2
        where_to = np.zeros(shape, np.int64)
        where_to[tuple(slice(1, 2) if i == axis else slice(None) for i in range(x.data.ndim))] = 1 + m.below(extent - 1)
        m.add("ScatterElements", [x, m.constant(where_to), m.weight(x.data.dtype, shape)], axis=axis,
              reduction=m.pick(("none", "add", "mul")))


def pad(m):
    x = m.any(("f4", "f8", "i4"), least_rank=1)
    mode = m.pick(("constant", "edge", "reflect"))
    most = [3 if mode == "constant" else min(3, d) for d in x.data.shape]
    pads = [m.below(max(1, n)) for n in most + most]
    m.add("Pad", [x, ints(m, pads)], mode=mode)


def expand(m):
    x = m.any(ANY)
    shape = [m.pick((2, 3)) if d == 1 else d for d in x.data.shape]
    m.add("Expand", [x, ints(m, ([2] if m.one_in(3) else []) + shape)])


def tile(m):
    x = m.any(NUMBERS, least_rank=1)
    m.add("Tile", [x, ints(m, [1 + m.below(3) for _ in x.data.shape])])


def triangle(m):
    x = m.any(("f4", "i8"), least_rank=2)
    m.add("Trilu", [x, m.constant(np.asarray(m.below(5) - 2, np.int64))], upper=m.below(2))


def blocks(m):
    x = m.any(("f4",), rank=4)
    _, c, h, w = x.data.shape
    if c % 4 == 0 and c:
        m.add("DepthToSpace", [x], blocksize=2, mode=m.pick(("DCR", "CRD")))
    elif h % 2 == 0 and w % 2 == 0:
        m.add("SpaceToDepth", [x], blocksize=2)


def resize(m):
    x = m.any(("f4",), rank=4)
    if x.data.size:
        n, c, h, w = x.data.shape
        sizes = ints(m, [n, c, m.pick((h, 2 * h, h + 3)), m.pick((w, 2 * w))])
        m.add("Resize", [x, None, None, sizes], mode="linear",
              coordinate_transformation_mode=m.pick(("half_pixel", "asymmetric", "align_corners")))


def top(m):
    x = m.any(("f4",), exact=True, least_rank=1)
    axis = m.below(x.data.ndim)
    if x.data.shape[axis] and np.unique(x.data).size == x.data.size:  # ties have no order to compare
        m.add("TopK", [x, ints(m, [1 + m.below(x.data.shape[axis])])], outputs=2, jumps=True, axis=axis, largest=m.below(2))


def one_hot(m):
    indices = m.any(("i8",), exact=True)
    m.add("OneHot", [indices, ints(m, [5]), m.constant(np.array([0, 1], np.float32))], axis=-1)


def non_zero(m):
    m.add("NonZero", [m.any(("?", "i4"), exact=True, least_rank=1)], jumps=True)


def shape_arithmetic(m):
    x = m.any(ANY, least_rank=1)
    m.add("Shape", [x])
    m.add("ReduceProd", [m.values[-1]], keepdims=1)
    m.add("Reshape", [x, m.values[-1]], allowzero=1)


def recurrent(m):
    x = m.any(("f4",), rank=3)
    op, gates = m.pick((("LSTM", 4), ("GRU", 3), ("RNN", 1)))
    size, both = m.pick((1, 4, 7)), m.one_in(2)
    if x.data.size == 0:
        return
    directions = 2 if both else 1
    operands = [x, m.weight("f4", [directions, gates * size, x.data.shape[2]]),
                m.weight("f4", [directions, gates * size, size])]
    operands += [m.weight("f4", [directions, 2 * gates * size])] if m.one_in(2) else []
    m.add(op, operands, outputs=2, hidden_size=size, direction="bidirectional" if both else m.pick(("forward", "reverse")))


NODES = ([unary, binary] * 4 + [variadic, where, reduce, reduce, matmul, matmul, conv, conv, softmax, transpose, reshape] * 2
         + [jump, positive, divide, integers, compare, logic, clip, cast, prelu, position, layer_norm, batch_norm,
            instance_norm, cumulative, gemm, einsum, conv_transpose, pool, global_pool, flatten, unsqueeze, squeeze, concat,
            split, slices, gather, gather_elements, scatter, pad, expand, tile, triangle, blocks, resize, top, one_hot,
            non_zero, shape_arithmetic, recurrent])
