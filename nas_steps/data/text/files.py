"""The names of the files of prepared text. Imports no NumPy: the Snakefile reads it."""

#: the byte pairs, if tokens are not bytes
TOKENIZER = "tokenizer.json"
#: by kind, how the name of a part's file ends
KINDS = {"tokens": "npy", "documents": "csv"}
