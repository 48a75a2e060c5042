"""The operations of the ONNX standard that a served graph may have. What is not listed is refused."""

from __future__ import annotations

from model_store.artefacts.operation_lists import listed

_STRUCTURE = "Constant ConstantOfShape EyeLike Identity If Loop Optional OptionalGetElement OptionalHasElement Scan"
_ELEMENTWISE = """
    Abs Acos Acosh Add And Asin Asinh Atan Atanh BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Cast CastLike Ceil
    Clip Cos Cosh Div Equal Erf Exp Floor Greater GreaterOrEqual IsInf IsNaN Less LessOrEqual Log Max Mean Min Mod Mul
    Neg Not Or Pow Reciprocal Round Sign Sin Sinh Sqrt Sub Sum Tan Tanh Where Xor
"""
_ACTIVATIONS = """
    Celu Elu Gelu HardSigmoid HardSwish Hardmax LeakyRelu LogSoftmax Mish PRelu Relu Selu Shrink Sigmoid Softmax
    Softplus Softsign Swish ThresholdedRelu
"""
_MATRICES = "Attention Det Einsum Gemm MatMul RotaryEmbedding Trilu"
_CONVOLUTIONS = """
    AveragePool Col2Im Conv ConvTranspose DeformConv GlobalAveragePool GlobalLpPool GlobalMaxPool LpPool MaxPool
    MaxRoiPool MaxUnpool RoiAlign
"""
_NORMALISATIONS = """
    BatchNormalization GroupNormalization InstanceNormalization LayerNormalization LRN LpNormalization
    MeanVarianceNormalization RMSNormalization
"""
_RECURRENCES = "GRU LSTM RNN"
_REDUCTIONS = """
    ArgMax ArgMin CumProd CumSum ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin
    ReduceProd ReduceSum ReduceSumSquare TopK
"""
_SHAPES = """
    AffineGrid CenterCropPad Compress Concat DepthToSpace Expand Flatten Gather GatherElements GatherND GridSample
    NonZero OneHot Pad Range Reshape Resize ReverseSequence Scatter ScatterElements ScatterND Shape Size Slice
    SpaceToDepth Split Squeeze TensorScatter Tile Transpose Unique Unsqueeze Upsample
"""
_SEQUENCES = """
    ConcatFromSequence SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert SequenceLength
    SequenceMap SplitToSequence
"""
_SPECTRA = "BlackmanWindow DFT HammingWindow HannWindow MelWeightMatrix STFT"
_QUANTISATION = """
    ConvInteger DequantizeLinear DynamicQuantizeLinear MatMulInteger QLinearConv QLinearMatMul QuantizeLinear
"""

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
    _SEQUENCES,
    _SPECTRA,
    _QUANTISATION,
)
