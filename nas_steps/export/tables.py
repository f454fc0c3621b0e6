"""The columns of exports.csv."""

EXPORTS = (
    "name",
    "file",
    "kind",
    "status",
    "seed",
    "parameters",
    "macs",
    "bytes",
    "images",
    "largest_difference",
    "top1_agreement",
    "test_accuracy",
    "opset",
)
