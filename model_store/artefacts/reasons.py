"""Says in words why an operation is not allowed. The words decide nothing: what no list allows is refused."""

from __future__ import annotations

import re

_RANDOM = "draws random numbers: export the network without it; the service itself samples codes, by a seed"
_SPEAKS = "speaks to other processes"
_HIDES = "runs code that a scan cannot see"
_REASONS = (
    (r"\w*(Random|Multinomial|TruncatedNormal|CandidateSampler|Sobol)\w*|Bernoulli|Rng\w+|Dropout", _RANDOM),
    (r"Stateful(Uniform|Standard)\w*|Fractional\w+Pool|SampleDistorted\w+|NonDeterministicInts", _RANDOM),
    (r"\w*PyFunc\w*", "calls Python code of the process"),
    (r"ReadFile|MatchingFiles|ImmutableConst|LoadAndRemapMatrix|GenerateVocabRemapping|Restore\w*", "reads files"),
    (r"InitializeTableFromTextFile\w*|Reader\w+|\w+Reader(V2)?|RecordInput|DecodeProto\w*|EncodeProto", "reads files"),
    (r"\w*(Text|TFRecord|FixedLength|LMDB|Sql|CSV|MatchingFiles|Snapshot|Load)\w*Dataset\w*", "reads files"),
    (r"WriteFile|Save\w*|MergeV2Checkpoints|DatasetToTFRecord|FileSystemSetConfiguration", "writes files"),
    (r"Write\w*Summary|\w*SummaryWriter|CreateSummary\w+|ImportEvent|PrintV2|Debug\w+", "writes files"),
    (r"Print|\w*Summary\w*", "writes to the log"),
    (r"_?(Host)?(Send|Recv)|\w*Rpc|Remote\w+|Collective\w+|Nccl\w+|DataService\w+|Distributed\w+", _SPEAKS),
    (r"(Register|Configure|Shutdown|Connect)\w+|\w*TPU\w*|(In|Out)feed\w*", _SPEAKS),
    (r"Xla\w+|TfLite\w+|SymbolicGradient|\w*Engine\w*|CompileAnd\w+|LoadLibrary|TRT\w+", _HIDES),
    (r"\w*(Dataset|Iterator)\w*|Optional\w+", "reads data sets"),
    (r"\w*(Queue|Stage|Stack(V2|P|C)|Barrier|Mutex|Table|Cache|Session|Accumulator)\w*", "keeps state between calls"),
    (r"\w*Assign\w*|Resource(Apply|Sparse|Scatter|CountUpTo|Strided)\w*|Destroy\w+|ReadValue", "keeps state"),
    (r"Abort|Timestamp|Empty|Inplace\w+", "does more than compute its result"),
)
_PATTERNS = tuple((re.compile(pattern), reason) for pattern, reason in _REASONS)
_UNKNOWN = "is not on the list of allowed operations"


def reason_of(operation: str) -> str:
    """What an operation does that is not allowed, as the rest of a sentence."""
    for pattern, reason in _PATTERNS:
        if pattern.fullmatch(operation):
            return reason
    return _UNKNOWN


def is_known(operation: str) -> bool:
    """Whether more can be said of an operation than that no list allows it."""
    return reason_of(operation) != _UNKNOWN
