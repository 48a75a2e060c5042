"""The operations of OpenVINO's operation sets that a served graph may have, as an IR names them."""

from __future__ import annotations

from model_store.artefacts.operation_lists import listed

_STRUCTURE = "Const Constant Identity If Loop Parameter Result TensorIterator"
_ELEMENTWISE = """
    Abs Acos Acosh Add Asin Asinh Atan Atanh BitwiseAnd BitwiseLeftShift BitwiseNot BitwiseOr BitwiseRightShift
    BitwiseXor Bucketize Ceiling Clamp Convert ConvertLike ConvertPromoteTypes Cos Cosh Divide Equal Erf ErfInv Exp
    Floor FloorMod Greater GreaterEqual IsFinite IsInf IsNaN Less LessEqual Log LogicalAnd LogicalNot LogicalOr
    LogicalXor Maximum Minimum Mod Multiply Negative NotEqual Power Round Select Sign Sin Sinh Sqrt SquaredDifference
    Subtract Tan Tanh Xor
"""
_ACTIVATIONS = """
    Elu Gelu HSigmoid HSwish HardSigmoid LogSoftmax Mish PReLU PRelu ReLU Relu Selu Sigmoid SoftMax SoftPlus SoftSign
    Softmax Swish
"""
_MATRICES = "Einsum Eye Inverse MatMul ScaledDotProductAttention"
_CONVOLUTIONS = """
    AdaptiveAvgPool AdaptiveMaxPool AvgPool BinaryConvolution Col2Im Convolution ConvolutionBackpropData
    DeformableConvolution GroupConvolution GroupConvolutionBackpropData MaxPool
"""
_NORMALISATIONS = "BatchNormInference GRN GroupNormalization LRN MVN NormalizeL2"
_RECURRENCES = "GRUCell GRUSequence LSTMCell LSTMSequence RNNCell RNNSequence"
_REDUCTIONS = """
    CumSum ReduceL1 ReduceL2 ReduceLogicalAnd ReduceLogicalOr ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum
    SegmentMax TopK
"""
_SHAPES = """
    BatchToSpace Broadcast Concat DepthToSpace ExtractImagePatches Gather GatherElements GatherND GridSample
    Interpolate NonZero OneHot Pad Range Reshape Reverse ReverseSequence Roll ScatterElementsUpdate ScatterNDUpdate
    ScatterUpdate SearchSorted ShapeOf ShuffleChannels Slice SliceScatter SpaceToBatch SpaceToDepth Split Squeeze
    StridedSlice Tile Transpose Unique Unsqueeze VariadicSplit
"""
_SPECTRA = "DFT IDFT IRDFT ISTFT RDFT STFT"
_QUANTISATION = "FakeConvert FakeQuantize"

ALLOWED = listed(
    _STRUCTURE,
    _ELEMENTWISE,
    _ACTIVATIONS,
    _MATRICES,
    _CONVOLUTIONS,
    _NORMALISATIONS,
    _RECURRENCES,
    _REDUCTIONS,
    _SHAPES,
    _SPECTRA,
    _QUANTISATION,
)
